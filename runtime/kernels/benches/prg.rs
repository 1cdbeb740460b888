//! Pseudo-random streams, in bytes of words filled: whole words, words reduced to a ring, doubles.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc_kernels::{Prg, Seed};

use common::{at_levels, settings, words};

fn bench(criterion: &mut Criterion) {
    at_levels(|level| {
        let mut group = criterion.benchmark_group(format!("prg/{level}"));
        let prg = Prg::new(&Seed::from_bytes([2; 16]));
        for len in [16usize, 2048, 1 << 20] {
            let (mut out, bytes) = (words(len), 8 * len);
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(format!("whole/{bytes}"), |b| b.iter(|| prg.fill(1, 0, &mut out)));
            group.bench_function(format!("reduced/{bytes}"), |b| b.iter(|| prg.fill_masked(1, 0, 37, &mut out)));
            group.bench_function(format!("doubles/{bytes}"), |b| b.iter(|| prg.fill_double(1, 0, 101, &mut out)));
        }
        group.finish();
    });
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
