//! Whole sessions that succeed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{IDENTITY, Setting, T, expected, given, inputs, program, start, tiny};
use crate::data_owner::Inputs;
use crate::{Measurement, Progress, ProgressEvent, setup_bytes};

fn packed(words: usize) -> u64 {
    (words * usize::from(T.bits)).div_ceil(8) as u64
}

#[test]
fn three_inferences_are_right_and_measured_bytes_are_those_of_the_shapes() {
    for (ahead, batch) in [(false, 1), (true, 1), (false, 2), (true, 2), (false, 3), (true, 16)] {
        let session = start(Setting { inputs: inputs(3), ahead, batch, ..Setting::default() });
        let done = session.data_owner.join().unwrap().unwrap();
        let model_owner = session.model_owner.join().unwrap().unwrap();
        let dealer = session.dealer.join().unwrap().unwrap();
        for (outputs, input) in done.outputs.iter().zip(inputs(3)) {
            assert_eq!(outputs[0].signed(), expected(&input));
        }
        assert_eq!(done.outputs.len(), 3);
        for (one, other) in done.report.inferences.iter().zip(&model_owner.inferences) {
            assert_eq!((one.online_bytes_sent, one.online_bytes_received), (packed(T.k), packed(T.n)));
            assert_eq!((other.online_bytes_sent, other.online_bytes_received), (packed(T.n), packed(T.k)));
            assert_eq!((one.offline_bytes, other.offline_bytes), (2 * packed(T.n), 0));
        }
        assert_eq!(dealer.inferences.len(), 3);
        assert_eq!(dealer.inferences[2].offline_bytes, 2 * packed(T.n));
        let joint = Measurement::new(&done.report, Some(&model_owner), Some(&dealer));
        assert_eq!((joint.hops, joint.inferences, joint.setup_bytes), (2, 3, setup_bytes(packed(T.k * T.n), false)));
        assert_eq!((joint.batch, model_owner.batch), (batch.min(3), batch.min(3)));
        assert_eq!((joint.online_bytes.model_owner, joint.online_bytes.data_owner), (packed(T.n), packed(T.k)));
        assert!(joint.online_seconds > 0.0 && joint.offline_seconds > 0.0);
        assert!(joint.peak_rss_bytes.dealer.is_none_or(|bytes| bytes > 1 << 20));
        assert!(joint.wire_overhead_bytes.model_owner.is_some_and(|bytes| bytes > 500));
        let json = serde_json::to_value(&joint).unwrap();
        for name in ["hops", "online_bytes", "offline_bytes", "setup_bytes", "setup_seconds", "offline_seconds"] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(json["online_bytes"]["data_owner"], packed(T.k));
        assert_eq!(std::fs::read_dir(session.state.path()).unwrap().count(), 2);
        for role in ["model-owner", "data-owner"] {
            let files = std::fs::read_dir(session.state.path().join(role)).unwrap().map(|file| file.unwrap().path());
            let counters = |file: &std::path::PathBuf| {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with("counters-") && name.ends_with(".json")
            };
            let record = files.into_iter().find(counters).unwrap();
            let record: serde_json::Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
            assert_eq!((&record["batches"][0]["own"], &record["batches"][0]["peer"]), (&2.into(), &2.into()), "{role}");
        }
    }
}

#[test]
fn a_model_owner_refuses_more_at_a_time_than_it_serves() {
    let session = start(Setting { inputs: inputs(3), batch: 3, most_at_a_time: 2, ..Setting::default() });
    let refused = session.model_owner.join().unwrap().unwrap_err();
    assert_eq!(refused.exit_code(), 3);
    assert!(refused.to_string().contains("3 inferences at a time are asked for"), "{refused}");
    let told = session.data_owner.join().unwrap().err().unwrap().to_string();
    assert!(told.contains("the model owner serves 2") && told.contains("--batch"), "{told}");
}

#[derive(Default)]
struct Log(Mutex<Vec<ProgressEvent>>);

impl Progress for Log {
    fn event(&self, event: ProgressEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn progress_tells_every_hop_in_order() {
    let log = Arc::new(Log::default());
    let mut setting = Setting { inputs: inputs(2), ..Setting::default() };
    setting.progress[1] = Arc::clone(&log) as Arc<dyn Progress>;
    start(setting).data_owner.join().unwrap().unwrap();
    let offline = |inference| ProgressEvent::Offline { inference, of: Some(2) };
    let hop = |inference, hop| ProgressEvent::Hop { hop, of: 2, inference, inferences: 2 };
    let mut all = vec![ProgressEvent::Connected, ProgressEvent::Setup];
    for inference in 1..=2 {
        all.extend([offline(inference), hop(inference, 1), hop(inference, 2)]);
    }
    all.push(ProgressEvent::Finished);
    assert_eq!(*log.0.lock().unwrap(), all);
}

/// Waits when material is made, or after a hop.
struct Slow {
    offline: Duration,
    hop: Duration,
}

impl Progress for Slow {
    fn event(&self, event: ProgressEvent) {
        match event {
            ProgressEvent::Offline { .. } => std::thread::sleep(self.offline),
            ProgressEvent::Hop { .. } => std::thread::sleep(self.hop),
            _ => {}
        }
    }
}

/// The data owner waits until the model owner is ready, which is offline, and by itself in both hops, which is online.
#[test]
fn inferences_that_share_hops_share_the_seconds_too() {
    let (offline, hop) = (Duration::from_millis(300), Duration::from_millis(75));
    let mut setting = Setting { inputs: inputs(3), batch: 3, ..Setting::default() };
    setting.progress[0] = Arc::new(Slow { offline, hop: Duration::ZERO });
    setting.progress[1] = Arc::new(Slow { offline: Duration::ZERO, hop });
    let began = Instant::now();
    let report = start(setting).data_owner.join().unwrap().unwrap().report;
    let all = began.elapsed().as_secs_f64();
    let online: f64 = report.inferences.iter().map(|one| one.online_seconds).sum();
    let offline: f64 = report.inferences.iter().map(|one| one.offline_seconds).sum();
    assert!(online >= 2.0 * hop.as_secs_f64(), "{online} s online");
    assert!(online + offline <= all, "{online} s online and {offline} s offline in {all} s");
}

/// Whoever ends last finds its peers gone, with a heartbeat on its way: that is the end of a session and no lost link.
#[test]
fn sessions_end_well_while_heartbeats_flow() {
    for _ in 0..20 {
        let mut setting = Setting::default();
        setting.link.heartbeat_interval = Duration::from_micros(200);
        let session = start(setting);
        session.data_owner.join().unwrap().unwrap();
        session.model_owner.join().unwrap().unwrap();
        session.dealer.join().unwrap().unwrap();
    }
}

/// An encoded input may be large: each is made twice, once to be looked at and once when its batch begins.
#[test]
fn inputs_are_encoded_when_their_batch_begins() {
    #[derive(Default)]
    struct Steps(Mutex<Vec<String>>);
    impl Progress for Steps {
        fn event(&self, event: ProgressEvent) {
            match event {
                ProgressEvent::Connected => self.0.lock().unwrap().push("connected".to_owned()),
                ProgressEvent::Hop { hop: 2, inference, .. } => self.0.lock().unwrap().push(format!("ran {inference}")),
                _ => {}
            }
        }
    }
    for ahead in [false, true] {
        let steps = Arc::new(Steps::default());
        let mut setting = Setting { inputs: inputs(4), batch: 2, ahead, ..Setting::default() };
        let log = Arc::clone(&steps);
        setting.encoding = Arc::new(move |inference| log.0.lock().unwrap().push(format!("encoded {inference}")));
        setting.progress[1] = Arc::clone(&steps) as Arc<dyn Progress>;
        start(setting).data_owner.join().unwrap().unwrap();
        let expected = "encoded 0, encoded 1, encoded 2, encoded 3, connected, encoded 0, encoded 1, ran 1, encoded 2, \
                        encoded 3, ran 3";
        assert_eq!(steps.0.lock().unwrap().join(", "), expected, "{ahead}");
    }
}

#[test]
fn an_input_that_does_not_fit_is_refused_before_a_session_begins() {
    let program = program(tiny::data_owner(T), IDENTITY);
    let mut short = inputs(3);
    short[2][0].pop();
    let error = given(&program, short, &|_| {}).err().unwrap();
    assert_eq!(error.exit_code(), 1, "{error}");
    let none = given(&program, Vec::new(), &|_| {}).err().unwrap();
    assert!(none.to_string().contains("give at least one"), "{none}");
    let wrong =
        |inference| if inference < 2 { Ok(inputs(1)[0].clone()) } else { Err("third.png: too large".to_owned()) };
    let wrong = Inputs::checked(&program.code, 3, Box::new(wrong)).err().unwrap();
    assert_eq!((wrong.exit_code(), wrong.to_string().as_str()), (1, "third.png: too large"));
}
