//! Progress on a terminal; nothing elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mpcc_program::shown;

use crate::terminal::Terminal;

/// A progress bar on standard error, or nothing.
#[derive(Clone, Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar of `length` steps.
    pub fn new(terminal: &Terminal, length: u64, what: impl Into<Cow<'static, str>>) -> Self {
        if !terminal.progress() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(length).with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{msg:>24} [{bar:32}] {pos}/{len} {elapsed}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// How many steps are done.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// How many steps of how many are done.
    pub fn state(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// A line above the bar, or a remark where there is none.
    pub fn print(&self, terminal: &Terminal, line: &str) {
        if terminal.progress() { self.0.println(shown::lines(line)) } else { terminal.remark(line) }
    }

    /// One more step is done.
    pub fn advance(&self) {
        self.0.inc(1);
    }

    /// What is being done.
    pub fn say(&self, what: impl Into<Cow<'static, str>>) {
        let what: Cow<'static, str> = what.into();
        self.0.set_message(shown::lines(&what));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
