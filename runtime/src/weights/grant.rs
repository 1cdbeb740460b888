//! The model owner's side: which grant masks the weights for which data owner, on record before a masked byte leaves, and
//! the seed of each grant's mask.
//!
//! The seed is not stored. It follows from the model owner's private key, the grant and all that the masked message depends
//! on, so a record that was restored, copied or lost cannot bring a mask together with a second message.

use std::path::Path;

use mpcc_channel::{Fingerprint, Identity};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{HASH, Masked, WeightsError};
use crate::counter_store::BatchId;
use crate::identity::{ProgramIdentity, hex};
use crate::record::{Content, RecordFile};

const SCHEMA: &str = "mpcc.weights/1";

/// Programs remembered for one data owner; the oldest is forgotten first, and its weights are sent again.
const PROGRAMS: usize = 256;

/// What the masked message depends on, besides the grant.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    /// The program, which says in what width each weight is masked, and the encoding of weights.
    pub(crate) program: ProgramIdentity,
    /// Digest of the encoded weights.
    pub(crate) weights: [u8; HASH],
    /// Who holds the masked weights.
    pub(crate) data_owner: Fingerprint,
    /// Who knows the mask.
    pub(crate) dealer: Fingerprint,
}

/// Grants masks for one data owner and one dealer.
pub(crate) struct Granter {
    record: RecordFile<Record>,
    secret: Zeroizing<[u8; 32]>,
    bound: Bound,
    known: Option<Masked>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    schema: String,
    sent: Vec<Sent>,
}

/// Masked weights that were sent, or were about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    program: String,
    binding: String,
    weights: String,
    grant: String,
    masked: String,
}

impl Content for Record {
    const OF: &'static str = "masked weights";
    const ADVICE: &'static str = "move it away, and weights are sent again under a fresh mask";

    fn empty() -> Self {
        Record { schema: SCHEMA.to_owned(), sent: Vec::new() }
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("its schema is {:?}, not {SCHEMA:?}", self.schema));
        }
        self.sent.iter().try_for_each(|sent| sent.name().map(drop))
    }
}

impl Sent {
    /// Grant and hash, or what is wrong with them.
    fn name(&self) -> Result<Masked, String> {
        let grant = (self.grant.len() == 32).then(|| {
            let byte = |at: usize| self.grant.get(2 * at..2 * at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let mut bytes = [0; 16];
            bytes.iter_mut().enumerate().try_for_each(|(at, out)| byte(at).map(|byte| *out = byte)).map(|()| bytes)
        });
        let grant = BatchId(grant.flatten().ok_or("the name of a grant in it is none")?);
        let digest = blake3::Hash::from_hex(&self.masked).map_err(|_| "a hash in it is none")?;
        Ok(Masked { grant, digest: *digest.as_bytes() })
    }
}

impl Granter {
    /// Opens the record in `directory`, which is made if it does not exist. With `rotate` everything that the data owner
    /// holds is forgotten, durably, so that the weights are sent again under a fresh mask.
    pub(crate) fn open(
        directory: &Path,
        identity: &Identity,
        bound: Bound,
        rotate: bool,
    ) -> Result<Granter, WeightsError> {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 name of a record of masked weights");
        hasher.update(bound.data_owner.as_bytes()).update(bound.dealer.as_bytes());
        let name = hasher.finalize().to_hex();
        let record: RecordFile<Record> = RecordFile::at(directory, &format!("weights-{}.json", &name[..32])).open()?;
        let secret = identity.derive_secret("mpcc runtime 2026-11 secret of weight grants")?;
        let mut known = None;
        record.change(|content| {
            if rotate {
                content.sent.clear();
                return Ok(true);
            }
            let sent = content.sent.iter().find(|sent| bound.is_of(sent));
            let sent = sent.filter(|sent| sent.weights == hex(&bound.weights));
            known = sent.and_then(|sent| sent.name().ok());
            Ok::<_, WeightsError>(false)
        })?;
        Ok(Granter { record, secret, bound, known })
    }

    /// What was sent last of these weights, for this program.
    pub(crate) fn known(&self) -> Option<Masked> {
        self.known
    }

    /// Seed of the mask of a grant.
    pub(crate) fn seed(&self, grant: BatchId) -> Zeroizing<[u8; 16]> {
        let Bound { program, weights, data_owner, dealer } = &self.bound;
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 seed of a weight grant");
        hasher.update(&*self.secret).update(&grant.0);
        hasher.update(&program.program).update(&program.binding).update(weights);
        hasher.update(data_owner.as_bytes()).update(dealer.as_bytes());
        let mut hash = *hasher.finalize().as_bytes();
        let mut seed = Zeroizing::new([0; 16]);
        seed.copy_from_slice(&hash[..16]);
        hash.zeroize();
        seed
    }

    /// Records, durably, what is about to be sent, in the place of what was sent before for the program.
    pub(crate) fn record(&self, masked: Masked) -> Result<(), WeightsError> {
        let sent = Sent {
            program: hex(&self.bound.program.program),
            binding: hex(&self.bound.program.binding),
            weights: hex(&self.bound.weights),
            grant: masked.grant.to_string(),
            masked: hex(&masked.digest),
        };
        self.record.change(|content| {
            content.sent.retain(|other| !self.bound.is_of(other));
            let excess = (content.sent.len() + 1).saturating_sub(PROGRAMS);
            content.sent.drain(..excess);
            content.sent.push(sent);
            Ok(true)
        })
    }
}

impl Bound {
    /// Whether something was sent for the program.
    fn is_of(&self, sent: &Sent) -> bool {
        sent.program == hex(&self.program.program) && sent.binding == hex(&self.program.binding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of a grant follows from everything that the message depends on, and from nothing that may be lost.
    #[test]
    fn whatever_the_message_depends_on_is_in_the_seed() {
        let print = |byte| Fingerprint::of_certificate(&[byte]);
        let [own, other] = [(); 2].map(|()| Identity::generate().unwrap());
        let (program, grant) = (ProgramIdentity { program: [1; 32], binding: [2; 32] }, BatchId([3; 16]));
        let bound = Bound { program, weights: [4; 32], data_owner: print(5), dealer: print(6) };
        let seed = |identity: &Identity, bound: Bound, grant: BatchId| {
            let directory = tempfile::tempdir().unwrap();
            *Granter::open(directory.path(), identity, bound, false).unwrap().seed(grant)
        };
        let seeds = [
            seed(&own, bound, grant),
            seed(&other, bound, grant),
            seed(&own, bound, BatchId([9; 16])),
            seed(&own, Bound { program: ProgramIdentity { program: [9; 32], ..program }, ..bound }, grant),
            seed(&own, Bound { program: ProgramIdentity { binding: [9; 32], ..program }, ..bound }, grant),
            seed(&own, Bound { weights: [9; 32], ..bound }, grant),
            seed(&own, Bound { data_owner: print(9), ..bound }, grant),
            seed(&own, Bound { dealer: print(9), ..bound }, grant),
        ];
        let different: std::collections::BTreeSet<_> = seeds.iter().collect();
        assert_eq!(different.len(), seeds.len());
        assert_eq!(seeds[0], seed(&own, bound, grant), "another directory gives the same seed");
    }

    /// The seed is on no disk, and the record is for its owner only.
    #[test]
    fn the_record_holds_no_seed_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let print = |byte| Fingerprint::of_certificate(&[byte]);
        let program = ProgramIdentity { program: [1; 32], binding: [2; 32] };
        let bound = Bound { program, weights: [4; 32], data_owner: print(5), dealer: print(6) };
        let identity = Identity::generate().unwrap();
        let open = |bound: Bound| Granter::open(directory.path(), &identity, bound, false).unwrap();
        let masked = Masked { grant: BatchId([7; 16]), digest: [8; 32] };
        open(bound).record(masked).unwrap();
        assert_eq!(open(bound).known(), Some(masked));
        assert_eq!(open(Bound { weights: [9; 32], ..bound }).known(), None);
        let path = open(bound).record.path().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&masked.grant.to_string()) && !text.contains(&hex(&*open(bound).seed(masked.grant))));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        // One entry for a program, and no more programs than are remembered.
        for number in 0..2 * PROGRAMS as u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&(number / 2).to_le_bytes());
            let program = ProgramIdentity { program: hash, ..program };
            open(Bound { program, ..bound }).record(masked).unwrap();
        }
        let record: Record = open(bound).record.read().unwrap();
        assert_eq!(record.sent.len(), PROGRAMS);
        assert_eq!(open(bound).known(), None, "the oldest is forgotten");
    }
}
