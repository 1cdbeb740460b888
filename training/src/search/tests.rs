//! Selections on tables written by hand, and on a graph that mixes.

use std::collections::BTreeSet;
use std::convert::Infallible;

use mpcc_compiler::lower::{LowerOptions, lower};

use super::*;

fn entry(layer: usize, position: usize) -> Entry {
    Entry { layer, position }
}

/// A plan per head of two candidates.
fn heads(plan: &str, alpha: &[&[f64]]) -> Found {
    Found {
        plan: plan.to_owned(),
        granularity: Granularity::Head,
        candidates: alpha.iter().map(|layer| vec![vec!["rs".to_owned(), "scale".to_owned()]; layer.len()]).collect(),
        alpha: alpha.iter().map(|layer| layer.iter().map(|alpha| vec![*alpha]).collect()).collect(),
    }
}

fn json(plan: &PlanValue) -> String {
    serde_json::to_string(plan).unwrap()
}

#[test]
fn shares_keep_as_many_entries_as_the_published_code() {
    let counts = |entries| [0.1, 0.3, 0.5, 0.7].map(|mu| kept(mu, entries));
    assert_eq!(counts(28), [3, 9, 14, 20]);
    assert_eq!(counts(108), [11, 33, 54, 76]);
    assert_eq!([kept(0.0, 28), kept(1.0, 28), kept(0.5, 0), kept(2.0, 4), kept(-1.0, 4)], [0, 28, 0, 4, 0]);
}

#[test]
fn entries_are_ranked_by_coefficient_and_then_by_place() {
    let found = heads("ATTN", &[&[0.5, 0.9], &[0.5, -0.2], &[1.3, 0.5]]);
    let expected = [(2, 0), (0, 1), (0, 0), (1, 0), (2, 1), (1, 1)].map(|(l, p)| entry(l, p));
    assert_eq!(ranking(&found), expected);
    assert_eq!(share(&found, 0.5), expected[..3]);
    assert_eq!(json(&found.decided(&share(&found, 0.5))), r#"[["rs","rs"],["scale","scale"],["rs","scale"]]"#);
    // The threshold is 0.5, and whatever has it stays.
    assert_eq!(above(&found, 0.5), expected[..5]);
    assert_eq!(above(&found, 0.0), []);
}

#[test]
fn the_family_of_shares_is_nested() {
    let found = heads("ATTN", &[&[0.1, 0.7, 0.3, 0.9], &[0.2, 0.8, 0.4, 0.6]]);
    let sets = [0.1, 0.3, 0.5, 0.7, 1.0].map(|mu| share(&found, mu).into_iter().collect::<BTreeSet<_>>());
    assert!(sets.windows(2).all(|pair| pair[0].is_subset(&pair[1]) && pair[0].len() < pair[1].len()), "{sets:?}");
}

#[test]
fn layers_can_keep_the_same_share_each() {
    let found = heads("ATTN", &[&[0.9, 0.8, 0.7, 1.0], &[0.1, 0.2, 0.4, 0.3]]);
    let sorted = |mut entries: Vec<Entry>| {
        entries.sort();
        entries
    };
    assert_eq!(sorted(share(&found, 0.5)), (0..4).map(|head| entry(0, head)).collect::<Vec<_>>());
    assert_eq!(sorted(every_layer(&found, 0.5)), [(0, 0), (0, 3), (1, 2), (1, 3)].map(|(l, p)| entry(l, p)));
    assert_eq!(uniform(&found, 0.5), [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(l, p)| entry(l, p)));
}

#[test]
fn chance_is_fixed_by_the_seed_and_reaches_every_entry() {
    let found = heads("ATTN", &[&[0.0; 4], &[0.0; 4]]);
    assert_eq!(random(&found, 3, 5), random(&found, 3, 5));
    assert_ne!(random(&found, 3, 5), random(&Found { plan: "ACT".to_owned(), ..found.clone() }, 3, 5));
    let mut seen = [0usize; 8];
    for seed in 0..400 {
        let entries = random(&found, 3, seed);
        assert_eq!(entries.iter().collect::<BTreeSet<_>>().len(), 3);
        entries.iter().for_each(|entry| seen[entry.layer * 4 + entry.position] += 1);
    }
    assert!(seen.iter().all(|count| (100..200).contains(count)), "{seen:?}");
    assert_eq!(random(&found, 99, 1).len(), 8);
}

#[test]
fn of_several_candidates_the_best_of_the_rest_takes_the_place_of_the_first() {
    let found = Found {
        plan: "KIND".to_owned(),
        granularity: Granularity::Layer,
        candidates: [["a", "b", "c"].as_slice(), &["a", "b", "c"], &["a", "b", "c"], &["fixed"], &["a", "b", "c"]]
            .map(|names| vec![names.iter().map(|name| (*name).to_owned()).collect()])
            .into(),
        alpha: vec![
            vec![vec![0.6, 0.1]],
            vec![vec![0.4, 0.5]],
            vec![vec![0.5, 0.2]],
            vec![Vec::new()],
            // Open and not applied.
            vec![Vec::new()],
        ],
    };
    assert_eq!(found.open().len(), 3);
    assert_eq!(json(&found.decided(&top(&found, 1))), r#"["a","b","c","fixed","c"]"#);
    assert_eq!(json(&found.decided(&[])), r#"["c","b","c","fixed","c"]"#);
    let [costly, cheap] = extremes(std::slice::from_ref(&found));
    assert_eq!(json(&costly["KIND"]), r#"["a","a","a","fixed","a"]"#);
    assert_eq!(json(&cheap["KIND"]), r#"["c","c","c","fixed","c"]"#);
}

/// One second, and for every entry of the first candidate what its plan's cost.
fn seconds(plans: &Plans) -> f64 {
    let cost = |plan: &str| if plan == "ATTN" { 0.25 } else { 0.5 };
    1.0 + plans.iter().map(|(name, plan)| json(plan).matches("\"rs\"").count() as f64 * cost(name)).sum::<f64>()
}

#[test]
fn a_budget_is_filled_as_far_as_it_goes() {
    let found = [heads("ATTN", &[&[0.1, 0.7, 0.3, 0.9], &[0.2, 0.8, 0.4, 0.6]])];
    for (budget, expected) in [(1.0, 0), (1.24, 0), (1.25, 1), (1.8, 3), (2.99, 7), (3.0, 8), (99.0, 8)] {
        let mut asked = Vec::new();
        let mut price = |plans: &Plans| {
            asked.push(json(&plans["ATTN"]));
            Ok::<_, Infallible>(seconds(plans))
        };
        let fitted = fit(&found, &Budget { seconds: budget, given: Kept::new() }, &mut price).unwrap();
        assert_eq!(fitted.kept["ATTN"], expected, "{budget} s");
        assert_eq!(fitted.plans["ATTN"], found[0].decided(&top(&found[0], expected)));
        assert_eq!(fitted.seconds, 1.0 + 0.25 * expected as f64);
        assert_eq!(fitted.next, (expected < 8).then_some(1.25 + 0.25 * expected as f64));
        // What was chosen was priced, and so was the next.
        assert!(asked.contains(&json(&fitted.plans["ATTN"])) && asked.len() <= 6, "{asked:?}");
    }
    let mut price = |plans: &Plans| Ok::<_, Infallible>(seconds(plans));
    let error = fit(&found, &Budget { seconds: 0.5, given: Kept::new() }, &mut price).unwrap_err();
    assert_eq!(error, BudgetError::TooLittle(TooLittle { seconds: 0.5, cheapest: 1.0 }));
    let mut broken = |_: &Plans| Err("no ranges".to_owned());
    assert!(matches!(fit(&found, &Budget::default(), &mut broken), Err(BudgetError::Price(why)) if why == "no ranges"));
}

#[test]
fn plans_share_a_budget_in_proportion_unless_one_is_given() {
    let found = [heads("ATTN", &[&[0.1; 4], &[0.2; 4]]), heads("ACT", &[&[0.3; 2], &[0.4; 2]])];
    let mut price = |plans: &Plans| Ok::<_, Infallible>(seconds(plans));
    let half = fit(&found, &Budget { seconds: 3.0, given: Kept::new() }, &mut price).unwrap();
    assert_eq!((half.kept["ATTN"], half.kept["ACT"], half.seconds), (4, 2, 3.0));
    let given = Kept::from([("ACT".to_owned(), 3)]);
    let rest = fit(&found, &Budget { seconds: 3.0, given }, &mut price).unwrap();
    assert_eq!((rest.kept["ATTN"], rest.kept["ACT"], rest.seconds), (2, 3, 3.0));
}

const MODEL: &str = r#"mpv 1;
fn double<N, M>(x: Tensor<N, M>) -> Tensor<N, M> { return 2 * x; }
plan HEADS: per_head<2, 2> = [[search[softmax, scaling]; 2], [scaling, search[softmax, scaling]]];
plan ROWS: per_row<2, 3> = [[search[gelu, relu, identity]; 3]; 2];
model Tiny() {
  input x: secret client Tensor<2, 3, 3>;
  weights secret server { format: safetensors }
  param w: Tensor<3, 3> = "w";
  let h = choose(HEADS[1], choose(HEADS[0], linear(x, w)));
  output y: reveal client Tensor<2, 3, 3> = choose(ROWS[0], h);
}
"#;

fn supernet() -> Graph {
    let module = mpcc_grammar::parse(MODEL).unwrap();
    lower(&module, &LowerOptions { supernet: true, ..LowerOptions::default() }).unwrap().0
}

#[test]
fn coefficients_are_read_from_trained_parameters() {
    let graph = supernet();
    let mut arrays: BTreeMap<String, Array> = graph
        .searched
        .iter()
        .map(|searched| {
            let param = &graph.params[searched.param.0 as usize];
            let data = (0..searched.start().len()).map(|at| at as f64 / 10.0).collect();
            (param.name.clone(), Array::new(&param.shape, data))
        })
        .collect();
    let found = Found::read(&graph, &arrays).unwrap();
    assert_eq!(found.iter().map(|found| found.plan.as_str()).collect::<Vec<_>>(), ["HEADS", "ROWS"]);
    assert_eq!(found[0].alpha, [[vec![0.0], vec![0.1]], [vec![], vec![0.0]]]);
    assert_eq!(found[1].alpha[0], [vec![0.0, 0.3], vec![0.1, 0.4], vec![0.2, 0.5]]);
    // Layer 1 of the rows is open, and nothing applies it.
    assert_eq!((found[1].open().len(), found[1].alpha[1][0].len()), (3, 0));
    let plans = [(found[0].plan.clone(), found[0].decided(&share(&found[0], 0.3)))];
    assert_eq!(json(&plans[0].1), r#"[["scaling","softmax"],["scaling","scaling"]]"#);
    let mut options = LowerOptions { plans: plans.into(), ..LowerOptions::default() };
    options.plans.insert("ROWS".to_owned(), found[1].decided(&[]));
    assert!(lower(&mpcc_grammar::parse(MODEL).unwrap(), &options).is_ok());
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Found>>(&text).unwrap(), found);
    arrays.remove("ROWS.0.alpha");
    let error = Found::read(&graph, &arrays).unwrap_err();
    assert_eq!(error, SearchError::Missing { name: "ROWS.0.alpha".to_owned(), expected: vec![2, 3] });
    assert_eq!(Found::read(&Graph::default(), &arrays), Err(SearchError::NothingOpen));
}

#[test]
fn penalties_follow_predicted_seconds_with_a_mean_of_1() {
    let graph = supernet();
    let arrays = graph
        .searched
        .iter()
        .map(|searched| {
            let param = &graph.params[searched.param.0 as usize];
            (param.name.clone(), Array::new(&param.shape, searched.start()))
        })
        .collect();
    let found = Found::read(&graph, &arrays).unwrap();
    let count = |plans: &Plans, plan: &str, name: &str| json(&plans[plan]).matches(name).count() as f64;
    // A softmax costs 3, a GeLU 1, a ReLU less than nothing.
    let mut price = |plans: &Plans| {
        let heads = 3.0 * count(plans, "HEADS", "softmax");
        Ok::<_, Infallible>(10.0 + heads + count(plans, "ROWS", "gelu") - count(plans, "ROWS", "relu"))
    };
    let weights = weighted(&graph, &found, &mut price).unwrap();
    let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["HEADS.0.alpha", "HEADS.1.alpha", "ROWS.0.alpha"]);
    // Nine coefficients: three heads, three rows with two each.
    let scale = 9.0 / (3.0 * 3.0 + 3.0);
    assert_eq!(weights[0].1, [3.0 * scale; 2]);
    assert_eq!(weights[1].1, [3.0 * scale]);
    assert_eq!(weights[2].1, [scale, scale, scale, 0.0, 0.0, 0.0]);
    assert!(unweighted(&graph).iter().zip(&weights).all(|((a, one), (b, w))| a == b && *one == vec![1.0; w.len()]));
    let free = weighted(&graph, &found, &mut |_: &Plans| Ok::<_, Infallible>(1.0));
    assert_eq!(free, Err(PenaltyError::NothingCosts(NothingCosts)));
}

#[test]
fn a_report_is_read_back_as_written() {
    let found = vec![heads("ATTN", &[&[0.1, 0.7], &[0.2, 0.8]]), heads("ACT", &[&[0.3; 2], &[0.4; 2]])];
    let ways = [
        Way::Share { mu: 0.5 },
        Way::Threshold { mu: 0.5 },
        Way::EveryLayer { mu: 0.5 },
        Way::Uniform { mu: 0.5 },
        Way::Random { mu: 0.5, seed: 3 },
    ];
    let shares = BTreeMap::from([("ACT".to_owned(), 0.25)]);
    let mut decided: Vec<Decided> = ways.iter().filter_map(|way| decide(&found, *way, &shares)).collect();
    let kept = decided.iter().map(|made| (made.kept["ATTN"], made.kept["ACT"]));
    assert_eq!(kept.collect::<Vec<_>>(), [(2, 1), (2, 2), (2, 2), (2, 2), (2, 1)]);
    assert_eq!(json(&decided[0].plans["ATTN"]), r#"[["scale","rs"],["scale","rs"]]"#);
    assert_eq!(decided[4].file, "random-0.5-3.json");
    assert_eq!(decide(&found, Way::Budget { limit: 1.0 }, &shares), None);
    let mut price = |plans: &Plans| Ok::<_, Infallible>(seconds(plans));
    let fitted = fit(&found, &Budget { seconds: 3.0, given: Kept::new() }, &mut price).unwrap();
    let predicted = Some(Seconds { online: fitted.seconds, offline: 0.0, counted: fitted.seconds });
    decided.push(Decided { seconds: predicted, ..Decided::of_budget(3.0, fitted) });
    assert_eq!((decided[5].file.as_str(), decided[5].kept["ATTN"], decided[5].kept["ACT"]), ("budget-3s.json", 3, 2));
    let report = SearchReport {
        schema: SCHEMA.to_owned(),
        model: "Tiny".to_owned(),
        network: "wan".to_owned(),
        alpha: 1.0,
        penalty: Weighing { lambda: 1e-5, predicted: false, weights: BTreeMap::new() },
        ranking: rankings(&found),
        found,
        decided,
    };
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains(r#""way":"random","mu":0.5,"seed":3"#), "{text}");
    assert_eq!(serde_json::from_str::<SearchReport>(&text).unwrap(), report);
}
