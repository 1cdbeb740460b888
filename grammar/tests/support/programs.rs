//! Random legal programs, written from a string of choices so that they shrink well.

/// Consumes choices; when they run out every choice is the first, simplest one.
struct Writer<'c> {
    choices: std::slice::Iter<'c, u8>,
    words: Vec<String>,
}

/// The words of a legal program.
pub(crate) fn words(choices: &[u8]) -> Vec<String> {
    let mut w = Writer { choices: choices.iter(), words: Vec::new() };
    for _ in 0..w.pick(3) {
        w.word("//! about");
    }
    w.words(&["mpv", "1", ";"]);
    for _ in 0..1 + w.pick(4) {
        w.docs();
        w.item();
    }
    w.words
}

/// Joins words with blanks, line breaks and numbered comments chosen by `choices`.
pub(crate) fn join(words: &[String], choices: &[u8]) -> String {
    let mut text = String::new();
    let mut choices = choices.iter();
    for (nth, word) in words.iter().enumerate() {
        text.push_str(word);
        let choice = choices.next().copied().unwrap_or(0);
        if word.starts_with("//") {
            text.push_str(["\n", "\n\n", "\r\n  "][usize::from(choice) % 3]);
            continue;
        }
        let next = words.get(nth + 1).map_or("", String::as_str);
        let edges = ["(", ")", "[", "]", "{", "}", ";", ","];
        let may_touch = edges.contains(&word.as_str()) || edges.contains(&next) || (word == ">" && next == "=");
        match choice % 12 {
            0..=4 => text.push(' '),
            5 | 6 if may_touch => {}
            7 => text.push('\n'),
            8 => text.push_str("\n\n \n"),
            9 => text.push_str(&format!(" // note {nth}\n")),
            10 => text.push_str(&format!("\n\t// note {nth}\n")),
            11 => text.push_str(&format!(" //note {nth}\n\n//// note {nth} b\n")),
            _ => text.push_str("  "),
        }
    }
    text
}

impl Writer<'_> {
    fn pick(&mut self, options: u8) -> u8 {
        self.choices.next().map_or(0, |choice| choice % options)
    }

    fn word(&mut self, word: &str) {
        self.words.push(word.to_owned());
    }

    fn words(&mut self, words: &[&str]) {
        for word in words {
            self.word(word);
        }
    }

    fn name(&mut self) {
        let names = ["x", "labels", "range", "client", "per_head", "a_rather_long_name_of_a_value", "i_n"];
        let nth = self.pick(7);
        self.word(names[usize::from(nth)]);
    }

    fn docs(&mut self) {
        if self.pick(4) == 1 {
            self.words(&["/// what it is", "///", "///   more"]);
        }
    }

    /// `one` up to `most` times with commas, maybe one after the last.
    fn listed(&mut self, least: u8, most: u8, one: fn(&mut Self, u8), depth: u8) {
        let count = least + self.pick(most - least + 1);
        for nth in 0..count {
            one(self, depth);
            if nth + 1 < count || self.pick(3) == 1 {
                self.word(",");
            }
        }
    }

    fn item(&mut self) {
        match self.pick(7) {
            0 => {
                self.word("const");
                self.name();
                self.word("=");
                self.expr(3);
                self.word(";");
            }
            1 => self.assertion(),
            2 => {
                self.word("numeric");
                self.fields();
            }
            3 => {
                self.word("fn");
                self.name();
                if self.pick(2) == 1 {
                    self.word("<");
                    self.listed(1, 3, |w, _| w.name(), 0);
                    self.word(">");
                }
                self.signature();
                self.body(2);
            }
            4 => {
                self.word("plan");
                self.name();
                self.word(":");
                let kinds = ["per_head", "per_layer", "per_row"];
                let kind = self.pick(3);
                self.words(&[kinds[usize::from(kind)], "<"]);
                self.listed(1, 3, Self::arith, 1);
                self.words(&[">", "="]);
                self.expr(3);
                if self.pick(3) == 1 {
                    self.word("following");
                    self.name();
                }
                self.word(";");
            }
            5 => {
                self.word("block");
                self.name();
                self.params();
                self.word("{");
                for _ in 0..self.pick(4) {
                    self.docs();
                    self.param_decl();
                }
                self.docs();
                self.word("forward");
                self.signature();
                self.body(2);
                self.word("}");
            }
            _ => {
                self.word("model");
                self.name();
                self.params();
                self.body(3);
            }
        }
    }

    fn assertion(&mut self) {
        self.word("assert");
        self.expr(2);
        if self.pick(2) == 1 {
            self.words(&[",", "\"why // not\""]);
        }
        self.word(";");
    }

    fn fields(&mut self) {
        self.word("{");
        let one = |w: &mut Self, depth| {
            w.name();
            w.word(":");
            w.expr(depth);
        };
        self.listed(0, 3, one, 1);
        self.word("}");
    }

    fn params(&mut self) {
        self.word("(");
        let one = |w: &mut Self, depth| {
            w.name();
            w.word(":");
            w.ty();
            if w.pick(3) == 1 {
                w.word("=");
                w.expr(depth);
            }
        };
        self.listed(0, 4, one, 1);
        self.word(")");
    }

    fn signature(&mut self) {
        self.params();
        self.word("->");
        self.ty();
    }

    fn ty(&mut self) {
        match self.pick(4) {
            1 => self.word("public"),
            2 => self.words(&["secret", "client"]),
            3 => self.words(&["secret", "server"]),
            _ => {}
        }
        let scalar = self.pick(8);
        if scalar > 3 {
            self.word(["int", "real", "bool", "plan"][usize::from(scalar - 4)]);
            return;
        }
        self.words(&["Tensor", "<"]);
        if self.pick(3) == 1 {
            self.words(&["bit", ","]);
        }
        self.listed(1, 3, Self::arith, 1);
        self.word(">");
    }

    fn body(&mut self, depth: u8) {
        self.word("{");
        for _ in 0..self.pick(5) {
            self.docs();
            self.stmt(depth);
        }
        self.word("}");
    }

    fn param_decl(&mut self) {
        self.word("param");
        self.name();
        self.word(":");
        self.ty();
        self.words(&["=", "\"some.weight\""]);
        for _ in 0..self.pick(3) {
            self.word(".");
            self.name();
            self.word("(");
            self.listed(0, 3, Self::expr_at, 0);
            self.word(")");
        }
        self.word(";");
    }

    fn stmt(&mut self, depth: u8) {
        match self.pick(11) {
            0 | 1 => {
                self.word("let");
                self.name();
                self.word("=");
                self.expr(4);
                self.word(";");
            }
            2 => {
                self.name();
                self.word("=");
                self.expr(3);
                self.word(";");
            }
            3 if depth > 0 => {
                self.word("for");
                self.name();
                self.word("in");
                self.arith(1);
                self.word("..");
                self.arith(1);
                self.body(depth - 1);
            }
            4 if depth > 0 => {
                self.words(&["local", "client"]);
                self.body(depth - 1);
            }
            5 => {
                self.words(&["assume", "range", "("]);
                self.expr(1);
                self.words(&[")", "in", "["]);
                self.expr(1);
                self.word(",");
                self.expr(1);
                self.words(&["]", ";"]);
            }
            6 => {
                self.word("input");
                self.name();
                self.word(":");
                self.ty();
                self.word(";");
            }
            7 => {
                match self.pick(3) {
                    0 => self.words(&["tokenizer", "\"vocab.txt\""]),
                    1 => self.words(&["preprocess", "pixels"]),
                    _ => self.words(&["weights", "secret", "server"]),
                }
                self.fields();
            }
            8 => {
                self.word("output");
                self.name();
                self.words(&[":", "reveal", "client"]);
                self.ty();
                self.word("=");
                self.expr(2);
                if self.pick(2) == 1 {
                    self.words(&["labels", "["]);
                    self.listed(0, 7, |w, _| w.word("\"label\""), 0);
                    self.word("]");
                }
                self.word(";");
            }
            9 => self.param_decl(),
            10 => self.assertion(),
            _ => {
                self.word("return");
                self.expr(3);
                self.word(";");
            }
        }
    }

    fn expr(&mut self, depth: u8) {
        self.arith(depth);
        if self.pick(9) == 1 {
            let op = self.pick(6);
            self.word(["==", "!=", "<=", ">=", "<", ">"][usize::from(op)]);
            self.arith(depth);
        }
    }

    fn expr_at(&mut self, depth: u8) {
        self.expr(depth);
    }

    fn arith(&mut self, depth: u8) {
        self.unary(depth);
        for _ in 0..self.pick(4) {
            let op = self.pick(6);
            self.word(["+", "-", "*", "/", "%", "@"][usize::from(op)]);
            self.unary(depth.saturating_sub(1));
        }
    }

    fn unary(&mut self, depth: u8) {
        for _ in 0..self.pick(6).saturating_sub(3) {
            self.word("-");
        }
        self.atom(depth);
        if depth == 0 {
            return;
        }
        match self.pick(7) {
            1 | 2 => {
                self.word("(");
                let one = |w: &mut Self, depth| {
                    if w.pick(3) == 1 {
                        w.name();
                        w.word(":");
                    }
                    w.expr(depth);
                };
                self.listed(0, 4, one, depth - 1);
                self.word(")");
            }
            3 => {
                self.word("[");
                let one = |w: &mut Self, depth| match w.pick(3) {
                    0 => w.expr(depth),
                    1 => w.word(".."),
                    _ => {
                        w.expr(depth);
                        w.word("..");
                        w.expr(depth);
                    }
                };
                self.listed(1, 3, one, depth - 1);
                self.word("]");
            }
            4 => self.words(&["at", "\"blocks.{i}\""]),
            _ => {}
        }
    }

    fn atom(&mut self, depth: u8) {
        let simple = ["x", "12", "0.5", "1e-5", "\"text\"", "a_rather_long_name_of_a_value"];
        let options = if depth == 0 { 6 } else { 10 };
        match self.pick(options) {
            6 => {
                self.word("(");
                self.expr(depth - 1);
                self.word(")");
            }
            7 => {
                self.word("[");
                let one = |w: &mut Self, depth| {
                    match w.pick(4) {
                        1 => {
                            w.expr(depth);
                            w.word(":");
                        }
                        2 => {
                            w.expr(depth);
                            w.word("..");
                            w.expr(depth);
                            w.word(":");
                        }
                        _ => {}
                    }
                    w.expr(depth);
                };
                self.listed(0, 7, one, depth - 1);
                self.word("]");
            }
            8 => {
                self.word("[");
                self.expr(depth - 1);
                self.word(";");
                self.expr(depth - 1);
                self.word("]");
            }
            9 => {
                self.words(&["search", "["]);
                self.listed(0, 4, Self::expr_at, depth - 1);
                self.word("]");
            }
            nth => self.word(simple[usize::from(nth)]),
        }
    }
}
