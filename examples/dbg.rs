//! dbg
use mpcc::compiler::{compile, evaluate::Evaluator, lower::LowerOptions, ranges::Ranges, value_ranges};
use std::collections::BTreeMap;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = std::path::Path::new(&args[1]);
    let source = std::fs::read_to_string(dir.join("model.mpv")).unwrap();
    let rewritten = compile::rewrite(&source, &LowerOptions::default()).map_err(|e| format!("{e:?}")).unwrap();
    let graph = &rewritten.graph;
    let params = mpcc::import::weights::load(std::path::Path::new(&args[2]), graph).unwrap().params;
    let ranges: Ranges = serde_json::from_str(&std::fs::read_to_string(&args[3]).unwrap()).unwrap();
    let ev = Evaluator::new(graph, &params).unwrap();
    let t = std::time::Instant::now();
    let seen = |id: mpcc::compiler::graph::NodeId| ranges.nodes.get(&id.0).copied().unwrap_or_default();
    let relied = value_ranges::relied_on(graph, ev.server_values(), &seen);
    eprintln!("{:?}", t.elapsed());
    let proved = value_ranges::proved(graph, ev.server_values());
    let bits = |r: Option<(f64, f64)>| r.map_or(f64::NAN, |(l, h)| l.abs().max(h.abs()).log2());
    let mut hist: BTreeMap<i32, usize> = BTreeMap::new();
    for (i, n) in graph.nodes.iter().enumerate() {
        let s = seen(mpcc::compiler::graph::NodeId(i as u32));
        if n.ty.visibility != mpcc::compiler::graph::Visibility::Shared {
            continue;
        }
        let d = bits(relied[i].entries) - bits(s.observed);
        *hist.entry(d.ceil() as i32).or_default() += 1;
        println!(
            "{:4} {:?} {:40} obs {:6.1} old {:6.1} proved {:6.1} relied {:6.1} diff {:5.1} {:?} arg {:?} chk {:?}",
            i,
            n.ty.shape.as_slice(),
            n.path,
            bits(s.observed),
            bits(s.proved),
            bits(proved[i]),
            bits(relied[i].entries),
            d,
            format!("{:?}", n.op).chars().take(60).collect::<String>(),
            relied[i].argument.map(|c| (c.low, c.high, c.below, c.above, c.zero)),
            relied[i].checked.map(|c| (c.low, c.high, c.below, c.above))
        );
    }
    println!("{hist:?}");
}
