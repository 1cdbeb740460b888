//! Several sessions of the same parties: weights travel once, and again under a fresh mask whenever they must.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mpcc_channel::{Counters, Duplex, Identity, LinkError, NetworkShape, Phase, SessionTag, insecure_memory_pair};
use mpcc_protocols::{Party, SessionSeed};

use super::{IDENTITY, Setting, T, expected, inputs, numbers, program, start, tiny, weights};
use crate::blame::Names;
use crate::counter_store::{BatchId, CounterStore};
use crate::setup::{Done, Ends, Part, SetupRule, set_up};
use crate::transfer::kind;
use crate::weights::{self, Address, Bound, Granter, Keeper, KeptWeights, Masked};
use crate::{Measurement, NoProgress, ProgramIdentity, Progress, ProgressEvent, RoleReport, SessionError, setup_bytes};

/// Bytes of the masked weights.
const MASKED: usize = (T.k * T.n * T.bits as usize).div_ceil(8);
const KEPT: u64 = 1 << 20;

/// Hears remarks.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn event(&self, _event: ProgressEvent) {}

    fn remark(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// Parties that meet again and again.
struct World {
    identities: [Identity; 3],
    state: tempfile::TempDir,
    identity: ProgramIdentity,
    weights: Vec<Vec<u64>>,
    keep: u64,
    rotate: bool,
    /// Weights by the masks that the data owner saw them under.
    masks: HashMap<Vec<u64>, Vec<u64>>,
}

/// A session that went well.
struct Met {
    data_owner: RoleReport,
    remarks: Vec<String>,
}

impl World {
    fn new() -> World {
        World {
            identities: std::array::from_fn(|_| Identity::generate().unwrap()),
            state: tempfile::tempdir().unwrap(),
            identity: IDENTITY,
            weights: weights(),
            keep: KEPT,
            rotate: false,
            masks: HashMap::new(),
        }
    }

    fn keeper(&self) -> Keeper {
        let [owner, own, dealer] = &self.identities;
        let address = Address::new(&self.identity, &owner.fingerprint(), Ok(&dealer.fingerprint()));
        Keeper::new(&self.state.path().join("data-owner"), own, address, KEPT).unwrap().unwrap()
    }

    fn kept(&self) -> KeptWeights {
        self.keeper().find(MASKED).unwrap().unwrap()
    }

    fn granter(&self) -> Granter {
        let [own, data_owner, dealer] = &self.identities;
        let bound = Bound {
            program: self.identity,
            weights: weights::digest(&self.weights),
            data_owner: data_owner.fingerprint(),
            dealer: dealer.fingerprint(),
        };
        Granter::open(&self.state.path().join("model-owner"), own, bound, false).unwrap()
    }

    /// All files of kept weights.
    fn files(&self) -> Vec<PathBuf> {
        let folder = self.state.path().join("data-owner/weights");
        folder.read_dir().map_or(Vec::new(), |files| files.map(|file| file.unwrap().path()).collect())
    }

    fn meet(&mut self) -> Met {
        let heard = Arc::new(Heard::default());
        let none = || Arc::new(NoProgress) as Arc<dyn Progress>;
        let session = start(Setting {
            programs: [self.identity; 3],
            weights: self.weights.clone(),
            inputs: inputs(2),
            identities: self.identities.clone(),
            state: Some(self.state.path().to_owned()),
            keep_weights: self.keep,
            rotate_weights: self.rotate,
            progress: [none(), Arc::clone(&heard) as Arc<dyn Progress>, none()],
            ..Setting::default()
        });
        let done = session.data_owner.join().unwrap().unwrap();
        let model_owner = session.model_owner.join().unwrap().unwrap();
        let dealer = session.dealer.join().unwrap().unwrap();
        for (outputs, input) in done.outputs.iter().zip(inputs(2)) {
            assert_eq!(outputs[0].signed(), tiny::plain(T, &input[0], &self.weights[0]));
        }
        let joint = Measurement::new(&done.report, Some(&model_owner), Some(&dealer));
        assert_eq!(done.report.setup_kept, model_owner.setup_kept);
        assert_eq!(joint.setup_kept, model_owner.setup_kept);
        assert_eq!(joint.setup_bytes, setup_bytes(MASKED as u64, joint.setup_kept));
        if self.keep > 0 {
            self.remember();
        }
        let remarks = heard.0.lock().unwrap().clone();
        Met { data_owner: done.report, remarks }
    }

    /// No mask meets two messages.
    fn remember(&mut self) {
        let masked = self.kept().message;
        let mut words = vec![0; T.k * T.n];
        mpcc_kernels::pack::unpack(&masked, u32::from(T.bits), &mut words).unwrap();
        let modulus = (1u64 << T.bits) - 1;
        let mask = words.iter().zip(&self.weights[0]).map(|(word, weight)| word.wrapping_sub(*weight) & modulus);
        let before = self.masks.insert(mask.collect(), words.clone());
        assert!(before.is_none_or(|before| before == words), "one mask met two messages");
    }

    /// A session that sends the weights, under a mask that none had before.
    fn sends(&mut self) -> Met {
        let masks = self.masks.len();
        let met = self.meet();
        assert!(!met.data_owner.setup_kept);
        assert!(met.data_owner.setup_bytes_received > MASKED as u64);
        assert_eq!(self.masks.len(), masks + usize::from(self.keep > 0), "the mask is fresh");
        met
    }

    /// A session that does not.
    fn compares(&mut self) -> Met {
        let masks = self.masks.len();
        let met = self.meet();
        assert!(met.data_owner.setup_kept);
        assert!(met.data_owner.setup_bytes_received < 100 && met.data_owner.setup_bytes_sent < 100);
        assert_eq!(self.masks.len(), masks);
        assert!(met.remarks.is_empty(), "{:?}", met.remarks);
        met
    }
}

#[test]
fn later_sessions_send_a_hash_and_give_the_same_answers() {
    let mut world = World::new();
    world.sends();
    let kept = world.kept().message;
    world.compares();
    world.compares();
    assert!(world.kept().message == kept);
    assert_eq!(world.files().len(), 1);
}

#[test]
fn weights_that_changed_meet_a_fresh_mask_and_so_do_they_when_they_change_back() {
    let mut world = World::new();
    world.sends();
    let first = std::mem::replace(&mut world.weights, vec![numbers(T.k * T.n, 4)]);
    world.sends();
    world.compares();
    world.weights = first;
    world.sends();
    world.compares();
    assert_eq!(world.masks.len(), 3);
}

#[test]
fn another_program_or_encoding_has_a_mask_of_its_own() {
    let mut world = World::new();
    world.sends();
    for other in [ProgramIdentity { binding: [7; 32], ..IDENTITY }, ProgramIdentity { program: [8; 32], ..IDENTITY }] {
        world.identity = other;
        world.sends();
        world.compares();
    }
    // What was sent for the first program serves it on.
    world.identity = IDENTITY;
    world.compares();
    assert_eq!((world.masks.len(), world.files().len()), (3, 3));
}

#[test]
fn another_data_owner_has_a_mask_of_its_own_and_cannot_read_what_the_first_kept() {
    let mut world = World::new();
    world.sends();
    // It even has the first one's state directory.
    world.identities[1] = Identity::generate().unwrap();
    let met = world.sends();
    assert!(met.remarks[0].contains("written under another identity"), "{:?}", met.remarks);
    world.compares();
}

#[test]
fn another_dealer_has_a_mask_of_its_own() {
    let mut world = World::new();
    world.sends();
    let first = std::mem::replace(&mut world.identities[2], Identity::generate().unwrap());
    world.sends();
    world.identities[2] = first;
    world.compares();
}

#[test]
fn a_rotated_mask_is_not_met_again() {
    let mut world = World::new();
    world.sends();
    world.rotate = true;
    world.sends();
    world.sends();
    world.rotate = false;
    world.compares();
    assert_eq!(world.masks.len(), 3);
}

/// A rotation counts even if its session fails.
#[test]
fn a_rotation_is_durable() {
    let mut world = World::new();
    world.sends();
    assert!(world.granter().known().is_some());
    let [own, data_owner, dealer] = &world.identities;
    let (data_owner, dealer) = (data_owner.fingerprint(), dealer.fingerprint());
    let bound = Bound { program: world.identity, weights: [1; 32], data_owner, dealer };
    let rotated = Granter::open(&world.state.path().join("model-owner"), own, bound, true).unwrap();
    assert!(rotated.known().is_none() && world.granter().known().is_none());
    world.sends();
}

/// Every byte of the file, and every length: it is refused with its name and why, and the weights come again.
#[test]
fn kept_weights_that_were_damaged_are_refused_and_come_again() {
    let mut world = World::new();
    world.sends();
    let path = world.files().pop().unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let why = world.keeper().find(MASKED).err().unwrap_or_default();
        assert!(why.contains("are refused and come again") && why.contains(&path.display().to_string()), "{why}");
    };
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        refused(&damaged);
    }
    for length in 0..good.len() {
        refused(&good[..length]);
    }
    refused(&[&good[..], &[0]].concat());
    let met = world.sends();
    assert!(met.remarks[0].contains("another length than was written"), "{:?}", met.remarks);
    assert_ne!(std::fs::read(&path).unwrap(), good);
    world.compares();
}

#[test]
fn kept_weights_of_another_address_are_refused() {
    let mut world = World::new();
    world.sends();
    let first = world.files().pop().unwrap();
    world.identity.program = [9; 32];
    world.sends();
    let second = world.files().into_iter().find(|file| *file != first).unwrap();
    std::fs::copy(&first, &second).unwrap();
    let met = world.sends();
    assert!(met.remarks[0].contains("another model, model owner or dealer"), "{:?}", met.remarks);
}

/// A data owner that went back to an earlier copy of its state holds weights that nobody means.
#[test]
fn an_earlier_copy_of_what_was_kept_serves_no_more() {
    let mut world = World::new();
    world.sends();
    let path = world.files().pop().unwrap();
    let earlier = std::fs::read(&path).unwrap();
    world.rotate = true;
    world.sends();
    world.rotate = false;
    std::fs::write(&path, earlier).unwrap();
    world.sends();
    world.compares();
}

/// A model owner that went back to an earlier copy of its record: masks follow from what they mask, so none meets two messages.
#[test]
fn an_earlier_copy_of_the_model_owners_record_does_no_harm() {
    let mut world = World::new();
    world.sends();
    let owner = world.state.path().join("model-owner");
    let record = owner.read_dir().unwrap().map(|file| file.unwrap().path()).find(|file| {
        file.file_name().unwrap().to_string_lossy().starts_with("weights-")
            && file.extension().is_some_and(|e| e == "json")
    });
    let record = record.unwrap();
    let earlier = std::fs::read(&record).unwrap();
    world.weights = vec![numbers(T.k * T.n, 4)];
    world.sends();
    std::fs::write(&record, &earlier).unwrap();
    world.sends();
    std::fs::write(&record, &earlier[1..]).unwrap();
    let identity = |at: usize| world.identities[at].clone();
    let bound = Bound {
        program: IDENTITY,
        weights: [0; 32],
        data_owner: identity(1).fingerprint(),
        dealer: identity(2).fingerprint(),
    };
    let error = Granter::open(&owner, &identity(0), bound, false).err().unwrap();
    let error = SessionError::from(error);
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("is not a record of masked weights"), "{error}");
}

#[test]
fn nothing_is_kept_by_who_keeps_nothing() {
    let mut world = World::new();
    world.sends();
    assert_eq!(world.files().len(), 1);
    world.keep = 0;
    world.sends();
    assert_eq!(world.files().len(), 0, "what was kept is removed");
    world.sends();
    // Too much for the limit is said, and nothing else is removed for it.
    world.keep = KEPT;
    world.sends();
    world.keep = 10;
    let met = world.meet();
    assert!(met.data_owner.setup_kept, "what is there serves whatever the limit is");
    world.rotate = true;
    let met = world.meet();
    assert!(met.remarks[0].contains("10 are allowed; --keep-weights allows more"), "{:?}", met.remarks);
}

/// The model owner's end of a link that looks at its record when the first masked byte is about to leave, and then breaks.
struct Breaking<D: Duplex> {
    inner: D,
    record: PathBuf,
    on_record: Arc<Mutex<Option<String>>>,
}

impl<D: Duplex> Duplex for Breaking<D> {
    fn peer(&self) -> &str {
        self.inner.peer()
    }

    fn send(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        if kind != kind::SETUP {
            return self.inner.send(kind, payload);
        }
        let digest = blake3::hash(&payload).to_hex().to_string();
        let record = std::fs::read_to_string(&self.record).unwrap_or_default();
        *self.on_record.lock().unwrap() = record.contains(&digest).then_some(digest);
        Err(LinkError::Lost { peer: "the data owner".to_owned(), detail: "it broke".to_owned() })
    }

    fn send_secret(&mut self, kind: u8, payload: Vec<u8>) -> Result<(), LinkError> {
        self.inner.send_secret(kind, payload)
    }

    fn recv(&mut self, kind: u8, most: usize) -> Result<Vec<u8>, LinkError> {
        self.inner.recv(kind, most)
    }

    fn set_phase(&mut self, phase: Phase) {
        self.inner.set_phase(phase);
    }

    fn set_session(&mut self, tag: SessionTag) {
        self.inner.set_session(tag);
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

/// The setup of a model owner alone, whose data owner says that it holds `held`; what the dealer is told comes back too.
fn model_owner_alone(
    world: &World,
    held: Vec<u8>,
    peer: impl FnOnce(mpcc_channel::InsecureMemoryLink) -> Box<dyn Duplex>,
) -> (Result<Done, SessionError>, Vec<u8>, Option<Vec<u8>>) {
    let (to_peer, mut from_owner) = insecure_memory_pair("the model owner", "the data owner");
    let (mut to_dealer, mut at_dealer) = insecure_memory_pair("the model owner", "the dealer");
    from_owner.send(kind::HELD, held).unwrap();
    let program = program(tiny::model_owner(T), world.identity);
    let seed = SessionSeed::take(&mut [1; 16]);
    let mut party =
        Party::new(Arc::clone(&program.code), Arc::clone(&program.executor), world.weights.clone(), seed).unwrap();
    let [_, data_owner, dealer] = &world.identities;
    let owner = world.state.path().join("model-owner");
    let store = CounterStore::open(&owner, &data_owner.fingerprint(), &dealer.fingerprint()).unwrap();
    let names = Names { peer: "the data owner".to_owned(), dealer: "the dealer".to_owned() };
    let mut to_peer = peer(to_peer);
    let ends = Ends { peer: &mut *to_peer, dealer: &mut to_dealer, names: &names, progress: &NoProgress };
    let part = Part::Grants(world.granter(), weights::digest(&world.weights));
    let batch = BatchId(crate::handshake::random().unwrap());
    let done = set_up(ends, &mut party, part, (&SetupRule::Once, &store, batch));
    drop((to_peer, to_dealer));
    let meant = from_owner.recv(kind::MEANT, 65).unwrap();
    let seed = at_dealer.recv_exact(kind::WEIGHT_GRANT, 16).unwrap();
    let sent = from_owner.recv(kind::SETUP, MASKED).ok();
    assert_eq!(meant.len(), 65);
    (done, seed, sent)
}

fn record_of(world: &World) -> PathBuf {
    let files = world.state.path().join("model-owner").read_dir().unwrap().map(|file| file.unwrap().path());
    let named = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().starts_with("weights-");
    files.into_iter().find(|file| named(file) && file.extension().is_some_and(|e| e == "json")).unwrap()
}

fn held(masked: Masked) -> Vec<u8> {
    [&[1][..], &masked.grant.0, &masked.digest].concat()
}

/// The record is written before a masked byte leaves. Who breaks then has lost a setup, and the next one has another mask.
#[test]
fn a_crash_between_the_record_and_the_message_repeats_nothing() {
    let mut world = World::new();
    world.sends();
    let (record, before) = (record_of(&world), world.granter().known());
    world.rotate = true;
    let on_record = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&on_record);
    let (broken, first, sent) =
        model_owner_alone(&world, vec![0; 49], move |inner| Box::new(Breaking { inner, record, on_record: seen }));
    assert!(sent.is_none());
    assert_eq!(broken.err().unwrap().exit_code(), 4);
    let on_record = on_record.lock().unwrap().clone();
    let known = world.granter().known();
    assert_eq!(on_record, known.map(|masked| blake3::Hash::from_bytes(masked.digest).to_hex().to_string()));
    assert!(known.is_some() && known != before);
    let (again, second, sent) = model_owner_alone(&world, vec![0; 49], |inner| Box::new(inner));
    assert!(!again.unwrap().kept);
    assert_ne!(first, second, "the mask of the lost setup is not used");
    assert!(sent.is_some());
    world.rotate = false;
    world.sends();
}

/// Only what the model owner has on record, grant and hash, is taken for held.
#[test]
fn parties_that_disagree_have_a_whole_setup() {
    let mut world = World::new();
    world.sends();
    let known = world.granter().known().unwrap();
    let (done, same, sent) = model_owner_alone(&world, held(known), |inner| Box::new(inner));
    assert!(done.unwrap().kept && sent.is_none());
    let mut seeds = vec![same];
    let others: [fn(Masked) -> Masked; 2] =
        [|known| Masked { grant: BatchId([3; 16]), ..known }, |known| Masked { digest: [3; 32], ..known }];
    for other in others {
        let known = world.granter().known().unwrap();
        let other = other(known);
        let (done, seed, sent) = model_owner_alone(&world, held(other), |inner| Box::new(inner));
        assert!(!done.unwrap().kept);
        assert_eq!(sent.unwrap().len(), MASKED);
        assert!(!seeds.contains(&seed) && world.granter().known() != Some(known));
        seeds.push(seed);
    }
    // The data owner holds what was sent before those.
    world.sends();
}

#[test]
fn malformed_words_of_the_data_owner_are_misbehaviour() {
    let world = World::new();
    let mut neither = vec![0; 49];
    neither[0] = 9;
    for bytes in [vec![], vec![0; 48], vec![0; 50], neither] {
        let done = model_owner_refuses(&world, bytes);
        assert_eq!(done.exit_code(), 3, "{done}");
        assert!(done.to_string().contains("the data owner"), "{done}");
    }
}

fn model_owner_refuses(world: &World, bytes: Vec<u8>) -> SessionError {
    let (mut to_peer, mut from_owner) = insecure_memory_pair("the model owner", "the data owner");
    let (mut to_dealer, _at_dealer) = insecure_memory_pair("the model owner", "the dealer");
    from_owner.send(kind::HELD, bytes).unwrap();
    let program = program(tiny::model_owner(T), world.identity);
    let seed = SessionSeed::take(&mut [1; 16]);
    let mut party =
        Party::new(Arc::clone(&program.code), Arc::clone(&program.executor), world.weights.clone(), seed).unwrap();
    let [_, data_owner, dealer] = &world.identities;
    let owner = world.state.path().join("model-owner");
    let store = CounterStore::open(&owner, &data_owner.fingerprint(), &dealer.fingerprint()).unwrap();
    let names = Names { peer: "the data owner".to_owned(), dealer: "the dealer".to_owned() };
    let ends = Ends { peer: &mut to_peer, dealer: &mut to_dealer, names: &names, progress: &NoProgress };
    let part = Part::Grants(world.granter(), weights::digest(&world.weights));
    set_up(ends, &mut party, part, (&SetupRule::Once, &store, BatchId([1; 16]))).err().unwrap()
}

/// Files of several models share the room: what was used longest ago goes first.
#[test]
fn what_is_kept_is_bounded() {
    let world = World::new();
    let [owner, own, dealer] = &world.identities;
    let keeper = |program: u8, most: u64| {
        let program = ProgramIdentity { program: [program; 32], ..IDENTITY };
        let address = Address::new(&program, &owner.fingerprint(), Ok(&dealer.fingerprint()));
        Keeper::new(world.state.path(), own, address, most).unwrap().unwrap()
    };
    const MESSAGE: usize = 1000;
    // Head, message, hash and tag.
    let one = (98 + MESSAGE + 32 + 16) as u64;
    let keep = |program: u8, most: u64| {
        let keeper = keeper(program, most);
        let mut keeping = keeper.begin(BatchId([program; 16]), MESSAGE)?;
        keeping.write(&[program; MESSAGE])?;
        keeping.finish(&[program; 32])
    };
    let there = |program: u8| keeper(program, KEPT).find(MESSAGE).unwrap().is_some();
    for program in 1..=3 {
        keep(program, 3 * one).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(there(1), "it is used, so it is the last to go");
    std::thread::sleep(Duration::from_millis(20));
    keep(4, 3 * one).unwrap();
    let file = world.state.path().join("weights").read_dir().unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().len(), one);
    assert_eq!([1, 2, 3, 4].map(there), [true, false, true, true]);
    assert!(keep(5, one - 1).unwrap_err().contains("not kept"));
    assert_eq!([1, 2, 3, 4].map(there), [true, false, true, true]);
    keep(5, one).unwrap();
    assert_eq!([1, 3, 4, 5].map(there), [false, false, false, true]);
    // One in its own place needs no second place.
    keep(5, one).unwrap();
    assert!(there(5));
}

/// What lies on the disk: nothing of the message, and for its owner only. What is not finished has no name.
#[test]
fn kept_weights_are_sealed_and_private() {
    let world = World::new();
    let keeper = world.keeper();
    let message: Vec<u8> = (0..MASKED).map(|i| i as u8).collect();
    let mut keeping = keeper.begin(BatchId([1; 16]), MASKED).unwrap();
    keeping.write(&message).unwrap();
    assert!(keeper.find(MASKED).unwrap().is_none());
    keeping.finish(&[2; 32]).unwrap();
    let kept = keeper.find(MASKED).unwrap().unwrap();
    assert!(kept.message == message);
    assert_eq!(kept.masked, Masked { grant: BatchId([1; 16]), digest: [2; 32] });
    let path = world.files().pop().unwrap();
    let first = std::fs::read(&path).unwrap();
    assert!(!first.windows(8).any(|window| message.windows(8).any(|part| part == window)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
    // The same message is sealed under another key each time.
    let mut keeping = keeper.begin(BatchId([1; 16]), MASKED).unwrap();
    keeping.write(&message).unwrap();
    keeping.finish(&[2; 32]).unwrap();
    let second = std::fs::read(&path).unwrap();
    assert_ne!(first[98..], second[98..]);
    drop(keeper.begin(BatchId([1; 16]), MASKED).unwrap());
    assert_eq!(world.files().len(), 1, "what was not finished is gone");
}

/// On a slow network a later setup takes one exchange of a hundred bytes.
#[test]
fn a_later_setup_takes_no_time_on_a_slow_network() {
    let mut world = World::new();
    world.sends();
    let shape = NetworkShape { round_trip: Duration::from_millis(40), bytes_per_second: 44e6, uplink: None };
    let setting = Setting {
        identities: world.identities.clone(),
        state: Some(world.state.path().to_owned()),
        keep_weights: KEPT,
        link: mpcc_channel::LinkOptions { shape: Some(shape), ..Setting::default().link },
        ..Setting::default()
    };
    let start_time = Instant::now();
    let session = start(setting);
    let done = session.data_owner.join().unwrap().unwrap();
    assert_eq!(done.outputs[0][0].signed(), expected(&inputs(1)[0]));
    assert!(done.report.setup_kept);
    assert!((0.02..0.3).contains(&done.report.setup_seconds), "{}", done.report.setup_seconds);
    assert!(start_time.elapsed() < Duration::from_secs(10));
}
