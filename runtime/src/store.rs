//! Keeps a large program's corrections in a file without a name, encrypted under a key that is only in memory.
//!
//! A correction alone is uniform, but beside the other party's share it is the randomness of an inference; so nothing of it
//! is left on the disk that could be read when this process is gone.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

use mpcc_kernels::prg::{Prg, Seed};
use mpcc_protocols::BitStore;
use zeroize::Zeroize;

/// Bytes of a word of the key stream, at which pieces begin.
const WORD: u64 = 8;

/// The file of one inference.
pub(crate) struct UnnamedFile {
    file: File,
    key: Prg,
    end: Mutex<u64>,
}

impl UnnamedFile {
    /// An empty file in `directory`, which loses its name at once.
    pub(crate) fn new(directory: &Path) -> io::Result<UnnamedFile> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
        let key = Prg::new(&Seed::from_bytes(bytes));
        bytes.zeroize();
        Ok(UnnamedFile { file: tempfile::tempfile_in(directory)?, key, end: Mutex::new(0) })
    }

    /// Encrypts or decrypts what stands at `at`.
    fn apply(&self, at: u64, bytes: &mut [u8]) {
        const PIECE: usize = 1 << 12;
        let mut stream = [0; PIECE];
        let mut word = at / WORD;
        for piece in bytes.chunks_mut(PIECE * WORD as usize) {
            let stream = &mut stream[..piece.len().div_ceil(WORD as usize)];
            self.key.fill(0, word, stream);
            word += stream.len() as u64;
            for (bytes, key) in piece.chunks_mut(WORD as usize).zip(&*stream) {
                bytes.iter_mut().zip(key.to_le_bytes()).for_each(|(byte, key)| *byte ^= key);
            }
        }
    }
}

impl BitStore for UnnamedFile {
    fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut end = self.end.lock().map_err(|_| io::Error::other("another thread failed while it wrote"))?;
        let at = *end;
        let mut encrypted = bytes.to_vec();
        self.apply(at, &mut encrypted);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&encrypted)?;
        *end = (at + bytes.len() as u64).next_multiple_of(WORD);
        Ok(at)
    }

    fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)?;
        self.apply(at, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_cannot_be_read_from_the_disk() {
        let place = tempfile::tempdir().unwrap();
        let store = UnnamedFile::new(place.path()).unwrap();
        let piece = |salt: usize, len: usize| -> Vec<u8> { (0..len).map(|i| ((i * 7 + salt) % 251) as u8).collect() };
        let kept: Vec<(u64, Vec<u8>)> = [(1, 3), (2, 40_000), (3, 8), (4, 100_001), (5, 1)]
            .map(|(salt, len)| (store.append(&piece(salt, len)).unwrap(), piece(salt, len)))
            .to_vec();
        for (at, bytes) in kept.iter().rev() {
            let mut read = vec![0; bytes.len()];
            store.read(*at, &mut read).unwrap();
            assert!(read == *bytes);
            store.file.read_exact_at(&mut read, *at).unwrap();
            assert!(read.len() < 16 || read != *bytes);
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(store.read(kept[4].0, &mut [0; 9]).is_err());
    }
}
