//! Tiny-ImageNet as it is distributed.
//!
//! Classes are WordNet numbers in the order of their names. The split that is distributed as `test` has no labels, so
//! `val` is tested on.

use std::collections::HashMap;
use std::path::Path;

use super::folder::{directories, images_of};
use super::{DataError, Listing};

const ANNOTATIONS: &str = "val/val_annotations.txt";

/// Whether `dir` looks like it.
pub(super) fn is(dir: &Path) -> bool {
    dir.join(ANNOTATIONS).is_file() && dir.join("train").is_dir()
}

/// Its classes and images.
pub(super) fn list(dir: &Path) -> Result<Listing, DataError> {
    let mut classes = Vec::new();
    let mut train = Vec::new();
    for (path, name) in directories(&dir.join("train"))? {
        train.extend(images_of(&path.join("images"))?.into_iter().map(|image| (image, classes.len())));
        classes.push(name);
    }
    let index: HashMap<&str, usize> = classes.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let path = dir.join(ANNOTATIONS);
    let text = std::fs::read_to_string(&path).map_err(|source| DataError::Io { path: path.clone(), source })?;
    let mut test = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut fields = line.split('\t');
        let (Some(file), Some(class)) = (fields.next(), fields.next()) else {
            let reason = "a file name, a tab and a class are expected".into();
            return Err(DataError::Line { path, line: number + 1, reason });
        };
        let Some(label) = index.get(class) else {
            return Err(DataError::UnknownClass { path, class: class.into() });
        };
        test.push((dir.join("val/images").join(file), *label));
    }
    if test.is_empty() {
        return Err(DataError::File { path, reason: "it names no images".into() });
    }
    Ok(Listing { classes, train, test: Some(test) })
}
