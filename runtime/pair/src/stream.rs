//! Messages that arrive in pieces of any size, cut into segments of known lengths, and messages that leave in pieces of one size.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::PairError;

/// Bytes of every piece of a message but the last one.
pub const PIECE: usize = 16 << 20;

/// The segments of a message that are due, in order.
pub(crate) struct Due<S> {
    segments: VecDeque<(S, usize)>,
    /// The beginning of the first of them.
    begun: Vec<u8>,
    expected: usize,
    found: usize,
}

impl<S: Copy> Due<S> {
    pub(crate) fn new(segments: impl IntoIterator<Item = (S, usize)>) -> Due<S> {
        let segments: VecDeque<_> = segments.into_iter().collect();
        let expected = segments.iter().map(|(_, length)| length).sum();
        Due { segments, begun: Vec::new(), expected, found: 0 }
    }

    /// Counts a piece that came.
    pub(crate) fn count(&mut self, bytes: usize) -> Result<(), PairError> {
        self.found += bytes;
        if self.found > self.expected { Err(self.wrong()) } else { Ok(()) }
    }

    /// The next segment that is whole, of which the rest is taken off the front of `bytes`.
    pub(crate) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Option<(S, Segment<'b>)> {
        let &(segment, length) = self.segments.front()?;
        let missing = length - self.begun.len();
        if bytes.len() < missing {
            self.begun.extend_from_slice(bytes);
            *bytes = &[];
            return None;
        }
        let (now, later) = bytes.split_at(missing);
        *bytes = later;
        self.segments.pop_front();
        if self.begun.is_empty() {
            return Some((segment, Cow::Borrowed(now)));
        }
        let mut whole = std::mem::take(&mut self.begun);
        whole.extend_from_slice(now);
        Some((segment, Cow::Owned(whole)))
    }

    /// Refuses a message of which something is missing.
    pub(crate) fn end(&self) -> Result<(), PairError> {
        if self.segments.is_empty() { Ok(()) } else { Err(self.wrong()) }
    }

    fn wrong(&self) -> PairError {
        PairError::Length { what: "message of a round", expected: self.expected, found: self.found }
    }
}

/// A whole segment.
pub(crate) type Segment<'b> = Cow<'b, [u8]>;

/// Bytes that are there but have not left.
#[derive(Default)]
pub(crate) struct Leaving(Vec<u8>);

impl Leaving {
    /// Where more is appended.
    pub(crate) fn growing(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// A whole piece is there.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= PIECE
    }

    /// The next piece: a whole one, or what is left.
    pub(crate) fn piece(&mut self) -> Option<Vec<u8>> {
        let later = if self.is_full() { self.0.split_off(PIECE) } else { Vec::new() };
        let piece = std::mem::replace(&mut self.0, later);
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_come_out_whole_however_bytes_come_in() {
        let message: Vec<u8> = (0..60).collect();
        for size in [1, 3, 7, 59, 60] {
            let mut due = Due::new([('a', 0), ('b', 5), ('c', 54), ('d', 1), ('e', 0)]);
            let mut out = vec![];
            for mut piece in message.chunks(size) {
                due.count(piece.len()).expect("no more than is due");
                while let Some((segment, bytes)) = due.next(&mut piece) {
                    out.push((segment, bytes.into_owned()));
                }
            }
            due.end().expect("all of it");
            assert_eq!(
                out.iter().map(|(s, b)| (*s, b.len())).collect::<Vec<_>>(),
                [('a', 0), ('b', 5), ('c', 54), ('d', 1), ('e', 0)]
            );
            assert_eq!(out.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<_>>(), message);
        }
    }

    #[test]
    fn too_much_and_too_little_are_refused() {
        let mut due = Due::new([((), 4)]);
        assert!(due.next(&mut &[1, 2, 3][..]).is_none());
        assert!(due.end().is_err());
        due.count(4).expect("as many as are due");
        assert!(matches!(due.count(1), Err(PairError::Length { expected: 4, found: 5, .. })));
    }

    #[test]
    fn pieces_have_one_size() {
        let mut leaving = Leaving::default();
        leaving.growing().resize(2 * PIECE + 3, 7);
        let sizes: Vec<usize> = std::iter::from_fn(|| leaving.piece()).map(|piece| piece.len()).collect();
        assert_eq!(sizes, [PIECE, PIECE, 3]);
    }
}
