//! Options of training runs, and the recipe that they make.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use mpcc_training::augment::{Augment, Mix};
use mpcc_training::network::NoiseOptions;
use mpcc_training::optimise::Schedule;
use mpcc_training::train::Recipe;

/// Data, recipe and place of a training run.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrainingOptions {
    /// Labelled images: `train/CLASS/FILE` with `test/CLASS/FILE` or `val/…`, or `CLASS/FILE`; CIFAR-10 or CIFAR-100 as
    /// binary files; Tiny-ImageNet as it is distributed. For a model of text, `train.tsv`, `dev.tsv` and `test.tsv` with
    /// lines of LABEL, tab, TEXT, or `.jsonl` files.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where the run writes: weights, state, ranges and report. A run that was stopped goes on when the command is
    /// repeated.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Weights to start from, by name: safetensors or a checkpoint of torch.save.
    #[arg(long, value_name = "W")]
    pub(crate) from: Option<PathBuf>,
    /// Epochs, warm-up within them.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = positive)]
    pub(crate) epochs: usize,
    /// Epochs of rising learning rate; without it a tenth of the epochs, at most 10.
    #[arg(long, value_name = "N")]
    warm_up: Option<usize>,
    /// Epochs at the least learning rate, after the others.
    #[arg(long, value_name = "N", default_value_t = 0)]
    cool_down: usize,
    /// Highest learning rate.
    #[arg(long, value_name = "R", default_value_t = 5.5e-4, value_parser = not_negative)]
    pub(crate) rate: f64,
    /// Learning rate at the end.
    #[arg(long, value_name = "R", default_value_t = 1e-5, value_parser = not_negative)]
    least_rate: f64,
    /// Learning rate at the beginning of the warm-up.
    #[arg(long, value_name = "R", default_value_t = 1e-5, value_parser = not_negative)]
    warm_up_rate: f64,
    /// Images of a step.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = positive)]
    pub(crate) batch: usize,
    /// AdamW's decoupled weight decay; vectors are spared.
    #[arg(long, value_name = "D", default_value_t = 0.06, value_parser = not_negative)]
    weight_decay: f64,
    /// Largest norm of a gradient; without it there is no limit.
    #[arg(long, value_name = "NORM", value_parser = not_negative)]
    clip: Option<f64>,
    /// Random changes of single images. `auto` is CIFAR's up to 48 pixels and Tiny-ImageNet's above.
    #[arg(long, value_name = "RECIPE", default_value = "auto")]
    augment: AugmentRecipe,
    /// Beta distribution of the shares in which two images are mixed; 0 for none.
    #[arg(long, value_name = "A", default_value_t = 0.8, value_parser = not_negative)]
    mixup: f64,
    /// Beta distribution of the part of an image that is pasted into another; 0 for none.
    #[arg(long, value_name = "A", default_value_t = 1.0, value_parser = not_negative)]
    cutmix: f64,
    /// Epoch from which images are mixed no more.
    #[arg(long, value_name = "EPOCH")]
    mix_until: Option<usize>,
    /// Probability that labels spread over all classes.
    #[arg(long, value_name = "P", default_value_t = 0.1, value_parser = probability)]
    pub(crate) smoothing: f32,
    /// Probability with which an image skips a branch of the last layer; less in those before.
    #[arg(long, value_name = "P", default_value_t = 0.1, value_parser = below_one)]
    drop_path: f64,
    /// Probability with which an entry of an attention map is dropped.
    #[arg(long, value_name = "P", default_value_t = 0.1, value_parser = below_one)]
    attention_dropout: f64,
    /// Share of the training images that is kept from training, to choose the best epoch by. The test split is never used
    /// for that.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = below_one)]
    pub(crate) held_out: f64,
    /// Which images those are. They do not depend on --seed, so that a student never trains on what its teacher left out.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) held_out_seed: u64,
    /// Which weights are kept: of the epoch that is best on held-out images, or the last.
    #[arg(long, value_name = "WHICH", default_value = "best")]
    keep: Keep,
    /// Train on no more than this many images, evenly over the classes.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) limit: Option<usize>,
    /// What everything else that is random follows from.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Training images on which value ranges are observed afterwards; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) ranges_from: usize,
    /// Threads that compute; the weights do not depend on it. Without it, as many as the machine has.
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// What computes.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Processor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AugmentRecipe {
    Auto,
    /// None.
    None,
    /// A crop of the image with a border of 4 pixels, mirrored half of the time.
    CropFlip,
    /// Resized crops, mirroring, two random operations of RandAugment, erasing.
    Cifar,
    /// Mirroring, AutoAugment's policies for ImageNet, erasing.
    TinyImagenet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    Best,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Processor {
    Cpu,
    /// The first NVIDIA GPU, in a build with the feature `cuda`.
    Cuda,
}

impl TrainingOptions {
    /// What the recipe of a run says.
    pub(crate) fn recipe(&self, rest: String) -> Recipe {
        Recipe {
            schedule: Schedule {
                rate: self.rate,
                least_rate: self.least_rate,
                warm_up_rate: self.warm_up_rate,
                epochs: self.epochs,
                warm_up: self.warm_up.unwrap_or((self.epochs / 10).min(10)),
                cool_down: self.cool_down,
            },
            weight_decay: self.weight_decay,
            clip: self.clip,
            noise: NoiseOptions { drop_path: self.drop_path, attention_dropout: self.attention_dropout },
            seed: self.seed,
            keep_best: self.keep == Keep::Best && self.held_out > 0.0,
            rest,
        }
    }

    /// Changes of single images of `shape`.
    pub(crate) fn augment(&self, [_, height, width]: [usize; 3]) -> Augment {
        match self.augment {
            AugmentRecipe::None => Augment::none(),
            AugmentRecipe::CropFlip => Augment::crop_flip(),
            AugmentRecipe::Cifar => Augment::cifar(),
            AugmentRecipe::TinyImagenet => Augment::tiny_imagenet(),
            AugmentRecipe::Auto if height.max(width) <= 48 => Augment::cifar(),
            AugmentRecipe::Auto => Augment::tiny_imagenet(),
        }
    }

    /// Mixing of the images of a batch.
    pub(crate) fn mix(&self) -> Mix {
        Mix { mixup: self.mixup, cutmix: self.cutmix, until: self.mix_until, ..Mix::cifar() }
    }

    /// Threads that compute.
    pub(crate) fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The device without gradients.
    pub(crate) fn device(&self) -> Result<Device> {
        match self.device {
            Processor::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Processor::Cuda => Ok(Device::cuda(0)),
            #[cfg(not(feature = "cuda"))]
            Processor::Cuda => anyhow::bail!("this mpcc was built without a GPU: build it with `--features cuda`"),
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| "it is a whole number from 1 on".to_owned())
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    number.ok_or_else(|| "it is a number from 0 on".to_owned())
}

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse::<f32>().ok().filter(|n| (0.0..=1.0).contains(n));
    number.ok_or_else(|| "it is a number from 0 to 1".to_owned())
}

fn below_one(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| (0.0..1.0).contains(n));
    number.ok_or_else(|| "it is a number from 0 up to, not including, 1".to_owned())
}
