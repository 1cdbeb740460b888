use super::*;

/// Both ends of a session, each with its sender and receiver.
fn run(id: u8, field: Field, entropy: [u8; 2]) -> [(Sender, Receiver); 2] {
    let id = SessionId::from_bytes([id; 32]);
    let (a, from_a) = begin(id, Side::First, field, Entropy::from_bytes([entropy[0]; 32]));
    let (b, from_b) = begin(id, Side::Second, field, Entropy::from_bytes([entropy[1]; 32]));
    assert_eq!([from_a.len(), from_b.len()], [crate::setup_price(field)[0]; 2]);
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).unwrap(), b.reply(&from_a).unwrap());
    assert_eq!([to_a.len(), to_b.len()], [crate::setup_price(field)[1]; 2]);
    let ((a, to_b), (b, to_a)) = (a.correct(&to_a).unwrap(), b.correct(&to_b).unwrap());
    assert_eq!([to_a.len(), to_b.len()], [crate::setup_price(field)[2]; 2]);
    [a.finish(&to_a).unwrap(), b.finish(&to_b).unwrap()]
}

#[test]
fn delta_differs_between_ends_and_sessions_even_under_equal_entropy() {
    let field = Field::new(4).unwrap();
    let mut seen = std::collections::HashSet::new();
    for id in 0..3 {
        for (sender, _) in run(id, field, [9, 9]) {
            let delta = **sender.delta();
            assert!(seen.insert(delta), "the same Δ twice");
            assert!((64..192).contains(&delta.iter().map(|word| word.count_ones()).sum::<u32>()));
        }
    }
}

#[test]
fn a_setup_of_other_messages_leads_to_other_directions() {
    let field = Field::new(3).unwrap();
    let id = SessionId::from_bytes([1; 32]);
    let begin_at = |side, entropy| begin(id, side, field, Entropy::from_bytes([entropy; 32]));
    let (a, from_a) = begin_at(Side::First, 1);
    let (b, from_b) = begin_at(Side::Second, 2);
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).unwrap(), b.reply(&from_a).unwrap());
    let ((a, mut to_b), (b, to_a)) = (a.correct(&to_a).unwrap(), b.correct(&to_b).unwrap());
    to_b[100] ^= 1;
    let ((mut a_sender, _), (_, mut b_receiver)) = (a.finish(&to_a).unwrap(), b.finish(&to_b).unwrap());
    let plan = crate::Plan::new(vec![crate::and::request(5)]).unwrap();
    let mut message = Vec::new();
    b_receiver.choose(&plan, &[&[0; 5]], &mut message).unwrap();
    let error = a_sender.answer(&plan, &message, &[&[&[0; 5]]], &mut Vec::new()).unwrap_err();
    assert_eq!(error, TransferError::Foreign { what: "message of choices" });
}

#[test]
fn debug_forms_show_nothing() {
    let field = Field::new(2).unwrap();
    let id = SessionId::from_bytes([1; 32]);
    let entropy = Entropy::from_bytes([0xab; 32]);
    assert_eq!(format!("{entropy:?}"), "Entropy(..)");
    let (greeted, _) = begin(id, Side::First, field, entropy);
    let (peer, message) = begin(id, Side::Second, field, Entropy::from_bytes([1; 32]));
    assert_eq!(format!("{greeted:?}"), "Greeted(..)");
    let first = begin(id, Side::First, field, Entropy::from_bytes([0xab; 32])).1;
    let ((replied, _), (_, replies)) = (greeted.reply(&message).unwrap(), peer.reply(&first).unwrap());
    assert_eq!(format!("{replied:?}"), "Replied(..)");
    assert_eq!(format!("{:?}", replied.correct(&replies).unwrap().0), "Corrected(..)");
    let [(sender, receiver), _] = run(1, field, [1, 2]);
    assert_eq!(format!("{sender:?} {receiver:?}"), "Sender(..) Receiver(..)");
}
