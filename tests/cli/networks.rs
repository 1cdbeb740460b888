//! Small networks in the files that families of networks are published in, with seeded numbers.

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A tensor: name, shape, entries.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// Tensors with numbers that depend on the name and the position alone: norms' gains near 1, all else small.
pub(crate) fn seeded(shapes: Vec<(String, Vec<usize>)>) -> Vec<Named> {
    let of = |(name, shape): (String, Vec<usize>)| {
        let mut state = name.bytes().fold(7u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let gain = if name.to_lowercase().contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        let mut draw = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            gain + ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * 0.3
        };
        let entries = (0..shape.iter().product()).map(|_| draw()).collect();
        (name, shape, entries)
    };
    shapes.into_iter().map(of).collect()
}

/// Replaces the entries of a tensor.
pub(crate) fn set(tensors: &mut [Named], name: &str, entries: &[f32]) {
    let tensor = tensors.iter_mut().find(|(n, ..)| n == name).expect("the tensor");
    assert_eq!(tensor.1.iter().product::<usize>(), entries.len());
    tensor.2 = entries.to_vec();
}

/// Writes a safetensors file.
pub(crate) fn save(path: &Path, tensors: &[Named]) {
    let data: Vec<Vec<u8>> = tensors.iter().map(|(.., d)| d.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).expect("a tensor"))
    });
    fs::write(path, safetensors::serialize(views, None).expect("safetensors")).expect("a file");
}

/// Weight and bias of a linear layer.
fn linear(shapes: &mut Vec<(String, Vec<usize>)>, name: &str, out: usize, into: usize) {
    shapes.push((format!("{name}.weight"), vec![out, into]));
    shapes.push((format!("{name}.bias"), vec![out]));
}

/// Weight and bias of a norm.
fn norm(shapes: &mut Vec<(String, Vec<usize>)>, name: &str, dim: usize) {
    shapes.push((format!("{name}.weight"), vec![dim]));
    shapes.push((format!("{name}.bias"), vec![dim]));
}

/// A state dict of ViT-Lite: two layers of width 32, images of 8 by 8 pixels in patches of 4, three classes, with the
/// architecture parameters in the shapes given.
pub(crate) fn vit_lite(alpha: Option<&[usize]>, beta: Option<&[usize]>) -> Vec<Named> {
    let mut shapes = vec![
        ("tokenizer.conv_layers.0.0.weight".to_owned(), vec![32, 3, 4, 4]),
        ("tokenizer.conv_layers.0.0.bias".to_owned(), vec![32]),
        ("classifier.class_emb".to_owned(), vec![1, 1, 32]),
        ("classifier.positional_emb".to_owned(), vec![1, 5, 32]),
    ];
    for block in (0..2).map(|i| format!("classifier.blocks.{i}")) {
        norm(&mut shapes, &format!("{block}.pre_norm"), 32);
        shapes.push((format!("{block}.self_attn.qkv.weight"), vec![96, 32]));
        linear(&mut shapes, &format!("{block}.self_attn.proj"), 32, 32);
        linear(&mut shapes, &format!("{block}.linear1"), 64, 32);
        linear(&mut shapes, &format!("{block}.linear2"), 32, 64);
        norm(&mut shapes, &format!("{block}.norm1"), 32);
        shapes.extend(alpha.map(|shape| (format!("{block}.self_attn.alpha"), shape.to_vec())));
        shapes.extend(beta.map(|shape| (format!("{block}.beta"), shape.to_vec())));
    }
    norm(&mut shapes, "classifier.norm", 32);
    linear(&mut shapes, "classifier.fc", 3, 32);
    let mut tensors = seeded(shapes);
    for (name, _, entries) in &mut tensors {
        if name.ends_with("alpha") || name.ends_with("beta") {
            let layer = usize::from(name.contains("blocks.1"));
            entries.iter_mut().enumerate().for_each(|(at, entry)| *entry = f32::from(u8::from((at + layer) % 2 == 0)));
        }
    }
    tensors
}
