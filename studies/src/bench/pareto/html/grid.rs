//! Plans as drawings: a mark for each head of each layer, whose shape, letter and colour say its function, or a strip for
//! each layer where there are too many entries for letters.

use super::super::plans::{Kind, Plan};
use super::super::report::{Point, Report};
use super::markup::escape;
use super::tables::training;

/// Pixels across the entries of a layer, and left of them.
const WIDTH: f64 = 288.0;
const LEFT: f64 = 34.0;
const TOP: f64 = 20.0;
/// Of an entry, in pixels: the largest, and the smallest that can bear a letter.
const LARGEST: f64 = 24.0;
const LETTERED: f64 = 14.0;
/// Height of a layer that is a strip.
const STRIP: f64 = 15.0;

/// A function of a plan, and what stands for it.
struct Function<'a> {
    name: &'a str,
    letter: char,
    /// Which shape and colour it has.
    rank: usize,
}

/// A legend, and a drawing of each plan with the names of those that have it.
pub(super) fn plans(report: &Report) -> String {
    let mut distinct: Vec<(&[Plan], Vec<&Point>)> = Vec::new();
    for point in report.points.iter().filter(|point| !point.plans.is_empty()) {
        match distinct.iter_mut().find(|(plans, _)| *plans == point.plans.as_slice()) {
            Some((_, points)) => points.push(point),
            None => distinct.push((&point.plans, vec![point])),
        }
    }
    if distinct.is_empty() {
        return String::new();
    }
    let mut legends: Vec<(&Plan, Vec<Function<'_>>)> = Vec::new();
    for plan in distinct.iter().flat_map(|(plans, _)| plans.iter()) {
        if !legends.iter().any(|(other, _)| other.name == plan.name) {
            let of_name = distinct.iter().flat_map(|(plans, _)| plans.iter()).filter(|other| other.name == plan.name);
            legends.push((plan, functions(of_name.flat_map(Plan::counts).map(|(name, _)| name).collect())));
        }
    }
    let mut out: String = legends.iter().map(|(plan, functions)| legend(plan, functions)).collect();
    out += "<div class=\"plans\">\n";
    for (index, (plans, points)) in distinct.iter().enumerate() {
        let of: Vec<&str> = points.iter().map(|p| p.name.as_str()).collect();
        out += &format!("<div class=\"plan\">\n<h3>{}</h3>\n", escape(&of.join(", ")));
        for point in points {
            let name = if points.len() > 1 { format!("{}: ", point.name) } else { String::new() };
            out += &format!("<p class=\"made\">{}{}</p>\n", escape(&name), escape(&training(&point.origin)));
        }
        for (part, plan) in plans.iter().enumerate() {
            let functions = legends.iter().find(|(other, _)| other.name == plan.name).map(|(_, functions)| functions);
            out += &figure(plan, functions.map(Vec::as_slice).unwrap_or_default(), &format!("plan-{index}-{part}"));
        }
        out += "</div>\n";
    }
    out + "</div>\n"
}

/// What stands for each function of the plans of a name.
fn legend(plan: &Plan, functions: &[Function<'_>]) -> String {
    let mut out = format!("<ul class=\"legend\">\n<li>{}:</li>\n", escape(&plan.name));
    for function in functions {
        let key = match strips(plan) {
            true => strip(function, functions.len(), (4.0, 0.5), 16.0),
            false => mark(function, (4.0, 0.0), 16.0),
        };
        out += &format!(
            "<li><svg class=\"key narrow\" viewBox=\"0 0 24 16\" aria-hidden=\"true\">{key}</svg> {}</li>\n",
            escape(function.name)
        );
    }
    out + "</ul>\n"
}

/// Each name once, in order, with a letter that no other has.
fn functions(mut names: Vec<&str>) -> Vec<Function<'_>> {
    names.sort_unstable();
    names.dedup();
    let mut used = Vec::new();
    let mut functions = Vec::new();
    for (rank, name) in names.into_iter().enumerate() {
        let own = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
        let free = own.chain('A'..='Z').find(|letter| !used.contains(letter));
        let letter = free.unwrap_or('?');
        used.push(letter);
        functions.push(Function { name, letter, rank });
    }
    functions
}

/// How many entries a layer has at most, and how wide each is drawn.
fn columns(plan: &Plan) -> (usize, f64) {
    let columns = plan.layers.iter().map(Vec::len).max().unwrap_or(0).max(1);
    (columns, (WIDTH / columns as f64).min(LARGEST))
}

/// Whether layers are strips.
fn strips(plan: &Plan) -> bool {
    columns(plan).1 < LETTERED || plan.kind == Kind::Rows
}

fn figure(plan: &Plan, functions: &[Function<'_>], id: &str) -> String {
    let (columns, cell) = columns(plan);
    let strips = strips(plan);
    let height = if strips { STRIP + 3.0 } else { cell };
    let top = if plan.kind == Kind::Layers { 4.0 } else { TOP };
    let mut marks = String::new();
    for (layer, entries) in plan.layers.iter().enumerate() {
        let y = top + layer as f64 * height;
        let base = y + height / 2.0 + 4.0;
        marks +=
            &format!("<text class=\"tick\" x=\"{}\" y=\"{base:.1}\" text-anchor=\"end\">{layer}</text>\n", LEFT - 6.0);
        marks += &if strips {
            runs(entries, functions, (y, cell))
        } else {
            let one = |(at, name): (usize, &String)| {
                functions.iter().find(|f| f.name == name).map(|f| mark(f, (LEFT + at as f64 * cell, y), cell))
            };
            entries.iter().enumerate().filter_map(one).collect()
        };
    }
    if plan.kind != Kind::Layers {
        let every = if strips { columns.div_ceil(4).next_multiple_of(4) } else { 1 };
        for column in (0..columns).step_by(every) {
            let x = LEFT + (column as f64 + 0.5) * cell;
            marks += &format!("<text class=\"tick\" x=\"{x:.1}\" y=\"14\" text-anchor=\"middle\">{column}</text>\n");
        }
    }
    let (width, depth) = (LEFT + columns as f64 * cell + 2.0, top + plan.layers.len() as f64 * height + 4.0);
    let name = escape(&plan.name);
    format!(
        "<figure>\n<figcaption>{name}: {}</figcaption>\n<svg style=\"max-width:{:.1}em\" viewBox=\"0 0 {width:.1} {depth:.1}\" \
         role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\n<title id=\"{id}-title\">Plan {name}, {}</title>\n\
         <desc id=\"{id}-text\">{}</desc>\n{marks}</svg>\n</figure>\n",
        escape(&counted(plan)),
        width / 14.0,
        axes(plan.kind),
        escape(&described(plan)),
    )
}

fn axes(kind: Kind) -> &'static str {
    match kind {
        Kind::Heads => "layers down, heads across",
        Kind::Layers => "layers down",
        Kind::Rows => "layers down, rows across",
    }
}

/// How many entries have each function.
fn counted(plan: &Plan) -> String {
    let counts = plan.counts();
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    let one = |(name, count): &(&str, usize)| {
        format!("{name} {count} ({:.0}\u{a0}%)", 100.0 * *count as f64 / all.max(1) as f64)
    };
    format!("{} of {all} {}s", counts.iter().map(one).collect::<Vec<_>>().join(", "), plan.kind.unit())
}

fn described(plan: &Plan) -> String {
    let layer = |(index, entries): (usize, &Vec<String>)| {
        format!("Layer {index}: {}.", mpcc_compiler::lower::plan_entries(entries))
    };
    plan.layers.iter().enumerate().map(layer).collect::<Vec<_>>().join(" ")
}

/// A shape with its letter in a square of this size.
fn mark(function: &Function<'_>, (x, y): (f64, f64), size: f64) -> String {
    let (half, inner) = (size / 2.0, size * 0.42);
    let (cx, cy) = (x + half, y + half);
    let rank = function.rank % 6;
    let filled = rank.is_multiple_of(2);
    let class = format!("f{rank} {}", if filled { "filled" } else { "hollow" });
    let shape = match rank {
        0 | 3 => {
            let side = 2.0 * inner;
            format!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{side:.1}\" height=\"{side:.1}\"/>",
                cx - inner,
                cy - inner
            )
        }
        1 | 4 => format!("<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{inner:.1}\"/>"),
        _ => {
            let reach = size * 0.5;
            format!(
                "<path class=\"{class}\" d=\"M{cx:.1} {:.1}l{reach:.1} {reach:.1}l-{reach:.1} {reach:.1}l-{reach:.1} -{reach:.1}z\"/>",
                cy - reach
            )
        }
    };
    let on = if filled { "letter on" } else { "letter" };
    let text = format!(
        "<text class=\"{on}\" x=\"{cx:.1}\" y=\"{:.1}\" font-size=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        cy + size * 0.19,
        size * 0.52,
        function.letter
    );
    shape + &text + "\n"
}

/// A piece of a strip: the height says the function as well as the colour does.
fn strip(function: &Function<'_>, count: usize, (x, y): (f64, f64), width: f64) -> String {
    let height = STRIP * (1.0 - function.rank as f64 / count.max(1) as f64);
    let class = format!("f{} filled", function.rank % 6);
    format!(
        "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>\n",
        y + STRIP - height
    )
}

fn runs(entries: &[String], functions: &[Function<'_>], (y, cell): (f64, f64)) -> String {
    let mut out = String::new();
    let mut from = 0;
    for run in entries.chunk_by(|a, b| a == b) {
        let place = (LEFT + from as f64 * cell, y + 1.5);
        if let Some(function) = functions.iter().find(|f| f.name == run[0]) {
            out += &strip(function, functions.len(), place, run.len() as f64 * cell);
        }
        from += run.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_differ() {
        let letters: String = functions(vec!["scale", "rs", "rs", "relu", "square"]).iter().map(|f| f.letter).collect();
        assert_eq!(letters, "RSCQ");
    }

    #[test]
    fn heads_have_marks_and_rows_have_strips() {
        let heads = Plan::read("ATTN", "per_head<2, 2> = [[rs, scale], [scale, scale]]").expect("a plan");
        let names = functions(vec!["rs", "scale"]);
        let drawn = figure(&heads, &names, "p");
        assert_eq!(
            (drawn.matches("class=\"f0 filled\"").count(), drawn.matches("class=\"f1 hollow\"").count()),
            (1, 3)
        );
        assert!(drawn.contains("ATTN: rs 1 (25\u{a0}%), scale 3 (75\u{a0}%) of 4 heads"), "{drawn}");
        assert!(drawn.contains("Layer 0: [rs, scale]. Layer 1: [scale; 2]."), "{drawn}");
        let rows = Plan::read("ROWS", "per_row<1, 65> = [[0..33: rs, 33..65: scale]]").expect("a plan");
        let drawn = figure(&rows, &names, "p");
        assert_eq!((drawn.matches("<rect").count(), drawn.matches("letter").count()), (2, 0));
    }
}
