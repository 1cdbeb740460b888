//! Peers with a real key that send too much, too early, too slowly or nothing: cut off in time, and little memory taken.

use std::io;

use super::*;

/// What nobody asked for may take no more than this from the socket: what the buffers on the way hold.
const ON_THE_WAY: u64 = 1 << 20;

/// Sends `bytes` more of whatever frame was begun, until the link ends.
fn flood(raw: &mut RawPeer, bytes: usize) {
    let chunk = vec![0; 1 << 20];
    for _ in 0..bytes.div_ceil(chunk.len()) {
        if raw.writer.write_frame(&[0; 40], &chunk, |_, _| Ok(()), |_| ()).is_err() {
            return;
        }
    }
}

#[test]
fn a_frame_longer_than_what_is_due_is_refused_by_its_header() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    let flooding = thread::spawn(move || {
        raw.write(&Header { length: 1 << 30, ..raw.header(0) }, &[]);
        flood(&mut raw, 1 << 30);
        raw
    });
    thread::sleep(Duration::from_millis(300));
    assert!(link.counters().socket_received < ON_THE_WAY, "{}", link.counters().socket_received);
    let start = Instant::now();
    assert!(misbehaviour(link.recv(1, 119)).contains("announced 1073741824 bytes in a message of kind 1 that has 119"));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(link.counters().socket_received < ON_THE_WAY);
    drop(link);
    flooding.join().unwrap();
}

#[test]
fn a_long_frame_of_another_kind_is_refused_by_its_header() {
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    raw.write(&Header { kind: 3, length: 1 << 20, ..raw.header(0) }, &[]);
    assert!(misbehaviour(link.recv(1, MOST)).contains("kind 3 where kind 1 was due"));
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    // A short one may have been taken before it was asked for.
    raw.write(&Header { length: 300, ..raw.header(0) }, &[0; 300]);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(link.shared.waiting(), 1);
    assert!(misbehaviour(link.recv(1, 299)).contains("300 bytes in a message of kind 1 that has 299 at most"));
}

#[test]
fn what_nobody_asked_for_waits_outside() {
    const FRAMES: u64 = 20_000;
    let (mut link, mut raw) = link_to_raw_peer(&LinkOptions::default());
    let sending = thread::spawn(move || {
        for sequence in 0..FRAMES {
            raw.write(&raw.header(sequence), &[]);
        }
        raw.write(&Header { length: MOST as u64, ..raw.header(FRAMES) }, &[]);
        flood(&mut raw, MOST / 2);
        raw
    });
    thread::sleep(Duration::from_millis(300));
    assert!(link.shared.waiting() as u64 * 40 <= FIRST_BYTES, "{}", link.shared.waiting());
    for _ in 0..FRAMES {
        assert!(link.recv_exact(1, 0).unwrap().is_empty());
    }
    link.receive_ahead(4 * MOST as u64);
    thread::sleep(Duration::from_millis(300));
    assert!(link.counters().socket_received > MOST as u64 / 2);
    drop(link);
    sending.join().unwrap();
}

#[test]
fn heartbeats_alone_keep_no_receiver_waiting() {
    let options = LinkOptions { idle_timeout: Duration::from_millis(400), ..LinkOptions::default() };
    let (mut link, mut raw) = link_to_raw_peer(&options);
    let beating = thread::spawn(move || {
        for sequence in 0.. {
            let header = Header { kind: HEARTBEAT, session: SessionTag::default(), ..raw.header(sequence) };
            if raw.writer.write_frame(&encode(&header), &[], |_, _| Ok(()), |_| ()).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    let start = Instant::now();
    let error = link.recv(1, MOST).unwrap_err();
    assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4));
    drop(link);
    beating.join().unwrap();
}

/// The link, which waits for long, of a peer that does `send` every 10 ms.
fn slow(mut send: impl FnMut(&mut RawPeer) -> io::Result<()> + Send + 'static, begin: bool) -> LinkError {
    let options = LinkOptions { idle_timeout: Duration::from_millis(400), ..LinkOptions::default() };
    let (mut link, mut raw) = link_to_raw_peer(&options);
    // In a session a peer may compute for long, which is not what this one does.
    link.set_idle_timeout(Duration::from_secs(3600));
    if begin {
        raw.write(&Header { length: MOST as u64, ..raw.header(0) }, &[]);
    }
    let sending = thread::spawn(move || {
        while send(&mut raw).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let start = Instant::now();
    let error = link.recv(1, MOST).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    drop(link);
    sending.join().unwrap();
    error
}

#[test]
fn a_message_that_trickles_is_cut_off() {
    let trickles = |error: LinkError| {
        assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
        assert!(error.to_string().contains("to go on with a message"), "{error}");
    };
    // Records of a byte.
    trickles(slow(
        |raw| {
            let record = raw.writer.record(&[0])?;
            raw.writer.write_raw(&record)
        },
        true,
    ));
    // A record a byte at a time, of which no plaintext ever comes.
    let mut record = Vec::new();
    trickles(slow(
        move |raw| {
            if record.is_empty() {
                record = raw.writer.record(&[0; 16_000])?;
                record.reverse();
            }
            raw.writer.write_raw(&[record.pop().unwrap_or_default()])
        },
        true,
    ));
    // A header a byte at a time.
    let mut header = encode(&Header { session: SessionTag::default(), sequence: 0, kind: 1, length: 0 }).to_vec();
    header.reverse();
    trickles(slow(
        move |raw| {
            let Some(byte) = header.pop() else { return Ok(()) };
            thread::sleep(Duration::from_millis(40));
            let record = raw.writer.record(&[byte])?;
            raw.writer.write_raw(&record)
        },
        false,
    ));
}

#[test]
fn a_slow_line_is_no_trickle() {
    let options = LinkOptions { idle_timeout: Duration::from_millis(500), ..LinkOptions::default() };
    let (mut link, mut raw) = link_to_raw_peer(&options);
    let sending = thread::spawn(move || {
        raw.write(&Header { length: 400_000, ..raw.header(0) }, &[]);
        for _ in 0..40 {
            thread::sleep(Duration::from_millis(50));
            let record = raw.writer.record(&[5; 10_000]).unwrap();
            raw.writer.write_raw(&record).unwrap();
        }
        raw
    });
    assert!(link.recv_exact(1, 400_000).unwrap().iter().all(|byte| *byte == 5));
    sending.join().unwrap();
}

#[test]
fn a_secret_is_wiped_when_it_has_left_and_when_it_never_does() {
    let (mut link, _raw) = link_to_raw_peer(&LinkOptions::default());
    let shared = Arc::clone(&link.shared);
    let left = |bytes: usize| loop {
        let spare = shared.spare(0);
        if spare.len() == bytes {
            return spare;
        }
        thread::sleep(Duration::from_millis(1));
    };
    link.send(1, vec![7; 100]).unwrap();
    assert_eq!(left(100), [7; 100]);
    link.send_secret(1, vec![9; 101]).unwrap();
    assert_eq!(left(101), [0; 101]);
    let outgoing = |secret| Outgoing {
        kind: 1,
        session: SessionTag::default(),
        payload: vec![9; 5],
        secret,
        queued_at: Instant::now(),
    };
    assert_eq!((outgoing(true).spent(), outgoing(false).spent()), (vec![0; 5], vec![9; 5]));
}
