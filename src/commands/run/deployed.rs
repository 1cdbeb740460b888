//! One role of a real deployment, in this process.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use mpcc_channel::{Fingerprint, Identity, Listener, Peer};
use mpcc_cli::estimate::{self, Priced};
use mpcc_cli::failure::Usage;
use mpcc_cli::making;
use mpcc_cli::model::{self, Target};
use mpcc_cli::progress::Bar;
use mpcc_cli::report::Bytes;
use mpcc_cli::terminal::Terminal;
use mpcc_program::machine::Machine;
use mpcc_program::program::Supplier;
use mpcc_runtime::material::Inferences;
use mpcc_runtime::{Endpoint, Measurement, Progress, ProgressEvent, RoleReport};
use serde::Serialize;

use super::roles::{self, Meeting, Settings, Source};
use super::saved;
use super::summary::{Dealing, InferenceReport, Summary};
use super::{RoleName, RunArguments};
use crate::commands::calibrate;

/// Seconds within which all roles must have connected, unless said otherwise.
const TIMEOUT: u64 = 30;

/// Inferences that share hops which a model owner accepts, unless said otherwise: each takes memory.
const MOST_AT_A_TIME: u64 = 16;

/// Gigabytes of masked weights that a data owner keeps, unless said otherwise: those of several large models.
const KEPT_GIGABYTES: u64 = 4;

/// Bytes of one.
const GIGABYTE: u64 = 1_000_000_000;

#[derive(Serialize)]
struct Served {
    schema: &'static str,
    program: String,
    trust: String,
    dealer: Dealing,
    measured: RoleReport,
}

pub(super) fn run(arguments: &RunArguments, role: RoleName, terminal: &Terminal) -> Result<()> {
    refuse_foreign_options(arguments, role)?;
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let model = model::read(&arguments.model, &arguments.options, &arguments.ranges, None, &target, terminal)?;
    arguments.expect.check(&model.artefact)?;
    let identity = Identity::load(&needed(&arguments.deployment.identity, "--identity")?)?;
    let own = identity.fingerprint();
    let state = arguments.deployment.state.clone();
    let state = match state.or_else(|| arguments.deployment.identity.as_ref().map(|d| d.join("state"))) {
        Some(state) => state,
        None => return Err(Usage("--state is needed".to_owned()).into()),
    };
    refuse_twins(arguments, own)?;
    let supplier = model.artefact.program.supplier;
    let mut meeting = meeting(arguments, (role, supplier), state)?;
    let listening = match &meeting {
        Meeting::Party { peer_endpoint: Endpoint::Listen(listener), .. } | Meeting::Dealer { listener, .. } => {
            Some(listener.local_addr())
        }
        Meeting::Party { .. } => None,
    };
    saved::check(arguments.save.as_deref(), &model.artefact.program.outputs)?;
    let manifest = model.artefact.manifest.clone();
    // Every role has a machine of its own.
    let machine = Machine { cores: u32::MAX, ..calibrate::rates_at_hand(&arguments.machine)? };
    let weights = arguments.weights.as_deref();
    let code = (arguments.interpret, arguments.deployment.material.is_none());
    let prepared = roles::prepare(model.artefact, role, weights, &arguments.input, code, Some(terminal))?;
    let examples = prepared.examples.clone();
    if let (RoleName::DataOwner, Meeting::Party { source: Source::Made { inferences }, .. }) = (role, &mut meeting) {
        *inferences = Inferences::Exactly(examples.len() as u64);
    }
    let artefact = std::sync::Arc::clone(&prepared.artefact);
    let priced = Priced::new(&prepared.artefact.program, &machine);
    let mut predicted = priced.predict(&arguments.net, examples.len().max(1), arguments.batch.unwrap_or(1));
    if Dealing::of(arguments, supplier) == Dealing::Pair && role == RoleName::DataOwner {
        let link = estimate::link(&arguments.net);
        predicted =
            predicted.with_made(making::predicted(&prepared.artefact.program, examples.len() as u64, Some(link))?);
    }
    terminal.remark(&format!("{}, {own}", role.called().trim_start_matches("the ")));
    terminal.remark(&format!("program {}", manifest.program));
    if let Some(address) = listening {
        terminal.remark(&format!("listening on {address}"));
    }
    let settings = Settings {
        timeout: Duration::from_secs(arguments.timeout.unwrap_or(TIMEOUT)),
        shape: None,
        ahead: true,
        in_memory: arguments.in_memory,
        batch: arguments.batch.unwrap_or(if role == RoleName::ModelOwner { MOST_AT_A_TIME } else { 1 }),
        // More within one inference cost more memory than they save time.
        max_inferences: arguments.deployment.max_inferences,
        keep_weights: arguments.deployment.keep_weights.unwrap_or(KEPT_GIGABYTES).saturating_mul(GIGABYTE),
        rotate_weights: arguments.deployment.rotate_weights,
    };
    let bar = Bar::new(terminal, u64::from(predicted.hops) * examples.len() as u64, "running");
    let progress = Shown { terminal: terminal.clone(), bar };
    let done = roles::session(prepared, identity, meeting, &settings, &progress)?;
    progress.bar.finish();
    if role == RoleName::DataOwner {
        let measured = Measurement::new(&done.report, None, None);
        let inferences = InferenceReport::list(&examples, done.answers, &artefact)?;
        // What was learned is shown whether or not it can be written.
        let saved = arguments.save.as_ref().map_or(Ok(()), |path| saved::write(path, &inferences));
        let source = (arguments.net.name.clone(), Dealing::of(arguments, supplier));
        let shown = Summary::new(&manifest, inferences, None, predicted, measured, source).show(terminal);
        return saved.and(shown);
    }
    let served = Served {
        schema: "mpcc.role/1",
        program: manifest.program,
        trust: manifest.trust.to_owned(),
        dealer: Dealing::of(arguments, supplier),
        measured: done.report,
    };
    Ok(terminal.result(&served, || text(&served))?)
}

/// Weights are the model owner's and inputs the data owner's; nobody else may so much as name them.
fn refuse_foreign_options(arguments: &RunArguments, role: RoleName) -> Result<()> {
    let refuse = |text: &str| Err(Usage(text.to_owned()).into());
    let deployment = &arguments.deployment;
    if role != RoleName::ModelOwner && arguments.weights.is_some() {
        return refuse("--weights is for the model owner only: nobody else may have them");
    }
    if role != RoleName::DataOwner && !arguments.input.is_empty() {
        return refuse("--input is for the data owner only: nobody else may have it");
    }
    if role == RoleName::ModelOwner && arguments.weights.is_none() {
        return refuse("the model owner needs --weights");
    }
    if role == RoleName::ModelOwner && deployment.max_inferences.is_none() {
        return refuse(
            "the model owner says with --max-inferences how many inferences it serves in the session: each tells the \
             data owner something about the weights, and `mpcc inspect` says how much",
        );
    }
    if role == RoleName::DataOwner && arguments.input.is_empty() {
        return refuse("the data owner needs --input");
    }
    if role != RoleName::ModelOwner && deployment.max_inferences.is_some() {
        return refuse("--max-inferences is for the model owner only");
    }
    if role != RoleName::DataOwner && deployment.keep_weights.is_some() {
        return refuse("--keep-weights is for the data owner only: nobody else holds masked weights");
    }
    if role != RoleName::ModelOwner && deployment.rotate_weights {
        return refuse("--rotate-weights is for the model owner only; a data owner forgets with --keep-weights 0");
    }
    let for_dealer = deployment.model_owner_fingerprint.is_some() || deployment.data_owner_fingerprint.is_some();
    let for_party = deployment.connect.is_some()
        || deployment.dealer.is_some()
        || deployment.peer.is_some()
        || deployment.material.is_some()
        || deployment.dealer_fingerprint.is_some()
        || deployment.state.is_some();
    if role == RoleName::Dealer && for_party {
        return refuse("the dealer takes --listen, --identity, --model-owner-fingerprint and --data-owner-fingerprint");
    }
    if deployment.material.is_some() && (deployment.dealer.is_some() || deployment.dealer_fingerprint.is_some()) {
        return refuse("with --material there is no dealer: leave --dealer and --dealer-fingerprint out");
    }
    if role != RoleName::Dealer && for_dealer {
        return refuse("a party names the others with --peer and --dealer-fingerprint");
    }
    Ok(())
}

/// Three roles have three identities.
fn refuse_twins(arguments: &RunArguments, own: Fingerprint) -> Result<()> {
    let deployment = &arguments.deployment;
    let others = [
        deployment.peer,
        deployment.dealer_fingerprint,
        deployment.model_owner_fingerprint,
        deployment.data_owner_fingerprint,
    ];
    let mut seen = vec![own];
    for other in others.into_iter().flatten() {
        if seen.contains(&other) {
            return Err(Usage(format!("{other} is given for two roles: each has an identity of its own")).into());
        }
        seen.push(other);
    }
    Ok(())
}

fn needed<T: Clone>(option: &Option<T>, name: &str) -> Result<T> {
    option.clone().ok_or_else(|| Usage(format!("this role needs {name}")).into())
}

fn meeting(arguments: &RunArguments, (role, supplier): (RoleName, Supplier), state: PathBuf) -> Result<Meeting> {
    let deployment = &arguments.deployment;
    let peer = |role: RoleName, fingerprint: &Option<Fingerprint>, name: &str| -> Result<Peer> {
        Ok(Peer::new(role.called(), needed(fingerprint, name)?))
    };
    let named = deployment.dealer.is_some() || deployment.dealer_fingerprint.is_some();
    if supplier == Supplier::Pair && (role == RoleName::Dealer || named) {
        let text = "this program's parties make their correlated randomness themselves: no dealer takes part, and none is named";
        return Err(Usage(text.to_owned()).into());
    }
    if role == RoleName::Dealer {
        let model_owner = &deployment.model_owner_fingerprint;
        let data_owner = &deployment.data_owner_fingerprint;
        return Ok(Meeting::Dealer {
            model_owner: peer(RoleName::ModelOwner, model_owner, "--model-owner-fingerprint")?,
            data_owner: peer(RoleName::DataOwner, data_owner, "--data-owner-fingerprint")?,
            listener: Listener::bind(&needed(&deployment.listen, "--listen")?)?,
        });
    }
    let peer_endpoint = match (&deployment.listen, &deployment.connect) {
        (Some(address), None) => Endpoint::Listen(Listener::bind(address)?),
        (None, Some(address)) => Endpoint::Connect(address.clone()),
        _ => return Err(Usage("a party needs --listen or --connect; the other party the opposite".to_owned()).into()),
    };
    Ok(Meeting::Party {
        peer: peer(role.other(), &deployment.peer, "--peer")?,
        peer_endpoint,
        source: match (&deployment.material, supplier) {
            (Some(file), _) => Source::File(file.clone()),
            (None, Supplier::Pair) => {
                Source::Made { inferences: Inferences::AtMost(deployment.max_inferences.unwrap_or(0)) }
            }
            (None, Supplier::Dealer) => Source::Dealer {
                peer: peer(RoleName::Dealer, &deployment.dealer_fingerprint, "--dealer-fingerprint")?,
                address: needed(&deployment.dealer, "--dealer (or --material)")?,
            },
        },
        state,
    })
}

fn text(served: &Served) -> String {
    let measured = &served.measured;
    let sent: u64 = measured.inferences.iter().map(|i| i.online_bytes_sent).sum();
    let dealt: u64 = measured.inferences.iter().map(|i| i.offline_bytes).sum();
    let mut out = format!("program    {}\ntrust      {}\n", served.program, served.trust);
    if measured.role == "model-owner" {
        let how = if measured.setup_kept { "held by the data owner already" } else { "sent under a fresh mask" };
        out += &format!("weights    {how}\n");
    }
    out += &format!("served     {} inferences\n", measured.inferences.len());
    out += &match measured.role.as_str() {
        "dealer" => format!("dealt      {}\n", Bytes(dealt)),
        _ => format!("sent       {} online\n", Bytes(sent)),
    };
    out
}

/// A progress bar over all hops.
struct Shown {
    terminal: Terminal,
    bar: Bar,
}

impl Progress for Shown {
    fn event(&self, event: ProgressEvent) {
        if let ProgressEvent::Hop { hop, of, inference, .. } = event {
            self.bar.set((inference - 1) * of as u64 + hop as u64);
        }
    }

    fn remark(&self, text: &str) {
        self.bar.print(&self.terminal, text);
    }
}
