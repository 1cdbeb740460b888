//! The parties run a share program over links: sessions of the model owner, the data owner and the dealer.
//!
//! A session connects, agrees on the program, sets the model up under a static mask, and then alternates
//! offline and online work for a batch of separate inferences. Compiled code arrives behind a trait;
//! the runtime knows neither compiler nor weights' origin.

#![forbid(unsafe_code)]

mod blame;
mod counter_store;
pub mod data_owner;
pub mod dealer;
mod error;
mod handshake;
mod identity;
mod inputs;
pub mod material;
mod measure;
pub mod model_owner;
mod progress;
mod record;
mod session;
mod setup;
mod store;
#[cfg(test)]
mod tests;
mod transfer;
mod weights;

pub use counter_store::{BatchId, CounterError, CounterStore, Usage};
pub use error::SessionError;
pub use handshake::PROTOCOL_VERSION;
pub use identity::ProgramIdentity;
pub use measure::{
    InferenceMeasurement, Made, MakingMeasurement, Measurement, PerParty, PerRole, RoleReport, peak_rss_bytes,
};
pub use progress::{NoProgress, Progress, ProgressEvent};
pub use record::RecordError;
pub use session::{Endpoint, PartyConfig, RoleProgram, Supply};
pub use setup::setup_bytes;
pub use weights::WeightsError;
