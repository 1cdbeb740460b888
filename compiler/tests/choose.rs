//! The planner's choice between protocols, on the networks of the MPCViT paper.

use std::sync::OnceLock;

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::graph::Graph;
use mpcc_compiler::lower::{LowerOptions, PlanValue};
use mpcc_compiler::plan::{Chain, Chosen, Comparison, Decided, Objective, PlanOptions, Taken, plan_for, plan_with};
use mpcc_compiler::ranges::{Ranges, nominal};
use mpcc_program::machine::{Link, Machine};
use mpcc_program::timing::Workload;

const CIFAR: &str = include_str!("../../examples/mpcvit-cifar10-paper/model.mpv");
const LAN: Link = Link { round_trip_seconds: 0.3e-3, bytes_per_second: 125e6 };

/// The network with half of its heads ReLU-softmax.
fn cifar() -> &'static (Graph, Ranges) {
    static MADE: OnceLock<(Graph, Ranges)> = OnceLock::new();
    MADE.get_or_init(|| {
        let graph = rewrite(CIFAR, &LowerOptions::default()).expect("a valid model").graph;
        let ranges = nominal(&graph);
        (graph, ranges)
    })
}

fn chosen(link: Link, alpha: f64, decided: Decided) -> Chosen {
    let (graph, ranges) = cifar();
    let objective = Objective { machine: &Machine::built_in(), link, alpha };
    plan_for(graph, ranges, &objective, decided).expect("a plan")
}

#[test]
fn explore() {
    for (name, link) in [("loopback", Link::LOOPBACK), ("lan", LAN), ("wan", Link::WAN)] {
        for alpha in [0.0, 1.0] {
            let t = std::time::Instant::now();
            let c = chosen(link, alpha, Decided::default());
            println!(
                "{name} {alpha}: {:?} on {:.4} off {:.4} compared {} in {:?} {:?}",
                c.plan.choices.len(),
                c.estimate.first.online_seconds,
                c.estimate.first.offline_seconds,
                c.compared,
                t.elapsed(),
                c.options
            );
        }
    }
}
