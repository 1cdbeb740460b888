//! The writing thread of a link: frames in order, paced when the link is shaped, heartbeats in between.

use std::io;
use std::sync::atomic::Ordering;

use super::LinkOptions;
use super::queues::{End, Shared, Task};
use crate::duplex::SessionTag;
use crate::frame::{BYE, HEARTBEAT, Header, encode, wire_bytes};
use crate::network::{Pacer, sleep_until};
use crate::tls::TlsWriter;

pub(super) fn run(mut writer: TlsWriter, shared: &Shared, options: &LinkOptions) {
    let mut pacer = options.shape.clone().map(Pacer::new);
    let mut sequence = 0;
    let result = loop {
        let sent = match shared.next_task(options.heartbeat_interval) {
            Task::Send(outgoing) => {
                let length = outgoing.payload.len() as u64;
                let header = Header { session: outgoing.session, sequence, kind: outgoing.kind, length };
                if let Some(pacer) = &mut pacer {
                    pacer.begin(outgoing.queued_at);
                }
                let before = |bytes, last| {
                    if let Some(pacer) = &mut pacer {
                        sleep_until(pacer.arrival(bytes), last);
                    }
                    match shared.aborted() {
                        true => Err(io::ErrorKind::ConnectionAborted.into()),
                        false => Ok(()),
                    }
                };
                let sent = writer.write_frame(&encode(&header), &outgoing.payload, before, |n| progress(shared, n));
                if outgoing.secret {
                    writer.forget();
                }
                // Freeing a large payload takes a while, so whoever waits for the frame is told first.
                if sent.is_ok() {
                    shared.transmitted(length);
                    shared.recycle(outgoing.spent());
                }
                sent
            }
            Task::Heartbeat => write_control(&mut writer, shared, HEARTBEAT, sequence),
            Task::SayBye => {
                // All data has left; a peer that is gone by now does not need to be told.
                if write_control(&mut writer, shared, BYE, sequence).is_ok() {
                    let _ = writer.finish();
                }
                break Ok(());
            }
            Task::Leave => break Err(End::Lost("the link was broken off on this side".to_owned())),
        };
        if let Err(error) = sent {
            break Err(End::Lost(format!("sending failed: {error}")));
        }
        sequence += 1;
    };
    shared.writer_ended(result);
}

fn write_control(writer: &mut TlsWriter, shared: &Shared, kind: u8, sequence: u64) -> io::Result<()> {
    let header = Header { session: SessionTag::default(), sequence, kind, length: 0 };
    writer.write_frame(&encode(&header), &[], |_, _| Ok(()), |n| progress(shared, n))?;
    shared.keepalive_sent.fetch_add(wire_bytes(0), Ordering::Relaxed);
    Ok(())
}

fn progress(shared: &Shared, bytes: usize) {
    shared.sending.fetch_add(bytes as u64, Ordering::Relaxed);
}
