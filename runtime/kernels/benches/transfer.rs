//! What extended transfers are made of, for 8192 of them: streams of 256 keys weighed, 128 columns transposed, blocks permuted.
//! The roof of the first is the same number of blocks from one stream.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc_kernels::transpose::transpose;
use mpcc_kernels::weigh::{Keys, weigh};
use mpcc_kernels::{Permutation, Prg, Seed};

use common::{at_levels, settings, words};

const ROWS: usize = 8192;

fn bench(criterion: &mut Criterion) {
    at_levels(|level| {
        let mut group = criterion.benchmark_group(format!("transfer/{level}"));
        group.throughput(Throughput::Elements(ROWS as u64));
        let keys = Keys::new((0..256u128).map(|i| Seed::from_bytes(i.to_le_bytes())));
        let key = Prg::new(&Seed::from_bytes([5; 16]));
        let (mut weighted, mut total, mut stream) = (words(8 * ROWS / 64), words(ROWS / 64), words(256 * ROWS / 64));
        group.bench_function("streams", |b| b.iter(|| key.fill(0, 0, &mut stream)));
        group.bench_function("weigh", |b| b.iter(|| weigh(&keys, 0, 0, 0, &mut weighted, &mut total)));
        let (columns, mut rows) = (words(128 * ROWS / 64), vec![[0; 2]; ROWS]);
        group.bench_function("transpose", |b| b.iter(|| transpose(&columns, &mut rows)));
        let permutation = Permutation::new(&[3; 16]);
        group.bench_function("permute", |b| b.iter(|| permutation.permute(&mut rows)));
        group.finish();
    });
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
