//! Predicted seconds of a share program on a network, in all and by layer, operation or hop.
//!
//! Hops and bytes are exact. Times are a model: half a round trip for each hop, the larger direction's bytes over the
//! bandwidth, and local work at the rates below.

use std::collections::HashMap;

use mpcc_channel::NetworkProfile;
use mpcc_program::cost::{self, Cost, GateCost, PartyBytes};
use mpcc_program::program::{Gate, Program, Value, ValueId};
use serde::Serialize;

use crate::report::Predicted;

/// 64-bit multiply-accumulates of one party in a second.
const MACS_PER_SECOND: f64 = 5.5e9;
/// Words of one party that are not in a matrix product, in a second.
const WORDS_PER_SECOND: f64 = 250e6;
/// Bytes of corrections that the dealer makes in a second.
const DEALT_BYTES_PER_SECOND: f64 = 1.1e9;
/// Bytes of weights that are masked and taken in in a second.
const MASKED_BYTES_PER_SECOND: f64 = 200e6;

/// What rows of a cost table stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// Parts of the model, by path.
    Layer,
    /// Gates of the share program.
    Op,
    /// Exchanges, in order.
    Hop,
}

/// A row of a cost table.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    /// Path of the layer, name of the gate, or number of the hop with what is opened in it.
    pub(crate) path: String,
    /// Hops; one that several rows share is counted where most bytes travel.
    pub(crate) hops: u32,
    /// Payload sent, by party.
    pub(crate) online_bytes: PartyBytes,
    /// Received from the dealer, by party.
    pub(crate) offline_bytes: PartyBytes,
    /// Online.
    pub(crate) seconds: f64,
    #[serde(skip)]
    macs: [u64; 2],
    #[serde(skip)]
    words: u64,
}

/// Predicted cost of a program on a network.
pub(crate) fn predict(program: &Program, network: &NetworkProfile) -> Predicted {
    let cost = cost::program(program);
    let wire: f64 = rows(program, network, By::Hop).iter().map(|row| wire_seconds(row, network)).sum();
    let offline = cost.offline_bytes.data_owner.max(cost.offline_bytes.model_owner) as f64;
    Predicted {
        online_seconds: wire + compute_seconds(cost.macs, cost.words),
        offline_seconds: network.round_trip_seconds
            + offline / network.bytes_per_second
            + offline / DEALT_BYTES_PER_SECOND
            + macs_seconds(cost.macs),
        setup_seconds: setup_seconds(&cost, network),
        ..Predicted::counts(&cost)
    }
}

fn setup_seconds(cost: &Cost, network: &NetworkProfile) -> f64 {
    let bytes = cost.setup_bytes as f64;
    network.round_trip_seconds / 2.0 + bytes / network.bytes_per_second + bytes / MASKED_BYTES_PER_SECOND
}

fn macs_seconds(macs: [u64; 2]) -> f64 {
    macs[0].max(macs[1]) as f64 / MACS_PER_SECOND
}

fn compute_seconds(macs: [u64; 2], words: u64) -> f64 {
    macs_seconds(macs) + words as f64 / WORDS_PER_SECOND
}

fn wire_seconds(row: &Row, network: &NetworkProfile) -> f64 {
    let bytes = row.online_bytes.model_owner.max(row.online_bytes.data_owner) as f64;
    f64::from(row.hops) * network.round_trip_seconds / 2.0 + bytes / network.bytes_per_second
}

/// The cost of a program, divided.
pub(crate) fn rows(program: &Program, network: &NetworkProfile, by: By) -> Vec<Row> {
    let costs: Vec<GateCost> = (0u32..).zip(&program.values).map(|(i, _)| cost::gate(program, ValueId(i))).collect();
    let keys: Vec<String> = program.values.iter().map(|value| key(value, by)).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for ((value, gate), key) in program.values.iter().zip(&costs).zip(&keys) {
        let at = *index.entry(key).or_insert_with(|| {
            rows.push(Row { path: key.clone(), ..Row::default() });
            rows.len() - 1
        });
        let row = &mut rows[at];
        row.online_bytes.model_owner += gate.online.model_owner;
        row.online_bytes.data_owner += gate.online.data_owner;
        row.offline_bytes.add(gate.dealt);
        row.macs[0] += gate.macs[0];
        row.macs[1] += gate.macs[1];
        row.words += value.shape.iter().product::<usize>() as u64;
    }
    for hop in 1..=program.hops {
        let opened = program.values.iter().zip(&costs).zip(&keys).filter(|((v, _), _)| travels(v, hop));
        let most = opened.max_by_key(|((_, gate), _)| gate.online.model_owner.max(gate.online.data_owner));
        if let Some(at) = most.and_then(|(_, key)| index.get(key.as_str())) {
            rows[*at].hops += 1;
        }
    }
    if by == By::Hop {
        rows.sort_by_key(|row| row.path.parse::<u32>().unwrap_or(0));
        for row in &mut rows {
            let hop = row.path.parse::<u16>().unwrap_or(0);
            row.path = hop_name(program, hop);
        }
    }
    for row in &mut rows {
        row.seconds = wire_seconds(row, network) + compute_seconds(row.macs, row.words);
    }
    rows
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
pub(crate) fn layer(path: &str) -> &str {
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
        Gate::Open { .. } => "open (G1)",
        Gate::View { .. } => "view",
        Gate::Rescale { .. } => "rescale",
        Gate::Centre { .. } => "centre",
        Gate::Add { .. } | Gate::Sub { .. } | Gate::AddPublic { .. } | Gate::AddServer { .. } => "add",
        Gate::Concat { .. } => "concat",
        Gate::SumRow { .. } => "row sum",
        Gate::MulPublic { .. } => "times a constant",
        Gate::MatMulServer { .. } | Gate::MulServer { .. } => "times a weight (G4)",
        Gate::MatMul { .. } => "product (G3)",
        Gate::Extend { .. } => "extend (G2)",
        Gate::RowSquares { .. } => "row squares (G6)",
        Gate::RowScale { .. } => "row scale (G7)",
        Gate::SignDigits { .. } => "sign (G8)",
        Gate::OpenSign { .. } | Gate::Select { .. } => "select (G8, G9)",
        Gate::ReluShared { .. } => "shared ReLU (G16)",
        Gate::RowTable { .. } | Gate::WindowChain { .. } => "row function (G10)",
        Gate::CosineSeries { .. } => "cosine series (G11)",
        Gate::Reveal { .. } => "reveal (G15)",
    }
}
