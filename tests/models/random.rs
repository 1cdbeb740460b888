//! Random small networks: whatever the planner accepts stays within its declared ranges and near the float network,
//! and what it does not accept it refuses with an error.

use std::fmt::Write;

use mpcc::compiler::evaluate::Tensor;
use mpcc::program::program::Gate;

use super::pipeline::{Refused, compile_calibrated, seeded_inputs, try_compile_source};

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 20) % n as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// A model of up to eight operations on values `[N, D]`, each of which may be used by any later one.
fn model(seed: u64) -> String {
    let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..8).for_each(|_| _ = r.below(2));
    let (n, d) = (r.of(&[1, 3, 5]), r.of(&[2, 3, 4, 6, 12, 16]));
    let (mut params, mut body) = (String::new(), String::new());
    let mut count = 0;
    let mut param = |shape: &str| {
        count += 1;
        writeln!(params, "  param p{count}: Tensor<{shape}> = \"p{count}\";").expect("a string");
        format!("p{count}")
    };
    let steps = 2 + r.below(7);
    let first = param("D, D");
    writeln!(body, "  let t0 = linear({} * x, {first});", r.of(&["20", "60", "300"])).expect("a string");
    for step in 1..=steps {
        let mut value = || format!("t{}", if r.below(2) == 0 { step - 1 } else { r.below(step) });
        let (a, b, c) = (value(), value(), value());
        let factor = r.of(&["0.3", "2", "0.25", "-1.5", "17", "8"]);
        let expression = match r.below(15) {
            0 => format!("linear({a}, {}, {})", param("D, D"), param("D")),
            1 => format!("relu({a})"),
            2 => format!("gelu({a})"),
            3 | 4 => format!("layernorm({a}, {}, {}, eps: 0.00001)", param("D"), param("D")),
            5 => format!("{a} + {b}"),
            // Equal values must not cancel: rounding noise has no range worth observing.
            6 => format!("{a} - 1.7 * {b}"),
            7 => format!("{factor} * {a}"),
            8 => format!("{a} + {factor}"),
            9 => format!("rs({a} @ transpose({b})) @ {c}"),
            10 => format!("({a} @ transpose({b})) * {factor} @ {c}"),
            11 => format!("linear(concat({a}, {b}, axis: -1), {})", param("D, 2 * D")),
            12 => format!("{a} * {}", param("D")),
            13 => format!("relu({a}) * recip(sum(relu({b}), axis: -1) + 1)"),
            _ => format!("{a} + {}", param("N, D")),
        };
        writeln!(body, "  let t{step} = {expression};").expect("a string");
    }
    let last = param("2, D");
    format!(
        "mpv 1;\n\nconst N = {n};\nconst D = {d};\n\nfn rs<A, B>(s: Tensor<A, B>) -> Tensor<A, B> {{\n  let r = relu(s);\n  \
         let d = sum(r, axis: -1) + 0.00001;\n  return r * recip(d);\n}}\n\nmodel Random() {{\n  \
         input x: secret client Tensor<N, D>;\n  weights secret server {{ format: safetensors }}\n{params}{body}  \
         output y: reveal client Tensor<N, 2> = linear(t{steps}, {last});\n}}\n"
    )
}

#[test]
fn random_networks_stay_within_their_ranges_and_near_float() {
    let count: u64 = std::env::var("MPCC_RANDOM_MODELS").map_or(60, |n| n.parse().expect("a number"));
    let (mut planned, mut failures) = (0, vec![]);
    for seed in 0..count {
        let source = model(seed);
        let compiled = match try_compile_source(&source, seed) {
            Ok(compiled) => compiled,
            Err(Refused::Range | Refused::Weights) => continue,
            Err(Refused::Bug(why)) => {
                failures.push(format!("{why}\n{source}"));
                continue;
            }
        };
        planned += 1;
        if seed % 16 == 0 {
            let inputs = vec![compiled.inference(seeded_inputs(&compiled.graph, 0))];
            super::check(&compiled, inputs, 3, &[[false; 3]]);
        }
        for i in 0..4 {
            let inference = compiled.inference(seeded_inputs(&compiled.graph, i));
            match compiled.try_ideal(&inference.encoded, 3, i) {
                Err(why) => failures.push(format!("seed {seed}: {why}\n{source}")),
                Ok(ideal) => {
                    let output = &compiled.program.outputs[0];
                    let got = mpcc::compiler::encode::decode(output, &ideal.outputs[0]);
                    let want = &inference.float[0];
                    let size = want.iter().fold(1f64, |m, v| m.max(v.abs()));
                    let error = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
                    if error > 0.25 * size {
                        failures.push(format!("seed {seed}: error {error} at size {size}\n{source}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures of {planned} planned:\n{}", failures.len(), failures.join("\n---\n"));
    assert!(planned * 2 > count, "only {planned} of {count} random models could be planned");
}

fn tensor(shape: &[usize], value: f64) -> Tensor {
    Tensor::new(shape, vec![value; shape.iter().product()])
}

#[test]
fn every_byte_image_fits_a_program_calibrated_on_dark_ones() {
    let source = "mpv 1;\n\nmodel Dark() {\n  input image: secret client Tensor<u8, 3, 4, 4>;\n  \
        local client { let x = normalize(image / 255, mean: [0.5, 0.4, 0.5], std: [0.2, 0.2, 0.3]); }\n  \
        weights secret server { format: safetensors }\n  param w: Tensor<5, 3, 2, 2> = \"w\";\n  \
        param b: Tensor<5> = \"b\";\n  param o: Tensor<2, 5> = \"o\";\n  \
        output y: reveal client Tensor<4, 2> = linear(patch_embed(x, w, b, stride: 2), o);\n}\n";
    let compiled = compile_calibrated(source, 1, |_| vec![vec![tensor(&[3, 4, 4], 100.0)]]);
    for byte in [0.0, 255.0] {
        let inference = compiled.inference(vec![tensor(&[3, 4, 4], byte)]);
        assert!(inference.encoded.iter().flatten().any(|x| *x != 0));
    }
}

/// The denominator is 6 in every calibration input; the source says that it may be 4000.
#[test]
fn what_is_assumed_of_a_divisor_is_covered_by_its_table() {
    let source = "mpv 1;\n\nmodel Divide() {\n  input x: secret client Tensor<1, 4>;\n  \
        weights secret server { format: safetensors }\n  param w: Tensor<4, 4> = \"w\";\n  \
        let r = relu(linear(x, w));\n  let d = sum(r, axis: -1) + 0.00001;\n  assume range(d) in [0.01, 4000];\n  \
        output y: reveal client Tensor<1, 4> = r * recip(d);\n}\n";
    let compiled = compile_calibrated(source, 1, |graph| (0..4).map(|i| seeded_inputs(graph, i)).collect());
    let table = compiled.program.values.iter().find_map(|v| match (&v.gate, &v.path) {
        (Gate::RowFunction { source, table }, _) => Some((compiled.program.value(*source).fraction, *table)),
        _ => None,
    });
    let (fraction, table) = table.expect("a reciprocal");
    let end = f64::from(table.ring_bits) - f64::from(fraction);
    assert!(end.exp2() > 4000.0, "the table ends at 2^{end}");
}

/// Every input seen is small; the source says how large the hidden values may become, and ReLU keeps them as large.
#[test]
fn what_is_assumed_of_a_value_holds_for_its_rectified_value_too() {
    let source = "mpv 1;\n\nmodel Assume() {\n  input x: secret client Tensor<2, 4>;\n  \
        weights secret server { format: safetensors }\n  param w: Tensor<4, 4> = \"w\";\n  param v: Tensor<2, 4> = \"v\";\n  \
        let h = linear(linear(x, w), w);\n  assume range(h) in [-60, 60];\n  \
        output y: reveal client Tensor<2, 2> = linear(relu(h), v);\n}\n";
    let compiled = compile_calibrated(source, 1, |graph| (0..4).map(|i| seeded_inputs(graph, i)).collect());
    let values = &compiled.program.values;
    let select = values.iter().find(|v| matches!(v.gate, Gate::Select { .. })).expect("a ReLU");
    assert!(
        i32::from(select.bound) - i32::from(select.fraction) >= 6,
        "2^{} at {} bits",
        select.bound,
        select.fraction
    );
}
