//! `mpcc run`: a private inference, all three roles on this machine or one role of a real deployment.

mod children;
mod deployed;
pub(crate) mod local;
mod messages;
pub(crate) mod role_process;
pub(crate) mod roles;
mod saved;
mod summary;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use mpcc_channel::{Fingerprint, NetworkProfile};
use mpcc_cli::failure::Usage;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::ModelOptions;
use mpcc_cli::ranges::RangeOptions;
use mpcc_cli::terminal::Terminal;
use mpcc_program::code::Role;
use serde::{Deserialize, Serialize};

use crate::expect::ExpectOption;

/// Run a private inference.
///
/// Without --role, model owner, data owner and dealer run as three processes on this machine, connected by TLS with
/// keys that are thrown away: what a deployment does, in one command. With --role this process is one of them.
#[derive(Args, Debug)]
#[command(after_help = "\
A directory as input is a batch of separate inferences in one session. If its files lie in directories named after
labels, or bear their names, or a column says the labels, the accuracy is printed beside that of the float network. Files of a
directory that are no inputs are passed over and named.

Pictures are resized and cropped as the model's `preprocess` says, and turned as their EXIF orientation says. Text is one
example, or the two sentences of a pair with a tab between them; a .txt file holds one a line, .tsv and .csv name their columns
(`text`, `text2`, `label`), .jsonl has an object a line. A model with several inputs takes an .npz file with an array for each, or
one NAME=FILE for each.

Examples:
  mpcc run model.mpv --weights w.safetensors --input cat.png
  mpcc run model.mpca --weights w.safetensors --input test/ --net wan --json
  mpcc run reviews.mpca --weights w.safetensors --input \"What a film.\"
  mpcc run sentences.mpca --weights w.safetensors --input sentences.txt --save vectors.npy
  mpcc run pair.mpca --weights w.safetensors --input left=a.npy --input right=b.npy

  Each on its own machine, with the same model.mpca, an identity of its own (mpcc keygen id) and the fingerprints of
  the others:
  mpcc run model.mpca --role dealer --listen 0.0.0.0:7000 --identity id \\
       --model-owner-fingerprint mpcc1-… --data-owner-fingerprint mpcc1-…
  mpcc run model.mpca --role model-owner --listen 0.0.0.0:7001 --dealer dealer.example:7000 --identity id \\
       --peer mpcc1-… --dealer-fingerprint mpcc1-… --weights w.safetensors --max-inferences 100
  mpcc run model.mpca --role data-owner --connect model.example:7001 --dealer dealer.example:7000 --identity id \\
       --peer mpcc1-… --dealer-fingerprint mpcc1-… --input cat.png

  A later session of the same parties, dealer, program and weights compares one hash instead of sending the weights again.

  With what was dealt before (mpcc deal), no dealer takes part:
  mpcc run model.mpca --weights w.safetensors --input test/ --material dealt/
  mpcc run model.mpca --role model-owner --listen 0.0.0.0:7001 --identity id --peer mpcc1-… \\
       --material model-owner.material --weights w.safetensors --max-inferences 100")]
pub(crate) struct RunArguments {
    /// A model file or an artefact; every role needs the same.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Trained weights; only the model owner has them.
    #[arg(long, value_name = "W.safetensors")]
    weights: Option<PathBuf>,
    /// Inputs: pictures (.png, .jpg, .webp, .bmp, .tif), arrays (.npy, .npz), texts (.txt, .tsv, .csv, .jsonl), directories of
    /// them, or text for a model with a tokenizer; only the data owner has them. Takes several, and may be repeated. NAME=FILE
    /// gives one of several inputs.
    #[arg(long, value_name = "FILE|DIR|TEXT|NAME=FILE", num_args = 1..)]
    input: Vec<OsString>,
    /// Write the outputs of all inferences as an array: a .npy file, or a directory for NAME.npy of each output.
    #[arg(long, value_name = "OUT.npy|DIR")]
    save: Option<PathBuf>,
    /// The network between the roles, for which protocols are chosen and seconds predicted; a local run also imitates it.
    #[arg(long, value_name = "PROFILE", default_value = "loopback")]
    net: NetworkProfile,
    /// Whether a local run imitates the network.
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On)]
    net_emulate: Switch,
    /// How many inputs share hops, each with its own randomness: throughput rises until bandwidth or processors are full.
    /// At the model owner, the most it accepts at a time, 16 unless said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    batch: Option<u64>,
    /// Keep all material of a large model in memory, instead of what exceeds 256 MiB in an encrypted file without a name.
    #[arg(long)]
    in_memory: bool,
    /// Interpret local code instead of compiling it; the results are the same.
    #[arg(long)]
    interpret: bool,
    /// Whether a local run, which has weights and inputs, also evaluates the float network, compares, and says what it saw.
    #[arg(long, value_enum, value_name = "on|off", default_value_t = Switch::On, conflicts_with = "role")]
    check: Switch,
    /// Seconds within which all roles must have connected. In a local run also those within which they must have read their
    /// files, and not limited otherwise but to half an hour.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..86_400))]
    timeout: Option<u64>,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    #[command(flatten)]
    machine: MachineOptions,
    #[command(flatten)]
    expect: ExpectOption,
    #[command(flatten)]
    deployment: DeploymentArguments,
}

/// Options of one role of a real deployment.
#[derive(Args, Debug)]
#[command(next_help_heading = "One role of a real deployment")]
struct DeploymentArguments {
    /// Be only this role.
    #[arg(long, value_enum)]
    role: Option<RoleName>,
    /// Wait for the others at this host:port; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", requires = "role", conflicts_with = "connect")]
    listen: Option<String>,
    /// The other party's host:port.
    #[arg(long, value_name = "ADDR", requires = "role")]
    connect: Option<String>,
    /// The dealer's host:port.
    #[arg(long, value_name = "ADDR", requires = "role")]
    dealer: Option<String>,
    /// Own identity, made by `mpcc keygen`.
    #[arg(long, value_name = "DIR", requires = "role")]
    identity: Option<PathBuf>,
    /// The other party's fingerprint.
    #[arg(long, value_name = "FINGERPRINT", requires = "role")]
    peer: Option<Fingerprint>,
    /// The dealer's fingerprint.
    #[arg(long, value_name = "FINGERPRINT", requires = "role")]
    dealer_fingerprint: Option<Fingerprint>,
    /// The model owner's fingerprint, for the dealer.
    #[arg(long, value_name = "FINGERPRINT", requires = "role")]
    model_owner_fingerprint: Option<Fingerprint>,
    /// The data owner's fingerprint, for the dealer.
    #[arg(long, value_name = "FINGERPRINT", requires = "role")]
    data_owner_fingerprint: Option<Fingerprint>,
    /// Where used correlated randomness is recorded; without it, `state` in the identity. Never restore an old copy.
    #[arg(long, value_name = "DIR", requires = "role")]
    state: Option<PathBuf>,
    /// Take correlated randomness from this file, made by `mpcc deal`, instead of from a dealer. A local run takes the
    /// directory with both files, and records in it what it used.
    #[arg(long, value_name = "FILE|DIR")]
    material: Option<PathBuf>,
    /// The most inferences that the model owner serves in the session; it must say so. What the outputs of many inferences
    /// say together about the weights is its to judge: `mpcc inspect` counts the bits.
    #[arg(long, value_name = "N", requires = "role", value_parser = clap::value_parser!(u64).range(1..))]
    max_inferences: Option<u64>,
    /// The most gigabytes of masked weights that the data owner keeps for later sessions, 4 unless said: in `weights` of its
    /// state, encrypted under a key that follows from its identity; what was used longest ago goes first. With 0 nothing is
    /// kept, and what was kept is removed.
    #[arg(long, value_name = "GB", requires = "role")]
    keep_weights: Option<u64>,
    /// Send the model owner's weights under a fresh mask, and forget what this data owner holds of any program. Weights that
    /// changed never meet an earlier mask, with or without this.
    #[arg(long, requires = "role")]
    rotate_weights: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// A role, as written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleName {
    ModelOwner,
    DataOwner,
    Dealer,
}

impl RoleName {
    const ALL: [RoleName; 3] = [RoleName::ModelOwner, RoleName::DataOwner, RoleName::Dealer];

    fn role(self) -> Role {
        match self {
            RoleName::ModelOwner => Role::ModelOwner,
            RoleName::DataOwner => Role::DataOwner,
            RoleName::Dealer => Role::Dealer,
        }
    }

    /// The other party's role; no dealer has one.
    pub(crate) fn other(self) -> RoleName {
        if self == RoleName::ModelOwner { RoleName::DataOwner } else { RoleName::ModelOwner }
    }

    /// As options and files call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            RoleName::ModelOwner => "model-owner",
            RoleName::DataOwner => "data-owner",
            RoleName::Dealer => "dealer",
        }
    }

    /// As messages call it.
    pub(crate) fn called(self) -> &'static str {
        match self {
            RoleName::ModelOwner => "the model owner",
            RoleName::DataOwner => "the data owner",
            RoleName::Dealer => "the dealer",
        }
    }
}

pub(crate) fn run(arguments: &RunArguments, terminal: &Terminal) -> Result<()> {
    match arguments.deployment.role {
        Some(role) => deployed::run(arguments, role, terminal),
        None => {
            let Some(weights) = &arguments.weights else {
                return Err(Usage("a local run needs --weights (or --role for one role alone)".to_owned()).into());
            };
            if arguments.input.is_empty() {
                return Err(Usage("a local run needs --input (or --role for one role alone)".to_owned()).into());
            }
            local::run(arguments, weights, terminal)
        }
    }
}
