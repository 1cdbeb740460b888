//! The reading thread of a link: takes no frame that is not due, cuts off whoever trickles, and tells a goodbye from a loss.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::LinkOptions;
use super::queues::{End, Incoming, PROGRESS_BYTES, Shared, Verdict};
use crate::frame::{BYE, HEADER_BYTES, HEARTBEAT, decode};
use crate::tls::{Breaker, TlsReader};

/// The most memory that an announced length alone can claim; beyond it, memory follows what has arrived.
const TRUSTED_BYTES: usize = 16 << 20;
/// What is thrown away is received in pieces of this size.
const PIECE_BYTES: u64 = 64 << 10;

pub(super) fn run(mut reader: TlsReader, shared: &Shared, options: &LinkOptions, outgoing: &Breaker) {
    let end = match receive(&mut reader, shared, options) {
        Ok(end) | Err(end) => end,
    };
    shared.reader_ended(end);
    // Nobody takes what is still being sent; a writer that waits for room must not wait for ever.
    outgoing.break_off();
}

/// Receives until the peer says goodbye, or until this side wants no more.
fn receive(reader: &mut TlsReader, shared: &Shared, options: &LinkOptions) -> Result<End, End> {
    let mut sequence = 0;
    loop {
        let mut header = [0; HEADER_BYTES];
        let (first, rest) = header.split_at_mut(1);
        // Between frames a peer may be silent for as long as it says that it is alive; within one it may not.
        let began = fill(reader, first, &mut Pace::new(None), options, None)?;
        let mut pace = Pace::new(Some(options.idle_timeout));
        match began + fill(reader, if began == 0 { &mut [] } else { rest }, &mut pace, options, None)? {
            HEADER_BYTES => {}
            0 => return Err(End::Lost("it ended without a goodbye".to_owned())),
            _ => {
                return Err(End::Misbehaved("ended in the middle of a frame header".to_owned()));
            }
        }
        let header = decode(&header, sequence, options.max_frame_bytes).map_err(End::Misbehaved)?;
        sequence += 1;
        match header.kind {
            HEARTBEAT => continue,
            BYE => return Ok(End::Closed),
            _ => {}
        }
        match shared.admit(header.kind, header.length)? {
            Verdict::Take => {}
            Verdict::ThrowAway => {
                throw_away(reader, header.length, options)?;
                continue;
            }
            Verdict::Leave => return Ok(End::Closed),
        }
        let payload = receive_payload(reader, header.length, shared, options)?;
        if !shared.deliver(Incoming { kind: header.kind, session: header.session, payload }) {
            return Ok(End::Closed);
        }
    }
}

fn receive_payload(
    reader: &mut TlsReader,
    length: u64,
    shared: &Shared,
    options: &LinkOptions,
) -> Result<Vec<u8>, End> {
    let length = usize::try_from(length).map_err(|_| End::Misbehaved("sent more than fits in memory".to_owned()))?;
    let mut payload = shared.spare(length.min(TRUSTED_BYTES));
    payload.resize(length.min(TRUSTED_BYTES), 0);
    let mut filled = 0;
    let mut pace = Pace::new(Some(options.idle_timeout));
    loop {
        filled += fill(reader, &mut payload[filled..], &mut pace, options, Some(shared))?;
        if filled < payload.len() {
            return Err(cut_short(filled as u64, length as u64));
        }
        if filled == length {
            return Ok(payload);
        }
        payload.resize(length.min(2 * filled), 0);
    }
}

/// Receives what nobody wants any more, so that the peer can say goodbye.
fn throw_away(reader: &mut TlsReader, length: u64, options: &LinkOptions) -> Result<(), End> {
    let mut piece = vec![0; length.min(PIECE_BYTES) as usize];
    let mut pace = Pace::new(Some(options.idle_timeout));
    let mut left = length;
    while left > 0 {
        let due = left.min(PIECE_BYTES) as usize;
        let received = fill(reader, &mut piece[..due], &mut pace, options, None)?;
        left -= received as u64;
        if received < due {
            return Err(cut_short(length - left, length));
        }
    }
    Ok(())
}

fn cut_short(received: u64, length: u64) -> End {
    End::Misbehaved(format!("ended after {received} bytes of a message of {length}"))
}

/// A frame that has begun goes on: [`PROGRESS_BYTES`] within every time limit, or to its end.
struct Pace {
    limit: Option<Duration>,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(limit: Option<Duration>) -> Self {
        Pace { limit, since: Instant::now(), bytes: 0 }
    }

    fn received(&mut self, bytes: usize) -> Result<(), End> {
        self.bytes += bytes as u64;
        if self.bytes >= PROGRESS_BYTES {
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        match self.limit {
            Some(limit) if self.since.elapsed() > limit => Err(End::TimedOut("to go on with a message", limit)),
            _ => Ok(()),
        }
    }
}

/// Fills the buffer; fewer bytes come back only when the peer ended its stream in good order. What arrives is counted
/// as payload where `payload_of` is given.
fn fill(
    reader: &mut TlsReader,
    buffer: &mut [u8],
    pace: &mut Pace,
    options: &LinkOptions,
    payload_of: Option<&Shared>,
) -> Result<usize, End> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                if let Some(shared) = payload_of {
                    shared.receiving.fetch_add(read as u64, Ordering::Relaxed);
                }
                if filled < buffer.len() {
                    pace.received(read)?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => pace.received(0)?,
            Err(error) => return Err(describe(&error, options)),
        }
    }
    Ok(filled)
}

fn describe(error: &io::Error, options: &LinkOptions) -> End {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let seconds = options.silence_limit.as_secs_f64();
            End::Lost(format!("not a sign of life for {seconds:.1} s; the process or the network is gone"))
        }
        io::ErrorKind::UnexpectedEof => {
            End::Lost("the connection ended without a goodbye; the process is gone".to_owned())
        }
        io::ErrorKind::InvalidData => End::Misbehaved(format!("its data does not decrypt ({error})")),
        _ => End::Lost(error.to_string()),
    }
}
