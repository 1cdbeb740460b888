//! Base transfers, correlated ones and look-ups in the field of sessions, in nanoseconds each beside a roof: the multiplications of points
//! that a base transfer takes, and the AES of the streams that the others draw, from one key.

#[path = "../../kernels/benches/common/beside.rs"]
mod beside;

use std::hint::black_box;
use std::time::Duration;

use beside::{beside, timed};
use criterion::{Criterion, criterion_group, criterion_main};
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use mpcc_kernels::{Prg, Seed};
use mpcc_transfer::{Entropy, Field, Function, Plan, Receiver, Request, Sender, SessionId, Side, begin};

/// log2 of the field, as in sessions.
const FIELD_BITS: u32 = 8;
/// Base transfers of a setup: as many as Δ has bits, in either direction.
const BASE: u64 = 2 * 256;
const COUNT: usize = 1 << 16;

fn session() -> (Sender, Receiver) {
    let (id, field) = (SessionId::from_bytes([1; 32]), Field::new(FIELD_BITS).expect("a field"));
    let (a, from_a) = begin(id, Side::First, field, Entropy::from_bytes([2; 32]));
    let (b, from_b) = begin(id, Side::Second, field, Entropy::from_bytes([3; 32]));
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).expect("points"), b.reply(&from_a).expect("points"));
    let ((a, to_b), (b, to_a)) = (a.correct(&to_a).expect("points"), b.correct(&to_b).expect("points"));
    (a.finish(&to_a).expect("sums").0, b.finish(&to_b).expect("sums").1)
}

fn base(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("base transfers");
    let scalar = Scalar::from_bytes_mod_order([7; 32]);
    let point = RistrettoPoint::mul_base(&scalar);
    let of_base = timed(&mut group, "base point times a scalar", 1, || {
        black_box(RistrettoPoint::mul_base(black_box(&scalar)));
    });
    let of_point = timed(&mut group, "point times a scalar", 1, || {
        black_box(black_box(point) * black_box(scalar));
    });
    let found = timed(&mut group, "setup of both ends", BASE, || {
        black_box(session());
    });
    group.finish();
    // One end hides its choice and takes its key, the other one makes both keys from one product.
    let roof = of_base.zip(of_point).map(|(of_base, of_point)| of_base + 2.0 * of_point);
    beside("base transfer, both ends, trees included", "transfer", found, (roof, "three products of points"));
}

/// A request of [`COUNT`] items, each of whose words has bits under so many trees.
fn transfers(criterion: &mut Criterion, name: &str, request: Request, trees: usize) {
    let bits = request.bits();
    let plan = Plan::new(vec![request]).expect("a plan");
    let lists = plan.requests()[0].inputs();
    let mut group = criterion.benchmark_group(name);
    let key = Prg::new(&Seed::from_bytes([4; 16]));
    let mut stream = vec![0; 1024];
    let pieces = (trees << FIELD_BITS) * COUNT / 64 / stream.len();
    let roof = timed(&mut group, "AES of the streams", COUNT as u64, || {
        (0..pieces).for_each(|i| key.fill(0, (i * stream.len()) as u64, &mut stream));
    });
    let choices: Vec<u64> = (0..COUNT as u64).map(|i| i * 7 % (1 << bits)).collect();
    let inputs = vec![choices.as_slice(); lists];
    let (mut sender, mut receiver) = session();
    let (mut message, mut strings) = (Vec::new(), Vec::new());
    let receives = timed(&mut group, "choose", COUNT as u64, || {
        message.clear();
        receiver.choose(&plan, &[&choices], &mut message).expect("transfers are left");
    });
    let (_, mut receiver) = session();
    let both = timed(&mut group, "both ends", COUNT as u64, || {
        message.clear();
        strings.clear();
        let waiting = receiver.choose(&plan, &[&choices], &mut message).expect("transfers are left");
        sender.answer(&plan, &message, &[&inputs], &mut strings).expect("an answer");
        black_box(waiting.finish(&strings).expect("strings"));
    });
    group.finish();
    beside(&format!("{name}, choices"), "transfer", receives, (roof, "AES of all its streams"));
    let twice = roof.map(|roof| 2.0 * roof);
    beside(&format!("{name}, both ends"), "transfer", both, (twice, "AES of all streams at both"));
}

fn correlated(criterion: &mut Criterion) {
    let request = Request::Product { count: COUNT, bits: 1, widths: vec![36] };
    transfers(criterion, "correlated transfers", request, 16);
}

fn looked_up(criterion: &mut Criterion) {
    transfers(criterion, "carries of four bits", Request::table(COUNT, 5, Function::CarryOn), 31);
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1200))
        .without_plots()
        .configure_from_args()
}

criterion_group! { name = benches; config = settings(); targets = base, correlated, looked_up }
criterion_main!(benches);
