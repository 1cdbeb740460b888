//! Templates: model files with `{{NAME}}` for what differs, and with lines `@if NAME`, `@else` and `@end` around parts
//! that some networks lack.

use std::collections::BTreeMap;

use super::ImportError;

/// What a template is filled with.
#[derive(Clone, Debug, Default)]
pub(super) struct Fill {
    values: BTreeMap<&'static str, String>,
    flags: BTreeMap<&'static str, bool>,
}

impl Fill {
    /// Puts `value` in place of `{{name}}`.
    pub(super) fn value(&mut self, name: &'static str, value: impl ToString) {
        self.values.insert(name, value.to_string());
    }

    /// Keeps or drops what stands after `@if name`.
    pub(super) fn flag(&mut self, name: &'static str, on: bool) {
        self.flags.insert(name, on);
    }

    /// The filled template.
    ///
    /// # Errors
    /// If the template names something that is not given, or its conditions do not pair up.
    pub(super) fn apply(&self, template: &str) -> Result<String, ImportError> {
        let wrong = |what: &str| ImportError::Template(what.to_owned());
        let mut out = String::with_capacity(2 * template.len());
        // Whether the lines under each open condition are kept.
        let mut open: Vec<bool> = Vec::new();
        for line in template.lines() {
            let directive = line.trim();
            if let Some(name) = directive.strip_prefix("@if ") {
                open.push(*self.flags.get(name).ok_or_else(|| wrong(name))?);
            } else if directive == "@else" {
                let kept = open.last_mut().ok_or_else(|| wrong("@else without @if"))?;
                *kept = !*kept;
            } else if directive == "@end" {
                open.pop().ok_or_else(|| wrong("@end without @if"))?;
            } else if open.iter().all(|kept| *kept) {
                self.line(line, &mut out)?;
                out.push('\n');
            }
        }
        if open.is_empty() { Ok(out) } else { Err(wrong("@if without @end")) }
    }

    fn line(&self, mut line: &str, out: &mut String) -> Result<(), ImportError> {
        while let Some((before, rest)) = line.split_once("{{") {
            let (name, after) = rest.split_once("}}").ok_or_else(|| ImportError::Template(line.to_owned()))?;
            out.push_str(before);
            out.push_str(self.values.get(name).ok_or_else(|| ImportError::Template(name.to_owned()))?);
            line = after;
        }
        out.push_str(line);
        Ok(())
    }
}

/// A number as the language writes it.
pub(super) fn number(x: f64) -> String {
    let (plain, scientific) = (format!("{x}"), format!("{x:e}"));
    if scientific.len() < plain.len() { scientific } else { plain }
}

/// Numbers as a list of the language.
pub(super) fn numbers(list: &[f64]) -> String {
    let list: Vec<String> = list.iter().map(|x| number(*x)).collect();
    format!("[{}]", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill() -> Fill {
        let mut fill = Fill::default();
        fill.value("A", 7);
        fill.flag("yes", true);
        fill.flag("no", false);
        fill
    }

    #[test]
    fn values_and_conditions_are_filled_in() {
        let template = "a {{A}}{{A}}\n@if yes\n b\n  @if no\n c\n  @else\n d {{A}}\n  @end\n@else\n {{B}}\n@end\ne";
        assert_eq!(fill().apply(template).unwrap(), "a 77\n b\n d 7\ne\n");
    }

    #[test]
    fn what_is_not_given_is_an_error() {
        for template in ["{{B}}", "{{A", "@if maybe\n@end", "@if yes", "@end", "@else"] {
            assert!(matches!(fill().apply(template), Err(ImportError::Template(_))), "{template}");
        }
    }

    #[test]
    fn numbers_are_written_short() {
        let written = [1e-12, 1e-5, 0.5, 0.485, 255.0].map(number);
        assert_eq!(written, ["1e-12", "1e-5", "0.5", "0.485", "255"]);
    }
}
