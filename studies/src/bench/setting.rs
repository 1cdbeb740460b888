//! What a report says about where and when it was made.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / 86_400);
        Self {
            processor: field("model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            features: FEATURES.iter().filter(has).map(ToString::to_string).collect(),
            memory_bytes: kilobytes.and_then(|k| k.trim().parse::<u64>().ok()).unwrap_or(0) * 1024,
            date: date(days),
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

/// The day that is so many days after 1 January 1970, in the Gregorian calendar.
fn date(days: u64) -> String {
    // Years are counted from 1 March of the year 0, so that the leap day is the last of a year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (20_778, "2026-11-21"),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
