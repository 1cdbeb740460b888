//! Training in the clear: the typed graph that the compiler prices and the parties run is differentiated here.
//!
//! [`network`] evaluates the graph on mini-batches of a tensor library, [`goal`] says what is minimised, [`train`] does it.
//! [`batches`] turns [`data`] into [`augment`]ed mini-batches; [`search`] turns what a supernet learned into plans.

pub mod augment;
pub mod batches;
pub mod checkpoint;
pub mod climb;
pub mod data;
pub mod examples;
pub mod goal;
pub mod initialise;
mod job;
pub mod loss;
pub mod network;
pub mod optimise;
pub mod parameters;
pub mod random;
pub mod search;
mod step;
pub mod train;
