//! Outputs of all inferences as arrays of NumPy.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mpcc_cli::files;
use mpcc_cli::outputs::Revealed;
use mpcc_program::program::Output;
use mpcc_program::shown::shown;
use npyz::{WriteOptions, WriterBuilder};

use super::summary::InferenceReport;

/// Where each output goes: to a `.npy` file if there is one output, else to a file of its name each in a directory.
///
/// # Errors
/// Several outputs for one file, or a name that is none for a file: names come from an artefact, and may not lead elsewhere.
fn places(path: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    if path.extension().is_some_and(|extension| extension == "npy") {
        if names.len() > 1 {
            bail!("the model has {} outputs: name a directory with --save, for a file of each", names.len());
        }
        return Ok(vec![path.to_owned()]);
    }
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some(name) = names.iter().find(|name| !plain(name)) {
        bail!("the output `{}` has a name that no file is given: compile the model yourself", shown(name));
    }
    Ok(names.iter().map(|name| path.join(format!("{name}.npy"))).collect())
}

/// Checks before anything runs that outputs can be saved there.
///
/// # Errors
/// As for writing them, but for what only writing shows.
pub(super) fn check(path: Option<&Path>, outputs: &[Output]) -> Result<()> {
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    path.map_or(Ok(()), |path| places(path, &names).map(|_| ()))
}

/// Writes the outputs, those of an inference in a row. A withheld answer has no numbers, so its row is NaN.
pub(super) fn write(path: &Path, inferences: &[InferenceReport]) -> Result<()> {
    let Some(answered) = inferences.iter().find(|inference| !inference.outputs().is_empty()) else {
        bail!("every answer is withheld, so there is nothing to write to {}", shown(path));
    };
    let outputs = answered.outputs();
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    for (at, (output, place)) in outputs.iter().zip(places(path, &names)?).enumerate() {
        if place != path {
            std::fs::create_dir_all(path)?;
        }
        files::write(&place, &array(at, output, inferences)?)?;
    }
    Ok(())
}

/// The `at`-th outputs as a file: 32-bit floats, row-major.
fn array(at: usize, output: &Revealed, inferences: &[InferenceReport]) -> std::io::Result<Vec<u8>> {
    let shape: Vec<u64> =
        std::iter::once(inferences.len()).chain(output.shape.iter().copied()).map(|extent| extent as u64).collect();
    let mut bytes = Vec::new();
    let mut array = WriteOptions::new().default_dtype().shape(&shape).writer(&mut bytes).begin_nd()?;
    for inference in inferences {
        match inference.outputs().get(at) {
            Some(revealed) => array.extend(revealed.values.iter().map(|v| *v as f32))?,
            None => array.extend(output.values.iter().map(|_| f32::NAN))?,
        }
    }
    array.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_no_other_place() {
        let place = |path: &str, names: &[&str]| places(Path::new(path), names).map_err(|error| error.to_string());
        assert_eq!(place("a/b.npy", &["../x"]).unwrap(), [Path::new("a/b.npy")]);
        assert_eq!(place("a", &["start_1", "end"]).unwrap(), [Path::new("a/start_1.npy"), Path::new("a/end.npy")]);
        assert!(place("b.npy", &["start", "end"]).unwrap_err().contains("name a directory"));
        for name in ["", "../x", "/x", "a/b", "..", "a\\b", "C:x", "é"] {
            assert!(place("a", &["start", name]).unwrap_err().contains("no file"), "{name}");
        }
    }
}
