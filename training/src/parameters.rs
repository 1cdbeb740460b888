//! Trained numbers by their names in the weights file.
//!
//! A parameter is one tensor of the file, whole: load-time reshapes of the source belong to the network, so that what is
//! trained is what is published.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use mpcc_compiler::evaluate::Tensor as Array;
use mpcc_compiler::graph::Graph;
use mpcc_compiler::shown::shown;
use mpcc_import::tensors::{Tensors, TensorsError, prefix_of};
use mpcc_import::weights::{self, WeightsError};
use thiserror::Error;

/// One tensor of the weights file. Its debug form does not show its entries, which are the model owner's secret.
#[derive(Clone)]
pub struct Parameter {
    /// Its name there.
    pub name: String,
    /// Its extents there.
    pub shape: Vec<usize>,
    /// Its entries, row-major, on a device.
    pub value: Tensor<1>,
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.shape)
    }
}

/// Why weights cannot be started from.
#[derive(Debug, Error)]
pub enum StartError {
    /// The file cannot be read.
    #[error(transparent)]
    Tensors(#[from] TensorsError),
    /// It lacks tensors that the model declares, or has them with other extents.
    #[error("{} has no tensor {} of the extents that the model declares", shown(.path), .names.join(", "))]
    Missing {
        /// The file.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
}

/// The tensors that a graph declares from a safetensors file or a checkpoint of `torch.save`; what else the file holds
/// is left. Tensors that `free` allows to be absent keep their values of `fresh`.
///
/// # Errors
/// If the file cannot be read, or lacks a tensor.
pub fn start_from(
    path: &Path,
    graph: &Graph,
    mut fresh: BTreeMap<String, Array>,
    free: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Array>, StartError> {
    let mut file = Tensors::open(path)?;
    let wanted: Vec<String> = declared(graph).into_iter().map(|(name, _)| name).collect();
    let prefix = prefix_of(file.listing(), wanted.iter().map(String::as_str));
    file.strip(&prefix);
    let mut names = Vec::new();
    for (name, shape) in declared(graph) {
        let there = file.listing().get(&name).is_some_and(|listed| listed.shape == shape);
        match file.values(&name)?.filter(|_| there) {
            Some(values) => {
                fresh.insert(name, Array::new(&shape, values));
            }
            None if free(&name) => {}
            None => names.push(name),
        }
    }
    if names.is_empty() { Ok(fresh) } else { Err(StartError::Missing { path: path.into(), names }) }
}

/// All tensors that a graph declares, each once, in order of declaration.
#[derive(Clone, Debug)]
pub struct Parameters(pub Vec<Parameter>);

/// The tensors that a graph declares: names and extents in the weights file, each once, in order of declaration.
pub fn declared(graph: &Graph) -> Vec<(String, Vec<usize>)> {
    let mut all: Vec<(String, Vec<usize>)> = Vec::new();
    for param in &graph.params {
        if !all.iter().any(|(name, _)| *name == param.name) {
            all.push((param.name.clone(), param.file_shape.to_vec()));
        }
    }
    all
}

impl Parameters {
    /// Puts the tensors that `graph` declares on a device.
    ///
    /// # Errors
    /// The name of the first that `arrays` lacks or has with other extents.
    pub fn new(graph: &Graph, arrays: &BTreeMap<String, Array>, device: &Device) -> Result<Self, String> {
        let put = |(name, shape): (String, Vec<usize>)| {
            let array = arrays.get(&name).filter(|array| array.shape.as_slice() == shape);
            let entries: Vec<f32> = array.ok_or_else(|| name.clone())?.data.iter().map(|v| *v as f32).collect();
            Ok(Parameter { value: Tensor::from_data(entries.as_slice(), device), name, shape })
        };
        declared(graph).into_iter().map(put).collect::<Result<_, _>>().map(Self)
    }

    /// The parameter of a name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name == name)
    }

    /// How many numbers they hold.
    pub fn count(&self) -> usize {
        self.0.iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum()
    }

    /// The same numbers outside any device, as the float evaluator and the weights file take them.
    pub fn arrays(&self) -> BTreeMap<String, Array> {
        let array = |parameter: &Parameter| {
            let data = entries(&parameter.value).into_iter().map(f64::from).collect();
            (parameter.name.clone(), Array::new(&parameter.shape, data))
        };
        self.0.iter().map(array).collect()
    }

    /// Writes them to a safetensors file, whole or not at all.
    ///
    /// # Errors
    /// If a number is not finite, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), WeightsError> {
        weights::save(path, &Vec::from_iter(self.arrays()))
    }
}

/// The entries of a tensor.
pub(crate) fn entries(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().convert::<f32>().try_to_vec().expect("converted to f32 just now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_of_a_parameter_does_not_show_its_entries() {
        let value = Tensor::from_data([0.123_456_79_f32, 3.5].as_slice(), &Device::flex());
        let parameters = Parameters(vec![Parameter { name: "fc.weight".to_owned(), shape: vec![2], value }]);
        assert_eq!(format!("{parameters:?}"), "Parameters([fc.weight [2]])");
    }
}
