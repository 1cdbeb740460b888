//! The register of diagnostic codes, for every phase that reads `.mpv`.
//!
//! A code keeps its meaning for ever: a retired one is not reused. `E01` syntax, `E02` plans,
//! `E03` names, `E04` visibility, `E05` types and shapes, `E06` constants and asserts,
//! `E07` weights, `W00` warnings. New entries go to the end of their group.

/// What a diagnostic code means, for `mpcc explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// `E0104`
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// What went wrong in general, an example, and what to do; several lines.
    pub text: &'static str,
}

const fn code(code: &'static str, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, title, text }
}

/// All codes, sorted.
pub fn codes() -> &'static [Explanation] {
    CODES
}

/// Looks a code up; `None` if there is no such code. Case does not matter.
pub fn explain(code: &str) -> Option<&'static Explanation> {
    CODES.iter().find(|entry| entry.code.eq_ignore_ascii_case(code))
}

#[rustfmt::skip]
static CODES: &[Explanation] = &[
    // E01: syntax
    code("E0101", "something else was expected here", "\
The text does not follow the grammar at this place. The message names what could stand here.
Only the first such place of each statement is reported; the rest of the file is read on."),
    code("E0102", "the file does not begin with its edition", "\
Every file says which edition of the language it is written in, before anything but `//` and `//!`
comments:

    //! What this network is.
    mpv 1;"),
    code("E0103", "this edition of the language is unknown", "\
This compiler reads edition 1 (`mpv 1;`). A file of a later edition needs a later compiler."),
    code("E0104", "a semicolon is missing", "\
Constants, plans and all statements but blocks end with `;`. The label stands where it belongs."),
    code("E0105", "a bracket is not closed", "\
A `(`, `[` or `{` has no partner. Where the next top-level item starts at the left margin inside an
open brace, that place is shown too: the brace is most likely missing above it."),
    code("E0106", "a reserved word cannot be a name", "\
Words with a meaning of their own (`input`, `model`, `block`, `for`, …) and a few that are kept for
later editions (`if`, `match`, `with`, …) cannot name anything. Rename it, for example `input_`."),
    code("E0107", "this is not a number", "\
Numbers are decimal: `12`, `0.5`, `1e-5`, `2.5e3`. There are no `0x…`, no `1_000`, no `.5` and no `1.`."),
    code("E0108", "this number is too large", "\
Whole numbers must fit 64 bits with sign, real numbers the range of an IEEE double."),
    code("E0109", "unknown visibility or party", "\
A value is `secret client` (known to the data owner), `secret server` (known to the model owner) or
`public`. Where a party is named (`local`, `reveal`) it is `client` or `server`. What is computed
from both sides is shared between them; that has no word because nobody can write such a value down."),
    code("E0110", "a string is not closed", "\
A string ends with `\"` on the line it began. Strings name tensors or carry a message; they have no escapes."),
    code("E0111", "a character that is not part of the language", "\
Outside comments and strings the language is ASCII. Typographic quotes, long dashes and no-break
spaces often come from a word processor or a web page. Strings hold no backslash and no tab."),
    code("E0112", "unknown type", "\
Types are `Tensor<dims>` (real entries), `Tensor<u8 | i32 | bit | f32, dims>`, and for parameters that
are fixed when compiling also `int`, `real`, `bool`, `fn` and `plan`."),
    code("E0113", "a closing bracket has no partner", "\
A `)`, `]` or `}` closes something that is not open, or something opened with another kind of bracket."),
    code("E0114", "block comments do not exist", "\
Comments run from `//` to the end of the line; `///` documents the item or statement below, `//!` the file."),
    code("E0115", "documentation that documents nothing", "\
`///` stands above an item, a statement or `forward`; `//!` stands above the edition line. Anywhere
else use a plain `//` comment."),
    code("E0116", "import is not part of this edition", "\
Edition 1 has one file per model. Copy the blocks that are needed into the file."),
    code("E0117", "a block has no forward", "\
A block declares its weights and then says what it computes:

    block Dense() {
      param w: Tensor<10, 20> = \"weight\";
      forward(x: Tensor<20>) -> Tensor<10> { return linear(x, w); }
    }

`forward` is the last thing in a block, and there is one."),
    code("E0118", "there is no branching on values", "\
Both parties must do the same work whatever the data, so the language has no `if` and no `while`.
Choose between functions with a `plan`, or compute both and select: `m * a + (1 - m) * b` with a
0/1 mask `m`."),
    code("E0119", "an expression is nested too deeply", "\
Expressions may be 256 operations deep and brackets 128. Give parts of it a name with `let`."),
    code("E0120", "a repeated list takes one plain entry", "\
`[x; 4]` repeats `x` four times. To give parts of a range different entries, write the ranges out:
`[0..2: a, 2..4: b]`."),
    // E02: plans

    // E03: names

    // E04: visibility

    // E05: types and shapes

    // E06: constants and asserts

    // E07: weights

    // W00: warnings
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_explained() {
        for pair in CODES.windows(2) {
            assert!(
                pair[0].code.as_bytes()[0] != pair[1].code.as_bytes()[0] || pair[0].code < pair[1].code,
                "{} must come before {}",
                pair[1].code,
                pair[0].code
            );
        }
        for entry in CODES {
            assert!(matches!(entry.code.as_bytes(), [b'E' | b'W', digits @ ..]
                if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit)));
            assert!(!entry.title.is_empty() && !entry.title.ends_with('.'));
            assert!(
                entry.text.ends_with('.') || entry.text.ends_with(';') || entry.text.ends_with('`'),
                "{}",
                entry.code
            );
            assert_eq!(explain(entry.code), Some(entry));
        }
        assert_eq!(explain("e0101").map(|entry| entry.code), Some("E0101"));
        assert_eq!(explain("E9999"), None);
    }

    /// Codes written in this crate's sources are registered, and the registered ones are written.
    #[test]
    fn syntax_codes_are_registered_and_used() {
        let sources = [
            include_str!("lex.rs"),
            include_str!("parse.rs"),
            include_str!("parse/build.rs"),
            include_str!("parse/build/expr.rs"),
            include_str!("parse/expected.rs"),
            include_str!("parse/recover.rs"),
        ]
        .concat();
        let mut used: Vec<&str> = sources.match_indices("\"E01").map(|(at, _)| &sources[at + 1..at + 6]).collect();
        used.sort_unstable();
        used.dedup();
        let registered: Vec<&str> =
            CODES.iter().map(|entry| entry.code).filter(|code| code.starts_with("E01")).collect();
        assert_eq!(used, registered);
    }
}
