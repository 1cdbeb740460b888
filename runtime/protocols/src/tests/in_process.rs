//! The tiny program through all three roles in one process, malformed messages, and misuse of the state machine.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::tiny::{self, Tiny};
use crate::error::Moment;
use crate::local_run::{InsecureInputs, LocalRun, RoleInProcess, Trio, run_insecurely_in_one_process as run_locally};
use crate::{
    BitStore, CheckedCode, Dealer, InMemory, Online, OutputWords, Party, ProtocolError, SessionSeed, WeightSeed,
};
use mpcc_program::interpret::Interpreter;

const T: Tiny = Tiny { k: 5, n: 3, bits: 37 };

fn role(code: mpcc_program::code::RoleCode) -> RoleInProcess {
    RoleInProcess { code: Arc::new(CheckedCode::new(code).unwrap()), executor: Arc::new(Interpreter) }
}

fn trio(t: Tiny) -> Trio {
    let (p0, p1, dealer) = (tiny::model_owner(t), tiny::data_owner(t), tiny::dealer(t));
    crate::verify::verify_trio(&p0, &p1, &dealer).unwrap();
    Trio { model_owner: role(p0), data_owner: role(p1), dealer: role(dealer) }
}

fn numbers(n: usize, salt: i64) -> Vec<u64> {
    (0..n as i64).map(|i| ((i * 7919 + salt) % 2001 - 1000) as u64).collect()
}

fn run(t: Tiny, seed: u8, inputs: &[Vec<Vec<u64>>]) -> LocalRun {
    let given = InsecureInputs {
        weights: vec![numbers(t.k * t.n, 3)],
        inputs,
        model_owner_seed: [seed; 16],
        data_owner_seed: [seed + 1; 16],
        record: true,
    };
    run_locally(&trio(t), given).unwrap()
}

#[test]
fn product_is_right_and_bytes_are_those_of_the_shapes() {
    for bits in [13, 37, 64] {
        let t = Tiny { bits, ..T };
        let inputs = [vec![numbers(t.k, 1)], vec![numbers(t.k, 2)]];
        let done = run(t, 9, &inputs);
        let packed = |words: usize| (words * usize::from(bits)).div_ceil(8) as u64;
        assert_eq!(done.model_owner_setup_bytes, packed(t.k * t.n));
        assert_eq!((done.data_owner_setup_bytes, done.setup_correction_bytes), (0, 0));
        for (record, input) in done.inferences.iter().zip(&inputs) {
            assert_eq!(record.outputs[0].signed(), tiny::plain(t, &input[0], &numbers(t.k * t.n, 3)));
            assert_eq!(record.hops, 2);
            assert_eq!((record.model_owner_bytes, record.data_owner_bytes), (packed(t.n), packed(t.k)));
            assert_eq!(record.correction_bytes, 2 * packed(t.n));
        }
    }
}

#[test]
fn every_inference_has_fresh_masks() {
    let same = [vec![numbers(T.k, 1)], vec![numbers(T.k, 1)]];
    let done = run(T, 9, &same);
    let (a, b) = (&done.inferences[0], &done.inferences[1]);
    assert_eq!(a.outputs[0].words, b.outputs[0].words);
    assert_ne!(a.messages[0].data_owner, b.messages[0].data_owner);
    assert_ne!(a.messages[1].model_owner, b.messages[1].model_owner);
    let again = run(T, 9, &same);
    assert_eq!(a.messages, again.inferences[0].messages, "equal seeds give equal transcripts");
    let other = run(T, 11, &same);
    assert_ne!(a.messages, other.inferences[0].messages);
}

fn parties() -> (Party, Party, Dealer) {
    let trio = trio(T);
    let seed = |b: u8| SessionSeed::take(&mut [b; 16]);
    let executor = || Arc::new(Interpreter);
    let mut p0 = Party::new(trio.model_owner.code, executor(), vec![numbers(T.k * T.n, 3)], seed(1)).unwrap();
    let mut p1 = Party::new(trio.data_owner.code, executor(), vec![], seed(2)).unwrap();
    let mut dealer = Dealer::new(trio.dealer.code, executor(), seed(1), seed(2)).unwrap();
    let mut corrections = Vec::new();
    dealer.setup(&mut corrections).unwrap();
    let message = p0.setup_message(&mut std::io::empty()).unwrap();
    p1.setup_message(&mut corrections.as_slice()).unwrap();
    p0.setup_receive(vec![], &mut std::io::empty()).unwrap();
    p1.setup_receive(message, &mut corrections.as_slice()).unwrap();
    (p0, p1, dealer)
}

/// A step on the peer's message of the hop before it, which it takes whole; its own message comes back.
fn step(online: &mut Online<'_>, h: usize, incoming: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let mut peer = InMemory { incoming, outgoing: Vec::new() };
    online.step(h, &mut peer)?;
    assert!(peer.incoming.is_empty(), "{} bytes were not taken", peer.incoming.len());
    Ok(peer.outgoing)
}

fn finish(online: Online<'_>, incoming: &[u8]) -> Result<Vec<OutputWords>, ProtocolError> {
    let mut peer = InMemory { incoming, outgoing: Vec::new() };
    let outputs = online.finish(&mut peer)?;
    assert!(peer.incoming.is_empty() && peer.outgoing.is_empty());
    Ok(outputs)
}

/// Both parties' messages of every hop, and the outputs.
fn exchange(mut o0: Online<'_>, mut o1: Online<'_>, hops: usize) -> Vec<OutputWords> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for h in 0..hops {
        (a, b) = (step(&mut o0, h, &b).unwrap(), step(&mut o1, h, &a).unwrap());
    }
    assert!(finish(o0, &b).unwrap().is_empty());
    finish(o1, &a).unwrap()
}

#[test]
fn malformed_messages_are_refused_with_their_place() {
    let (p0, _, _) = parties();
    let online = |index| {
        let material = p0.offline(index, &mut std::io::empty()).unwrap();
        let mut online = p0.online(material, vec![]).unwrap();
        assert!(step(&mut online, 0, &[]).unwrap().is_empty());
        online
    };
    let good = (T.k * 37_usize).div_ceil(8);
    for (index, bad) in [(0, 0), (1, good - 1)] {
        assert!(matches!(step(&mut online(index), 1, &vec![0; bad]), Err(ProtocolError::Peer(_))));
    }
    let refused = step(&mut online(2), 1, &vec![0xff; good]).unwrap_err();
    assert!(matches!(refused, ProtocolError::Padding { at: Moment::Hop(0) }));
    assert!(refused.to_string().contains("hop 1"));
    let (bytes, mut online) = (vec![0; good + 1], online(3));
    let mut peer = InMemory { incoming: &bytes, outgoing: Vec::new() };
    online.step(1, &mut peer).unwrap();
    assert_eq!(peer.incoming.len(), 1, "no more is taken than the message has");
}

#[test]
fn setup_message_of_wrong_length_is_refused() {
    let trio = trio(T);
    let mut p1 =
        Party::new(trio.data_owner.code, Arc::new(Interpreter), vec![], SessionSeed::take(&mut [1; 16])).unwrap();
    p1.setup_message(&mut std::io::empty()).unwrap();
    let refused = p1.setup_receive(vec![1, 2, 3], &mut std::io::empty()).unwrap_err();
    assert!(matches!(refused, ProtocolError::MessageLength { at: Moment::Setup, .. }));
}

#[test]
fn short_correction_stream_is_an_error() {
    let (_, p1, dealer) = parties();
    let mut corrections = Vec::new();
    dealer.inference(0, &mut std::io::sink(), &mut corrections).unwrap();
    corrections.pop();
    assert!(matches!(p1.offline(0, &mut corrections.as_slice()), Err(ProtocolError::Corrections(_))));
    let mut corrections = Vec::new();
    dealer.inference(1, &mut std::io::sink(), &mut corrections).unwrap();
    let bytes = dealer.inference_bytes();
    assert_eq!((bytes.model_owner, bytes.data_owner), (0, corrections.len() as u64));
    p1.offline(1, &mut corrections.as_slice()).map(|m| assert_eq!(m.index(), 1)).unwrap();
}

#[test]
fn indices_only_rise() {
    let (p0, _, dealer) = parties();
    p0.offline(4, &mut std::io::empty()).map(drop).unwrap();
    for index in [4, 0, u64::MAX] {
        assert!(matches!(p0.offline(index, &mut std::io::empty()), Err(ProtocolError::MaterialUsed { .. })));
    }
    dealer.inference(2, &mut std::io::sink(), &mut std::io::sink()).unwrap();
    assert!(matches!(
        dealer.inference(2, &mut std::io::sink(), &mut std::io::sink()),
        Err(ProtocolError::MaterialUsed { index: 2 })
    ));
}

#[test]
fn material_of_another_party_is_refused() {
    let (a, _, _) = parties();
    let (b, _, _) = parties();
    let material = a.offline(0, &mut std::io::empty()).unwrap();
    assert!(matches!(b.online(material, vec![]), Err(ProtocolError::MaterialUsed { .. })));
}

#[test]
fn steps_out_of_order_are_refused() {
    let (p0, _, _) = parties();
    let material = p0.offline(0, &mut std::io::empty()).unwrap();
    let mut online = p0.online(material, vec![]).unwrap();
    assert!(step(&mut online, 1, &[]).is_err());
    step(&mut online, 0, &[]).unwrap();
    assert!(step(&mut online, 0, &[]).is_err());
    assert!(matches!(finish(online, &[]), Err(ProtocolError::OutOfOrder { called: "finish", .. })));
}

#[test]
fn an_abandoned_inference_leaves_the_session_usable() {
    let (p0, p1, dealer) = parties();
    let material = p0.offline(0, &mut std::io::empty()).unwrap();
    step(&mut p0.online(material, vec![]).unwrap(), 0, &[]).unwrap();
    let mut corrections = Vec::new();
    dealer.inference(1, &mut std::io::sink(), &mut corrections).unwrap();
    let x = numbers(T.k, 5);
    let m0 = p0.offline(1, &mut std::io::empty()).unwrap();
    let m1 = p1.offline(1, &mut corrections.as_slice()).unwrap();
    let outputs = exchange(p0.online(m0, vec![]).unwrap(), p1.online(m1, vec![x.clone()]).unwrap(), 2);
    assert_eq!(outputs[0].signed(), tiny::plain(T, &x, &numbers(T.k * T.n, 3)));
}

/// Inferences share what the setup left and nothing else, so they may be online at the same time.
#[test]
fn interleaved_inferences_do_not_disturb_each_other() {
    let (p0, p1, dealer) = parties();
    let inputs = [numbers(T.k, 5), numbers(T.k, 6)];
    let mut online = Vec::new();
    for (index, x) in (0..).zip(&inputs) {
        let mut corrections = Vec::new();
        dealer.inference(index, &mut std::io::sink(), &mut corrections).unwrap();
        let m0 = p0.offline(index, &mut std::io::empty()).unwrap();
        let m1 = p1.offline(index, &mut corrections.as_slice()).unwrap();
        let started = (p0.online(m0, vec![]).unwrap(), p1.online(m1, vec![x.clone()]).unwrap());
        online.push((started.0, started.1, (Vec::new(), Vec::new())));
    }
    for h in 0..p0.hops() {
        for (o0, o1, (a, b)) in &mut online {
            (*a, *b) = (step(o0, h, b).unwrap(), step(o1, h, a).unwrap());
        }
    }
    for ((o0, o1, (a, b)), x) in online.into_iter().zip(&inputs) {
        finish(o0, &b).unwrap();
        assert_eq!(finish(o1, &a).unwrap()[0].signed(), tiny::plain(T, x, &numbers(T.k * T.n, 3)));
    }
}

/// Bits of an inference in memory, counted.
#[derive(Default)]
struct Counted(Mutex<Vec<u8>>, Arc<AtomicU64>);

impl BitStore for Counted {
    fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut kept = self.0.lock().unwrap();
        kept.extend_from_slice(bytes);
        self.1.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok((kept.len() - bytes.len()) as u64)
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        bytes.copy_from_slice(&self.0.lock().unwrap()[at as usize..][..bytes.len()]);
        Ok(())
    }
}

#[test]
fn corrections_of_a_large_program_come_back_from_a_store() {
    let late = |code| Arc::new(CheckedCode::late(code).unwrap());
    let seed = |b: u8| SessionSeed::take(&mut [b; 16]);
    let executor = || Arc::new(Interpreter);
    let (_, _, dealer) = parties();
    for (room, stored) in [(0, true), (1 << 20, false)] {
        let mut p1 = Party::new(late(tiny::data_owner(T)), executor(), vec![], seed(2)).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let make = move || Ok(Box::new(Counted(Mutex::default(), Arc::clone(&counter))) as Box<dyn BitStore>);
        p1.keep_large_in(Box::new(make), room);
        let weights = vec![numbers(T.k * T.n, 3)];
        let mut p0 = Party::new(late(tiny::model_owner(T)), executor(), weights, seed(1)).unwrap();
        p1.setup_message(&mut io::empty()).unwrap();
        let message = p0.setup_message(&mut io::empty()).unwrap();
        p0.setup_receive(vec![], &mut io::empty()).unwrap();
        p1.setup_receive(message, &mut io::empty()).unwrap();
        let index = u64::from(!stored);
        let mut corrections = Vec::new();
        dealer.inference(index, &mut io::sink(), &mut corrections).unwrap();
        let m0 = p0.offline(index, &mut io::empty()).unwrap();
        let m1 = p1.offline(index, &mut corrections.as_slice()).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), if stored { corrections.len() as u64 } else { 0 });
        let x = numbers(T.k, 5);
        let outputs = exchange(p0.online(m0, vec![]).unwrap(), p1.online(m1, vec![x.clone()]).unwrap(), 2);
        assert_eq!(outputs[0].signed(), tiny::plain(T, &x, &numbers(T.k * T.n, 3)));
    }
}

/// Two sessions with seeds of their own and one seed of the mask: what the data owner holds of the first serves the
/// second, whose model owner makes no message, and the answers are right.
#[test]
fn masked_weights_serve_a_later_session() {
    let seed = |b: u8| SessionSeed::take(&mut [b; 16]);
    let (weights, x) = (vec![numbers(T.k * T.n, 3)], numbers(T.k, 5));
    for late in [false, true] {
        let code = |code| Arc::new(if late { CheckedCode::late(code) } else { CheckedCode::new(code) }.unwrap());
        let mut held: Option<Vec<u8>> = None;
        for (session, mask) in [(1, 9), (3, 9), (5, 8)] {
            let executor = || Arc::new(Interpreter);
            let mask = || WeightSeed::take(&mut [mask; 16]);
            let mut p0 = Party::new(code(tiny::model_owner(T)), executor(), weights.clone(), seed(session)).unwrap();
            let mut p1 = Party::new(code(tiny::data_owner(T)), executor(), vec![], seed(session + 1)).unwrap();
            let mut dealer = Dealer::new(code(tiny::dealer(T)), executor(), seed(session), seed(session + 1)).unwrap();
            p0.mask_weights_by(mask());
            dealer.mask_weights_by(mask());
            let mut corrections = Vec::new();
            dealer.setup(&mut corrections).unwrap();
            p1.setup_message(&mut corrections.as_slice()).unwrap();
            let message = match (session, &held) {
                (3, Some(held)) => {
                    p0.setup_sent_before().unwrap();
                    held.clone()
                }
                (_, earlier) => {
                    let message = p0.setup_message(&mut io::empty()).unwrap();
                    assert_ne!(Some(&message), earlier.as_ref(), "another seed gives another mask");
                    message
                }
            };
            held = Some(message.clone());
            p0.setup_receive(vec![], &mut io::empty()).unwrap();
            p1.setup_receive(message, &mut corrections.as_slice()).unwrap();
            let mut corrections = Vec::new();
            dealer.inference(0, &mut io::sink(), &mut corrections).unwrap();
            let m0 = p0.offline(0, &mut io::empty()).unwrap();
            let m1 = p1.offline(0, &mut corrections.as_slice()).unwrap();
            let outputs = exchange(p0.online(m0, vec![]).unwrap(), p1.online(m1, vec![x.clone()]).unwrap(), 2);
            assert_eq!(outputs[0].signed(), tiny::plain(T, &x, &weights[0]));
        }
    }
}

#[test]
fn own_data_of_the_wrong_length_is_refused() {
    let trio = trio(T);
    let seed = || SessionSeed::take(&mut [1; 16]);
    for weights in [vec![], vec![vec![0; 3]]] {
        let refused = Party::new(Arc::clone(&trio.model_owner.code), Arc::new(Interpreter), weights, seed());
        assert!(matches!(refused, Err(ProtocolError::OwnData { what: "weight", expected: 15, .. })));
    }
    let (_, p1, dealer) = parties();
    let mut corrections = Vec::new();
    dealer.inference(0, &mut std::io::sink(), &mut corrections).unwrap();
    let material = p1.offline(0, &mut corrections.as_slice()).unwrap();
    assert!(matches!(p1.online(material, vec![]), Err(ProtocolError::OwnData { what: "input", index: 0, .. })));
    let code = Arc::clone(&trio.dealer.code);
    assert!(matches!(Party::new(code, Arc::new(Interpreter), vec![], seed()), Err(ProtocolError::WrongRole { .. })));
}

/// Messages and inputs go through the kept memory too: a session of many inferences holds no more than one of two.
#[test]
fn kept_memory_does_not_grow_with_the_number_of_inferences() {
    let roles = trio(T);
    let seed = |byte: u8| {
        let mut bytes = [byte; 16];
        SessionSeed::take(&mut bytes)
    };
    let party = |role: &RoleInProcess, weights, byte| {
        Party::new(Arc::clone(&role.code), Arc::clone(&role.executor), weights, seed(byte)).unwrap()
    };
    let dealer = &roles.dealer;
    let mut dealer = Dealer::new(Arc::clone(&dealer.code), Arc::clone(&dealer.executor), seed(1), seed(2)).unwrap();
    let mut p0 = party(&roles.model_owner, vec![numbers(T.k * T.n, 3)], 1);
    let mut p1 = party(&roles.data_owner, vec![], 2);
    let mut corrections = Vec::new();
    dealer.setup(&mut corrections).unwrap();
    let (a, b) =
        (p0.setup_message(&mut [].as_slice()).unwrap(), p1.setup_message(&mut corrections.as_slice()).unwrap());
    p0.setup_receive(b, &mut [].as_slice()).unwrap();
    p1.setup_receive(a, &mut [].as_slice()).unwrap();
    let mut kept = Vec::new();
    for index in 0..6 {
        let (mut for_p0, mut for_p1) = (Vec::new(), Vec::new());
        dealer.inference(index, &mut for_p0, &mut for_p1).unwrap();
        let m0 = p0.offline(index, &mut for_p0.as_slice()).unwrap();
        let m1 = p1.offline(index, &mut for_p1.as_slice()).unwrap();
        let (o0, o1) = (p0.online(m0, vec![]).unwrap(), p1.online(m1, vec![numbers(T.k, 1)]).unwrap());
        drop(exchange(o0, o1, p0.hops()));
        kept.push((p0.kept_bytes(), p1.kept_bytes()));
    }
    assert!(kept[0].0 > 0 && kept[0].1 > 0);
    assert!(kept[1..].iter().all(|k| *k == kept[1]), "{kept:?}");
}
