//! Directories of images, one for each class.

use std::path::{Path, PathBuf};

use super::{DataError, Labelled, Listing};

/// The images of `dir/train` with `dir/test` or `dir/val`, or else of `dir` itself.
pub(super) fn list(dir: &Path) -> Result<Listing, DataError> {
    let train = dir.join("train");
    if !train.is_dir() {
        let (classes, train) = classes(dir)?;
        return Ok(Listing { classes, train, test: None });
    }
    let (classes, images) = classes(&train)?;
    let test = ["test", "val"].map(|name| dir.join(name)).into_iter().find(|path| path.is_dir());
    let test = test.map(|path| of_known_classes(&path, &classes)).transpose()?;
    Ok(Listing { classes, train: images, test })
}

/// Names and images of the classes in a directory.
fn classes(dir: &Path) -> Result<(Vec<String>, Vec<Labelled>), DataError> {
    let directories = directories(dir)?;
    if directories.is_empty() {
        return Err(DataError::Layout { path: dir.into(), reason: "there is no directory of a class".into() });
    }
    let mut images = Vec::new();
    for (class, (path, _)) in directories.iter().enumerate() {
        images.extend(images_of(path)?.into_iter().map(|image| (image, class)));
    }
    Ok((directories.into_iter().map(|(_, name)| name).collect(), images))
}

/// Images of a directory whose classes must be among `classes`.
fn of_known_classes(dir: &Path, classes: &[String]) -> Result<Vec<Labelled>, DataError> {
    let mut images = Vec::new();
    for (path, name) in directories(dir)? {
        let Some(class) = classes.iter().position(|class| *class == name) else {
            return Err(DataError::UnknownClass { path, class: name });
        };
        images.extend(images_of(&path)?.into_iter().map(|image| (image, class)));
    }
    if images.is_empty() {
        let reason = "there is no directory of a class; images of a test split need their classes".into();
        return Err(DataError::Layout { path: dir.into(), reason });
    }
    Ok(images)
}

/// Directories below `dir` with their names, by name. Files beside them and hidden directories are left alone.
pub(super) fn directories(dir: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let mut found = entries(dir)?;
    found.retain(|(path, _)| path.is_dir());
    Ok(found)
}

/// Images of one class, by name.
pub(super) fn images_of(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let images: Vec<PathBuf> = entries(dir)?.into_iter().map(|(path, _)| path).collect();
    if let Some(path) = images.iter().find(|path| !is_image(path)) {
        return Err(DataError::NotAnImage { path: path.clone() });
    }
    if images.is_empty() { Err(DataError::EmptyClass { path: dir.into() }) } else { Ok(images) }
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    path.is_file() && matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// What is in a directory, by name and without hidden entries.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let io = |source| DataError::Io { path: dir.into(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            return Err(DataError::Name { path });
        };
        if !name.starts_with('.') {
            found.push((path, name));
        }
    }
    found.sort_by(|(_, a), (_, b)| a.cmp(b));
    Ok(found)
}
