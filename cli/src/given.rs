//! What was said of a model on a command line, as the commands that messages suggest repeat it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mpcc_compiler::ranges::Basis;

/// Options that belong to a model, its ranges and its weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// What is replaced in the model (`--plan`, `--set`), as words.
    pub replaced: Vec<String>,
    /// Which protocols are decided, as words.
    pub decided: Vec<String>,
    /// What a program may rely on, if that was said.
    pub basis: Option<Basis>,
    /// The file of ranges, if one was named.
    pub ranges: Option<PathBuf>,
    /// The weights, if they were named.
    pub weights: Option<PathBuf>,
}

impl Given {
    /// A command of a model: its name, the model and the options that belong to the model; weights, `W` if none were named.
    pub fn command(&self, name: &str, model: &Path) -> String {
        let mut words = vec![format!("mpcc {name}"), quoted(model.as_os_str())];
        let options = self.replaced.iter().chain(&self.decided);
        words.extend(options.map(|word| quoted(OsStr::new(word))));
        if let Some(basis) = self.basis {
            words.extend(["--ranges".to_owned(), basis.name().to_owned()]);
        }
        let weights = self.weights.as_deref().map_or_else(|| "W".to_owned(), |path| quoted(path.as_os_str()));
        words.extend(["--weights".to_owned(), weights]);
        words.join(" ")
    }

    /// What is replaced, as a command line has it; nothing of a model as it stands.
    pub fn replaced(&self) -> String {
        self.replaced.iter().map(|word| quoted(OsStr::new(word))).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell reads it back.
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_change_is_quoted() {
        let words = ["a/b-1.mpv", "", "two words", "it's", "$HOME", "ATTN=x.json"].map(|word| quoted(OsStr::new(word)));
        assert_eq!(words, ["a/b-1.mpv", "''", "'two words'", r"'it'\''s'", "'$HOME'", "ATTN=x.json"]);
    }

    #[test]
    fn commands_repeat_what_was_said() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let given = Given {
            replaced: words(&["--set", "probs=two_quad"]),
            decided: words(&["--relu", "digit-tables"]),
            basis: Some(Basis::Observed),
            ranges: None,
            weights: Some("my weights".into()),
        };
        assert_eq!(
            given.command("run", Path::new("m.mpv")),
            "mpcc run m.mpv --set probs=two_quad --relu digit-tables --ranges observed --weights 'my weights'"
        );
        assert_eq!(Given::default().command("run", Path::new("m.mpv")), "mpcc run m.mpv --weights W");
    }
}
