//! Ring products of all lanes and widths; an element is one multiply-add of the ring.

mod common;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use mpcc_kernels::matmul;

use common::{at_levels, settings, words};

/// Batch, rows, inner extent, columns.
const SHAPES: [(usize, usize, usize, usize); 9] = [
    (1, 256, 256, 256),
    (1, 1024, 1024, 1024),
    (1, 65, 256, 768),
    (1, 128, 768, 3072),
    (1, 257, 192, 576),
    (4, 65, 64, 65),
    (4, 65, 65, 64),
    (1, 1, 256, 768),
    (1, 512, 256, 1),
];
/// Rings of words: those of the three vector kernels, and one byte less.
const WORD_BITS: [u32; 4] = [32, 48, 52, 64];
/// Rings of doubles: two and three limbs.
const DOUBLE_BITS: [u32; 2] = [96, 128];

fn name(bits: u32, (batch, m, k, n): (usize, usize, usize, usize)) -> String {
    format!("{bits}-bit/{batch}x{m}x{k}x{n}")
}

fn products(group: &mut BenchmarkGroup<'_, WallTime>, shape @ (batch, m, k, n): (usize, usize, usize, usize)) {
    group.throughput(Throughput::Elements((batch * m * k * n) as u64));
    let (a, b, mut c) = (words(batch * m * k), words(batch * k * n), vec![0; batch * m * n]);
    for bits in WORD_BITS {
        group.bench_function(name(bits, shape), |bench| {
            bench.iter(|| matmul::matmul_bits(bits, batch, m, k, n, &a, &b, &mut c));
        });
    }
    if batch * m * k * n > 1 << 25 {
        return;
    }
    let (a, b, mut c) = (words(2 * batch * m * k), words(2 * batch * k * n), vec![0; 2 * batch * m * n]);
    for bits in DOUBLE_BITS {
        group.bench_function(name(bits, shape), |bench| {
            bench.iter(|| matmul::matmul_double_bits(batch, m, k, n, &a, &b, &mut c, bits));
        });
    }
}

fn bench(criterion: &mut Criterion) {
    at_levels(|level| {
        let mut group = criterion.benchmark_group(format!("matmul/{level}"));
        SHAPES.into_iter().for_each(|shape| products(&mut group, shape));
        group.finish();
    });
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
