//! Tensors that an import computes from others: positions for another image size, and biases by relative position.

use super::Names;
use super::families::RELATIVE_TABLE;
use crate::models::ImportError;
use crate::tensors::Tensors;

/// The bias of a layer that is made of its table, relative to the layer.
pub(super) const PLACES: &str = "attention.attention.relative_position_bias.by_place";

/// Height and width.
type Size = (usize, usize);

fn missing(tensors: &Tensors, name: &str, expected: &'static str) -> ImportError {
    ImportError::Missing { path: tensors.path().to_owned(), name: name.to_owned(), expected }
}

/// Replaces position embeddings by those of another image size, as PyTorch interpolates them.
pub(super) fn positions(
    tensors: &mut Tensors,
    names: &Names,
    (declared, size, patch): (Size, Size, usize),
    distilled: bool,
) -> Result<(), ImportError> {
    let expected = "of the shape [1, tokens, width]";
    let name = &names.positions;
    let kept = if distilled { 2 } else { 1 };
    let (from, to) = ((declared.0 / patch, declared.1 / patch), (size.0 / patch, size.1 / patch));
    let width = match tensors.listing().get(name).map(|l| l.shape.as_slice()) {
        Some([1, tokens, width]) if *tokens == from.0 * from.1 + kept => *width,
        None => return Ok(()),
        _ => return Err(missing(tensors, name, expected)),
    };
    let values = tensors.values(name)?.ok_or_else(|| missing(tensors, name, expected))?;
    let (first, grid) = values.split_at(kept * width);
    let mut folded = first.to_vec();
    folded.extend(interpolated(grid, from, to, width));
    tensors.derive(name, &[1, to.0 * to.1 + kept, width], &folded);
    Ok(())
}

/// A grid of vectors at another size, by bicubic interpolation with the parameter -3/4 between the centres of cells.
fn interpolated(grid: &[f64], from: Size, to: Size, width: usize) -> Vec<f64> {
    let rows = weights(from.0, to.0);
    let columns = weights(from.1, to.1);
    let mut out = Vec::with_capacity(to.0 * to.1 * width);
    for row in &rows {
        for column in &columns {
            for at in 0..width {
                let of_row =
                    |r: usize| column.iter().map(|(c, w)| w * grid[(r * from.1 + c) * width + at]).sum::<f64>();
                out.push(row.iter().map(|(r, w)| w * of_row(*r)).sum());
            }
        }
    }
    out
}

/// For each of `to` points, the four cells of `from` that it is made of; cells beyond the border are those at it.
fn weights(from: usize, to: usize) -> Vec<[(usize, f64); 4]> {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = from as f64 / to as f64;
    let point = |i: usize| {
        let at = (i as f64 + 0.5) * scale - 0.5;
        let (base, t) = (at.floor(), at - at.floor());
        let cell = |offset: f64| (base + offset).clamp(0.0, from as f64 - 1.0) as usize;
        [(cell(-1.0), far(t + 1.0)), (cell(0.0), near(t)), (cell(1.0), near(1.0 - t)), (cell(2.0), far(2.0 - t))]
    };
    (0..to).map(point).collect()
}

/// Adds to every layer `[heads, tokens, tokens]`, made of its table by relative position and of the three entries for pairs with
/// the class token.
pub(super) fn places(
    tensors: &mut Tensors,
    root: &str,
    layers: usize,
    heads: usize,
    (height, width): Size,
) -> Result<(), ImportError> {
    let expected = "of the shape [(2 height - 1) (2 width - 1) + 3, heads], in patches";
    let entries = (2 * height - 1) * (2 * width - 1) + 3;
    let tokens = height * width + 1;
    let index = |query: usize, key: usize| match (query, key) {
        (0, 0) => entries - 1,
        (0, _) => entries - 3,
        (_, 0) => entries - 2,
        (query, key) => {
            let (q, k) = (query - 1, key - 1);
            let down = q / width + height - 1 - k / width;
            let right = q % width + width - 1 - k % width;
            down * (2 * width - 1) + right
        }
    };
    for layer in (0..layers).map(|i| format!("{root}encoder.layer.{i}")) {
        let name = format!("{layer}.{RELATIVE_TABLE}");
        if tensors.listing().get(&name).is_none_or(|l| l.shape != [entries, heads]) {
            return Err(missing(tensors, &name, expected));
        }
        let table = tensors.values(&name)?.ok_or_else(|| missing(tensors, &name, expected))?;
        let mut values = Vec::with_capacity(heads * tokens * tokens);
        for head in 0..heads {
            for query in 0..tokens {
                values.extend((0..tokens).map(|key| table[index(query, key) * heads + head]));
            }
        }
        tensors.derive(&format!("{layer}.{PLACES}"), &[heads, tokens, tokens], &values);
    }
    Ok(())
}
