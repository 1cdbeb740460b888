//! Trigonometric harmonics (an element is one angle's one harmonic), comparison keys and shares (one level of one key),
//! and the dealer's rows (one word).

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc_kernels::rowfit::{RowFunction, RowTable, fit_row};
use mpcc_kernels::{dcf, trig};

use common::{at_levels, settings, words};

fn harmonics(criterion: &mut Criterion, level: &str) {
    const COUNT: usize = 12;
    let src = words(4096);
    let (mut cos, mut sin) = (vec![0; COUNT * src.len()], vec![0; COUNT * src.len()]);
    let mut group = criterion.benchmark_group(format!("trig/{level}"));
    group.throughput(Throughput::Elements(cos.len() as u64));
    group.bench_function("harmonics", |b| b.iter(|| trig::harmonics(&src, 31, 16, COUNT, &mut cos, &mut sin)));
    group.finish();
}

fn comparisons(criterion: &mut Criterion, level: &str) {
    const BITS: u32 = 16;
    const KEYS: usize = 2048;
    let [mut seeds, mut controls, mut values] = dcf::words_per_key(BITS, 2).map(|n| vec![0; n * KEYS]);
    let (thresholds, roots) = (words(KEYS), [words(2 * KEYS), words(2 * KEYS)]);
    let mut group = criterion.benchmark_group(format!("dcf/{level}"));
    group.throughput(Throughput::Elements(KEYS as u64 * u64::from(BITS + 1)));
    group.bench_function("keys", |b| {
        b.iter(|| {
            let out = dcf::Words { seeds: &mut seeds[..], controls: &mut controls[..], values: &mut values[..] };
            dcf::generate(BITS, &thresholds, &[&thresholds, &thresholds], [&roots[0], &roots[1]], out);
        });
    });
    let (mut first, mut second) = (vec![0; KEYS], vec![0; KEYS]);
    group.bench_function("shares", |b| {
        b.iter(|| {
            let words = dcf::Words { seeds: &seeds[..], controls: &controls[..], values: &values[..] };
            dcf::evaluate(BITS, 0, &thresholds, &roots[0], words, &mut [&mut first, &mut second]);
        });
    });
    group.finish();
}

fn rows(criterion: &mut Criterion, level: &str) {
    let mut group = criterion.benchmark_group(format!("rows/{level}"));
    for (ring_bits, index_bits, windows) in [(36, 8, 1), (41, 6, 4)] {
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
        let table = RowTable { ring_bits, index_bits, windows, degree: 3, tau_bits: 14, fraction: 18, function };
        let mut row = vec![0; table.words_per_row()];
        group.throughput(Throughput::Elements(row.len() as u64));
        let mut mask = 0x0123_4567_89ab_cdef_u64;
        group.bench_function(format!("{windows}x2^{index_bits}"), |b| {
            b.iter(|| {
                mask = mask.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                fit_row(&table, mask, &mut row).expect("a valid table");
            });
        });
    }
    group.finish();
}

fn bench(criterion: &mut Criterion) {
    at_levels(|level| {
        harmonics(criterion, level);
        comparisons(criterion, level);
        rows(criterion, level);
    });
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
