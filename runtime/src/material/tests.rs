//! Files of a hand-made program, and sessions of two parties that hold one each.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mpcc_channel::{Duplex, insecure_memory_pair};
use mpcc_program::code::{Role, RoleCode};

use super::*;
use crate::NoProgress;
use crate::counter_store::{CounterStore, Usage};
use crate::error::SessionError;
use crate::handshake::{Hello, SessionDigest, Wanted, confirm_material};
use crate::session::{Own, Session, converse};
use crate::tests::tiny::{self, Tiny};
use crate::tests::{IDENTITY, given, numbers, program};
use crate::transfer::kind;

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
    directory: &Path,
    code: RoleCode,
    own: impl FnOnce(&crate::RoleProgram) -> Own<'static>,
) -> Result<Vec<i64>, SessionError> {
    let program = program(code, IDENTITY);
    let (role, own) = (program.code.code().role, own(&program));
    let mut file = opened(directory, role);
    let store = CounterStore::open_material(&directory.join(format!("{role:?}")), file.contents().batch, role)?;
    let agreement = agree(&mut link, &file, &program, (&own, 1), &store)?;
    check(&mut link, &mut file, &agreement)?;
    let session =
        Session { program: &program, agreement, store: &store, spill: None, ahead: false, progress: &NoProgress };
    let (outputs, _) = converse(&mut link, &mut MaterialLink::new(file), own, session)?;
    Ok(outputs.first().and_then(|one| one.first()).map(|output| output.signed()).unwrap_or_default())
}

/// What the model owner and the data owner have of a session.
fn session(t: Tiny, directory: &Path, weights: &[u64], input: &[u64]) -> [Result<Vec<i64>, SessionError>; 2] {
    let (mut first, mut second) = insecure_memory_pair("the model owner", "the data owner");
    first.set_idle_timeout(Duration::from_secs(5));
    second.set_idle_timeout(Duration::from_secs(5));
    let (weights, inputs) = (vec![weights.to_vec()], vec![vec![input.to_vec()]]);
    std::thread::scope(|scope| {
        let weights = |_: &_| Own::Weights { weights, most_inferences: 1 };
        let model_owner = scope.spawn(|| party(first, directory, tiny::model_owner(t), weights));
        let inputs = |program: &_| Own::Inputs(given(program, inputs, &|_| {}).unwrap());
        let data_owner = party(second, directory, tiny::data_owner(t), inputs);
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
        let store = CounterStore::open_material(directory.path(), file.contents().batch, Role::DataOwner).unwrap();
        let agreement = agree(&mut link, &file, &program, (&own, 1), &store).unwrap();
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
    let batch = Batch { program: IDENTITY, tables: [1; HASH], id: BatchId([2; 16]), inferences: 3 };
    let lengths = Lengths { setup: 4, inference: 5 };
    let seed = || Secret([6; 16]);
    let roots = [
        root(Role::ModelOwner, lengths, &seed(), &[7]),
        root(Role::DataOwner, lengths, &seed(), &[7]),
        root(Role::ModelOwner, Lengths { setup: 5, ..lengths }, &seed(), &[7]),
        root(Role::ModelOwner, Lengths { inference: 4, ..lengths }, &seed(), &[7]),
        root(Role::ModelOwner, lengths, &Secret([7; 16]), &[7]),
        root(Role::ModelOwner, lengths, &seed(), &[8]),
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
