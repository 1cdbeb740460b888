//! A tiny model with its files in a directory of its own, and commands that must end in time.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use crate::LIMIT;

/// Two patches of an image through a rectifier to three labels.
pub(crate) const MODEL: &str = r#"mpv 1;

model Tiny() {
  input pixels: secret client Tensor<u8, 3, 4, 8>;
  weights secret server { format: safetensors, ignore: ["unused.*"] }
  param patch_w: Tensor<6, 3, 4, 4> = "patch.weight";
  param patch_b: Tensor<6> = "patch.bias";
  param fc_w: Tensor<3, 6> = "fc.weight";
  param fc_b: Tensor<3> = "fc.bias";
  local client {
    let image = pixels / 255;
  }
  let h = relu(patch_embed(image, patch_w, patch_b, stride: 4));
  output logits: reveal client Tensor<3> = linear(h[0], fc_w, fc_b) labels ["cat", "dog", "owl"];
}
"#;

/// A directory with the tiny model, weights, ranges, an artefact and an image.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// A copy of the tiny model's files.
    pub(crate) fn new() -> Self {
        static MADE: OnceLock<TempDir> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let place = Place { directory: TempDir::new().expect("a temporary directory") };
            fs::create_dir(place.path("tmp")).expect("a directory");
            place.write("model.mpv", MODEL);
            place.image("cat.png", 8, 4, 1);
            place.image("dog.png", 8, 4, 2);
            place.good(&["weights", "model.mpv", "--seed", "1", "-o", "w.safetensors"]);
            let calibrate = ["cat.png", "--calibrate", "dog.png"];
            place.good(
                &[&["simulate", "model.mpv", "--weights", "w.safetensors", "--calibrate"], &calibrate[..]].concat(),
            );
            place.good(&["compile", "model.mpv", "-o", "model.mpca"]);
            place.directory
        });
        let place = Place { directory: TempDir::new().expect("a temporary directory") };
        for entry in fs::read_dir(made.path()).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                fs::copy(&path, place.directory.path().join(name)).expect("a copy");
            }
        }
        fs::create_dir(place.path("tmp")).expect("a directory");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    /// An image whose pixels depend on `seed`.
    pub(crate) fn image(&self, name: &str, width: u32, height: u32, seed: u32) {
        let pixel = |x: u32, y: u32| Rgb([0, 1, 2].map(|c| ((x * 31 + y * 17 + c * 71 + seed * 97) % 256) as u8));
        RgbImage::from_fn(width, height, pixel).save(self.path(name)).expect("an image");
    }

    /// Rewrites the weights file: `change` may drop, reshape or replace tensors given as name, shape and entries.
    pub(crate) fn change_weights(&self, change: impl Fn(&mut Vec<(String, Vec<usize>, Vec<f32>)>)) {
        let path = self.path("w.safetensors");
        let bytes = fs::read(&path).expect("weights");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let floats =
            |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect();
        let mut tensors: Vec<_> =
            file.tensors().into_iter().map(|(n, t)| (n, t.shape().to_vec(), floats(t.data()))).collect();
        change(&mut tensors);
        let data: Vec<Vec<u8>> =
            tensors.iter().map(|(.., d)| d.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
            (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).expect("a tensor"))
        });
        fs::write(path, safetensors::serialize(views, None).expect("safetensors")).expect("a file");
    }

    /// The command, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::program());
        command.args(arguments).current_dir(self.directory.path()).env("TMPDIR", self.path("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command that must end in time.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command(arguments).spawn().expect("mpcc starts"), arguments)
    }

    /// Runs a command that must do well; its standard output.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The same with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.good(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}\n{text}"))
    }

    /// Runs a command that must end with `status`, one message that holds all of `said`, and no file more or less.
    pub(crate) fn bad(&self, arguments: &[&str], status: i32, said: &[&str]) {
        let before = self.files();
        let output = self.run(arguments);
        one_clear_message(&output, status, said);
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(self.files(), before, "{arguments:?}");
        let failed: Value = {
            let output = self.run(&[arguments, &["--json"]].concat());
            assert_eq!(output.status.code(), Some(status), "{arguments:?} --json");
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?} --json: {e}"))
        };
        assert_eq!(failed["schema"], "mpcc.error/1");
        assert_eq!(failed["status"], status);
    }

    /// Runs a command that clap itself refuses.
    pub(crate) fn bad_usage(&self, arguments: &[&str], said: &str) {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }

    /// All files, those in the temporary directory too.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        fn walk(directory: &Path, found: &mut BTreeSet<PathBuf>) {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, found);
                }
                found.insert(path);
            }
        }
        let mut found = BTreeSet::new();
        walk(self.directory.path(), &mut found);
        found
    }
}

/// Waits for a process, with the limit.
pub(crate) fn finish(mut child: Child, arguments: &[&str]) -> Output {
    let start = Instant::now();
    // Both pipes are drained while waiting, or a talkative child would wait for its reader.
    let mut out = child.stdout.take().expect("a pipe");
    let mut err = child.stderr.take().expect("a pipe");
    let drain = |pipe: &mut dyn Read| {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| bytes).unwrap_or_default()
    };
    let stdout = thread::spawn(move || drain(&mut out));
    let stderr = thread::spawn(move || drain(&mut err));
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => {
                child.kill().expect("a child that runs");
                child.wait().expect("a child");
                panic!("{arguments:?} did not end within {LIMIT:?}: {}", text(&stderr.join().expect("a thread")));
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    Output { status, stdout: stdout.join().expect("a thread"), stderr: stderr.join().expect("a thread") }
}

/// The status, and one message without the marks of a panic.
pub(crate) fn one_clear_message(output: &Output, status: i32, said: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    for word in said {
        assert!(message.contains(word), "`{word}` is not said in: {message}");
    }
    for mark in ["panicked", "RUST_BACKTRACE", "bug in mpcc"] {
        assert!(!message.contains(mark), "{message}");
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
