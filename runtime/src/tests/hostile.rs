//! Roles on real links whose peers hold a real key and follow no rules: cut off in time, by whom it was.

use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, Link, LinkOptions, Listener, Peer, connect};
use mpcc_pair::Rates;
use mpcc_program::code::Role;
use mpcc_program::gates::lower;

use super::{IDENTITY, T, pool, program, tiny, weights};
use crate::dealer::DealerConfig;
use crate::handshake::Hello;
use crate::material::{self, Inferences, PoolOptions};
use crate::transfer::kind;
use crate::{Endpoint, NoProgress, PartyConfig, SessionError, Supply, dealer, model_owner};

const LIMIT: Duration = Duration::from_secs(5);
/// More than any message of a handshake has.
const HUGE: usize = 64 << 20;

fn options() -> LinkOptions {
    LinkOptions {
        setup_timeout: LIMIT,
        idle_timeout: Duration::from_millis(700),
        linger: Duration::from_millis(100),
        ..LinkOptions::default()
    }
}

fn hello(role: Role) -> Hello {
    Hello::new(role, IDENTITY).unwrap()
}

/// Keeps a link until the other end has left; its heartbeats go on meanwhile.
fn stay(mut link: Link) {
    while link.recv(kind::HELLO, HUGE).is_ok() {}
    std::thread::sleep(Duration::from_secs(2));
}

/// Peers by hand: each connects to the address as somebody who is expected there.
fn connecting(address: String, own: Identity, there: &Identity, act: impl FnOnce(Link) + Send + 'static) {
    let peer = Peer::new("the victim", there.fingerprint());
    std::thread::spawn(move || act(connect(&address, &own, &peer, &options()).unwrap()));
}

/// What a dealer says of a model owner that acts so.
fn dealer_against(act: impl FnOnce(Link) + Send + 'static) -> SessionError {
    let [own, first, second] = [(); 3].map(|()| Identity::generate().unwrap());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().to_string();
    let config = DealerConfig {
        identity: own.clone(),
        model_owner: Peer::new("the model owner", first.fingerprint()),
        data_owner: Peer::new("the data owner", second.fingerprint()),
        listener,
        link: options(),
    };
    connecting(address.clone(), first, &own, act);
    connecting(address, second, &own, |mut link| {
        hello(Role::DataOwner).send(&mut link).unwrap();
        stay(link);
    });
    let start = Instant::now();
    let error = dealer::run(config, &program(tiny::dealer(T), IDENTITY), &NoProgress).unwrap_err();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert!(error.to_string().contains("the model owner"), "{error}");
    error
}

#[test]
fn a_huge_first_message_is_refused_by_its_header() {
    let error = dealer_against(|mut link| {
        link.send(kind::HELLO, vec![0; HUGE]).unwrap();
        stay(link);
    });
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("announced 67108864 bytes"), "{error}");
}

#[test]
fn a_peer_that_says_only_that_it_is_alive_is_not_waited_for() {
    let error = dealer_against(stay);
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[test]
fn a_first_message_of_a_later_moment_is_refused() {
    for (early, bytes) in [(kind::HOP, 10), (kind::SETUP, HUGE)] {
        let error = dealer_against(move |mut link| {
            link.send(early, vec![0; bytes]).unwrap();
            stay(link);
        });
        assert_eq!(error.exit_code(), 3, "{error}");
        assert!(error.to_string().contains("where kind 1 was due"), "{error}");
    }
}

#[test]
fn a_huge_grant_is_refused_by_its_header() {
    let [own, peer, dealer] = [(); 3].map(|()| Identity::generate().unwrap());
    let [here, there] = [(); 2].map(|()| Listener::bind("127.0.0.1:0").unwrap());
    let (address, dealer_address) = (here.local_addr().to_string(), there.local_addr().to_string());
    let state = tempfile::tempdir().unwrap();
    let config = PartyConfig {
        identity: own.clone(),
        peer: Peer::new("the data owner", peer.fingerprint()),
        peer_endpoint: Endpoint::Listen(here),
        peer_link: options(),
        supply: Supply::Dealer {
            peer: Peer::new("the dealer", dealer.fingerprint()),
            address: dealer_address,
            link: options(),
        },
        patience: LIMIT,
        state_directory: state.path().to_owned(),
        ahead: false,
        in_memory: true,
        at_once: 1,
        keep_weights: 0,
        rotate_weights: false,
    };
    connecting(address, peer, &own, |mut link| {
        hello(Role::DataOwner).send(&mut link).unwrap();
        stay(link);
    });
    let victim = Peer::new("the victim", own.fingerprint());
    std::thread::spawn(move || {
        let mut link = there.accept(&dealer, &victim, &options()).unwrap();
        hello(Role::Dealer).send(&mut link).unwrap();
        link.send(kind::GRANT, vec![0; HUGE]).unwrap();
        stay(link);
    });
    let start = Instant::now();
    let program = program(tiny::model_owner(T), IDENTITY);
    let error = model_owner::run(config, &program, weights(), 1, &NoProgress).unwrap_err();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert_eq!(error.exit_code(), 3, "{error}");
    let text = error.to_string();
    assert!(text.contains("the dealer") && text.contains("announced 67108864 bytes"), "{text}");
}

/// What a data owner that is about to make a pool says of a model owner that acts so.
fn maker_against(act: impl FnOnce(Link) + Send + 'static) -> SessionError {
    let [own, peer] = [(); 2].map(|()| Identity::generate().unwrap());
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    connecting(listener.local_addr().to_string(), peer.clone(), &own, act);
    let place = tempfile::tempdir().unwrap();
    let options = PoolOptions {
        identity: own,
        peer: Peer::new("the model owner", peer.fingerprint()),
        peer_endpoint: Endpoint::Listen(listener),
        peer_link: options(),
        // Of a party that is making something, and of nobody before.
        patience: 4 * LIMIT,
        directory: place.path().to_owned(),
        inferences: Inferences::Exactly(1),
        replace: false,
    };
    let (owner, role) = pool::OWNERS[1];
    let network = pool::network();
    let mine = (program(lower(&network, role), IDENTITY), pool::making(&network, owner, Rates::REFERENCE));
    let start = Instant::now();
    let error = material::pool(&options, (&mine.0, &mine.1), vec![], &|_| true).unwrap_err();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert!(error.to_string().contains("the model owner"), "{error}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    error
}

#[test]
fn a_making_waits_for_nobody_who_has_agreed_on_nothing() {
    let silent = maker_against(stay);
    assert_eq!(silent.exit_code(), 4, "{silent}");
    assert!(silent.to_string().contains("timed out"), "{silent}");
    let huge = maker_against(|mut link| {
        link.send(kind::HELLO, vec![0; HUGE]).unwrap();
        stay(link);
    });
    assert_eq!(huge.exit_code(), 3, "{huge}");
    assert!(huge.to_string().contains("announced 67108864 bytes"), "{huge}");
    let early = maker_against(|mut link| {
        link.send(kind::CHOICES, vec![0; HUGE]).unwrap();
        stay(link);
    });
    assert_eq!(early.exit_code(), 3, "{early}");
    assert!(early.to_string().contains("where kind 1 was due"), "{early}");
}
