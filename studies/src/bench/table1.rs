//! `mpcc bench table1`: the error of functions of attention scores by the variance of the scores, as in Table I of
//! MPCViT (Zeng et al., ICCV 2023).

use anyhow::{Context, Result};
use clap::Args;
use mpcc_channel::NetworkProfile;
use mpcc_cli::model::Target;
use mpcc_cli::progress::Bar;
use mpcc_cli::report::table;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::lower::{LowerOptions, PlanValue, SetValue};
use mpcc_compiler::plan::{Decided, Softmax};
use mpcc_compiler::ranges::Basis;
use mpcc_program::machine::Machine;
use serde::Serialize;

use super::experiment::{Experiment, has_static_shift};
use super::normal::Normal;

/// Errors of softmax, ReLU-softmax and scaling attention by the variance of the scores: the paper's Table I.
///
/// Rows of 65 normal scores with 18 fraction bits; Σ |error| / Σ |value| in percent, of the exact simulation, which
/// equals a two-party run bit for bit, against float.
#[derive(Args, Debug)]
pub(crate) struct Table1Arguments {
    /// Rows of scores for each entry.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    rows: u32,
    /// Seed of scores and rounding.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

const SOURCE: &str = include_str!("scores.mpv");
const LENGTH: usize = 65;
/// Batches of rows on which ranges are observed.
const CALIBRATION: u64 = 8;

/// Variances of the scores.
const VARIANCES: [f64; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// A function with what others report of it, in percent.
struct Compared {
    name: &'static str,
    function: &'static str,
    softmax: Softmax,
    /// MPCViT, Table I, by variance.
    paper: [f64; 6],
    /// Least and largest error of SPU over these variances.
    spu: (f64, f64),
}

const SOFTMAX: [f64; 6] = [0.905, 2.417, 6.488, 15.66, 33.35, 60.60];
const FUNCTIONS: [Compared; 4] = [
    Compared { name: "softmax", function: "softmax", softmax: Softmax::Maximum, paper: SOFTMAX, spu: (0.15, 0.84) },
    Compared {
        name: "softmax, static shift",
        function: "softmax",
        softmax: Softmax::Static,
        paper: SOFTMAX,
        spu: (0.15, 0.84),
    },
    Compared {
        name: "ReLU-softmax",
        function: "relu_softmax",
        softmax: Softmax::Maximum,
        paper: [0.738, 0.737, 0.735, 0.735, 0.735, 0.735],
        spu: (0.005, 0.011),
    },
    Compared {
        name: "scaling",
        function: "scaling",
        softmax: Softmax::Maximum,
        paper: [0.529, 0.407, 0.313, 0.241, 0.185, 0.143],
        spu: (0.025, 0.032),
    },
];

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    length: usize,
    rows: u32,
    fraction_bits: u8,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    function: &'static str,
    variance: f64,
    /// Σ |error| / Σ |value|, in percent.
    percent: f64,
    /// MPCViT, Table I.
    paper_percent: f64,
    /// SPU's least and largest over the variances.
    spu_percent: (f64, f64),
    hops: u16,
    /// Whether a number stands in place of row maxima; where they lie too far apart for one, maxima are computed.
    static_shift: bool,
}

pub(super) fn run(arguments: &Table1Arguments, terminal: &Terminal) -> Result<()> {
    let bar = Bar::new(terminal, (FUNCTIONS.len() * VARIANCES.len()) as u64, "rows of scores");
    let mut entries = Vec::new();
    for compared in &FUNCTIONS {
        for (variance, paper) in VARIANCES.into_iter().zip(compared.paper) {
            let context = || format!("{} at variance {variance}", compared.name);
            entries.push(entry(arguments, compared, variance, paper).with_context(context)?);
            bar.advance();
        }
    }
    bar.finish();
    let report =
        Report { schema: "mpcc.bench.table1/1", length: LENGTH, rows: arguments.rows, fraction_bits: 18, entries };
    Ok(terminal.result(&report, || text(&report))?)
}

fn entry(arguments: &Table1Arguments, compared: &Compared, variance: f64, paper_percent: f64) -> Result<Entry> {
    let plan = PlanValue::List(vec![PlanValue::Name(compared.function.to_owned())]);
    let options = LowerOptions {
        plans: [("attn".to_owned(), plan)].into(),
        sets: [("ROWS".to_owned(), SetValue::Int(arguments.rows.into()))].into(),
        ..LowerOptions::default()
    };
    let shape = [arguments.rows as usize, LENGTH];
    let scores = |index: u64| Normal::new(arguments.seed.wrapping_mul(64) + index).tensor(&shape, variance.sqrt());
    let calibration: Vec<_> = (1..=CALIBRATION).map(scores).collect();
    let experiment = Experiment::new(SOURCE, &options, |_, shape| vec![0.0; shape.iter().product()], &calibration)?;
    let target = Target { network: NetworkProfile::wan(), machine: Machine::built_in() };
    let decided = Decided { softmax: Some(compared.softmax), basis: Basis::Observed, ..Decided::default() };
    let artefact = experiment.plan(&target, decided, 1.0)?;
    let outputs = experiment.evaluate(&artefact, &scores(0), arguments.seed)?;
    Ok(Entry {
        function: compared.name,
        variance,
        percent: 100.0 * outputs.relative_error(),
        paper_percent,
        spu_percent: compared.spu,
        hops: artefact.program.hops,
        static_shift: has_static_shift(&artefact),
    })
}

fn text(report: &Report) -> String {
    let mut head = vec!["variance".to_owned()];
    head.extend(VARIANCES.map(|v| v.to_string()));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut rows = Vec::new();
    for compared in &FUNCTIONS {
        let entries: Vec<&Entry> = report.entries.iter().filter(|e| e.function == compared.name).collect();
        let own = entries.iter().map(|e| {
            let maximum = compared.softmax == Softmax::Static && !e.static_shift;
            if maximum { "–".to_owned() } else { format!("{:.4}", e.percent) }
        });
        rows.push([compared.name.to_owned()].into_iter().chain(own).collect());
        if compared.softmax == Softmax::Maximum {
            rows.push(["  the paper".to_owned()].into_iter().chain(compared.paper.map(|p| p.to_string())).collect());
            let (low, high) = compared.spu;
            rows.push(vec![format!("  SPU {low} to {high}")]);
        }
    }
    let mut out = format!(
        "Σ |error| / Σ |value| in percent, {} rows of {} normal scores, {} fraction bits\n\n",
        report.rows, report.length, report.fraction_bits
    );
    out += &table(&head, &rows);
    out + "\n– : the row maxima lie too far apart for a number in their place\n"
}
