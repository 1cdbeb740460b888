//! `mpcc bench pareto`: trained variants of one model, accuracy beside latency, as a table for programs and a page for
//! people.

mod csv;
mod float;
mod front;
mod html;
mod images;
mod measure;
mod plans;
mod points;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::failure::Usage;
use mpcc_cli::files;
use mpcc_cli::machine::MachineOptions;
use mpcc_cli::model::ModelOptions;
use mpcc_cli::terminal::Terminal;

use self::images::Images;
use self::measure::{Ready, Wanted};
use self::report::Report;
use super::setting::Setting;

/// Accuracy of trained variants of a model against their latency: the float network, private sessions on labelled
/// inputs, and predicted and measured seconds, as a table and as a page with a chart.
///
/// A variant is a directory as a training run leaves it: weights.safetensors, model.ranges.json for these weights, and
/// where they exist plan.json and training.json. Names of the form VARIANT-sSEED are seeds of one variant, of which
/// mean, least and most are shown. Written are pareto.csv, pareto.json and pareto.html; the page needs no other file.
#[derive(Args, Debug)]
#[command(after_help = "\
The private accuracy is that of sessions without an imitated network, with the program made for the first of --net: what
a network changes is the program and its latency. Other programs differ in rounding; --every-program measures each.

Examples:
  mpcc bench pareto model.mpv --points runs --data cifar10/test -o report
  mpcc bench pareto model.mpv --point teacher=runs/teacher --point half-s1=runs/half-1 --point half-s2=runs/half-2 \\
       --data cifar10/test --images 500 --net loopback,lan,wan --repeat 5 -o report")]
pub(crate) struct ParetoArguments {
    /// The model file of all variants.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// A trained variant. May be repeated.
    #[arg(long, value_name = "NAME=DIR", required_unless_present = "points")]
    point: Vec<String>,
    /// Every directory in this one that holds weights.safetensors, by its name. May be repeated.
    #[arg(long, value_name = "DIR")]
    points: Vec<PathBuf>,
    /// Labelled inputs that no variant was trained on: a directory for each label, as `mpcc run` takes them.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many of them are run privately, evenly over the labels. 0 runs none.
    #[arg(long, value_name = "N", default_value_t = 500)]
    images: usize,
    /// How many of them the float network gets, those of --images among them; without this option all.
    #[arg(long, value_name = "N")]
    float_images: Option<usize>,
    /// The networks between the roles, for which protocols are chosen; latency is measured with the network imitated.
    #[arg(long, value_name = "PROFILE,…", value_delimiter = ',', default_values = ["loopback", "lan", "wan"])]
    net: Vec<NetworkProfile>,
    /// Sessions of one inference for each latency; medians are reported. 0 only predicts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    repeat: usize,
    /// Run the inputs privately with the program of every network, not only of the first.
    #[arg(long)]
    every_program: bool,
    /// Where to write; it is made if it is not there.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    machine: MachineOptions,
}

pub(super) fn run(arguments: &ParetoArguments, terminal: &Terminal) -> Result<()> {
    let machine = arguments.machine.read()?;
    let places = points::find(&arguments.point, &arguments.points)?;
    let mut networks: Vec<NetworkProfile> = Vec::new();
    for network in &arguments.net {
        if networks.iter().any(|other| other.name == network.name) {
            return Err(Usage(format!("--net names {} twice", network.name)).into());
        }
        networks.push(network.clone());
    }
    let made = tempfile::Builder::new().prefix("mpcc-bench-").tempdir().context("cannot make a directory")?;
    let wanted = Wanted {
        networks: &networks,
        machine: &machine,
        repeat: arguments.repeat,
        every_program: arguments.every_program,
        directory: made.path(),
    };
    // Everything that can be wrong with a variant is found before the first long measurement.
    let mut ready = Vec::with_capacity(places.len());
    for (index, place) in places.into_iter().enumerate() {
        terminal.remark(&format!("{}: ranges and protocols", place.name));
        let name = place.name.clone();
        let one = Ready::new(&arguments.model, &arguments.options, place, index, &wanted, terminal);
        ready.push(one.with_context(|| name)?);
    }
    let Some(first) = ready.first() else { return Err(Usage("no variant is named".to_owned()).into()) };
    let (model, trust) = (first.graph().name.clone(), first.trust().to_owned());
    let file = arguments.model.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let images = Images::choose(
        &arguments.data,
        (first.graph(), first.outputs()),
        (arguments.images, arguments.float_images),
        &made.path().join("inputs"),
    )?;
    fs::create_dir_all(&arguments.output).with_context(|| format!("cannot make {}", arguments.output.display()))?;
    let about = report::About {
        model,
        file,
        trust,
        rates: machine.name.clone(),
        sessions: arguments.repeat,
        setting: Setting::read(),
    };
    let mut report = Report::new(about, images.labels);
    for one in &ready {
        report.add(one.measure(&images, &wanted, terminal).with_context(|| one.name().to_owned())?);
        // What took minutes is kept if a later variant fails.
        write(&report, &arguments.output)?;
    }
    Ok(terminal.result(&report, || report.text(&arguments.output))?)
}

fn write(report: &Report, directory: &Path) -> Result<()> {
    let mut json = serde_json::to_string_pretty(report)?;
    json.push('\n');
    files::write(&directory.join("pareto.csv"), &csv::table(report)?)?;
    files::write(&directory.join("pareto.json"), json.as_bytes())?;
    files::write(&directory.join("pareto.html"), html::page(report).as_bytes())
}
