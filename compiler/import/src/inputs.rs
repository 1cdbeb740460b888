//! Images, arrays and text as inputs of a graph.
//!
//! A file must be exactly what the model declares, unless the model says how pictures are resized and cropped. Text is cut or
//! padded to the length that the model reads, as its tokenizer does.

mod archive;
mod array;
mod error;
mod examples;
mod expand;
mod lines;
mod picture;
mod pixel_values;
mod reader;
mod resize;

use std::path::Path;

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Graph, Input, Picture, Shape};

pub use error::InputError;
pub use examples::{Example, examples};
pub use expand::{expand, passed_over};
use lines::Lines;
pub use reader::{Given, Passage, Reader};

/// The largest image file that is read: 64 MiB.
const IMAGE_LIMIT: u64 = 1 << 26;
/// The longest header of an array file that is read, in bytes.
const ARRAY_HEADER_LIMIT: u64 = 1 << 16;

/// What a file holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
    Webp,
    Bmp,
    Tiff,
    Npy,
    Npz,
    Text,
    /// A text in every line.
    Lines(Lines),
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::Webp),
            "bmp" => Some(Self::Bmp),
            "tif" | "tiff" => Some(Self::Tiff),
            "npy" => Some(Self::Npy),
            "npz" => Some(Self::Npz),
            "txt" => Some(Self::Text),
            "tsv" => Some(Self::Lines(Lines::Tsv)),
            "csv" => Some(Self::Lines(Lines::Csv)),
            "jsonl" => Some(Self::Lines(Lines::Json)),
            _ => None,
        }
    }
}

/// Files of examples that are known, as messages list them.
pub(crate) const KNOWN: &str = ".png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff, .npy, .npz, .txt, .tsv, .csv or .jsonl";

/// How pictures become the input at a place among a graph's, if it says so.
pub fn preparation(graph: &Graph, input: usize) -> Option<&Picture> {
    graph.pictures.iter().find(|picture| picture.input as usize == input)
}

/// [`load_prepared`] of pictures that have the input's size.
///
/// # Errors
/// As of [`load_prepared`].
pub fn load(path: &Path, input: &Input) -> Result<Tensor, InputError> {
    load_prepared(path, input, None)
}

/// Reads a picture or array as a value of `input`.
///
/// Pictures fill `Tensor<u8, 3, height, width>` with red, green and blue planes, equal ones if they are grey, and
/// `Tensor<u8, 1, height, width>` with a grey one, resized and cropped as `picture` says. Decoders of JPEG differ in detail; other
/// formats are exact. `.npy` files of bool, 8- to 64-bit integers and floats fill any input of their shape; of an `.npz` file,
/// the array with the input's name does.
///
/// # Errors
/// If the file is damaged, has another size or shape, or holds an entry outside the input's element type.
pub fn load_prepared(path: &Path, input: &Input, picture: Option<&Picture>) -> Result<Tensor, InputError> {
    let tensor = match Kind::of(path) {
        None => return Err(InputError::UnknownKind { path: path.into() }),
        Some(Kind::Text | Kind::Lines(_)) => {
            return Err(InputError::NoTokenizer { path: path.into(), input: input.name.clone() });
        }
        Some(Kind::Npz) => return archive::load(path, std::slice::from_ref(input)).map(|mut loaded| loaded.remove(0)),
        Some(Kind::Npy) => {
            let bytes = crate::file::read(path, array_limit(input))?;
            return from_array(path, "npy", &bytes, input);
        }
        Some(kind) => {
            let (Element::U8, &[channels @ (1 | 3), height, width]) = (input.ty.element, input.ty.shape.as_slice())
            else {
                return Err(InputError::NotAnImageInput {
                    path: path.into(),
                    input: input.name.clone(),
                    declared: declared(input),
                });
            };
            let bytes = crate::file::read(path, IMAGE_LIMIT)?;
            let planes = picture::planes(&bytes, kind, channels).map_err(|wrong| wrong.at(path, input))?;
            let planes = match picture {
                Some(picture) => planes.prepared(picture, (height, width)),
                None => planes,
            };
            if (planes.height, planes.width) != (height, width) {
                return Err(InputError::ImageSize {
                    path: path.into(),
                    input: input.name.clone(),
                    found: (planes.width, planes.height),
                    expected: (width, height),
                });
            }
            Tensor { shape: input.ty.shape.clone(), data: planes.bytes.iter().map(|byte| f64::from(*byte)).collect() }
        }
    };
    check(&tensor, path, input)?;
    Ok(tensor)
}

/// The longest array file that can hold an input, in bytes.
fn array_limit(input: &Input) -> u64 {
    let entries = input.ty.shape.iter().product::<usize>() as u64;
    ARRAY_HEADER_LIMIT.saturating_add(entries.saturating_mul(8))
}

/// The input in the bytes of an array file, or in a part of the file at `path`.
fn from_array(path: &Path, kind: &'static str, bytes: &[u8], input: &Input) -> Result<Tensor, InputError> {
    let format = |reason| InputError::Format { path: path.into(), kind, reason };
    let array = array::parse(bytes).map_err(format)?;
    let shape = if array.shape.is_empty() { &[1][..] } else { &array.shape };
    if shape != input.ty.shape.as_slice() {
        return Err(InputError::ArrayShape {
            path: path.into(),
            input: input.name.clone(),
            found: array.shape,
            declared: declared(input),
        });
    }
    let tensor = Tensor { shape: input.ty.shape.clone(), data: array.values() };
    check(&tensor, path, input)?;
    Ok(tensor)
}

/// Every entry must be of the element type.
fn check(tensor: &Tensor, path: &Path, input: &Input) -> Result<(), InputError> {
    let whole = |v: f64, low: f64, high: f64| v >= low && v <= high && libm::trunc(v) == v;
    let (fits, allowed): (&dyn Fn(f64) -> bool, _) = match input.ty.element {
        Element::Real => (&f64::is_finite, "finite numbers"),
        Element::U8 => (&|v| whole(v, 0.0, 255.0), "whole numbers from 0 to 255"),
        Element::I32 => (&|v| whole(v, f64::from(i32::MIN), f64::from(i32::MAX)), "whole numbers of 32 bits"),
        Element::Bit => (&|v| v == 0.0 || v == 1.0, "0 and 1"),
    };
    match tensor.data.iter().position(|v| !fits(*v)) {
        None => Ok(()),
        Some(at) => Err(InputError::Value {
            path: path.into(),
            input: input.name.clone(),
            entry: position(at, &tensor.shape),
            value: tensor.data[at],
            allowed,
        }),
    }
}

/// A flat index as one index for each axis.
fn position(mut at: usize, shape: &Shape) -> Vec<usize> {
    let mut position: Vec<usize> = shape
        .iter()
        .rev()
        .map(|extent| {
            let index = at % extent;
            at /= extent;
            index
        })
        .collect();
    position.reverse();
    position
}

/// The type of an input as the source writes it.
fn declared(input: &Input) -> String {
    let element = match input.ty.element {
        Element::Real => "",
        Element::U8 => "u8, ",
        Element::I32 => "i32, ",
        Element::Bit => "bit, ",
    };
    let extents: Vec<String> = input.ty.shape.iter().map(ToString::to_string).collect();
    format!("Tensor<{element}{}>", extents.join(", "))
}
