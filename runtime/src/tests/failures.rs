//! Disagreement, bad data and killed processes: the exit status and one clear message at every role that is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mpcc_channel::LinkOptions;

use super::{IDENTITY, Session, Setting, inputs, start};
use crate::handshake::Wanted;
use crate::session::{NO_FURTHER, Own, served};
use crate::{ProgramIdentity, Progress, ProgressEvent, SessionError};

const LIMIT: Duration = Duration::from_secs(10);

/// The errors of the model owner, the data owner and the dealer; none where the thread died.
fn errors(session: Session) -> [Option<SessionError>; 3] {
    fn error<T>(ended: std::thread::Result<Result<T, SessionError>>) -> Option<SessionError> {
        ended.ok().map(|result| result.err().expect("the session must not succeed"))
    }
    [error(session.model_owner.join()), error(session.data_owner.join()), error(session.dealer.join())]
}

#[test]
fn another_program_at_any_role_is_refused_by_all_with_both_hashes() {
    for odd in 0..3 {
        let mut setting = Setting::default();
        setting.programs[odd].program = [0xcd; 32];
        let start_time = Instant::now();
        let all = errors(start(setting));
        assert!(start_time.elapsed() < LIMIT);
        let mut with_both = 0;
        for error in all.iter().flatten() {
            let text = error.to_string();
            assert_eq!(error.exit_code(), 3, "{text}");
            with_both += usize::from(text.contains(&"ab".repeat(32)) && text.contains(&"cd".repeat(32)));
        }
        assert_eq!(with_both, 3, "{all:?}");
    }
}

#[test]
fn another_binding_of_weights_is_refused() {
    let mut setting = Setting::default();
    setting.programs[1] = ProgramIdentity { binding: [9; 32], ..IDENTITY };
    for error in errors(start(setting)).iter().flatten() {
        assert!(error.to_string().contains("binding of weights"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }
}

#[test]
fn more_inferences_than_allowed_are_refused() {
    let all = errors(start(Setting { inputs: inputs(3), most_inferences: 2, ..Setting::default() }));
    for error in all[..2].iter().flatten() {
        assert_eq!(error.exit_code(), 3, "{error}");
        let text = error.to_string();
        assert!(text.contains("3 inferences are asked for, and the model owner serves 2"), "{text}");
    }
}

/// The last number is how a party says that no inference follows.
#[test]
fn no_session_has_an_inference_with_the_number_that_ends_it() {
    let own = Own::Weights { weights: Vec::new(), most_inferences: u64::MAX };
    let asked = |inferences| served(&own, 1, Wanted { inferences, at_once: 1 });
    assert!(asked(NO_FURTHER - 1).is_ok());
    assert!(matches!(asked(NO_FURTHER), Err(SessionError::MoreThanServed { .. })));
}

#[test]
fn own_data_that_does_not_fit_is_refused_before_connecting() {
    let link = LinkOptions { setup_timeout: Duration::from_millis(500), ..LinkOptions::default() };
    let all = errors(start(Setting { weights: vec![vec![1, 2]], inputs: vec![], link, ..Setting::default() }));
    for error in &all[..2] {
        assert_eq!(error.as_ref().unwrap().exit_code(), 1);
    }
    assert_eq!(all[2].as_ref().unwrap().exit_code(), 4);
}

struct DieAt(ProgressEvent);

impl Progress for DieAt {
    fn event(&self, event: ProgressEvent) {
        assert_ne!(event, self.0, "killed on purpose");
    }
}

#[test]
fn a_role_killed_in_mid_run_ends_the_others() {
    let hop = |hop| ProgressEvent::Hop { hop, of: 2, inference: 2, inferences: 3 };
    for (role, event) in [
        (0, ProgressEvent::Setup),
        (0, hop(1)),
        (1, hop(1)),
        (1, ProgressEvent::Offline { inference: 2, of: Some(3) }),
        (2, ProgressEvent::Setup),
        (2, ProgressEvent::Offline { inference: 2, of: None }),
    ] {
        let mut setting = Setting { inputs: inputs(3), ..Setting::default() };
        setting.progress[role] = Arc::new(DieAt(event));
        let start_time = Instant::now();
        let all = errors(start(setting));
        assert!(start_time.elapsed() < LIMIT, "{event:?}");
        for (other, error) in all.iter().enumerate() {
            match error {
                None => assert_eq!(other, role),
                Some(error) => {
                    assert_eq!(error.exit_code(), 4, "{error}");
                    assert!(error.to_string().contains("the "), "{error}");
                }
            }
        }
        assert_eq!(all.iter().flatten().count(), 2);
    }
}
