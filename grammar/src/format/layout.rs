//! Where lines break: a small document language and its printer.
//!
//! A group goes on one line if it fits, otherwise it is broken: its contents indented by one step
//! relative to the line it opened on. After Wadler, "A prettier printer" (1998), with groups
//! indented by line and not by nesting.

/// How wide a line may be, in characters.
const WIDTH: usize = 100;

/// Spaces per step of indentation.
const STEP: usize = 2;

/// Steps that a broken statement's further lines are indented by.
const CONTINUE: usize = 2;

/// A group at most this wide is not broken to save its operator from moving to the next line.
const SMALL: usize = 72;

/// A piece of output.
#[derive(Debug)]
pub(super) enum Doc {
    /// Text without a line break.
    Text(String),
    /// A comment, which ends its line and does not count for the width.
    Comment(String),
    /// In a broken group a new line, otherwise nothing.
    Soft,
    /// In a broken group a new line, otherwise a space.
    Line,
    /// A space, or a new line if what follows would not fit.
    Fill,
    /// A space, or a new line further in if what follows would not fit. A `tight` one breaks only
    /// where its neighbours up to the next loose one do not fit on a line of their own.
    Operator { tight: bool },
    /// A new line; `blank` leaves an empty one before.
    Hard { blank: bool },
    /// A new line inside a statement, further in.
    Continue,
    /// A comma in a broken group, otherwise nothing.
    LastComma,
    /// Breaks the group it stands in.
    Break,
    /// Several pieces.
    Seq(Vec<Doc>),
    /// Statements, one step further in.
    Body(Vec<Doc>),
    /// Broken as a whole or not at all: opening text, contents, closing text.
    Group(Box<Doc>, Vec<Doc>, Box<Doc>),
}

/// A text piece.
pub(super) fn text(text: impl Into<String>) -> Doc {
    Doc::Text(text.into())
}

#[derive(Clone, Copy)]
struct Place {
    /// Steps at which a new line starts.
    indent: usize,
    /// Whether the group around is broken.
    broken: bool,
}

struct Printer {
    out: String,
    column: usize,
    /// Spaces the current line starts with.
    line_indent: usize,
    /// Whether the current line ends in a comment.
    commented: bool,
}

/// Lays a document out; the result ends with one line break unless it is empty.
pub(super) fn print(doc: &Doc) -> String {
    let mut printer = Printer { out: String::new(), column: 0, line_indent: 0, commented: false };
    let mut stack = vec![(Place { indent: 0, broken: true }, doc)];
    while let Some((place, doc)) = stack.pop() {
        step(&mut printer, &mut stack, place, doc);
    }
    let mut out = printer.out;
    out.truncate(out.trim_end().len());
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn step<'d>(printer: &mut Printer, stack: &mut Vec<(Place, &'d Doc)>, place: Place, doc: &'d Doc) {
    match doc {
        Doc::Text(text) => printer.text(text),
        Doc::Comment(text) => {
            printer.text(text);
            printer.commented = true;
        }
        Doc::Soft | Doc::Line if place.broken => printer.new_line(place.indent),
        Doc::Fill if place.broken && !fits(printer.column + 1, stack, true) => {
            printer.new_line(place.indent);
        }
        Doc::Operator { tight } if place.broken && !fits(printer.column + 1, stack, *tight) => {
            printer.new_line(place.indent + CONTINUE * STEP);
        }
        Doc::Soft | Doc::Break => {}
        Doc::Line | Doc::Fill | Doc::Operator { .. } => {
            printer.out.push(' ');
            printer.column += 1;
        }
        Doc::Continue => printer.new_line(place.indent + CONTINUE * STEP),
        Doc::Hard { blank } => {
            if *blank {
                printer.out.push('\n');
            }
            printer.new_line(place.indent);
        }
        Doc::LastComma => {
            if place.broken {
                printer.out.push(',');
            }
        }
        Doc::Seq(parts) => stack.extend(parts.iter().rev().map(|part| (place, part))),
        Doc::Body(parts) => {
            let inner = Place { indent: place.indent + STEP, broken: true };
            stack.extend(parts.iter().rev().map(|part| (inner, part)));
        }
        Doc::Group(open, parts, close) => {
            let flat = flat_width(doc).is_some_and(|width| printer.column + width + rest_width(stack, true) <= WIDTH);
            let outer = Place { indent: printer.line_indent, broken: !flat };
            let inner = Place { indent: printer.line_indent + STEP, broken: !flat };
            stack.push((outer, close));
            stack.extend(parts.iter().rev().map(|part| (inner, part)));
            stack.push((outer, open));
        }
    }
}

impl Printer {
    fn text(&mut self, text: &str) {
        let mut text = text;
        if self.commented {
            self.new_line(self.line_indent);
            text = text.trim_start();
        }
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn new_line(&mut self, indent: usize) {
        if !self.out.is_empty() {
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
        self.commented = false;
        self.line_indent = indent;
    }
}

/// The width of a piece on one line; none if it cannot be on one line.
fn flat_width(doc: &Doc) -> Option<usize> {
    match doc {
        Doc::Text(text) => Some(text.chars().count()),
        Doc::Soft | Doc::LastComma => Some(0),
        Doc::Line | Doc::Fill | Doc::Operator { .. } => Some(1),
        Doc::Comment(_) | Doc::Continue | Doc::Hard { .. } | Doc::Break | Doc::Body(_) => None,
        Doc::Seq(parts) => parts.iter().map(flat_width).sum(),
        Doc::Group(open, parts, close) => {
            let inner: usize = parts.iter().map(flat_width).sum::<Option<usize>>()?;
            Some(flat_width(open)? + inner + flat_width(close)?)
        }
    }
}

/// What is sure to stand on the same line after the current piece.
fn rest_width(stack: &[(Place, &Doc)], at_tight: bool) -> usize {
    let mut width = 0;
    for (place, doc) in stack.iter().rev() {
        if !lead(*place, doc, &mut width, at_tight) {
            break;
        }
    }
    width
}

/// Adds up a piece's width to its first possible line break; false if it has one. Whether tight
/// operators count as line breaks is `at_tight`.
fn lead(place: Place, doc: &Doc, width: &mut usize, at_tight: bool) -> bool {
    match doc {
        Doc::Operator { tight: true } if place.broken && !at_tight => *width += 1,
        Doc::Text(text) => *width += text.chars().count(),
        Doc::Break => {}
        Doc::LastComma => *width += usize::from(place.broken),
        Doc::Comment(_) | Doc::Continue | Doc::Hard { .. } | Doc::Body(_) => return false,
        Doc::Soft | Doc::Line | Doc::Fill | Doc::Operator { .. } if place.broken => return false,
        Doc::Soft => {}
        Doc::Line | Doc::Fill | Doc::Operator { .. } => *width += 1,
        Doc::Seq(parts) => return parts.iter().all(|part| lead(place, part, width, at_tight)),
        Doc::Group(open, parts, close) => match flat_width(doc) {
            Some(flat) if flat <= SMALL => *width += flat,
            _ => {
                let broken = Place { broken: true, ..place };
                return lead(place, open, width, at_tight)
                    && parts.iter().all(|part| lead(broken, part, width, at_tight))
                    && lead(place, close, width, at_tight);
            }
        },
    }
    true
}

fn fits(column: usize, stack: &[(Place, &Doc)], at_tight: bool) -> bool {
    column + rest_width(stack, at_tight) <= WIDTH
}
