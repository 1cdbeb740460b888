//! Whatever differs between two artefacts is named, and nothing else.

use super::*;

/// What differs, and what makes it so.
type Change = (&'static str, fn(&mut Artefact));

/// Each change, with the hash made anew, differs in what it names alone.
#[track_caller]
fn named(changes: &[Change]) {
    let one = honest();
    for (named, change) in changes {
        let mut other = one.clone();
        change(&mut other);
        let found = differences(&one, &Artefact::new(other.graph, other.program, other.facts));
        assert!(found.len() == 1 && found[0].starts_with(named), "{named}: {found:?}");
    }
}

#[test]
fn every_part_of_a_graph_that_differs_is_named() {
    named(&[
        ("the model: `Tiny` in the file, `Other` compiled", |a| a.graph.name = "Other".to_owned()),
        ("input 0: pixels", |a| a.graph.inputs[0].name = "image".to_owned()),
        ("output 0: (\"logits\"", |a| a.graph.outputs[0].labels.swap(0, 1)),
        ("weight 0: patch.weight", |a| a.graph.params[0].name = "other.weight".to_owned()),
        ("plan 0 (0 against 1): nothing in the file", |a| a.graph.plans.push(("HEADS".to_owned(), "1".to_owned()))),
        ("numbers of bits: ", |a| a.graph.numeric.output_frac += 1),
        ("step of the graph 0: input", |a| a.graph.nodes[0].path = "elsewhere".to_owned()),
    ]);
}

#[test]
fn every_part_of_a_program_that_differs_is_named() {
    named(&[
        ("encoded weight 0: ", |a| a.program.weights[0].path = "elsewhere".to_owned()),
        ("encoded input 0: ", |a| a.program.inputs[0].path = "elsewhere".to_owned()),
        ("revealed output 0: ", |a| a.program.outputs[0].labels.swap(0, 1)),
        ("step of the program 0: ", |a| a.program.values[0].path = "elsewhere".to_owned()),
    ]);
}

#[test]
fn every_fact_that_differs_is_named() {
    named(&[
        ("what protocols were chosen for: nothing in the file, wan with alpha 0 and fast rates compiled", |a| {
            let (network, machine) = ("wan".to_owned(), "fast".to_owned());
            a.facts.planned_for = Some(PlannedFor { network, machine, alpha: 0.0 });
        }),
        ("the weights for which ranges hold", |a| a.facts.weights = Some("other".to_owned())),
        ("choice 0: comparison by digit tables", |a| {
            a.facts.choices[0].taken = crate::plan::Taken::Chain(crate::plan::Chain::Wide);
        }),
        ("value range 0: ", |a| a.facts.ranges[0].origin = Origin::Observed),
    ]);
}

#[test]
fn another_tokenizer_or_other_code_of_the_roles_is_named() {
    let one = honest();
    assert_eq!(differences(&one, &one.clone().with_tokenizer(vec![1])), ["the tokenizer"]);
    let Artefact { graph, program, facts, mut code, .. } = one.clone();
    code[0] ^= 1;
    let other = Artefact::of(Parts::of(&facts, &graph, &program), (graph, program, facts), None, code);
    assert_eq!(differences(&one, &other), ["the code that is made of the same program"]);
}

#[test]
fn differences_name_what_differs() {
    let one = honest();
    assert_eq!(differences(&one, &one.clone()), Vec::<String>::new());
    let source = SOURCE.replace("pixels / 255", "pixels / 256").replace("\"owl\"", "\"eel\"");
    let graph = rewrite(&source, &LowerOptions::default()).expect("a model").graph;
    let other = assemble_with(&graph, &nominal(&graph), &PlanOptions::default()).expect("a plan");
    let found = differences(&one, &other).join("\n");
    assert!(found.contains("output 0") && found.contains("owl") && found.contains("eel"), "{found}");
    assert!(found.contains("step of the graph"), "{found}");
}
