//! What a search writes: coefficients, ranks, and the plans that were made of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, Fitted, Found, Kept, Plans, above, every_layer, random, ranking, share, uniform};

/// The schema of [`SearchReport`].
pub const SCHEMA: &str = "mpcc.search/1";

/// How entries that keep their first candidate are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "way")]
pub enum Way {
    /// The best ranked share of a plan.
    Share {
        /// The share.
        mu: f64,
    },
    /// As a share, with whatever equals the last entry kept.
    Threshold {
        /// The share.
        mu: f64,
    },
    /// As many of the best ranked as a number of seconds allows.
    Budget {
        /// Predicted seconds at most.
        limit: f64,
    },
    /// The same share of every layer, the best ranked of it.
    EveryLayer {
        /// The share.
        mu: f64,
    },
    /// The same share of every layer, the first positions of it.
    Uniform {
        /// The share.
        mu: f64,
    },
    /// As many as a share, by chance.
    Random {
        /// The share.
        mu: f64,
        /// What the draw follows from.
        seed: u64,
    },
}

/// Predicted seconds of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// From the input to the output.
    pub online: f64,
    /// Before the input is known.
    pub offline: f64,
    /// What budgets and penalties compare: online, and as much of offline as the search was told to count.
    pub counted: f64,
}

/// A plan for every plan of the model that was open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// How it was made.
    #[serde(flatten)]
    pub way: Way,
    /// The file of the plans, beside the report.
    pub file: String,
    /// How many entries keep their first candidate, by plan.
    pub kept: Kept,
    /// Predicted, on the report's network.
    pub seconds: Option<Seconds>,
    /// The plans, as `--plan` takes them.
    pub plans: Plans,
}

/// What a coefficient cost in the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weighing {
    /// λ of `λ Σ w |α|`.
    pub lambda: f64,
    /// Whether `w` follows predicted seconds, rather than being 1.
    pub predicted: bool,
    /// `w`, by parameter.
    pub weights: BTreeMap<String, Vec<f64>>,
}

/// What a search found and made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchReport {
    /// [`SCHEMA`]
    pub schema: String,
    /// The model's name.
    pub model: String,
    /// The network that seconds were predicted for.
    pub network: String,
    /// What a second before the input is known counted.
    pub alpha: f64,
    /// What coefficients cost.
    pub penalty: Weighing,
    /// The coefficients by plan.
    pub found: Vec<Found>,
    /// Open entries by plan, the most worth keeping first.
    pub ranking: BTreeMap<String, Vec<Entry>>,
    /// The plans that were made.
    pub decided: Vec<Decided>,
}

/// The plans of one way. `shares` replaces the share of single plans.
///
/// Of a budget nothing is made here: see [`fit`](super::fit) and [`Decided::of_budget`].
pub fn decide(found: &[Found], way: Way, shares: &BTreeMap<String, f64>) -> Option<Decided> {
    let mu = way.mu()?;
    let mut kept = Kept::new();
    let mut plans = Plans::new();
    for found in found {
        let mu = shares.get(&found.plan).copied().unwrap_or(mu);
        let entries = match way {
            Way::Share { .. } => share(found, mu),
            Way::Threshold { .. } => above(found, mu),
            Way::EveryLayer { .. } => every_layer(found, mu),
            Way::Uniform { .. } => uniform(found, mu),
            Way::Random { seed, .. } => random(found, super::kept(mu, found.open().len()), seed),
            Way::Budget { .. } => return None,
        };
        kept.insert(found.plan.clone(), entries.len());
        plans.insert(found.plan.clone(), found.decided(&entries));
    }
    Some(Decided { way, file: way.file(), kept, seconds: None, plans })
}

impl Decided {
    /// The plans of a budget.
    pub fn of_budget(limit: f64, fitted: Fitted) -> Self {
        let way = Way::Budget { limit };
        Self { way, file: way.file(), kept: fitted.kept, seconds: None, plans: fitted.plans }
    }
}

/// The ranking of every plan.
pub fn rankings(found: &[Found]) -> BTreeMap<String, Vec<Entry>> {
    found.iter().map(|found| (found.plan.clone(), ranking(found))).collect()
}

impl Way {
    /// The share; a budget has none.
    pub fn mu(self) -> Option<f64> {
        match self {
            Way::Budget { .. } => None,
            Way::Share { mu }
            | Way::Threshold { mu }
            | Way::EveryLayer { mu }
            | Way::Uniform { mu }
            | Way::Random { mu, .. } => Some(mu),
        }
    }

    /// The name of a file of such plans: `mu-0.5.json`.
    pub fn file(self) -> String {
        match self {
            Way::Share { mu } => format!("mu-{mu}.json"),
            Way::Threshold { mu } => format!("threshold-{mu}.json"),
            Way::Budget { limit } => format!("budget-{limit}s.json"),
            Way::EveryLayer { mu } => format!("layers-{mu}.json"),
            Way::Uniform { mu } => format!("uniform-{mu}.json"),
            Way::Random { mu, seed } => format!("random-{mu}-{seed}.json"),
        }
    }
}
