//! `mpcc cost`: what an inference will cost, before anything runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mpcc_channel::{NetworkProfile, ProfileError};
use mpcc_cli::estimate::{self, By, Priced, Row};
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::making;
use mpcc_cli::model::{self, ModelOptions, Opened, Target};
use mpcc_cli::ranges::RangeOptions;
use mpcc_cli::report::{Bytes, Predicted, Seconds, counted, made, offline, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::artefact::Artefact;
use mpcc_program::machine::Machine;
use mpcc_program::program::Supplier;
use mpcc_program::shown::shown;
use serde::Serialize;

use super::calibrate;
use super::inspect::cost_table;

/// Predict hops, bytes each way and seconds of an inference; nothing is run.
///
/// A hop is one simultaneous exchange between the parties. Hops and bytes are exact: a run measures the same.
/// Seconds are a model.
#[derive(Args, Debug)]
#[command(after_help = "\
Networks: loopback, lan (1 Gbit/s, 0.3 ms), wan (44 MB/s each way, 40 ms), or for example rtt=40ms,bw=44MB/s,
with uplink=one behind it where all that a role sends, as a dealer does to both parties, shares that rate.

Examples:
  mpcc cost model.mpca
  mpcc cost model.mpv --net lan,wan --by layer
  mpcc cost model.mpv --plan attn=ATTN_ROW --net rtt=10ms,bw=100Mbit/s --json")]
pub(crate) struct CostArguments {
    /// A model file or an artefact.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Networks, separated by commas.
    #[arg(long, value_name = "PROFILE,…", default_value = "loopback,lan,wan")]
    net: String,
    /// What the rows of the table stand for.
    #[arg(long, value_enum, default_value_t = By::Layer)]
    by: By,
    /// How many inferences share hops; seconds are then one inference's part of a batch, rows those of one alone.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4096))]
    batch: u64,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    ranges: RangeOptions,
    #[command(flatten)]
    machine: MachineOptions,
    /// Trained weights, to observe value ranges with --calibrate.
    #[arg(long, value_name = "W.safetensors")]
    weights: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    /// The machine by whose rates seconds are.
    rates: String,
    program: String,
    trust: String,
    #[serde(skip)]
    supplier: Supplier,
    /// On the first network.
    predicted: Predicted,
    /// Rows on the first network.
    layers: Vec<Row>,
    networks: Vec<OnNetwork>,
}

#[derive(Serialize)]
struct OnNetwork {
    network: Network,
    /// Of a source, the program with the protocols that are best on this network.
    program: String,
    #[serde(skip)]
    trust: String,
    #[serde(skip)]
    supplier: Supplier,
    /// How often each protocol is taken where there is a choice.
    protocols: BTreeMap<String, usize>,
    predicted: Predicted,
    layers: Vec<Row>,
}

/// A network as JSON has it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Network {
    name: String,
    round_trip_seconds: f64,
    bytes_per_second: f64,
    one_uplink: bool,
}

impl Network {
    /// As it was named.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl From<&NetworkProfile> for Network {
    fn from(profile: &NetworkProfile) -> Self {
        Self {
            name: profile.name.clone(),
            round_trip_seconds: profile.round_trip_seconds,
            bytes_per_second: profile.bytes_per_second,
            one_uplink: profile.one_uplink,
        }
    }
}

/// Profiles separated by commas; `rtt=…,bw=…` is one of them, which ends where a field comes again.
pub(crate) fn profiles(text: &str) -> Result<Vec<NetworkProfile>, ProfileError> {
    let key = |field: &str| field.split_once('=').map(|(name, _)| name.trim().to_owned());
    let has = |profile: &str, name: String| profile.split(',').any(|field| key(field) == Some(name.clone()));
    let mut fields: Vec<String> = Vec::new();
    for field in text.split(',') {
        match fields.last_mut() {
            Some(last) if key(field).is_some_and(|name| key(last).is_some() && !has(last, name)) => {
                last.push(',');
                last.push_str(field);
            }
            _ => fields.push(field.to_owned()),
        }
    }
    fields.iter().map(|field| field.parse()).collect()
}

pub(crate) fn run(arguments: &CostArguments, terminal: &Terminal) -> Result<()> {
    let networks = profiles(&arguments.net)?;
    let machine = arguments.machine.read()?;
    let rates = calibrate::rates(&arguments.machine, terminal)?;
    let weights = arguments.weights.as_deref();
    let opened = model::open(&arguments.model, &arguments.options, &arguments.ranges, weights, terminal)?;
    let mut priced = Vec::with_capacity(networks.len());
    for network in networks {
        let target = Target { network, machine: machine.clone() };
        let planned;
        let artefact = match &opened {
            Opened::Artefact(artefact) => artefact,
            Opened::Source(source, ranges) => {
                planned = source.assemble(ranges, &target)?;
                &planned
            }
        };
        priced.push(on_network(artefact, &target.network, &rates, arguments)?);
    }
    let networks = priced;
    let report = Report {
        schema: "mpcc.cost/1",
        rates: rates.name,
        program: networks[0].program.clone(),
        trust: networks[0].trust.clone(),
        supplier: networks[0].supplier,
        predicted: networks[0].predicted.clone(),
        layers: networks[0].layers.clone(),
        networks,
    };
    Ok(terminal.result(&report, || text(&report))?)
}

fn on_network(
    artefact: &Artefact,
    network: &NetworkProfile,
    rates: &Machine,
    arguments: &CostArguments,
) -> Result<OnNetwork> {
    let priced = Priced::new(&artefact.program, rates);
    let manifest = &artefact.manifest;
    let made = making::predicted(&artefact.program, arguments.batch, Some(estimate::link(network)))?;
    let predicted = priced.predict(network, arguments.batch as usize, arguments.batch).with_made(made);
    Ok(OnNetwork {
        network: network.into(),
        program: manifest.program.clone(),
        trust: manifest.trust.to_owned(),
        protocols: counted(&manifest.choices).into_iter().map(|(p, n)| (p.to_owned(), n)).collect(),
        supplier: artefact.program.supplier,
        predicted,
        layers: priced.rows(network, arguments.by),
    })
}

fn text(report: &Report) -> String {
    let predicted = &report.predicted;
    let mut out = format!("program    {}\ntrust      {}\n", report.program, report.trust);
    out += &format!(
        "hops       {}\nonline     {} from the model owner, {} from the data owner\noffline    {}\n{}",
        predicted.hops,
        Bytes(predicted.online_bytes.model_owner),
        Bytes(predicted.online_bytes.data_owner),
        offline(predicted.offline_bytes, report.supplier),
        made(predicted.made.as_ref())
    );
    out += &format!(
        "setup      {} in a first session, {} in a later one\n",
        Bytes(predicted.setup_bytes),
        Bytes(predicted.setup_again_bytes)
    );
    out += &format!("seconds    by the rates of {}\n\n", shown(&report.rates));
    let rows: Vec<Vec<String>> = report
        .networks
        .iter()
        .map(|n| {
            let p = &n.predicted;
            let seconds = [p.online_seconds, p.offline_seconds, p.setup_seconds, p.setup_again_seconds];
            let mut row = vec![n.network.name.clone(), n.predicted.hops.to_string()];
            let sent = &n.predicted.online_bytes;
            row.push(Bytes(sent.model_owner.max(sent.data_owner)).to_string());
            let dealt = &n.predicted.offline_bytes;
            row.push(Bytes(dealt.model_owner.max(dealt.data_owner)).to_string());
            row.extend(seconds.map(|s| Seconds(s).to_string()));
            row
        })
        .collect();
    out += &table(&["network", "hops", "sent", "dealt", "online", "offline", "setup", "later"], &rows);
    for network in &report.networks {
        if !network.protocols.is_empty() {
            let taken = network.protocols.iter().map(|(protocol, count)| format!("{count} × {protocol}"));
            out += &format!("{}: {}\n", network.network.name, taken.collect::<Vec<_>>().join(", "));
        }
    }
    for network in &report.networks {
        out += &format!("\n{}\n{}", network.network.name, cost_table(&network.layers, report.supplier, true));
        if report.networks.len() > 1 {
            out += "(--net PROFILE shows another network)\n";
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_networks_may_stand_in_a_list() {
        let names = |text| profiles(text).map(|p| p.into_iter().map(|p| p.name).collect::<Vec<_>>());
        assert_eq!(names("lan,wan").unwrap(), ["lan", "wan"]);
        let expected = ["lan", "rtt=1ms,bw=1MB/s", "bw=2MB/s,rtt=2ms", "wan"];
        assert_eq!(names("lan,rtt=1ms,bw=1MB/s,bw=2MB/s,rtt=2ms,wan").unwrap(), expected);
        let shared = "rtt=1ms,uplink=one,bw=1MB/s,rtt=2ms,bw=1MB/s,uplink=one,loopback";
        let apart = ["rtt=1ms,uplink=one,bw=1MB/s", "rtt=2ms,bw=1MB/s,uplink=one", "loopback"];
        assert_eq!(names(shared).unwrap(), apart);
        assert!(names("rtt=1ms").is_err() && names("lan,,wan").is_err());
    }
}
