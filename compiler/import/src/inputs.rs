//! Images and arrays as inputs of a graph.
//!
//! A file must be exactly what the model declares: nothing is resized, cropped or rounded on the way in.

mod array;
mod expand;
mod picture;

use std::path::{Path, PathBuf};

use mpcc_compiler::evaluate::Tensor;
use mpcc_compiler::graph::{Element, Input, Shape};
use thiserror::Error;

use crate::FileError;

pub use expand::expand;

/// The largest image file that is read: 64 MiB.
const IMAGE_LIMIT: u64 = 1 << 26;
/// The longest header of an array file that is read, in bytes.
const ARRAY_HEADER_LIMIT: u64 = 1 << 16;

/// Why an input could not be loaded.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file or directory cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither an image nor an array, by its name.
    #[error("{} is no input: give a .png, .jpg, .jpeg or .npy file, or a directory of them", .path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// A directory without inputs.
    #[error("{} holds no .png, .jpg, .jpeg or .npy file", .path.display())]
    EmptyDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Directories nested beyond reason.
    #[error("{} lies too deep; directories of inputs are read down to {limit} levels", .path.display())]
    TooDeep {
        /// The directory.
        path: PathBuf,
        /// How many levels are read.
        limit: usize,
    },
    /// The file is not what its name says, or is damaged.
    #[error("{} is not a whole {kind} file: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// `PNG`, `JPEG` or `npy`.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An image given to an input that takes none.
    #[error(
        "{} is an image, and input `{input}` is {declared}: only Tensor<u8, 3, height, width> takes an image, give a .npy file",
        .path.display()
    )]
    NotAnImageInput {
        /// The file.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Its type.
        declared: String,
    },
    /// An image of another size.
    #[error(
        "{} is {} wide and {} high, and input `{input}` takes images {} wide and {} high: scale or crop it first, mpcc does not",
        .path.display(), .found.0, .found.1, .expected.0, .expected.1
    )]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Its width and height in pixels.
        found: (usize, usize),
        /// Width and height of the input.
        expected: (usize, usize),
    },
    /// An image whose pixels have no single reading as 8-bit RGB.
    #[error("{} {reason}", .path.display())]
    Pixels {
        /// The file.
        path: PathBuf,
        /// What is unclear and what to do.
        reason: &'static str,
    },
    /// An array of another shape.
    #[error("{} has the shape {found:?}, and input `{input}` is {declared}", .path.display())]
    ArrayShape {
        /// The file.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Its shape.
        found: Vec<usize>,
        /// Type of the input.
        declared: String,
    },
    /// An entry that is not of the input's element type.
    #[error("{} holds {value} at entry {entry:?}, and input `{input}` takes {allowed}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Position along each axis.
        entry: Vec<usize>,
        /// The value there.
        value: f64,
        /// What may be there.
        allowed: &'static str,
    },
}

/// What a file holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
    Npy,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "npy" => Some(Self::Npy),
            _ => None,
        }
    }
}

/// Reads an image or array as a value of `input`.
///
/// PNG and JPEG fill `Tensor<u8, 3, height, width>` with red, green and blue planes; grey images are taken as equal
/// planes. Decoders of JPEG differ in detail; PNG is exact. `.npy` files of bool, 8- to 64-bit integers and floats
/// fill any input of their shape.
///
/// # Errors
/// If the file is damaged, has another size or shape, or holds an entry outside the input's element type.
pub fn load(path: &Path, input: &Input) -> Result<Tensor, InputError> {
    let tensor = match Kind::of(path) {
        None => return Err(InputError::UnknownKind { path: path.into() }),
        Some(Kind::Npy) => {
            let entries = input.ty.shape.iter().product::<usize>() as u64;
            let limit = ARRAY_HEADER_LIMIT.saturating_add(entries.saturating_mul(8));
            let bytes = crate::file::read(path, limit)?;
            let format = |reason| InputError::Format { path: path.into(), kind: "npy", reason };
            let array = array::parse(&bytes).map_err(format)?;
            let shape = if array.shape.is_empty() { &[1][..] } else { &array.shape };
            if shape != input.ty.shape.as_slice() {
                return Err(InputError::ArrayShape {
                    path: path.into(),
                    input: input.name.clone(),
                    found: array.shape,
                    declared: declared(input),
                });
            }
            Tensor { shape: input.ty.shape.clone(), data: array.values() }
        }
        Some(kind) => {
            let (Element::U8, &[3, height, width]) = (input.ty.element, input.ty.shape.as_slice()) else {
                return Err(InputError::NotAnImageInput {
                    path: path.into(),
                    input: input.name.clone(),
                    declared: declared(input),
                });
            };
            let bytes = crate::file::read(path, IMAGE_LIMIT)?;
            let planes = picture::planes(&bytes, kind, (width, height)).map_err(|wrong| wrong.at(path, input))?;
            Tensor { shape: input.ty.shape.clone(), data: planes }
        }
    };
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
