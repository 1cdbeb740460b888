//! `mpcc new`: a model file for a published network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use mpcc::failure::{Bug, Usage};
use mpcc::files;
use mpcc::terminal::Terminal;
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_import::models::{self, Options};
use mpcc_import::weights::{self, BindingReport, WeightsError};
use serde::Serialize;

/// Write an editable model file for a published network, and report how its tensors are bound.
#[derive(Args, Debug)]
#[command(after_help = "\
What --from takes:
  vit, deit, bert, roberta
          a directory in the layout of Hugging Face: config.json, model.safetensors (or several with their index, or
          pytorch_model.bin), preprocessor_config.json, the files of the tokenizer
  mpcvit  a state dict of MPCViT, MPCViT+ or of ViT-Lite from Compact-Transformers: .safetensors, or a checkpoint of
          torch.save (.pth, .pth.tar), of which nothing is executed

Tensors that `mpcc run --weights` cannot take as they are, from a checkpoint or from several files, are written to a
.safetensors file beside the model. Any tensor left over or missing is an error that names it.

Examples:
  mpcc new --template vit --from vit-base-patch16-224 -o vit.mpv
  mpcc new --template bert --from bert-base-sst2 --length 64 -o bert
  mpcc new --template mpcvit --from mpcvit_cifar10-0.5.pth.tar -o mpcvit.mpv")]
pub(crate) struct NewArguments {
    /// The family of the network.
    #[arg(long, value_enum)]
    template: Template,
    /// The directory or file that the network was published as.
    #[arg(long, value_name = "DIR|FILE")]
    from: PathBuf,
    /// Where to put the model file: a name that ends in .mpv, or a directory for `model.mpv`; without it TEMPLATE.mpv
    /// here.
    #[arg(short, long, value_name = "OUT_DIR|OUT.mpv")]
    output: Option<PathBuf>,
    /// Tokens of a text that the model reads, padding included; 128 unless given.
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// Attention heads, for a state dict whose shapes do not tell.
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

/// Families by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Template {
    /// ViT for image classification
    Vit,
    /// DeiT, with its distillation token
    Deit,
    /// BERT for sequence classification, or BERT alone
    Bert,
    /// RoBERTa for sequence classification
    Roberta,
    /// MPCViT, MPCViT+, ViT-Lite
    Mpcvit,
}

impl Template {
    fn family(self) -> models::Template {
        match self {
            Self::Vit => models::Template::Vit,
            Self::Deit => models::Template::Deit,
            Self::Bert => models::Template::Bert,
            Self::Roberta => models::Template::Roberta,
            Self::Mpcvit => models::Template::Mpcvit,
        }
    }

    /// The name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    template: String,
    /// The model file written.
    model: String,
    /// What `--weights` takes.
    weights: String,
    /// Further files written, the weights among them if they had to be converted.
    files: Vec<String>,
    /// Tensors that are parameters of the model.
    bound: Vec<String>,
    /// Tensors that the model leaves out on purpose.
    ignored: Vec<String>,
    /// What was assumed or approximated.
    notes: Vec<String>,
}

pub(crate) fn run(arguments: &NewArguments, terminal: &Terminal) -> Result<()> {
    let model = target(arguments);
    let (heads, length) = (arguments.heads, arguments.length);
    let reads_text = matches!(arguments.template, Template::Bert | Template::Roberta);
    if length.is_some() && !reads_text {
        return Err(Usage("--length is for templates that read text: bert and roberta".to_owned()).into());
    }
    if heads.is_some() && arguments.template != Template::Mpcvit {
        return Err(Usage("--heads is for mpcvit; the other templates read config.json".to_owned()).into());
    }
    let mut imported = models::import(arguments.template.family(), &arguments.from, &Options { heads, length })?;
    let (source, binding) = checked(&imported.source, &imported.tensors)?;
    if !binding.is_complete() {
        return Err(
            WeightsError::Binding { path: imported.tensors.path().to_owned(), report: Box::new(binding) }.into()
        );
    }

    let folder = model.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let converted = model.with_extension("safetensors");
    let weights = imported.tensors.single_file().unwrap_or(&converted).to_owned();
    let mut copies = Vec::new();
    for from in &imported.files {
        let Some(name) = from.file_name() else { continue };
        copies.push((from.clone(), model.with_file_name(name)));
    }
    copies.retain(|(from, to)| !same_file(from, to));
    let mut written: Vec<&Path> = copies.iter().map(|(_, to)| to.as_path()).collect();
    if imported.tensors.single_file().is_none() {
        written.push(&converted);
    }
    let there = written.iter().copied().chain([model.as_path()]).find(|path| path.exists());
    if let Some(path) = there.filter(|_| !arguments.force) {
        bail!(
            "{} is there already and may have been edited: name another file with -o, or use --force",
            path.display()
        );
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the directory {}", folder.display()))?;
    for (from, to) in &copies {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        files::write(to, &bytes)?;
    }
    if imported.tensors.single_file().is_none() {
        imported.tensors.save(&binding.bound, &converted)?;
    }
    files::write(&model, source.as_bytes())?;

    let report = Report {
        schema: "mpcc.new/1",
        template: arguments.template.name(),
        model: model.display().to_string(),
        weights: weights.display().to_string(),
        files: written.iter().map(|path| path.display().to_string()).collect(),
        bound: binding.bound,
        ignored: binding.ignored,
        notes: imported.notes,
    };
    Ok(terminal.result(&report, || report.text())?)
}

/// Where the model file goes.
fn target(arguments: &NewArguments) -> PathBuf {
    match &arguments.output {
        None => PathBuf::from(arguments.template.name()).with_extension("mpv"),
        Some(path) if path.extension().is_some_and(|e| e == "mpv") => path.clone(),
        Some(directory) => directory.join("model.mpv"),
    }
}

/// Whether a copy would be of a file to itself.
fn same_file(a: &Path, b: &Path) -> bool {
    fs::canonicalize(a).ok().zip(fs::canonicalize(b).ok()).is_some_and(|(a, b)| a == b)
}

/// The source in its canonical layout, and how the tensors meet its parameters.
fn checked(source: &str, tensors: &mpcc_import::tensors::Tensors) -> Result<(String, BindingReport)> {
    let said = |source: &str, found: &[mpcc_grammar::Diagnostic]| {
        let text = mpcc_grammar::render(found, source, "the model file", false);
        Bug(format!("a template gives no valid model file\n{text}"))
    };
    let source = mpcc_grammar::format(source).map_err(|found| said(source, &found))?;
    let module = mpcc_grammar::parse(&source).map_err(|found| said(&source, &found))?;
    let (graph, _) = lower(&module, &LowerOptions::default()).map_err(|found| said(&source, &found))?;
    Ok((source, weights::bind(&graph, tensors.listing())))
}

impl Report {
    fn text(&self) -> String {
        let mut out = format!("wrote {}\n", self.model);
        for file in &self.files {
            out += &format!("wrote {file}\n");
        }
        out += &format!("\nweights {}: {} bound, {} ignored\n", self.weights, self.bound.len(), self.ignored.len());
        for name in &self.ignored {
            out += &format!("  ignored  {name}\n");
        }
        for note in &self.notes {
            out += &format!("note: {note}\n");
        }
        out
    }
}
