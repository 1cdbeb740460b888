//! Text that somebody else wrote, fit to be shown: names in artefacts, weights and other files, names of files, and what
//! another process said.
//!
//! A terminal obeys control characters, and some format characters hide text or turn its order around, so that a name could
//! make what stands beside it say something else. Here they become visible escapes.

use std::ffi::OsStr;
use std::fmt;

/// The most characters of a foreign text that are shown.
pub const MOST: usize = 200;

/// Characters kept of the end of a longer text: a file's name stands there.
const END: usize = 60;

/// Foreign text on one line: control, bidirectional and invisible characters are escaped, and of more than [`MOST`]
/// characters the middle is left out. Also for paths.
///
/// ```
/// use mpcc_program::shown::shown;
///
/// assert_eq!(shown("logits").to_string(), "logits");
/// assert_eq!(shown("a\n\u{1b}[8mb\u{202e}").to_string(), "a\\n\\u{1b}[8mb\\u{202e}");
/// ```
pub fn shown<T: AsRef<OsStr> + ?Sized>(text: &T) -> Shown<'_> {
    Shown(text.as_ref())
}

/// What [`shown`] gives: it is displayed, padded as text is.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(&'a OsStr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string_lossy();
        let count = text.chars().count();
        let mut out = String::with_capacity(text.len());
        if count <= MOST {
            text.chars().for_each(|c| escape(&mut out, c));
        } else {
            text.chars().take(MOST - END).for_each(|c| escape(&mut out, c));
            out.push('…');
            text.chars().skip(count - END).for_each(|c| escape(&mut out, c));
        }
        f.pad(&out)
    }
}

/// A text of several lines, of whatever parts, with everything escaped but ends of lines and tabs: what is left to do for
/// whoever writes to a terminal.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') { out.push(c) } else { escape(&mut out, c) }
    }
    out
}

fn escape(out: &mut String, c: char) {
    if is_plain(c) { out.push(c) } else { out.extend(c.escape_default()) }
}

/// Whether a character neither moves the cursor, nor changes the direction of text, nor is invisible.
pub fn is_plain(c: char) -> bool {
    let changes = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    !(c.is_control() || changes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\0\x07\x08\t\r\n\x1b[2K\x7f\u{85}\u{9b}1A\u{200b}\u{202e}\u{2028}\u{2066}\u{feff}\u{e0041}z";
        let text = shown(hostile).to_string();
        assert!(text.chars().all(is_plain), "{text:?}");
        assert!(text.starts_with("a\\u{0}\\u{7}\\u{8}\\t\\r\\n\\u{1b}[2K\\u{7f}\\u{85}\\u{9b}1A"), "{text}");
        assert!(text.ends_with("\\u{202e}\\u{2028}\\u{2066}\\u{feff}\\u{e0041}z"), "{text}");
        let kept = lines(hostile);
        assert!(kept.chars().all(|c| matches!(c, '\n' | '\t') || is_plain(c)), "{kept:?}");
        assert_eq!(kept.lines().count(), 2);
    }

    #[test]
    fn names_of_people_are_left_alone() {
        for name in ["blocks.3/attn.q", "Größe", "猫", "صورة", "Ёж 🦔", "a b"] {
            assert_eq!(shown(name).to_string(), name);
        }
        assert_eq!(shown(Path::new("images/cat.png")).to_string(), "images/cat.png");
        assert_eq!(format!("[{:>5}]", shown("ab")), "[   ab]");
    }

    #[test]
    fn long_text_is_cut_in_the_middle() {
        let long = format!("start{}{}end", "é".repeat(5000), "\u{1b}");
        let text = shown(&long).to_string();
        assert!(text.starts_with("starté") && text.ends_with("é\\u{1b}end") && text.contains('…'), "{text}");
        assert_eq!(text.chars().count(), MOST + 1 + "\\u{1b}".len() - 1);
        let whole = "é".repeat(MOST);
        assert_eq!(shown(&whole).to_string(), whole);
    }
}
