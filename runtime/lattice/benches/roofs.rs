//! What two parties spend most on under encryption, in nanoseconds an element beside a roof. A transform's roof is what its butterflies
//! take as products and sums modulo the prime that follow no order; a product's is its transforms and its sums of products alone,
//! without merging keys, flood, packing and randomness.

#[path = "../../kernels/benches/common/beside.rs"]
mod beside;

use std::time::Duration;

use beside::{beside, timed};
use criterion::{Criterion, criterion_group, criterion_main};
use mpcc_kernels::Seed;
use mpcc_lattice::{
    Flood, KeyReader, Owner, Parameters, Primitives, Randomness, Ring, SlotModulus, Slots, TileLayout, TileShape,
    Tiles, Work, slot_cost,
};

fn parameters(bits: u32) -> Parameters {
    Parameters::all().find(|p| p.bits() == bits).expect("a set of this size")
}

/// Nanoseconds of a layer of a transform of one prime, and of a sum with a product of polynomials.
type Unit = Option<[f64; 2]>;

fn transforms(criterion: &mut Criterion) -> Unit {
    let ring = Ring::new(parameters(136));
    let parameters = ring.parameters();
    let degree = parameters.degree() as u64;
    let butterflies = degree / 2 * u64::from(parameters.log_degree());
    let mut group = criterion.benchmark_group("transform");
    let mut p = Primitives::new(&ring);
    let copied = timed(&mut group, "copy", degree, || p.copy());
    let product = timed(&mut group, "multiply and add", degree, || p.multiply_add());
    let forward = timed(&mut group, "forward", butterflies, || p.forward());
    let inverse = timed(&mut group, "inverse", butterflies, || p.inverse());
    group.finish();
    for (name, found) in [("forward", forward), ("inverse", inverse)] {
        beside(&format!("transform of {degree}, {name}"), "butterfly", found, (product, "a product and a sum"));
    }
    beside("multiply and add", "coefficient", product, (copied, "a copy"));
    Some([forward? * (degree / 2) as f64, product? * degree as f64])
}

/// What the transforms and sums of products of an operation take.
fn alone(work: Work, unit: Unit, elements: u64) -> Option<f64> {
    let [layer, product] = unit?;
    Some((work.layers as f64 * layer + work.products as f64 * product) / elements as f64)
}

const OF: &str = "its transforms and sums of products";

fn slots(criterion: &mut Criterion, unit: Unit) {
    let ring = Ring::new(parameters(132));
    let mut owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
    let mut reader = KeyReader::new(&ring, 0).expect("no steps");
    owner.keys(0).expect("no steps").for_each(|chunk| reader.take(&chunk).expect("a chunk"));
    let mut evaluator = reader.finish().expect("all chunks");
    let mut randomness = Randomness::new(Seed::from_bytes([2; 16]));
    let slots = Slots::new(&ring, SlotModulus::new(31).expect("a size"), 12, Flood::MASKS).expect("a budget");
    let degree = ring.parameters().degree() as u64;
    let values: Vec<i128> = (0..i128::from(degree)).map(|i| i * 7 % 4001 - 2000).collect();
    let (mut ours, mut theirs) = (owner.batch(0).expect("a batch"), evaluator.batch(0).expect("a batch"));
    let mut bytes = Vec::new();
    owner.upload_slots(&slots).expect("slots of the ring").write(ours.next(), &values, &mut bytes).expect("an upload");
    let upload = evaluator.upload(theirs.next(), &bytes).expect("an upload");
    let mut group = criterion.benchmark_group("slots");
    let found = timed(&mut group, "product and answer", degree, || {
        let mut sum = evaluator.slot_sum(&slots).expect("a sum");
        sum.add(&upload, &values).expect("a product");
        bytes.clear();
        sum.answer(&mut randomness, &mut bytes);
    });
    group.finish();
    let work = slot_cost(ring.parameters(), 31, 0, 1, 1).evaluator;
    beside("product by slots, with its answer", "entry", found, (alone(work, unit, degree), OF));
}

fn tiles(criterion: &mut Criterion, unit: Unit) {
    let ring = Ring::new(parameters(136));
    let mut owner = Owner::new(&ring, Seed::from_bytes([1; 16]));
    let mut reader = KeyReader::new(&ring, 5).expect("five steps");
    owner.keys(5).expect("five steps").for_each(|chunk| reader.take(&chunk).expect("a chunk"));
    let mut evaluator = reader.finish().expect("all chunks");
    let mut randomness = Randomness::new(Seed::from_bytes([2; 16]));
    let shape = TileShape { rows: 65, inner: 256, columns: 256 };
    let layout = TileLayout::new(ring.parameters(), shape, 1, 5, 5).expect("a layout");
    let work = layout.cost(ring.parameters(), 48).evaluator;
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
    let mut group = criterion.benchmark_group("tiles");
    let products = 65 * 256 * 256;
    let found = timed(&mut group, "65 by 256 by 256, merged", products, || {
        let mut answers = product.answers(&w).expect("factors");
        while answers.left() > 0 {
            bytes.clear();
            answers.write(&mut randomness, &mut shares, &mut bytes).expect("an answer");
        }
    });
    group.finish();
    beside("product by tiles, merged, 65 by 256 by 256", "product", found, (alone(work, unit, products), OF));
}

fn all(criterion: &mut Criterion) {
    let unit = transforms(criterion);
    slots(criterion, unit);
    tiles(criterion, unit);
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args()
}

criterion_group! { name = benches; config = settings(); targets = all }
criterion_main!(benches);
