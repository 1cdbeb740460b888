//! A peer process that is killed: noticed at once, as a loss.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, Link, LinkError, LinkOptions, Listener, Peer, connect};

const ADDRESS: &str = "MPCC_TEST_ADDRESS";
const DIRECTORY: &str = "MPCC_TEST_IDENTITY";
const FINGERPRINT: &str = "MPCC_TEST_FINGERPRINT";

/// As long as anything that is sent here.
const MOST: usize = 1 << 30;

/// What the process that will be killed does; without its environment it is not one.
#[test]
fn victim() {
    let (Ok(address), Ok(directory), Ok(fingerprint)) = (env::var(ADDRESS), env::var(DIRECTORY), env::var(FINGERPRINT))
    else {
        return;
    };
    let identity = Identity::load(Path::new(&directory)).unwrap();
    let peer = Peer::new("the survivor", fingerprint.parse().unwrap());
    let mut link = connect(&address, &identity, &peer, &LinkOptions::default()).unwrap();
    link.send(1, b"ready".to_vec()).unwrap();
    // Long enough to be killed in the middle of it.
    link.send(2, vec![0; 1 << 30]).unwrap();
    thread::sleep(Duration::from_secs(60));
}

fn identity() -> Identity {
    Identity::generate().expect("an identity")
}

fn link_to_victim() -> (Link, Child) {
    let directory = tempfile::tempdir().expect("a directory");
    let (survivor, victim) = (identity(), identity());
    victim.save(directory.path()).expect("a saved identity");
    let listener = Listener::bind("127.0.0.1:0").expect("a port");
    let child = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "victim"])
        .env(ADDRESS, listener.local_addr().to_string())
        .env(DIRECTORY, directory.path())
        .env(FINGERPRINT, survivor.fingerprint().to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process");
    let options = LinkOptions { queue_bytes: 1, ..LinkOptions::default() };
    let peer = Peer::new("the victim", victim.fingerprint());
    let mut link = listener.accept(&survivor, &peer, &options).expect("a link");
    assert_eq!(link.recv(1, MOST).expect("a message"), b"ready");
    (link, child)
}

#[test]
fn a_receiver_notices_the_kill() {
    let (mut link, mut child) = link_to_victim();
    child.kill().unwrap();
    let start = Instant::now();
    let error = link.recv(2, MOST).unwrap_err();
    assert!(matches!(error, LinkError::Lost { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    child.wait().unwrap();
}

#[test]
fn a_sender_notices_the_kill() {
    let (mut link, mut child) = link_to_victim();
    child.kill().unwrap();
    let start = Instant::now();
    let error = loop {
        match link.send(1, vec![0; 1 << 20]) {
            Ok(()) => assert!(start.elapsed() < Duration::from_secs(2)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LinkError::Lost { .. }), "{error}");
    child.wait().unwrap();
}
