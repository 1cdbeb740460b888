//! The float network on many inputs: by the exact evaluator where its outputs are compared with private ones, and in
//! batches of single precision where only labels are counted.

use std::collections::BTreeMap;
use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use burn::tensor::Device;
use mpcc_cli::encoded;
use mpcc_cli::failure::Bug;
use mpcc_cli::machine::cores;
use mpcc_cli::model::Model;
use mpcc_cli::outputs::Revealed;
use mpcc_cli::progress::Bar;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::evaluate::Evaluator;
use mpcc_compiler::graph::Graph;
use mpcc_import::inputs::Reader;
use mpcc_import::weights;
use mpcc_training::examples::Batch;
use mpcc_training::network::Network;
use mpcc_training::parameters::{Parameters, start_from};
use mpcc_training::train;

use super::images::{self, Labelled};

/// Inputs that are evaluated together.
const TOGETHER: usize = 128;

/// Outputs for each input, on all cores.
pub(super) fn outputs(
    model: &Model,
    weights_file: &Path,
    inputs: &[Labelled],
    terminal: &Terminal,
) -> Result<Vec<Vec<Revealed>>> {
    let artefact = &model.artefact;
    let params = weights::load(weights_file, &artefact.graph)?.params;
    let evaluator = Evaluator::new(model.float_graph(), &params)?;
    let bar = Bar::new(terminal, inputs.len() as u64, "float network");
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Vec<Revealed>)>> {
        let reader = Reader::new(&artefact.graph, artefact.tokenizer.as_deref())?;
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(index) else { return Ok(done) };
            let given = reader.load(&input.example)?;
            let outputs = encoded::float_outputs(model, &evaluator, &given.inputs);
            done.push((index, outputs.with_context(|| input.example.to_string())?));
            bar.advance();
        }
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores().min(inputs.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| Bug("a thread panicked".to_owned()))).collect()
    });
    bar.finish();
    let mut all = Vec::with_capacity(inputs.len());
    for part in parts {
        all.extend(part??);
    }
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, outputs)| outputs).collect())
}

/// How many inputs get the right label: in batches of single precision if training knows all ops of the model, else as
/// [`outputs`] finds them.
pub(super) fn right(model: &Model, weights_file: &Path, inputs: &[Labelled], terminal: &Terminal) -> Result<usize> {
    if inputs.is_empty() {
        return Ok(0);
    }
    let graph = Arc::new(model.float_graph().clone());
    match Network::new(Arc::clone(&graph)) {
        Ok(network) => in_batches(model, &network, &graph, weights_file, inputs, terminal),
        Err(_) => Ok(images::right(&outputs(model, weights_file, inputs, terminal)?, inputs)),
    }
}

fn in_batches(
    model: &Model,
    network: &Network,
    graph: &Graph,
    weights_file: &Path,
    inputs: &[Labelled],
    terminal: &Terminal,
) -> Result<usize> {
    let device = Device::flex();
    let arrays = start_from(weights_file, graph, BTreeMap::new(), |_| false)?;
    let parameters = Parameters::new(graph, &arrays, &device).map_err(|name| anyhow!("the weights lack {name}"))?;
    let labels = graph.outputs.first().map(|output| output.labels.as_slice()).unwrap_or_default();
    let reader = Reader::new(graph, model.artefact.tokenizer.as_deref())?;
    let bar = Bar::new(terminal, inputs.len() as u64, "float network");
    let mut right = 0.0;
    for (index, inputs) in inputs.chunks(TOGETHER).enumerate() {
        let mut batch = Batch {
            size: inputs.len(),
            inputs: vec![Vec::new(); graph.inputs.len()],
            targets: vec![0.0; inputs.len() * network.classes()],
            labels: Vec::with_capacity(inputs.len()),
        };
        for input in inputs {
            let given = reader.load(&input.example)?;
            for (all, one) in batch.inputs.iter_mut().zip(&given.inputs) {
                all.extend(one.data.iter().map(|v| *v as f32));
            }
            let label = labels.iter().position(|label| *label == input.label);
            batch.labels.push(label.ok_or_else(|| Bug(format!("{} is no label", input.label)))?);
        }
        let share = train::accuracy(network, &parameters, &mut iter::once(batch), cores(), &device);
        right += share.unwrap_or(0.0) * inputs.len() as f64;
        bar.set((index * TOGETHER + inputs.len()) as u64);
    }
    bar.finish();
    Ok(right.round() as usize)
}
