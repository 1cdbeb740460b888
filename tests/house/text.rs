//! Reading the two kinds of text: Markdown with tables and fenced blocks, and Rust without comments and literals.

/// Lines of the fenced block with this info string.
pub(crate) fn block<'t>(markdown: &'t str, info: &str) -> Vec<&'t str> {
    let opening = format!("```{info}");
    let lines: Vec<&str> =
        markdown.lines().skip_while(|l| l.trim() != opening).skip(1).take_while(|l| l.trim() != "```").collect();
    assert!(!lines.is_empty(), "there is no block ```{info}");
    lines.into_iter().map(str::trim).filter(|l| !l.is_empty()).collect()
}

/// Lines of the fenced block below a comment `<!-- marker … -->`.
pub(crate) fn marked<'t>(markdown: &'t str, marker: &str) -> Vec<&'t str> {
    let start = format!("<!-- {marker}");
    let lines = markdown.lines().skip_while(|l| !l.starts_with(&start)).skip(1);
    let found: Vec<&str> = lines.skip_while(|l| !l.starts_with("```")).skip(1).take_while(|l| *l != "```").collect();
    assert!(!found.is_empty(), "there is no block below <!-- {marker} -->");
    found
}

/// Rows of cells of the table in the section with this heading; the header and its rule are left out.
pub(crate) fn table(markdown: &str, heading: &str) -> Vec<Vec<String>> {
    let section = markdown.lines().skip_while(|l| *l != format!("## {heading}")).skip(1);
    let rows = section.take_while(|l| !l.starts_with("## ")).filter(|l| l.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    let found: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(!found.is_empty(), "the section {heading} has no table");
    found
}

/// Everything between single backticks outside fenced blocks.
pub(crate) fn quoted(markdown: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut out = Vec::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            out.extend(line.split('`').skip(1).step_by(2));
        }
    }
    out
}

/// Rust source with comments and literals blanked; line breaks stay.
pub(crate) fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = literal_or_comment(&chars, i).min(chars.len());
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `i` ends; `i` if none begins there.
fn literal_or_comment(chars: &[char], i: usize) -> usize {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let find = |from: usize, wanted: &[char]| {
        (from..chars.len()).find(|j| chars[*j..].starts_with(wanted)).map_or(chars.len(), |j| j + wanted.len())
    };
    let word_before = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_') && at(i - 1) != 'b';
    match (at(i), at(i + 1)) {
        ('/', '/') => find(i, &['\n']) - 1,
        ('/', '*') => find(i + 2, &['*', '/']),
        ('"', _) => quoted_end(chars, i, '"'),
        ('r', '"' | '#') if !word_before => {
            let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
            let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            if at(i + 1 + hashes) == '"' { find(i + 2 + hashes, &closing) } else { i }
        }
        ('\'', '\\') => quoted_end(chars, i, '\''),
        ('\'', _) if at(i + 2) == '\'' => i + 3,
        _ => i,
    }
}

/// Where a literal with escapes ends whose opening quote stands at `i`.
fn quoted_end(chars: &[char], i: usize, quote: char) -> usize {
    let mut j = i + 1;
    while j < chars.len() && chars[j] != quote {
        j += if chars[j] == '\\' { 2 } else { 1 };
    }
    j + 1
}

/// Words of blanked code: maximal runs of letters, digits and underscores.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// Names of the variants of `pub enum NAME` in blanked, formatted code.
pub(crate) fn variants(code: &str, name: &str) -> Vec<String> {
    let body = code.lines().skip_while(|l| *l != format!("pub enum {name} {{")).skip(1).take_while(|l| *l != "}");
    let first_level = body.filter(|l| l.starts_with("    ") && l[4..].starts_with(char::is_uppercase));
    let found: Vec<String> = first_level.filter_map(|l| words(l).next().map(str::to_owned)).collect();
    assert!(!found.is_empty(), "there is no enum {name}");
    found
}

#[test]
fn literals_and_comments_are_blanked_and_nothing_else() {
    let source = "a // b\n/* c */ \"d\\\"e\" 'f' '\\n' x: &'g str r#\"h\"i\"# br\"j\" k";
    let left: Vec<String> = words(&code(source)).map(str::to_owned).collect();
    assert_eq!(left, ["a", "x", "g", "str", "b", "k"]);
    assert_eq!(code(source).chars().count(), source.chars().count());
}

#[test]
fn variants_are_those_of_the_enum() {
    let source = "pub enum A {\n    B,\n    C {\n        /// D\n        e: F,\n    },\n    G(H),\n}\nI\n";
    assert_eq!(variants(&code(source), "A"), ["B", "C", "G"]);
}
