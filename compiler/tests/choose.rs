//! The planner's choice between protocols, on the network of the MPCViT paper.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use mpcc_compiler::compile::{assemble_for, rewrite};
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{
    Chain, Chosen, Comparison, Decided, Objective, PlanOptions, Softmax, Taken, plan_for, plan_with,
};
use mpcc_compiler::ranges::{Basis, Ranges, nominal};
use mpcc_program::machine::{Link, Machine};
use mpcc_program::program::Gate;
use mpcc_program::timing::Workload;

/// The network as the paper has it, half of the heads ReLU-softmax.
fn network() -> &'static (Graph, Ranges) {
    static MADE: OnceLock<(Graph, Ranges)> = OnceLock::new();
    MADE.get_or_init(|| {
        let source = include_str!("../../examples/mpcvit-cifar10-paper/model.mpv");
        let graph = rewrite(source, &LowerOptions::default()).expect("a valid model").graph;
        let ranges = nominal(&graph);
        (graph, ranges)
    })
}

fn chosen(link: Link, alpha: f64, decided: Decided) -> Chosen {
    let (graph, ranges) = network();
    let machine = Machine::built_in();
    plan_for(graph, ranges, &Objective { machine: &machine, link, alpha, making: None }, decided).expect("a plan")
}

fn comparisons(chosen: &Chosen) -> Vec<Comparison> {
    let of = |taken| match taken {
        Taken::Comparison(comparison) => Some(comparison),
        Taken::Chain(_) | Taken::Softmax(_) => None,
    };
    chosen.plan.choices.iter().filter_map(|choice| of(choice.taken)).collect()
}

#[test]
fn no_uniform_plan_is_better() {
    let (graph, ranges) = network();
    let machine = Machine::built_in();
    for (link, alpha) in [(Link::LOOPBACK, 0.0), (Link::WAN, 0.0), (Link::WAN, 1.0)] {
        let objective = Objective { machine: &machine, link, alpha, making: None };
        let best = objective.seconds(&chosen(link, alpha, Decided::default()).estimate);
        for comparison in [Comparison::DigitTables, Comparison::FunctionSharing] {
            for chain in [Chain::Wide, Chain::Narrow] {
                let options = PlanOptions { comparison, chain, ..PlanOptions::default() };
                let plan = plan_with(graph, ranges, &options).expect("a plan");
                let uniform = objective.seconds(&Workload::new(&plan.program).estimate(&machine, link));
                assert!(best <= uniform * 1.001, "{comparison:?} {chain:?}: {best} {uniform}");
            }
        }
    }
}

/// Function sharing saves two hops and deals more: it pays where randomness is made at leisure and hops are long.
#[test]
fn comparisons_follow_what_offline_seconds_count() {
    let at_leisure = comparisons(&chosen(Link::WAN, 0.0, Decided::default()));
    assert_eq!(at_leisure.len(), 7);
    assert!(at_leisure.iter().all(|c| *c == Comparison::FunctionSharing), "{at_leisure:?}");
    let in_all = comparisons(&chosen(Link::WAN, 1.0, Decided::default()));
    let sharing = in_all.iter().filter(|c| **c == Comparison::FunctionSharing).count();
    // Only the last layer, which computes a single row, may find its two hops cheaper.
    assert!(sharing <= 1, "{in_all:?}");
    let nearby = comparisons(&chosen(Link::LOOPBACK, 1.0, Decided::default()));
    assert!(nearby.iter().all(|c| *c == Comparison::DigitTables), "{nearby:?}");
}

#[test]
fn what_is_decided_stays() {
    for comparison in [Comparison::DigitTables, Comparison::FunctionSharing] {
        for chain in [Chain::Wide, Chain::Narrow] {
            let softmax = Some(Softmax::Maximum);
            let basis = Basis::Observed;
            let decided =
                Decided { comparison: Some(comparison), chain: Some(chain), softmax, basis, ..Decided::default() };
            let chosen = chosen(Link::WAN, 0.5, decided);
            let softmax = Softmax::Maximum;
            assert_eq!(
                chosen.options,
                PlanOptions { comparison, chain, softmax, basis: Basis::Observed, ..PlanOptions::default() }
            );
            assert_eq!(chosen.compared, 1);
        }
    }
    let only = Decided { comparison: Some(Comparison::DigitTables), basis: Basis::Observed, ..Decided::default() };
    let found = chosen(Link::WAN, 0.0, only);
    assert!(found.compared > 2);
    assert_eq!(comparisons(&found).into_iter().collect::<Vec<_>>(), [Comparison::DigitTables; 7]);
}

/// However many octaves a divisor has, its reciprocal takes no hop beyond the opening of the divisor.
#[test]
fn a_range_of_many_octaves_takes_no_hop_more() {
    let source = |low: &str| {
        format!(
            "mpv 1;
            model Rows() {{
                input x: secret client Tensor<64, 64>;
                weights secret server {{ format: safetensors }}
                param w: Tensor<64, 64> = \"w\";
                let r = relu(linear(x, w));
                let d = sum(r, axis: -1);
                assume range(d) in [{low}, 16];
                output y: reveal client Tensor<64, 64> = r * recip(d);
            }}"
        )
    };
    let planned = |low: &str| {
        let graph = rewrite(&source(low), &LowerOptions::default()).expect("a valid model").graph;
        let options = PlanOptions { basis: Basis::Observed, ..PlanOptions::default() };
        let program = plan_with(&graph, &nominal(&graph), &options).expect("a plan").program;
        let levels = program.values.iter().find_map(|value| match &value.gate {
            Gate::RowFunction { table, .. } => Some((table.levels, table.ring_bits)),
            _ => None,
        });
        let (levels, ring) = levels.expect("a reciprocal");
        (levels, program.hops, ring)
    };
    let (few, more, many) = (planned("0.5"), planned("0.03125"), planned("0.001953125"));
    assert_eq!((few.1, more.1), (many.1, many.1));
    assert_eq!(more.0 - few.0, 4);
    // One level for every octave, to the ring's last bit: there single numbers are buckets, and serve from 1 on.
    assert_eq!((many.0 - few.0, many.0), (7, many.2));
}

#[test]
fn the_same_objective_gives_the_same_artefact() {
    let (graph, ranges) = network();
    let machine = Machine::built_in();
    let bytes = |alpha: f64| {
        let objective = Objective { machine: &machine, link: Link::WAN, alpha, making: None };
        let artefact = assemble_for(graph, ranges, ("wan", &objective), Decided::default()).expect("a plan");
        let planned_for = artefact.manifest.planned_for.as_ref().expect("recorded");
        assert_eq!((planned_for.network.as_str(), planned_for.machine.as_str()), ("wan", "built-in"));
        let protocols: BTreeSet<&str> = artefact.manifest.choices.iter().map(|c| c.protocol).collect();
        (artefact.to_bytes(), protocols.contains("comparison by function sharing"), artefact.manifest.program)
    };
    let (first, second, other) = (bytes(0.0), bytes(0.0), bytes(1.0));
    assert_eq!(first, second);
    assert!(first.1);
    assert_ne!(first.2, other.2);
}
