//! How fast the machines and the network are on which a program is to run: everything that an estimate of seconds needs
//! besides the program.
//!
//! Rates are measured by `mpcc calibrate`. The built-in ones serve where no others are named, so that a choice that
//! depends on them is the same everywhere.

use serde::{Deserialize, Serialize};

use crate::work::{PerUnit, Work};

/// Measured rates of the machine of a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// What to call it.
    pub name: String,
    /// Processor cores that the three roles share. Give 6 or more if every role has a machine of its own.
    pub cores: u32,
    /// Nanoseconds of one unit of work.
    pub nanoseconds: PerUnit<f64>,
    /// Microseconds of an exchange of short messages over an encrypted link within one machine.
    pub exchange_microseconds: f64,
    /// Nanoseconds per byte of a long message that one end of a link needs to encrypt and send it, or to receive and
    /// decrypt it. Both ends work at the same time if there are cores for them.
    pub link_nanoseconds_per_byte: f64,
}

/// Why rates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {value}: a machine needs positive numbers here; measure it with `mpcc calibrate`")]
pub struct MachineError {
    field: String,
    value: String,
}

impl Machine {
    /// The rates that are built in: one machine with two cores and 512-bit vectors, of 2025.
    pub fn built_in() -> Self {
        Self {
            name: "built-in".to_owned(),
            cores: 2,
            nanoseconds: PerUnit {
                instruction: 800.0,
                product: 0.036,
                half_product: 0.018,
                double_product: 0.075,
                product_word: 0.25,
                map_word: 0.075,
                map_vector: 0.06,
                map_scalar: 0.12,
                map_double: 0.42,
                map_lookup: 0.7,
                drawn: 0.42,
                packed: 0.4,
                unpacked: 0.35,
                streamed: 0.05,
                copied: 0.3,
                scattered: 0.8,
                harmonic: 1.2,
                row_key: 12.0,
                row_share: 94.0,
                key_level: 15.5,
                share_level: 7.0,
                hashed: 0.11,
                fresh: 1.8,
            },
            exchange_microseconds: 60.0,
            link_nanoseconds_per_byte: 0.35,
        }
    }

    /// Seconds of work on one core.
    pub fn seconds(&self, work: &Work) -> f64 {
        let units = work.entries().into_iter().zip(self.nanoseconds.entries());
        units.map(|((_, count), (_, rate))| *count as f64 * rate).sum::<f64>() * 1e-9
    }

    /// Refuses rates that are negative, infinite or no numbers.
    ///
    /// # Errors
    /// The first such rate.
    pub fn check(&self) -> Result<(), MachineError> {
        let rest = [
            ("cores", f64::from(self.cores)),
            ("exchange_microseconds", self.exchange_microseconds),
            ("link_nanoseconds_per_byte", self.link_nanoseconds_per_byte),
        ];
        let rates = self.nanoseconds.entries().into_iter().map(|(name, rate)| (name, *rate));
        match rates.chain(rest).find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            Some((field, value)) => Err(MachineError { field: field.to_owned(), value: value.to_string() }),
            None => Ok(()),
        }
    }
}

/// The network between any two roles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Seconds from one end to the other and back, beyond what a link within one machine takes.
    pub round_trip_seconds: f64,
    /// Bytes per second in each direction; infinite where only the ends limit it.
    pub bytes_per_second: f64,
    /// Whether what a role sends to different peers shares one line of this rate.
    pub one_uplink: bool,
}

impl Link {
    /// Within one machine.
    pub const LOOPBACK: Link = Link { round_trip_seconds: 0.0, bytes_per_second: f64::INFINITY, one_uplink: false };
    /// 44 MB/s each way, 40 ms: the wide-area network of the MPCViT paper.
    pub const WAN: Link = Link { round_trip_seconds: 40e-3, bytes_per_second: 44e6, one_uplink: false };
}
