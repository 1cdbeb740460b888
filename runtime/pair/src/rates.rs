//! What bytes, transfers and encrypted arithmetic take on machines and links of a certain kind. Both ends choose by the same
//! rates, so these are public and whole numbers.

use mpcc_lattice::{Cost, Parameters, Work};
use mpcc_transfer::{Field, Plan, Request};

/// Picoseconds of what a round consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// A byte on the link, in either direction.
    pub byte: u64,
    /// An oblivious transfer, at both ends together, without its bytes.
    pub transfer: u64,
    /// Encrypted arithmetic in rings of degree 8192; it takes twice as long in those of 16384.
    pub lattice: mpcc_lattice::Rates,
}

impl Rates {
    /// Two parties on a link of 22 MB/s, on processors with vectors of 512 bits and products of 52. Every session of two parties chooses
    /// by these. On faster links the parties wait for one another's arithmetic more than for bytes, and what they spend for fewer bytes is
    /// little; on slower ones bytes are all.
    pub const REFERENCE: Rates = Rates {
        byte: 45_400,
        transfer: 95_000,
        lattice: mpcc_lattice::Rates {
            layer: 600_000,
            product: 1_300_000,
            merge: 200_000_000,
            upload: 50_000_000,
            answer: 150_000_000,
        },
    };

    /// Picoseconds of what one party does and the other, without bytes.
    pub(crate) fn work(&self, parameters: Parameters, work: Work) -> u64 {
        work.picoseconds(&self.lattice).saturating_mul(parameters.degree() as u64 / 8192)
    }

    /// Picoseconds of a product under encryption.
    pub(crate) fn encrypted(&self, parameters: Parameters, cost: &Cost) -> u64 {
        let bytes = (cost.upload_bytes + cost.answer_bytes).saturating_mul(self.byte);
        bytes.saturating_add(self.work(parameters, cost.owner.plus(cost.evaluator)))
    }

    /// Picoseconds of transfers, or `None` if a session does not give as many.
    pub(crate) fn transfers(&self, requests: Vec<Request>, field: Field) -> Option<u64> {
        let plan = Plan::new(requests).ok()?;
        let price = plan.price(field);
        let bytes = ((price.choices + price.strings) as u64).saturating_mul(self.byte);
        Some(bytes.saturating_add(plan.transfers(field).saturating_mul(self.transfer)))
    }
}
