//! Deals ahead: makes the files of both parties for many inferences, on as many threads as asked for.
//!
//! Every section has its place before anything is dealt, so threads write where their inferences belong, whatever the
//! order in which they end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mpcc_program::code::Role;
use mpcc_protocols::{Dealer, ProtocolError, SessionSeed, WeightSeed};
use zeroize::Zeroize;

use super::draft::{Appeared, Draft, check_room, create_private_directory};
use super::{
    Batch, HASH, Head, Layout, Lengths, MaterialError, MaterialFile, Secret, Section, commitment, file_name, root,
};
use crate::counter_store::BatchId;
use crate::error::SessionError;
use crate::handshake::random;
use crate::identity::tables_digest;
use crate::session::{RoleProgram, check_role};

/// Memory that inferences dealt at the same time may take together.
const MEMORY_BYTES: u64 = 1 << 30;

/// What is to be dealt.
#[derive(Clone, Debug)]
pub struct DealOptions {
    /// How many inferences.
    pub inferences: u64,
    /// Threads that deal, inferences at the same time or parts of one.
    pub jobs: usize,
    /// Whether files that are there are replaced.
    pub replace: bool,
    /// The model owner's file of an earlier batch, whose mask of the weights this one has too; without it the mask is fresh.
    pub weights_of: Option<PathBuf>,
}

/// What was dealt.
#[derive(Clone, Debug)]
pub struct Dealt {
    /// Names the batch.
    pub batch: BatchId,
    /// Names the mask of the weights.
    pub weight_grant: BatchId,
    /// File of the model owner and its bytes.
    pub model_owner: (PathBuf, u64),
    /// File of the data owner and its bytes.
    pub data_owner: (PathBuf, u64),
}

/// Deals a batch into two files of `directory`, which is made if it does not exist. After every inference `progress` is
/// told how many are done, and says whether to go on.
///
/// # Errors
/// [`SessionError::Material`]; no file was then made or changed.
pub fn deal(
    program: &RoleProgram,
    directory: &Path,
    options: &DealOptions,
    progress: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Dealt, SessionError> {
    check_role(program, Role::Dealer)?;
    let roles = [Role::ModelOwner, Role::DataOwner];
    let paths = roles.map(|role| directory.join(file_name(role)));
    let there = paths.iter().find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there.filter(|_| !options.replace) {
        return Err(MaterialError::Exists(path.display().to_string()).into());
    }
    let (weight_grant, weight_seed) = weight_grant(program, options)?;
    let mut seeds: [[u8; 16]; 2] = [random()?, random()?];
    let secrets = seeds.map(Secret);
    seeds.zeroize();
    let [first, second] = &secrets;
    let seed = |secret: &Secret| SessionSeed::take(&mut secret.0.clone());
    let (code, executor) = (Arc::clone(&program.code), Arc::clone(&program.executor));
    let mut deals = Dealer::new(code, executor, seed(first), seed(second)).map_err(blame)?;
    deals.mask_weights_by(WeightSeed::take(&mut weight_seed.clone().0));
    let bytes = deals.inference_bytes();
    let lengths = [
        Lengths { setup: 0, inference: bytes.model_owner },
        Lengths { setup: deals.setup_bytes(), inference: bytes.data_owner },
    ];
    let layouts = lengths.map(|lengths| Layout { inferences: options.inferences, lengths });
    let [Some(for_model_owner), Some(for_data_owner)] = layouts.map(|layout| layout.file_bytes()) else {
        return Err(SessionError::Misuse("that many inferences fit in no file".to_owned()));
    };
    check_room(directory, for_model_owner.saturating_add(for_data_owner))?;
    create_private_directory(directory)?;
    let draft = |p: usize| Draft::new(directory, file_name(roles[p]), layouts[p]);
    let drafts = [draft(0)?, draft(1)?];
    fill(&drafts, deals, program.code.peak_bytes(), options, progress)?;

    let batch = Batch {
        program: program.identity,
        tables: tables_digest(),
        id: BatchId(random()?),
        inferences: options.inferences,
        weight_grant,
    };
    let weight_seeds = [Some(weight_seed), None];
    let seeds = |p: usize| [Some(&secrets[p]), weight_seeds[p].as_ref()];
    let roots: [[u8; HASH]; 2] =
        std::array::from_fn(|p| root(roles[p], lengths[p], seeds(p), &[0; HASH], &drafts[p].index()));
    let commitment = commitment(&batch, roots[0], roots[1]);
    for (p, draft) in drafts.iter().enumerate() {
        let (role, lengths, seed, other_root) = (roles[p], lengths[p], secrets[p].clone(), roots[1 - p]);
        let weight_seed = weight_seeds[p].clone();
        let weights = [0; HASH];
        draft.complete(&Head { role, batch, lengths, seed, weight_seed, weights, other_root, commitment })?;
    }
    let appeared = drafts.into_iter().zip(&paths).map(|(draft, path)| draft.appear(path, options.replace));
    appeared.collect::<Result<Vec<_>, _>>()?.into_iter().for_each(Appeared::keep);
    let [first, second] = paths;
    let model_owner = (first, for_model_owner);
    Ok(Dealt { batch: batch.id, weight_grant, model_owner, data_owner: (second, for_data_owner) })
}

/// The mask of the weights: fresh, or that of an earlier batch of the same program.
fn weight_grant(program: &RoleProgram, options: &DealOptions) -> Result<(BatchId, Secret), SessionError> {
    let Some(path) = &options.weights_of else {
        return Ok((BatchId(random()?), Secret(random()?)));
    };
    let file = MaterialFile::open_for(path, Role::ModelOwner, &program.identity)?;
    file.grant().ok_or_else(|| SessionError::Bug("a model owner's file without a mask".to_owned()))
}

/// Deals the setup and all inferences into the drafts.
fn fill(
    drafts: &[Draft; 2],
    mut dealer: Dealer,
    peak_bytes: u64,
    options: &DealOptions,
    progress: &(dyn Fn(u64) -> bool + Sync),
) -> Result<(), SessionError> {
    let [model_owner, data_owner] = drafts;
    let mut setup = data_owner.section(Section::Setup)?;
    dealer.setup(&mut setup).map_err(blame)?;
    setup.finish()?;
    // As many inferences at a time as memory allows.
    let jobs = options.jobs.max(1);
    let fitting = usize::try_from(MEMORY_BYTES / peak_bytes.max(1)).unwrap_or(usize::MAX);
    let at_once = jobs.min(fitting.max(1)).min(usize::try_from(options.inferences).unwrap_or(usize::MAX)).max(1);
    let (next, done) = (Mutex::new(0), AtomicU64::new(0));
    let work = || -> Result<(), SessionError> {
        loop {
            let (index, begun) = {
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                if *next >= options.inferences {
                    return Ok(());
                }
                *next += 1;
                (*next - 1, dealer.begin(*next - 1).map_err(blame)?)
            };
            let one = || -> Result<(), SessionError> {
                let mut to_model_owner = model_owner.section(Section::Inference(index))?;
                let mut to_data_owner = data_owner.section(Section::Inference(index))?;
                begun.write(&mut to_model_owner, &mut to_data_owner).map_err(blame)?;
                to_model_owner.finish()?;
                to_data_owner.finish()?;
                if progress(done.fetch_add(1, Ordering::Relaxed) + 1) {
                    Ok(())
                } else {
                    Err(MaterialError::Stopped.into())
                }
            };
            one().inspect_err(|_| {
                // Nobody begins another.
                *next.lock().unwrap_or_else(PoisonError::into_inner) = options.inferences;
            })?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..at_once).map(|_| scope.spawn(work)).collect();
        let own = work();
        threads.into_iter().fold(own, |so_far, thread| {
            let ended = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            so_far.and(ended)
        })
    })
}

fn blame(error: ProtocolError) -> SessionError {
    SessionError::from_protocol(error, "a party", "the dealer")
}
