//! What a report says about where and when it was made.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use jiff::Timestamp;
use serde::Serialize;

/// Machine, date and commit.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Setting {
    /// Model of the processor.
    processor: String,
    /// Cores that this process may use.
    cores: usize,
    /// What the processor has of the instructions that kernels look for.
    features: Vec<String>,
    /// Bytes of memory.
    memory_bytes: u64,
    /// Year, month and day of UTC.
    date: String,
    /// Of the working directory, if that is a clone.
    commit: String,
}

/// Features of a processor that change what is run.
const FEATURES: [&str; 9] =
    ["aes", "avx2", "avx512f", "avx512_vnni", "avx512ifma", "vaes", "gfni", "amx_int8", "avx512_vbmi"];

impl Setting {
    /// Reads it from the system.
    pub(super) fn read() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let flags = field("flags").unwrap_or_default();
        let has = |feature: &&&str| flags.split_whitespace().any(|flag| flag == **feature);
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kilobytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
        Self {
            processor: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            features: FEATURES.iter().filter(has).map(ToString::to_string).collect(),
            memory_bytes: kilobytes.and_then(|k| k.trim().parse::<u64>().ok()).unwrap_or(0) * 1024,
            date: Timestamp::now().strftime("%F").to_string(),
            commit: commit(),
        }
    }

    /// The lines at the head of a report.
    pub(super) fn markdown(&self) -> String {
        let features = if self.features.is_empty() { "none known" } else { &self.features.join(", ") };
        format!(
            "{}, commit {}. Machine: {}, {} cores ({features}), {:.0} GiB of memory.\n",
            self.date,
            self.commit,
            self.processor,
            self.cores,
            self.memory_bytes as f64 / (1u64 << 30) as f64
        )
    }
}

/// The commit of the working directory, with a mark when files other than reports differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = ["status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)benches/reports"];
    match git(&changed) {
        Some(changes) if !changes.is_empty() => format!("{commit} with changes"),
        _ => commit,
    }
}
