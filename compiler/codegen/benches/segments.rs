//! The heaviest compiled maps of planned models, each alone, in entries and bytes a second.
//!
//! `MPCC_ARTEFACT=FILE.mpca` adds the maps of an artefact of one's own to those of the examples.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mpcc_codegen::Jit;
use mpcc_compiler::artefact::Artefact;
use mpcc_compiler::compile::{assemble, rewrite};
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::ranges::Kept;
use mpcc_program::code::{Buf, Instr, Lane, Map, MapExecutor, MapOp, Role, RoleCode, maps};
use mpcc_program::gates;
use mpcc_program::program::Program;
use mpcc_program::words::Words;

/// Kernels measured of each model.
const HEAVIEST: usize = 14;

/// Models measured, by folder of the examples.
const EXAMPLES: [&str; 2] = ["softmax-vit", "secformer-bert"];

fn example(name: &str) -> Program {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let source = fs::read_to_string(folder.join("model.mpv")).expect("the example has a model");
    let rewritten = rewrite(&source, &LowerOptions::default()).expect("the example compiles");
    let kept = fs::read_to_string(folder.join("model.ranges.json")).expect("the example has ranges");
    let kept = Kept::read(&kept).expect("ranges are well formed");
    let ranges = kept.of(&rewritten.graph).expect("ranges are of the example");
    assemble(&rewritten.graph, &ranges).expect("the example can be planned").program
}

/// A map, what a kernel does at all its positions together, and how often it runs.
struct Load<'a> {
    id: usize,
    map: &'a Map,
    positions: usize,
}

/// One of the largest maps of every kernel, by operations at all positions of the kernel's maps from the input on.
fn heaviest<'a>(code: &'a RoleCode, jit: &Jit) -> Vec<Load<'a>> {
    let offline = code.lists().into_iter().take(3).flat_map(|(instrs, _)| instrs);
    let offline = offline.filter(|instr| matches!(instr, Instr::Map(_))).count();
    let mut loads: HashMap<usize, Load<'a>> = HashMap::new();
    for (id, map) in maps(code).enumerate().skip(offline) {
        let positions = map.rows * map.cols;
        let load = loads.entry(jit.kernel(id)).or_insert(Load { id, map, positions: 0 });
        load.positions += positions;
        if positions > load.map.rows * load.map.cols {
            (load.id, load.map) = (id, map);
        }
    }
    let mut loads: Vec<_> = loads.into_values().collect();
    loads.sort_by_key(|load| std::cmp::Reverse((load.positions * load.map.ops.len(), load.id)));
    loads.truncate(HEAVIEST);
    loads
}

/// Words in every buffer that the map touches, and none in the others.
fn buffers(code: &RoleCode, instr: &Instr) -> Vec<Vec<u64>> {
    let mut buffers = vec![Vec::new(); code.lengths.len()];
    let mut state = 1u64;
    for Buf(buf) in instr.reads().into_iter().chain(instr.writes()) {
        buffers[buf as usize] = (0..code.words(Buf(buf)))
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 20
            })
            .collect();
    }
    buffers
}

fn segments(criterion: &mut Criterion, name: &str, program: &Program) {
    let code = gates::lower(program, Role::DataOwner);
    let jit = Jit::compile(&code).expect("this host has a backend");
    let mut group = criterion.benchmark_group(name);
    for Load { id, map, positions } in heaviest(&code, &jit) {
        let instr = Instr::Map(map.clone());
        let mut buffers: Vec<Words> = buffers(&code, &instr).into_iter().map(Words::from).collect();
        let touched: HashSet<Buf> = instr.reads().into_iter().chain(instr.writes()).collect();
        let words = touched.iter().map(|buf| code.words(*buf)).sum::<usize>();
        let operations = map.ops.iter().filter(|op| !matches!(op, MapOp::Load(..) | MapOp::Const(_))).count();
        let lane = if map.lane == Lane::Double { "d" } else { "" };
        let entries = map.rows * map.cols;
        let label = format!("{operations}ops{lane}/{words}w/{}x", positions / entries);
        group.throughput(Throughput::ElementsAndBytes { elements: entries as u64, bytes: 8 * words as u64 });
        group.bench_with_input(BenchmarkId::new(format!("map{id}"), label), map, |bencher, map| {
            bencher.iter(|| jit.run(id, map, &code.lanes, &mut buffers));
        });
    }
    group.finish();
}

fn examples(criterion: &mut Criterion) {
    for name in EXAMPLES {
        segments(criterion, name, &example(name));
    }
}

fn artefact(criterion: &mut Criterion) {
    if let Some(path) = std::env::var_os("MPCC_ARTEFACT") {
        let bytes = fs::read(&path).expect("MPCC_ARTEFACT names a file");
        let artefact = Artefact::from_bytes(&bytes).expect("MPCC_ARTEFACT names an artefact of this version");
        segments(criterion, "artefact", &artefact.program);
    }
}

criterion_group!(benches, examples, artefact);
criterion_main!(benches);
