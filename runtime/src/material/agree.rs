//! Two parties that hold a file each find out, before anything secret moves, whether the files are halves of one batch
//! and where in it they continue.

use mpcc_channel::Duplex;
use mpcc_program::code::Role;

use super::MaterialFile;
use crate::counter_store::{CounterStore, Usage};
use crate::error::SessionError;
use crate::handshake::{Hello, SessionDigest, Wanted, confirm_material};
use crate::session::{Agreement, Own, RoleProgram, served};
use crate::setup::SetupRule;
use crate::transfer::kind;

/// Compares programs and batches with the peer. The first inference is the first that neither party has on record.
pub(crate) fn agree(
    peer: &mut dyn Duplex,
    file: &MaterialFile,
    program: &RoleProgram,
    (own, at_once): (&Own<'_>, u64),
    (store, grants): (&CounterStore, CounterStore),
) -> Result<Agreement, SessionError> {
    let role = program.code.code().role;
    let (asked, other) = own.asked(at_once);
    let hello = Hello::new(role, program.identity)?.with_files();
    let sent = hello.send(peer);
    let theirs = hello.receive_matching(peer, other)?;
    sent?;
    let (first, second) = match role {
        Role::ModelOwner => (&hello.nonce, &theirs),
        _ => (&theirs, &hello.nonce),
    };
    let contents = file.contents();
    let session = SessionDigest::of_material(&program.identity, first, second, file.commitment());
    let grant = contents.weight_grant;
    let Usage { sent, received, .. } = grants.usage(grant)?;
    let usage = Usage { received, ..store.usage(contents.batch)? };
    let theirs = confirm_material(peer, &session, contents.batch, file.commitment(), asked, &usage)?;
    peer.set_session(session.tag());
    let Wanted { inferences, at_once } = served(own, at_once, theirs.asked)?;
    let start = usage.next.max(theirs.usage.next);
    let left = contents.inferences.saturating_sub(start);
    if inferences > left {
        let (all, name) = (contents.inferences, file.name());
        return Err(SessionError::Exhausted(format!(
            "{name} has {left} of {all} inferences left, and {inferences} are asked for"
        )));
    }
    let setup = SetupRule::Alike { grant, grants, sent, at_peer: theirs.usage.received };
    Ok(Agreement { batch: contents.batch, seed: file.seed(), inferences, at_once, start, setup })
}

/// Compares what the session uses of the file with its index, and waits until the peer has done the same: neither
/// begins a setup that the other could not finish.
pub(crate) fn check(peer: &mut dyn Duplex, file: &mut MaterialFile, agreement: &Agreement) -> Result<(), SessionError> {
    file.verify(agreement.start..agreement.start + agreement.inferences, |_| {})?;
    peer.send(kind::MATERIAL_INTACT, vec![1])?;
    peer.recv_exact(kind::MATERIAL_INTACT, 1)?;
    Ok(())
}
