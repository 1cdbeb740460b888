//! Primitives and whole operations: transforms and products of one prime, by instruction set, beside the time that copying
//! their data takes; uploads, products, merging and answers at production parameters.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mpcc_kernels::{Level, Seed, level};
use mpcc_lattice::{
    Flood, KeyReader, Owner, Parameters, Primitives, Randomness, Ring, SlotModulus, Slots, TileLayout, TileShape, Tiles,
};

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args()
}

fn parameters(bits: u32) -> Parameters {
    Parameters::all().find(|p| p.bits() == bits).expect("a set of this size")
}

fn primitives(criterion: &mut Criterion) {
    let ring = Ring::new(parameters(150));
    for wanted in Level::ALL {
        if level::force(Some(wanted)) != wanted {
            continue;
        }
        let mut group = criterion.benchmark_group(format!("one prime/{}", wanted.name()));
        let mut p = Primitives::new(&ring);
        group.bench_function("roof: copy of a polynomial", |b| b.iter(|| p.copy()));
        group.bench_function("forward", |b| b.iter(|| p.forward()));
        group.bench_function("forward, 128 low coefficients", |b| b.iter(|| p.forward_low(128)));
        group.bench_function("inverse", |b| b.iter(|| p.inverse()));
        group.bench_function("multiply and add", |b| b.iter(|| p.multiply_add()));
        group.finish();
    }
    level::force(None);
}

fn slots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slots/t 31, q 132");
    let ring = Ring::new(parameters(132));
    let mut owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
    let mut reader = KeyReader::new(&ring, 0).expect("no steps");
    owner.keys(0).expect("no steps").for_each(|chunk| reader.take(&chunk).expect("a chunk"));
    let mut evaluator = reader.finish().expect("all chunks");
    let mut randomness = Randomness::new(Seed::from_bytes([2; 16]));
    let slots = Slots::new(&ring, SlotModulus::new(31).expect("a size"), 12, Flood::MASKS).expect("a budget");
    let values: Vec<i128> = (0..8192).map(|i| i * 7 % 4001 - 2000).collect();
    let (mut ours, mut theirs) = (owner.batch(0).expect("a batch"), evaluator.batch(0).expect("a batch"));
    let mut bytes = Vec::new();
    let mut desk = owner.upload_slots(&slots).expect("slots of the ring");
    let mut upload = |bytes: &mut Vec<u8>| {
        bytes.clear();
        desk.write(ours.next(), &values, bytes).expect("an upload");
    };
    group.bench_function("upload", |b| b.iter(|| upload(&mut bytes)));
    group.bench_function("read an upload", |b| b.iter(|| evaluator.upload(theirs.next(), &bytes).expect("an upload")));
    let upload = evaluator.upload(theirs.next(), &bytes).expect("an upload");
    let mut answer = Vec::new();
    group.bench_function("product and answer", |b| {
        b.iter(|| {
            let mut sum = evaluator.slot_sum(&slots).expect("a sum");
            sum.add(&upload, &values).expect("a product");
            answer.clear();
            black_box(sum.answer(&mut randomness, &mut answer));
        });
    });
    let mut sum = evaluator.slot_sum(&slots).expect("a sum");
    group.bench_function("answer alone", |b| {
        b.iter(|| {
            answer.clear();
            black_box(sum.answer(&mut randomness, &mut answer));
        });
    });
    sum.answer(&mut randomness, &mut answer);
    // The noise of an empty sum is small enough for any key.
    let fresh = answer[answer.len() - slots.answer_bytes()..].to_vec();
    group.bench_function("open an answer", |b| b.iter(|| owner.open_slots(&slots, &fresh).expect("an answer")));
    group.finish();
}

fn tiles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tiles/65 by 256 by 256, k 48, q 136");
    let ring = Ring::new(parameters(136));
    let mut owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
    let mut reader = KeyReader::new(&ring, 5).expect("five steps");
    owner.keys(5).expect("five steps").for_each(|chunk| reader.take(&chunk).expect("a chunk"));
    let mut evaluator = reader.finish().expect("all chunks");
    let mut randomness = Randomness::new(Seed::from_bytes([2; 16]));
    let shape = TileShape { rows: 65, inner: 256, columns: 256 };
    let layout = TileLayout::new(ring.parameters(), shape, 1, 5, 5).expect("a layout");
    let tiles = Tiles::new(&ring, layout, 48, 17, Flood::WEIGHTS).expect("a budget");
    let (a, w) = (vec![12_345_678_901; 65 * 256], vec![54_321; 256 * 256]);
    let (mut ours, mut theirs) = (owner.batch(0).expect("a batch"), evaluator.batch(0).expect("a batch"));
    let mut product = evaluator.tile_product(&tiles).expect("keys");
    let mut uploads = owner.upload_tiles(&tiles, &a).expect("a matrix");
    while uploads.left() > 0 {
        let mut bytes = Vec::new();
        uploads.write(ours.next(), &mut bytes).expect("an upload");
        product.take(theirs.next(), &bytes).expect("an upload");
    }
    let (mut shares, mut bytes) = (vec![0; 65 * 256], Vec::new());
    group.bench_function(format!("first of {} answers", layout.answers()), |b| {
        b.iter(|| {
            bytes.clear();
            let mut answers = product.answers(&w).expect("factors");
            answers.write(&mut randomness, &mut shares, &mut bytes).expect("an answer");
        });
    });
    group.bench_function("open an answer", |b| b.iter(|| owner.open_tiles(&tiles, 0, &bytes, &mut shares)));
    group.finish();
}

criterion_group! { name = benches; config = settings(); targets = primitives, slots, tiles }
criterion_main!(benches);
