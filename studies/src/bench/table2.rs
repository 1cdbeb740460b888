//! `mpcc bench table2`: what a layer of attention costs with each attention function, as in Table II of MPCViT
//! (Zeng et al., ICCV 2023).

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use mpcc_channel::NetworkProfile;
use mpcc_cli::estimate::{By, Priced};
use mpcc_cli::failure::Usage;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::{self, Target};
use mpcc_cli::progress::Bar;
use mpcc_cli::report::{Bytes, Predicted, Seconds, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::Decided;
use mpcc_compiler::ranges::Basis;
use serde::Serialize;

use super::experiment::{Experiment, has_static_shift};
use super::normal::Normal;
use super::session::{Measured, measure};
use super::variants::{SIZES, Size, VARIANTS, Variant};

/// Hops, bytes, seconds and error of a layer of attention with each attention function: the paper's Table II.
///
/// The layer is everything from a shared input to a shared output: queries, keys and values, scores, the function, the
/// product with the values, and the last linear layer; no norm. Weights and inputs are normal numbers of a seed.
#[derive(Args, Debug)]
#[command(after_help = "\
Hops are counted from the one that opens the layer's input to the last before the share of its output; a whole
network adds them up. Predicted online seconds are those of these hops. What is measured also reveals the output, in
one hop more.")]
pub(crate) struct Table2Arguments {
    /// Where sessions run to be measured: nowhere, on loopback, or also on an imitated wan.
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = Measure::Loopback, default_missing_value = "wan", num_args = 0..=1)]
    measure: Measure,
    /// Only layers of so many tokens: 65 or 257.
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Only functions whose name begins so. May be repeated.
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
    /// Seed of weights, inputs and rounding.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What a second before the input is known counts, beside one after, when protocols are chosen.
    #[arg(long, value_name = "A", value_parser = model::alpha, default_value_t = 0.0)]
    alpha: f64,
    #[command(flatten)]
    machine: MachineOptions,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    None,
    Loopback,
    Wan,
}

/// Inputs on which ranges are observed.
const CALIBRATION: u64 = 4;
/// Deviation of queries and keys: scores then have a deviation of about 0.5.
const KEY: f64 = 0.7;

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    machine: String,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    function: &'static str,
    size: String,
    tokens: usize,
    width: usize,
    heads: usize,
    /// The most hops that this function is to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    most_hops: Option<u16>,
    /// Σ |error| / Σ |value| of the program for wan.
    relative_error: f64,
    largest_error: f64,
    networks: Vec<OnNetwork>,
    /// SPU's rounds, and its least seconds on wan.
    #[serde(skip_serializing_if = "Option::is_none")]
    spu: Option<Spu>,
}

#[derive(Serialize)]
struct OnNetwork {
    network: String,
    /// From the opening of the layer's input to the share of its output.
    hops: u16,
    /// Whether a number stands in place of row maxima; where they lie too far apart for one, maxima are computed.
    static_shift: bool,
    /// Predicted for these hops.
    online_seconds: f64,
    /// With the reveal.
    predicted: Predicted,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
}

#[derive(Serialize)]
struct Spu {
    rounds: u32,
    least_wan_seconds: f64,
    /// That by our online seconds on wan.
    times_faster: f64,
}

pub(super) fn run(arguments: &Table2Arguments, terminal: &Terminal) -> Result<()> {
    let machine = arguments.machine.read()?;
    let wanted = |v: &Variant| {
        let begins = |f: &String| v.name.to_lowercase().starts_with(&f.to_lowercase());
        arguments.function.is_empty() || arguments.function.iter().any(begins)
    };
    let sizes = SIZES.iter().enumerate().filter(|(_, s)| arguments.tokens.is_none_or(|n| n == s.tokens));
    let chosen: Vec<(usize, &Size, &Variant)> =
        sizes.flat_map(|(i, size)| VARIANTS.iter().filter(|v| wanted(v)).map(move |v| (i, size, v))).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = VARIANTS.iter().map(|v| v.name).collect();
        return Err(Usage(format!("layers have 65 or 257 tokens, and functions are {}", names.join("; "))).into());
    }
    let bar = Bar::new(terminal, chosen.len() as u64, "layers");
    let mut layers = Vec::new();
    for (index, size, variant) in chosen {
        bar.say(variant.name);
        let targets = [NetworkProfile::loopback(), NetworkProfile::wan()]
            .map(|network| Target { network, machine: machine.clone() });
        let context = || format!("{} at {}", variant.name, size.name());
        layers.push(layer(arguments, variant, (index, *size), &targets).with_context(context)?);
        bar.advance();
    }
    bar.finish();
    let report = Report { schema: "mpcc.bench.table2/1", machine: machine.name.clone(), layers };
    Ok(terminal.result(&report, || text(&report))?)
}

fn layer(
    arguments: &Table2Arguments,
    variant: &Variant,
    (index, size): (usize, Size),
    targets: &[Target; 2],
) -> Result<Layer> {
    let seed = arguments.seed.wrapping_mul(64);
    let inputs = |index: u64| Normal::new(seed + index).tensor(&[size.tokens, size.width], 1.0);
    let calibration: Vec<_> = (1..=CALIBRATION).map(inputs).collect();
    let mut normal = Normal::new(seed + 63);
    let weight = |name: &str, shape: &[usize]| {
        let count = shape.iter().product();
        let inverse_root = 1.0 / (shape[shape.len() - 1] as f64).sqrt();
        match name {
            "zero" => vec![0.0; count],
            "q" | "k" => normal.numbers(count, KEY * inverse_root),
            "gamma" => normal.numbers(count, 1.0),
            _ if shape.len() == 1 => normal.numbers(count, 0.1),
            _ => normal.numbers(count, inverse_root),
        }
    };
    let experiment = Experiment::new(&variant.source(size), &LowerOptions::default(), weight, &calibration)?;
    let decided = Decided { softmax: Some(variant.softmax), basis: Basis::Observed, ..Decided::default() };
    let input = inputs(0);
    let mut networks = Vec::new();
    let mut outputs = None;
    for target in targets {
        let artefact = experiment.plan(target, decided, arguments.alpha)?;
        let priced = Priced::new(&artefact.program, &target.machine);
        let predicted = priced.predict(&target.network, 1, 1);
        let reveal = priced.rows(&target.network, By::Hop).last().map_or(0.0, |hop| hop.seconds);
        let online_seconds = predicted.online_seconds - reveal;
        let imitated = target.network.shape().is_some();
        let measured = match arguments.measure {
            Measure::Wan => true,
            Measure::Loopback => !imitated,
            Measure::None => false,
        };
        let name = target.network.name.clone();
        let measured =
            if measured { Some(measure(&artefact, &experiment.named_params(), &input, &name)?) } else { None };
        if imitated {
            outputs = Some(experiment.evaluate(&artefact, &input, arguments.seed)?);
        }
        let hops = artefact.program.hops - 1;
        let static_shift = has_static_shift(&artefact);
        networks.push(OnNetwork { network: name, hops, static_shift, online_seconds, predicted, measured });
    }
    let outputs = outputs.context("one of the networks is imitated")?;
    let wan = networks.last().map_or(f64::INFINITY, |n| n.online_seconds);
    let spu = variant.spu.map(|spu| {
        let least_wan_seconds = spu.least_seconds(index);
        Spu { rounds: spu.rounds[index], least_wan_seconds, times_faster: least_wan_seconds / wan }
    });
    Ok(Layer {
        function: variant.name,
        size: size.name(),
        tokens: size.tokens,
        width: size.width,
        heads: size.heads,
        most_hops: variant.most_hops,
        relative_error: outputs.relative_error(),
        largest_error: outputs.largest_error(),
        networks,
        spu,
    })
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let measured = report.layers.iter().flat_map(|l| &l.networks).any(|n| n.measured.is_some());
    for size in SIZES {
        for network in ["loopback", "wan"] {
            let rows: Vec<Vec<String>> =
                report.layers.iter().filter(|l| l.size == size.name()).filter_map(|l| row(l, network)).collect();
            if rows.is_empty() {
                continue;
            }
            out += &format!("{} on {network}\n", size.name());
            let mut head = vec!["function", "hops", "sent", "dealt", "online", "offline", "run online", "run offline"];
            head.extend(if network == "wan" {
                ["Σ|error|/Σ|value|", "max |error|", "SPU rounds", "SPU at least", "times faster"].as_slice()
            } else {
                &[]
            });
            out += &table(&head, &rows);
            out += "\n";
        }
    }
    out += "hops: from the opening of the layer's input to the share of its output, without the reveal\n";
    out += &format!("online, offline: predicted seconds with {} rates", report.machine);
    out += if measured { "; run: measured, three processes on this machine\n" } else { "\n" };
    out + "sent: payload of the party that sends more; dealt: received from the dealer by both\n\
           SPU at least: its rounds times 20 ms, and the operands that it must open at 44 MB/s\n"
}

fn row(layer: &Layer, name: &str) -> Option<Vec<String>> {
    let network = layer.networks.iter().find(|n| n.network == name)?;
    let hops = match layer.most_hops {
        Some(most) => format!("{} (at most {most})", network.hops),
        None => network.hops.to_string(),
    };
    let predicted = &network.predicted;
    let (sent, dealt) = (&predicted.online_bytes, &predicted.offline_bytes);
    let ran = |seconds: fn(&Measured) -> f64| {
        network.measured.as_ref().map_or(String::new(), |m| Seconds(seconds(m)).to_string())
    };
    let needed = layer.function.ends_with("static shift") && !network.static_shift;
    let mut row = vec![
        if needed { format!("{}: a maximum is needed", layer.function) } else { layer.function.to_owned() },
        hops,
        Bytes(sent.model_owner.max(sent.data_owner)).to_string(),
        Bytes(dealt.model_owner + dealt.data_owner).to_string(),
        Seconds(network.online_seconds).to_string(),
        Seconds(predicted.offline_seconds).to_string(),
        ran(|m| m.online_seconds),
        ran(|m| m.offline_seconds),
    ];
    if name == "wan" {
        row.push(format!("{:.2e}", layer.relative_error));
        row.push(format!("{:.2e}", layer.largest_error));
        if let Some(spu) = &layer.spu {
            row.push(spu.rounds.to_string());
            row.push(Seconds(spu.least_wan_seconds).to_string());
            row.push(format!("{:.1}", spu.times_faster));
        }
    }
    Some(row)
}
