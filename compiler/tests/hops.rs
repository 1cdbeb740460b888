//! Hops and bytes of the paper's networks, exactly.
//!
//! The floors come from the schedule: an input hop, four after the last layer, and per layer 11 with scaling attention
//! only; ReLU-softmax adds three with a comparison that takes no hop (G16) and two more with digit tables (G8, G9).

use mpcc_compiler::compile::rewrite;
use mpcc_compiler::lower::LowerOptions;
use mpcc_compiler::plan::{Chain, Comparison, Plan, PlanOptions, Taken, plan_with};
use mpcc_compiler::ranges::{Basis, nominal};
use mpcc_program::cost::{self, Cost};

const CIFAR: &str = include_str!("../../examples/mpcvit-cifar10-paper/model.mpv");
const TINY: &str = include_str!("../../examples/mpcvit-tiny-imagenet/model.mpv");

/// The model with other attention, at 16 bits for weights and tables.
fn source(model: &str, heads: &str) -> String {
    let start = model.find("plan ATTN").expect("the model has a plan");
    let end = start + model[start..].find("];\n").expect("the plan ends") + 3;
    let plan = format!("plan ATTN: per_head<LAYERS, HEADS> = {heads};\n");
    let numeric = ("weight_frac: 14, table_frac: 14", "weight_frac: 16, table_frac: 16, rsqrt_frac: 18");
    assert!(model.contains(numeric.0));
    format!("{}{plan}{}", &model[..start], &model[end..]).replace(numeric.0, numeric.1)
}

fn plan(source: &str, options: &PlanOptions) -> Plan {
    let graph = rewrite(source, &LowerOptions::default()).expect("a valid model").graph;
    plan_with(&graph, &nominal(&graph), &PlanOptions { basis: Basis::Observed, ..options.clone() }).expect("a plan")
}

fn costs(source: &str, comparison: Comparison) -> Cost {
    cost::program(&plan(source, &PlanOptions { comparison, ..PlanOptions::default() }).program)
}

/// Hops and online bytes of the model owner, with digit tables and with function sharing.
#[track_caller]
fn expect(model: &str, heads: &str, hops: [u32; 2], online: [u64; 2]) -> [u64; 2] {
    let source = source(model, heads);
    let both = [Comparison::DigitTables, Comparison::FunctionSharing].map(|c| costs(&source, c));
    assert_eq!(both.each_ref().map(|c| (c.hops, c.online_bytes.model_owner)), [0, 1].map(|i| (hops[i], online[i])));
    online
}

/// No more than the budget of widths derived by hand, so many kilobytes a layer.
#[track_caller]
fn within_budget(online: [u64; 2], layers: u64, kilobytes: u64) {
    assert!(online.iter().all(|bytes| *bytes <= layers * kilobytes * 1000), "{online:?}");
}

#[test]
fn the_cifar_network_is_at_its_floor() {
    let online = expect(CIFAR, "[[scale; HEADS]; LAYERS]", [82, 82], [9_965_401; 2]);
    within_budget(online, 7, 2190);
    expect(CIFAR, "[[rs, scale, scale, rs]; LAYERS]", [110, 96], [9_230_466, 9_179_629]);
    let online = expect(CIFAR, "[[rs; HEADS]; LAYERS]", [110, 96], [8_276_578, 8_174_911]);
    within_budget(online, 7, 1926);
}

#[test]
fn the_tiny_imagenet_network_is_at_its_floor() {
    let online = expect(TINY, "[[scale; HEADS]; LAYERS]", [104, 104], [35_642_756; 2]);
    within_budget(online, 9, 6008);
    let half = "[[rs, scale, scale, rs, scale, scale, rs, scale, scale, rs, scale, rs]; LAYERS]";
    expect(TINY, half, [140, 122], [55_805_669, 53_162_415]);
    let online = expect(TINY, "[[rs; HEADS]; LAYERS]", [140, 122], [83_330_144, 76_986_347]);
    within_budget(online, 9, 12_556);
}

/// Where ReLU-softmax heads decide the hops of a layer, the scaling heads have time for a second opening: taking it
/// value by value keeps the hops and saves bytes online and dealt.
#[test]
fn a_second_opening_beside_a_longer_path_is_free() {
    let source = source(CIFAR, "[[rs, scale, scale, rs]; LAYERS]");
    let mut options = PlanOptions { comparison: Comparison::FunctionSharing, ..PlanOptions::default() };
    let wide = plan(&source, &options);
    let products = wide.choices.iter().filter(|c| c.path == "blocks.1/a" && c.taken == Taken::Chain(Chain::Wide));
    // The product of keys and values comes before that with the queries, and what joins all heads last.
    let first = products.map(|c| c.node).nth(1).expect("scaling heads have products that need two words");
    options.chain_of.insert(first, Chain::Narrow);
    let (wide, narrow) = (cost::program(&wide.program), cost::program(&plan(&source, &options).program));
    assert_eq!(wide.hops, narrow.hops);
    assert!(narrow.online_bytes.model_owner + 50_000 < wide.online_bytes.model_owner, "{wide:?} {narrow:?}");
    let dealt = |cost: &Cost| cost.offline_bytes.model_owner + cost.offline_bytes.data_owner;
    assert!(dealt(&narrow) + 400_000 < dealt(&wide));
}
