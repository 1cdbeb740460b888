//! Hops and bytes of the networks of the papers, with the ranges that a typical training gives.

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Chain, Comparison, PlanOptions, plan_with};
use mpcc_compiler::ranges::nominal;
use mpcc_program::cost;
use mpcc_program::program::Program;

const CIFAR: &str = include_str!("../../examples/mpcvit-cifar10-paper/model.mpv");

fn with_heads(source: &str, heads: &str) -> String {
    let start = source.find("plan ATTN").expect("a plan");
    let end = start + source[start..].find(';').expect("its end");
    let mut end2 = end;
    if source[start..].find("= [\n").is_some_and(|i| start + i < end + 40) {
        end2 = start + source[start..].find("];").expect("end") + 1;
    }
    let end = end2;
    format!("{}plan ATTN: per_head<LAYERS, HEADS> = {heads}{}", &source[..start], &source[end..])
}

fn program(source: &str, options: &PlanOptions) -> Program {
    let graph = rewrite(source, &LowerOptions::default()).expect("a valid model").graph;
    plan_with(&graph, &nominal(&graph), options).expect("a plan").program
}

#[test]
fn explore() {
    let tiny = CIFAR
        .replace("LAYERS = 7", "LAYERS = 9")
        .replace("HEADS = 4", "HEADS = 12")
        .replace("DIM = 256", "DIM = 192")
        .replace("IMG = 32", "IMG = 64")
        .replace("CLASSES = 10;", "CLASSES = 200;");
    let cut = tiny.find("labels [").unwrap();
    let tiny = format!("{};\n}}\n", &tiny[..cut].trim_end());
    for (name, source, mixes) in [
        (
            "cifar",
            CIFAR.to_owned(),
            ["[[scale; HEADS]; LAYERS]", "[[rs, scale, scale, rs]; LAYERS]", "[[rs; HEADS]; LAYERS]"],
        ),
        (
            "tiny",
            tiny,
            [
                "[[scale; HEADS]; LAYERS]",
                "[[rs, scale, scale, rs, rs, scale, scale, rs, rs, scale, scale, rs]; LAYERS]",
                "[[rs; HEADS]; LAYERS]",
            ],
        ),
    ] {
        for numeric in
            ["frac: 12, weight_frac: 14, table_frac: 14", "frac: 12, weight_frac: 16, table_frac: 16, rsqrt_frac: 18"]
        {
            let source = source.replace("frac: 12, weight_frac: 14, table_frac: 14", numeric);
            for heads in mixes {
                for (comparison, chain) in [
                    (Comparison::DigitTables, Chain::Wide),
                    (Comparison::FunctionSharing, Chain::Wide),
                    (Comparison::DigitTables, Chain::Narrow),
                ] {
                    let p = program(
                        &with_heads(&source, heads),
                        &PlanOptions { comparison, chain, ..PlanOptions::default() },
                    );
                    let c = cost::program(&p);
                    println!(
                        "{name} {numeric:?} {heads} {comparison:?} {chain:?}: {} hops, {:?} MB, dealt {:?} MB",
                        c.hops,
                        c.online_bytes.model_owner as f64 / 1e6,
                        c.offline_bytes.data_owner as f64 / 1e6
                    );
                    if name == "cifar"
                        && comparison == Comparison::DigitTables
                        && numeric.contains("16")
                        && chain == Chain::Wide
                    {
                        for v in p.values.iter().filter(|v| (v.path.starts_with("blocks.1")) && v.gate.takes_a_hop()) {
                            let t = if let mpcc_program::program::Gate::Open { truncate, .. } = v.gate {
                                truncate
                            } else {
                                0
                            };
                            println!(
                                "   {} {} {:?} ring {}+{t} frac {} bound {}",
                                v.level,
                                v.path,
                                v.shape.as_slice(),
                                v.ring,
                                v.fraction,
                                v.bound
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn greedy() {
    let source = with_heads(CIFAR, "[[rs, scale, scale, rs]; LAYERS]");
    let graph = rewrite(&source, &LowerOptions::default()).expect("a valid model").graph;
    let ranges = nominal(&graph);
    for comparison in [Comparison::DigitTables, Comparison::FunctionSharing] {
        let mut options = PlanOptions { comparison, ..PlanOptions::default() };
        let plan = plan_with(&graph, &ranges, &options).expect("a plan");
        let mut best = cost::program(&plan.program);
        println!("{} hops {:?} {:?}", best.hops, best.online_bytes.model_owner, best.offline_bytes.data_owner);
        for c in plan.choices.clone() {
            if c.path.starts_with("blocks.1") {
                println!("{c:?} {:?}", graph.node(c.node).ty.shape.as_slice());
            }
            let mut o = options.clone();
            o.chain_of.insert(c.node, Chain::Narrow);
            let Ok(p) = plan_with(&graph, &ranges, &o) else {
                println!("refused {c:?}");
                continue;
            };
            let k = cost::program(&p.program);
            if c.path.starts_with("blocks.1") {
                println!(
                    "  {} hops {:?} {:?}",
                    k.hops,
                    k.online_bytes.model_owner as i64 - best.online_bytes.model_owner as i64,
                    k.offline_bytes.data_owner as i64 - best.offline_bytes.data_owner as i64
                );
            }
            if k.hops <= best.hops
                && k.offline_bytes.data_owner <= best.offline_bytes.data_owner
                && k.online_bytes.model_owner <= best.online_bytes.model_owner
            {
                best = k;
                options = o;
            }
        }
        println!("{} hops {:?} {:?}", best.hops, best.online_bytes.model_owner, best.offline_bytes.data_owner);
    }
}
