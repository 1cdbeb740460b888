//! The buffers of one role: words where they are needed, bits as they arrived until then.
//!
//! The memory of released buffers is kept by length and handed out again: layers repeat their shapes, and fresh pages
//! would cost more than the arithmetic on them. What is kept never exceeds what was held at once since it was last
//! given back.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use mpcc_program::code::Buf;

/// Words of a page of memory, or fewer.
const PAGE_WORDS: usize = 512;

/// Bits of one buffer inside what arrived, with buffers before and after it.
#[derive(Clone)]
pub(crate) struct Arrived {
    /// What arrived.
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Where in it.
    pub(crate) range: Range<usize>,
}

impl Deref for Arrived {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

/// The buffers of one role, indexed by `Buf`; one that holds no words is empty.
#[derive(Default)]
pub(crate) struct Frame {
    buffers: Vec<Vec<u64>>,
    arrived: Vec<Option<Arrived>>,
    spare: HashMap<usize, Vec<Vec<u64>>>,
    spare_bytes: HashMap<usize, Vec<Vec<u8>>>,
}

/// What one inference holds between its phases.
pub(crate) struct Held {
    buffers: Vec<Vec<u64>>,
    arrived: Vec<Option<Arrived>>,
}

impl Deref for Frame {
    type Target = [Vec<u64>];

    fn deref(&self) -> &[Vec<u64>] {
        &self.buffers
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [Vec<u64>] {
        &mut self.buffers
    }
}

impl Frame {
    /// Empty buffers.
    pub(crate) fn new(count: usize) -> Self {
        let (buffers, arrived) = (vec![Vec::new(); count], vec![None; count]);
        Self { buffers, arrived, spare: HashMap::new(), spare_bytes: HashMap::new() }
    }

    /// Words of unspecified content: whoever asks writes all of them.
    pub(crate) fn fresh(&mut self, len: usize) -> Vec<u64> {
        self.spare.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| vec![0; len])
    }

    /// Bytes of unspecified content: whoever asks writes all of them.
    pub(crate) fn fresh_bytes(&mut self, len: usize) -> Vec<u8> {
        self.spare_bytes.get_mut(&len).and_then(Vec::pop).unwrap_or_else(|| vec![0; len])
    }

    /// Drops the words of buffers that are not read again, or not soon.
    pub(crate) fn release(&mut self, buffers: &[Buf]) {
        for buf in buffers {
            let words = std::mem::take(&mut self.buffers[buf.0 as usize]);
            self.keep(words);
        }
    }

    fn keep(&mut self, words: Vec<u64>) {
        if !words.is_empty() {
            self.spare.entry(words.len()).or_default().push(words);
        }
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
            let bits = self.arrived[buf.0 as usize].take();
            self.keep_bytes(bits);
        }
    }

    fn keep_bytes(&mut self, bits: Option<Arrived>) {
        if let Some(bytes) = bits.and_then(|bits| Arc::into_inner(bits.bytes)) {
            self.spare_bytes.entry(bytes.len()).or_default().push(bytes);
        }
    }

    /// Hands out all buffers but the `kept` ones, which stay.
    pub(crate) fn split_off(&mut self, kept: &[Buf]) -> Held {
        let count = self.buffers.len();
        let mut rest = Held { buffers: vec![Vec::new(); count], arrived: vec![None; count] };
        std::mem::swap(&mut self.buffers, &mut rest.buffers);
        std::mem::swap(&mut self.arrived, &mut rest.arrived);
        for at in kept.iter().map(|buf| buf.0 as usize) {
            std::mem::swap(&mut self.buffers[at], &mut rest.buffers[at]);
            std::mem::swap(&mut self.arrived[at], &mut rest.arrived[at]);
        }
        rest
    }

    /// Takes back what [`Frame::split_off`] handed out.
    pub(crate) fn join(&mut self, held: Held) {
        let words = held.buffers.into_iter().enumerate().filter(|(_, words)| !words.is_empty());
        words.for_each(|(at, words)| self.buffers[at] = words);
        let bits = held.arrived.into_iter().enumerate().filter(|(_, bits)| bits.is_some());
        bits.for_each(|(at, bits)| self.arrived[at] = bits);
    }

    /// Releases every buffer but the `kept` ones.
    pub(crate) fn release_all_but(&mut self, kept: &[Buf]) {
        let rest = self.split_off(kept);
        rest.buffers.into_iter().for_each(|words| self.keep(words));
        rest.arrived.into_iter().for_each(|bits| self.keep_bytes(bits));
    }

    /// Makes sure that so many buffers of each length are spare, with pages that have been touched.
    pub(crate) fn reserve(&mut self, lengths: &[(usize, usize)]) {
        for (length, count) in lengths {
            let spare = self.spare.entry(*length).or_default();
            while spare.len() < *count {
                let mut words = vec![0; *length];
                words.iter_mut().step_by(PAGE_WORDS).for_each(|word| *word = 1);
                spare.push(words);
            }
        }
    }

    /// Gives back to the system what is kept for reuse.
    pub(crate) fn trim(&mut self) {
        self.spare = HashMap::new();
        self.spare_bytes = HashMap::new();
    }

    /// Bytes kept for reuse.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.spare.values().flatten().map(|words| 8 * words.len()).sum::<usize>()
            + self.spare_bytes.values().flatten().map(Vec::len).sum::<usize>()
    }
}
