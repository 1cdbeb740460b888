//! CIFAR-10 and CIFAR-100 as binary files (Krizhevsky 2009).
//!
//! A record is one byte of label (CIFAR-100: a coarse label, which is skipped, and a fine one) and 3 planes of 32 rows
//! of 32 bytes.

use std::path::{Path, PathBuf};

use super::{DataError, Dataset, Images};

const SHAPE: [usize; 3] = [3, 32, 32];

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cifar10,
    Cifar100,
}

impl Kind {
    /// Which one `dir` looks like.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        if dir.join("train.bin").is_file() {
            return Some(Self::Cifar100);
        }
        (1..=5).any(|i| dir.join(batch(i)).is_file()).then_some(Self::Cifar10)
    }

    /// Files to train on, file to test on, file of the names of classes.
    fn files(self) -> (Vec<String>, &'static str, &'static str) {
        match self {
            Self::Cifar10 => ((1..=5).map(batch).collect(), "test_batch.bin", "batches.meta.txt"),
            Self::Cifar100 => (vec!["train.bin".into()], "test.bin", "fine_label_names.txt"),
        }
    }

    fn classes(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Cifar100 => 100,
        }
    }

    /// Bytes before the pixels of a record; the last one is the label.
    fn head(self) -> usize {
        match self {
            Self::Cifar10 => 1,
            Self::Cifar100 => 2,
        }
    }
}

fn batch(number: usize) -> String {
    format!("data_batch_{number}.bin")
}

/// Reads all files of the data set. A missing file is an error, the names of classes included.
pub(super) fn open(
    dir: &Path,
    kind: Kind,
    shape: [usize; 3],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Dataset, DataError> {
    if shape != SHAPE {
        return Err(DataError::Size { path: dir.into(), found: SHAPE, expected: shape });
    }
    let (train, test, names) = kind.files();
    let classes = classes(dir.join(names), kind)?;
    let train: Vec<PathBuf> = train.iter().map(|name| dir.join(name)).collect();
    let mut contents = Vec::new();
    for path in train.into_iter().chain([dir.join(test)]) {
        let bytes = std::fs::read(&path).map_err(|source| DataError::Io { path: path.clone(), source })?;
        contents.push((path, bytes));
    }
    let record = kind.head() + SHAPE.iter().product::<usize>();
    let total = contents.iter().map(|(_, bytes)| bytes.len() / record).sum();
    let mut done = 0;
    let mut images = |files: &[(PathBuf, Vec<u8>)]| -> Result<Images, DataError> {
        let (mut bytes, mut labels) = (Vec::new(), Vec::new());
        for (path, content) in files {
            let damaged = |reason| DataError::File { path: path.clone(), reason };
            if content.is_empty() || content.len() % record != 0 {
                return Err(damaged(format!("its {} bytes are not records of {record}", content.len())));
            }
            for (number, record) in content.chunks_exact(record).enumerate() {
                let (head, pixels) = record.split_at(kind.head());
                let label = usize::from(head[head.len() - 1]);
                if label >= classes.len() {
                    return Err(damaged(format!("record {number} has label {label} of {}", classes.len())));
                }
                labels.push(label);
                bytes.extend_from_slice(pixels);
            }
            done += content.len() / record;
            progress(done, total);
        }
        Images::from_bytes(SHAPE, classes.clone(), bytes, labels)
    };
    let (test, train) =
        contents.split_last().map_or((&[][..], &[][..]), |(last, rest)| (std::slice::from_ref(last), rest));
    Ok(Dataset { train: images(train)?, test: Some(images(test)?) })
}

/// Names of the classes: one on each line, blank lines at the end.
fn classes(path: PathBuf, kind: Kind) -> Result<Vec<String>, DataError> {
    let text = std::fs::read_to_string(&path).map_err(|source| DataError::Io { path: path.clone(), source })?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if names.len() != kind.classes() {
        let reason = format!("it names {} classes, and there are {}", names.len(), kind.classes());
        return Err(DataError::File { path, reason });
    }
    Ok(names)
}
