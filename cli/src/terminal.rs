//! Standard output and standard error: colour, quiet, and JSON for programs.
//!
//! Whatever names and messages of others are in a text, nothing that a terminal obeys leaves here but colours of our own. Who
//! builds a text still says `shown` of a name, which also keeps it on its line and short.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use console::Term;
use mpcc_program::shown;
use serde::Serialize;

/// Options of every command.
#[derive(Args, Debug)]
pub struct Global {
    /// Write one JSON object to standard output, and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColourChoice::Auto)]
    pub color: ColourChoice,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// How results and messages are shown.
#[derive(Clone, Debug)]
pub struct Terminal {
    json: bool,
    quiet: bool,
    error_colour: bool,
    progress: bool,
}

impl Terminal {
    /// As the options and the environment say.
    pub fn new(options: &Global) -> Self {
        let plain = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let error_colour = match options.color {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => !plain && io::stderr().is_terminal(),
        };
        let progress = !options.quiet && io::stderr().is_terminal();
        Self { json: options.json, quiet: options.quiet, error_colour, progress }
    }

    /// Whether results are JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether messages are coloured.
    pub fn error_colour(&self) -> bool {
        self.error_colour
    }

    /// How many characters a line of results has room for, if that is limited: as `COLUMNS` says, else as the terminal does.
    pub fn width(&self) -> Option<usize> {
        let named = env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        named.or_else(|| {
            let out = Term::stdout();
            let (_, columns) = out.size_checked().filter(|_| io::stdout().is_terminal())?;
            Some(usize::from(columns))
        })
    }

    /// Whether progress is drawn.
    pub fn progress(&self) -> bool {
        self.progress
    }

    /// The result: `value` as JSON, or the text.
    ///
    /// # Errors
    /// When standard output cannot be written; a reader that left is no error.
    pub fn result<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json {
            let mut line = serde_json::to_string_pretty(value)?;
            line.push('\n');
            write_out(&escaped_json(&line))
        } else {
            write_out(&shown::lines(&text()))
        }
    }

    /// Whether remarks are left out.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// A remark on standard error, unless quiet.
    pub fn remark(&self, text: &str) {
        if !self.quiet {
            self.message(text);
        }
    }

    /// A message on standard error.
    pub fn message(&self, text: &str) {
        self.drawn(&shown::lines(text));
    }

    /// What was drawn with colours, on standard error: nobody else's text is left in it as it was.
    pub fn drawn(&self, text: &str) {
        // Nothing is left to tell if standard error is gone.
        let _ = io::stderr().lock().write_all(with_newline(text).as_bytes());
    }
}

/// Text to standard output, as it is.
pub fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// JSON with the same meaning, in which what a terminal would obey is escaped; such characters stand in strings only.
fn escaped_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || shown::is_plain(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // A string takes whatever is written.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn with_newline(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_means_the_same() {
        let name = "a\u{1b}[2K\u{7f}\u{9b}\u{202e}\u{e0041}\n\"é🦔";
        let json = serde_json::to_string_pretty(&[name]).expect("text");
        let escaped = escaped_json(&json);
        assert!(escaped.chars().all(|c| c == '\n' || shown::is_plain(c)), "{escaped:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&escaped).expect("JSON"), [name]);
    }
}
