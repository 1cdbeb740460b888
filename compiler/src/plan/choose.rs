//! The choice between protocols: the plan with the least online + α · offline seconds on a machine and a network.
//!
//! Nodes between whose protocols there is a choice are grouped by what they compute and take: those of one shape first,
//! then those of one shape and one layer. From each plan that chooses the same everywhere, groups change their protocol one
//! after the other as long as that saves time. Only the order of the nodes and arithmetic decide, so the same graph,
//! ranges and objective give the same plan everywhere.

use std::collections::{BTreeMap, BTreeSet};

use mpcc_program::code::Owner;
use mpcc_program::gates::lower_making;
use mpcc_program::machine::{Link, Machine};
use mpcc_program::making::MakingPrice;
use mpcc_program::program::{Program, Supplier};
use mpcc_program::timing::{Estimate, Workload};

use super::{Chain, Choice, Comparison, Plan, PlanError, PlanOptions, Softmax, Taken, plan_with};
use crate::graph::{Graph, NodeId};
use crate::ranges::{Basis, Ranges};

/// What a plan is chosen for.
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The machine of every role.
    pub machine: &'a Machine,
    /// The network between them.
    pub link: Link,
    /// α: what a second before the input is known counts, beside one after.
    pub alpha: f64,
    /// What two parties without a dealer take to make correlated randomness, if that counts; it does as much as other seconds before
    /// the input is known.
    pub making: Option<&'a dyn MakingPrice>,
}

impl Objective<'_> {
    /// Seconds that count of a session's first inference.
    pub fn seconds(&self, estimate: &Estimate) -> f64 {
        estimate.first.online_seconds + self.alpha * estimate.first.offline_seconds
    }

    /// What counts of making an inference's correlated randomness.
    fn making_seconds(&self, program: &Program) -> f64 {
        match self.making {
            Some(price) if program.supplier == Supplier::Pair => {
                self.alpha * price.seconds(&lower_making(program, Owner::ModelOwner).rounds)
            }
            _ => 0.0,
        }
    }
}

/// What is decided already; the rest is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// For every ReLU.
    pub comparison: Option<Comparison>,
    /// For every chain of products that one word cannot hold.
    pub chain: Option<Chain>,
    /// For every softmax.
    pub softmax: Option<Softmax>,
    /// What the program may rely on.
    pub basis: Basis,
    /// Who makes the correlated randomness.
    pub supplier: Supplier,
}

/// A chosen plan.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The plan.
    pub plan: Plan,
    /// What plans it again.
    pub options: PlanOptions,
    /// Its seconds.
    pub estimate: Estimate,
    /// How many plans were compared.
    pub compared: usize,
}

/// A change must save this part of the seconds, so that equal plans stay plain.
const LEAST_GAIN: f64 = 1e-3;
/// Most plans that are compared.
const MOST_PLANS: usize = 48;
/// The same where a making has a price, so that every opening is a choice.
const MOST_PRICED: usize = 96;

/// The best plan that was found for an objective.
///
/// # Errors
/// As [`plan_with`], if the graph has no plan at all.
pub fn plan_for(
    graph: &Graph,
    ranges: &Ranges,
    objective: &Objective<'_>,
    decided: Decided,
) -> Result<Chosen, Vec<PlanError>> {
    let priced = decided.supplier == Supplier::Pair && objective.making.is_some();
    let most = if priced { MOST_PRICED } else { MOST_PLANS };
    let mut search = Search { graph, ranges, objective, seen: Vec::new(), best: None, refused: None, most };
    let supplier = decided.supplier;
    let comparisons = match (supplier, decided.comparison) {
        (Supplier::Pair, _) => vec![Comparison::DigitTables],
        (Supplier::Dealer, Some(comparison)) => vec![comparison],
        (Supplier::Dealer, None) => vec![Comparison::DigitTables, Comparison::FunctionSharing],
    };
    let chains = match decided.chain {
        Some(chain) => vec![chain],
        // There is a choice at every opening, and few of them change.
        None if priced => vec![Chain::Wide],
        None => vec![Chain::Wide, Chain::Narrow],
    };
    let mut starts = Vec::new();
    for &comparison in &comparisons {
        for &chain in &chains {
            // A number is never slower than a tree of comparisons.
            let softmax = decided.softmax.unwrap_or_default();
            let basis = decided.basis;
            let options = PlanOptions { comparison, chain, softmax, basis, supplier, ..PlanOptions::default() };
            if let Some(cost) = search.cost(&options) {
                starts.push((options, cost));
            }
        }
    }
    let fits = |taken: Taken| match taken {
        Taken::Comparison(_) => comparisons.len() > 1,
        Taken::Chain(_) => decided.chain.is_none(),
        Taken::Softmax(_) => false,
    };
    for by_layer in [false, true] {
        // Layers are looked at from the best plan only, since they are many.
        if by_layer {
            starts = search.best.iter().map(|best| (best.0.options.clone(), best.1)).collect();
        }
        for (options, cost) in &starts {
            search.descend(options.clone(), *cost, by_layer, fits);
        }
    }
    let compared = search.seen.len();
    match (search.best, search.refused) {
        (Some((chosen, _)), _) => Ok(Chosen { compared, ..chosen }),
        (None, refused) => Err(refused.unwrap_or_default()),
    }
}

struct Search<'a> {
    graph: &'a Graph,
    ranges: &'a Ranges,
    objective: &'a Objective<'a>,
    seen: Vec<(PlanOptions, Option<Cost>)>,
    best: Option<(Chosen, Cost)>,
    refused: Option<Vec<PlanError>>,
    /// Most plans that are compared.
    most: usize,
}

/// What changes, that first which may save most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Comparison,
    Chain,
}

/// What a plan takes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// That count.
    seconds: f64,
    hops: u16,
}

impl Cost {
    /// Whether it is worth going on from this plan instead of another: it saves time, or one hop at no time. The party
    /// with the input is ahead by a hop, so every second hop is free, and one less may show only with the next.
    fn leads_on_from(self, other: Cost) -> bool {
        gains(self.seconds, other.seconds) || self.hops + 1 == other.hops && !gains(other.seconds, self.seconds)
    }
}

/// Nodes that change together.
type Group = BTreeSet<NodeId>;

impl Search<'_> {
    /// What the plan with these options takes; nothing if there is none.
    fn cost(&mut self, options: &PlanOptions) -> Option<Cost> {
        if let Some((_, cost)) = self.seen.iter().find(|(seen, _)| seen == options) {
            return *cost;
        }
        let cost = match plan_with(self.graph, self.ranges, options) {
            Err(errors) => {
                self.refused.get_or_insert(errors);
                None
            }
            Ok(plan) => {
                let estimate = Workload::new(&plan.program).estimate(self.objective.machine, self.objective.link);
                let seconds = self.objective.seconds(&estimate) + self.objective.making_seconds(&plan.program);
                let cost = Cost { seconds, hops: plan.program.hops };
                if self.best.as_ref().is_none_or(|(_, least)| gains(cost.seconds, least.seconds)) {
                    let chosen = Chosen { plan, options: options.clone(), estimate, compared: 0 };
                    self.best = Some((chosen, cost));
                }
                Some(cost)
            }
        };
        self.seen.push((options.clone(), cost));
        cost
    }

    /// Changes group after group while that saves time.
    fn descend(&mut self, mut options: PlanOptions, mut cost: Cost, by_layer: bool, fits: impl Fn(Taken) -> bool) {
        loop {
            let before = cost;
            for (flipped, group) in self.groups(&options, by_layer, &fits) {
                if self.seen.len() >= self.most {
                    return;
                }
                let mut changed = options.clone();
                for node in group {
                    match flipped {
                        Taken::Comparison(comparison) => {
                            changed.comparison_of.insert(node, comparison);
                        }
                        Taken::Chain(chain) => {
                            changed.chain_of.insert(node, chain);
                        }
                        Taken::Softmax(softmax) => {
                            changed.softmax_of.insert(node, softmax);
                        }
                    }
                }
                if let Some(less) = self.cost(&changed)
                    && less.leads_on_from(cost)
                {
                    (options, cost) = (changed, less);
                }
            }
            if !gains(cost.seconds, before.seconds) {
                return;
            }
        }
    }

    /// The nodes between whose protocols these options leave a choice, and what each group would change to.
    fn groups(&self, options: &PlanOptions, by_layer: bool, fits: impl Fn(Taken) -> bool) -> Vec<(Taken, Group)> {
        let Ok(plan) = plan_with(self.graph, self.ranges, options) else { return Vec::new() };
        let mut groups = BTreeMap::new();
        for choice in plan.choices.iter().filter(|choice| fits(choice.taken)) {
            let shape = self.graph.node(choice.node).ty.shape.to_vec();
            let layer = if by_layer { layer(&choice.path).to_owned() } else { String::new() };
            // Two parties alone have a choice at every opening, and layers are alike.
            let alike = options.alone().then(|| {
                let op = crate::text::op_name(&self.graph.node(choice.node).op);
                (named(&choice.path).to_owned(), op, plan.opened[choice.node.0 as usize])
            });
            let key = (kind(choice), shape, layer, alike, choice.taken.name());
            groups.entry(key).or_insert((other(choice.taken), Group::new())).1.insert(choice.node);
        }
        groups.into_values().collect()
    }
}

fn kind(choice: &Choice) -> Kind {
    match choice.taken {
        Taken::Comparison(_) | Taken::Softmax(_) => Kind::Comparison,
        Taken::Chain(_) => Kind::Chain,
    }
}

fn gains(seconds: f64, against: f64) -> bool {
    seconds < against * (1.0 - LEAST_GAIN)
}

fn other(taken: Taken) -> Taken {
    match taken {
        Taken::Comparison(Comparison::DigitTables) => Taken::Comparison(Comparison::FunctionSharing),
        Taken::Comparison(Comparison::FunctionSharing) => Taken::Comparison(Comparison::DigitTables),
        Taken::Chain(Chain::Wide) => Taken::Chain(Chain::Narrow),
        Taken::Chain(Chain::Narrow) => Taken::Chain(Chain::Wide),
        Taken::Softmax(Softmax::Maximum) => Taken::Softmax(Softmax::Static),
        Taken::Softmax(_) => Taken::Softmax(Softmax::Maximum),
    }
}

/// `blocks.3` of `blocks.3/s`.
fn layer(path: &str) -> &str {
    path.split_once('/').map_or(path, |(layer, _)| layer)
}

/// `s` of `blocks.3/s`.
fn named(path: &str) -> &str {
    path.split_once('/').map_or("", |(_, name)| name)
}
