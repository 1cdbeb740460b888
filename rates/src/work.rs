//! Nanoseconds of each unit of work, from the kernels that an inference calls on buffers of a layer's size.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mpcc_codegen::{CodegenError, Extensions, Jit};
use mpcc_kernels::pack::PackError;
use mpcc_kernels::{dcf, matmul, pack, prg, rows, trig};
use mpcc_program::code::{Access, Buf, Instr, Lane, Map, MapExecutor, MapOp, Role, RoleCode, Step, V};
use mpcc_program::words::Words;
use mpcc_program::work::{self, PerUnit, Work};

use crate::RatesError;

/// How often `advance` is called.
pub(crate) const STAGES: u64 = 9;

/// How long each piece of work is repeated.
const BUDGET: Duration = Duration::from_millis(120);
/// Words of a large activation, and how many of them are used in turn: more than caches hold, as the material of an
/// inference is.
const WORDS: usize = 65 * 512;
const BUFFERS: usize = 96;

/// Pairs of entries that the map with computed positions adds up, and entries of a table in which each is found.
const LOOKUPS: usize = 14;
const TABLE: usize = 2048;

/// Measures all rates. Another core works in memory meanwhile, as the other party does.
pub(crate) fn measure(extensions: Extensions, advance: &dyn Fn()) -> Result<PerUnit<f64>, RatesError> {
    // First, while the process has little memory to use again.
    let fresh = fresh_memory();
    advance();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = || {
            let (mut a, b) = (words(BUFFERS * WORDS, 1), words(BUFFERS * WORDS, 2));
            while !done.load(Ordering::Relaxed) {
                for (a, b) in a.chunks_mut(WORDS).zip(b.chunks(WORDS)) {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a = a.wrapping_mul(*b).wrapping_add(*b) >> 1);
                }
                black_box(&a);
            }
        };
        if thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
            scope.spawn(other);
        }
        let rates = kernels(extensions, advance);
        done.store(true, Ordering::Relaxed);
        Ok(PerUnit { fresh, ..rates? })
    })
}

fn kernels(extensions: Extensions, advance: &dyn Fn()) -> Result<PerUnit<f64>, RatesError> {
    let mut rates = PerUnit::<f64>::default();
    products(&mut rates);
    advance();
    maps(&mut rates, extensions)?;
    advance();
    streams(&mut rates);
    advance();
    packing(&mut rates)?;
    advance();
    moving(&mut rates);
    advance();
    rates.harmonic = harmonics();
    advance();
    row_functions(&mut rates);
    advance();
    comparisons(&mut rates);
    advance();
    // Below what a clock resolves, a rate is still not zero.
    Ok(rates.map(|rate| rate.max(1e-3)))
}

/// Of repeated runs, the time that a quarter of them stays below, in nanoseconds; `run` is given the number of the run.
fn time(mut run: impl FnMut(usize)) -> f64 {
    run(0);
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || start.elapsed() < BUDGET {
        let begin = Instant::now();
        run(times.len());
        times.push(begin.elapsed().as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 4]
}

fn words(len: usize, salt: u64) -> Vec<u64> {
    (0..len as u64).map(|i| (i ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}

fn buffers(len: usize) -> Vec<Vec<u64>> {
    (0..BUFFERS as u64).map(|salt| words(len, salt)).collect()
}

/// A layer's product and a head's: the second has few operations for each word.
fn products(rates: &mut PerUnit<f64>) {
    let mut measured = [(1, 65, 256, 512), (4, 65, 65, 32)].map(|(batch, m, k, n)| {
        let (left, right) = (buffers(batch * m * k), buffers(batch * k * n));
        let mut result = buffers(batch * m * n);
        let mut nanoseconds = |bits| {
            time(|i| {
                let at = i % BUFFERS;
                matmul::matmul_bits(bits, batch, m, k, n, &left[at], &right[at], &mut result[at]);
            })
        };
        let count = [batch * m * k * n, batch * (m * k + k * n + m * n)].map(|c| c as f64);
        (count, nanoseconds(64), nanoseconds(32))
    });
    measured.reverse();
    let [(a, s, _), (b, t, half)] = measured;
    let determinant = a[0] * b[1] - a[1] * b[0];
    let word = (a[0] * t - b[0] * s) / determinant;
    rates.product_word = word.max(0.0);
    rates.product = (t - b[1] * rates.product_word) / b[0];
    rates.half_product = (half - b[1] * rates.product_word) / b[0];
    const DOUBLE_BITS: u32 = 96;
    let (m, k, n) = (65, 64, 256);
    let (left, right, mut result) = (buffers(2 * m * k), buffers(2 * k * n), buffers(2 * m * n));
    let nanoseconds = time(|i| {
        let at = i % BUFFERS;
        matmul::matmul_double_bits(1, m, k, n, &left[at], &right[at], &mut result[at], DOUBLE_BITS);
    });
    let words = 2.0 * (m * k + k * n + m * n) as f64 * rates.product_word;
    rates.double_product = (nanoseconds - words) / (m * k * n) as f64;
}

/// Maps as code generation compiles them.
fn maps(rates: &mut PerUnit<f64>, extensions: Extensions) -> Result<(), CodegenError> {
    let full = |buf| MapOp::Load(Buf(buf), Access::Full);
    // Two loads, a sum and a store, then the same with a chain of operations, then one that has no vector form.
    let short = vec![full(0), full(1), MapOp::Add(V(0), V(1))];
    let chain = |parity: bool| {
        let mut ops = short.clone();
        for i in 0..24 {
            let last = V(2 + i);
            ops.push(match i % 4 {
                0 => MapOp::Sub(last, V(0)),
                1 => MapOp::Shr(last, 3),
                2 => MapOp::Mul(last, V(1)),
                _ if parity => MapOp::Parity(last),
                _ => MapOp::Xor(last, V(0)),
            });
        }
        ops
    };
    // A sum of products of entries at computed positions, in a table for each.
    let mut lookups = vec![full(0), MapOp::Const(TABLE as u64 - 1), MapOp::And(V(0), V(1))];
    let mut sum = V(0);
    for i in 0..LOOKUPS as u64 {
        let next = lookups.len() as u32;
        lookups.push(MapOp::Const(i * TABLE as u64));
        lookups.push(MapOp::Add(V(2), V(next)));
        lookups.push(MapOp::LoadAt(Buf(3), V(next + 1)));
        lookups.push(MapOp::LoadAt(Buf(4), V(next + 1)));
        lookups.push(MapOp::Mul(V(next + 2), V(0)));
        lookups.push(MapOp::Sar(V(next + 4), 16));
        lookups.push(MapOp::Mul(V(next + 3), V(next + 5)));
        lookups.push(MapOp::Add(sum, V(next + 6)));
        sum = V(next + 7);
    }
    let map = |rows: usize, ops: Vec<MapOp>| {
        let last = V(ops.len() as u32 - 1);
        Map { lane: Lane::Word, rows, cols: 1, ops, stores: vec![(Buf(2), last)] }
    };
    let tiny = map(1, short.clone());
    let double = Map { lane: Lane::Double, ..map(WORDS, chain(false)) };
    let list =
        [map(WORDS, short.clone()), map(WORDS, chain(false)), map(WORDS, chain(true)), map(WORDS, lookups), double];
    let mut counted = Vec::new();
    let mut nanoseconds = Vec::new();
    for map in &list {
        let code = code(vec![WORDS, WORDS, WORDS, TABLE * LOOKUPS, TABLE * LOOKUPS], map);
        counted.push(work::instruction(&code, &code.offline[0]));
        nanoseconds.push(run_map(&code, map, extensions)?);
    }
    rates.instruction = run_map(&code(vec![1; 3], &tiny), &tiny, extensions)?.max(INSTRUCTION_NANOSECONDS);
    let [plain, vector, scalar, lookup, double] = [0, 1, 2, 3, 4].map(|i| counted[i]);
    let count = |a: u64, b: u64| (a - b).max(1) as f64;
    rates.map_vector = (nanoseconds[1] - nanoseconds[0]) / count(vector.map_vector, plain.map_vector);
    rates.map_vector = rates.map_vector.max(0.01);
    let rest = nanoseconds[0] - rates.map_vector * plain.map_vector as f64;
    rates.map_word = (rest / plain.map_word.max(1) as f64).max(0.01);
    let of_words = |work: &Work| rates.map_word * work.map_word as f64;
    rates.map_scalar = ((nanoseconds[2] - of_words(&scalar)) / scalar.map_scalar.max(1) as f64).max(0.01);
    let rest = nanoseconds[3] - of_words(&lookup) - rates.map_scalar * lookup.map_scalar as f64;
    rates.map_lookup = (rest / lookup.map_lookup.max(1) as f64).max(0.05);
    let rest = nanoseconds[4] - of_words(&double);
    rates.map_double = (rest / double.map_double.max(1) as f64).max(0.01);
    Ok(())
}

/// Least time of an instruction: its buffers are found, taken and released, and the list goes on.
const INSTRUCTION_NANOSECONDS: f64 = 600.0;

fn code(lengths: Vec<usize>, map: &Map) -> RoleCode {
    RoleCode {
        role: Role::Dealer,
        lanes: vec![map.lane; lengths.len()],
        lengths,
        setup: Step::default(),
        setup_after: Vec::new(),
        offline: vec![Instr::Map(map.clone())],
        steps: Vec::new(),
        outputs: Vec::new(),
    }
}

fn run_map(code: &RoleCode, map: &Map, extensions: Extensions) -> Result<f64, CodegenError> {
    let jit = Jit::compile_with(extensions, code)?;
    let count = 4 * BUFFERS * WORDS / code.lengths.iter().sum::<usize>().max(WORDS);
    let set = |salt| -> Vec<Words> {
        (0..code.lengths.len()).map(|b| words(code.words(Buf(b as u32)), salt).into()).collect()
    };
    let mut sets: Vec<Vec<Words>> = (0..count as u64).map(set).collect();
    Ok(time(|i| jit.run(0, map, &code.lanes, &mut sets[i % count])))
}

fn streams(rates: &mut PerUnit<f64>) {
    let prg = prg::Seed::from_bytes([7; 16]);
    let mut out = buffers(WORDS);
    rates.drawn = time(|i| prg::fill_masked(&prg, i as u64, 0, 37, &mut out[i % BUFFERS])) / WORDS as f64;
    let bytes = vec![3u8; WORDS * 8];
    rates.hashed = time(|_| {
        black_box(blake3::hash(&bytes));
    }) / bytes.len() as f64;
}

fn packing(rates: &mut PerUnit<f64>) -> Result<(), PackError> {
    const BITS: u32 = 37;
    let (mut src, mut packed) = (buffers(WORDS), Vec::new());
    pack::pack(&src[0], BITS, &mut packed);
    rates.packed = time(|i| {
        let mut out = Vec::with_capacity(packed.len());
        pack::pack(&src[i % BUFFERS], BITS, &mut out);
        black_box(&out);
    }) / WORDS as f64;
    let mut failed = None;
    rates.unpacked = time(|i| failed = pack::unpack(&packed, BITS, &mut src[i % BUFFERS]).err()) / WORDS as f64;
    if let Some(error) = failed {
        return Err(error);
    }
    let (mut piece, long) = (vec![0u8; packed.len()], vec![1u8; packed.len() * BUFFERS]);
    let bytes = piece.len();
    rates.streamed = time(|i| {
        piece.copy_from_slice(&long[i % BUFFERS * bytes..][..bytes]);
        black_box(&piece);
    }) / bytes as f64;
    Ok(())
}

fn moving(rates: &mut PerUnit<f64>) {
    let (src, mut dst) = (buffers(WORDS), buffers(WORDS));
    rates.copied = time(|i| dst[i % BUFFERS].copy_from_slice(&src[(i + 3) % BUFFERS])) / WORDS as f64;
    let (rows, cols) = (65, WORDS / 65);
    rates.scattered = time(|i| {
        let (from, to) = (&src[i % BUFFERS], &mut dst[i % BUFFERS]);
        for c in 0..cols {
            for r in 0..rows {
                to[c * rows + r] = from[r * cols + c];
            }
        }
    }) / WORDS as f64;
}

fn harmonics() -> f64 {
    let angles = words(WORDS, 5);
    let (mut cos, mut sin) = (buffers(WORDS), buffers(WORDS));
    let run = |i: usize| trig::harmonic(&angles, 20, 20, 5, &mut cos[i % BUFFERS], &mut sin[i % BUFFERS]);
    time(run) / WORDS as f64
}

fn row_functions(rates: &mut PerUnit<f64>) {
    const ROWS: usize = 512;
    let table = rows::RowTable {
        ring_bits: 32,
        levels: 16,
        position_bits: 13,
        fraction: 20,
        function: rows::RowFunction::Rsqrt { scale: 2f64.powi(-24), eps: 1e-5 },
    };
    // In doubles, as in most chains of products.
    let width = rows::Width::Double;
    let levels = ROWS as u32 * table.levels;
    let (masks, roots) = (words(ROWS, 12), [words(2 * ROWS, 13), words(2 * ROWS, 14)]);
    let [seeds, controls, values] = rows::words_per_key(table.levels).map(|n| n * ROWS);
    let (mut s, mut c, mut v) = (vec![0; seeds], vec![0; controls], vec![0; values * width.words()]);
    let nanoseconds = time(|_| {
        let out = rows::Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
        rows::generate(&table, width, &masks, [&roots[0], &roots[1]], out);
    });
    rates.row_key = nanoseconds / f64::from(levels);
    let mut shares = vec![0; ROWS * width.words()];
    let nanoseconds = time(|_| {
        let words = rows::Words { seeds: &s[..], controls: &c[..], values: &v[..] };
        rows::evaluate(&table, width, 0, &masks, &roots[0], words, &mut shares);
    });
    rates.row_share = nanoseconds / f64::from(levels);
}

fn comparisons(rates: &mut PerUnit<f64>) {
    const TREE: dcf::Tree = dcf::Tree { bits: 16, leaf_bits: 0 };
    const KEYS: usize = 2048;
    const KEY_SETS: usize = 32;
    let [seeds, controls, values] = dcf::words_per_key(TREE, 2).map(|n| n * KEYS);
    let mut keys: Vec<[Vec<u64>; 3]> = vec![[vec![0; seeds], vec![0; controls], vec![0; values]]; KEY_SETS];
    let (thresholds, payload) = (words(KEYS, 1), [words(KEYS, 2), words(KEYS, 3)]);
    let roots = [words(2 * KEYS, 4), words(2 * KEYS, 5)];
    let levels = KEYS as f64 * f64::from(TREE.bits + 1);
    rates.key_level = time(|i| {
        let [s, c, v] = &mut keys[i % KEY_SETS];
        let out = dcf::Words { seeds: &mut s[..], controls: &mut c[..], values: &mut v[..] };
        let (payload, roots) = ([&payload[0][..], &payload[1]], [&roots[0][..], &roots[1]]);
        dcf::generate(TREE, &thresholds, &payload, roots, out);
    }) / levels;
    let (points, mut first, mut second) = (words(KEYS, 6), vec![0; KEYS], vec![0; KEYS]);
    rates.share_level = time(|i| {
        let [s, c, v] = &keys[i % KEY_SETS];
        let words = dcf::Words { seeds: &s[..], controls: &c[..], values: &v[..] };
        dcf::evaluate(TREE, 0, &points, &roots[0], words, &mut [&mut first, &mut second]);
    }) / levels;
}

/// Memory that the process has not used before, beyond the use of memory that it has.
fn fresh_memory() -> f64 {
    const LARGE: usize = WORDS;
    const TAKEN: usize = 256;
    let mut kept: Vec<Vec<u64>> = Vec::with_capacity(TAKEN);
    // Every page is asked for by its first word; what is asked for is kept, or the next buffer would get it again.
    let mut times: Vec<f64> = Vec::with_capacity(TAKEN);
    for _ in 0..TAKEN {
        let begin = Instant::now();
        let mut buffer = vec![0u64; LARGE];
        buffer.iter_mut().step_by(512).for_each(|word| *word = 1);
        times.push(begin.elapsed().as_nanos() as f64);
        kept.push(buffer);
    }
    black_box(&kept);
    times.sort_by(f64::total_cmp);
    times[times.len() / 4] / LARGE as f64
}
