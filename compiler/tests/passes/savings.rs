//! What the passes save: claims that hold for the paper's network, and plans without each pass of every other.

use mpcc_compiler::passes::{PASSES, run_all, run_without, savings};
use mpcc_compiler::plan::PlanOptions;

use crate::examples::lowered;
use crate::goldens::sources;
use crate::meaning::{difference, networks};
use crate::models;

/// `hops saves` and so on: the sign alone, so that a golden changes only where a pass stops to be worth it.
fn claim(what: &str, saved: i64) -> String {
    let word = match saved {
        1.. => "saves",
        0 => "keeps",
        _ => "costs",
    };
    format!("{word} {what}\n")
}

#[test]
fn passes_save_on_the_papers_network_what_they_claim() {
    let mut steps = Vec::new();
    let found = savings(&lowered("mpcvit-cifar10-paper"), &PlanOptions::default(), |done| steps.push(done));
    let found = found.expect("the network can be planned");
    assert_eq!(steps, (1..=PASSES.len()).collect::<Vec<_>>());
    assert_eq!(
        found.passes.iter().map(|p| p.name).collect::<Vec<_>>(),
        PASSES.iter().map(|p| p.name).collect::<Vec<_>>()
    );
    for pass in &found.passes {
        let Some(saved) = pass.saved else { panic!("{}: {:?}", pass.name, pass.required) };
        let claims = [
            claim("hops", saved.hops),
            claim("online bytes", saved.online_bytes),
            claim("dealer bytes", saved.offline_bytes),
            claim("multiplications", saved.multiplications),
        ];
        models::golden(&format!("passes/{}/paper.saves", pass.name), &claims.concat());
        assert!(saved.hops >= 0, "{} costs hops: {saved:?}", pass.name);
        let all = [saved.hops, saved.online_bytes, saved.offline_bytes, saved.multiplications];
        assert!(all.iter().all(|s| *s == 0) || all.iter().any(|s| *s > 0), "{} only costs: {saved:?}", pass.name);
    }
}

#[test]
fn the_passes_that_matter_most_save_what_the_design_says() {
    let found = savings(&lowered("mpcvit-cifar10-paper"), &PlanOptions::default(), |_| ()).expect("a plan");
    let saved = |name: &str| found.passes.iter().find(|p| p.name == name).and_then(|p| p.saved).expect("a saving");
    // At least one hop for each of fifteen norms, and for each of seven layers with a reciprocal.
    assert!(saved("split_layernorm").hops >= 15, "{:?}", saved("split_layernorm"));
    assert!(saved("defer_normaliser").hops >= 7, "{:?}", saved("defer_normaliser"));
    // The last layer's output projection and MLP on 64 rows that nobody reads, at the model owner alone.
    assert!(saved("narrow_rows").multiplications > 64 * (256 * 256 + 2 * 256 * 512), "{:?}", saved("narrow_rows"));
}

#[test]
fn a_network_keeps_its_value_without_any_one_pass() {
    for (name, graph) in networks() {
        for pass in PASSES {
            let rewritten = run_without(&graph, pass.name).unwrap_or_else(|e| panic!("{name}: {e}"));
            let error = difference(&graph, &rewritten, 2);
            assert!(error < 1e-9, "{name} without {}: {error:e}", pass.name);
        }
        let found = savings(&graph, &PlanOptions::default(), |_| ()).expect("a plan with all passes");
        assert_eq!(found.passes.iter().find(|p| p.saved.is_none()), None, "{name}");
    }
}

#[test]
fn leaving_out_a_pass_that_does_nothing_changes_nothing() {
    let (rewritten, _) = run_all(&networks()[0].1);
    let found = savings(&rewritten, &PlanOptions::default(), |_| ()).expect("a plan");
    for pass in found.passes {
        assert!(!pass.changed && pass.saved == Some(Default::default()), "{pass:?}");
    }
    assert!(run_without(&rewritten, "fuse").is_err_and(|e| e.to_string().contains("fuse_linear")));
}

/// The proof that a pass is no idle one: its own sources cost more without it, or cannot be planned at all.
#[test]
fn every_pass_saves_something_in_one_of_its_sources() {
    for pass in PASSES {
        let saves = sources(pass.name).iter().any(|graph| {
            let Ok(found) = savings(graph, &PlanOptions::default(), |_| ()) else { return false };
            let own = found.passes.iter().find(|p| p.name == pass.name).expect("every pass is listed");
            own.saved
                .is_none_or(|s| [s.hops, s.online_bytes, s.offline_bytes, s.multiplications].iter().any(|n| *n > 0))
        });
        assert!(saves, "{} saves nothing in any of its sources", pass.name);
    }
}

/// Where tokens have no activation, two layers of a network of this size are one.
#[test]
fn fusing_saves_on_a_network_with_activations_on_some_tokens_only() {
    let found = savings(&lowered("mpcvit-plus"), &PlanOptions::default(), |_| ()).expect("a plan");
    let saved = |name: &str| found.passes.iter().find(|p| p.name == name).and_then(|p| p.saved).expect("a saving");
    for pass in PASSES {
        assert!(saved(pass.name).hops >= 0, "{} costs hops: {:?}", pass.name, saved(pass.name));
    }
    // 176 rows of all layers but the last, which multiply by 256 x 256 weights in place of twice 256 x 512.
    let fused = saved("fuse_linear");
    assert!(fused.multiplications >= 176 * 3 * 256 * 256 && fused.online_bytes > 0, "{fused:?}");
}
