//! Training in the clear: the typed graph that the compiler prices and the parties run is differentiated here.
//!
//! [`batches`] turns [`data`] into [`augment`]ed mini-batches; [`search`] turns what a supernet learned into plans.

pub mod augment;
pub mod batches;
pub mod data;
pub mod search;
