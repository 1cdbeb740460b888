//! A role of a local run, in a process of its own that the run started.
//!
//! The parent holds the other end of standard input: when that closes, the parent is gone, and so is this process.

use std::io::{self, BufRead};
use std::process;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use mpcc_channel::{Identity, Listener, NetworkShape, Peer, Uplink};
use mpcc_cli::failure::{self, Bug, Said};
use mpcc_cli::model;
use mpcc_runtime::material::Inferences;
use mpcc_runtime::{Endpoint, NoProgress, Progress};
use serde::de::DeserializeOwned;

use super::RoleName;
use super::messages::{AnyPath, Event, Go, Job, ToParent};
use super::roles::{self, Meeting, Settings, Source};

/// The status with which a process ends whose parent is gone.
const PARENT_GONE: i32 = 4;

pub(crate) fn run() -> Result<()> {
    let lines = parent()?;
    match role(&lines) {
        Ok(()) => Ok(()),
        Err(error) => {
            let status = failure::status(&error);
            // Where that does not go through either, standard error says it.
            match (Event::Failed { status, message: failure::chain(&error) }).send() {
                Ok(()) => Err(Said(status).into()),
                Err(_) => Err(error),
            }
        }
    }
}

/// Lines of the parent; the process ends with them.
fn parent() -> Result<Receiver<String>> {
    let (send, lines) = mpsc::channel();
    let read = move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            // The session may be over and the receiver gone.
            let _ = send.send(line);
        }
        process::exit(PARENT_GONE);
    };
    thread::Builder::new().name("parent".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(lines)
}

fn receive<T: DeserializeOwned>(lines: &Receiver<String>) -> Result<T> {
    let line = lines.recv().map_err(|_| Bug("the parent said nothing".to_owned()))?;
    serde_json::from_str(&line).map_err(|e| Bug(format!("the parent's message: {e}")).into())
}

fn role(lines: &Receiver<String>) -> Result<()> {
    let job: Job = receive(lines)?;
    let artefact = model::read_artefact(job.artefact.path())?;
    let weights = job.weights.as_ref().map(AnyPath::path);
    let prepared =
        roles::prepare(artefact, job.role, weights, &job.input, (job.interpret, job.material.is_none()), None)?;
    let identity = Identity::load(job.identity.path())?;
    let listener = match job.role {
        RoleName::DataOwner => None,
        RoleName::ModelOwner | RoleName::Dealer => Some(Listener::bind("127.0.0.1:0")?),
    };
    Event::Ready { address: listener.as_ref().map(|l| l.local_addr().to_string()) }.send()?;
    let go: Go = receive(lines)?;

    let peer = |role: RoleName| -> Result<Peer> {
        let fingerprint = job.fingerprints[role as usize].parse()?;
        Ok(Peer::new(role.called(), fingerprint))
    };
    let meeting = match (job.role, listener) {
        (RoleName::Dealer, Some(listener)) => Meeting::Dealer {
            model_owner: peer(RoleName::ModelOwner)?,
            data_owner: peer(RoleName::DataOwner)?,
            listener,
        },
        (role, listener) => Meeting::Party {
            peer: peer(role.other())?,
            peer_endpoint: match listener {
                Some(listener) => Endpoint::Listen(listener),
                None => Endpoint::Connect(go.model_owner),
            },
            source: match (job.material, go.dealer) {
                (Some(file), _) => Source::File(file.path().to_owned()),
                (None, Some(address)) => Source::Dealer { peer: peer(RoleName::Dealer)?, address },
                (None, None) => Source::Made { inferences: Inferences::Exactly(job.inferences) },
            },
            state: job.state.path().to_owned(),
        },
    };
    let shape = job.shape.map(|(round_trip, bytes_per_second, one_uplink)| NetworkShape {
        round_trip: Duration::from_secs_f64(round_trip),
        bytes_per_second,
        uplink: one_uplink.then(Uplink::default),
    });
    let timeout = Duration::from_secs(job.timeout_seconds);
    let settings = Settings {
        timeout,
        shape,
        ahead: false,
        batch: job.batch,
        in_memory: job.in_memory,
        // The parties work at the same time, here on the same cores.
        max_inferences: Some(job.inferences),
        // The identities are thrown away, and with them the keys of what would be kept.
        keep_weights: 0,
        rotate_weights: false,
    };
    let progress: &dyn Progress = if job.role == RoleName::DataOwner { &ToParent::new() } else { &NoProgress };
    let done = roles::session(prepared, identity, meeting, &settings, progress)?;
    Event::Done { report: Box::new(done.report), answers: done.answers }.send()
}
