//! Plans read off the architecture parameters of a searched network, which must be 0 or 1.

use mpcc_compiler::lower::plan_entries;

use super::{ImportError, Shapes};
use crate::tensors::Tensors;

/// What the entries of a parameter choose for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// One for each layer.
    Layer,
    /// One for each head of a layer.
    Head,
    /// One for each token of a layer.
    Row,
}

/// A parameter of every layer, binarised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) unit: Unit,
    /// For each layer, whether each entry is 1.
    pub(super) layers: Vec<Vec<bool>>,
}

impl Choice {
    /// Type and entries of a plan that has `ones` where the parameter is 1 and `zeros` where it is 0.
    pub(super) fn plan(&self, ones: &str, zeros: &str) -> (String, String) {
        let name = |on: &bool| (if *on { ones } else { zeros }).to_owned();
        let columns = self.layers.first().map_or(0, Vec::len);
        let kind = match self.unit {
            Unit::Layer => {
                let column: Vec<String> = self.layers.iter().flatten().map(name).collect();
                return ("per_layer<LAYERS>".to_owned(), plan_entries(&column));
            }
            Unit::Head => "per_head<LAYERS, HEADS>",
            Unit::Row => "per_row<LAYERS, TOKENS>",
        };
        let rows: Vec<String> =
            self.layers.iter().map(|row| plan_entries(&row.iter().map(name).collect::<Vec<_>>())).collect();
        debug_assert!(self.layers.iter().all(|row| row.len() == columns));
        (kind.to_owned(), format!("[\n{},\n]", rows.join(",\n")))
    }

    /// How many entries are 1, and how many there are.
    pub(super) fn count(&self) -> (usize, usize) {
        let entries = self.layers.iter().flatten();
        (entries.clone().filter(|on| **on).count(), entries.count())
    }
}

/// Reads the parameter `name(layer)` of every layer; nothing if the network has none.
///
/// `unit` says what a shape chooses for, and refuses shapes that are none of the family's.
pub(super) fn read(
    tensors: &mut Tensors,
    shapes: &Shapes<'_>,
    layers: usize,
    name: impl Fn(usize) -> String,
    unit: impl Fn(&[usize]) -> Option<Unit>,
) -> Result<Option<Choice>, ImportError> {
    if !(0..layers).any(|i| shapes.has(&name(i))) {
        return Ok(None);
    }
    let mut found: Option<Choice> = None;
    for name in (0..layers).map(name) {
        let Some(listed) = shapes.listing.get(&name) else {
            return Err(shapes.unsupported(format!("`{name}` is missing, and other layers have one")));
        };
        let Some(here) = unit(&listed.shape) else {
            return Err(
                shapes.unsupported(format!("`{name}` has the shape {:?}, which is none of the family's", listed.shape))
            );
        };
        let Some(values) = tensors.values(&name)? else {
            return Err(shapes.unsupported(format!("`{name}` holds no floating-point numbers")));
        };
        if let Some(other) = values.iter().find(|v| **v != 0.0 && **v != 1.0) {
            return Err(shapes.unsupported(format!(
                "`{name}` holds {other}, and a network to be run has only 0 and 1 there: binarise it, and train the \
                 network with it fixed"
            )));
        }
        let row: Vec<bool> = values.iter().map(|v| *v == 1.0).collect();
        let choice = found.get_or_insert(Choice { unit: here, layers: vec![] });
        if choice.unit != here || choice.layers.first().is_some_and(|first| first.len() != row.len()) {
            return Err(shapes.unsupported(format!("`{name}` has another shape than that of the first layer")));
        }
        choice.layers.push(row);
    }
    Ok(found)
}
