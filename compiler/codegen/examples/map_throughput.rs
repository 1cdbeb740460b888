//! Nanoseconds per position, interpreted and compiled, of typical maps in and out of cache:
//! `cargo run --release -p mpcc-codegen --example map_throughput`.

use std::hint::black_box;
use std::time::Instant;

use mpcc_codegen::{CodegenError, Jit};
use mpcc_program::code::{Access, Buf, Instr, Lane, Map, MapExecutor, MapOp, Role, RoleCode, Step, V};
use mpcc_program::interpret::Interpreter;
use mpcc_program::words::with_own;

/// Repetitions of which the fastest counts.
const ROUNDS: usize = 5;
/// Positions computed per repetition, at least.
const WORK: usize = 1 << 22;

/// `z = d*b + e*a + c + k*d*e`: a product recombined from its opened factors; buffers 0–4 to buffer 5.
fn product(lane: Lane, positions: usize) -> Map {
    let mut ops: Vec<_> = (0..5).map(|i| MapOp::Load(Buf(i), Access::Full)).collect();
    let [d, e, a, b, c] = [0, 1, 2, 3, 4].map(V);
    ops.extend([
        MapOp::Const(1),
        MapOp::Mul(d, b),
        MapOp::Mul(e, a),
        MapOp::Mul(d, e),
        MapOp::Mul(V(8), V(5)),
        MapOp::Add(V(6), V(7)),
        MapOp::Add(V(10), c),
        MapOp::Add(V(11), V(9)),
    ]);
    Map { lane, rows: 1, cols: positions, ops, stores: vec![(Buf(5), V(12))] }
}

/// Twenty bit operations on two buffers, the last a parity if asked; buffers 0–1 to buffer 5.
fn bits(positions: usize, parity: bool) -> Map {
    let mut ops = vec![MapOp::Load(Buf(0), Access::Full), MapOp::Load(Buf(1), Access::Full)];
    for i in 0..5u8 {
        let last = u32::try_from(ops.len() - 1).expect("a short list");
        ops.extend([
            MapOp::Shr(V(last), i + 1),
            MapOp::And(V(last + 1), V(0)),
            MapOp::Xor(V(last + 2), V(1)),
            MapOp::Or(V(last + 3), V(last)),
        ]);
    }
    if parity {
        ops[21] = MapOp::Parity(V(20));
    }
    Map { lane: Lane::Word, rows: 1, cols: positions, ops, stores: vec![(Buf(5), V(21))] }
}

/// Fastest time per position of several runs on buffers of the map's lane, in nanoseconds.
fn nanoseconds(executor: &dyn MapExecutor, map: &Map, buffers: &mut [Vec<u64>]) -> f64 {
    let lanes = vec![map.lane; buffers.len()];
    let runs = WORK.div_ceil(map.cols);
    let round = |_| {
        let start = Instant::now();
        for _ in 0..runs {
            with_own(black_box(&mut *buffers), |words| executor.run(0, map, &lanes, words));
        }
        start.elapsed().as_nanos() as f64 / (runs * map.cols) as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

fn main() -> Result<(), CodegenError> {
    println!("{:<20} {:>9} {:>12} {:>9} {:>12}", "map", "positions", "interpreted", "compiled", "compilation");
    for positions in [4096, 1_000_000] {
        let maps = [
            ("product", product(Lane::Word, positions)),
            ("product of doubles", product(Lane::Double, positions)),
            ("bits", bits(positions, false)),
            ("bits with parity", bits(positions, true)),
        ];
        for (name, map) in maps {
            let code = RoleCode {
                role: Role::DataOwner,
                lengths: vec![positions; 6],
                lanes: vec![map.lane; 6],
                setup: Step::default(),
                setup_after: vec![],
                offline: vec![Instr::Map(map.clone())],
                steps: vec![],
                outputs: vec![],
            };
            let start = Instant::now();
            let jit = Jit::compile(&code)?;
            let compilation = start.elapsed().as_secs_f64() * 1e3;
            let words = positions * map.lane.words();
            let mut buffers: Vec<_> = (0..6).map(|i| vec![0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i); words]).collect();
            let interpreted = nanoseconds(&Interpreter, &map, &mut buffers);
            let compiled = nanoseconds(&jit, &map, &mut buffers);
            println!("{name:<20} {positions:>9} {interpreted:>9.2} ns {compiled:>6.2} ns {compilation:>9.2} ms");
        }
    }
    Ok(())
}
