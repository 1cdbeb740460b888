//! Packing and unpacking, in bytes of words read or written (eight for a word, sixteen for a double, at any width).

mod common;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpcc_kernels::pack;

use common::{at_levels, settings, words};

const WORDS: usize = 1 << 14;

fn bench(criterion: &mut Criterion) {
    let src = words(WORDS);
    at_levels(|level| {
        let mut group = criterion.benchmark_group(format!("pack/{level}"));
        group.throughput(Throughput::Bytes(8 * WORDS as u64));
        let mut back = vec![0; WORDS];
        for bits in [1, 4, 8, 13, 20, 31, 45, 64, 65, 96, 101, 128] {
            let mut out = Vec::new();
            group.bench_function(format!("pack/{bits}"), |b| {
                b.iter(|| {
                    out.clear();
                    if bits <= 64 { pack::pack(&src, bits, &mut out) } else { pack::pack_double(&src, bits, &mut out) }
                });
            });
            group.bench_function(format!("unpack/{bits}"), |b| {
                b.iter(|| {
                    let done = if bits <= 64 {
                        pack::unpack(&out, bits, &mut back)
                    } else {
                        pack::unpack_double(&out, bits, &mut back)
                    };
                    done.expect("bytes of the right length");
                });
            });
        }
        group.finish();
    });
}

criterion_group! { name = benches; config = settings(); targets = bench }
criterion_main!(benches);
