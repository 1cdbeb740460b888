//! Compiled and interpreted maps give the same words.

mod common;

use common::{mixed_code, role_code};
use mpcc_codegen::{CodegenError, Jit};
use mpcc_program::code::{Access, Buf, Lane, Map, MapExecutor, MapOp, Role, RoleCode, V, maps};
use mpcc_program::gates::lower;
use mpcc_program::interpret::{Interpreter, MapError};
use mpcc_program::program::{
    Gate, Input, Kind, Output, Program, Term, Value, ValueId, Weight, WeightId, WeightRounding,
};
use mpcc_program::verify::verify;
use mpcc_program::words::with_own;
use proptest::prelude::*;

/// Buffers 0–2 are full, 3–4 have a word per row, 5–6 per column, 7–8 are tables, the others are stored.
const STORED: u32 = 9;

/// What proptest varies of an operation; made valid by [`operation`].
#[derive(Clone, Copy, Debug)]
struct Choice {
    kind: u8,
    a: u32,
    b: u32,
    constant: u64,
}

fn choice() -> impl Strategy<Value = Choice> {
    let constant = prop_oneof![any::<u64>(), 0..70u64, Just(u64::MAX), Just(1 << 63)];
    (any::<u8>(), any::<u32>(), any::<u32>(), constant).prop_map(|(kind, a, b, constant)| Choice {
        kind,
        a,
        b,
        constant,
    })
}

/// The operation at position `i` of a map in this lane. With `vector`, only operations that have a vector form.
fn operation(lane: Lane, choice: Choice, i: u32, vector: bool) -> MapOp {
    let Choice { kind, a, b, constant } = choice;
    let leaves = [
        MapOp::Load(Buf(a % 3), Access::Full),
        MapOp::Load(Buf(3 + a % 2), Access::Row),
        MapOp::Load(Buf(5 + a % 2), Access::Col),
        MapOp::Const(constant),
        MapOp::RowIndex,
    ];
    if i == 0 {
        return leaves[usize::from(kind) % leaves.len()];
    }
    let (x, y) = (V(a % i), V(b % i));
    let by = u8::try_from(constant % u64::from(lane.bits())).expect("below 128");
    let inner = [
        MapOp::Add(x, y),
        MapOp::Sub(x, y),
        MapOp::Mul(x, y),
        MapOp::And(x, y),
        MapOp::Or(x, y),
        MapOp::Xor(x, y),
        MapOp::Shl(x, by),
        MapOp::Shr(x, by),
        MapOp::Sar(x, by),
        MapOp::ShlBy(x, y),
        MapOp::ShrBy(x, y),
        MapOp::Parity(x),
        MapOp::LoadAt(Buf(7 + b % 2), x),
    ];
    let inner = if vector { &inner[..9] } else { &inner[..] };
    let kind = usize::from(kind) % (leaves.len() + inner.len());
    if kind < leaves.len() { leaves[kind] } else { inner[kind - leaves.len()] }
}

/// Buffers of the lengths the maps need, with words of all sizes so that some are indices into tables.
fn filled(code: &RoleCode, mut seed: u64) -> Vec<Vec<u64>> {
    let mut word = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (seed ^ seed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed >> (mixed & 63)
    };
    let buffers = code.lengths.iter().zip(&code.lanes);
    buffers.map(|(length, lane)| (0..length * lane.words()).map(|_| word()).collect()).collect()
}

/// Runs every map of `code` on the same buffers, compiled and interpreted.
fn assert_bit_equal(code: &RoleCode, seed: u64) {
    let jit = Jit::compile(code).expect("the maps fit their buffers");
    let mut compiled = filled(code, seed);
    let mut interpreted = compiled.clone();
    for (id, map) in maps(code).enumerate() {
        with_own(&mut compiled, |words| jit.run(id, map, &code.lanes, words));
        with_own(&mut interpreted, |words| Interpreter.run(id, map, &code.lanes, words));
    }
    assert_eq!(compiled, interpreted);
}

fn extent() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(2), 3..9usize, 31..35usize]
}

/// How many operations of a map lack a vector form: none, few, or any.
#[derive(Clone, Copy, Debug)]
enum Words {
    None,
    Few,
    Any,
}

/// Maps over buffers all of words, or each of a random lane.
fn random_code(mixed: bool) -> impl Strategy<Value = RoleCode> {
    let lane = move || any::<bool>().prop_map(move |double| if mixed && double { Lane::Double } else { Lane::Word });
    let words = prop_oneof![Just(Words::None), Just(Words::Few), Just(Words::Any)];
    let stores = prop::collection::vec((any::<u32>(), lane()), 1..4);
    let map = (lane(), words, prop::collection::vec(choice(), 1..40), stores);
    let shape = (extent(), extent(), 1..20usize, 1..3usize);
    let lanes = prop::collection::vec(lane(), STORED as usize);
    (shape, lanes, prop::collection::vec(map, 1..4)).prop_map(|((rows, cols, long, short), mut lanes, choices)| {
        let full = rows * cols;
        let mut lengths = vec![full, full, full, rows, rows, cols, cols, long, short];
        let mut maps = Vec::new();
        for (lane, words, choices, stored) in choices {
            let count = u32::try_from(choices.len()).expect("few");
            let ops = (0..).zip(choices).map(|(i, c)| {
                let vector = match words {
                    Words::None => true,
                    Words::Few => c.a % 4 != 0,
                    Words::Any => false,
                };
                operation(lane, c, i, vector)
            });
            let ops = ops.collect();
            let stores = stored.into_iter().map(|(v, stored)| {
                lengths.push(full);
                lanes.push(lane.min(stored));
                (Buf(u32::try_from(lengths.len() - 1).expect("few")), V(v % count))
            });
            let stores = stores.collect();
            maps.push(Map { lane, rows, cols, ops, stores });
        }
        mixed_code(lengths, lanes, maps)
    })
}

proptest! {
    #[test]
    fn random_maps(code in random_code(false), seed: u64) {
        assert_bit_equal(&code, seed);
    }

    #[test]
    fn random_maps_of_mixed_lanes(code in random_code(true), seed: u64) {
        assert_bit_equal(&code, seed);
    }
}

/// Buffers 0–8 as above and one stored.
fn lengths(rows: usize, cols: usize) -> Vec<usize> {
    let full = rows * cols;
    vec![full, full, full, rows, rows, cols, cols, 5, 1, full]
}

#[test]
fn every_operation_alone_in_every_shape() {
    let constants = [0, 1, 63, 64, 65, 127, u64::MAX];
    let choices = (0..18u8).flat_map(|kind| constants.map(|constant| Choice { kind, a: 1, b: 0, constant }));
    let choices: Vec<_> = choices.collect();
    let shapes = [(1, 1), (1, 2), (1, 7), (7, 1), (2, 1), (3, 4), (4, 3), (600, 3)];
    let (word, double) = (Lane::Word, Lane::Double);
    // What the maps compute in, read and store.
    let lanes = [(word, word, word), (word, double, word), (double, word, double), (double, double, word)];
    let lanes = lanes.into_iter().chain([(double, double, double)]);
    for ((rows, cols), (lane, read, stored)) in lanes.flat_map(|lanes| shapes.map(|shape| (shape, lanes))) {
        let mut lengths = lengths(rows, cols);
        let mut lanes = vec![read; lengths.len()];
        let maps = choices.iter().map(|&choice| {
            let out = Buf(u32::try_from(lengths.len()).unwrap());
            lengths.push(rows * cols);
            lanes.push(stored);
            let last = operation(lane, choice, 2, false);
            let ops = vec![MapOp::Load(Buf(0), Access::Full), MapOp::Load(Buf(3), Access::Row), last];
            Map { lane, rows, cols, ops, stores: vec![(out, V(2))] }
        });
        let maps = maps.collect();
        assert_bit_equal(&mixed_code(lengths, lanes, maps), 7);
    }
}

#[test]
fn frames_beyond_a_page() {
    let cases = [
        (Lane::Word, MapOp::Xor(V(0), V(1))),
        (Lane::Word, MapOp::Parity(V(0))),
        (Lane::Double, MapOp::Xor(V(0), V(1))),
    ];
    for (lane, last) in cases {
        let mut ops = vec![MapOp::Load(Buf(0), Access::Full), MapOp::Load(Buf(5), Access::Col), last];
        for i in 2..1200 {
            ops.push(MapOp::Mul(V(i), V(i - 2)));
        }
        // Every product is used once more, last first, so that all are alive at once.
        for i in 0..1200 {
            ops.push(MapOp::Xor(V(1200 + i), V(1200 - i)));
        }
        let stores = vec![(Buf(STORED), V(u32::try_from(ops.len() - 1).unwrap()))];
        let lengths = lengths(3, 5);
        let lanes = vec![lane; lengths.len()];
        assert_bit_equal(&mixed_code(lengths, lanes, vec![Map { lane, rows: 3, cols: 5, ops, stores }]), 3);
    }
}

/// `Σ_j (x_j + x_(j+1)) · x_0` over 50 buffers, the tenth of which is stored again, and the sum so far at the thirtieth.
#[test]
fn many_buffers_are_read_in_segments() {
    let count = 50;
    for (rows, cols) in [(1, 1), (1, 1301), (700, 1), (36, 41)] {
        let mut ops = vec![MapOp::Load(Buf(0), Access::Full), MapOp::RowIndex];
        let mut push = |op| {
            ops.push(op);
            V(u32::try_from(ops.len() - 1).unwrap())
        };
        let (mut out, mut stores) = (V(1), vec![]);
        let mut last = V(0);
        for j in 1..count {
            let x = push(MapOp::Load(Buf(j), Access::Full));
            let pair = push(MapOp::Add(last, x));
            let product = push(MapOp::Mul(pair, V(0)));
            out = push(MapOp::Add(out, product));
            last = x;
            match j {
                10 => stores.push((Buf(count), x)),
                30 => stores.push((Buf(count + 1), out)),
                _ => {}
            }
        }
        stores.push((Buf(count + 2), out));
        let lengths = vec![rows * cols; count as usize + 3];
        let map = Map { lane: Lane::Word, rows, cols, ops, stores };
        assert_bit_equal(&role_code(lengths, vec![map]), 13);
    }
}

#[test]
fn loads_at_the_row_plus_a_constant() {
    let (rows, length) = (37, 100);
    let firsts = [0, 1, 63, 64, 100, u64::MAX, u64::MAX - 36];
    for lane in [Lane::Word, Lane::Double] {
        for cols in [1, 3] {
            let mut ops = vec![MapOp::RowIndex];
            let mut stores = vec![];
            for (first, out) in firsts.into_iter().zip(1..) {
                let next = u32::try_from(ops.len()).unwrap();
                let index = if first % 2 == 0 { MapOp::Add(V(0), V(next)) } else { MapOp::Add(V(next), V(0)) };
                ops.extend([MapOp::Const(first), index, MapOp::LoadAt(Buf(0), V(next + 1))]);
                stores.push((Buf(out), V(next + 2)));
            }
            let lengths = [vec![length], vec![rows * cols; firsts.len()]].concat();
            let lanes = vec![lane; lengths.len()];
            assert_bit_equal(&mixed_code(lengths, lanes, vec![Map { lane, rows, cols, ops, stores }]), 17);
        }
    }
}

/// `out = full * row` of the given extents and buffers.
fn scaled(rows: usize, cols: usize, full: u32, row: u32, out: u32) -> Map {
    let ops = vec![MapOp::Load(Buf(full), Access::Full), MapOp::Load(Buf(row), Access::Row), MapOp::Mul(V(0), V(1))];
    Map { lane: Lane::Word, rows, cols, ops, stores: vec![(Buf(out), V(2))] }
}

#[test]
fn maps_that_differ_in_buffers_and_extents_share_a_kernel() {
    let lengths = vec![12, 12, 3, 12, 12, 20, 4, 20];
    let all = vec![scaled(3, 4, 0, 2, 3), scaled(3, 4, 1, 2, 4), scaled(4, 5, 5, 6, 7)];
    let code = role_code(lengths, all);
    assert_eq!(Jit::compile(&code).unwrap().kernels(), 1);
    assert_bit_equal(&code, 11);

    let one_column = role_code(vec![12, 12, 12, 3, 12], vec![scaled(12, 1, 0, 1, 2), scaled(3, 4, 0, 3, 4)]);
    assert_eq!(Jit::compile(&one_column).unwrap().kernels(), 2);
    assert_bit_equal(&one_column, 11);
}

#[test]
fn maps_that_differ_in_a_lane_have_their_own_kernels() {
    let (word, double) = (Lane::Word, Lane::Double);
    let wide = |map: Map| Map { lane: double, ..map };
    // Buffers 0–1 are full, 2–3 have a word per row, the others are stored.
    let all = vec![
        scaled(3, 4, 0, 2, 4),
        scaled(3, 4, 1, 2, 5),
        wide(scaled(3, 4, 0, 2, 6)),
        wide(scaled(3, 4, 1, 2, 7)),
        wide(scaled(3, 4, 1, 3, 8)),
        wide(scaled(3, 4, 1, 3, 9)),
        wide(scaled(3, 4, 1, 3, 10)),
    ];
    let lengths = vec![12, 12, 3, 3, 12, 12, 12, 12, 12, 12, 12];
    let lanes = vec![word, double, word, double, word, word, word, word, word, double, double];
    let code = mixed_code(lengths, lanes, all);
    assert_eq!(Jit::compile(&code).unwrap().kernels(), 6);
    assert_bit_equal(&code, 11);
}

#[test]
fn a_table_of_doubles_is_clamped_to_its_last_entry() {
    for lane in [Lane::Word, Lane::Double] {
        let ops = vec![MapOp::Load(Buf(0), Access::Full), MapOp::LoadAt(Buf(1), V(0))];
        let map = Map { lane, rows: 1, cols: 4, ops, stores: vec![(Buf(2), V(1))] };
        let code = mixed_code(vec![4, 3, 4], vec![Lane::Double, Lane::Double, lane], vec![map.clone()]);
        // The index is the low word, whatever the high one is.
        let mut buffers = vec![vec![1, 0, 0, 9, 3, 0, u64::MAX, 0], (10..16).collect(), vec![0; 4 * lane.words()]];
        let jit = Jit::compile(&code).unwrap();
        with_own(&mut buffers, |words| jit.run(0, &map, &code.lanes, words));
        let expected: &[u64] = match lane {
            Lane::Word => &[12, 10, 14, 14],
            Lane::Double => &[12, 13, 10, 11, 14, 15, 14, 15],
        };
        assert_eq!(buffers[2], expected);
    }
}

/// Squares and products in rings above 64 bits, from an input and to an output of fewer.
fn wide_program() -> Program {
    use Kind::{Share, Wire};
    let weight = |shape: &[usize], fraction, path: &str| Weight {
        node: 0,
        shape: shape.into(),
        transposed: false,
        fraction,
        bound: 12,
        rounding: WeightRounding::Nearest,
        path: path.to_owned(),
    };
    let image = Input { node: 1, shape: [2, 4].as_slice().into(), fraction: 10, bound: 20, path: "image".to_owned() };
    let logits = Output { name: "logits".to_owned(), shape: [2, 3].as_slice().into(), fraction: 10, labels: vec![] };
    let mut program = Program {
        name: "wide".to_owned(),
        weights: vec![weight(&[4, 3], 10, "w"), weight(&[3], 20, "gain")],
        inputs: vec![image],
        outputs: vec![logits],
        ..Program::default()
    };
    let mut push = |(kind, shape): (Kind, &[usize]), (ring, fraction, bound), gate: Gate| {
        let known = gate.operands().iter().map(|&o| program.value(o).level).max().unwrap_or(0);
        let level = known + u16::from(gate.takes_a_hop());
        program.hops = program.hops.max(level);
        let (shape, path) = (shape.into(), String::new());
        program.values.push(Value { gate, kind, shape, ring, fraction, bound, level, path });
        ValueId(u32::try_from(program.values.len() - 1).expect("few"))
    };
    let open = |source, truncate| Gate::Open { source, truncate };
    let image = push((Wire, &[2, 4]), (50, 10, 20), Gate::Input { input: 0 });
    let squares = push((Share, &[2, 1]), (120, 20, 42), Gate::RowSquares { source: image });
    let exact = push((Wire, &[2, 1]), (110, 10, 33), open(squares, 10));
    let scaled = push((Share, &[2, 4]), (100, 20, 53), Gate::RowScale { source: image, row: exact });
    let wide = push((Share, &[2, 4]), (100, 10, 20), Gate::Extend { source: image });
    let terms = vec![Term { value: scaled, shift: 0 }, Term { value: wide, shift: 10 }];
    let sum = push((Share, &[2, 4]), (100, 20, 54), Gate::Add { terms });
    let opened = push((Wire, &[2, 4]), (90, 10, 45), open(sum, 10));
    let product = push((Share, &[2, 3]), (90, 20, 59), Gate::MatMulServer { source: opened, weight: WeightId(0) });
    let narrow = push((Wire, &[2, 3]), (60, 0, 40), open(product, 20));
    let gained = push((Share, &[2, 3]), (60, 20, 52), Gate::MulServer { source: narrow, weight: WeightId(1) });
    push((Share, &[2, 3]), (50, 10, 43), Gate::Reveal { source: gained, truncate: 10, output: 0 });
    program
}

#[test]
fn the_code_of_every_role_in_wide_rings() {
    let program = wide_program();
    verify(&program).expect("the program keeps every rule");
    for role in [Role::ModelOwner, Role::DataOwner, Role::Dealer] {
        let code = lower(&program, role);
        for lane in [Lane::Word, Lane::Double] {
            assert!(maps(&code).any(|map| map.lane == lane), "{role:?} has no map in {lane:?}");
        }
        assert_bit_equal(&code, 5);
    }
}

#[test]
fn no_maps_no_kernels() {
    assert_eq!(Jit::compile(&role_code(vec![3], vec![])).unwrap().kernels(), 0);
}

#[test]
fn threads_share_compiled_code() {
    let code = role_code(vec![12, 3, 12], vec![scaled(3, 4, 0, 1, 2)]);
    let jit = Jit::compile(&code).unwrap();
    let map = maps(&code).next().unwrap();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (jit, code) = (&jit, &code);
            scope.spawn(move || {
                let mut compiled = filled(code, seed);
                let mut interpreted = compiled.clone();
                with_own(&mut compiled, |words| jit.run(0, map, &code.lanes, words));
                with_own(&mut interpreted, |words| Interpreter.run(0, map, &code.lanes, words));
                assert_eq!(compiled, interpreted);
            });
        }
    });
}

#[test]
fn a_map_that_does_not_fit_is_named() {
    let code = role_code(vec![12, 3, 12], vec![scaled(3, 4, 0, 1, 2), scaled(3, 4, 1, 0, 2)]);
    let error = Jit::compile(&code).unwrap_err();
    let CodegenError::Map { id: 1, source } = error else { panic!("{error}") };
    assert_eq!(source, MapError::Length { buf: 1, expected: 12, actual: 3 });
}

#[test]
fn code_without_a_lane_for_each_buffer_is_refused() {
    let code = mixed_code(vec![12, 3, 12], vec![Lane::Word; 2], vec![scaled(3, 4, 0, 1, 2)]);
    let error = Jit::compile(&code).unwrap_err();
    assert!(matches!(error, CodegenError::Lanes { lanes: 2, lengths: 3 }), "{error}");
}

#[test]
#[should_panic(expected = "buffer 0 has not the lane it was compiled for")]
fn another_lane_is_refused() {
    let code = role_code(vec![12, 3, 12], vec![scaled(3, 4, 0, 1, 2)]);
    let lanes = [Lane::Double, Lane::Word, Lane::Word];
    let mut buffers = vec![vec![1; 24], vec![1; 3], vec![0; 12]];
    let jit = Jit::compile(&code).unwrap();
    with_own(&mut buffers, |words| jit.run(0, maps(&code).next().unwrap(), &lanes, words));
}

#[test]
#[should_panic(expected = "buffer 1 has not the length it was compiled for")]
fn a_length_in_entries_is_not_one_in_words() {
    let lanes = vec![Lane::Word, Lane::Double, Lane::Word];
    let code = mixed_code(vec![12, 3, 12], lanes, vec![scaled(3, 4, 0, 1, 2)]);
    let mut buffers = vec![vec![1; 12], vec![1; 3], vec![0; 12]];
    let jit = Jit::compile(&code).unwrap();
    with_own(&mut buffers, |words| jit.run(0, maps(&code).next().unwrap(), &code.lanes, words));
}

#[test]
#[should_panic(expected = "buffer 1 has not the length it was compiled for")]
fn a_short_buffer_is_refused() {
    let code = role_code(vec![12, 3, 12], vec![scaled(3, 4, 0, 1, 2)]);
    let mut buffers = vec![vec![1; 12], vec![1; 2], vec![0; 12]];
    let jit = Jit::compile(&code).unwrap();
    with_own(&mut buffers, |words| jit.run(0, maps(&code).next().unwrap(), &code.lanes, words));
}
