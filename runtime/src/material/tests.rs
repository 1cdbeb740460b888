//! Files of a hand-made program, and sessions of two parties that hold one each.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use mpcc_channel::{Duplex, Identity, insecure_memory_pair};
use mpcc_program::code::{Role, RoleCode};

use super::*;
use crate::NoProgress;
use crate::counter_store::{CounterStore, Usage};
use crate::error::SessionError;
use crate::handshake::{Hello, SessionDigest, Wanted, confirm_material};
use crate::session::{Own, Session, converse};
use crate::setup::Part;
use crate::tests::tiny::{self, Tiny};
use crate::tests::{IDENTITY, given, numbers, program};
use crate::transfer::kind;
use crate::weights::{Address, Keeper};

const SMALL: Tiny = Tiny { k: 7, n: 4, bits: 41 };
/// The data owner's corrections of an inference take two pieces of a file.
const LARGE: Tiny = Tiny { k: 1, n: 120_000, bits: 41 };

fn dealt(t: Tiny, inferences: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let options = DealOptions { inferences, jobs: 1, replace: false, weights_of: None };
    deal(&program(tiny::dealer(t), IDENTITY), directory.path(), &options, &|_| true).unwrap();
    directory
}

fn opened(directory: &Path, role: Role) -> MaterialFile {
    MaterialFile::open_for(&directory.join(file_name(role)), role, &IDENTITY).unwrap()
}

/// One party's session of one inference, with its record beside the files.
fn party(
    mut link: impl Duplex,
    (directory, state): (&Path, &Path),
    code: RoleCode,
    own: impl FnOnce(&crate::RoleProgram) -> Own<'static>,
) -> Result<(Vec<i64>, bool), SessionError> {
    let program = program(code, IDENTITY);
    let (role, own) = (program.code.code().role, own(&program));
    let mut file = opened(directory, role);
    let record = |batch| CounterStore::open_material(&state.join(format!("{role:?}")), batch, role);
    let (store, grants) = (record(file.contents().batch)?, record(file.contents().weight_grant)?);
    let part = match (file.weight_seed(), &own) {
        (Some(seed), Own::Weights { weights, .. }) => Part::Dealt(seed, crate::weights::digest(weights)),
        _ => {
            static OWN: OnceLock<Identity> = OnceLock::new();
            let identity = OWN.get_or_init(|| Identity::generate().unwrap());
            let address = Address::new(&IDENTITY, &identity.fingerprint(), Err(file.contents().weight_grant));
            let keeper = Keeper::new(state, identity, address, 1 << 30)?.unwrap();
            let exchange = &program.code.code().setup.exchange;
            let bytes = mpcc_protocols::message::message_len(&exchange.receive, &program.code.code().lengths);
            let held = keeper.find(bytes).unwrap();
            Part::Keeps(Some(keeper), held)
        }
    };
    let agreement = agree(&mut link, &file, &program, (&own, 1), (&store, grants))?;
    check(&mut link, &mut file, &agreement)?;
    let (program, store) = (&program, &store);
    let session = Session { program, agreement, part, store, spill: None, ahead: false, progress: &NoProgress };
    let (outputs, report) = converse(&mut link, &mut MaterialLink::new(file), own, session)?;
    let output = outputs.first().and_then(|one| one.first()).map(|output| output.signed()).unwrap_or_default();
    Ok((output, report.setup_kept))
}

/// What the model owner and the data owner have of a session.
fn session(t: Tiny, directory: &Path, weights: &[u64], input: &[u64]) -> [Result<Vec<i64>, SessionError>; 2] {
    session_with(t, (directory, directory), weights, input).map(|done| done.map(|(output, _)| output))
}

/// The same with what they remember in a place of its own, and whether the masked weights were those of an earlier session.
fn session_with(
    t: Tiny,
    places: (&Path, &Path),
    weights: &[u64],
    input: &[u64],
) -> [Result<(Vec<i64>, bool), SessionError>; 2] {
    let (mut first, mut second) = insecure_memory_pair("the model owner", "the data owner");
    first.set_idle_timeout(Duration::from_secs(5));
    second.set_idle_timeout(Duration::from_secs(5));
    let (weights, inputs) = (vec![weights.to_vec()], vec![vec![input.to_vec()]]);
    std::thread::scope(|scope| {
        let weights = |_: &_| Own::Weights { weights, most_inferences: 1 };
        let model_owner = scope.spawn(|| party(first, places, tiny::model_owner(t), weights));
        let inputs = |program: &_| Own::Inputs(given(program, inputs, &|_| {}).unwrap());
        let data_owner = party(second, places, tiny::data_owner(t), inputs);
        [model_owner.join().unwrap(), data_owner]
    })
}

#[test]
fn sections_of_several_pieces_serve_both_parties() {
    let directory = dealt(LARGE, 2);
    let mut file = opened(directory.path(), Role::DataOwner);
    let bytes = file.contents().inference_bytes;
    assert!(bytes > PIECE, "{bytes}");
    let mut compared = Vec::new();
    file.verify(0..2, |bytes| compared.push(bytes)).unwrap();
    assert_eq!(compared, [PIECE, bytes - PIECE, PIECE, bytes - PIECE]);
    let (weights, input) = (numbers(LARGE.n, 3), [5]);
    for _ in 0..2 {
        let [model_owner, data_owner] = session(LARGE, directory.path(), &weights, &input);
        model_owner.unwrap();
        assert!(data_owner.unwrap() == tiny::plain(LARGE, &input, &weights));
    }
}

/// The mask of a batch covers one encoding of the weights, whichever party has forgotten which one it was.
#[test]
fn a_batch_is_set_up_with_the_weights_that_either_party_remembers() {
    for forgetful in [Role::ModelOwner, Role::DataOwner] {
        let directory = dealt(SMALL, 3);
        let (weights, input) = (numbers(SMALL.k * SMALL.n, 3), numbers(SMALL.k, 1));
        let again = |salt| session(SMALL, directory.path(), &numbers(SMALL.k * SMALL.n, salt), &input);
        assert_eq!(again(3)[1].as_ref().unwrap(), &tiny::plain(SMALL, &input, &weights));
        fs::remove_dir_all(directory.path().join(format!("{forgetful:?}"))).unwrap();
        let [model_owner, data_owner] = again(4);
        let error = model_owner.unwrap_err();
        assert_eq!(error.exit_code(), 5, "{forgetful:?} forgot: {error}");
        assert!(data_owner.is_err());
        assert_eq!(again(3)[1].as_ref().unwrap(), &tiny::plain(SMALL, &input, &weights));
    }
}

#[test]
fn every_byte_of_a_head_counts() {
    let directory = dealt(SMALL, 1);
    let path = directory.path().join(file_name(Role::DataOwner));
    let good = fs::read(&path).unwrap();
    for at in 0..HEAD_BYTES {
        let mut altered = good.clone();
        altered[at] ^= 1;
        fs::write(&path, &altered).unwrap();
        let found = MaterialFile::open(&path);
        assert!(matches!(found, Err(MaterialError::Damaged { .. })), "byte {at}: {found:?}");
    }
    fs::write(&path, &good).unwrap();
    opened(directory.path(), Role::DataOwner);
}

/// Batches with one weight grant share masked weights, and the rule that they are of one model.
#[test]
fn batches_of_one_weight_grant_send_weights_once() {
    let first = dealt(SMALL, 3);
    let second = tempfile::tempdir().unwrap();
    let dealer = program(tiny::dealer(SMALL), IDENTITY);
    let weights_of = Some(first.path().join(file_name(Role::ModelOwner)));
    let options = DealOptions { inferences: 3, jobs: 1, replace: false, weights_of };
    deal(&dealer, second.path(), &options, &|_| true).unwrap();
    let contents = [&first, &second].map(|place| opened(place.path(), Role::DataOwner).contents());
    assert_eq!(contents[0].weight_grant, contents[1].weight_grant);
    assert_ne!(contents[0].batch, contents[1].batch);
    let state = tempfile::tempdir().unwrap();
    let (weights, other) = (numbers(SMALL.k * SMALL.n, 3), numbers(SMALL.k * SMALL.n, 4));
    for (place, kept) in [(&first, false), (&first, true), (&second, true), (&second, true)] {
        let places = (place.path(), state.path());
        let input = numbers(SMALL.k, 8);
        let done = session_with(SMALL, places, &weights, &input).map(Result::unwrap);
        assert_eq!(done[1], (tiny::plain(SMALL, &input, &weights), kept));
        assert_eq!(done[0].1, kept);
    }
    for place in [&first, &second] {
        let [model_owner, data_owner] = session_with(SMALL, (place.path(), state.path()), &other, &numbers(SMALL.k, 8));
        assert!(matches!(model_owner, Err(SessionError::MaterialUsed(_))), "one mask meets one model");
        assert!(data_owner.is_err());
    }
    // A data owner that forgot what it kept gets the same again.
    fs::remove_dir_all(state.path().join("weights")).unwrap();
    let again = session_with(SMALL, (second.path(), state.path()), &weights, &numbers(SMALL.k, 8)).map(Result::unwrap);
    assert!(!again[1].1);
    // A file of another program has no mask for this one.
    let elsewhere = program(tiny::dealer(SMALL), ProgramIdentity { program: [9; 32], ..IDENTITY });
    let foreign = deal(&elsewhere, &second.path().join("more"), &options, &|_| true).unwrap_err();
    assert!(matches!(foreign, SessionError::Material(MaterialError::Foreign { what: "program", .. })), "{foreign}");
}

/// After both have confirmed it, frames are of this session or refused.
#[test]
fn a_peer_is_heard_in_the_session_that_it_confirmed() {
    let heard = |in_session: bool| {
        let directory = dealt(SMALL, 1);
        let (mut peer, mut link) = insecure_memory_pair("the model owner", "the data owner");
        link.set_idle_timeout(Duration::from_secs(2));
        let theirs = opened(directory.path(), Role::ModelOwner);
        let script = std::thread::spawn(move || {
            let hello = Hello::new(Role::ModelOwner, IDENTITY).unwrap().with_files();
            hello.send(&mut peer).unwrap();
            let nonce = hello.receive_matching(&mut peer, Role::DataOwner).unwrap();
            let session = SessionDigest::of_material(&IDENTITY, &hello.nonce, &nonce, theirs.commitment());
            let wanted = Wanted { inferences: 1, at_once: 1 };
            let batch = theirs.contents().batch;
            confirm_material(&mut peer, &session, batch, theirs.commitment(), wanted, &Usage::default()).unwrap();
            if in_session {
                peer.set_session(session.tag());
            }
            peer.send(kind::MATERIAL_INTACT, vec![1]).unwrap();
            peer
        });
        let program = program(tiny::data_owner(SMALL), IDENTITY);
        let own = Own::Inputs(given(&program, vec![vec![numbers(SMALL.k, 1)]], &|_| {}).unwrap());
        let mut file = opened(directory.path(), Role::DataOwner);
        let record = |batch| CounterStore::open_material(directory.path(), batch, Role::DataOwner).unwrap();
        let (store, grants) = (record(file.contents().batch), record(file.contents().weight_grant));
        let agreement = agree(&mut link, &file, &program, (&own, 1), (&store, grants)).unwrap();
        let checked = check(&mut link, &mut file, &agreement);
        script.join().unwrap();
        checked
    };
    heard(true).unwrap();
    assert_eq!(heard(false).unwrap_err().exit_code(), 3);
}

#[test]
fn material_for_other_weights_or_other_tables_is_refused() {
    let directory = dealt(SMALL, 1);
    let path = directory.path().join(file_name(Role::DataOwner));
    let refused =
        |identity: &ProgramIdentity, named: &str| match MaterialFile::open_for(&path, Role::DataOwner, identity) {
            Err(MaterialError::Foreign { what, .. }) => assert_eq!(what, named),
            other => panic!("{other:?}"),
        };
    refused(&ProgramIdentity { program: [0xcd; 32], ..IDENTITY }, "program");
    refused(&ProgramIdentity { binding: [3; 32], ..IDENTITY }, "weights bound as");
    // As a dealer with another table would have written it.
    let bytes = fs::read(&path).unwrap();
    let mut head = Head::decode(&bytes[..HEAD_BYTES]).unwrap();
    let sections = head.layout().head_bytes().unwrap() as usize;
    let index = &bytes[HEAD_BYTES..sections];
    head.batch.tables[0] ^= 1;
    head.commitment = head.expected_commitment(head.root(index));
    fs::write(&path, [&head.encode(index)[..], &bytes[HEAD_BYTES..]].concat()).unwrap();
    refused(&IDENTITY, "the table of public factors");
}

/// Two files are halves of one batch only if all that is in both is.
#[test]
fn a_commitment_is_to_everything_in_both_files() {
    let (id, weight_grant) = (BatchId([2; 16]), BatchId([3; 16]));
    let batch = Batch { program: IDENTITY, tables: [1; HASH], id, inferences: 3, weight_grant };
    let lengths = Lengths { setup: 4, inference: 5 };
    let seed = || Secret([6; 16]);
    let other = Secret([8; 16]);
    let of = |seed| [Some(seed), None];
    let roots = [
        root(Role::ModelOwner, lengths, of(&seed()), &[0; HASH], &[7]),
        root(Role::DataOwner, lengths, of(&seed()), &[0; HASH], &[7]),
        root(Role::ModelOwner, Lengths { setup: 5, ..lengths }, of(&seed()), &[0; HASH], &[7]),
        root(Role::ModelOwner, Lengths { inference: 4, ..lengths }, of(&seed()), &[0; HASH], &[7]),
        root(Role::ModelOwner, lengths, of(&Secret([7; 16])), &[0; HASH], &[7]),
        root(Role::ModelOwner, lengths, of(&seed()), &[0; HASH], &[8]),
        root(Role::ModelOwner, lengths, of(&seed()), &[9; HASH], &[7]),
        root(Role::ModelOwner, lengths, [Some(&seed()), Some(&other)], &[0; HASH], &[7]),
    ];
    let commitments = [
        commitment(&batch, roots[0], roots[1]),
        commitment(&batch, roots[1], roots[1]),
        commitment(&batch, roots[0], roots[0]),
        commitment(&Batch { program: ProgramIdentity { program: [9; 32], ..IDENTITY }, ..batch }, roots[0], roots[1]),
        commitment(&Batch { program: ProgramIdentity { binding: [9; 32], ..IDENTITY }, ..batch }, roots[0], roots[1]),
        commitment(&Batch { tables: [9; HASH], ..batch }, roots[0], roots[1]),
        commitment(&Batch { id: BatchId([9; 16]), ..batch }, roots[0], roots[1]),
        commitment(&Batch { inferences: 9, ..batch }, roots[0], roots[1]),
        commitment(&Batch { weight_grant: BatchId([9; 16]), ..batch }, roots[0], roots[1]),
    ];
    for all in [&roots[..], &commitments] {
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_made_for_material_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new");
    let options = DealOptions { inferences: 1, jobs: 1, replace: false, weights_of: None };
    deal(&program(tiny::dealer(SMALL), IDENTITY), &directory, &options, &|_| true).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
}
