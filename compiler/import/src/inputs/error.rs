//! Why inputs could not be loaded, in words that say what to do.

use std::path::PathBuf;

use mpcc_compiler::shown::shown;
use thiserror::Error;

use super::KNOWN;
use crate::FileError;
use crate::tokenizer::TokenizerError;

/// Why an input could not be loaded.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file or directory cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither an image nor an array, by its name.
    #[error("{} is no input: give a {KNOWN} file, or a directory of them", shown(.path))]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// A directory without inputs.
    #[error("{} holds no {KNOWN} file", shown(.path))]
    EmptyDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Directories nested beyond reason.
    #[error("{} lies too deep; directories of inputs are read down to {limit} levels", shown(.path))]
    TooDeep {
        /// The directory.
        path: PathBuf,
        /// How many levels are read.
        limit: usize,
    },
    /// The file is not what its name says, or is damaged.
    #[error("{} is not a whole {kind} file: {reason}", shown(.path))]
    Format {
        /// The file.
        path: PathBuf,
        /// `PNG`, `JPEG`, `npy`, `CSV` or the like.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An image given to an input that takes none.
    #[error(
        "{} is an image, and input `{}` is {declared}: only Tensor<u8, 3, height, width>, or with one channel, takes an image, \
         give a .npy file",
        shown(.path), shown(.input)
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
        "{} is {} wide and {} high, and input `{}` takes images {} wide and {} high: \
         scale or crop it first, or say how in the model, `preprocess {} {{ resize: [HEIGHT, WIDTH], filter: bicubic }}`",
        shown(.path), .found.0, .found.1, shown(.input), .expected.0, .expected.1, shown(.input)
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
    #[error("{} {reason}", shown(.path))]
    Pixels {
        /// The file.
        path: PathBuf,
        /// What is unclear and what to do.
        reason: &'static str,
    },
    /// An array of another shape.
    #[error("{} has the shape {found:?}, and input `{}` is {declared}", shown(.path), shown(.input))]
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
    #[error("{} holds {value} at entry {entry:?}, and input `{}` takes {allowed}", shown(.path), shown(.input))]
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
    /// Text given to a model that reads none.
    #[error("{} is text, and the model declares no tokenizer: give input `{}` as an array or image", shown(.path), shown(.input))]
    NoTokenizer {
        /// The file.
        path: PathBuf,
        /// Name of an input.
        input: String,
    },
    /// Text that is none.
    #[error("{} {reason}", shown(.name))]
    Text {
        /// The file, or which text of the command line.
        name: String,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// The tokenizer, or the model beside it, is wrong.
    #[error("{}: {source}", shown(.name))]
    Tokens {
        /// The file, or which text of the command line.
        name: String,
        /// What is wrong.
        source: TokenizerError,
    },
    /// The tokenizer does not work for this model.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Text given to a model that has other inputs as well.
    #[error(
        "{} is text, and the model also has {}: give every input with NAME=FILE, or all in one .npz file",
        shown(.name), list(.others)
    )]
    MoreThanText {
        /// The file, or which text of the command line.
        name: String,
        /// Inputs that the tokenizer does not fill.
        others: Vec<String>,
    },
    /// One array or image for several inputs.
    #[error(
        "{} holds one array, and the model has {}: give each with NAME=FILE, or all in one .npz file",
        shown(.path), list(.inputs)
    )]
    OneOfSeveral {
        /// The file.
        path: PathBuf,
        /// Names of the inputs.
        inputs: Vec<String>,
    },
    /// A name that no input has.
    #[error("{}: the model has no input `{}`; it has {}", shown(.place), shown(.name), list(.inputs))]
    UnknownInput {
        /// The argument or file that says the name.
        place: String,
        /// The name.
        name: String,
        /// Names of the inputs.
        inputs: Vec<String>,
    },
    /// An input without a file or array.
    #[error("{}: nothing is given for {}", shown(.place), list(.missing))]
    Missing {
        /// The arguments or file that give the others.
        place: String,
        /// Names of the inputs.
        missing: Vec<String>,
    },
    /// Two files for one input.
    #[error("input `{}` is given twice: NAME=FILE gives the inputs of one inference", shown(.name))]
    GivenTwice {
        /// Its name.
        name: String,
    },
    /// Whole examples beside files for single inputs.
    #[error("{} and NAME=FILE do not go together: NAME=FILE gives all inputs of one inference", shown(.argument))]
    Mixed {
        /// Which argument gives a whole example.
        argument: String,
    },
}

/// `input a` or `inputs a, b and c`, quoted.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", shown(name))).collect();
    match quoted.split_last() {
        None => "no inputs".to_owned(),
        Some((last, [])) => format!("input {last}"),
        Some((last, others)) => format!("inputs {} and {last}", others.join(", ")),
    }
}
