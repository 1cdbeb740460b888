//! Calls of the tokenizer library, which may panic on files and texts that it was not made for.
//!
//! A panic in it is an error of the file. The library holds no state that one could leave half-written: what it was
//! called on is dropped, or only read.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::TokenizerError;

thread_local! {
    /// Whether this thread is in the library, so that a panic is reported by whoever called.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What the library gives.
///
/// # Errors
/// If it panics.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, TokenizerError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !INSIDE.get() {
                usual(panic);
            }
        }));
    });
    let before = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(before);
    result.map_err(|_| TokenizerError::Unusable("the tokenizer library fails on it".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        let failed = guarded(|| -> u8 { Vec::new()[0] }).unwrap_err();
        assert!(matches!(failed, TokenizerError::Unusable(_)), "{failed}");
        assert!(!INSIDE.get());
        assert_eq!(guarded(|| 7).unwrap(), 7);
    }
}
