//! Directories that training leaves: their names, what they hold, and how the weights came about.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mpcc_cli::failure::Usage;
use serde::{Deserialize, Serialize};

/// What makes a directory a variant.
const WEIGHTS: &str = "weights.safetensors";

/// A trained variant on disk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// As the report calls it.
    pub(super) name: String,
    /// What its seeds have in common.
    pub(super) variant: String,
    /// Of its name.
    seed: Option<u64>,
    pub(super) directory: PathBuf,
}

impl Place {
    fn new(name: &str, directory: PathBuf) -> Self {
        let (variant, seed) = split(name);
        Self { name: name.to_owned(), variant: variant.to_owned(), seed, directory }
    }

    pub(super) fn weights(&self) -> PathBuf {
        self.directory.join(WEIGHTS)
    }

    pub(super) fn ranges(&self) -> PathBuf {
        self.directory.join("model.ranges.json")
    }

    /// The plan, where it has one of its own.
    pub(super) fn plan(&self) -> Option<PathBuf> {
        Some(self.directory.join("plan.json")).filter(|path| path.exists())
    }

    /// What is known of its training.
    pub(super) fn origin(&self) -> Result<Origin> {
        let path = self.directory.join("training.json");
        let mut origin = Origin { seed: self.seed, ..Origin::default() };
        if path.exists() {
            let name = path.display();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
            let record: Record =
                serde_json::from_str(&text).with_context(|| format!("{name} is no record of a training run"))?;
            origin = record.origin(self.seed);
        }
        Ok(origin)
    }
}

/// `half-s3` is seed 3 of `half`.
fn split(name: &str) -> (&str, Option<u64>) {
    match name.rsplit_once("-s") {
        Some((variant, seed)) if !variant.is_empty() && seed.bytes().all(|b| b.is_ascii_digit()) => {
            seed.parse().map_or((name, None), |seed| (variant, Some(seed)))
        }
        _ => (name, None),
    }
}

/// The variants named one by one, then those of directories in the order of their names.
pub(super) fn find(named: &[String], within: &[PathBuf]) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for text in named {
        match text.split_once('=') {
            Some((name, directory)) if !name.is_empty() && !directory.is_empty() => {
                places.push(Place::new(name, directory.into()));
            }
            _ => return Err(Usage(format!("--point takes NAME=DIR, not `{text}`")).into()),
        }
    }
    for directory in within {
        places.extend(inside(directory)?);
    }
    let mut names = BTreeSet::new();
    for place in &places {
        if !names.insert(&place.name) {
            return Err(
                Usage(format!("two variants are called {}: name them with --point NAME=DIR", place.name)).into()
            );
        }
        if !place.weights().is_file() {
            bail!(
                "{}: there is no {}; a variant is a directory that `mpcc train -o` wrote",
                place.name,
                place.weights().display()
            );
        }
    }
    Ok(places)
}

fn inside(directory: &Path) -> Result<Vec<Place>> {
    let reading = || format!("cannot read {}", directory.display());
    let mut places = Vec::new();
    for entry in fs::read_dir(directory).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.join(WEIGHTS).is_file() {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                bail!("{} has a name that is not UTF-8", path.display());
            };
            places.push(Place::new(name, path.clone()));
        }
    }
    if places.is_empty() {
        bail!("no directory in {} holds {WEIGHTS}", directory.display());
    }
    places.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(places)
}

/// Of `training.json`, what is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    seed: Option<u64>,
    epochs: Option<u64>,
    training_images: Option<u64>,
    teacher: Option<PathBuf>,
    from: Option<PathBuf>,
    plans: Vec<(String, String)>,
}

impl Record {
    fn origin(self, seed: Option<u64>) -> Origin {
        Origin {
            recorded: true,
            seed: self.seed.or(seed),
            epochs: self.epochs,
            training_images: self.training_images,
            teacher: self.teacher.as_deref().map(called),
            from: self.from.as_deref().map(called),
            plans: self.plans,
        }
    }
}

/// What other weights are called: as the directory of a run if they lie in one.
fn called(path: &Path) -> String {
    let run = path.parent().and_then(Path::file_name).filter(|_| path.file_name().is_some_and(|name| name == WEIGHTS));
    run.or(path.file_stem()).map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// How weights came about, as far as that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Origin {
    /// Whether there is a record at all.
    pub(super) recorded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epochs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) training_images: Option<u64>,
    /// What it was distilled from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) teacher: Option<String>,
    /// The weights that training began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// The plans it was trained with, as graphs record them.
    #[serde(skip)]
    pub(super) plans: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_variant_and_seed() {
        let cases = [
            ("half-s3", ("half", Some(3))),
            ("searched-0.5-s12", ("searched-0.5", Some(12))),
            ("half", ("half", None)),
            ("half-small", ("half-small", None)),
            ("half-s", ("half-s", None)),
            ("-s1", ("-s1", None)),
            ("half-s3x", ("half-s3x", None)),
        ];
        for (name, expected) in cases {
            assert_eq!(split(name), expected, "{name}");
        }
    }

    #[test]
    fn a_record_says_as_much_as_it_does() {
        let read = |text: &str| serde_json::from_str::<Record>(text).expect("a record").origin(Some(9));
        let full = read(
            r#"{"seed": 4, "epochs": 30, "teacher": "runs/big/weights.safetensors", "from": "w/first.safetensors"}"#,
        );
        assert_eq!((full.seed, full.epochs), (Some(4), Some(30)));
        assert_eq!((full.teacher.as_deref(), full.from.as_deref()), (Some("big"), Some("first")));
        assert_eq!(read("{}"), Origin { recorded: true, seed: Some(9), ..Origin::default() });
    }

    #[test]
    fn names_are_told_apart() {
        let said = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(ToString::to_string).collect();
            find(&named, &[]).unwrap_err().to_string()
        };
        assert!(said(&["a"]).contains("NAME=DIR"));
        assert!(said(&["a=/nowhere/at/all"]).contains("weights.safetensors"));
    }
}
