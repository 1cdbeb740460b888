//! Outputs of all inferences as arrays of NumPy.

use std::path::Path;

use anyhow::{Result, bail};
use mpcc::files;
use mpcc::outputs::Revealed;

use super::summary::InferenceReport;

/// Writes the outputs, those of an inference in a row: to a `.npy` file if there is one output, else to a file of its name each in
/// a directory. A withheld answer has no numbers, so its row is NaN.
pub(super) fn write(path: &Path, inferences: &[InferenceReport]) -> Result<()> {
    let Some(answered) = inferences.iter().find(|inference| !inference.outputs().is_empty()) else {
        bail!("every answer is withheld, so there is nothing to write to {}", path.display());
    };
    let outputs = answered.outputs();
    let single = path.extension().is_some_and(|extension| extension == "npy");
    if single && outputs.len() > 1 {
        bail!("the model has {} outputs: name a directory with --save, for a file of each", outputs.len());
    }
    for (at, output) in outputs.iter().enumerate() {
        let bytes = array(at, output, inferences);
        if single {
            files::write(path, &bytes)?;
        } else {
            std::fs::create_dir_all(path)?;
            files::write(&path.join(format!("{}.npy", output.name)), &bytes)?;
        }
    }
    Ok(())
}

/// The `at`-th outputs as a file of format 1.0: 32-bit floats, row-major.
fn array(at: usize, output: &Revealed, inferences: &[InferenceReport]) -> Vec<u8> {
    let extents: Vec<String> = std::iter::once(inferences.len())
        .chain(output.shape.iter().copied())
        .map(|extent| extent.to_string())
        .collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", extents.join(", "));
    // The numbers begin at a multiple of 64 bytes.
    let begun = 10 + header.len() + 1;
    header += &" ".repeat(begun.next_multiple_of(64) - begun);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for inference in inferences {
        match inference.outputs().get(at) {
            Some(revealed) => bytes.extend(revealed.values.iter().flat_map(|v| (*v as f32).to_le_bytes())),
            None => bytes.extend(output.values.iter().flat_map(|_| f32::NAN.to_le_bytes())),
        }
    }
    bytes
}
