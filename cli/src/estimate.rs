//! Predicted seconds of a share program on a machine and a network, in all and by layer, operation or hop.
//!
//! Hops and bytes are exact. Seconds are those of `mpcc_program::timing`; what is said here is only how rows of a table
//! share them: the half round trip of a hop goes to where most bytes travel, time on the line follows bytes, and the
//! rest follows the gates' work.

use std::collections::HashMap;

use mpcc_channel::NetworkProfile;
use mpcc_program::cost::{self, GateCost, PartyBytes};
use mpcc_program::machine::{Link, Machine};
use mpcc_program::program::{Gate, Program, Value};
use mpcc_program::timing::{Estimate, Workload};
use mpcc_runtime::PerRole;
use serde::Serialize;

use crate::report::Predicted;

/// What rows of a cost table stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Parts of the model, by path.
    Layer,
    /// Gates of the share program.
    Op,
    /// Exchanges, in order.
    Hop,
}

/// A row of a cost table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Path of the layer, name of the gate, or number of the hop with what is opened in it.
    pub path: String,
    /// Hops; one that several rows share is counted where most bytes travel.
    pub hops: u32,
    /// Payload sent, by party.
    pub online_bytes: PartyBytes,
    /// Received from the dealer, by party.
    pub offline_bytes: PartyBytes,
    /// Online.
    pub seconds: f64,
    /// Of a hop, what elementwise work loads and stores before it, by party; after the last hop too for the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_bytes: Option<PartyBytes>,
}

/// A program with what its estimates need, counted once.
pub struct Priced<'a> {
    program: &'a Program,
    workload: Workload,
    machine: &'a Machine,
}

impl<'a> Priced<'a> {
    /// Counts the work of a program's roles.
    pub fn new(program: &'a Program, machine: &'a Machine) -> Self {
        Self { program, workload: Workload::new(program), machine }
    }

    /// Predicted cost on a network of one of `inferences` in a session, of which `batch` share hops.
    pub fn predict(&self, network: &NetworkProfile, inferences: usize, batch: u64) -> Predicted {
        let batch = u32::try_from(batch.clamp(1, inferences.max(1) as u64)).unwrap_or(u32::MAX);
        let estimate = self.workload.estimate_batch(self.machine, link(network), batch);
        let mean = estimate.mean(inferences);
        let [model_owner, data_owner, dealer] = self.workload.peak_bytes(batch);
        Predicted {
            batch: u64::from(batch),
            online_seconds: mean.online_seconds,
            offline_seconds: mean.offline_seconds,
            setup_seconds: estimate.setup_seconds,
            setup_again_seconds: estimate.setup_again_seconds,
            peak_rss_bytes: PerRole { model_owner, data_owner, dealer },
            ..Predicted::counts(&cost::program(self.program))
        }
    }

    fn estimate(&self, network: &NetworkProfile) -> Estimate {
        self.workload.estimate(self.machine, link(network))
    }

    /// The cost of one inference on a network, divided.
    pub fn rows(&self, network: &NetworkProfile, by: By) -> Vec<Row> {
        let hops = self.estimate(network).first.hops;
        let mut rows = rows(self.program, self.machine, link(network), &hops, by);
        if by == By::Hop {
            let steps = self.workload.map_bytes();
            for row in &mut rows {
                let hop: usize = row.path.split(' ').next().and_then(|hop| hop.parse().ok()).unwrap_or(0);
                let last = hop == usize::from(self.program.hops);
                let mut bytes = PartyBytes::default();
                let of_row = hop.saturating_sub(1)..if last { hop + 1 } else { hop };
                for [model_owner, data_owner] in &steps[of_row] {
                    bytes.add(PartyBytes { model_owner: *model_owner, data_owner: *data_owner });
                }
                row.map_bytes = Some(bytes);
            }
        }
        rows
    }
}

/// A network as the estimate takes it. One that is not imitated adds nothing to what the machine takes.
pub fn link(network: &NetworkProfile) -> Link {
    match network.shape() {
        None => Link::LOOPBACK,
        Some(_) => Link {
            round_trip_seconds: network.round_trip_seconds,
            bytes_per_second: network.bytes_per_second,
            one_uplink: network.one_uplink,
        },
    }
}

fn rows(program: &Program, machine: &Machine, link: Link, hops: &[f64], by: By) -> Vec<Row> {
    let costs: Vec<GateCost> = cost::gates(program);
    let keys: Vec<String> = program.values.iter().map(|value| key(value, by)).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut row_of = Vec::with_capacity(keys.len());
    for (gate, key) in costs.iter().zip(&keys) {
        let at = *index.entry(key).or_insert_with(|| {
            rows.push(Row { path: key.clone(), ..Row::default() });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.online_bytes.model_owner += gate.online.model_owner;
        row.online_bytes.data_owner += gate.online.data_owner;
        row.offline_bytes.add(gate.dealt);
        row_of.push(at);
    }
    // One-way hops overlap, so that one may take less than a message travels.
    let travelling = |step: usize| (link.round_trip_seconds / 2.0).min(hops[step]);
    let larger = |gate: &GateCost| gate.online.model_owner.max(gate.online.data_owner);
    for hop in 1..=program.hops {
        let opened = program.values.iter().zip(&costs).zip(&row_of).filter(|((v, _), _)| travels(v, hop));
        if let Some((_, at)) = opened.max_by_key(|((_, gate), _)| larger(gate)) {
            rows[*at].hops += 1;
            rows[*at].seconds += travelling(usize::from(hop) - 1);
        }
    }
    for (step, seconds) in hops.iter().enumerate() {
        let last = step == usize::from(program.hops);
        let mut rest = if last { *seconds } else { seconds - travelling(step) };
        let members: Vec<usize> = (0..costs.len()).filter(|i| executed_in(&program.values[*i]) == step).collect();
        if let (true, Some(at)) = (members.is_empty(), row_of.last()) {
            rows[*at].seconds += rest;
            continue;
        }
        let on_line: Vec<f64> = members.iter().map(|i| larger(&costs[*i]) as f64 / link.bytes_per_second).collect();
        let line: f64 = on_line.iter().sum();
        let scale = if line > rest { rest / line } else { 1.0 };
        rest -= line * scale;
        let work: Vec<f64> = members.iter().map(|i| machine.seconds(&costs[*i].work) + f64::MIN_POSITIVE).collect();
        let all: f64 = work.iter().sum();
        for ((member, line), work) in members.iter().zip(on_line).zip(work) {
            rows[row_of[*member]].seconds += line * scale + rest * work / all;
        }
    }
    if by == By::Hop {
        rows.sort_by_key(|row| row.path.parse::<u32>().unwrap_or(0));
        for row in &mut rows {
            let hop = row.path.parse::<u16>().unwrap_or(0);
            row.path = hop_name(program, hop);
            row.seconds = match usize::from(hop) {
                0 => 0.0,
                h if hop == program.hops => hops[h - 1..].iter().sum(),
                h => hops[h - 1],
            };
        }
    }
    rows
}

/// The step, counted from 0, in which a party works on a value; what travels is prepared in the step before.
fn executed_in(value: &Value) -> usize {
    usize::from(value.level) - usize::from(value.gate.takes_a_hop())
}

fn travels(value: &Value, hop: u16) -> bool {
    value.gate.takes_a_hop() && value.level == hop
}

fn key(value: &Value, by: By) -> String {
    match by {
        By::Layer => layer(&value.path).to_owned(),
        By::Op => gate_name(&value.gate).to_owned(),
        By::Hop => value.level.to_string(),
    }
}

/// `blocks.3` of `blocks.3/s`; other paths are layers of their own.
pub fn layer(path: &str) -> &str {
    match path.split_once('/') {
        Some((layer, _)) => layer,
        None if path.is_empty() => "(other)",
        None => path,
    }
}

/// `12 blocks.0/s, blocks.0/v`
fn hop_name(program: &Program, hop: u16) -> String {
    if hop == 0 {
        return "before".to_owned();
    }
    let mut paths: Vec<&str> = program.values.iter().filter(|v| travels(v, hop)).map(|v| v.path.as_str()).collect();
    paths.dedup();
    let more = if paths.len() > 3 { format!(" and {} more", paths.len() - 3) } else { String::new() };
    paths.truncate(3);
    format!("{hop} {}{more}", paths.join(", "))
}

fn gate_name(gate: &Gate) -> &'static str {
    match gate {
        Gate::Input { .. } => "input",
        Gate::ServerShare { .. } => "server share",
        Gate::ClientShare { .. } => "client share",
        Gate::Open { .. } => "open (G1)",
        Gate::View { .. } => "view",
        Gate::Rescale { .. } => "rescale",
        Gate::Centre { .. } => "centre",
        Gate::Reduce { .. } => "reduce",
        Gate::Add { .. } | Gate::Sub { .. } | Gate::AddPublic { .. } | Gate::AddServer { .. } => "add",
        Gate::Concat { .. } => "concat",
        Gate::SumRow { .. } => "row sum",
        Gate::Residue { .. } => "low bits",
        Gate::MulPublic { .. } => "times a constant",
        Gate::MatMulServer { .. } | Gate::MulServer { .. } => "times a weight (G4)",
        Gate::MatMul { .. } | Gate::Hadamard { .. } => "product (G3)",
        Gate::Extend { .. } => "extend (G2)",
        Gate::RowSquares { .. } => "row squares (G6)",
        Gate::Square { .. } => "square (G6)",
        Gate::RowScale { .. } => "row scale (G7)",
        Gate::SignDigits { .. } => "sign (G8)",
        Gate::OpenSign { .. } | Gate::Select { .. } | Gate::SignShare { .. } => "select (G8, G9)",
        Gate::CoarseSign { .. } => "coarse sign (G19)",
        Gate::ReluShared { .. } => "shared ReLU (G16)",
        Gate::StepShared { .. } => "shared step (G16)",
        Gate::RowFunction { .. } => "row function (G10)",
        Gate::RowOffer { .. } => "row function (G20)",
        Gate::TrigSeries { .. } => "trigonometric series (G11)",
        Gate::BucketBits { .. } | Gate::Exponential { .. } => "exponential (G17)",
        Gate::BucketCounts { .. } | Gate::ZeroDigits { .. } | Gate::ZeroShare { .. } => "maximum by counts (G18)",
        Gate::SubRow { .. } => "less a row's",
        Gate::Reveal { .. } => "reveal (G15)",
    }
}
