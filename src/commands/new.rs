//! `mpcc new`: a model file for a published network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use mpcc_cli::failure::{Bug, Usage};
use mpcc_cli::files;
use mpcc_cli::given::Given;
use mpcc_cli::terminal::Terminal;
use mpcc_compiler::lower::{LowerOptions, lower};
use mpcc_import::models::{self, Leftover, Options};
use mpcc_import::weights::{self, BindingReport, WeightsError};
use mpcc_program::shown::shown;
use serde::Serialize;

/// How many tensors that are left out are listed one by one.
const LISTED: usize = 20;

/// Write an editable model file for a published network, and report how its tensors are bound.
#[derive(Args, Debug)]
#[command(after_help = "\
What --from takes:
  a directory in the layout of Hugging Face
          config.json, tensors (model.safetensors or pytorch_model.bin, or several with their index),
          preprocessor_config.json, the files of the tokenizer; also one of Sentence-Transformers, with modules.json
  a state dict
          .safetensors, or a checkpoint of torch.save (.bin, .pt, .pth, .pth.tar), of which nothing is executed: ViT and
          DeiT of timm (or the directory with timm's config.json), vit_* of torchvision, nn.TransformerEncoder, and
          MPCViT, MPCViT+ and the ViT-Lite of Compact-Transformers

The family is found; --template says it where two could be meant. What names of all tensors begin with, as `module.`, is left
out. Tensors that the model does not use are listed under `ignore` and named; those that would change what it computes are
errors, and so is what a configuration says and no template can express. `mpcc run --weights` takes the same file or
directory, unless the import computes tensors: then all are written to a .safetensors file beside the model.

Examples:
  mpcc new --from vit-base-patch16-224 -o vit.mpv
  mpcc new --from bert-base-sst2 --length 64 -o bert
  mpcc new --from all-MiniLM-L6-v2 --length 128 -o sentences
  mpcc new --from vit_small.pth --heads 6 -o vit.mpv")]
pub(crate) struct NewArguments {
    /// The family of the network; without it, the one that the configuration or the names of tensors tell.
    #[arg(long, value_enum)]
    template: Option<Template>,
    /// The directory or file that the network was published as.
    #[arg(long, value_name = "DIR|FILE")]
    from: PathBuf,
    /// Where to put the model file: a name that ends in .mpv, or a directory for `model.mpv`; without it TEMPLATE.mpv
    /// here.
    #[arg(short, long, value_name = "OUT_DIR|OUT.mpv")]
    output: Option<PathBuf>,
    /// Tokens of a text that the model reads, padding included; 128 unless given, or fewer if it has fewer positions.
    #[arg(long, value_name = "N")]
    length: Option<usize>,
    /// Attention heads, for a state dict whose shapes do not tell.
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// The layers of an nn.TransformerEncoder were made with norm_first=True.
    #[arg(long)]
    norm_first: bool,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

/// Families by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Template {
    /// ViT
    Vit,
    /// DeiT, with its distillation token
    Deit,
    /// DINOv2
    Dinov2,
    /// BEiT
    Beit,
    /// The encoder of ViT-MAE
    Mae,
    /// ViT and DeiT of timm, a state dict
    Timm,
    /// vit_* of torchvision, a state dict
    Torchvision,
    /// BERT
    Bert,
    /// RoBERTa, XLM-R, CamemBERT
    Roberta,
    /// DistilBERT
    Distilbert,
    /// ELECTRA
    Electra,
    /// ALBERT
    Albert,
    /// MPNet
    Mpnet,
    /// nn.TransformerEncoder, a state dict
    Encoder,
    /// MPCViT, MPCViT+, ViT-Lite
    Mpcvit,
}

impl Template {
    fn family(self) -> models::Template {
        models::Template::ALL[self as usize]
    }

    /// The name on the command line of a family.
    fn name(family: models::Template) -> String {
        let of = |template: &&Self| template.family() == family;
        let found = Self::value_variants().iter().find(of).and_then(ValueEnum::to_possible_value);
        found.map_or_else(String::new, |value| value.get_name().to_owned())
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
    /// What to run next, `DIR` being inputs like those that will be sent.
    next: String,
}

pub(crate) fn run(arguments: &NewArguments, terminal: &Terminal) -> Result<()> {
    let family = match arguments.template {
        Some(template) => template.family(),
        None => models::detect(&arguments.from)?,
    };
    let name = Template::name(family);
    let model = target(arguments, &name);
    let (heads, length, norm_first) = (arguments.heads, arguments.length, arguments.norm_first);
    if length.is_some() && !family.reads_text() {
        return Err(
            Usage(format!("--length is for networks that read text, as bert and roberta, and this is {name}")).into()
        );
    }
    if heads.is_some() && !family.asks_for_heads() {
        let message = format!("--heads is for state dicts, as of mpcvit; {name} reads config.json");
        return Err(Usage(message).into());
    }
    if norm_first && family != models::Template::Encoder {
        return Err(Usage(format!("--norm-first is for nn.TransformerEncoder, and this is {name}")).into());
    }
    let mut imported = models::import(family, &arguments.from, &Options { heads, length, norm_first })?;
    let mut leftover = Leftover::default();
    let (mut source, mut binding) = checked(&imported.source(&leftover), &imported.tensors)?;
    let only_left_over = BindingReport { unexpected: Vec::new(), ..binding.clone() }.is_complete();
    if only_left_over && !binding.is_complete() {
        leftover = imported.leftover(&binding)?;
        (source, binding) = checked(&imported.source(&leftover), &imported.tensors)?;
        imported.notes.extend(leftover.note());
    }
    if !binding.is_complete() {
        binding.number_lines(&source);
        return Err(
            WeightsError::Binding { path: imported.tensors.path().to_owned(), report: Box::new(binding) }.into()
        );
    }

    let folder = model.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let converted = model.with_extension("safetensors");
    let computed = imported.tensors.is_derived();
    let weights = if computed { converted.clone() } else { imported.tensors.path().to_owned() };
    let mut copies = Vec::new();
    for from in &imported.files {
        let Some(name) = from.file_name() else { continue };
        copies.push((from.clone(), model.with_file_name(name)));
    }
    copies.retain(|(from, to)| !same_file(from, to));
    let mut written: Vec<&Path> = copies.iter().map(|(_, to)| to.as_path()).collect();
    if computed {
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
    if computed {
        imported.tensors.save(&binding.bound, &converted)?;
    }
    files::write(&model, source.as_bytes())?;

    let given = Given { weights: Some(weights.clone()), ..Given::default() };
    let report = Report {
        schema: "mpcc.new/1",
        next: given.command("simulate", &model) + " --calibrate DIR",
        template: name,
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
fn target(arguments: &NewArguments, name: &str) -> PathBuf {
    match &arguments.output {
        None => PathBuf::from(name).with_extension("mpv"),
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
        let mut out = format!("wrote {} ({})\n", self.model, self.template);
        for file in &self.files {
            out += &format!("wrote {file}\n");
        }
        out += &format!("\nweights {}: {} bound, {} ignored\n", self.weights, self.bound.len(), self.ignored.len());
        for name in self.ignored.iter().take(LISTED) {
            out += &format!("  ignored  {}\n", shown(name));
        }
        if self.ignored.len() > LISTED {
            out += &format!("  and {} more\n", self.ignored.len() - LISTED);
        }
        for note in &self.notes {
            out += &format!("note: {note}\n");
        }
        out + &format!("next    {}, with inputs like those that will be sent\n", self.next)
    }
}
