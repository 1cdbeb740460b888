//! A setup, and what a transfer costs at each end, in every field of interest. The roof of a correlated transfer is the AES of
//! its streams, drawn from one key.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc_kernels::{Prg, Seed};
use mpcc_transfer::{Entropy, Field, Plan, Receiver, Request, Sender, SessionId, Side, begin};

const COUNT: usize = 1 << 16;

fn session(field: Field) -> (Sender, Receiver) {
    let id = SessionId::from_bytes([1; 32]);
    let (a, from_a) = begin(id, Side::First, field, Entropy::from_bytes([2; 32]));
    let (b, from_b) = begin(id, Side::Second, field, Entropy::from_bytes([3; 32]));
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).expect("points"), b.reply(&from_a).expect("points"));
    let ((a, to_b), (b, to_a)) = (a.correct(&to_a).expect("points"), b.correct(&to_b).expect("points"));
    (a.finish(&to_a).expect("sums").0, b.finish(&to_b).expect("sums").1)
}

fn transfers(criterion: &mut Criterion, name: &str, request: Request) {
    let plan = Plan::new(vec![request]).expect("a plan");
    let lists = plan.requests()[0].inputs();
    for bits in [2, 4, 5, 8] {
        let field = Field::new(bits).expect("a field");
        let (_, mut receiver) = session(field);
        let mut group = criterion.benchmark_group(format!("{name}/f{bits}"));
        group.throughput(Throughput::Elements(COUNT as u64));
        let key = Prg::new(&Seed::from_bytes([4; 16]));
        let mut stream = vec![0; 1024];
        let pieces = (field.trees() << bits) * COUNT / 64 / stream.len();
        group.bench_function("roof", |b| {
            b.iter(|| (0..pieces).for_each(|i| key.fill(0, (i * stream.len()) as u64, &mut stream)));
        });
        let choices: Vec<u64> = (0..COUNT as u64).map(|i| i * 7 % 5).collect();
        let factors = vec![choices.as_slice(); lists];
        group.bench_function("choose", |b| {
            b.iter(|| receiver.choose(&plan, &[&choices], &mut Vec::new()).expect("transfers are left"));
        });
        let (mut sender, mut other) = session(field);
        let mut both = || {
            let (mut message, mut strings) = (Vec::new(), Vec::new());
            let waiting = other.choose(&plan, &[&choices], &mut message).expect("transfers are left");
            let sent = sender.answer(&plan, &message, &[&factors], &mut strings).expect("an answer");
            (sent, waiting.finish(&strings).expect("strings"))
        };
        group.bench_function("both ends", |b| b.iter(&mut both));
        group.finish();
    }
}

fn bench(criterion: &mut Criterion) {
    transfers(criterion, "correlated", Request::Product { count: COUNT, bits: 1, widths: vec![36] });
    transfers(criterion, "bit", Request::Product { count: COUNT, bits: 1, widths: vec![1] });
    let mut group = criterion.benchmark_group("setup");
    group.bench_function("both ends", |b| {
        b.iter(|| session(Field::new(8).expect("a field")));
    });
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1200))
        .without_plots()
        .configure_from_args()
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
