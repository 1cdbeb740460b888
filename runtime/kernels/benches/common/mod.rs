//! What all benches share: random words, the levels that this processor has, and their settings.

use std::time::Duration;

use criterion::Criterion;
use mpcc_kernels::{Level, Prg, Seed, level};

/// Uniform words, the same in every run.
pub(crate) fn words(len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([1; 16])).fill(0, 0, &mut out);
    out
}

/// Runs `body` at every level of this processor.
pub(crate) fn at_levels(mut body: impl FnMut(&str)) {
    for wanted in Level::ALL {
        if level::force(Some(wanted)) == wanted {
            body(wanted.name());
        }
    }
    level::force(None);
}

/// Enough samples for a median, in a second per bench.
pub(crate) fn settings() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args()
}
