//! Reads a party's file of dealt material, believing nothing in it: lengths are checked before memory is taken, and
//! every piece against the index before it is used.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use mpcc_program::code::Role;
use mpcc_protocols::{SessionSeed, WeightSeed};

use super::{HASH, HEAD_BYTES, Head, Layout, MAGIC, MaterialError, PIECE, Secret, Section, failed, head_hash};
use crate::counter_store::BatchId;
use crate::identity::{ProgramIdentity, hex, tables_digest};

/// A party's file, open, with head and index checked.
pub struct MaterialFile {
    file: File,
    path: PathBuf,
    head: Head,
    index: Vec<u8>,
}

impl fmt::Debug for MaterialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaterialFile")
            .field("path", &self.path)
            .field("batch", &self.head.batch.id)
            .finish_non_exhaustive()
    }
}

/// What a file says about itself, without its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Whose it is.
    pub role: Role,
    /// The program that it was dealt for.
    pub program: ProgramIdentity,
    /// Names the batch; its other half has the same.
    pub batch: BatchId,
    /// Inferences dealt.
    pub inferences: u64,
    /// Names the mask of the weights; batches that have it too share masked weights.
    pub weight_grant: BatchId,
    /// Bytes of corrections for the setup.
    pub setup_bytes: u64,
    /// Bytes of corrections for each inference.
    pub inference_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

impl MaterialFile {
    /// Whether a file is one of dealt material by its name or its first bytes.
    pub fn is_one(path: &Path) -> bool {
        if path.extension().is_some_and(|e| e == "material") {
            return true;
        }
        let mut first = [0; MAGIC.len()];
        File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == MAGIC
    }

    /// Opens a file: its length, head and index are checked, and that nobody else can read it.
    ///
    /// # Errors
    /// [`MaterialError::File`], [`MaterialError::Exposed`], [`MaterialError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, MaterialError> {
        let damaged = |detail: String| MaterialError::Damaged { path: path.display().to_string(), detail };
        let read = failed("read", path);
        let mut file = File::open(path).map_err(&read)?;
        let metadata = file.metadata().map_err(&read)?;
        if !metadata.is_file() {
            return Err(damaged("it is not a regular file".to_owned()));
        }
        let mut head = Vec::with_capacity(HEAD_BYTES);
        file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(&read)?;
        let decoded = Head::decode(&head).map_err(damaged)?;
        refuse_exposed(path, &metadata)?;
        let expected = decoded.layout().file_bytes();
        if expected != Some(metadata.len()) {
            let expected = expected.map_or("more than any file".to_owned(), |bytes| bytes.to_string());
            return Err(damaged(format!("it has {} bytes where {expected} were dealt", metadata.len())));
        }
        // The index is part of a file that has this length.
        let index_bytes = decoded.layout().head_bytes().unwrap_or_default().saturating_sub(HEAD_BYTES as u64);
        let mut index = vec![0; usize::try_from(index_bytes).map_err(|_| damaged("it is too large".to_owned()))?];
        file.read_exact(&mut index).map_err(&read)?;
        let (fields, hash) = head.split_at(HEAD_BYTES - HASH);
        let commitment = decoded.expected_commitment(decoded.root(&index));
        if head_hash(fields, &index).as_bytes() != hash || commitment != decoded.commitment {
            return Err(damaged("its head was altered".to_owned()));
        }
        Ok(MaterialFile { file, path: path.to_owned(), head: decoded, index })
    }

    /// As [`MaterialFile::open`], for a session of `role` with `program`.
    ///
    /// # Errors
    /// Also [`MaterialError::Foreign`].
    pub fn open_for(path: &Path, role: Role, program: &ProgramIdentity) -> Result<Self, MaterialError> {
        let file = Self::open(path)?;
        let differ = |what, ours: String, theirs: String| {
            let path = path.display().to_string();
            if ours == theirs { Ok(()) } else { Err(MaterialError::Foreign { path, what, ours, theirs }) }
        };
        let name = |role| if role == Role::ModelOwner { "the model owner" } else { "the data owner" };
        let batch = &file.head.batch;
        differ("the role of", name(role).to_owned(), name(file.head.role).to_owned())?;
        differ("program", hex(&program.program), hex(&batch.program.program))?;
        differ("weights bound as", hex(&program.binding), hex(&batch.program.binding))?;
        differ("the table of public factors", hex(&tables_digest()), hex(&batch.tables))?;
        Ok(file)
    }

    /// Refuses other weights than those that the file was made with, if it was made with any.
    ///
    /// # Errors
    /// [`MaterialError::Foreign`].
    pub(crate) fn check_weights(&self, digest: &[u8; HASH]) -> Result<(), MaterialError> {
        let made_with = &self.head.weights;
        if *made_with == [0; HASH] || made_with == digest {
            return Ok(());
        }
        let [ours, theirs] = [digest, made_with].map(|digest| hex(digest));
        Err(MaterialError::Foreign { path: self.name(), what: "weights", ours, theirs })
    }

    /// What the file says about itself.
    pub fn contents(&self) -> Contents {
        Contents {
            role: self.head.role,
            program: self.head.batch.program,
            batch: self.head.batch.id,
            inferences: self.head.batch.inferences,
            weight_grant: self.head.batch.weight_grant,
            setup_bytes: self.head.lengths.setup,
            inference_bytes: self.head.lengths.inference,
            file_bytes: self.head.layout().file_bytes().unwrap_or_default(),
        }
    }

    /// The file's name, for messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Compares the setup and the given inferences with the index, and tells `done` how many bytes were compared.
    ///
    /// # Errors
    /// [`MaterialError::Damaged`], [`MaterialError::File`].
    pub fn verify(&mut self, inferences: Range<u64>, mut done: impl FnMut(u64)) -> Result<(), MaterialError> {
        let last = inferences.end.min(self.head.batch.inferences);
        let mut piece = Vec::new();
        for section in [Section::Setup].into_iter().chain((inferences.start..last).map(Section::Inference)) {
            let (_, length, _) = self.layout().place(section);
            let mut at = 0;
            while at < length {
                at += self.read_piece(section, at, &mut piece)?;
                done(piece.len() as u64);
            }
        }
        Ok(())
    }

    /// The bytes that both files of the batch carry alike and that depend on all that is in either.
    pub(super) fn commitment(&self) -> &[u8; HASH] {
        &self.head.commitment
    }

    /// The party's seed.
    pub(super) fn seed(&self) -> SessionSeed {
        let mut copy = self.head.seed.0;
        SessionSeed::take(&mut copy)
    }

    /// Seed of the mask of the weights, in the model owner's file.
    pub(crate) fn weight_seed(&self) -> Option<WeightSeed> {
        self.head.weight_seed.as_ref().map(|seed| WeightSeed::take(&mut seed.clone().0))
    }

    /// The same as it stands in the file.
    pub(super) fn grant(&self) -> Option<(BatchId, Secret)> {
        self.head.weight_seed.clone().map(|seed| (self.head.batch.weight_grant, seed))
    }

    pub(super) fn layout(&self) -> Layout {
        self.head.layout()
    }

    /// Reads the piece of a section that begins at `at`, a multiple of [`PIECE`], checks it, and returns its length.
    pub(super) fn read_piece(&mut self, section: Section, at: u64, piece: &mut Vec<u8>) -> Result<u64, MaterialError> {
        let (offset, length, first) = self.layout().place(section);
        let bytes = length.saturating_sub(at).min(PIECE);
        // A piece is at most as long as its limit.
        piece.resize(bytes as usize, 0);
        self.file
            .seek(SeekFrom::Start(offset + at))
            .and_then(|_| self.file.read_exact(piece))
            .map_err(failed("read", &self.path))?;
        let entry = usize::try_from(first + at / PIECE).unwrap_or(usize::MAX).saturating_mul(HASH);
        if self.index.get(entry..entry.saturating_add(HASH)) == Some(&blake3::hash(piece).as_bytes()[..]) {
            return Ok(bytes);
        }
        let what = match section {
            Section::Setup => "its setup".to_owned(),
            Section::Inference(index) => format!("its inference {index}"),
        };
        let detail = format!("{what} was altered; copy the file again, or deal again");
        Err(MaterialError::Damaged { path: self.name(), detail })
    }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, metadata: &std::fs::Metadata) -> Result<(), MaterialError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(MaterialError::Exposed { path: path.display().to_string(), mode }),
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path, _metadata: &std::fs::Metadata) -> Result<(), MaterialError> {
    Ok(())
}
