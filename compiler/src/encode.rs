//! Encoding weights and inputs as ring integers, and decoding outputs.
//!
//! A value v becomes round(v · 2^fraction). What does not fit its declared bound is refused with the tensor's path,
//! never wrapped. Rows of a centred weight are rounded so that they still sum to exactly zero (rule C8).

use mpcc_program::program::{Input, Output, Program, Weight, WeightRounding};
use mpcc_program::shown::shown;
use thiserror::Error;

use crate::evaluate::{Tensor, Values};
use crate::graph::NodeId;

/// Why a value cannot be encoded.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EncodeError {
    /// The value was not computed.
    #[error("`{}` was not evaluated", shown(.path))]
    Missing {
        /// Path of the value.
        path: String,
    },
    /// Not a number.
    #[error("`{}` holds a value that is not a finite number", shown(.path))]
    NotFinite {
        /// Path of the value.
        path: String,
    },
    /// The program and the graph of an artefact contradict each other.
    #[error(
        "`{}` is not the weight or input that the program describes: the artefact is not one that mpcc wrote",
        shown(.path)
    )]
    Mismatch {
        /// Path of the value.
        path: String,
    },
    /// Beyond what the program was planned for.
    #[error(
        "`{}` holds a value of magnitude {magnitude:.6}, and the program was compiled for less than {limit:.6}: compile again with these values' ranges",
        shown(.path)
    )]
    OutOfRange {
        /// Path of the value.
        path: String,
        /// The largest magnitude found.
        magnitude: f64,
        /// The declared bound.
        limit: f64,
    },
}

/// All encoded weights of a program, in its order, signed.
pub fn weights(program: &Program, values: &Values) -> Result<Vec<Vec<i64>>, EncodeError> {
    program.weights.iter().map(|w| weight(w, values.value(NodeId(w.node)))).collect()
}

/// All encoded inputs of a program, in its order, signed.
pub fn inputs(program: &Program, values: &Values) -> Result<Vec<Vec<i64>>, EncodeError> {
    program.inputs.iter().map(|i| input(i, values.value(NodeId(i.node)))).collect()
}

/// An output's integers as real numbers.
pub fn decode(output: &Output, integers: &[i64]) -> Vec<f64> {
    let unit = libm::exp2(-f64::from(output.fraction));
    integers.iter().map(|v| *v as f64 * unit).collect()
}

/// One encoded weight of a program, signed; `value` is that of its node.
pub fn weight(weight: &Weight, value: Option<&Tensor>) -> Result<Vec<i64>, EncodeError> {
    let value = value.ok_or_else(|| EncodeError::Missing { path: weight.path.clone() })?;
    let mismatch = || EncodeError::Mismatch { path: weight.path.clone() };
    let matrix = weight.transposed || weight.rounding == WeightRounding::ZeroColumnSums;
    if !fills(value, &weight.shape) || matrix && weight.shape.len() != 2 {
        return Err(mismatch());
    }
    let data = if weight.transposed {
        let (k, n) = (weight.shape[0], weight.shape[1]);
        (0..k * n).map(|i| value.data[(i % n) * k + i / n]).collect()
    } else {
        value.data.clone()
    };
    let mut out = round(&data, weight.fraction, &weight.path)?;
    if weight.rounding == WeightRounding::ZeroColumnSums {
        zero_column_sums(&mut out, &data, weight.shape[1], weight.fraction).ok_or_else(mismatch)?;
    }
    check(&out, weight.fraction, weight.bound, &weight.path)?;
    Ok(out)
}

fn input(input: &Input, value: Option<&Tensor>) -> Result<Vec<i64>, EncodeError> {
    let value = value.ok_or_else(|| EncodeError::Missing { path: input.path.clone() })?;
    if !fills(value, &input.shape) {
        return Err(EncodeError::Mismatch { path: input.path.clone() });
    }
    let out = round(&value.data, input.fraction, &input.path)?;
    check(&out, input.fraction, input.bound, &input.path)?;
    Ok(out)
}

fn fills(value: &Tensor, shape: &[usize]) -> bool {
    shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent)) == Some(value.data.len())
}

fn round(data: &[f64], fraction: i16, path: &str) -> Result<Vec<i64>, EncodeError> {
    let scale = libm::exp2(f64::from(fraction));
    data.iter()
        .map(|v| {
            let scaled = libm::rint(v * scale);
            if !scaled.is_finite() {
                return Err(EncodeError::NotFinite { path: path.into() });
            }
            if scaled.abs() >= 9e18 {
                let limit = libm::exp2(62.0 - f64::from(fraction));
                return Err(EncodeError::OutOfRange { path: path.into(), magnitude: v.abs(), limit });
            }
            Ok(scaled as i64)
        })
        .collect()
}

fn check(out: &[i64], fraction: i16, bound: u8, path: &str) -> Result<(), EncodeError> {
    let largest = out.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0);
    if largest >> bound == 0 {
        return Ok(());
    }
    let unit = libm::exp2(-f64::from(fraction));
    Err(EncodeError::OutOfRange {
        path: path.into(),
        magnitude: largest as f64 * unit,
        limit: libm::exp2(f64::from(bound)) * unit,
    })
}

/// Moves the entries whose rounding was least certain by one unit until every column sums to zero; nothing if a
/// column was not centred, so that rounding does not explain its sum.
fn zero_column_sums(out: &mut [i64], data: &[f64], columns: usize, fraction: i16) -> Option<()> {
    let scale = libm::exp2(f64::from(fraction));
    let rows = out.len() / columns;
    for c in 0..columns {
        let excess = (0..rows).try_fold(0i64, |sum, r| sum.checked_add(out[r * columns + c]))?;
        if excess.unsigned_abs() > rows as u64 {
            return None;
        }
        let step = -excess.signum();
        let mut order: Vec<usize> = (0..rows).collect();
        let remainder = |r: usize| {
            let i = r * columns + c;
            (data[i] * scale - out[i] as f64) * step as f64
        };
        order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)).then(a.cmp(b)));
        for r in order.iter().cycle().take(excess.unsigned_abs() as usize) {
            out[r * columns + c] += step;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate_server;
    use crate::graph::{Graph, Op, Param, ParamId};
    use crate::verify::build;

    #[test]
    fn columns_of_a_centred_weight_sum_to_zero_after_rounding() {
        let data: Vec<f64> = (0..24).map(|i| f64::from((i * 37 % 19) - 9) * 0.013).collect();
        let means: Vec<f64> = (0..3).map(|c| (0..8).map(|r| data[r * 3 + c]).sum::<f64>() / 8.0).collect();
        let centred: Vec<f64> = data.iter().enumerate().map(|(i, v)| v - means[i % 3]).collect();
        let mut out = round(&centred, 10, "w").unwrap();
        zero_column_sums(&mut out, &centred, 3, 10).unwrap();
        for c in 0..3 {
            assert_eq!((0..8).map(|r| out[r * 3 + c]).sum::<i64>(), 0);
        }
        for (o, v) in out.iter().zip(&centred) {
            assert!((*o as f64 - v * 1024.0).abs() <= 1.0);
        }
    }

    /// Three entries that are rounded by 0.3, 0.4 and 0.3, the second least certainly.
    #[test]
    fn the_entry_of_a_column_that_was_rounded_least_certainly_is_moved() {
        for (data, moved) in [([2.3, 1.4, -3.7], [2, 2, -4]), ([-2.3, -1.4, 3.7], [-2, -2, 4])] {
            let mut out = round(&data, 0, "w").unwrap();
            zero_column_sums(&mut out, &data, 1, 0).unwrap();
            assert_eq!(out, moved);
        }
    }

    #[test]
    fn weights_inputs_and_outputs_are_numbers_in_units_of_their_fraction() {
        let mut graph = Graph::default();
        graph.params.push(Param {
            name: "w".into(),
            file_shape: [3, 2].as_slice().into(),
            ops: vec![],
            shape: [3, 2].as_slice().into(),
        });
        let node = build(&mut graph, Op::Param(ParamId(0)), "w").unwrap().0;
        let values = evaluate_server(&graph, &[Tensor::new(&[3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.25])]).unwrap();
        let shape = [2, 3].as_slice().into();
        let rounding = WeightRounding::Nearest;
        let weight = Weight { node, shape, transposed: true, fraction: 2, bound: 5, rounding, path: "w".into() };
        let input = Input { node, shape: [6].as_slice().into(), fraction: 1, bound: 4, path: "x".into() };
        let mut program = Program { weights: vec![weight], inputs: vec![input], ..Program::default() };
        assert_eq!(weights(&program, &values).unwrap(), [[4, 12, 20, 8, 16, 25]]);
        assert_eq!(inputs(&program, &values).unwrap(), [[2, 4, 6, 8, 10, 12]]);
        program.inputs[0].shape = [5].as_slice().into();
        assert_eq!(inputs(&program, &values), Err(EncodeError::Mismatch { path: "x".into() }));
        program.weights[0].bound = 4;
        assert!(matches!(weights(&program, &values), Err(EncodeError::OutOfRange { .. })));
        let output = Output { name: "y".into(), shape: [2].as_slice().into(), fraction: 3, labels: vec![] };
        assert_eq!(decode(&output, &[12, -1]), [1.5, -0.125]);
    }

    /// An artefact comes from the other side: its program may name any node with any shape and rounding.
    #[test]
    fn weights_that_contradict_the_program_are_refused() {
        let matrix = Weight {
            node: 0,
            shape: [4, 2].as_slice().into(),
            transposed: true,
            fraction: 8,
            bound: 20,
            rounding: WeightRounding::ZeroColumnSums,
            path: "w".into(),
        };
        let value = |n: usize| Tensor::new(&[n], vec![1.0; n]);
        let refused = |w: &Weight, v: &Tensor| {
            assert_eq!(weight(w, Some(v)), Err(EncodeError::Mismatch { path: "w".into() }));
        };
        refused(&matrix, &value(7));
        // Its columns sum to 4, which no rounding explains.
        refused(&matrix, &value(8));
        let vector = Weight { shape: [8].as_slice().into(), ..matrix.clone() };
        refused(&vector, &value(8));
        refused(&Weight { shape: [usize::MAX, 2].as_slice().into(), ..matrix }, &value(8));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_path() {
        let e = check(&[3, -8], 2, 3, "blocks.0/q").unwrap_err();
        assert_eq!(e, EncodeError::OutOfRange { path: "blocks.0/q".into(), magnitude: 2.0, limit: 2.0 });
        assert!(check(&[7, -7], 2, 3, "w").is_ok());
        assert!(matches!(round(&[f64::NAN], 4, "w"), Err(EncodeError::NotFinite { .. })));
        assert!(round(&[9e18], 0, "w").is_err() && round(&[-8.9e18], 0, "w").is_ok());
        let e = round(&[-1e18], 4, "w").unwrap_err();
        assert_eq!(e, EncodeError::OutOfRange { path: "w".into(), magnitude: 1e18, limit: 58f64.exp2() });
    }
}
