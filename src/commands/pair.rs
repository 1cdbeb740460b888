//! `mpcc pair`: two parties without a dealer make correlated randomness for many inferences ahead, each its own half.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use mpcc_channel::{Fingerprint, Identity, LinkError, LinkOptions, Listener, NetworkProfile, Peer};
use mpcc_cli::encoded;
use mpcc_cli::estimate;
use mpcc_cli::failure::{Bug, INTERRUPTED, Interrupted, Usage};
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::making;
use mpcc_cli::model::{self, ModelOptions, Target};
use mpcc_cli::progress::Bar;
use mpcc_cli::ranges::RangeOptions;
use mpcc_cli::report::{Bytes, MadePrediction, Seconds, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::Artefact;
use mpcc_import::weights;
use mpcc_program::program::Supplier;
use mpcc_runtime::material::{Inferences, PoolOptions, Pooled, pool};
use mpcc_runtime::{Endpoint, PerParty, RoleProgram, SessionError, peak_rss_bytes};
use serde::Serialize;

use super::run::{RoleName, roles};
use crate::expect::ExpectOption;

/// How long a party that is alive may work in silence.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Make correlated randomness with the other party, without a dealer.
///
/// Each party keeps its own half, and both then run with --material. What is made serves these two parties, this program and
/// these weights, and every inference in it once. Without --role both halves are made on this machine, as a local run takes them.
#[derive(Args, Debug)]
#[command(after_help = "\
A model file is compiled as by --supplier pair. A making that is broken off leaves no file at either party.

Examples:
  mpcc compile model.mpv --supplier pair -o model.mpca
  mpcc pair model.mpca --weights w.safetensors --inferences 20 --out made/
  mpcc run model.mpca --weights w.safetensors --input test/ --material made/

  Each on its own machine, with the same model.mpca and an identity of its own (mpcc keygen id):
  mpcc pair model.mpca --role model-owner --listen 0.0.0.0:7001 --identity id --peer mpcc1-… --weights w.safetensors \\
       --inferences 100 --out made/
  mpcc pair model.mpca --role data-owner --connect model.example:7001 --identity id --peer mpcc1-… --inferences 100 --out made/")]
pub(crate) struct PairArguments {
    /// A model file or an artefact; both parties need the same.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// How many inferences; both parties say the same.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    inferences: u64,
    /// The directory that the party's half, or both, are written to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
    /// Trained weights; only the model owner has them.
    #[arg(long, value_name = "W.safetensors")]
    weights: Option<PathBuf>,
    /// The network for which protocols of a model file are chosen; a local making also imitates it.
    #[arg(long, value_name = "PROFILE", default_value = "loopback")]
    net: NetworkProfile,
    /// Interpret local code instead of compiling it; the files are the same.
    #[arg(long)]
    interpret: bool,
    /// Seconds within which both parties must have connected.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..86_400))]
    timeout: u64,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    #[command(flatten)]
    machine: MachineOptions,
    #[command(flatten)]
    expect: ExpectOption,
    #[command(flatten)]
    deployment: Deployment,
}

/// Options of one party alone.
#[derive(Args, Debug)]
#[command(next_help_heading = "One party of a real deployment")]
struct Deployment {
    /// Be only this party: model-owner or data-owner.
    #[arg(long, value_enum, requires = "identity", requires = "peer")]
    role: Option<RoleName>,
    /// Wait for the other party at this host:port; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", requires = "role", conflicts_with = "connect")]
    listen: Option<String>,
    /// The other party's host:port.
    #[arg(long, value_name = "ADDR", requires = "role")]
    connect: Option<String>,
    /// Own identity, made by `mpcc keygen`.
    #[arg(long, value_name = "DIR", requires = "role")]
    identity: Option<PathBuf>,
    /// The other party's fingerprint.
    #[arg(long, value_name = "FINGERPRINT", requires = "role")]
    peer: Option<Fingerprint>,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    program: String,
    trust: &'static str,
    batch: String,
    inferences: u64,
    files: Vec<FileReport>,
    predicted: MadePrediction,
    measured: MadeMeasurement,
    peak_rss_bytes: Option<u64>,
}

#[derive(Serialize)]
struct FileReport {
    path: String,
    bytes: u64,
}

#[derive(Serialize)]
struct MadeMeasurement {
    hops: u64,
    bytes: PerParty<u64>,
    seconds: f64,
}

pub(crate) fn run(arguments: &PairArguments, terminal: &Terminal) -> Result<()> {
    refuse_foreign_options(arguments)?;
    let target = Target { network: arguments.net.clone(), machine: arguments.machine.read()? };
    let options = match model::is_artefact(&arguments.model) {
        true => arguments.options.clone(),
        false => arguments.options.clone().without_dealer(),
    };
    let weights = arguments.weights.as_deref();
    let model = model::read(&arguments.model, &options, &arguments.ranges, weights, &target, terminal)?;
    arguments.expect.check(&model.artefact)?;
    let artefact = model.artefact;
    if artefact.program.supplier != Supplier::Pair {
        let text = "this artefact takes a dealer: compile the model with --supplier pair";
        return Err(Usage(text.to_owned()).into());
    }
    let predicted = making::predicted(&artefact.program, arguments.inferences, Some(estimate::link(&target.network)))?;
    let predicted = predicted.ok_or_else(|| Bug("two parties make nothing".to_owned()))?;

    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let interrupt = move || {
        // A party that waits for the other one hears the first one late, and nothing that a making leaves counts.
        if stop.swap(true, Ordering::SeqCst) {
            process::exit(INTERRUPTED.into());
        }
    };
    ctrlc::set_handler(interrupt).context("cannot catch interruptions")?;
    let bar = Bar::new(terminal, arguments.inferences, "connecting");
    let progress = |done| {
        bar.say("making");
        bar.set(done);
        !stopped.load(Ordering::SeqCst)
    };
    let made = match arguments.deployment.role {
        Some(role) => deployed(arguments, role, &artefact, &progress, terminal).map(|one| (role, vec![one])),
        None => local(arguments, &artefact, &progress).map(|both| (RoleName::ModelOwner, both)),
    };
    bar.finish();
    if made.is_err() && stopped.load(Ordering::SeqCst) {
        return Err(Interrupted.into());
    }
    let (first, made) = made?;
    let report = Report::new(&artefact, arguments.inferences, predicted, first, &made)?;
    Ok(terminal.result(&report, || report.text())?)
}

/// Weights are the model owner's, and a dealer has no part.
fn refuse_foreign_options(arguments: &PairArguments) -> Result<()> {
    let refuse = |text: &str| Err(Usage(text.to_owned()).into());
    match (arguments.deployment.role, &arguments.weights) {
        (Some(RoleName::Dealer), _) => refuse("no dealer takes part: a party is the model owner or the data owner"),
        (Some(RoleName::DataOwner), Some(_)) => {
            refuse("--weights is for the model owner only: nobody else may have them")
        }
        (Some(RoleName::ModelOwner), None) => refuse("the model owner needs --weights: products with them are made"),
        (None, None) => refuse("a local making needs --weights (or --role for one party alone)"),
        _ => Ok(()),
    }
}

/// What a party is made of.
struct Maker {
    role: RoleName,
    program: RoleProgram,
    making: mpcc_runtime::material::Making,
    weights: Vec<Vec<u64>>,
}

impl Maker {
    fn new(arguments: &PairArguments, role: RoleName, artefact: &Artefact) -> Result<Self> {
        let weights = match (role, &arguments.weights) {
            (RoleName::ModelOwner, Some(file)) => {
                let params = weights::load(file, &artefact.graph)?.params;
                encoded::words(encoded::weights(artefact, params, None)?)
            }
            _ => Vec::new(),
        };
        let program = roles::program(artefact, role, arguments.interpret)?;
        let making = roles::making(artefact, role, arguments.interpret)?;
        let making = making.ok_or_else(|| Bug("a party that makes nothing".to_owned()))?;
        Ok(Self { role, program, making, weights })
    }

    fn make(
        self,
        arguments: &PairArguments,
        (identity, peer, peer_endpoint): (Identity, Peer, Endpoint),
        shape: Option<mpcc_channel::NetworkShape>,
        progress: &dyn Fn(u64) -> bool,
    ) -> Result<Pooled, SessionError> {
        let options = PoolOptions {
            identity,
            peer,
            peer_endpoint,
            peer_link: LinkOptions {
                setup_timeout: Duration::from_secs(arguments.timeout),
                shape,
                ..LinkOptions::default()
            },
            patience: PATIENCE,
            directory: arguments.out.clone(),
            inferences: Inferences::Exactly(arguments.inferences),
            replace: arguments.force,
        };
        pool(&options, (&self.program, &self.making), self.weights, progress)
    }
}

fn deployed(
    arguments: &PairArguments,
    role: RoleName,
    artefact: &Artefact,
    progress: &dyn Fn(u64) -> bool,
    terminal: &Terminal,
) -> Result<Pooled> {
    let deployment = &arguments.deployment;
    let (Some(identity), Some(peer)) = (&deployment.identity, deployment.peer) else {
        return Err(Usage("a party needs --identity and --peer".to_owned()).into());
    };
    let identity = Identity::load(identity)?;
    let own = identity.fingerprint();
    if own == peer {
        return Err(Usage(format!("{peer} is this party's own: the other one has another identity")).into());
    }
    let maker = Maker::new(arguments, role, artefact)?;
    let endpoint = match (&deployment.listen, &deployment.connect) {
        (Some(address), None) => Endpoint::Listen(Listener::bind(address)?),
        (None, Some(address)) => Endpoint::Connect(address.clone()),
        _ => return Err(Usage("a party needs --listen or --connect; the other party the opposite".to_owned()).into()),
    };
    terminal.remark(&format!("{}, {own}", role.called().trim_start_matches("the ")));
    terminal.remark(&format!("program {}", artefact.manifest.program));
    if let Endpoint::Listen(listener) = &endpoint {
        terminal.remark(&format!("listening on {}", listener.local_addr()));
    }
    let peer = Peer::new(role.other().called(), peer);
    Ok(maker.make(arguments, (identity, peer, endpoint), None, progress)?)
}

/// Both parties in this process, with keys that are thrown away, over a link of their own.
fn local(
    arguments: &PairArguments,
    artefact: &Artefact,
    progress: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Vec<Pooled>> {
    let roles = [RoleName::ModelOwner, RoleName::DataOwner];
    let [serving, asking] = roles.map(|role| Maker::new(arguments, role, artefact));
    let (serving, asking) = (serving?, asking?);
    let [first, second] = [Identity::generate()?, Identity::generate()?];
    let listener = Listener::bind("127.0.0.1:0")?;
    let address = listener.local_addr().to_string();
    let peers =
        [Peer::new(asking.role.called(), second.fingerprint()), Peer::new(serving.role.called(), first.fingerprint())];
    let [of_first, of_second] = peers;
    let shape = arguments.net.shape();
    let of_asking = shape.clone();
    thread::scope(|scope| {
        let asking = scope
            .spawn(|| asking.make(arguments, (second, of_second, Endpoint::Connect(address)), of_asking, &|_| true));
        let served = serving.make(arguments, (first, of_first, Endpoint::Listen(listener)), shape, progress);
        let asked = asking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (served, asked) {
            (Err(echo), Err(cause)) if is_echo(&echo) => Err(cause.into()),
            (served, asked) => Ok(vec![served?, asked?]),
        }
    })
}

/// Whether an error says no more than that the other party has left, which has an error of its own.
fn is_echo(error: &SessionError) -> bool {
    matches!(error, SessionError::Link(LinkError::Closed { .. } | LinkError::Lost { .. }))
}

impl Report {
    fn new(
        artefact: &Artefact,
        inferences: u64,
        predicted: MadePrediction,
        role: RoleName,
        made: &[Pooled],
    ) -> Result<Self> {
        let first = made.first().ok_or_else(|| Bug("nothing was made".to_owned()))?;
        let [sent, received] = first.bytes;
        let (model_owner, data_owner) = if role == RoleName::ModelOwner { (sent, received) } else { (received, sent) };
        Ok(Report {
            schema: "mpcc.pair/1",
            program: artefact.manifest.program.clone(),
            trust: artefact.manifest.trust,
            batch: first.batch.to_string(),
            inferences,
            files: made.iter().map(|one| FileReport { path: shown(&one.path), bytes: one.file_bytes }).collect(),
            predicted,
            measured: MadeMeasurement {
                hops: first.hops,
                bytes: PerParty { model_owner, data_owner },
                seconds: first.seconds,
            },
            peak_rss_bytes: peak_rss_bytes(),
        })
    }

    fn text(&self) -> String {
        let mut out = format!("program    {}\ntrust      {}\nbatch      {}\n", self.program, self.trust, self.batch);
        for file in &self.files {
            out += &format!("{:<11}{}\n", Bytes(file.bytes).to_string(), file.path);
        }
        let (p, m) = (&self.predicted, &self.measured);
        let bytes = |what: &str, p: u64, m: u64| vec![what.to_owned(), Bytes(p).to_string(), Bytes(m).to_string()];
        let rows = [
            vec!["hops".to_owned(), p.hops.to_string(), m.hops.to_string()],
            bytes("model owner sends", p.bytes.model_owner, m.bytes.model_owner),
            bytes("data owner sends", p.bytes.data_owner, m.bytes.data_owner),
            vec![
                "time".to_owned(),
                p.seconds.map_or("-".to_owned(), |s| Seconds(s).to_string()),
                Seconds(m.seconds).to_string(),
            ],
        ];
        let title = format!("for {} inferences", self.inferences);
        out + "\n" + &table(&[&title, "predicted", "measured"], &rows)
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
