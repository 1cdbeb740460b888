//! Messages and correction streams on a link: large ones travel in pieces, so that no queue has to hold all of one.

use std::io::{self, Read, Write};

use mpcc_channel::{Duplex, LinkError};

/// The most of a party's message that travels in one frame.
const MESSAGE_PIECE: usize = 16 << 20;

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
}

/// Sends `outgoing` while receiving a message of `expected` bytes. An empty message takes no frame.
pub(crate) fn exchange(
    link: &mut dyn Duplex,
    kind: u8,
    outgoing: Vec<u8>,
    expected: usize,
) -> Result<Vec<u8>, LinkError> {
    if outgoing.len() <= MESSAGE_PIECE && expected <= MESSAGE_PIECE {
        if !outgoing.is_empty() {
            link.send(kind, outgoing)?;
        }
        return if expected == 0 { Ok(Vec::new()) } else { link.recv_exact(kind, expected) };
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
            incoming.extend_from_slice(&piece);
            link.recycle(piece);
        } else if piece.is_none() {
            return Ok(incoming);
        }
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
        match self.piece.len() - self.read {
            0 => Ok(()),
            left => Err(LinkError::Misbehaved {
                peer: self.link.peer().to_owned(),
                detail: format!("sent {left} bytes of corrections more than the program takes"),
            }),
        }
    }
}

impl Read for CorrectionReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() {
            self.link.recycle(std::mem::take(&mut self.piece));
            self.piece = self.link.recv(self.kind).map_err(io::Error::other)?;
            self.read = 0;
        }
        if self.piece.is_empty() {
            let (peer, detail) = (self.link.peer().to_owned(), "sent an empty piece of corrections".to_owned());
            return Err(io::Error::other(LinkError::Misbehaved { peer, detail }));
        }
        let taken = out.len().min(self.piece.len() - self.read);
        out[..taken].copy_from_slice(&self.piece[self.read..self.read + taken]);
        self.read += taken;
        Ok(taken)
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
