//! Links over loopback: rendezvous, authentication, volume, counting, shaping, closing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mpcc_channel::{
    Duplex, ExitClass, Identity, Link, LinkError, LinkOptions, Listener, NetworkProfile, Peer, Phase, SessionTag,
    connect, wire_bytes,
};

/// Longer than anything that is received as a message of any length.
const MOST: usize = 1 << 20;

fn options() -> LinkOptions {
    LinkOptions { setup_timeout: Duration::from_secs(20), ..LinkOptions::default() }
}

fn impatient() -> LinkOptions {
    LinkOptions { setup_timeout: Duration::from_millis(700), ..LinkOptions::default() }
}

fn identity() -> Identity {
    Identity::generate().expect("an identity")
}

fn peer(name: &str, identity: &Identity) -> Peer {
    Peer::new(name, identity.fingerprint())
}

/// The listening end and the connecting end, each trusting the other with its memory.
fn linked(options: &LinkOptions) -> (Link, Link) {
    let (here, there) = (identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().to_string();
    let (expected, connecting) = (peer("the model owner", &here), options.clone());
    let data_owner = peer("the data owner", &there);
    let other = thread::spawn(move || connect(&address, &there, &expected, &connecting).expect("a link"));
    let mut link = listener.accept(&here, &data_owner, options).expect("a link");
    let mut other = other.join().expect("the connecting side");
    link.receive_ahead(options.queue_bytes);
    other.receive_ahead(options.queue_bytes);
    (link, other)
}

#[test]
fn messages_cross_in_order_and_a_goodbye_is_no_loss() {
    let (mut a, mut b) = linked(&options());
    assert_eq!((a.peer(), b.peer()), ("the data owner", "the model owner"));
    for round in 0..50u8 {
        a.send(1, vec![round; usize::from(round) * 1000]).unwrap();
        b.send(2, vec![round]).unwrap();
        assert_eq!(b.recv(1, MOST).unwrap(), vec![round; usize::from(round) * 1000]);
        assert_eq!(a.recv_exact(2, 1).unwrap(), [round]);
    }
    a.send(3, b"last".to_vec()).unwrap();
    drop(a);
    assert_eq!(b.recv(3, MOST).unwrap(), b"last");
    let error = b.recv(3, MOST).unwrap_err();
    assert!(matches!(error, LinkError::Closed { .. }), "{error}");
    assert_eq!(error.exit_class(), ExitClass::Link);
    assert!(matches!(b.send(1, Vec::new()), Err(LinkError::Closed { .. })));
}

#[test]
fn both_sides_send_first_whatever_the_size() {
    const BYTES: usize = 64 << 20;
    let (mut a, mut b) = linked(&options());
    let other = thread::spawn(move || {
        b.send(1, vec![7; BYTES]).unwrap();
        assert!(b.recv_exact(1, BYTES).unwrap().iter().all(|byte| *byte == 9));
        b.close().unwrap();
    });
    a.send(1, vec![9; BYTES]).unwrap();
    assert!(a.recv_exact(1, BYTES).unwrap().iter().all(|byte| *byte == 7));
    other.join().unwrap();
}

#[test]
fn the_last_message_arrives_though_nobody_takes_the_other_ones() {
    const BYTES: usize = 64 << 20;
    let (mut a, mut b) = linked(&options());
    a.send(1, vec![5; BYTES]).unwrap();
    for _ in 0..64 {
        b.send(2, vec![6; 1 << 20]).unwrap();
    }
    let leaving = thread::spawn(move || a.close());
    assert!(b.recv_exact(1, BYTES).unwrap().iter().all(|byte| *byte == 5));
    assert!(matches!(b.recv(1, MOST), Err(LinkError::Closed { .. })));
    leaving.join().unwrap().unwrap();
}

#[test]
fn debug_shows_no_payload() {
    let (mut a, mut b) = linked(&options());
    a.send(1, vec![123; 1000]).unwrap();
    b.send(1, vec![123; 1000]).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert!(!format!("{a:?} {a:#?} {b:?}").contains("123"));
}

#[test]
fn many_messages_before_the_first_receive() {
    let (mut a, mut b) = linked(&options());
    for index in 0..20_000u32 {
        a.send(1, index.to_le_bytes().to_vec()).unwrap();
        b.send(1, index.to_be_bytes().to_vec()).unwrap();
    }
    for index in 0..20_000u32 {
        assert_eq!(a.recv(1, MOST).unwrap(), index.to_be_bytes());
        assert_eq!(b.recv(1, MOST).unwrap(), index.to_le_bytes());
    }
}

#[test]
fn bounded_queues_pass_more_than_they_hold() {
    let narrow = LinkOptions { queue_bytes: 100_000, ..options() };
    let (mut a, mut b) = linked(&narrow);
    let sender = thread::spawn(move || {
        for index in 0..200u8 {
            a.send(1, vec![index; 70_000]).unwrap();
        }
        a.close().unwrap();
    });
    for index in 0..200u8 {
        assert_eq!(b.recv(1, MOST).unwrap(), vec![index; 70_000]);
    }
    sender.join().unwrap();
}

#[test]
fn the_start_order_does_not_matter() {
    let (here, there) = (identity(), identity());
    let address = Listener::bind("127.0.0.1:0").unwrap().local_addr().to_string();
    let (expected, at) = (peer("the dealer", &here), address.clone());
    let data_owner = peer("the data owner", &there);
    let early = thread::spawn(move || connect(&at, &there, &expected, &options()).unwrap());
    thread::sleep(Duration::from_millis(300));
    let mut late = Listener::bind(&address).unwrap().accept(&here, &data_owner, &options()).unwrap();
    let mut early = early.join().unwrap();
    early.send(1, vec![1]).unwrap();
    assert_eq!(late.recv(1, MOST).unwrap(), [1]);
}

#[test]
fn one_port_serves_several_peers_in_the_order_asked_for() {
    let (dealer, model_owner, data_owner) = (identity(), identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let peers = [peer("the model owner", &model_owner), peer("the data owner", &data_owner)];
    let parties: Vec<_> = [(data_owner, 2), (model_owner, 1)]
        .map(|(own, content)| {
            let (address, expected) = (listener.local_addr().to_string(), peer("the dealer", &dealer));
            thread::spawn(move || {
                let mut link = connect(&address, &own, &expected, &options()).unwrap();
                link.send(1, vec![content]).unwrap();
                link.recv(2, MOST).unwrap()
            })
        })
        .into();
    let mut links = listener.accept_all(&dealer, &peers, &options()).unwrap();
    for (index, link) in links.iter_mut().enumerate() {
        assert_eq!(link.peer(), peers[index].name);
        assert_eq!(link.recv(1, MOST).unwrap(), [index as u8 + 1]);
        link.send(2, vec![]).unwrap();
    }
    for party in parties {
        assert_eq!(party.join().unwrap(), Vec::<u8>::new());
    }
}

#[test]
fn twins_are_refused() {
    let (own, other) = (identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let error = listener.accept_all(&own, &[peer("a", &other), peer("b", &other)], &options()).unwrap_err();
    assert!(matches!(error, LinkError::Misuse { .. }), "{error}");
}

#[test]
fn a_connector_with_another_identity_is_refused_on_both_sides() {
    let (here, there, stranger) = (identity(), identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let (address, expected) = (listener.local_addr().to_string(), peer("the dealer", &here));
    let seen = stranger.fingerprint().to_string();
    let wrong = thread::spawn(move || connect(&address, &stranger, &expected, &options()).unwrap_err());
    let error = listener.accept(&here, &peer("the data owner", &there), &impatient()).unwrap_err();
    assert!(matches!(error, LinkError::Identity { .. }), "{error}");
    assert_eq!(error.exit_class(), ExitClass::Peer);
    assert!(error.to_string().contains(&seen) && error.to_string().contains(&there.fingerprint().to_string()));
    assert!(error.to_string().contains("from 127.0.0.1"), "{error}");
    let error = wrong.join().unwrap();
    assert!(matches!(error, LinkError::Identity { .. }), "{error}");
    assert!(error.to_string().contains("does not expect our fingerprint"), "{error}");
}

#[test]
fn a_listener_with_another_identity_is_refused_on_both_sides() {
    let (here, there, expected) = (identity(), identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let (wanted, data_owner) = (peer("the dealer", &expected), peer("the data owner", &there));
    let start = Instant::now();
    let connecting = thread::spawn(move || connect(&address, &there, &wanted, &options()).unwrap_err());
    let nobody = listener.accept(&here, &data_owner, &impatient()).unwrap_err();
    let error = connecting.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, LinkError::Identity { .. }), "{error}");
    assert!(error.to_string().contains(&here.fingerprint().to_string()));
    assert!(matches!(nobody, LinkError::TimedOut { .. }), "{nobody}");
}

#[test]
fn strangers_do_not_keep_the_right_peer_out() {
    let (here, there, stranger) = (identity(), identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let silent: Vec<TcpStream> = (0..10).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for _ in 0..10 {
        drop(TcpStream::connect(&address).unwrap());
        TcpStream::connect(&address).unwrap().write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        TcpStream::connect(&address).unwrap().write_all(&[0x16, 3, 1, 0xff, 0xff, 1, 2, 3]).unwrap();
    }
    let (expected, data_owner) = (peer("the dealer", &here), peer("the data owner", &there));
    let connecting = thread::spawn(move || {
        assert!(connect(&address, &stranger, &expected, &options()).is_err());
        connect(&address, &there, &expected, &options()).unwrap()
    });
    let mut link = listener.accept(&here, &data_owner, &options()).unwrap();
    let mut other = connecting.join().unwrap();
    other.send(1, vec![5]).unwrap();
    assert_eq!(link.recv(1, MOST).unwrap(), [5]);
    drop(silent);
}

/// Somebody who connects and says nothing, and comes again whenever the connection ends, until the test does.
fn idle_stranger(address: String, over: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            if let Ok(mut stream) = TcpStream::connect(&address) {
                let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                let silent = |e: &std::io::Error| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                while !over.load(Ordering::Relaxed) && stream.read(&mut [0]).is_err_and(|e| silent(&e)) {}
            }
        }
    })
}

#[test]
fn idle_strangers_who_come_again_and_again_do_not_keep_the_right_peer_out() {
    const STRANGERS: usize = 100;
    let (here, there) = (identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let over = Arc::new(AtomicBool::new(false));
    let strangers: Vec<_> = (0..STRANGERS).map(|_| idle_stranger(address.clone(), Arc::clone(&over))).collect();
    let (expected, data_owner) = (peer("the dealer", &here), peer("the data owner", &there));
    let connecting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        connect(&address, &there, &expected, &options())
    });
    let start = Instant::now();
    let link = listener.accept(&here, &data_owner, &options());
    over.store(true, Ordering::Relaxed);
    let (mut link, mut other) = (link.unwrap(), connecting.join().unwrap().unwrap());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    other.send(1, vec![5]).unwrap();
    assert_eq!(link.recv(1, MOST).unwrap(), [5]);
    strangers.into_iter().for_each(|stranger| stranger.join().unwrap());
}

#[test]
fn whoever_did_not_say_who_they_are_is_named_by_address() {
    let (here, there) = (identity(), identity());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let silent: Vec<TcpStream> = (0..70).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let error = listener.accept(&here, &peer("the data owner", &there), &impatient()).unwrap_err();
    assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("70 connections from 127.0.0.1 did not say who they are"), "{error}");
    drop(silent);
}

#[test]
fn a_port_in_use_is_said_to_be() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let error = Listener::bind(&address).unwrap_err();
    assert_eq!(error, LinkError::PortInUse { address });
    assert_eq!(error.exit_class().status(), 4);
    assert!(matches!(Listener::bind("no port at all"), Err(LinkError::CannotListen { .. })));
}

#[test]
fn nobody_there_is_unreachable_and_a_mute_listener_times_out() {
    let (own, other) = (identity(), identity());
    let address = Listener::bind("127.0.0.1:0").unwrap().local_addr().to_string();
    let error = connect(&address, &own, &peer("the dealer", &other), &impatient()).unwrap_err();
    assert!(matches!(error, LinkError::Unreachable { .. }), "{error}");
    assert_eq!(error.exit_class(), ExitClass::Link);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let error = connect(&address, &own, &peer("the dealer", &other), &impatient()).unwrap_err();
    assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
}

#[test]
fn something_else_on_the_port_is_no_peer() {
    let (own, other) = (identity(), identity());
    let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        for stream in web.incoming().take(2) {
            stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    let error = connect(&address, &own, &peer("the dealer", &other), &options()).unwrap_err();
    assert!(matches!(error, LinkError::Misbehaved { .. }), "{error}");
    server.join().unwrap();
}

#[test]
fn a_busy_peer_is_not_taken_for_dead_but_an_idle_one_for_stuck() {
    let lively = LinkOptions {
        heartbeat_interval: Duration::from_millis(100),
        silence_limit: Duration::from_millis(800),
        ..options()
    };
    let (mut a, mut b) = linked(&lively);
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(1800));
        b.send(1, vec![1]).unwrap();
        b
    });
    assert_eq!(a.recv(1, MOST).unwrap(), [1]);
    a.set_idle_timeout(Duration::from_millis(300));
    let error = a.recv(1, MOST).unwrap_err();
    assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
    drop(other.join().unwrap());
    let counters = a.counters();
    assert_eq!((counters.total().frames_received, counters.total().frames_sent), (1, 0));
    assert!(counters.keepalive_sent >= 10 * wire_bytes(0));
}

#[test]
fn sessions_switch_at_the_same_message() {
    let (mut a, mut b) = linked(&options());
    a.send(1, vec![1]).unwrap();
    a.set_session(SessionTag([1; 16]));
    a.send(1, vec![2]).unwrap();
    assert_eq!(b.recv(1, MOST).unwrap(), [1]);
    b.set_session(SessionTag([1; 16]));
    assert_eq!(b.recv(1, MOST).unwrap(), [2]);
    b.set_session(SessionTag([2; 16]));
    a.send(1, vec![3]).unwrap();
    assert!(matches!(b.recv(1, MOST), Err(LinkError::Misbehaved { .. })));
}

#[test]
fn misuse_is_told_apart() {
    let (mut a, _b) = linked(&LinkOptions { max_frame_bytes: 1000, ..options() });
    for (kind, length) in [(0, 0), (255, 0), (1, 1001)] {
        let error = a.send(kind, vec![0; length]).unwrap_err();
        assert_eq!(error.exit_class(), ExitClass::Bug, "{error}");
    }
    a.send(1, vec![0; 1000]).unwrap();
}

#[test]
fn counters_are_exact_by_phase_at_both_ends() {
    let (mut a, mut b) = linked(&options());
    let traffic =
        [(Phase::Setup, vec![1000, 0]), (Phase::Offline, vec![100_000]), (Phase::Online, vec![1, 16_344, 16_345])];
    for (phase, lengths) in &traffic {
        a.set_phase(*phase);
        b.set_phase(*phase);
        for length in lengths {
            a.send(1, vec![0; *length]).unwrap();
            b.recv_exact(1, *length).unwrap();
        }
    }
    for (phase, lengths) in &traffic {
        let (sent, received) = (a.counters().phase(*phase), b.counters().phase(*phase));
        let payload: u64 = lengths.iter().map(|length| *length as u64).sum();
        let wire: u64 = lengths.iter().map(|length| wire_bytes(*length as u64)).sum();
        assert_eq!((sent.payload_sent, sent.frames_sent, sent.wire_sent), (payload, lengths.len() as u64, wire));
        assert_eq!((received.payload_received, received.frames_received), (payload, lengths.len() as u64));
        assert_eq!(received.framing_received(), wire - payload);
        assert_eq!((sent.payload_received, received.payload_sent, received.wire_sent), (0, 0, 0));
    }
    let (a, b) = (a.counters().phase(Phase::Handshake), b.counters().phase(Phase::Handshake));
    assert!(a.wire_sent > 1000 && a.wire_sent == b.wire_received && b.wire_sent == a.wire_received);
    assert_eq!(a.payload_sent, 0);
}

#[test]
fn a_shaped_link_has_the_delay_and_the_rate_of_its_profile() {
    let shape = "rtt=40ms,bw=20MB/s".parse::<NetworkProfile>().unwrap().shape();
    let (mut a, mut b) = linked(&LinkOptions { shape, ..options() });
    let other = thread::spawn(move || {
        for _ in 0..5 {
            let message = b.recv(1, MOST).unwrap();
            b.send(1, message).unwrap();
        }
        let mut received = 0;
        for _ in 0..4 {
            received += b.recv(2, MOST).unwrap().len();
        }
        b.send(3, Vec::new()).unwrap();
        received
    });
    let start = Instant::now();
    for _ in 0..5 {
        a.send(1, vec![0; 100]).unwrap();
        a.recv(1, MOST).unwrap();
    }
    let ping_pong = start.elapsed();
    assert!(ping_pong >= Duration::from_millis(200), "{ping_pong:?}");
    assert!(ping_pong < Duration::from_millis(600), "{ping_pong:?}");
    let start = Instant::now();
    for _ in 0..4 {
        a.send(2, vec![0; 1_000_000]).unwrap();
    }
    a.recv(3, MOST).unwrap();
    let bulk = start.elapsed();
    // 4 MB at 20 MB/s, one delay there and one back: frames share the line but not the delay.
    assert!(bulk >= Duration::from_millis(240), "{bulk:?}");
    assert!(bulk < Duration::from_millis(600), "{bulk:?}");
    assert_eq!(other.join().unwrap(), 4_000_000);
}
