//! The buffers of one role: words where they are needed, bits as they arrived until then.
//!
//! Every inference has a frame of its own, which shares what the setup left. The memory of released buffers is kept by
//! length in a [`Pool`] that all frames of a role draw from: layers repeat their shapes, and fresh pages would cost more
//! than the arithmetic on them. What is kept never exceeds what was held at once since it was last given back.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpcc_program::code::Buf;
use mpcc_program::words::Words;

use crate::stream::BitStore;

/// Words of a page of memory, or fewer.
const PAGE_WORDS: usize = 512;

/// Bits of one buffer.
#[derive(Clone)]
pub(crate) enum Arrived {
    /// Inside what arrived, with buffers before and after it.
    Here {
        /// What arrived.
        bytes: Arc<Vec<u8>>,
        /// Where in it.
        range: Range<usize>,
    },
    /// In the frame's store from this place on.
    Stored(u64),
}

/// Memory of released buffers, by length.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Spare>);

#[derive(Default)]
struct Spare {
    words: HashMap<usize, Vec<Vec<u64>>>,
    bytes: HashMap<usize, Vec<Vec<u8>>>,
}

impl Pool {
    /// Memory stays usable after a panic elsewhere: its content does not matter.
    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, words: Vec<u64>) {
        if !words.is_empty() {
            self.spare().words.entry(words.len()).or_default().push(words);
        }
    }

    fn keep_bytes(&self, bits: Option<Arrived>) {
        if let Some(Arrived::Here { bytes, .. }) = bits
            && let Some(bytes) = Arc::into_inner(bytes)
        {
            self.spare().bytes.entry(bytes.len()).or_default().push(bytes);
        }
    }

    /// Makes sure that so many buffers of each length are spare, with pages that have been touched.
    pub(crate) fn reserve(&self, lengths: &[(usize, usize)]) {
        for (length, count) in lengths {
            let missing = count.saturating_sub(self.spare().words.get(length).map_or(0, Vec::len));
            for _ in 0..missing {
                let mut words = vec![0; *length];
                words.iter_mut().step_by(PAGE_WORDS).for_each(|word| *word = 1);
                self.keep(words);
            }
        }
    }

    /// Gives back to the system what is kept for reuse.
    pub(crate) fn trim(&self) {
        *self.spare() = Spare::default();
    }

    /// Bytes kept for reuse.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        let spare = self.spare();
        spare.words.values().flatten().map(|words| 8 * words.len()).sum::<usize>()
            + spare.bytes.values().flatten().map(Vec::len).sum::<usize>()
    }
}

/// The buffers of one role, indexed by `Buf`; one that holds no words is empty. What a dropped frame held goes to its pool.
pub(crate) struct Frame {
    buffers: Vec<Words>,
    arrived: Vec<Option<Arrived>>,
    scratch: Vec<u8>,
    store: Option<Box<dyn BitStore>>,
    /// Bytes of corrections that may still be kept in memory beside a store.
    room: u64,
    pool: Arc<Pool>,
}

impl Deref for Frame {
    type Target = [Words];

    fn deref(&self) -> &[Words] {
        &self.buffers
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [Words] {
        &mut self.buffers
    }
}

impl Frame {
    /// Empty buffers.
    pub(crate) fn new(count: usize, pool: Arc<Pool>) -> Self {
        Self {
            buffers: vec![Words::default(); count],
            arrived: vec![None; count],
            scratch: Vec::new(),
            store: None,
            room: 0,
            pool,
        }
    }

    /// A frame of these buffers only, which it can share.
    pub(crate) fn sharing(&mut self, buffers: &[Buf]) -> Frame {
        let mut frame = Frame::new(self.buffers.len(), Arc::clone(&self.pool));
        for at in buffers.iter().map(|buf| buf.0 as usize) {
            frame.buffers[at] = self.buffers[at].share();
            frame.arrived[at].clone_from(&self.arrived[at]);
        }
        frame
    }

    /// Another frame with the same buffers, all of which are shared.
    pub(crate) fn shared(&self) -> Frame {
        let (buffers, arrived) = (self.buffers.clone(), self.arrived.clone());
        Frame { buffers, arrived, scratch: Vec::new(), store: None, room: 0, pool: Arc::clone(&self.pool) }
    }

    /// Words of unspecified content: whoever asks writes all of them.
    pub(crate) fn fresh(&mut self, len: usize) -> Vec<u64> {
        self.pool.spare().words.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| vec![0; len])
    }

    /// Bytes of unspecified content: whoever asks writes all of them.
    pub(crate) fn fresh_bytes(&mut self, len: usize) -> Vec<u8> {
        self.pool.spare().bytes.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| vec![0; len])
    }

    /// Bytes for a moment, to be given back.
    pub(crate) fn scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.scratch)
    }

    /// Takes back what [`Frame::scratch`] gave.
    pub(crate) fn keep_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    /// Drops the words of buffers that are not read again, or not soon.
    pub(crate) fn release(&mut self, buffers: &[Buf]) {
        for buf in buffers {
            self.pool.keep(self.buffers[buf.0 as usize].take());
        }
    }

    /// Keeps bits that arrive from now on in a store, but for the first `in_memory` bytes.
    pub(crate) fn set_store(&mut self, store: Box<dyn BitStore>, in_memory: u64) {
        (self.store, self.room) = (Some(store), in_memory);
    }

    /// Whether the next bits are kept in memory, which is then counted: all without a store, the first ones with one.
    pub(crate) fn keeps_in_memory(&mut self, bytes: usize) -> bool {
        let left = self.room.checked_sub(bytes as u64);
        self.room = left.unwrap_or(self.room);
        self.store.is_none() || left.is_some()
    }

    /// Where bits are kept, if not in memory.
    pub(crate) fn store(&self) -> Option<&dyn BitStore> {
        self.store.as_deref()
    }

    /// Keeps the bits of a buffer until its words are made.
    pub(crate) fn arrive(&mut self, buf: Buf, bits: Arrived) {
        self.arrived[buf.0 as usize] = Some(bits);
    }

    /// The bits of a buffer, if any are kept.
    pub(crate) fn arrived(&self, buf: Buf) -> Option<Arrived> {
        self.arrived[buf.0 as usize].clone()
    }

    /// Drops the bits of buffers whose words are not made again.
    pub(crate) fn forget(&mut self, buffers: &[Buf]) {
        for buf in buffers {
            self.pool.keep_bytes(self.arrived[buf.0 as usize].take());
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.buffers.iter_mut().for_each(|words| self.pool.keep(words.take()));
        self.arrived.iter_mut().for_each(|bits| self.pool.keep_bytes(bits.take()));
    }
}
