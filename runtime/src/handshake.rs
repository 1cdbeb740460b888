//! What the roles compare before anything secret moves, and the messages that carry it.
//!
//! Every role sends its hello to both others before it reads theirs, so that each of two that differ sees the
//! difference itself. The dealer answers matching hellos with a batch and a seed, which otherwise come from files; then
//! the parties confirm to each other that they speak of the same session, batch and number of inferences. The model owner
//! tells the dealer the seed of the mask of its weights, which may be that of earlier sessions.

use mpcc_channel::{Duplex, LinkError, SessionTag};
use mpcc_program::code::Role;
use mpcc_protocols::{SessionSeed, WeightSeed};
use zeroize::Zeroize;

use crate::counter_store::{BatchId, Usage};
use crate::error::SessionError;
use crate::identity::{ProgramIdentity, hex, tables_digest};
use crate::transfer::kind;

/// Version of the messages of a session; roles of different versions refuse one another.
pub const PROTOCOL_VERSION: u16 = 4;

const MAGIC: [u8; 4] = *b"mpcc";
const HELLO_BYTES: usize = 4 + 2 + 1 + 3 * 32 + 16;
/// The longest hello that is read, so that one of another version can be named.
const LONGEST_HELLO: usize = 1 << 10;

/// One role's hello.
#[derive(Clone, Copy)]
pub(crate) struct Hello {
    role: Role,
    identity: ProgramIdentity,
    tables: [u8; 32],
    source: Source,
    pub(crate) nonce: [u8; 16],
}

/// Where a role's correlated randomness comes from; stands in the high bits of the byte of a role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Dealer = 0,
    /// It is made in this conversation and kept.
    Making = 0x40,
    File = 0x80,
}

impl Source {
    const BITS: u8 = 0xc0;

    fn of(byte: u8) -> &'static str {
        match byte & Self::BITS {
            0 => "a dealer",
            0x40 => "the other party (mpcc pair)",
            0x80 => "files (--material)",
            _ => "nothing that this version knows",
        }
    }
}

impl Hello {
    /// Ours, with a fresh nonce.
    pub(crate) fn new(role: Role, identity: ProgramIdentity) -> Result<Hello, SessionError> {
        Ok(Hello { role, identity, tables: tables_digest(), source: Source::Dealer, nonce: random()? })
    }

    /// The same of a party whose correlated randomness comes from a file.
    pub(crate) fn with_files(self) -> Hello {
        Hello { source: Source::File, ..self }
    }

    /// The same of a party that makes it with the other one.
    pub(crate) fn making(self) -> Hello {
        Hello { source: Source::Making, ..self }
    }

    pub(crate) fn send(&self, link: &mut dyn Duplex) -> Result<(), LinkError> {
        let mut bytes = Vec::with_capacity(HELLO_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        bytes.push(self.role as u8 | self.source as u8);
        for part in [&self.identity.program, &self.identity.binding, &self.tables] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.nonce);
        link.send(kind::HELLO, bytes)
    }

    /// Receives the hello of `role` and compares it with ours; returns its nonce.
    pub(crate) fn receive_matching(&self, link: &mut dyn Duplex, role: Role) -> Result<[u8; 16], SessionError> {
        let bytes = link.recv(kind::HELLO, LONGEST_HELLO)?;
        let peer = link.peer().to_owned();
        let misbehaved = |detail: &str| SessionError::Misbehaved { peer: peer.clone(), detail: detail.to_owned() };
        let differ = |what, ours: String, theirs: String| {
            if ours == theirs {
                Ok(())
            } else {
                Err(SessionError::Incompatible { peer: peer.clone(), what, ours, theirs })
            }
        };
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(misbehaved("its first message is not a hello"));
        };
        let (version, rest) = split::<2>(rest).ok_or_else(|| misbehaved("its hello is cut short"))?;
        differ("session protocol", PROTOCOL_VERSION.to_string(), u16::from_le_bytes(version).to_string())?;
        if bytes.len() != HELLO_BYTES {
            return Err(misbehaved("its hello has another length"));
        }
        let fields = (|| {
            let (theirs, rest) = split::<1>(rest)?;
            let (program, rest) = split::<32>(rest)?;
            let (binding, rest) = split::<32>(rest)?;
            let (tables, rest) = split::<32>(rest)?;
            let (nonce, _) = split::<16>(rest)?;
            Some((theirs[0], program, binding, tables, nonce))
        })();
        let Some((theirs, program, binding, tables, nonce)) = fields else {
            return Err(misbehaved("its hello is cut short"));
        };
        let source = |byte| Source::of(byte).to_owned();
        differ("source of correlated randomness", source(self.source as u8), source(theirs))?;
        let theirs = theirs & !Source::BITS;
        let name = |r: u8| [Role::ModelOwner, Role::DataOwner, Role::Dealer].into_iter().find(|x| *x as u8 == r);
        differ("role of that address", format!("{:?}", Some(role)), format!("{:?}", name(theirs)))?;
        differ("program", hex(&self.identity.program), hex(&program))?;
        differ("binding of weights", hex(&self.identity.binding), hex(&binding))?;
        differ("table of public factors", hex(&self.tables), hex(&tables))?;
        Ok(nonce)
    }
}

/// The session that three nonces, a batch and a program make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionDigest([u8; 32]);

impl SessionDigest {
    pub(crate) fn new(
        program: &ProgramIdentity,
        model_owner: &[u8; 16],
        data_owner: &[u8; 16],
        dealer: &[u8; 16],
        batch: BatchId,
    ) -> SessionDigest {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 session of three roles");
        hasher.update(&program.program).update(&program.binding);
        hasher.update(model_owner).update(data_owner).update(dealer).update(&batch.0);
        SessionDigest(*hasher.finalize().as_bytes())
    }

    /// The session of two parties that hold the files with this commitment.
    pub(crate) fn of_material(
        program: &ProgramIdentity,
        model_owner: &[u8; 16],
        data_owner: &[u8; 16],
        commitment: &[u8; 32],
    ) -> SessionDigest {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 session of two roles with files");
        hasher.update(&program.program).update(&program.binding);
        hasher.update(model_owner).update(data_owner).update(commitment);
        SessionDigest(*hasher.finalize().as_bytes())
    }

    /// The session in which two parties make a pool.
    pub(crate) fn of_pool(program: &ProgramIdentity, model_owner: &[u8; 16], data_owner: &[u8; 16]) -> SessionDigest {
        let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 session of two roles that make a pool");
        hasher.update(&program.program).update(&program.binding).update(model_owner).update(data_owner);
        SessionDigest(*hasher.finalize().as_bytes())
    }

    /// The name of the pool that is made in the session.
    pub(crate) fn batch(&self) -> BatchId {
        let hash = blake3::derive_key("mpcc runtime 2026-11 name of a pool", &self.0);
        let mut name = BatchId([0; 16]);
        name.0.copy_from_slice(&hash[..16]);
        name
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// What frames of the session carry.
    pub(crate) fn tag(&self) -> SessionTag {
        let mut tag = SessionTag::default();
        tag.0.copy_from_slice(&self.0[..16]);
        tag
    }
}

/// Dealer to party: the batch and the party's seed.
pub(crate) fn send_grant(link: &mut dyn Duplex, batch: BatchId, seed: &[u8; 16]) -> Result<(), LinkError> {
    let mut message = Vec::with_capacity(32);
    message.extend_from_slice(&batch.0);
    message.extend_from_slice(seed);
    link.send_secret(kind::GRANT, message)
}

/// Receives what [`send_grant`] sends.
pub(crate) fn receive_grant(link: &mut dyn Duplex) -> Result<(BatchId, SessionSeed), SessionError> {
    let mut bytes = link.recv_exact(kind::GRANT, 32)?;
    let (mut batch, mut seed) = ([0; 16], [0; 16]);
    batch.copy_from_slice(&bytes[..16]);
    seed.copy_from_slice(&bytes[16..]);
    bytes.zeroize();
    Ok((BatchId(batch), SessionSeed::take(&mut seed)))
}

/// Model owner to dealer: the seed of the mask of the weights.
pub(crate) fn send_weight_grant(link: &mut dyn Duplex, seed: &[u8; 16]) -> Result<(), LinkError> {
    link.send_secret(kind::WEIGHT_GRANT, seed.to_vec())
}

/// Receives what [`send_weight_grant`] sends.
pub(crate) fn receive_weight_grant(link: &mut dyn Duplex) -> Result<WeightSeed, LinkError> {
    let mut bytes = link.recv_exact(kind::WEIGHT_GRANT, 16)?;
    let mut seed = [0; 16];
    seed.copy_from_slice(&bytes);
    bytes.zeroize();
    Ok(WeightSeed::take(&mut seed))
}

/// What the data owner asks for, or what the model owner serves at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Inferences in all.
    pub(crate) inferences: u64,
    /// Inferences that share hops.
    pub(crate) at_once: u64,
}

impl Wanted {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.inferences.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at_once.to_le_bytes());
        bytes
    }

    /// From the front of a message, and the rest of it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (inferences, rest) = split::<8>(bytes)?;
        let (at_once, rest) = split::<8>(rest)?;
        Some((Self { inferences: u64::from_le_bytes(inferences), at_once: u64::from_le_bytes(at_once) }, rest))
    }
}

/// Sends what must be the same at both ends, named, and `more`; returns what the peer says after its own of the same. Its first,
/// the session, is compared last, since it differs whenever another does.
fn compare(
    link: &mut dyn Duplex,
    kind: u8,
    same: &[(&'static str, &[u8])],
    more: &[u8],
) -> Result<Vec<u8>, SessionError> {
    let mut message: Vec<u8> = same.iter().flat_map(|(_, ours)| *ours).copied().collect();
    let compared = message.len();
    message.extend_from_slice(more);
    let length = message.len();
    link.send(kind, message)?;
    let bytes = link.recv_exact(kind, length)?;
    let (theirs, rest) = bytes.split_at(compared);
    let mut at = 0;
    let mut parts = Vec::with_capacity(same.len());
    for &(what, ours) in same {
        parts.push((what, ours, &theirs[at..at + ours.len()]));
        at += ours.len();
    }
    parts.rotate_left(1);
    match parts.into_iter().find(|(_, ours, theirs)| ours != theirs) {
        None => Ok(rest.to_vec()),
        Some((what, ours, theirs)) => {
            let peer = link.peer().to_owned();
            Err(SessionError::Incompatible { peer, what, ours: hex(ours), theirs: hex(theirs) })
        }
    }
}

/// Parties: compares session and batch of the dealer, and returns what the peer asks for or serves.
pub(crate) fn confirm(
    link: &mut dyn Duplex,
    session: &SessionDigest,
    batch: BatchId,
    wanted: Wanted,
) -> Result<Wanted, SessionError> {
    let same: [(_, &[u8]); 2] = [("session", &session.0), ("batch of the dealer", &batch.0)];
    let bytes = compare(link, kind::CONFIRM, &same, &wanted.to_bytes())?;
    Wanted::read(&bytes).map(|(theirs, _)| theirs).ok_or_else(|| cut_short(link))
}

/// Parties that make a pool: compares session and number of inferences, which is the exact one where the other party says the most
/// that it makes.
pub(crate) fn agree_on_pool(
    link: &mut dyn Duplex,
    session: &SessionDigest,
    (ours, at_most): (u64, bool),
) -> Result<u64, SessionError> {
    let mut more = ours.to_le_bytes().to_vec();
    more.push(u8::from(at_most));
    let bytes = compare(link, kind::CONFIRM_POOL, &[("session", &session.0)], &more)?;
    let (theirs, rest) = split::<8>(&bytes).ok_or_else(|| cut_short(link))?;
    let (theirs, they_at_most) = (u64::from_le_bytes(theirs), rest.first() != Some(&0));
    let agreed = match (at_most, they_at_most) {
        (false, false) => (ours == theirs).then_some(ours),
        (false, true) => (ours <= theirs).then_some(ours),
        (true, false) => (theirs <= ours).then_some(theirs),
        (true, true) => Some(ours.min(theirs)),
    };
    agreed.ok_or_else(|| {
        let shown = |count: u64, at_most| if at_most { format!("{count} at most") } else { count.to_string() };
        SessionError::Incompatible {
            peer: link.peer().to_owned(),
            what: "number of inferences to make",
            ours: shown(ours, at_most),
            theirs: shown(theirs, they_at_most),
        }
    })
}

/// Parties that make a pool: how many inferences are made at the same time, as many as both can.
pub(crate) fn agree_at_once(link: &mut dyn Duplex, ours: u64) -> Result<u64, SessionError> {
    link.send(kind::CONFIRM_POOL, ours.to_le_bytes().to_vec())?;
    let bytes = link.recv_exact(kind::CONFIRM_POOL, 8)?;
    let (theirs, _) = split::<8>(&bytes).ok_or_else(|| cut_short(link))?;
    Ok(ours.min(u64::from_le_bytes(theirs)).max(1))
}

/// What the other party says about the file it holds.
pub(crate) struct Confirmed {
    /// Inferences asked for, or served at most.
    pub(crate) asked: Wanted,
    /// What it has on record of the batch.
    pub(crate) usage: Usage,
}

/// Parties with files: compares session, batch and commitment, and exchanges what is on record of the batch.
pub(crate) fn confirm_material(
    link: &mut dyn Duplex,
    session: &SessionDigest,
    batch: BatchId,
    commitment: &[u8; 32],
    asked: Wanted,
    usage: &Usage,
) -> Result<Confirmed, SessionError> {
    let mut more = asked.to_bytes().to_vec();
    more.extend_from_slice(&usage.next.to_le_bytes());
    more.push(u8::from(usage.received.is_some()));
    more.extend_from_slice(&usage.received.unwrap_or_default());
    let same: [(_, &[u8]); 3] =
        [("session", &session.0), ("batch of the dealt material", &batch.0), ("commitment to both files", commitment)];
    let bytes = compare(link, kind::CONFIRM_MATERIAL, &same, &more)?;
    let fields = (|| {
        let (asked, rest) = Wanted::read(&bytes)?;
        let (next, rest) = split::<8>(rest)?;
        let ([known], rest) = split::<1>(rest)?;
        let (received, _) = split::<32>(rest)?;
        let received = (known != 0).then_some(received);
        let usage = Usage { next: u64::from_le_bytes(next), received, sent: None };
        Some(Confirmed { asked, usage })
    })();
    fields.ok_or_else(|| cut_short(link))
}

fn cut_short(link: &mut dyn Duplex) -> SessionError {
    SessionError::Misbehaved { peer: link.peer().to_owned(), detail: "its message is cut short".to_owned() }
}

/// Parties: both have the material of `index` for the same masked model. Returns the peer's index.
pub(crate) fn ready(link: &mut dyn Duplex, index: u64, model: &blake3::Hash) -> Result<u64, SessionError> {
    link.send(kind::READY, [&index.to_le_bytes()[..], model.as_bytes()].concat())?;
    let bytes = link.recv_exact(kind::READY, 8 + 32)?;
    if model.as_bytes() != &bytes[8..] {
        return Err(SessionError::Incompatible {
            peer: link.peer().to_owned(),
            what: "masked model",
            ours: hex(model.as_bytes()),
            theirs: hex(&bytes[8..]),
        });
    }
    let (theirs, _) = split::<8>(&bytes).unwrap_or_default();
    Ok(u64::from_le_bytes(theirs))
}

/// Fresh bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SessionError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| SessionError::Misuse(format!("the operating system gives no random bytes: {e}")))?;
    Ok(bytes)
}

fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk::<N>().map(|(head, rest)| (*head, rest))
}
