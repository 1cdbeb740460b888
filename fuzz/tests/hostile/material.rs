//! Files of dealt material with bytes changed.

use std::path::PathBuf;
use std::sync::Arc;

use mpcc_fuzz::Choices;
use mpcc_program::code::Role;
use mpcc_program::gates;
use mpcc_program::interpret::Interpreter;
use mpcc_protocols::CheckedCode;
use mpcc_runtime::material::{DealOptions, MaterialFile, deal};
use mpcc_runtime::{ProgramIdentity, RoleProgram};
use tempfile::TempDir;

use crate::models;

/// Bytes at the beginning of a file that are changed most often: the head and the index.
const HEAD: usize = 400;

/// The two files of a batch.
pub(crate) struct Target {
    seeds: [Vec<u8>; 2],
    folder: TempDir,
}

impl Target {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let code = gates::lower(&models::seeds()[0].artefact.program, Role::Dealer);
        let program = RoleProgram {
            code: Arc::new(CheckedCode::new(code).expect("lowered code")),
            executor: Arc::new(Interpreter),
            identity: ProgramIdentity { program: [1; 32], binding: [2; 32] },
        };
        let options = DealOptions { inferences: 2, jobs: 1, replace: false, weights_of: None };
        let dealt = deal(&program, &folder.path().join("dealt"), &options, &|_| true).expect("material");
        let read = |path: &PathBuf| std::fs::read(path).expect("material");
        Self { seeds: [read(&dealt.model_owner.0), read(&dealt.data_owner.0)], folder }
    }

    /// Opens and verifies a changed file.
    pub(crate) fn case(&self, choices: &mut Choices<'_>) {
        let mut bytes = choices.of(&self.seeds).clone();
        if choices.once_in(4) {
            choices.spoil(&mut bytes);
        } else {
            let mut head = bytes[..HEAD.min(bytes.len())].to_vec();
            choices.spoil(&mut head);
            let rest = bytes.split_off(HEAD.min(bytes.len()));
            bytes = [head, rest].concat();
        }
        let path = self.folder.path().join("x.material");
        std::fs::write(&path, bytes).expect("a file");
        private(&path);
        let _ = MaterialFile::is_one(&path);
        let Ok(mut file) = MaterialFile::open(&path) else { return };
        let inferences = file.contents().inferences;
        let _ = file.verify(0..inferences, |_| {}).map_err(|error| error.to_string());
    }
}

#[cfg(unix)]
fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a file of our own");
}

#[cfg(not(unix))]
fn private(_path: &std::path::Path) {}
