//! Messages that are not what is due are refused with what to do, whatever their bytes, and nothing is answered twice.

use mpcc_transfer::{
    Entropy, Field, Greeted, Plan, Receiver, Replied, Request, Sender, SessionId, Side, TransferError, begin,
};
use proptest::prelude::*;

use crate::ends::direction;

fn field() -> Field {
    Field::new(4).expect("a field")
}

fn begun(id: u8, side: Side, field: Field) -> (Greeted, Vec<u8>) {
    begin(SessionId::from_bytes([id; 32]), side, field, Entropy::from_bytes([side as u8 + 1; 32]))
}

fn plan() -> Plan {
    let requests =
        vec![Request::Product { count: 5, bits: 2, widths: vec![9] }, Request::Chosen { count: 3, widths: vec![70] }];
    Plan::new(requests).expect("a plan")
}

fn choose(receiver: &mut Receiver, plan: &Plan) -> (mpcc_transfer::Waiting, Vec<u8>) {
    let mut out = Vec::new();
    let waiting = receiver.choose(plan, &[&[1, 2, 3, 0, 1], &[0, 1, 1]], &mut out).expect("transfers are left");
    (waiting, out)
}

fn answer(sender: &mut Sender, plan: &Plan, message: &[u8]) -> Result<Vec<u8>, TransferError> {
    let mut out = vec![1, 2, 3];
    let inputs: [&[&[u64]]; 2] = [&[&[1; 5]], &[&[2; 6], &[3; 6]]];
    let result = sender.answer(plan, message, &inputs, &mut out).map(|_| ());
    if result.is_err() {
        assert_eq!(out, [1, 2, 3], "nothing is appended when a message is refused");
    }
    result.map(|()| out.split_off(3))
}

fn choices_foreign() -> TransferError {
    TransferError::Foreign { what: "message of choices" }
}

#[test]
fn ends_that_do_not_agree_refuse_one_another() {
    let greeting = |id, side, field| begun(id, side, field).1;
    let foreign = TransferError::Foreign { what: "greeting" };
    for message in [
        greeting(2, Side::Second, field()),
        greeting(1, Side::First, field()),
        greeting(1, Side::Second, Field::new(5).unwrap()),
    ] {
        let (own, _) = begun(1, Side::First, field());
        assert_eq!(own.reply(&message).unwrap_err(), foreign);
    }
    let (own, _) = begun(1, Side::First, field());
    assert!(own.reply(&greeting(1, Side::Second, field())).is_ok());
}

#[test]
fn what_is_no_point_is_refused_by_its_place() {
    let (_, mut greeting) = begun(1, Side::Second, field());
    greeting[16..].fill(0);
    let (own, _) = begun(1, Side::First, field());
    assert_eq!(own.reply(&greeting).unwrap_err(), TransferError::Point { what: "greeting", index: 0 });
    let (own, _) = begun(1, Side::First, field());
    greeting[16..].fill(0xff);
    assert_eq!(own.reply(&greeting).unwrap_err(), TransferError::Point { what: "greeting", index: 0 });
    let replied = replied();
    let mut replies = vec![0; 4096];
    replies[32 * 77..][..32].fill(0xff);
    let error = replied.correct(&replies).unwrap_err();
    assert_eq!(error, TransferError::Point { what: "message of replies", index: 77 });
}

fn replied() -> Replied {
    let (own, _) = begun(1, Side::First, field());
    own.reply(&begun(1, Side::Second, field()).1).expect("a greeting").0
}

#[test]
fn a_message_is_answered_once_and_an_error_ends_the_sender() {
    let (mut sender, mut receiver) = direction(4, 21);
    let (first, message) = choose(&mut receiver, &plan());
    let strings = answer(&mut sender, &plan(), &message).unwrap();
    assert_eq!(answer(&mut sender, &plan(), &message).unwrap_err(), choices_foreign(), "a message that is replayed");
    assert_eq!(sender.used(), None);
    let (_, next) = choose(&mut receiver, &plan());
    assert_eq!(answer(&mut sender, &plan(), &next).unwrap_err(), TransferError::Ended);
    first.finish(&strings).unwrap();
}

#[test]
fn indices_only_rise_and_a_batch_that_was_lost_is_not_made_up_for() {
    let (mut sender, mut receiver) = direction(4, 22);
    let (mut before, mut messages) = (receiver.used(), Vec::new());
    for _ in 0..3 {
        messages.push(choose(&mut receiver, &plan()).1);
        assert_eq!(receiver.used(), before + plan().transfers(Field::new(4).expect("a field")));
        before = receiver.used();
    }
    answer(&mut sender, &plan(), &messages[0]).unwrap();
    assert_eq!(sender.used(), Some(plan().transfers(Field::new(4).expect("a field"))));
    assert_eq!(answer(&mut sender, &plan(), &messages[2]).unwrap_err(), choices_foreign(), "a batch was skipped");
}

#[test]
fn messages_of_other_plans_directions_and_sessions_are_refused() {
    let other = Plan::new(vec![Request::Product { count: 5, bits: 2, widths: vec![10] }, plan().requests()[1].clone()]);
    let (mut sender, mut receiver) = direction(4, 23);
    let (_, message) = choose(&mut receiver, &other.unwrap());
    assert_eq!(answer(&mut sender, &plan(), &message).unwrap_err(), choices_foreign());

    let [(mut a_sends, mut a_receives), (mut b_sends, _)] = crate::ends::session(field(), 24);
    let (waiting, to_b) = choose(&mut a_receives, &plan());
    assert_eq!(answer(&mut a_sends, &plan(), &to_b).unwrap_err(), choices_foreign(), "the other direction");
    let strings = answer(&mut b_sends, &plan(), &to_b).unwrap();
    assert_eq!(
        waiting.finish(&to_b[..strings.len()]).unwrap_err(),
        TransferError::Foreign { what: "message of strings" }
    );

    let (mut sender, _) = direction(4, 25);
    let (_, mut receiver) = direction(4, 26);
    let (_, message) = choose(&mut receiver, &plan());
    assert_eq!(answer(&mut sender, &plan(), &message).unwrap_err(), choices_foreign());
}

#[test]
fn errors_say_what_to_do() {
    let (mut sender, _) = direction(4, 28);
    let error = answer(&mut sender, &plan(), &[1; 10]).unwrap_err();
    assert_eq!(error, TransferError::Length { what: "message of choices", expected: 528, found: 10 });
    assert!(error.to_string().contains("10 bytes and not 528; check that both sides"));
    assert!(TransferError::Ended.to_string().contains("begin a new one"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_bytes_make_a_setup_panic(bytes in proptest::collection::vec(any::<u8>(), 0..9000), cut in 0usize..6) {
        let (own, _) = begun(1, Side::First, field());
        prop_assert!(own.reply(&bytes).is_err());
        let mut greeting = begun(1, Side::Second, field()).1;
        let at = bytes.len() % greeting.len();
        greeting[at] ^= bytes.first().copied().unwrap_or(1) | 1;
        let (own, _) = begun(1, Side::First, field());
        if let Ok((replied, _)) = own.reply(&greeting) {
            // Another point than the peer's, but a point.
            prop_assert!(at >= 16);
            drop(replied);
        }
        let length = [0, 31, 4095, 4096, 4097, bytes.len()][cut];
        let message: Vec<u8> = bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { length }).collect();
        prop_assert!(replied().correct(&message).is_err());
        let points: Vec<u8> = begun(1, Side::First, field()).1[16..].repeat(128);
        let (corrected, _) = replied().correct(&points).unwrap();
        prop_assert_eq!(corrected.finish(&message).is_err(), message.len() != 4096);
    }

    #[test]
    fn no_bytes_make_a_batch_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700), at in 0usize..528, flip in 1u8..) {
        let (mut sender, mut receiver) = direction(4, 29);
        let (waiting, mut message) = choose(&mut receiver, &plan());
        prop_assert!(waiting.finish(&bytes).is_err());
        message[at] ^= flip;
        // The tag is held against what is due; after it any bytes are choices of some receiver.
        let answered = answer(&mut sender, &plan(), &message);
        prop_assert_eq!(answered.is_ok(), at >= 16);
        if answered.is_ok() {
            prop_assert!(answer(&mut sender, &plan(), &bytes).is_err());
        }
    }
}
