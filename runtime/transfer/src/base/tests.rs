use super::*;
use crate::session::{SessionId, Side};

fn place() -> Place {
    Place { id: SessionId::from_bytes([3; 32]), side: Side::First }
}

fn random(seed: u8) -> [u8; SCALAR] {
    std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add((i * 7 % 251) as u8))
}

/// Uniform bytes that give this scalar.
fn bytes_of(scalar: Scalar) -> [u8; SCALAR] {
    let mut out = [0; SCALAR];
    out[..32].copy_from_slice(scalar.as_bytes());
    out
}

#[test]
fn the_chosen_key_is_shared_and_the_other_is_not() {
    for seed in 0..4 {
        let offer = Offer::new(&random(seed));
        let received = Received::decode_offer(&offer.bytes).unwrap();
        for choice in [0, 1] {
            let reply = Reply::new(&random(seed + 50), Choice::from(choice), &received);
            let keys = offer.keys(place(), 9, &Received::decode(&reply.bytes).unwrap());
            let key = reply.key(place(), 9, &received);
            assert_eq!(key, keys[usize::from(choice)]);
            assert_ne!(key, keys[1 - usize::from(choice)]);
        }
    }
}

#[test]
fn a_reply_says_nothing_about_the_choice() {
    // The same point is the reply to choice 0 with b + a and to choice 1 with b, and b + a is as uniform as b.
    let offer = Offer::new(&random(1));
    let received = Received::decode_offer(&offer.bytes).unwrap();
    let b = Scalar::from_bytes_mod_order_wide(&random(2));
    let one = Reply::new(&bytes_of(b), Choice::from(1), &received);
    let zero = Reply::new(&bytes_of(b + *offer.secret), Choice::from(0), &received);
    assert_eq!(one.bytes, zero.bytes);
}

#[test]
fn a_key_depends_on_session_end_index_and_both_messages() {
    let offer = Offer::new(&random(1));
    let received = Received::decode_offer(&offer.bytes).unwrap();
    let reply = Reply::new(&random(2), Choice::from(1), &received);
    let key = reply.key(place(), 5, &received);
    let shared = || received.point * *reply.secret;
    let other = Place { id: SessionId::from_bytes([4; 32]), ..place() };
    let flipped = |mut bytes: [u8; POINT]| {
        bytes[7] ^= 1;
        bytes
    };
    assert_eq!(key, super::key(place(), 5, &offer.bytes, &reply.bytes, shared()));
    for changed in [
        super::key(other, 5, &offer.bytes, &reply.bytes, shared()),
        super::key(place().peer(), 5, &offer.bytes, &reply.bytes, shared()),
        super::key(place(), 6, &offer.bytes, &reply.bytes, shared()),
        super::key(place(), 5, &flipped(offer.bytes), &reply.bytes, shared()),
        super::key(place(), 5, &offer.bytes, &flipped(reply.bytes), shared()),
        super::key(place(), 5, &offer.bytes, &reply.bytes, shared() + received.point),
    ] {
        assert_ne!(key, changed);
    }
}

#[test]
fn what_is_no_point_is_refused_and_so_is_an_offer_that_hides_nothing() {
    assert!(Received::decode(&[0xff; POINT]).is_none());
    let mut odd = [0; POINT];
    odd[0] = 1;
    assert!(Received::decode(&odd).is_none(), "negative encodings are not canonical");
    let identity = [0; POINT];
    assert!(Received::decode(&identity).is_some());
    assert!(Received::decode_offer(&identity).is_none());
}
