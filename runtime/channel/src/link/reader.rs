//! The reading thread of a link: checks each frame before it allocates for it, and tells a goodbye from a loss.

use std::io::{self, Read};
use std::sync::atomic::Ordering;

use super::LinkOptions;
use super::queues::{End, Incoming, Shared};
use crate::frame::{BYE, HEADER_BYTES, HEARTBEAT, decode};
use crate::tls::{Breaker, TlsReader};

/// The most memory that an announced length alone can claim; beyond it, memory follows what has arrived.
const TRUSTED_BYTES: usize = 16 << 20;

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
        match fill(reader, &mut header, options, &mut || ())? {
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
        let payload = receive_payload(reader, header.length, shared, options)?;
        let incoming = Incoming { kind: header.kind, session: header.session, payload };
        if !shared.deliver(incoming, options.queue_bytes) {
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
    let mut progress = || {
        shared.receiving.fetch_add(1, Ordering::Relaxed);
    };
    loop {
        filled += fill(reader, &mut payload[filled..], options, &mut progress)?;
        if filled < payload.len() {
            return Err(End::Misbehaved(format!("ended after {filled} bytes of a message of {length}")));
        }
        if filled == length {
            return Ok(payload);
        }
        payload.resize(length.min(2 * filled), 0);
    }
}

/// Fills the buffer; fewer bytes come back only when the peer ended its stream in good order.
fn fill(
    reader: &mut TlsReader,
    buffer: &mut [u8],
    options: &LinkOptions,
    progress: &mut impl FnMut(),
) -> Result<usize, End> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                progress();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
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
