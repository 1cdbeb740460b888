//! Compiled and interpreted maps give the same words.

mod common;

use common::role_code;
use mpcc_codegen::{CodegenError, Jit};
use mpcc_program::code::{Access, Buf, Map, MapExecutor, MapOp, RoleCode, V, maps};
use mpcc_program::interpret::{Interpreter, MapError};
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

/// The operation at position `i`. With `vector`, only operations that have a vector form.
fn operation(choice: Choice, i: u32, vector: bool) -> MapOp {
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
    let by = u8::try_from(constant % 64).expect("below 64");
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
fn filled(lengths: &[usize], mut seed: u64) -> Vec<Vec<u64>> {
    let mut word = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (seed ^ seed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed >> (mixed & 63)
    };
    lengths.iter().map(|&n| (0..n).map(|_| word()).collect()).collect()
}

/// Runs every map of `code` on the same buffers, compiled and interpreted.
fn assert_bit_equal(code: &RoleCode, seed: u64) {
    let jit = Jit::compile(code).expect("the maps fit their buffers");
    let mut compiled = filled(&code.lengths, seed);
    let mut interpreted = compiled.clone();
    for (id, map) in maps(code).enumerate() {
        jit.run(id, map, &mut compiled);
        Interpreter.run(id, map, &mut interpreted);
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

fn random_code() -> impl Strategy<Value = RoleCode> {
    let words = prop_oneof![Just(Words::None), Just(Words::Few), Just(Words::Any)];
    let map = (words, prop::collection::vec(choice(), 1..40), prop::collection::vec(any::<u32>(), 1..4));
    let shape = (extent(), extent(), 1..20usize, 1..3usize);
    (shape, prop::collection::vec(map, 1..4)).prop_map(|((rows, cols, long, short), choices)| {
        let full = rows * cols;
        let mut lengths = vec![full, full, full, rows, rows, cols, cols, long, short];
        let mut maps = Vec::new();
        for (words, choices, stored) in choices {
            let count = u32::try_from(choices.len()).expect("few");
            let ops = (0..).zip(choices).map(|(i, c)| {
                let vector = match words {
                    Words::None => true,
                    Words::Few => c.a % 4 != 0,
                    Words::Any => false,
                };
                operation(c, i, vector)
            });
            let ops = ops.collect();
            let stores = stored.into_iter().map(|v| {
                lengths.push(full);
                (Buf(u32::try_from(lengths.len() - 1).expect("few")), V(v % count))
            });
            let stores = stores.collect();
            maps.push(Map { rows, cols, ops, stores });
        }
        role_code(lengths, maps)
    })
}

proptest! {
    #[test]
    fn random_maps(code in random_code(), seed: u64) {
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
    let choices = (0..18u8).flat_map(|kind| [0, 1, 63, u64::MAX].map(|constant| Choice { kind, a: 1, b: 0, constant }));
    let choices: Vec<_> = choices.collect();
    for (rows, cols) in [(1, 1), (1, 2), (1, 7), (7, 1), (2, 1), (3, 4), (4, 3), (600, 3)] {
        let mut lengths = lengths(rows, cols);
        let maps = choices.iter().map(|&choice| {
            let out = Buf(u32::try_from(lengths.len()).unwrap());
            lengths.push(rows * cols);
            let ops =
                vec![MapOp::Load(Buf(0), Access::Full), MapOp::Load(Buf(3), Access::Row), operation(choice, 2, false)];
            Map { rows, cols, ops, stores: vec![(out, V(2))] }
        });
        let maps = maps.collect();
        assert_bit_equal(&role_code(lengths, maps), 7);
    }
}

#[test]
fn frames_beyond_a_page() {
    for last in [MapOp::Xor(V(0), V(1)), MapOp::Parity(V(0))] {
        let mut ops = vec![MapOp::Load(Buf(0), Access::Full), MapOp::Load(Buf(5), Access::Col), last];
        for i in 2..1200 {
            ops.push(MapOp::Mul(V(i), V(i - 2)));
        }
        // Every product is used once more, last first, so that all are alive at once.
        for i in 0..1200 {
            ops.push(MapOp::Xor(V(1200 + i), V(1200 - i)));
        }
        let stores = vec![(Buf(STORED), V(u32::try_from(ops.len() - 1).unwrap()))];
        assert_bit_equal(&role_code(lengths(3, 5), vec![Map { rows: 3, cols: 5, ops, stores }]), 3);
    }
}

/// `out = full * row` of the given extents and buffers.
fn scaled(rows: usize, cols: usize, full: u32, row: u32, out: u32) -> Map {
    let ops = vec![MapOp::Load(Buf(full), Access::Full), MapOp::Load(Buf(row), Access::Row), MapOp::Mul(V(0), V(1))];
    Map { rows, cols, ops, stores: vec![(Buf(out), V(2))] }
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
                let mut compiled = filled(&code.lengths, seed);
                let mut interpreted = compiled.clone();
                jit.run(0, map, &mut compiled);
                Interpreter.run(0, map, &mut interpreted);
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
#[should_panic(expected = "buffer 1 has not the length it was compiled for")]
fn a_short_buffer_is_refused() {
    let code = role_code(vec![12, 3, 12], vec![scaled(3, 4, 0, 1, 2)]);
    let mut buffers = vec![vec![1; 12], vec![1; 2], vec![0; 12]];
    Jit::compile(&code).unwrap().run(0, maps(&code).next().unwrap(), &mut buffers);
}
