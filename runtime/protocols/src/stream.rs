//! What a party reads from its peer and writes to it while it works.

use std::io::{self, Read};

/// The peer's messages as they arrive, and this party's message as it grows: what is complete leaves at once, and what
/// is not needed yet is not waited for.
pub trait PeerStream {
    /// Fills `bytes` with what comes next from the peer.
    ///
    /// # Errors
    /// Those of the link.
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()>;

    /// The end of the message that has not left yet, to be appended to.
    fn growing(&mut self) -> &mut Vec<u8>;

    /// Bytes were appended, which may leave now.
    ///
    /// # Errors
    /// Those of the link.
    fn grown(&mut self) -> io::Result<()>;
}

/// Keeps bits of one inference outside of memory until they are read.
pub trait BitStore: Send + Sync {
    /// Keeps bytes behind those kept before, and says where.
    ///
    /// # Errors
    /// Those of the place where they are kept.
    fn append(&self, bytes: &[u8]) -> io::Result<u64>;

    /// Reads bytes that [`BitStore::append`] kept at that place.
    ///
    /// # Errors
    /// Those of the place where they are kept.
    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Makes an empty store for each inference of a large program.
pub type MakeStore = dyn Fn() -> io::Result<Box<dyn BitStore>> + Send + Sync;

/// Both messages in memory.
#[derive(Default)]
pub struct InMemory<'a> {
    /// What the peer sent.
    pub incoming: &'a [u8],
    /// What this party sends.
    pub outgoing: Vec<u8>,
}

impl PeerStream for InMemory<'_> {
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.incoming.read_exact(bytes)
    }

    fn growing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    fn grown(&mut self) -> io::Result<()> {
        Ok(())
    }
}
