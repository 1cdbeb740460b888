//! The record of used correlations across crashes, roll-backs and damage.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mpcc_channel::Fingerprint;
use mpcc_program::code::Role;

use crate::counter_store::{BatchId, CounterError, CounterStore, Usage};
use crate::record::RecordError;

const BATCH: BatchId = BatchId([5; 16]);

fn open(directory: &tempfile::TempDir) -> CounterStore {
    open_for(directory, 1).unwrap()
}

fn open_for(directory: &tempfile::TempDir, peer: u8) -> Result<CounterStore, CounterError> {
    let print = |b| Fingerprint::of_certificate(&[b]);
    CounterStore::open(directory.path(), &print(peer), &print(100))
}

fn record(directory: &tempfile::TempDir) -> PathBuf {
    record_like(directory, "json")
}

fn record_like(directory: &tempfile::TempDir, ending: &str) -> PathBuf {
    let files = fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap().path());
    files.into_iter().find(|f| f.extension().is_some_and(|e| e == ending)).unwrap()
}

fn used(result: Result<(), CounterError>) -> bool {
    matches!(result, Err(CounterError::Used { .. }))
}

#[test]
fn a_batch_begins_once_and_indices_rise_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    open(&directory).begin(BATCH).unwrap();
    assert!(used(open(&directory).begin(BATCH)));
    open(&directory).claim(BATCH, 0, 0).unwrap();
    assert!(used(open(&directory).claim(BATCH, 0, 0)));
    open(&directory).claim(BATCH, 3, 3).unwrap();
    for (own, peer) in [(3, 4), (4, 3), (2, 9), (9, 0)] {
        assert!(used(open(&directory).claim(BATCH, own, peer)), "{own} {peer}");
    }
    open(&directory).claim(BATCH, 4, 4).unwrap();
}

#[test]
fn a_higher_index_of_the_peer_counts_as_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    store.begin(BATCH).unwrap();
    store.claim(BATCH, 1, 8).unwrap();
    assert!(used(store.claim(BATCH, 8, 9)));
    store.claim(BATCH, 9, 9).unwrap();
}

/// Two sessions that share a batch of files cannot use an index both, however many each takes at a time.
#[test]
fn indices_claimed_together_are_all_above_what_was_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    store.begin(BATCH).unwrap();
    store.claim_all(BATCH, 0..=3).unwrap();
    for indices in [0..=7, 3..=7, 0..=3, 2..=2] {
        assert!(used(store.claim_all(BATCH, indices)));
    }
    store.claim_all(BATCH, 4..=4).unwrap();
    assert!(used(store.claim(BATCH, 4, 4)));
    assert_eq!(store.usage(BATCH).unwrap().next, 5);
}

#[test]
fn a_batch_that_was_not_begun_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    assert!(used(open(&directory).claim(BATCH, 0, 0)));
}

#[test]
fn peers_have_records_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    open_for(&directory, 1).unwrap().begin(BATCH).unwrap();
    open_for(&directory, 2).unwrap().begin(BATCH).unwrap();
}

#[test]
fn dealers_have_records_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let print = |b| Fingerprint::of_certificate(&[b]);
    for dealer in [100, 101] {
        CounterStore::open(directory.path(), &print(1), &print(dealer)).unwrap().begin(BATCH).unwrap();
    }
    let again = CounterStore::open(directory.path(), &print(1), &print(101)).unwrap();
    assert!(used(again.begin(BATCH)));
    // Files of either party are a record each, and no link's.
    for role in [Role::ModelOwner, Role::DataOwner] {
        let store = CounterStore::open_material(directory.path(), BATCH, role).unwrap();
        assert_eq!(store.usage(BATCH).unwrap(), Usage::default());
        store.begin_again(BATCH, &[1; 32], None).unwrap();
        store.claim(BATCH, 4, 4).unwrap();
        assert_eq!(CounterStore::look_up(directory.path(), BATCH, role).unwrap().next, 5);
    }
}

/// 4096 batches are remembered, and the oldest is forgotten for the next.
#[test]
fn the_oldest_of_4096_batches_is_forgotten_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let batch = |n: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_le_bytes());
        BatchId(id)
    };
    open(&directory).begin(batch(0)).unwrap();
    let entry = |n: u16| format!(r#"{{"batch":"{}","own":7,"peer":null}}"#, batch(n));
    let entries: Vec<String> = (0..4096).map(entry).collect();
    let text = format!(r#"{{"schema":"mpcc.counters/1","batches":[{}]}}"#, entries.join(","));
    fs::write(record(&directory), text).unwrap();
    for n in [0, 1, 4095] {
        assert!(used(open(&directory).begin(batch(n))), "{n}");
    }
    open(&directory).begin(batch(4096)).unwrap();
    for n in [1, 2, 4095, 4096] {
        assert!(used(open(&directory).begin(batch(n))), "{n}");
    }
    assert!(used(open(&directory).claim(batch(1), 7, 7)));
    open(&directory).claim(batch(1), 8, 8).unwrap();
    // What is forgotten has no index that could be used.
    assert!(used(open(&directory).claim(batch(0), 8, 8)));
}

#[test]
fn a_setup_is_repeated_with_the_same_messages_only() {
    let directory = tempfile::tempdir().unwrap();
    let open = || CounterStore::open_material(directory.path(), BATCH, Role::ModelOwner).unwrap();
    assert_eq!(open().usage(BATCH).unwrap(), Usage::default());
    open().begin_again(BATCH, &[1; 32], None).unwrap();
    open().begin_again(BATCH, &[1; 32], None).unwrap();
    assert!(used(open().begin_again(BATCH, &[2; 32], None)));
    // What arrives is another message.
    open().arrived_again(BATCH, &[2; 32]).unwrap();
    assert!(used(open().arrived_again(BATCH, &[1; 32])));
    open().claim(BATCH, 6, 4).unwrap();
    let expected = Usage { next: 7, received: Some([2; 32]), sent: None };
    assert_eq!(open().usage(BATCH).unwrap(), expected);
    assert_eq!(CounterStore::look_up(directory.path(), BATCH, Role::ModelOwner).unwrap(), expected);
    assert_eq!(CounterStore::look_up(directory.path(), BATCH, Role::DataOwner).unwrap(), Usage::default());
    let other = BatchId([6; 16]);
    assert_eq!(CounterStore::look_up(directory.path(), other, Role::ModelOwner).unwrap(), Usage::default());
    assert!(used(open().claim(BATCH, 6, 9)));
}

/// Which weights a message masks is on record with it, once it is known.
#[test]
fn the_weights_of_a_setup_are_on_record() {
    let directory = tempfile::tempdir().unwrap();
    let open = || CounterStore::open_material(directory.path(), BATCH, Role::ModelOwner).unwrap();
    let sent = || open().usage(BATCH).unwrap().sent;
    open().begin_again(BATCH, &[1; 32], None).unwrap();
    assert_eq!(sent(), None);
    open().begin_again(BATCH, &[1; 32], Some(&[9; 32])).unwrap();
    assert_eq!(sent(), Some(([9; 32], [1; 32])));
    assert!(used(open().begin_again(BATCH, &[2; 32], Some(&[8; 32]))));
    assert_eq!(sent(), Some(([9; 32], [1; 32])));
    // Inferences of a batch whose setup is recorded elsewhere.
    let other = BatchId([6; 16]);
    assert!(used(open().claim(other, 0, 0)));
    open().note(other).unwrap();
    open().claim(other, 0, 0).unwrap();
    open().note(other).unwrap();
    assert!(used(open().claim(other, 0, 0)));
}

#[test]
fn a_damaged_hash_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let open = || CounterStore::open_material(directory.path(), BATCH, Role::DataOwner).unwrap();
    open().arrived_again(BATCH, &[0xab; 32]).unwrap();
    let path = record(&directory);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("abab", "xyxy")).unwrap();
    assert!(matches!(open().usage(BATCH), Err(CounterError::Record(RecordError::Malformed { .. }))));
}

#[test]
fn a_crash_before_the_rename_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    store.begin(BATCH).unwrap();
    store.claim(BATCH, 0, 0).unwrap();
    fs::write(directory.path().join(".tmpAbCdEf"), b"{\"schema\":\"mpcc.coun").unwrap();
    assert!(used(open(&directory).claim(BATCH, 0, 0)));
    open(&directory).claim(BATCH, 1, 1).unwrap();
}

#[test]
fn a_damaged_record_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    open(&directory).begin(BATCH).unwrap();
    let path = record(&directory);
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [&text[..text.len() / 2], "", "{\"schema\":\"mpcc.counters/9\",\"batches\":[]}"] {
        fs::write(&path, damaged).unwrap();
        let error = open_for(&directory, 1).unwrap_err();
        assert!(matches!(error, CounterError::Record(RecordError::Malformed { .. })), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
}

/// What cannot be read is not taken for nothing: every index would be free again.
#[test]
fn a_record_that_cannot_be_read_is_not_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    open(&directory).begin(BATCH).unwrap();
    let record = record(&directory);
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let found = open_for(&directory, 1).map(drop);
    assert!(matches!(found, Err(CounterError::Record(RecordError::File { action: "read", .. }))), "{found:?}");
}

/// A later version must find the record of either party, so it keeps its name.
#[test]
fn the_record_of_a_batch_in_files_is_named_after_it_and_its_party() {
    for (role, name) in [(Role::ModelOwner, "model-owner"), (Role::DataOwner, "data-owner")] {
        let directory = tempfile::tempdir().unwrap();
        CounterStore::open_material(directory.path(), BATCH, role).unwrap().begin_again(BATCH, &[1; 32], None).unwrap();
        let expected = format!("material-{}-{name}.json", "05".repeat(16));
        assert_eq!(record(&directory).file_name().unwrap().to_str(), Some(&expected[..]));
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let print = |b| Fingerprint::of_certificate(&[b]);
    let error = CounterStore::open(&file.join("below"), &print(1), &print(2)).unwrap_err();
    assert!(error.to_string().contains("cannot create"), "{error}");
}

fn lock(directory: &tempfile::TempDir) -> PathBuf {
    record_like(directory, "lock")
}

#[cfg(unix)]
#[test]
fn the_lock_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let mode = || fs::metadata(lock(&directory)).unwrap().permissions().mode() & 0o777;
    open(&directory);
    assert_eq!(mode(), 0o600);
    // As an earlier version left it.
    fs::set_permissions(lock(&directory), fs::Permissions::from_mode(0o644)).unwrap();
    open(&directory);
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_record_that_another_process_holds_is_waited_for_and_not_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).with_patience(Duration::from_secs(1));
    let held = fs::File::open(lock(&directory)).unwrap();
    held.lock().unwrap();
    let start = Instant::now();
    let error = store.begin(BATCH).unwrap_err();
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&start.elapsed()));
    let text = error.to_string();
    assert!(matches!(error, CounterError::Record(RecordError::Held { .. })), "{text}");
    assert!(text.contains(".lock for more than 1 s") && text.contains("another state directory"), "{text}");
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    store.begin(BATCH).unwrap();
    release.join().unwrap();
}

#[test]
fn concurrent_claims_are_all_recorded() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let directory = &directory;
            scope.spawn(move || open(directory).begin(BatchId([thread; 16])).unwrap());
        }
    });
    for thread in 0..8u8 {
        assert!(used(open(&directory).begin(BatchId([thread; 16]))));
    }
}
