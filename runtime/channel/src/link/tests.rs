//! Misbehaving and dying peers, played by hand on the raw halves of a link.

mod limits;

use std::thread;
use std::time::{Duration, Instant};

use super::queues::End;
use super::*;
use crate::connect::connect_halves;
use crate::frame::{Header, encode};
use crate::tls::TlsWriter;
use crate::{Identity, Listener, Peer};

/// Longer than anything that is sent here.
const MOST: usize = 1 << 20;

/// A peer that follows no rules unless the test does.
struct RawPeer {
    writer: TlsWriter,
    _incoming: TlsStream,
    session: SessionTag,
}

impl RawPeer {
    fn header(&self, sequence: u64) -> Header {
        Header { session: self.session, sequence, kind: 1, length: 0 }
    }

    fn write(&mut self, header: &Header, payload: &[u8]) {
        self.writer.write_frame(&encode(header), payload, |_, _| Ok(()), |_| ()).unwrap();
    }
}

fn link_to_raw_peer(options: &LinkOptions) -> (Link, RawPeer) {
    let (here, there) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let this = Peer::new("this side", here.fingerprint());
    let connecting = options.clone();
    let peer = Peer::new("the dealer", there.fingerprint());
    let raw = thread::spawn(move || connect_halves(&address, &there, &this, &connecting).unwrap());
    let link = listener.accept(&here, &peer, options).unwrap();
    let Halves { outgoing, incoming, session } = raw.join().unwrap();
    (link, RawPeer { writer: outgoing.into_writer().unwrap(), _incoming: incoming, session })
}

/// Short limits and heartbeats; tests that need silence to be noticed rely on them.
fn quick() -> LinkOptions {
    LinkOptions {
        setup_timeout: Duration::from_secs(20),
        heartbeat_interval: Duration::from_millis(100),
        silence_limit: Duration::from_millis(800),
        ..LinkOptions::default()
    }
}

fn misbehaviour(result: Result<Vec<u8>, LinkError>) -> String {
    match result {
        Err(error @ LinkError::Misbehaved { .. }) => {
            assert_eq!(error.exit_class().status(), 3);
            error.to_string()
        }
        other => panic!("expected misbehaviour, got {:?}", other.map(|payload| payload.len())),
    }
}

#[test]
fn an_honest_raw_peer_is_understood() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.write(&Header { kind: HEARTBEAT, ..raw.header(0) }, &[]);
    raw.write(&Header { length: 5, ..raw.header(1) }, b"hello");
    raw.write(&Header { kind: BYE, ..raw.header(2) }, &[]);
    assert_eq!(link.recv(1, MOST).unwrap(), b"hello");
    assert_eq!(link.recv(1, MOST), Err(LinkError::Closed { peer: "the dealer".to_owned() }));
    assert!(matches!(link.send(1, Vec::new()), Err(LinkError::Closed { .. })));
}

#[test]
fn a_frame_of_another_session_is_refused() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.write(&Header { session: SessionTag([9; 16]), ..raw.header(0) }, &[]);
    assert!(misbehaviour(link.recv(1, MOST)).contains("session 0909"));
    assert!(matches!(link.send(1, Vec::new()), Err(LinkError::Misbehaved { .. })));
}

#[test]
fn replayed_and_skipped_frames_are_refused() {
    for second in [0, 2, u64::MAX] {
        let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
        raw.write(&raw.header(0), &[]);
        raw.write(&raw.header(second), &[]);
        assert_eq!(link.recv(1, MOST).unwrap(), Vec::<u8>::new());
        assert!(misbehaviour(link.recv(1, MOST)).contains("where frame 1 was due"));
    }
}

#[test]
fn an_oversize_length_is_refused_before_anything_is_allocated() {
    for length in [(1 << 20) + 1, 1 << 62, u64::MAX] {
        let options = LinkOptions { max_frame_bytes: 1 << 20, ..LinkOptions::default() };
        let (mut link, mut raw) = link_to_raw_peer(&options);
        raw.write(&Header { length, ..raw.header(0) }, &[]);
        assert!(misbehaviour(link.recv(1, MOST)).contains("more than the limit"));
    }
}

#[test]
fn garbage_in_place_of_a_header_is_refused() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.writer.write_frame(&[0xff; 40], &[], |_, _| Ok(()), |_| ()).unwrap();
    assert!(misbehaviour(link.recv(1, MOST)).contains("does not begin"));
}

#[test]
fn a_frame_cut_short_in_good_order_is_misbehaviour() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.write(&Header { length: 100_000, ..raw.header(0) }, &[3; 99_999]);
    raw.writer.finish().unwrap();
    assert!(misbehaviour(link.recv(1, MOST)).contains("99999 bytes of a message of 100000"));
}

#[test]
fn a_frame_cut_short_by_death_is_a_loss() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.write(&Header { length: 100_000, ..raw.header(0) }, &[3; 99_999]);
    drop(raw);
    let error = link.recv(1, MOST).unwrap_err();
    assert!(matches!(error, LinkError::Lost { .. }), "{error}");
    assert_eq!(error.exit_class().status(), 4);
}

#[test]
fn a_wrong_kind_is_refused_and_ends_the_link() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.write(&Header { kind: 2, ..raw.header(0) }, &[]);
    raw.write(&raw.header(1), &[]);
    assert!(misbehaviour(link.recv(1, MOST)).contains("kind 2 where kind 1"));
    misbehaviour(link.recv(1, MOST));
}

#[test]
fn a_killed_peer_is_noticed_at_once() {
    let (mut link, raw) = link_to_raw_peer(&LinkOptions::default());
    let start = Instant::now();
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(raw);
    });
    let error = link.recv(1, MOST).unwrap_err();
    assert!(matches!(error, LinkError::Lost { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
    killer.join().unwrap();
    assert!(matches!(link.send(1, Vec::new()), Err(LinkError::Lost { .. })));
}

#[test]
fn a_silent_peer_is_noticed_after_the_silence_limit() {
    let (mut link, _raw) = link_to_raw_peer(&quick());
    let start = Instant::now();
    let error = link.recv(1, MOST).unwrap_err();
    assert!(error.to_string().contains("not a sign of life"), "{error}");
    assert!(start.elapsed() > Duration::from_millis(500) && start.elapsed() < Duration::from_secs(5));
}

#[test]
fn closing_towards_a_peer_that_takes_nothing_gives_up() {
    let options = LinkOptions { linger: Duration::from_millis(300), ..LinkOptions::default() };
    let (mut link, _raw) = link_to_raw_peer(&options);
    link.send(1, vec![0; 64 << 20]).unwrap();
    let start = Instant::now();
    assert!(matches!(link.close(), Err(LinkError::TimedOut { .. })));
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// A peer that has said goodbye takes nothing more, which the writer may notice before the reader has read that far.
#[test]
fn closing_towards_a_peer_that_has_left_tells_its_goodbye_from_a_loss() {
    for (left, closed) in [(End::Closed, true), (End::Lost("it ended without a goodbye".to_owned()), false)] {
        let shared = Arc::new(Shared::default());
        shared.stop(Stop::Polite);
        shared.writer_ended(Err(End::Lost("sending failed".to_owned())));
        let reading = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            reading.reader_ended(left);
        });
        let end = shared.wait_for_writer(Duration::from_secs(5)).unwrap_err();
        assert_eq!(end == End::Closed, closed, "{end:?}");
        reader.join().unwrap();
    }
}

#[test]
fn sending_to_a_peer_that_takes_nothing_times_out() {
    let options = LinkOptions {
        idle_timeout: Duration::from_millis(300),
        queue_bytes: 1 << 20,
        linger: Duration::from_millis(100),
        ..LinkOptions::default()
    };
    let (mut link, _raw) = link_to_raw_peer(&options);
    link.send(1, vec![0; 64 << 20]).unwrap();
    let error = link.send(1, vec![0; 1]).unwrap_err();
    assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
}

#[test]
fn what_the_counters_say_is_what_the_socket_saw() {
    let (mut link, _raw) = link_to_raw_peer(&LinkOptions::default());
    let before = link.counters();
    assert_eq!(before.phase(Phase::Handshake).wire_sent, before.socket_sent);
    link.set_phase(Phase::Offline);
    for length in [0, 1, 16343, 16344, 16345, 300_000, 262_144 - 40, 262_144] {
        link.send(1, vec![1; length]).unwrap();
    }
    let shared = Arc::clone(&link.shared);
    let sockets = link.sockets.clone();
    let counters = link.counters();
    link.close().unwrap();
    // The closing is a goodbye frame, which counts as keep-alive, and an alert of 2 bytes in a record.
    let closing = shared.keepalive_sent.load(Ordering::Relaxed) + 2 + 22;
    assert_eq!(sum(&sockets, |s| &s.sent), counters.total().wire_sent + closing);
}
