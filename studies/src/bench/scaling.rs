//! `mpcc bench scaling`: how cost grows with tokens, layers and inputs, predicted beside measured.

mod chart;
mod markdown;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use mpcc_channel::NetworkProfile;
use mpcc_cli::estimate::Priced;
use mpcc_cli::failure::Usage;
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::{self, SoftmaxShift, Target};
use mpcc_cli::report::{Bytes, Predicted, Seconds, table};
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::lower::{LowerOptions, SetValue};
use mpcc_runtime::Measurement;
use serde::Serialize;

use super::models::{Medians, medians};
use super::session::Session;
use super::setting::Setting;
use super::subject::{Place, Subject};

/// Blocks of the paper's ViT, from embedded tokens to all tokens.
const BLOCKS: &str = include_str!("vit_blocks.mpv");

/// How cost grows with tokens, layers and inputs in one session: blocks of MPCViT's network with ReLU-softmax and GeLU,
/// predicted beside measured.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mpcc bench scaling --repeat 5 --output scaling
  mpcc bench scaling --axis layers --net wan")]
pub(crate) struct ScalingArguments {
    /// Only what grows with this. May be repeated.
    #[arg(long, value_enum, value_name = "AXIS")]
    axis: Vec<Axis>,
    /// The largest number of layers and of inputs, and the most tokens.
    #[arg(long, value_name = "N", default_value_t = 1025)]
    most: usize,
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
    /// Also write a report in Markdown to this path with the ending `md`, and a chart beside it with the ending `svg`.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    machine: MachineOptions,
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Axis {
    Tokens,
    Layers,
    Batch,
}

impl Axis {
    const ALL: [Axis; 3] = [Axis::Tokens, Axis::Layers, Axis::Batch];

    fn name(self) -> &'static str {
        match self {
            Axis::Tokens => "tokens",
            Axis::Layers => "layers",
            Axis::Batch => "batch",
        }
    }

    fn points(self) -> &'static [usize] {
        match self {
            Axis::Tokens => &[65, 257, 1025],
            Axis::Layers => &[1, 2, 4, 8, 12, 24],
            Axis::Batch => &[1, 2, 4, 8, 16],
        }
    }

    /// What stays as it is.
    fn fixed(self) -> &'static str {
        match self {
            Axis::Tokens => "one layer",
            Axis::Layers => "65 tokens",
            Axis::Batch => "65 tokens, four layers",
        }
    }
}

/// A number of tokens, layers and inputs.
#[derive(Clone, Copy, Debug)]
struct Shape {
    tokens: usize,
    layers: usize,
    batch: usize,
}

impl Shape {
    fn at(axis: Axis, size: usize) -> Self {
        match axis {
            Axis::Tokens => Self { tokens: size, layers: 1, batch: 1 },
            Axis::Layers => Self { tokens: 65, layers: size, batch: 1 },
            Axis::Batch => Self { tokens: 65, layers: 4, batch: size },
        }
    }

    fn options(self) -> LowerOptions {
        let set = |name: &str, n: usize| (name.to_owned(), SetValue::Int(i64::try_from(n).unwrap_or(i64::MAX)));
        LowerOptions {
            sets: [set("TOKENS", self.tokens), set("LAYERS", self.layers)].into(),
            ..LowerOptions::default()
        }
    }
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    setting: Setting,
    /// Whose rates seconds are predicted with.
    rates: String,
    points: Vec<Point>,
}

/// One size on one network.
#[derive(Serialize)]
struct Point {
    axis: Axis,
    size: usize,
    network: String,
    /// Of one inference.
    predicted: Predicted,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Medians>,
}

pub(super) fn run(arguments: &ScalingArguments, terminal: &Terminal) -> Result<()> {
    let machine = arguments.machine.read()?;
    if arguments.repeat == 0 && arguments.output.is_some() {
        return Err(Usage("a report shows what is measured: --repeat 1 or more".to_owned()).into());
    }
    let place = Place::new(None)?;
    let mut points = Vec::new();
    let wanted = |axis: &Axis| arguments.axis.is_empty() || arguments.axis.contains(axis);
    for axis in Axis::ALL.into_iter().filter(wanted) {
        for size in axis.points().iter().copied().filter(|size| *size <= arguments.most) {
            let name = format!("{}-{size}", axis.name());
            let shape = Shape::at(axis, size);
            let context = || format!("{size} {}", axis.name());
            let subject = Subject::new(BLOCKS, &shape.options(), arguments.seed, place.directory(&name));
            let subject = subject.with_context(context)?;
            for network in &arguments.net {
                let target = Target { network: network.clone(), machine: machine.clone() };
                let (artefact, program) =
                    subject.plan(&target, arguments.alpha, SoftmaxShift::Auto).with_context(context)?;
                let predicted =
                    Priced::new(&artefact.program, &machine).predict(network, shape.batch, shape.batch as u64);
                let inputs = vec![subject.inputs[0].clone(); shape.batch];
                let session = Session {
                    program: &program,
                    weights: &subject.weights,
                    inputs: &inputs,
                    batch: shape.batch,
                    network: &network.name,
                    imitated: true,
                };
                let mut sessions: Vec<Measurement> = Vec::new();
                for _ in 0..arguments.repeat {
                    let took = session.run().with_context(context)?;
                    let online = Seconds(took.online_seconds);
                    terminal.remark(&format!("{size} {} on {}: {online} online", axis.name(), network.name));
                    sessions.push(took);
                }
                let measured = medians(&sessions)?;
                points.push(Point { axis, size, network: network.name.clone(), predicted, measured });
            }
            place.clear(&name)?;
        }
    }
    let report =
        Report { schema: "mpcc.bench.scaling/1", setting: Setting::read(), rates: machine.name.clone(), points };
    if let Some(path) = &arguments.output {
        let drawing = path.with_extension("svg");
        files::write(&drawing, chart::draw(&report).as_bytes())?;
        let name = drawing.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files::write(&path.with_extension("md"), markdown::report(&report, &name).as_bytes())?;
    }
    Ok(terminal.result(&report, || text(&report))?)
}

fn text(report: &Report) -> String {
    let head = ["", "network", "hops", "sent", "dealt", "online", "run", "offline", "run", "memory", "run"];
    let rows: Vec<Vec<String>> = report.points.iter().map(row).collect();
    let mut out = table(&head, &rows);
    out +=
        &format!("\nof one inference; seconds are predicted with {} rates; run: medians of sessions\n", report.rates);
    out + "sent: payload of the party that sends more; memory: of the party that holds more\n"
}

fn row(point: &Point) -> Vec<String> {
    let (p, m) = (&point.predicted, point.measured.as_ref());
    let ran = |field: fn(&Medians) -> f64| m.map_or(String::new(), |m| Seconds(field(m)).to_string());
    let held = m.map(|m| m.peak_rss_bytes.model_owner.max(m.peak_rss_bytes.data_owner));
    vec![
        format!("{} {}", point.size, point.axis.name()),
        point.network.clone(),
        p.hops.to_string(),
        Bytes(p.online_bytes.model_owner.max(p.online_bytes.data_owner)).to_string(),
        Bytes(p.offline_bytes.model_owner + p.offline_bytes.data_owner).to_string(),
        Seconds(p.online_seconds).to_string(),
        ran(|m| m.online_seconds),
        Seconds(p.offline_seconds).to_string(),
        ran(|m| m.offline_seconds),
        Bytes(p.peak_rss_bytes.model_owner.max(p.peak_rss_bytes.data_owner)).to_string(),
        held.map_or(String::new(), |b| Bytes(b).to_string()),
    ]
}
