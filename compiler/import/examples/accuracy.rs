//! Float top-1 accuracy of a model over labelled images: `accuracy MODEL WEIGHTS DIR [--each]`.
//!
//! `DIR` holds one directory for each label of the model's first output. `--each` also prints, for every image, its
//! label, the label the network gives, and by how much the two largest logits differ.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use mpcc_compiler::evaluate::{Evaluator, Wanted};
use mpcc_compiler::graph::{Graph, Output};
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_grammar::{parse, render};
use mpcc_import::{inputs, labels, weights};

type Failure = Box<dyn Error + Send + Sync>;

/// One classified image.
struct Verdict {
    expected: usize,
    given: usize,
    margin: f64,
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let each = arguments.last().is_some_and(|last| last == "--each");
    if each {
        arguments.pop();
    }
    let [model, weights, directory] = arguments.as_slice() else {
        eprintln!("usage: accuracy MODEL WEIGHTS DIR [--each]");
        return ExitCode::from(2);
    };
    match run(Path::new(model), Path::new(weights), Path::new(directory), each) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(model: &Path, weights: &Path, directory: &Path, each: bool) -> Result<(), Failure> {
    let graph = read_model(model)?;
    let ([_], Some(output)) = (graph.inputs.as_slice(), graph.outputs.first()) else {
        return Err("the model must have one input and an output".into());
    };
    let bound = weights::load(weights, &graph)?;
    println!("{}", bound.report);
    let files = inputs::expand(&[directory.to_owned()])?;
    let evaluator = Evaluator::new(&graph, &bound.params)?;

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(threads);
    let verdicts = std::thread::scope(|scope| {
        let workers: Vec<_> = files
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(|file| classify(&evaluator, &graph, output, file)).collect()))
            .collect();
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(files.len());
        for worker in workers {
            let part: Result<Vec<_>, Failure> = worker.join().map_err(|_| "a worker panicked")?;
            verdicts.extend(part?);
        }
        Ok::<_, Failure>(verdicts)
    })?;
    if each {
        for (file, verdict) in files.iter().zip(&verdicts) {
            let (expected, given) = (&output.labels[verdict.expected], &output.labels[verdict.given]);
            println!("{}  {expected}  {given}  {:.4}", file.display(), verdict.margin);
        }
    }
    print_table(output, &verdicts);
    Ok(())
}

fn read_model(path: &Path) -> Result<Graph, Failure> {
    let source = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    parse(&source)
        .and_then(|module| lower(&module, &LowerOptions::default()))
        .map(|(graph, _)| graph)
        .map_err(|diagnostics| render(&diagnostics, &source, &path.display().to_string(), false).into())
}

fn classify(evaluator: &Evaluator<'_>, graph: &Graph, output: &Output, file: &Path) -> Result<Verdict, Failure> {
    let expected = labels::expected(file, output)?;
    let input = inputs::load(file, &graph.inputs[0])?;
    let values = evaluator.run(&[input], Wanted::Only(&[output.node]))?;
    let logits = &values[output.node].data;
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let [given, second, ..] = order[..] else {
        return Err(format!("`{}` is no list of logits", output.name).into());
    };
    Ok(Verdict { expected, given, margin: logits[given] - logits[second] })
}

fn print_table(output: &Output, verdicts: &[Verdict]) {
    let width = output.labels.iter().map(String::len).max().unwrap_or(0);
    let row = |name: &str, of: &dyn Fn(&Verdict) -> bool| {
        let all = verdicts.iter().filter(|v| of(v)).count();
        let right = verdicts.iter().filter(|v| of(v) && v.expected == v.given).count();
        if all > 0 {
            println!("{name:<width$}  {right:>5} of {all:>5}  {:6.2} %", 100.0 * right as f64 / all as f64);
        }
    };
    for (index, label) in output.labels.iter().enumerate() {
        row(label, &|v| v.expected == index);
    }
    row("all", &|_| true);
}
