//! Which schemes are chosen, and what keys they take.

use mpcc_kernels::Seed;
use mpcc_pair::{PairError, Rates, Scheme, Schemes, begin_keys};
use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::Task;

use crate::harness::{OWNERS, Session, field, handed, kinds, operands, plain, products, signed};

fn weights(tokens: usize, width: usize) -> Task {
    let pairing = Pairing::Matrices { batch: 1, m: tokens, k: width, n: width, shared_right: true };
    products(OWNERS[1], pairing, [plain(48), signed(17)], 48)
}

fn choose(tasks: &[Task], inferences: u64) -> Schemes {
    Schemes::new(&[tasks.to_vec()], inferences, field(), &Rates::REFERENCE)
}

#[test]
fn few_products_are_made_by_transfers_and_take_no_keys() {
    let entries = Pairing::Entries { rows: 4, cols: 5, right: Along::Rows };
    let tasks = [weights(2, 8), products(OWNERS[0], entries, [plain(40), plain(20)], 60)];
    let schemes = choose(&tasks, 1);
    assert!(tasks.iter().all(|task| schemes.scheme(task) == Scheme::Transfers));
    assert_eq!(schemes.key_bytes().expect("a price"), [0, 0]);
}

#[test]
fn many_products_are_made_under_encryption_and_share_keys() {
    let rows = Pairing::Entries { rows: 65, cols: 256, right: Along::Rows };
    let squares = Pairing::Matrices { batch: 65, m: 1, k: 256, n: 1, shared_right: false };
    let scores = Pairing::Matrices { batch: 4, m: 65, k: 64, n: 65, shared_right: false };
    let tasks = [
        weights(65, 256),
        products(OWNERS[0], rows, [plain(46), plain(20)], 66),
        products(OWNERS[0], squares, [plain(47), plain(46)], 54),
        products(OWNERS[0], scores, [plain(36), plain(36)], 36),
        products(OWNERS[1], scores, [plain(36), plain(36)], 36),
    ];
    let schemes = choose(&tasks, 1);
    let by = tasks.map(|task| schemes.scheme(&task));
    let slots = |scheme: &Scheme| matches!(scheme, Scheme::Slots(_));
    assert_eq!(by.each_ref().map(slots), [false, true, true, false, false], "{by:#?}");
    assert!(!by.contains(&Scheme::Transfers));
    // Less than a tenth of what transfers take.
    let transfers = Schemes::transfers(field());
    let took = |schemes: &Schemes| schemes.picoseconds(&tasks, &Rates::REFERENCE).expect("schemes of the tasks");
    assert!(took(&schemes) * 10 < took(&transfers), "{} of {}", took(&schemes), took(&transfers));
    let bytes = |schemes: &Schemes| schemes.price(&tasks).expect("a price").sent.iter().flatten().sum::<usize>();
    assert!(bytes(&schemes) * 10 < bytes(&transfers), "{} of {}", bytes(&schemes), bytes(&transfers));
    assert!(schemes.key_bytes().expect("a price").iter().sum::<usize>() < 20 << 20);
}

/// An upload of a part serves the real and the imaginary part of a result: half of what their single products would take.
#[test]
fn an_upload_of_complex_numbers_serves_both_parts() {
    let count = 1 << 17;
    let complex = products(OWNERS[1], Pairing::Complex { count }, [plain(18), signed(18)], 50);
    let single = Pairing::Matrices { batch: count, m: 1, k: 2, n: 2, shared_right: false };
    let single = products(OWNERS[1], single, [plain(18), signed(18)], 50);
    let [[up, answers], [up_each, answers_each]] = [complex, single].map(|task| {
        let schemes = choose(&[task], 1);
        assert!(matches!(schemes.scheme(&task), Scheme::Slots(slots) if slots.encrypts == OWNERS[1]));
        let sent = schemes.price(&[task]).expect("a price").sent;
        [sent[0][1], sent[1][0]]
    });
    assert_eq!((2 * up, answers), (up_each, answers_each));
}

/// The choice weighs keys against what they save over all inferences.
#[test]
fn keys_are_made_where_they_pay() {
    let size = (8..40).find(|&width| {
        let task = weights(4, width);
        choose(&[task], 1).scheme(&task) == Scheme::Transfers
            && choose(&[task], 1000).scheme(&task) != Scheme::Transfers
    });
    let task = weights(4, size.expect("a size at which keys are dear for one inference"));
    let often = choose(&[task], 1000);
    assert!(matches!(often.scheme(&task), Scheme::Tiles(_)));
    assert_eq!(choose(&[task], 1).key_bytes().expect("a price"), [0, 0]);
    assert!(often.key_bytes().expect("a price").iter().sum::<usize>() > 0);
}

#[test]
fn what_does_not_fit_its_task_is_refused() {
    let (task, other) = (weights(9, 20), weights(8, 20));
    let [tiles, slots] = [0, 1].map(|kind| {
        let is = |scheme: &Scheme| [matches!(scheme, Scheme::Tiles(_)), matches!(scheme, Scheme::Slots(_))][kind];
        kinds(&task).into_iter().find(is).expect("such a scheme")
    });
    let wider = match slots {
        Scheme::Slots(slots) => Scheme::Slots(mpcc_pair::SlotScheme { modulus_bits: slots.modulus_bits - 1, ..slots }),
        other => other,
    };
    for (task, scheme) in [(other, tiles), (task, wider)] {
        let mut session = Session::by(&[(task, scheme)], 1);
        assert!(matches!(session.schemes.price(&[task]), Err(PairError::Scheme(_))));
        let operands = handed(&[task], &operands(&[task], 1)[0], OWNERS[0]);
        assert!(matches!(session.pairs[0].begin(&[task], &operands), Err(PairError::Scheme(_))));
    }
    let schemes = choose(&[weights(65, 256)], 1);
    let (keys, sent) = begin_keys(schemes.clone(), OWNERS[0], &Seed::from_bytes([1; 16])).expect("keys");
    let (_, theirs) = begin_keys(schemes, OWNERS[1], &Seed::from_bytes([2; 16])).expect("keys");
    assert!(sent.is_empty());
    assert!(matches!(keys.finish(&theirs[1..]), Err(PairError::Length { .. })));
}
