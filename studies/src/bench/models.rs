//! `mpcc bench models`: whole networks in local sessions, predicted beside measured.

pub(super) mod catalogue;
mod markdown;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::estimate::Priced;
use mpcc_cli::failure::{Bug, Usage};
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::{self, SoftmaxShift, Target};
use mpcc_cli::report::{Bytes, Predicted, Seconds, table};
use mpcc_cli::terminal::Terminal;
use mpcc_program::machine::Machine;
use mpcc_runtime::{Measurement, PerParty, PerRole};
use serde::Serialize;

use self::catalogue::{MODELS, Model};
use super::session::Session;
use super::setting::Setting;
use super::subject::{Place, Subject};

/// The networks of MPCViT and MPCFormer in local sessions: hops, bytes, seconds and memory, predicted beside measured.
///
/// Weights and inputs are those of a seed, and ranges are observed on them: cost and speed depend on nothing else.
/// Every session is one inference in three fresh processes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc bench models --model cifar-half --repeat 5
  mpcc bench models --net loopback --machine machine.json --output report")]
pub(crate) struct ModelsArguments {
    /// Only the network of this name, or those whose names begin so. May be repeated.
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// The networks between the roles, imitated on loopback.
    #[arg(long, value_name = "PROFILE,…", value_delimiter = ',', default_values = ["loopback"])]
    net: Vec<NetworkProfile>,
    /// Sessions of each; medians are reported. 0 only predicts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: usize,
    /// Seed of weights and inputs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What a second before the input is known counts, beside one after, when protocols are chosen.
    #[arg(long, value_name = "A", value_parser = model::alpha, default_value_t = 1.0)]
    alpha: f64,
    /// What a softmax subtracts from a row, as `mpcc compile` takes it.
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    softmax: SoftmaxShift,
    /// Also write a report in Markdown.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep artefacts, weights and inputs in this directory, a folder for each network.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineOptions,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    setting: Setting,
    /// Whose rates seconds are predicted with.
    rates: String,
    alpha: f64,
    entries: Vec<Entry>,
}

/// A network on a network.
#[derive(Serialize)]
struct Entry {
    model: &'static str,
    what: &'static str,
    network: String,
    /// Hash of the program.
    program: String,
    predicted: Predicted,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Medians>,
    /// What the network alone takes, and the same program without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ideal: Option<Ideal>,
}

/// Counts of every session, and medians of what differs between them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Medians {
    pub(super) sessions: usize,
    pub(super) hops: u64,
    pub(super) online_bytes: PerParty<u64>,
    pub(super) offline_bytes: PerParty<u64>,
    pub(super) setup_bytes: u64,
    pub(super) online_seconds: f64,
    /// Of the fastest and of the slowest session.
    pub(super) online_extremes: [f64; 2],
    pub(super) offline_seconds: f64,
    pub(super) setup_seconds: f64,
    pub(super) peak_rss_bytes: PerRole<u64>,
}

/// The seconds below which no program of these hops and bytes can stay on a network, and what computing takes.
#[derive(Clone, Copy, Debug, Serialize)]
struct Ideal {
    /// Half a round trip for every hop.
    hop_seconds: f64,
    /// The bytes of the party that sends more, at the network's rate.
    line_seconds: f64,
    /// The same program on loopback.
    compute_seconds: f64,
    /// What is measured by the sum of all three.
    ratio: f64,
}

pub(super) fn run(arguments: &ModelsArguments, terminal: &Terminal) -> Result<()> {
    let machine = arguments.machine.read()?;
    let named = |m: &Model, name: &String| match MODELS.iter().any(|other| other.name == name) {
        true => m.name == name,
        false => m.name.starts_with(name),
    };
    let wanted = |m: &&Model| arguments.model.is_empty() || arguments.model.iter().any(|name| named(m, name));
    let chosen: Vec<&Model> = MODELS.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = MODELS.iter().map(|m| m.name).collect();
        return Err(Usage(format!("the networks are {}", names.join(", "))).into());
    }
    let place = Place::new(arguments.keep.as_deref())?;
    let mut entries = Vec::new();
    for model in chosen {
        terminal.remark(&format!("{}: weights, ranges and protocols", model.name));
        let subject = || -> Result<Subject> {
            Subject::new(model.source, &model.options(), arguments.seed, place.directory(model.name))
        };
        let subject = subject().context(model.name)?;
        for network in &arguments.net {
            let context = || format!("{} on {}", model.name, network.name);
            entries.push(entry(arguments, model, &subject, network, &machine, terminal).with_context(context)?);
        }
        place.clear(model.name)?;
    }
    let (setting, rates) = (Setting::read(), machine.name.clone());
    let report = Report { schema: "mpcc.bench.models/1", setting, rates, alpha: arguments.alpha, entries };
    if let Some(path) = &arguments.output {
        files::write(path, markdown::report(&report).as_bytes())?;
    }
    Ok(terminal.result(&report, || text(&report))?)
}

fn entry(
    arguments: &ModelsArguments,
    model: &Model,
    subject: &Subject,
    network: &NetworkProfile,
    machine: &Machine,
    terminal: &Terminal,
) -> Result<Entry> {
    let target = Target { network: network.clone(), machine: machine.clone() };
    let (artefact, program) = subject.plan(&target, arguments.alpha, arguments.softmax)?;
    let predicted = Priced::new(&artefact.program, machine).predict(network, 1, 1);
    let Subject { weights, inputs, .. } = subject;
    let session = Session { program: &program, weights, inputs, batch: 1, network: &network.name, imitated: true };
    let say = |what: &str, took: &Measurement| {
        terminal.remark(&format!("{} on {what}: {} online", model.name, Seconds(took.online_seconds)));
    };
    let mut sessions = Vec::new();
    for _ in 0..arguments.repeat {
        let took = session.run()?;
        say(&network.name, &took);
        sessions.push(took);
    }
    let measured = medians(&sessions)?;
    if let Some(measured) = &measured
        && measured.hops != u64::from(predicted.hops)
    {
        return Err(Bug(format!("{} hops were measured where {} are planned", measured.hops, predicted.hops)).into());
    }
    let ideal = match (&measured, network.shape()) {
        (Some(measured), Some(shape)) => {
            let mut alone = Vec::new();
            for _ in 0..arguments.repeat {
                let took = Session { imitated: false, ..session }.run()?;
                say("loopback, same program", &took);
                alone.push(took.online_seconds);
            }
            let PerParty { model_owner, data_owner } = measured.online_bytes;
            let hop_seconds = measured.hops as f64 * shape.round_trip.as_secs_f64() / 2.0;
            let line_seconds = model_owner.max(data_owner) as f64 / shape.bytes_per_second;
            let compute_seconds = median(alone);
            let ratio = measured.online_seconds / (hop_seconds + line_seconds + compute_seconds);
            Some(Ideal { hop_seconds, line_seconds, compute_seconds, ratio })
        }
        _ => None,
    };
    Ok(Entry {
        model: model.name,
        what: model.what,
        network: network.name.clone(),
        program: artefact.manifest.program,
        predicted,
        measured,
        ideal,
    })
}

/// Counts that all sessions share, and medians of the rest; nothing for no session.
pub(super) fn medians(sessions: &[Measurement]) -> Result<Option<Medians>> {
    let Some(first) = sessions.first() else { return Ok(None) };
    let counts = |m: &Measurement| (m.hops, m.online_bytes, m.offline_bytes, m.setup_bytes);
    if sessions.iter().any(|m| counts(m) != counts(first)) {
        bail!(Bug("two sessions of one program had other counts".to_owned()));
    }
    let of = |field: fn(&Measurement) -> f64| median(sessions.iter().map(field).collect());
    let online = sessions.iter().map(|m| m.online_seconds);
    let memory = |field: fn(&PerRole<Option<u64>>) -> Option<u64>| {
        sessions.iter().filter_map(|m| field(&m.peak_rss_bytes)).max().unwrap_or(0)
    };
    Ok(Some(Medians {
        sessions: sessions.len(),
        hops: first.hops,
        online_bytes: first.online_bytes,
        offline_bytes: first.offline_bytes,
        setup_bytes: first.setup_bytes,
        online_seconds: of(|m| m.online_seconds),
        online_extremes: [online.clone().fold(f64::INFINITY, f64::min), online.fold(0.0, f64::max)],
        offline_seconds: of(|m| m.offline_seconds),
        setup_seconds: of(|m| m.setup_seconds),
        peak_rss_bytes: PerRole {
            model_owner: memory(|m| m.model_owner),
            data_owner: memory(|m| m.data_owner),
            dealer: memory(|m| m.dealer),
        },
    }))
}

/// The middle one, or the mean of the middle two; 0 of none.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let count = numbers.len();
    match count {
        0 => 0.0,
        _ => f64::midpoint(numbers[(count - 1) / 2], numbers[count / 2]),
    }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut networks: Vec<&str> = report.entries.iter().map(|e| e.network.as_str()).collect();
    networks.dedup();
    networks.sort_unstable();
    networks.dedup();
    for network in networks {
        out += &format!("on {network}\n");
        let rows: Vec<_> = report.entries.iter().filter(|e| e.network == network).map(row).collect();
        let head =
            ["network", "hops", "sent", "dealt", "online", "run", "offline", "run", "setup", "run", "memory", "run"];
        out += &table(&head, &rows);
        out += "\n";
    }
    out += &format!("seconds are predicted with {} rates; run: medians of local sessions\n", report.rates);
    out + "sent: payload of the party that sends more; memory: of the party that holds more\n"
}

fn row(entry: &Entry) -> Vec<String> {
    let (p, m) = (&entry.predicted, entry.measured.as_ref());
    let ran = |field: fn(&Medians) -> f64| m.map_or(String::new(), |m| Seconds(field(m)).to_string());
    let held = m.map(|m| m.peak_rss_bytes.model_owner.max(m.peak_rss_bytes.data_owner));
    vec![
        entry.model.to_owned(),
        p.hops.to_string(),
        Bytes(p.online_bytes.model_owner.max(p.online_bytes.data_owner)).to_string(),
        Bytes(p.offline_bytes.model_owner + p.offline_bytes.data_owner).to_string(),
        Seconds(p.online_seconds).to_string(),
        ran(|m| m.online_seconds),
        Seconds(p.offline_seconds).to_string(),
        ran(|m| m.offline_seconds),
        Seconds(p.setup_seconds).to_string(),
        ran(|m| m.setup_seconds),
        Bytes(p.peak_rss_bytes.model_owner.max(p.peak_rss_bytes.data_owner)).to_string(),
        held.map_or(String::new(), |b| Bytes(b).to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn every_network_lowers() {
        for model in MODELS {
            let rewritten = mpcc_compiler::compile::rewrite(model.source, &model.options());
            // Published networks keep the eps that they were published with.
            let expected =
                |r: mpcc_compiler::compile::Rewritten| r.warnings.iter().all(|warning| warning.code == "W0007");
            assert!(rewritten.is_ok_and(expected), "{}", model.name);
        }
    }
}
