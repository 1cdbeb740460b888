//! How many threads one product may use: one, unless the environment variable `MPCC_THREADS` or the program says more.
//!
//! Where all roles share a machine their work overlaps already, so that more threads gain nothing; a party with a machine of
//! its own gains nearly their number in large products. Results do not depend on the number.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The environment variable that sets the number.
pub const VARIABLE: &str = "MPCC_THREADS";

/// A value of [`VARIABLE`] that is no number of threads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}={0} is no number of threads; use 1 or more, or unset it")]
pub struct NoNumber(String);

/// Zero: nothing was set.
static SET: AtomicUsize = AtomicUsize::new(0);

/// The number that the environment asks for, if it does.
///
/// # Errors
/// [`NoNumber`] if it is not a positive number.
pub fn asked() -> Result<Option<NonZeroUsize>, NoNumber> {
    let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
    let text = text.to_string_lossy().into_owned();
    parse(&text).map(Some).ok_or(NoNumber(text))
}

fn parse(text: &str) -> Option<NonZeroUsize> {
    text.trim().parse().ok()
}

/// Sets the number for the whole process where the environment asks for none.
pub fn set(threads: NonZeroUsize) {
    SET.store(threads.get(), Ordering::Relaxed);
}

/// The number of threads that one product may use.
///
/// # Panics
/// If the environment asks for no number. Programs ask [`asked`] first.
pub fn most() -> usize {
    static ASKED: OnceLock<Option<NonZeroUsize>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| asked().unwrap_or_else(|error| panic!("{error}")));
    asked.map_or(SET.load(Ordering::Relaxed).max(1), NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positive() {
        assert_eq!(parse(" 3 ").map(NonZeroUsize::get), Some(3));
        for text in ["0", "-1", "", "two"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(NoNumber("two".into()).to_string().contains("MPCC_THREADS=two"));
    }
}
