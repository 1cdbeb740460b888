//! What a reader of an artefact sees, derived from the parts that its hash covers whenever the artefact is made or read; it
//! is stored nowhere.

use mpcc_program::correlation::materials;
use mpcc_program::cost::{self, Cost};
use mpcc_program::program::{Gate, Program, Supplier};
use mpcc_program::reveals::{Disclosure, disclosures};
use serde::Serialize;

use super::facts::{Facts, PlannedFor, RangeFact};
use crate::graph::Graph;
use crate::ranges::Basis;

/// The trust model, printed with every result. It is what the runtime does with a program of this supplier, whatever a file
/// says.
pub fn trust(supplier: Supplier) -> &'static str {
    match supplier {
        Supplier::Dealer => "semi-honest, dealer",
        Supplier::Pair => "semi-honest, two parties",
    }
}

/// What an artefact is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// `mpcc.artefact/2`
    pub schema: &'static str,
    /// The model's name.
    pub model: String,
    /// Hash of everything that the parties compare: graph, program, facts, tokenizer, and the code of all roles.
    pub program: String,
    /// The trust model.
    pub trust: &'static str,
    /// What text is cut into tokens by, where the model reads text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerRow>,
    /// Head, layer or row choices in force.
    pub plans: Vec<(String, String)>,
    /// What the protocols were chosen for; nothing if the caller chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_for: Option<PlannedFor>,
    /// Where there was a choice between protocols, what was taken.
    pub choices: Vec<ChoiceRow>,
    /// Everything that is opened or revealed, to whom and why, by kind.
    pub opened: Vec<Opened>,
    /// What each output gives away.
    pub disclosed: Vec<Disclosure>,
    /// Predicted cost of one inference.
    pub cost: Cost,
    /// What the program relies on.
    pub basis: Basis,
    /// The digest of the weights for which its ranges hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Bounds the program relies on.
    pub ranges: Vec<RangeRow>,
}

/// The tokenizer that an artefact carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenizerRow {
    /// Its file, as the source names it.
    pub file: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// BLAKE3 hash of its bytes.
    pub hash: String,
    /// The inputs it fills.
    pub inputs: Vec<String>,
}

/// A protocol that was taken where there was another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChoiceRow {
    /// Path of the value.
    pub path: String,
    /// The protocol.
    pub protocol: &'static str,
}

/// A kind of value that leaves a party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// What.
    pub what: &'static str,
    /// To whom.
    pub to: &'static str,
    /// Why it says nothing, or why it is meant to be learned.
    pub why: &'static str,
    /// How many values of the program.
    pub count: usize,
}

/// A bound the program relies on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RangeRow {
    /// Path of the value.
    pub path: String,
    /// Where the bound comes from.
    pub origin: String,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
}

impl Manifest {
    /// Graph, program and facts must have been verified, and agree with each other.
    pub(super) fn of(
        graph: &Graph,
        program: &Program,
        facts: &Facts,
        tokenizer: Option<&[u8]>,
        hash: &blake3::Hash,
    ) -> Self {
        let range = |fact: &RangeFact| RangeRow {
            path: fact.path.clone(),
            origin: format!("{:?}", fact.origin).to_lowercase(),
            low: fact.low,
            high: fact.high,
        };
        let choice = |fact: &super::facts::ChoiceFact| ChoiceRow {
            path: graph.node(fact.node).path.clone(),
            protocol: fact.taken.name(),
        };
        Self {
            schema: "mpcc.artefact/2",
            model: graph.name.clone(),
            program: hash.to_hex().to_string(),
            trust: trust(program.supplier),
            tokenizer: tokenizer.and_then(|bytes| tokenizer_row(graph, bytes)),
            plans: graph.plans.clone(),
            planned_for: facts.planned_for.clone(),
            choices: facts.choices.iter().map(choice).collect(),
            opened: opened(program),
            disclosed: disclosures(program),
            cost: cost::program(program),
            basis: facts.basis,
            weights: facts.weights.clone(),
            ranges: facts.ranges.iter().map(range).collect(),
        }
    }
}

fn tokenizer_row(graph: &Graph, bytes: &[u8]) -> Option<TokenizerRow> {
    let declared = graph.tokenizer.as_ref()?;
    let inputs = declared.inputs().into_iter().filter_map(|input| graph.inputs.get(input as usize));
    Some(TokenizerRow {
        file: declared.file.clone(),
        bytes: bytes.len(),
        hash: blake3::hash(bytes).to_hex().to_string(),
        inputs: inputs.map(|input| input.name.clone()).collect(),
    })
}

/// Everything that leaves a party, by kind.
fn opened(program: &Program) -> Vec<Opened> {
    let count = |test: fn(&Gate) -> bool| program.values.iter().filter(|v| test(&v.gate)).count();
    let made = match program.supplier {
        Supplier::Dealer => (
            "weights",
            "data owner",
            "under a static mask known to the dealer, uniform; once, if the data owner keeps them for later sessions",
            program.weights.len(),
        ),
        Supplier::Pair => (
            "shares of correlated randomness",
            "both parties",
            "made from masks and weights by oblivious transfer and under encryption; no weight leaves its owner",
            materials(program).iter().map(Vec::len).sum(),
        ),
    };
    let rows = [
        ("inputs", "model owner", "masked by the data owner, uniform", count(|g| matches!(g, Gate::Input { .. }))),
        made,
        (
            "intermediate values",
            "both parties",
            "under a fresh mask over the whole ring, uniform",
            count(|g| matches!(g, Gate::Open { .. })),
        ),
        (
            "predicate bits of comparisons",
            "both parties",
            "one-time padded, uniform",
            count(|g| matches!(g, Gate::SignDigits { .. } | Gate::OpenSign { .. } | Gate::CoarseSign { .. })),
        ),
        ("outputs", "data owner", "the result, rounded; meant to be learned", program.outputs.len()),
    ];
    let offers = count(|g| matches!(g, Gate::RowOffer { .. }));
    let offered = "under pads of which the model owner knows one, and under a mask; uniform";
    let offered = (offers > 0).then_some(("coefficients of row functions", "model owner", offered, offers));
    let verdict = "whether any value that is checked was out of its range: one bit";
    let verdict = program.verdict.then_some(("verdict", "data owner", verdict, 1));
    rows.into_iter()
        .chain(offered)
        .chain(verdict)
        .map(|(what, to, why, count)| Opened { what, to, why, count })
        .collect()
}
