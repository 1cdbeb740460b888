//! A model file that was read.

use std::path::PathBuf;

use mpcc_compiler::compile::Rewritten;
use mpcc_compiler::plan::Decided;

use crate::files;
use crate::given::{Given, quoted};

/// A model file after the rewrites.
#[derive(Debug)]
pub struct Source {
    /// Where it was read.
    pub path: PathBuf,
    /// As messages name it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its graphs.
    pub rewritten: Rewritten,
    /// Which protocols are decided.
    pub decided: Decided,
    /// What a second before the input is known counts when others are chosen.
    pub alpha: f64,
    /// What was said of it on the command line.
    pub given: Given,
}

impl Source {
    /// The command that observes its value ranges and puts them where they are read.
    pub fn calibrating(&self) -> String {
        let mut command = self.given.command("simulate", &self.path) + " --calibrate DIR";
        match &self.given.ranges {
            Some(file) => command += &format!(" --output {}", quoted(file.as_os_str())),
            None if files::is_standard(&self.path) => command += " --output FILE.json",
            None => {}
        }
        command
    }
}
