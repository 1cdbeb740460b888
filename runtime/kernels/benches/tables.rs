//! Trigonometric harmonics (an element is one angle's one harmonic), comparison keys and shares (one level of one key),
//! and the same for functions of rows.

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc_kernels::rows::{RowFunction, RowTable, Width};
use mpcc_kernels::{dcf, rows, trig};

use common::{at_levels, settings, words};

fn harmonics(criterion: &mut Criterion, level: &str) {
    let src = words(4096);
    let (mut cos, mut sin) = (vec![0; src.len()], vec![0; src.len()]);
    let mut group = criterion.benchmark_group(format!("trig/{level}"));
    group.throughput(Throughput::Elements(cos.len() as u64));
    group.bench_function("harmonics", |b| b.iter(|| trig::harmonic(&src, 31, 16, 5, &mut cos, &mut sin)));
    group.finish();
}

fn comparisons(criterion: &mut Criterion, level: &str) {
    const TREE: dcf::Tree = dcf::Tree { bits: 16, leaf_bits: 0 };
    const KEYS: usize = 2048;
    let [mut seeds, mut controls, mut values] = dcf::words_per_key(TREE, 2).map(|n| vec![0; n * KEYS]);
    let (thresholds, roots) = (words(KEYS), [words(2 * KEYS), words(2 * KEYS)]);
    let mut group = criterion.benchmark_group(format!("dcf/{level}"));
    group.throughput(Throughput::Elements(KEYS as u64 * u64::from(TREE.bits + 1)));
    group.bench_function("keys", |b| {
        b.iter(|| {
            let out = dcf::Words { seeds: &mut seeds[..], controls: &mut controls[..], values: &mut values[..] };
            dcf::generate(TREE, &thresholds, &[&thresholds, &thresholds], [&roots[0], &roots[1]], out);
        });
    });
    let (mut first, mut second) = (vec![0; KEYS], vec![0; KEYS]);
    group.bench_function("shares", |b| {
        b.iter(|| {
            let words = dcf::Words { seeds: &seeds[..], controls: &controls[..], values: &values[..] };
            dcf::evaluate(TREE, 0, &thresholds, &roots[0], words, &mut [&mut first, &mut second]);
        });
    });
    group.finish();
}

fn row_functions(criterion: &mut Criterion, level: &str) {
    const ROWS: usize = 512;
    let mut group = criterion.benchmark_group(format!("rows/{level}"));
    for (width, name) in [(Width::Word, "words"), (Width::Double, "doubles")] {
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
        let table = RowTable { ring_bits: 41, levels: 18, position_bits: 13, fraction: 18, function };
        let [seeds, controls, values] = rows::words_per_key(table.levels);
        let (mut seeds, mut controls) = (vec![0; seeds * ROWS], vec![0; controls * ROWS]);
        let mut values = vec![0; values * ROWS * width.words()];
        let (masks, roots) = (words(ROWS), [words(2 * ROWS), words(2 * ROWS)]);
        group.throughput(Throughput::Elements(ROWS as u64 * u64::from(table.levels)));
        group.bench_function(format!("keys of {name}"), |b| {
            b.iter(|| {
                let out = rows::Words { seeds: &mut seeds[..], controls: &mut controls[..], values: &mut values[..] };
                rows::generate(&table, width, &masks, [&roots[0], &roots[1]], out);
            });
        });
        let mut shares = vec![0; ROWS * width.words()];
        group.bench_function(format!("shares of {name}"), |b| {
            b.iter(|| {
                let words = rows::Words { seeds: &seeds[..], controls: &controls[..], values: &values[..] };
                rows::evaluate(&table, width, 0, &masks, &roots[0], words, &mut shares);
            });
        });
    }
    group.finish();
}

fn bench(criterion: &mut Criterion) {
    at_levels(|level| {
        harmonics(criterion, level);
        comparisons(criterion, level);
        row_functions(criterion, level);
    });
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
