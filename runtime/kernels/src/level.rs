//! Which instruction set the kernels use, decided once per process.
//!
//! Detection looks at the processor; the environment variable `MPCC_CPU` (`scalar`, `avx2` or `avx512`) can
//! lower the result but never raise it. All levels compute the same bits, so the choice is not part of any
//! agreement between the parties.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// A rung of the instruction-set ladder. A level implies all lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Portable code only.
    Scalar,
    /// AVX2 (and AES-NI where the processor has it).
    Avx2,
    /// AVX-512 F, DQ, BW and VL; VAES and VBMI are used where the processor has them.
    Avx512,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Level; 3] = [Level::Scalar, Level::Avx2, Level::Avx512];

    fn from_index(index: u8) -> Level {
        Level::ALL[usize::from(index).min(2)]
    }

    fn parse(name: &str) -> Option<Level> {
        match name.trim().to_ascii_lowercase().as_str() {
            "scalar" => Some(Level::Scalar),
            "avx2" => Some(Level::Avx2),
            "avx512" => Some(Level::Avx512),
            _ => None,
        }
    }
}

const UNFORCED: u8 = u8::MAX;
static FORCED: AtomicU8 = AtomicU8::new(UNFORCED);

/// The highest level this processor supports, whatever the environment says.
pub fn hardware() -> Level {
    static HARDWARE: OnceLock<Level> = OnceLock::new();
    *HARDWARE.get_or_init(detect)
}

/// The level in force: a forced one, else the hardware's, lowered by `MPCC_CPU`. An unknown value of the
/// variable is ignored.
pub fn current() -> Level {
    static CHOSEN: OnceLock<Level> = OnceLock::new();
    match FORCED.load(Ordering::Relaxed) {
        UNFORCED => *CHOSEN.get_or_init(|| {
            let wanted = std::env::var("MPCC_CPU").ok().and_then(|name| Level::parse(&name));
            hardware().min(wanted.unwrap_or(Level::Avx512))
        }),
        index => Level::from_index(index),
    }
}

/// Forces a level for the whole process, clamped to the hardware, or returns to the automatic choice with
/// `None`. Meant for tests and measurements. Returns the level now in force.
pub fn force(level: Option<Level>) -> Level {
    let index = level.map_or(UNFORCED, |level| level.min(hardware()) as u8);
    FORCED.store(index, Ordering::Relaxed);
    current()
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    if !is_x86_feature_detected!("avx2") {
        Level::Scalar
    } else if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
    {
        Level::Avx512
    } else {
        Level::Avx2
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Scalar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_unknown_names_do_not() {
        assert_eq!(Level::parse("Scalar "), Some(Level::Scalar));
        assert_eq!(Level::parse("avx2"), Some(Level::Avx2));
        assert_eq!(Level::parse("AVX512"), Some(Level::Avx512));
        assert_eq!(Level::parse("amx"), None);
    }

    #[test]
    fn forcing_never_exceeds_the_hardware() {
        assert_eq!(force(Some(Level::Scalar)), Level::Scalar);
        assert!(force(Some(Level::Avx512)) <= hardware());
        assert!(force(None) <= hardware());
    }
}
