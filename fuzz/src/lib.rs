//! What every target of the fuzz room needs: choices out of bytes, mutations of bytes, and a watch over each case.
//!
//! A target is a test that hands bytes to [`watched`] cases. A case fails if it panics, takes more than two seconds of
//! processor time or more than a GiB of memory; one that does not end is killed with its input printed.

mod choices;
mod watch;

pub use choices::Choices;
pub use watch::{MOST_BYTES, MOST_SECONDS, report, watched};
