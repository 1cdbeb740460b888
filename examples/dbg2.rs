//! dbg2: relied ranges into file and plan compare
use mpcc::compiler::{
    compile,
    evaluate::Evaluator,
    lower::LowerOptions,
    plan::{PlanOptions, plan_with},
    ranges::{Basis, Ranges},
    value_ranges,
};
use mpcc::program::cost;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let source = std::fs::read_to_string(&args[1]).unwrap();
    let rewritten = compile::rewrite(&source, &{
        let mut o = LowerOptions::default();
        if let Ok(p) = std::env::var("PLAN") {
            let (a, b) = p.split_once('=').unwrap();
            o.plans.insert(a.into(), mpcc::compiler::lower::PlanValue::Name(b.into()));
        }
        o
    })
    .map_err(|e| format!("{e:?}"))
    .unwrap();
    let graph = &rewritten.graph;
    let params = mpcc::import::weights::load(std::path::Path::new(&args[2]), graph).unwrap().params;
    let mut ranges: Ranges = serde_json::from_str(&std::fs::read_to_string(&args[3]).unwrap()).unwrap();
    let ev = Evaluator::new(graph, &params).unwrap();
    let t = std::time::Instant::now();
    let seen = ranges.clone();
    let relied = value_ranges::relied_on(graph, ev.server_values(), &|id| seen.of(id));
    eprintln!("analysis {:?}", t.elapsed());
    for (i, p) in value_ranges::proved(graph, ev.server_values()).into_iter().enumerate() {
        ranges.nodes.entry(i as u32).or_default().proved = p;
    }
    for (index, relied) in (0u32..).zip(&relied) {
        ranges.nodes.entry(index).or_default().rely(relied);
    }
    ranges.schema = "mpcc.ranges/2".into();
    for basis in [Basis::Observed, Basis::Guarded] {
        match plan_with(graph, &ranges, &PlanOptions { basis, ..PlanOptions::default() }) {
            Ok(plan) => {
                let c = cost::program(&plan.program);
                println!(
                    "{basis:?} hops {} online {:?} dealt {:?} setup {}",
                    c.hops, c.online_bytes, c.offline_bytes, c.setup_bytes
                );
                if let Some(p) = args.get(5) {
                    std::fs::write(format!("{p}.{}", basis.name()), mpcc::program::text::program(&plan.program))
                        .unwrap();
                }
            }
            Err(e) => {
                for e in e.iter().take(8) {
                    println!("{basis:?} {e}")
                }
            }
        }
    }
    if let Some(out) = args.get(4) {
        std::fs::write(out, serde_json::to_string(&ranges).unwrap()).unwrap();
    }
}
