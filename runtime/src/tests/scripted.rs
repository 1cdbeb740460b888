//! One real role against peers that misbehave by hand, over memory links.

use std::sync::Arc;
use std::time::Duration;

use mpcc_channel::{Duplex, Fingerprint, InsecureMemoryLink, Phase, insecure_memory_pair};
use mpcc_program::code::Role;
use mpcc_protocols::Party;

use super::{IDENTITY, T, given, inputs, program, tiny, weights};
use crate::counter_store::{BatchId, CounterStore};
use crate::handshake::{Hello, SessionDigest, Wanted, confirm, ready, send_grant};
use crate::session::{Own, Session, agree, converse};
use crate::setup::Part;
use crate::transfer::{CorrectionReader, CorrectionWriter, exchange, kind};
use crate::{NoProgress, RoleProgram, SessionError};

type End = InsecureMemoryLink;

/// The data owner on this thread; the model owner and the dealer follow scripts.
fn data_owner(
    batch: BatchId,
    state: &std::path::Path,
    model_owner: impl FnOnce(&mut End, mpcc_protocols::SessionSeed) + Send + 'static,
    dealer: impl FnOnce(&mut End) + Send + 'static,
) -> Result<(), SessionError> {
    let (mut to_model_owner, mut peer) = insecure_memory_pair("the data owner", "the model owner");
    let (mut to_dealer, mut dealing) = insecure_memory_pair("the data owner", "the dealer");
    to_model_owner.set_idle_timeout(Duration::from_secs(2));
    to_dealer.set_idle_timeout(Duration::from_secs(2));
    let nonce = Hello::new(Role::Dealer, IDENTITY).unwrap();
    let scripts = std::thread::spawn(move || {
        nonce.send(&mut dealing).unwrap();
        let second = nonce.receive_matching(&mut dealing, Role::DataOwner).unwrap();
        let hello = Hello::new(Role::ModelOwner, IDENTITY).unwrap();
        hello.send(&mut peer).unwrap();
        hello.receive_matching(&mut peer, Role::DataOwner).unwrap();
        send_grant(&mut dealing, batch, &[1; 16]).unwrap();
        let session = SessionDigest::new(&IDENTITY, &hello.nonce, &second, &nonce.nonce, batch);
        confirm(&mut peer, &session, batch, Wanted { inferences: 8, at_once: 8 }).unwrap();
        peer.set_session(session.tag());
        dealing.set_session(session.tag());
        dealer(&mut dealing);
        model_owner(&mut peer, mpcc_protocols::SessionSeed::take(&mut [2; 16]));
        (peer, dealing)
    });
    let fingerprint = |b| Fingerprint::of_certificate(&[b]);
    let store = CounterStore::open(state, &fingerprint(1), &fingerprint(2)).unwrap();
    let program = program(tiny::data_owner(T), IDENTITY);
    let own = Own::Inputs(given(&program, inputs(1), &|_| {}).unwrap());
    let result = agree(&mut to_model_owner, &mut to_dealer, &program, &own, 1).and_then(|agreement| {
        let part = Part::Keeps(None, None);
        let (program, store) = (&program, &store);
        let session = Session { program, agreement, part, store, spill: None, ahead: false, progress: &NoProgress };
        converse(&mut to_model_owner, &mut to_dealer, own, session)
    });
    // Requests belong to no phase that is measured.
    let asked = to_dealer.counters();
    assert_eq!([Phase::Setup, Phase::Offline, Phase::Online].map(|phase| asked.phase(phase).payload_sent), [0; 3]);
    drop((to_model_owner, to_dealer));
    let _ = scripts.join();
    result.map(drop)
}

fn corrections(bytes: usize) -> impl FnOnce(&mut End) {
    move |link| link.send(kind::CORRECTIONS, vec![0; bytes]).unwrap()
}

const DEALT: usize = 2 * (T.n * 41).div_ceil(8);

fn model_program() -> RoleProgram {
    program(tiny::model_owner(T), IDENTITY)
}

/// The model owner, which says that it never sent these weights.
fn nothing_meant(link: &mut End) {
    link.send(kind::MEANT, vec![0; 65]).unwrap();
    assert_eq!(link.recv_exact(kind::HELD, 49).unwrap(), [0; 49]);
}

/// The model owner up to readiness for the first inference; returns the hash both sides must have.
fn honest_setup(link: &mut End, seed: mpcc_protocols::SessionSeed) -> blake3::Hash {
    let code = Arc::clone(&model_program().code);
    let mut party = Party::new(code, model_program().executor, weights(), seed).unwrap();
    let message = party.setup_message(&mut std::io::empty()).unwrap();
    let sent = blake3::hash(&message);
    nothing_meant(link);
    exchange(link, kind::SETUP, message, 0, &mut |_| {}).unwrap();
    let mut hasher = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 masked model");
    hasher.update(sent.as_bytes()).update(blake3::hash(&[]).as_bytes());
    hasher.finalize()
}

fn state() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn messages_of_the_wrong_length_or_kind_are_misbehaviour() {
    let hop = |bytes: Vec<u8>, sent_as: u8| {
        move |link: &mut End, seed| {
            let model = honest_setup(link, seed);
            ready(link, 0, &model).unwrap();
            let _ = link.recv(kind::HOP, 1 << 20);
            let _ = link.send(sent_as, bytes);
        }
    };
    let good = (T.n * 41).div_ceil(8);
    for (bytes, sent_as) in [
        (vec![0; good - 1], kind::HOP),
        (vec![0; good + 1], kind::HOP),
        (vec![0xff; good], kind::HOP),
        (vec![0; good], kind::SETUP),
    ] {
        let error = data_owner(BatchId([1; 16]), state().path(), hop(bytes, sent_as), corrections(DEALT)).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{error}");
        assert!(error.to_string().contains("the model owner"), "{error}");
    }
    data_owner(BatchId([1; 16]), state().path(), hop(vec![0; good], kind::HOP), corrections(DEALT)).unwrap();
}

#[test]
fn a_short_setup_message_is_misbehaviour() {
    let short = |link: &mut End, _| {
        nothing_meant(link);
        link.send(kind::SETUP, vec![0; 3]).unwrap();
    };
    let error = data_owner(BatchId([1; 16]), state().path(), short, corrections(DEALT)).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
}

/// What the model owner says of earlier sessions has one length and says yes or no.
#[test]
fn malformed_words_on_masked_weights_are_misbehaviour() {
    let (mut neither, huge) = (vec![0; 65], vec![0; 1 << 20]);
    neither[0] = 2;
    for bytes in [vec![], vec![0; 64], vec![0; 66], neither, huge] {
        let said = move |link: &mut End, _| link.send(kind::MEANT, bytes).unwrap();
        let error = data_owner(BatchId([1; 16]), state().path(), said, corrections(DEALT)).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{error}");
        assert!(error.to_string().contains("the model owner"), "{error}");
    }
    let silent = |link: &mut End, _| {
        let _ = link.recv(kind::HELD, 49);
        std::thread::sleep(Duration::from_secs(3));
    };
    let error = data_owner(BatchId([1; 16]), state().path(), silent, corrections(DEALT)).unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[test]
fn too_many_corrections_are_misbehaviour_and_too_few_a_lost_link() {
    let honest = |link: &mut End, seed| {
        honest_setup(link, seed);
    };
    let error = data_owner(BatchId([1; 16]), state().path(), honest, corrections(DEALT + 1)).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("1 bytes of corrections more"), "{error}");
    let error = data_owner(BatchId([1; 16]), state().path(), honest, corrections(DEALT - 1)).unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    let error = data_owner(BatchId([1; 16]), state().path(), honest, corrections(0)).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
}

#[test]
fn another_index_or_another_masked_model_is_refused() {
    let index = |link: &mut End, seed| {
        let model = honest_setup(link, seed);
        ready(link, 1, &model).unwrap();
    };
    let error = data_owner(BatchId([1; 16]), state().path(), index, corrections(DEALT)).unwrap_err();
    assert_eq!(error.exit_code(), 5, "{error}");
    let other = |link: &mut End, seed| {
        honest_setup(link, seed);
        let _ = ready(link, 0, &blake3::hash(b"another"));
    };
    let error = data_owner(BatchId([1; 16]), state().path(), other, corrections(DEALT)).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("masked model"), "{error}");
}

#[test]
fn a_batch_that_is_dealt_again_is_refused() {
    let state = state();
    let gone = |link: &mut End, _| nothing_meant(link);
    let first = data_owner(BatchId([7; 16]), state.path(), gone, corrections(DEALT)).unwrap_err();
    assert_eq!(first.exit_code(), 4, "{first}");
    let again = data_owner(BatchId([7; 16]), state.path(), gone, corrections(DEALT)).unwrap_err();
    assert_eq!(again.exit_code(), 5, "{again}");
    assert!(again.to_string().contains(&"07".repeat(16)), "{again}");
}

#[test]
fn a_hello_of_another_version_or_shape_is_refused() {
    let receive = |bytes: Vec<u8>| {
        let (mut a, mut b) = insecure_memory_pair("the data owner", "the model owner");
        b.send(kind::HELLO, bytes).unwrap();
        let ours = Hello::new(Role::DataOwner, IDENTITY).unwrap();
        ours.receive_matching(&mut a, Role::ModelOwner).unwrap_err()
    };
    let newer = receive(b"mpcc\x05\x00and more".to_vec());
    assert!(newer.to_string().contains("session protocol: ours is 4, theirs is 5"), "{newer}");
    for bytes in [vec![], b"GET / HTTP/1.1".to_vec(), b"mpcc".to_vec(), b"mpcc\x04\x00short".to_vec()] {
        assert_eq!(receive(bytes).exit_code(), 3);
    }
    let (mut a, mut b) = insecure_memory_pair("the data owner", "the model owner");
    Hello::new(Role::Dealer, IDENTITY).unwrap().send(&mut b).unwrap();
    let ours = Hello::new(Role::DataOwner, IDENTITY).unwrap();
    let swapped = ours.receive_matching(&mut a, Role::ModelOwner).unwrap_err();
    assert!(swapped.to_string().contains("Dealer"), "{swapped}");
}

/// Byte by byte: whatever of a hello differs but its nonce, the roles do not go on, and the message names what it is.
#[test]
fn a_hello_that_differs_anywhere_but_in_its_nonce_is_refused() {
    let hello = |role| {
        let (mut a, mut b) = insecure_memory_pair("the data owner", "the model owner");
        Hello::new(role, IDENTITY).unwrap().send(&mut b).unwrap();
        a.recv(kind::HELLO, 1 << 10).unwrap()
    };
    let good = hello(Role::ModelOwner);
    let receive = |bytes: Vec<u8>| {
        let (mut a, mut b) = insecure_memory_pair("the data owner", "the model owner");
        b.send(kind::HELLO, bytes).unwrap();
        Hello::new(Role::DataOwner, IDENTITY).unwrap().receive_matching(&mut a, Role::ModelOwner)
    };
    let parts = [
        (4, "not a hello"),
        (6, "session protocol"),
        (7, "role of that address"),
        (39, "program"),
        (71, "binding of weights"),
        (103, "table of public factors"),
    ];
    assert_eq!(receive(good.clone()).unwrap(), good[103..]);
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        let received = receive(changed.clone());
        match parts.iter().find(|(end, _)| at < *end) {
            None => assert_eq!(received.unwrap(), changed[103..]),
            Some((_, named)) => {
                let error = received.unwrap_err();
                assert_eq!(error.exit_code(), 3, "byte {at}: {error}");
                assert!(error.to_string().contains(named), "byte {at}: {error}");
            }
        }
    }
    // The same role, whose correlated randomness comes from elsewhere.
    let mut files = good;
    files[6] |= 0x80;
    assert!(receive(files).unwrap_err().to_string().contains("source of correlated randomness"));
}

/// A session is of its program, its roles' nonces and its batch: whichever differs, it is another.
#[test]
fn sessions_differ_in_all_that_they_are_made_of() {
    let digest = |changed: usize| {
        let byte = |at: usize| if changed == at { 1 } else { 0 };
        let mut identity = IDENTITY;
        identity.program[3] ^= byte(0);
        identity.binding[3] ^= byte(1);
        let [model_owner, data_owner, dealer, batch] = [2, 3, 4, 5].map(|at| [at as u8 ^ (byte(at) << 7); 16]);
        [
            SessionDigest::new(&identity, &model_owner, &data_owner, &dealer, BatchId(batch)).tag().0,
            SessionDigest::of_material(&identity, &model_owner, &data_owner, &[byte(4); 32]).tag().0,
        ]
    };
    let (base, all) = (digest(usize::MAX), 0..6);
    assert_ne!(base[0], base[1]);
    assert_eq!(base, digest(usize::MAX));
    let [one, other] = [(); 2].map(|()| Hello::new(Role::Dealer, IDENTITY).unwrap().nonce);
    assert!(one != other, "the same role makes another each time");
    for changed in all {
        assert_ne!(digest(changed)[0], base[0], "{changed}");
        assert!(changed == 5 || digest(changed)[1] != base[1], "{changed}");
    }
}

/// One party sends more than a frame takes, and the other less.
#[test]
fn messages_of_the_setup_are_cut_and_joined_at_both_ends() {
    let large: Vec<u8> = (0..(16 << 20) + 5).map(|i| (i % 251) as u8).collect();
    let small = vec![7; 3];
    let (mut a, mut b) = insecure_memory_pair("the model owner", "the data owner");
    let (sent, expected) = (small.clone(), large.len());
    let other = std::thread::spawn(move || {
        let mut pieces = Vec::new();
        let received =
            exchange(&mut b, kind::SETUP, sent, expected, &mut |bytes| pieces.extend_from_slice(bytes)).unwrap();
        assert!(received == pieces, "whoever listens hears all of it");
        (received, b.counters().total().frames_received)
    });
    assert_eq!(exchange(&mut a, kind::SETUP, large.clone(), small.len(), &mut |_| {}).unwrap(), small);
    let (received, frames) = other.join().unwrap();
    assert!(received == large);
    assert_eq!((frames, a.counters().total().frames_received), (2, 1));
}

#[test]
fn streams_cut_and_join_pieces() {
    use std::io::{Read, Write};
    let (mut a, mut b) = insecure_memory_pair("the dealer", "the data owner");
    let bytes: Vec<u8> = (0..(5 << 20) / 2).map(|i| (i % 251) as u8).collect();
    let mut writer = CorrectionWriter::new(&mut a, kind::CORRECTIONS);
    writer.write_all(&bytes).unwrap();
    writer.flush().unwrap();
    writer.flush().unwrap();
    let mut reader = CorrectionReader::new(&mut b, kind::CORRECTIONS);
    let mut back = vec![0; bytes.len()];
    for part in back.chunks_mut(777_777) {
        reader.read_exact(part).unwrap();
    }
    reader.finish().unwrap();
    assert!(back == bytes);
    assert_eq!(b.counters().total().frames_received, 3);
}
