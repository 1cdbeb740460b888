//! Sessions on a pool that were broken off or whose file is not as it was made.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::IDENTITY;
use super::broken_pool::LIMIT;
use super::lowered::within_rounding;
use super::pool::{ALL, KILLED, OWNERS, Two, inputs, weights};
use crate::material::Inferences::Exactly;
use crate::material::MaterialFile;
use crate::{CounterStore, NoProgress, Progress, ProgressEvent, SessionError};

/// A half of which a bit was changed, or that was cut, is refused before any of it is used; as it was, it serves.
#[test]
fn a_changed_or_cut_half_is_refused_before_anything_is_used() {
    let (two, place) = (Two::new(), tempfile::tempdir().unwrap());
    let made = two.make(place.path(), [Exactly(2), Exactly(2)], [IDENTITY; 2], ALL).map(Result::unwrap);
    for (p, (_, role)) in OWNERS.into_iter().enumerate() {
        let path = &made[p].path;
        let good = std::fs::read(path).unwrap();
        let intact = || MaterialFile::open_for(path, role, &IDENTITY).and_then(|mut file| file.verify(0..2, |_| {}));
        intact().unwrap();
        let longer = [&good[..], &[0]].concat();
        let cut = [0, 1, good.len() / 2, good.len() - 1].map(|length| good[..length].to_vec());
        let changed = (0..good.len()).step_by(13).map(|at| {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            changed
        });
        for (turn, bytes) in changed.chain(cut).chain([longer]).enumerate() {
            std::fs::write(path, &bytes).unwrap();
            let error = intact().unwrap_err();
            assert_eq!(SessionError::from(error).exit_code(), 1);
            if turn % 100 == 0 {
                let ended = two.run(place.path(), weights(17), inputs(2));
                assert_eq!(ended[p].as_ref().err().unwrap().exit_code(), 1);
                assert!(ended[1 - p].is_err());
            }
        }
        std::fs::write(path, &good).unwrap();
    }
    let [model_owner, answers] = two.run(place.path(), weights(17), inputs(2));
    model_owner.unwrap();
    assert_eq!(answers.unwrap().len(), 2, "nothing was used");
}

/// Dies at one of the things that happen in a session.
struct DieAt {
    event: Option<usize>,
    seen: AtomicUsize,
}

impl DieAt {
    fn new(event: Option<usize>) -> DieAt {
        DieAt { event, seen: AtomicUsize::new(0) }
    }
}

impl Progress for DieAt {
    fn event(&self, _: ProgressEvent) {
        let now = self.seen.fetch_add(1, Ordering::SeqCst);
        assert_ne!(Some(now), self.event, "{KILLED}");
    }
}

/// Of a pool as of what was dealt: an index that a session claimed is never used again, whoever died where, and one party's record
/// serves both.
#[test]
fn a_killed_session_on_a_pool_uses_up_what_it_began_and_no_more() {
    const AT_ONCE: i64 = 3;
    let (two, place) = (Two::new(), tempfile::tempdir().unwrap());
    let made = two.make(place.path(), [Exactly(150), Exactly(150)], [IDENTITY; 2], ALL).map(Result::unwrap);
    let state = |p: usize| place.path().join(["state-0", "state-1"][p]);
    let used = || [0, 1].map(|p| CounterStore::look_up(&state(p), made[p].batch, OWNERS[p].1).unwrap().next);
    let good = |count: i64| {
        let given = inputs(count);
        let [model_owner, answers] = two.run(place.path(), weights(17), given.clone());
        model_owner.unwrap();
        for (answer, input) in answers.unwrap().iter().zip(&given) {
            within_rounding(&weights(17), &input[0], answer);
        }
    };
    let watch = DieAt::new(None);
    let whole = two.run_watched(place.path(), weights(17), inputs(AT_ONCE), [&watch, &NoProgress]);
    assert!(whole.iter().all(Result::is_ok));
    let events = watch.seen.into_inner();
    assert_eq!(used(), [AT_ONCE as u64; 2]);
    for victim in [0, 1] {
        for event in 0..events {
            let before = used();
            assert_eq!(before[0], before[1], "a session that ended well is on both records");
            let (dies, lives) = (DieAt::new(Some(event)), NoProgress);
            let watched: [&dyn Progress; 2] = if victim == 0 { [&dies, &lives] } else { [&lives, &dies] };
            let start = Instant::now();
            let ended = two.run_watched(place.path(), weights(17), inputs(AT_ONCE), watched);
            assert!(start.elapsed() < LIMIT, "{victim} at {event}");
            match &ended[1 - victim] {
                Err(error) => assert_eq!(error.exit_code(), 4, "{error}"),
                // Nothing more was to come from the other one.
                Ok(_) => assert!(event + 3 >= events, "{victim} at {event}"),
            }
            let after = used();
            assert!(after.iter().all(|next| (before[0]..=before[0] + AT_ONCE as u64).contains(next)), "{after:?}");
            // What one party lost is on the other one's record.
            let next = after[0].max(after[1]);
            if after[1 - victim] == next {
                std::fs::remove_dir_all(state(victim)).unwrap();
            }
            good(1);
            assert_eq!(used(), [next + 1; 2], "{victim} at {event}: {before:?} and {after:?}");
        }
    }
}
