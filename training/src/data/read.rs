//! Image files into one array of bytes, on all processors.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};

use mpcc_compiler::graph::{Element, Input, Picture, Type, Visibility};
use mpcc_import::inputs;

use super::{DataError, Dataset, Images, Labelled, Listing};

/// Images that a thread takes at once.
const TAKEN: usize = 64;

/// The images of a listing.
pub(super) fn read(
    listing: Listing,
    shape: [usize; 3],
    picture: Option<&Picture>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Dataset, DataError> {
    let Listing { classes, train, test } = listing;
    let total = train.len() + test.as_ref().map_or(0, Vec::len);
    let mut done = 0;
    let mut images = |files: Vec<Labelled>| {
        let (paths, labels): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let bytes = decode(&paths, shape, picture, &mut || {
            done += 1;
            progress(done, total);
        })?;
        Images::from_bytes(shape, classes.clone(), bytes, labels)
    };
    Ok(Dataset { train: images(train)?, test: test.map(images).transpose()? })
}

/// Pixels of all files in their order. Of several damaged files, one is named.
fn decode(
    paths: &[PathBuf],
    shape: [usize; 3],
    picture: Option<&Picture>,
    decoded: &mut dyn FnMut(),
) -> Result<Vec<u8>, DataError> {
    let ty = Type { element: Element::U8, shape: shape.as_slice().into(), visibility: Visibility::SecretClient };
    let input = Input { name: "image".into(), ty };
    let size = shape.iter().product::<usize>();
    let mut bytes = vec![0; paths.len() * size];
    let work = Mutex::new(paths.chunks(TAKEN).zip(bytes.chunks_mut(TAKEN * size)));
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, work, input) = (sender.clone(), &work, &input);
            scope.spawn(move || {
                while let Some((paths, bytes)) = work.lock().ok().and_then(|mut work| work.next()) {
                    for (path, pixels) in paths.iter().zip(bytes.chunks_exact_mut(size)) {
                        let read = one(path, input, picture, pixels);
                        let failed = read.is_err();
                        if sender.send(read).is_err() || failed {
                            return;
                        }
                    }
                }
            });
        }
        drop(sender);
        for read in receiver {
            read?;
            decoded();
        }
        Ok::<_, DataError>(())
    })?;
    Ok(bytes)
}

fn one(path: &std::path::Path, input: &Input, picture: Option<&Picture>, pixels: &mut [u8]) -> Result<(), DataError> {
    let tensor = inputs::load_prepared(path, input, picture)?;
    pixels.iter_mut().zip(&tensor.data).for_each(|(pixel, value)| *pixel = *value as u8);
    Ok(())
}
