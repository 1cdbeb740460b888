//! What a role's process and the process that started it tell each other, as lines of JSON over the child's standard
//! input and output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mpcc_cli::outputs::Answer;
use mpcc_cli::terminal::write_out;
use mpcc_runtime::{Progress, ProgressEvent, RoleReport};
use serde::{Deserialize, Serialize};

use super::RoleName;

/// A path as the system has it, which need not be text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AnyPath(OsString);

impl AnyPath {
    pub(super) fn path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl From<PathBuf> for AnyPath {
    fn from(path: PathBuf) -> Self {
        Self(path.into_os_string())
    }
}

/// First line to a child: what to be. It names files and holds no secret but the data owner's texts, for the data owner.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) role: RoleName,
    pub(super) artefact: AnyPath,
    /// For the model owner.
    pub(super) weights: Option<AnyPath>,
    /// For the data owner.
    pub(super) input: Vec<OsString>,
    /// For a party whose correlated randomness comes from a file.
    pub(super) material: Option<AnyPath>,
    pub(super) identity: AnyPath,
    pub(super) state: AnyPath,
    pub(super) interpret: bool,
    pub(super) batch: u64,
    /// How many the session has: the model owner serves no more.
    pub(super) inferences: u64,
    pub(super) in_memory: bool,
    pub(super) timeout_seconds: u64,
    /// Round trip in seconds and bytes per second of the network to imitate.
    pub(super) shape: Option<(f64, f64, bool)>,
    /// Fingerprints of model owner, data owner and dealer.
    pub(super) fingerprints: [String; 3],
}

/// Second line to a child: where the others listen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Go {
    pub(super) model_owner: String,
    pub(super) dealer: Option<String>,
}

/// Lines from a child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    /// Its files are fine and it listens, if it is to.
    Ready { address: Option<String> },
    /// Material for inferences was made.
    Made { inferences: u64 },
    /// The setup runs.
    Setup,
    /// Material for an inference is being made.
    Offline { inference: u64 },
    /// Hops done of an inference.
    Hop { hop: usize, inference: u64 },
    /// The session ended well.
    Done { report: Box<RoleReport>, answers: Vec<Answer> },
    /// It did not.
    Failed { status: u8, message: String },
}

impl Event {
    /// Tells the parent; if it is gone, there is nobody left to tell.
    pub(super) fn send(&self) -> Result<()> {
        let mut line = serde_json::to_string(self).context("cannot tell the parent")?;
        line.push('\n');
        write_out(&line).context("cannot tell the parent")
    }

    /// The same for a moment of the session, which another follows.
    fn send_in_passing(&self) {
        let _ = self.send();
    }
}

/// Tells the parent how far the session is, hops not more often than it can be seen.
pub(super) struct ToParent {
    last: Mutex<Instant>,
}

const INTERVAL: Duration = Duration::from_millis(50);

impl ToParent {
    pub(super) fn new() -> Self {
        Self { last: Mutex::new(Instant::now()) }
    }
}

impl Progress for ToParent {
    fn event(&self, event: ProgressEvent) {
        match event {
            ProgressEvent::Made { inferences } => Event::Made { inferences }.send_in_passing(),
            ProgressEvent::Setup => Event::Setup.send_in_passing(),
            ProgressEvent::Offline { inference, .. } => Event::Offline { inference }.send_in_passing(),
            ProgressEvent::Hop { hop, inference, .. } => {
                let Ok(mut last) = self.last.try_lock() else { return };
                if last.elapsed() >= INTERVAL {
                    *last = Instant::now();
                    Event::Hop { hop, inference }.send_in_passing();
                }
            }
            ProgressEvent::Connected | ProgressEvent::Finished => {}
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_path_of_any_bytes_arrives_as_it_was() {
        for bytes in [&b"caf\xe9/w.safetensors"[..], b"", b"a\nb", b"\xff\xfe\x80", "\u{e9}".as_bytes()] {
            let path = AnyPath(OsString::from_vec(bytes.to_vec()));
            let line = serde_json::to_string(&path).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<AnyPath>(&line).unwrap(), path);
        }
    }
}
