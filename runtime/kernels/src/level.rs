//! Which instruction set the kernels use, decided once per process.
//!
//! Detection looks at the processor and the operating system; the environment variable `MPCC_CPU` (`portable`, `avx2`,
//! `avx512` or `amx`) can lower the result but never raise it. All levels compute the same ring elements, so the choice is
//! not part of any agreement between the parties.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The environment variable that names the highest level to use.
pub const VARIABLE: &str = "MPCC_CPU";

/// A rung of the instruction-set ladder. A level implies all lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Portable code only.
    Portable,
    /// AVX2 (and AES-NI where the processor has it).
    Avx2,
    /// AVX-512 F, DQ, BW and VL; VAES, VBMI and IFMA are used where the processor has them.
    Avx512,
    /// AMX tiles of bytes beside AVX-512 with VBMI, for products that are large enough.
    Amx,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Level; 4] = [Level::Portable, Level::Avx2, Level::Avx512, Level::Amx];

    /// The level's name in [`VARIABLE`].
    pub fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Amx => "amx",
        }
    }

    fn parse(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| name.trim().eq_ignore_ascii_case(level.name()))
    }
}

/// A value of [`VARIABLE`] that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}={0} names no instruction set; use portable, avx2, avx512 or amx, or unset it")]
pub struct UnknownLevel(String);

const UNFORCED: u8 = u8::MAX;
static FORCED: AtomicU8 = AtomicU8::new(UNFORCED);

/// The highest level this processor supports, whatever the environment says.
pub fn hardware() -> Level {
    static HARDWARE: OnceLock<Level> = OnceLock::new();
    *HARDWARE.get_or_init(detect)
}

/// The highest level that the environment allows, the processor's own if it says nothing.
///
/// # Errors
/// [`UnknownLevel`] if [`VARIABLE`] names none.
pub fn allowed() -> Result<Level, UnknownLevel> {
    match std::env::var_os(VARIABLE) {
        None => Ok(hardware()),
        Some(name) => {
            let name = name.to_string_lossy().into_owned();
            Level::parse(&name).map(|wanted| wanted.min(hardware())).ok_or(UnknownLevel(name))
        }
    }
}

/// The level in force: a forced one, else the one that is [`allowed`], read once.
///
/// # Panics
/// If the environment names an unknown level. Programs ask [`allowed`] first.
pub fn current() -> Level {
    static CHOSEN: OnceLock<Level> = OnceLock::new();
    match FORCED.load(Ordering::Relaxed) {
        UNFORCED => *CHOSEN.get_or_init(|| allowed().unwrap_or_else(|unknown| panic!("{unknown}"))),
        index => Level::ALL[usize::from(index)],
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
        Level::Portable
    } else if !(is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl"))
    {
        Level::Avx2
    } else if is_x86_feature_detected!("avx512vbmi") && crate::tiles::works() {
        Level::Amx
    } else {
        Level::Avx512
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_unknown_names_do_not() {
        assert_eq!(Level::parse("Portable "), Some(Level::Portable));
        assert_eq!(Level::parse("AVX512"), Some(Level::Avx512));
        for level in Level::ALL {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse("sse"), None);
        assert!(UnknownLevel("sse".into()).to_string().contains("MPCC_CPU=sse"));
    }

    #[test]
    fn forcing_never_exceeds_the_hardware() {
        assert_eq!(force(Some(Level::Portable)), Level::Portable);
        assert!(force(Some(Level::Amx)) <= hardware());
        assert!(force(None) <= hardware());
    }
}
