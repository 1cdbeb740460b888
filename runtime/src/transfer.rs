//! Messages and correction streams on a link: large ones travel in pieces, so that no queue has to hold all of one.

use std::io::{self, Read, Write};

use mpcc_channel::{Duplex, LinkError};
use mpcc_protocols::PeerStream;

/// The most of the setup's message that travels in one frame.
const MESSAGE_PIECE: usize = 16 << 20;

/// A hop's message leaves in frames of at least this size while it grows, but for the last one, which leaves at once: large enough that
/// frames cost nothing, small enough that the line does not wait for them.
const HOP_PIECE: usize = 256 << 10;

/// The most of a correction stream that travels in one frame.
const CORRECTION_PIECE: usize = 1 << 20;

/// Kinds of frames.
pub(crate) mod kind {
    /// What a role runs.
    pub(crate) const HELLO: u8 = 1;
    /// The dealer's batch and seed.
    pub(crate) const GRANT: u8 = 2;
    /// What the parties agreed on.
    pub(crate) const CONFIRM: u8 = 3;
    /// A party's message of the setup.
    pub(crate) const SETUP: u8 = 4;
    /// The dealer's corrections for the setup.
    pub(crate) const SETUP_CORRECTIONS: u8 = 5;
    /// A party asks the dealer for an inference, or says that it is done.
    pub(crate) const REQUEST: u8 = 6;
    /// The dealer's corrections for an inference.
    pub(crate) const CORRECTIONS: u8 = 7;
    /// The parties are ready for the same inference.
    pub(crate) const READY: u8 = 8;
    /// A party's message of a hop.
    pub(crate) const HOP: u8 = 9;
    /// What two parties with files agreed on.
    pub(crate) const CONFIRM_MATERIAL: u8 = 10;
    /// A party's file is as it was dealt.
    pub(crate) const MATERIAL_INTACT: u8 = 11;
    /// The masked weights that the model owner means.
    pub(crate) const MEANT: u8 = 12;
    /// Those that the data owner holds.
    pub(crate) const HELD: u8 = 13;
    /// The model owner's seed of the mask of its weights, for the dealer.
    pub(crate) const WEIGHT_GRANT: u8 = 14;
    /// What two parties that make a pool agreed on.
    pub(crate) const CONFIRM_POOL: u8 = 15;
    /// The setup of transfers between two parties.
    pub(crate) const TRANSFERS: u8 = 16;
    /// What a party chooses and uploads in a round of a making.
    pub(crate) const CHOICES: u8 = 17;
    /// What it answers to the other one's choices and uploads.
    pub(crate) const STRINGS: u8 = 18;
    /// Hash of a party's half of a pool.
    pub(crate) const POOL_ROOT: u8 = 19;
    /// A party's half of a pool is whole.
    pub(crate) const POOL_WHOLE: u8 = 20;
    /// A party's keys for products under encryption.
    pub(crate) const KEYS: u8 = 21;
    /// What converts results of a round.
    pub(crate) const CONVERSIONS: u8 = 22;
    /// A party's half of a pool has its name.
    pub(crate) const POOL_KEPT: u8 = 23;
}

/// Sends `outgoing` while receiving a message of `expected` bytes, piece by piece, of which `arrived` is told. An empty message
/// takes no frame.
pub(crate) fn exchange(
    link: &mut dyn Duplex,
    kind: u8,
    outgoing: Vec<u8>,
    expected: usize,
    arrived: &mut dyn FnMut(&[u8]),
) -> Result<Vec<u8>, LinkError> {
    if outgoing.len() <= MESSAGE_PIECE && expected <= MESSAGE_PIECE {
        if !outgoing.is_empty() {
            link.send(kind, outgoing)?;
        }
        if expected == 0 {
            return Ok(Vec::new());
        }
        let incoming = link.recv_exact(kind, expected)?;
        arrived(&incoming);
        return Ok(incoming);
    }
    let mut pieces = outgoing.chunks(MESSAGE_PIECE);
    let mut incoming = Vec::with_capacity(expected);
    loop {
        let piece = pieces.next();
        if let Some(piece) = piece {
            let mut payload = link.buffer();
            payload.extend_from_slice(piece);
            link.send(kind, payload)?;
        }
        let due = (expected - incoming.len()).min(MESSAGE_PIECE);
        if due > 0 {
            let piece = link.recv_exact(kind, due)?;
            arrived(&piece);
            incoming.extend_from_slice(&piece);
            link.recycle(piece);
        } else if piece.is_none() {
            return Ok(incoming);
        }
    }
}

/// The messages of the hops: this party's leaves while it grows, and the peer's is taken as it comes.
pub(crate) struct Hops<'a> {
    link: &'a mut dyn Duplex,
    growing: Vec<u8>,
    piece: Vec<u8>,
    read: usize,
    /// Bytes of the peer's message that have not come.
    due: usize,
    /// Bytes of this party's message that have not left.
    leaving: usize,
}

impl<'a> Hops<'a> {
    pub(crate) fn new(link: &'a mut dyn Duplex) -> Self {
        Hops { growing: link.buffer(), link, piece: Vec::new(), read: 0, due: 0, leaving: 0 }
    }

    /// Begins to take a message of the peer of `due` bytes and to send one of `leaving` bytes.
    pub(crate) fn begin(&mut self, due: usize, leaving: usize) {
        (self.due, self.leaving) = (due, leaving);
    }

    /// Ends a step: the peer's message was due as a whole, and this party's has left.
    pub(crate) fn end(&mut self) -> Result<(), LinkError> {
        debug_assert_eq!((self.due, self.leaving), (0, 0), "a step takes and sends whole messages");
        used_up(self.link, &self.piece[self.read..], "a message")
    }
}

impl PeerStream for Hops<'_> {
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            if self.read == self.piece.len() {
                next(self.link, kind::HOP, self.due, &mut self.piece, &mut self.read)?;
                let (got, due) = (self.piece.len(), self.due);
                if got < due.min(HOP_PIECE) {
                    let (peer, detail) =
                        (self.link.peer().to_owned(), format!("sent {got} bytes where {due} were due"));
                    return Err(io::Error::other(LinkError::Misbehaved { peer, detail }));
                }
                self.due -= got;
            }
            filled += copied(&self.piece, &mut self.read, &mut bytes[filled..]);
        }
        Ok(())
    }

    fn growing(&mut self) -> &mut Vec<u8> {
        &mut self.growing
    }

    fn grown(&mut self) -> io::Result<()> {
        let grown = self.growing.len();
        if grown == 0 || grown < self.leaving.min(HOP_PIECE) {
            return Ok(());
        }
        let next = self.link.buffer();
        self.link.send(kind::HOP, std::mem::replace(&mut self.growing, next)).map_err(io::Error::other)?;
        self.leaving -= grown;
        Ok(())
    }
}

/// Takes the next frame, of at most `most` bytes, in place of the one at hand, of which nothing is read then.
fn next(link: &mut dyn Duplex, kind: u8, most: usize, piece: &mut Vec<u8>, read: &mut usize) -> io::Result<()> {
    link.recycle(std::mem::take(piece));
    *piece = link.recv(kind, most).map_err(io::Error::other)?;
    *read = 0;
    if piece.is_empty() {
        let (peer, detail) = (link.peer().to_owned(), "sent an empty piece of a message".to_owned());
        return Err(io::Error::other(LinkError::Misbehaved { peer, detail }));
    }
    Ok(())
}

/// Copies what is left of a frame, of which `read` bytes were taken, as far as there is room.
fn copied(piece: &[u8], read: &mut usize, out: &mut [u8]) -> usize {
    let taken = out.len().min(piece.len() - *read);
    out[..taken].copy_from_slice(&piece[*read..*read + taken]);
    *read += taken;
    taken
}

/// The last frame must be used up.
fn used_up(link: &dyn Duplex, left: &[u8], what: &str) -> Result<(), LinkError> {
    match left.len() {
        0 => Ok(()),
        left => Err(LinkError::Misbehaved {
            peer: link.peer().to_owned(),
            detail: format!("sent {left} bytes of {what} more than the program takes"),
        }),
    }
}

/// A party's end of a stream of corrections.
pub(crate) struct CorrectionReader<'a> {
    link: &'a mut dyn Duplex,
    kind: u8,
    piece: Vec<u8>,
    read: usize,
}

impl<'a> CorrectionReader<'a> {
    pub(crate) fn new(link: &'a mut dyn Duplex, kind: u8) -> Self {
        CorrectionReader { link, kind, piece: Vec::new(), read: 0 }
    }

    /// Ends the stream: the last frame must be used up.
    pub(crate) fn finish(self) -> Result<(), LinkError> {
        used_up(self.link, &self.piece[self.read..], "corrections")
    }
}

impl Read for CorrectionReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            next(self.link, self.kind, CORRECTION_PIECE, &mut self.piece, &mut self.read)?;
        }
        Ok(copied(&self.piece, &mut self.read, out))
    }
}

/// The dealer's end of a stream of corrections; [`Write::flush`] sends what is left.
pub(crate) struct CorrectionWriter<'a> {
    link: &'a mut dyn Duplex,
    kind: u8,
    piece: Vec<u8>,
}

impl<'a> CorrectionWriter<'a> {
    pub(crate) fn new(link: &'a mut dyn Duplex, kind: u8) -> Self {
        CorrectionWriter { link, kind, piece: Vec::new() }
    }
}

impl Write for CorrectionWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.capacity() < CORRECTION_PIECE {
            self.piece = self.link.buffer();
            self.piece.reserve_exact(CORRECTION_PIECE);
        }
        let taken = bytes.len().min(CORRECTION_PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == CORRECTION_PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.link.send(self.kind, std::mem::take(&mut self.piece)).map_err(io::Error::other)
    }
}
