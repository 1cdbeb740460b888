//! The data set of a training run, as the model reads it.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, bail};
use mpcc_cli::progress::Bar;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::graph::{Element, Graph};
use mpcc_import::inputs::{Example, Reader, preparation};
use mpcc_program::shown::shown;
use mpcc_training::batches::BatchOptions;
use mpcc_training::data::text::{self, Texts};
use mpcc_training::data::{self, hold_out};
use mpcc_training::examples::{ImageExamples, ListedExamples};

use super::TrainingOptions;

/// Labelled images for a model of images.
pub(super) fn images(
    graph: &Graph,
    classes: usize,
    options: &TrainingOptions,
    terminal: &Terminal,
) -> Result<ImageExamples> {
    let shape = image_shape(graph)?;
    let bar = Bar::new(terminal, 1, "reading images");
    let prepared = preparation(graph, 0);
    let progress = &mut |done, all| bar.state(done as u64, all as u64);
    let dataset = data::open_prepared(&options.data, shape, prepared, progress);
    bar.finish();
    let mut dataset = dataset?;
    let labels = graph.outputs.first().map(|output| output.labels.as_slice()).unwrap_or_default();
    if !labels.is_empty() {
        dataset.order_classes(labels)?;
    }
    check_classes(dataset.train.classes.len(), classes, options)?;
    let (trained, held_out) = splits(dataset.train.labels(), options);
    let batch = BatchOptions {
        size: options.batch,
        seed: options.seed,
        classes,
        augment: options.augment(shape),
        mix: options.mix(),
        smoothing: options.smoothing,
        threads: 1,
        drop_last: true,
    };
    let (images, test) = (Arc::new(dataset.train), dataset.test.map(Arc::new));
    Ok(ImageExamples { images, trained: Arc::new(trained), held_out, test, options: batch })
}

/// Labelled texts for a model with a tokenizer.
pub(super) fn texts(
    graph: &Graph,
    classes: usize,
    options: &TrainingOptions,
    tokenizer: Option<&[u8]>,
) -> Result<ListedExamples> {
    let dataset = text::open(&options.data)?;
    let found = &dataset.train.classes;
    check_classes(found.len(), classes, options)?;
    let names = graph.outputs.first().map(|output| output.labels.as_slice()).unwrap_or_default();
    let place = |class: &String| match names.is_empty() {
        true => found.iter().position(|other| other == class),
        false => names.iter().position(|name| name == class),
    };
    let Some(places) = found.iter().map(place).collect::<Option<Vec<usize>>>() else {
        bail!("{} has the classes {}, the model {}", shown(&options.data), shown(&found.join(", ")), names.join(", "));
    };
    let reader = Reader::new(graph, tokenizer)?;
    let mut list = Vec::new();
    let mut read = |texts: &Texts| -> Result<Vec<usize>> {
        let first = list.len();
        for (row, text) in texts.rows.iter().enumerate() {
            let whole = match &text.second {
                Some(second) => format!("{}\t{second}", text.text),
                None => text.text.clone(),
            };
            list.push((reader.load(&Example::Text { number: row + 1, text: whole })?.inputs, places[text.label]));
        }
        Ok((first..list.len()).collect())
    };
    let all = read(&dataset.train)?;
    let tested = dataset.test.as_ref().map(&mut read).transpose()?.unwrap_or_default();
    let (trained, held_out) = match &dataset.dev {
        Some(dev) => (all, read(dev)?),
        None => {
            let labels: Vec<usize> = dataset.train.rows.iter().map(|row| places[row.label]).collect();
            splits(&labels, options)
        }
    };
    Ok(ListedExamples {
        list,
        trained,
        held_out,
        tested,
        size: options.batch,
        classes,
        smoothing: options.smoothing,
        seed: options.seed,
    })
}

/// Positions to train on, as many as are asked for, and held-out ones.
fn splits(labels: &[usize], options: &TrainingOptions) -> (Vec<usize>, Vec<usize>) {
    let (mut trained, held_out) = hold_out(labels, options.held_out, options.held_out_seed);
    if let Some(limit) = options.limit.filter(|limit| *limit < trained.len()) {
        let some: Vec<usize> = trained.iter().map(|at| labels[*at]).collect();
        let (left, _) = hold_out(&some, 1.0 - limit as f64 / trained.len() as f64, options.seed);
        let left: BTreeSet<usize> = left.into_iter().map(|at| trained[at]).collect();
        trained.retain(|at| left.contains(at));
    }
    (trained, held_out)
}

fn check_classes(found: usize, scored: usize, options: &TrainingOptions) -> Result<()> {
    if found != scored {
        bail!("{} has {found} classes, the model scores {scored}", shown(&options.data));
    }
    Ok(())
}

fn image_shape(graph: &Graph) -> Result<[usize; 3]> {
    match graph.inputs.as_slice() {
        [input] if input.ty.element == Element::U8 => match input.ty.shape.as_slice() {
            [c, h, w] => Ok([*c, *h, *w]),
            other => bail!("the input `{}` is no image: it has extents {other:?}", input.name),
        },
        _ => bail!(
            "training takes models of images, with one input `Tensor<u8, 3, H, W>`, and models of text, with a tokenizer"
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: TrainingOptions,
    }

    #[test]
    fn what_is_held_out_depends_on_its_own_seed_alone() {
        let labels: Vec<usize> = (0..200).map(|at| at % 2).collect();
        let split = |more: &[&str]| {
            let line = [&["mpcc", "--data", "images", "-o", "run", "--held-out", "0.1"], more].concat();
            splits(&labels, &Line::parse_from(line).options)
        };
        let (trained, held_out) = split(&["--seed", "1"]);
        assert_eq!(held_out.len(), 20);
        assert!(trained.iter().all(|at| !held_out.contains(at)));
        assert_eq!(split(&["--seed", "2"]), (trained, held_out.clone()));
        assert_ne!(split(&["--held-out-seed", "2"]).1, held_out);
        assert_eq!(split(&["--seed", "2", "--limit", "50"]).1, held_out);
    }
}
