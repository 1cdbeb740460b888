//! A real data owner between peers whose messages were changed on the way: each is refused or does no harm.
//!
//! The bytes of a case say which message of which peer is changed, and how. `BOLERO_RANDOM_ITERATIONS` and
//! `BOLERO_RANDOM_TEST_TIME_MS` make the test longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mpcc_channel::{
    Counters, Duplex, Fingerprint, InsecureMemoryLink, LinkError, Phase, SessionTag, insecure_memory_pair,
};
use mpcc_program::code::Role;
use mpcc_protocols::{Party, SessionSeed};

use super::{IDENTITY, T, inputs, program, tiny, weights};
use crate::counter_store::{BatchId, CounterStore};
use crate::handshake::{Hello, SessionDigest, Wanted, confirm, random, ready, send_grant};
use crate::session::{Own, Session, agree, converse};
use crate::transfer::{exchange, kind};
use crate::{NoProgress, SessionError};

/// What a changed message may cost a session in waiting.
const PATIENCE: Duration = Duration::from_millis(200);
/// Bytes of all corrections of an inference.
const DEALT: usize = 2 * (T.n * 41).div_ceil(8);

/// An end whose messages are changed before they leave: the one that `change` counts down to.
struct Changing {
    inner: InsecureMemoryLink,
    left: usize,
    change: Vec<u8>,
}

impl Changing {
    fn changed(&mut self, kind: u8, mut payload: Vec<u8>) -> Vec<(u8, Vec<u8>)> {
        if self.left != 0 {
            self.left = self.left.wrapping_sub(1);
            return vec![(kind, payload)];
        }
        self.left = usize::MAX;
        let number = |at: usize| usize::from(self.change.get(at).copied().unwrap_or(0));
        let at = (number(1) << 8 | number(2)) % payload.len().max(1);
        match number(0) % 9 {
            0 => return Vec::new(),
            1 => return vec![(kind, payload.clone()), (kind, payload)],
            2 => return vec![(number(3).clamp(1, 254) as u8, payload)],
            3 => payload.truncate(at),
            4 => payload.extend(std::iter::repeat_n(number(3) as u8, 1 + number(4))),
            5 => payload.resize(1 << 20, number(3) as u8),
            6 => payload.insert(at, number(3) as u8),
            _ => payload.iter_mut().skip(at).zip(self.change.iter().skip(3)).take(8).for_each(|(b, new)| *b ^= new),
        }
        vec![(kind, payload)]
    }
}

impl Duplex for Changing {
    fn peer(&self) -> &str {
        self.inner.peer()
    }

    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.changed(kind, payload).into_iter().try_for_each(|(kind, payload)| self.inner.send(kind, payload))
    }

    fn recv(&mut self, kind: u8) -> Result<Vec<u8>, LinkError> {
        self.inner.recv(kind)
    }

    fn set_phase(&mut self, phase: Phase) {
        self.inner.set_phase(phase);
    }

    fn set_session(&mut self, tag: SessionTag) {
        self.inner.set_session(tag);
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

/// The dealer and the model owner, by the book.
fn peers(dealer: &mut dyn Duplex, peer: &mut dyn Duplex, batch: BatchId) -> Result<(), SessionError> {
    let third = Hello::new(Role::Dealer, IDENTITY)?;
    third.send(dealer)?;
    let second = third.receive_matching(dealer, Role::DataOwner)?;
    let first = Hello::new(Role::ModelOwner, IDENTITY)?;
    first.send(peer)?;
    first.receive_matching(peer, Role::DataOwner)?;
    send_grant(dealer, batch, &[1; 16])?;
    let session = SessionDigest::new(&IDENTITY, &first.nonce, &second, &third.nonce, batch);
    confirm(peer, &session, batch, Wanted::default())?;
    peer.set_session(session.tag());
    dealer.set_session(session.tag());
    dealer.send(kind::CORRECTIONS, vec![0; DEALT])?;
    let own = program(tiny::model_owner(T), IDENTITY);
    let mut party =
        Party::new(Arc::clone(&own.code), own.executor, weights(), SessionSeed::take(&mut [2; 16])).unwrap();
    let message = party.setup_message(&mut std::io::empty()).unwrap();
    let sent = blake3::hash(&message);
    exchange(peer, kind::SETUP, message, 0)?;
    let mut model = blake3::Hasher::new_derive_key("mpcc runtime 2026-11 masked model");
    model.update(sent.as_bytes()).update(blake3::hash(&[]).as_bytes());
    ready(peer, 0, &model.finalize())?;
    let _ = peer.recv(kind::HOP)?;
    peer.send(kind::HOP, vec![0; (T.n * 41).div_ceil(8)])?;
    Ok(())
}

/// A session of a data owner with such peers; `changes` are those of the dealer and of the model owner.
fn session(state: &std::path::Path, changes: [(usize, &[u8]); 2]) -> Result<(), SessionError> {
    let (mut to_model_owner, peer) = insecure_memory_pair("the data owner", "the model owner");
    let (mut to_dealer, dealing) = insecure_memory_pair("the data owner", "the dealer");
    to_model_owner.set_idle_timeout(PATIENCE);
    to_dealer.set_idle_timeout(PATIENCE);
    let mut ends = [dealing, peer].into_iter().zip(changes).map(|(mut inner, (left, change))| {
        inner.set_idle_timeout(PATIENCE);
        Changing { inner, left, change: change.to_vec() }
    });
    let (Some(mut dealing), Some(mut peer)) = (ends.next(), ends.next()) else { unreachable!() };
    drop(ends);
    let batch = BatchId(random()?);
    let scripts = std::thread::spawn(move || {
        let result = peers(&mut dealing, &mut peer, batch);
        // What is still under way arrives before the ends are gone.
        (result, peer, dealing)
    });
    let fingerprint = |byte| Fingerprint::of_certificate(&[byte]);
    let store = CounterStore::open(state, &fingerprint(1), &fingerprint(2))?;
    let program = program(tiny::data_owner(T), IDENTITY);
    let own = Own::Inputs(inputs(1));
    let result = agree(&mut to_model_owner, &mut to_dealer, &program, &own, 1).and_then(|agreement| {
        let session =
            Session { program: &program, agreement, store: &store, spill: None, ahead: false, progress: &NoProgress };
        converse(&mut to_model_owner, &mut to_dealer, own, session)
    });
    drop((to_model_owner, to_dealer));
    drop(scripts.join().expect("the peers do not panic"));
    result.map(drop)
}

#[test]
fn changed_messages_are_refused_or_do_no_harm() {
    let state = tempfile::tempdir().unwrap();
    let never = (usize::MAX, &[][..]);
    session(state.path(), [never, never]).expect("unchanged messages make a session");
    bolero::check!().with_iterations(usize::MAX >> 1).with_test_time(Duration::from_secs(4)).with_max_len(16).for_each(
        |bytes: &[u8]| {
            let Some((first, change)) = bytes.split_first() else { return };
            let which = (usize::from(first >> 1) % 6, change);
            let changes = if first & 1 == 0 { [which, never] } else { [never, which] };
            let began = Instant::now();
            if let Err(error) = session(state.path(), changes) {
                assert!((2..=6).contains(&error.exit_code()), "{error}");
            }
            assert!(began.elapsed() < 20 * PATIENCE, "{:?}", began.elapsed());
        },
    );
}
