//! Prints the throughput of every kernel on one core, at each instruction-set level this processor has.

use std::hint::black_box;
use std::time::Instant;

use mpcc_kernels::rowfit::{RowFunction, RowTable, fit_row};
use mpcc_kernels::{Level, Prg, Seed, level, matmul, pack, trig};

/// Seconds of the fastest of several runs of at least a millisecond each.
fn seconds(mut body: impl FnMut()) -> f64 {
    body();
    let start = Instant::now();
    body();
    let repeats = (2e-3 / start.elapsed().as_secs_f64().max(1e-9)).ceil().clamp(1.0, 1e6) as u32;
    (0..15)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| body());
            start.elapsed().as_secs_f64() / f64::from(repeats)
        })
        .fold(f64::INFINITY, f64::min)
}

fn words(len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([1; 16])).fill(0, 0, &mut out);
    out
}

fn products() {
    for (batch, m, k, n) in [
        (1, 256, 256, 256),
        (1, 65, 256, 768),
        (4, 65, 64, 65),
        (4, 65, 65, 64),
        (1, 64, 48, 256),
        (1, 1, 256, 768),
        (1, 4, 256, 768),
        (1, 2048, 256, 256),
        (1, 512, 256, 1),
    ] {
        let (a, b) = (words(batch * m * k), words(batch * k * n));
        let mut c = vec![0; batch * m * n];
        let time = seconds(|| matmul::matmul(batch, m, k, n, &a, &b, black_box(&mut c)));
        let rate = (batch * m * k * n) as f64 / time / 1e9;
        println!("  matmul {batch}x[{m}x{k}]·[{k}x{n}]: {rate:.2} GMAC/s");
    }
}

fn double_products() {
    for (batch, m, k, n) in [(1, 256, 256, 256), (4, 65, 64, 65), (4, 65, 65, 64), (12, 17, 16, 17), (2, 16, 257, 48)] {
        let (a, b) = (words(2 * batch * m * k), words(2 * batch * k * n));
        let mut c = vec![0; 2 * batch * m * n];
        for bits in [104, 128] {
            let time = seconds(|| matmul::matmul_double_bits(batch, m, k, n, &a, &b, black_box(&mut c), bits));
            let rate = (batch * m * k * n) as f64 / time / 1e9;
            println!("  matmul of {bits}-bit doubles {batch}x[{m}x{k}]·[{k}x{n}]: {rate:.2} GMAC/s");
        }
    }
}

fn streams() {
    let prg = Prg::new(&Seed::from_bytes([2; 16]));
    for len in [16usize, 2048, 1 << 20] {
        let mut out = vec![0; len];
        let plain = seconds(|| prg.fill(1, 0, black_box(&mut out)));
        let masked = seconds(|| prg.fill_masked(1, 0, 37, black_box(&mut out)));
        let rate = |time| (len * 8) as f64 / time / 1e9;
        let double = seconds(|| prg.fill_double(1, 0, 101, black_box(&mut out)));
        let [plain, masked, double] = [plain, masked, double].map(rate);
        println!("  prg {} B: {plain:.2} GB/s, masked {masked:.2} GB/s, doubles {double:.2} GB/s", len * 8);
    }
    let seed = Seed::from_bytes([3; 16]);
    println!("  prg key expansion: {:.1} ns", 1e9 * seconds(|| drop(black_box(Prg::new(&seed)))));
}

fn packing() {
    let src = words(1 << 14);
    let mut back = vec![0; src.len()];
    for bits in [1, 4, 18, 37, 53, 61, 64] {
        let mut out = Vec::new();
        let packing = seconds(|| {
            out.clear();
            pack::pack(&src, bits, black_box(&mut out));
        });
        let unpacking = seconds(|| pack::unpack(&out, bits, black_box(&mut back)).expect("own bytes"));
        let rate = |time| (src.len() * 8) as f64 / time / 1e9;
        println!("  {bits}-bit words: pack {:.2}, unpack {:.2} GB/s of words", rate(packing), rate(unpacking));
    }
}

fn double_packing() {
    let src = words(1 << 14);
    let mut back = vec![0; src.len()];
    for bits in [65, 96, 101, 127, 128] {
        let mut out = Vec::new();
        let packing = seconds(|| {
            out.clear();
            pack::pack_double(&src, bits, black_box(&mut out));
        });
        let unpacking = seconds(|| pack::unpack_double(&out, bits, black_box(&mut back)).expect("own bytes"));
        let rate = |time| (src.len() * 8) as f64 / time / 1e9;
        println!("  {bits}-bit doubles: pack {:.2}, unpack {:.2} GB/s of words", rate(packing), rate(unpacking));
    }
}

fn tables() {
    let src = words(4096);
    let count = 12;
    let (mut cos, mut sin) = (vec![0; count * src.len()], vec![0; count * src.len()]);
    let time = seconds(|| trig::harmonics(&src, 31, 16, count, black_box(&mut cos), &mut sin));
    println!("  trig: {:.2} ns per element and harmonic", 1e9 * time / cos.len() as f64);
    for (ring_bits, index_bits, windows) in [(36, 8, 1), (41, 6, 4)] {
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-32), eps: 1e-5 };
        let table = RowTable { ring_bits, index_bits, windows, degree: 3, tau_bits: 14, fraction: 18, function };
        let mut row = vec![0; table.words_per_row()];
        let mut mask = 0x0123_4567_89ab_cdef_u64;
        let time = seconds(|| {
            mask = mask.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            fit_row(&table, mask, black_box(&mut row)).expect("a valid table");
        });
        println!("  row fit, {windows} windows of 2^{index_bits}: {:.1} us", 1e6 * time);
    }
}

fn main() {
    for wanted in Level::ALL {
        if wanted > level::hardware() {
            continue;
        }
        println!("{:?}", level::force(Some(wanted)));
        products();
        double_products();
        streams();
        packing();
        double_packing();
        tables();
    }
}
