//! Accuracy over online time, a drawing for each network: marks for the means of every variant, lines for what nothing
//! beats.

use super::super::front::Ticks;
use super::super::report::{Report, Spread, Variant, VariantOnNetwork};
use super::label::{self, Area, Label};
use super::markup::{escape, percent, seconds};

/// Of a drawing, in the pixels that a phone has.
const SIZE: (f64, f64) = (360.0, 310.0);
/// Where points lie.
const FRAME: Area = Area { x: 42.0, y: 10.0, width: 308.0, height: 252.0 };
/// Of a letter of a point's name.
const LETTER: (f64, f64) = (6.4, 13.0);
/// The longest name that is written into a drawing.
const LONGEST: usize = 28;

/// A variant as it is drawn.
struct Drawn<'a> {
    variant: &'a Variant,
    on: &'a VariantOnNetwork,
}

/// The legend, and a figure for each network.
pub(super) fn figures(report: &Report) -> String {
    let (float, private) = super::inputs(report);
    let several = report.variants.iter().any(|v| v.points.len() > 1);
    let mut out = String::from("<ul class=\"legend\">\n");
    let mut entry = |mark: &str, text: &str| {
        out += &format!("<li><svg class=\"key\" viewBox=\"0 0 44 16\" aria-hidden=\"true\">{mark}</svg> {text}</li>\n");
    };
    if private > 0 {
        let mark = format!("<path class=\"front private\" d=\"M2 8H42\"/>{}", disc(22.0, 8.0));
        entry(&mark, &format!("run privately, {private} inputs; line: nothing is faster and as accurate"));
    }
    let mark = format!("<path class=\"front float\" d=\"M2 8H42\"/>{}", diamond(22.0, 8.0));
    entry(&mark, &format!("the float network in the clear, {float} inputs, at the time of its private run"));
    if several {
        entry("<path class=\"whisker\" d=\"M22 2V14M19 2H25M19 14H25\"/>", "least to most over seeds; marks are means");
    }
    out += "</ul>\n<div class=\"plots\">\n";
    for (index, network) in report.networks().into_iter().enumerate() {
        out += &figure(report, index, network);
    }
    out + "</div>\n"
}

fn figure(report: &Report, index: usize, network: &str) -> String {
    let on = |variant: &'_ Variant| variant.networks.iter().position(|on| on.network == network);
    let drawn: Vec<Drawn<'_>> = report
        .variants
        .iter()
        .filter_map(|variant| Some(Drawn { variant, on: &variant.networks[on(variant)?] }))
        .collect();
    let seconds = if report.about.sessions > 0 { "measured" } else { "predicted" };
    format!(
        "<figure>\n<figcaption>{}, {seconds} seconds</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-labelledby=\"plot-{index}-title plot-{index}-text\">\n<title id=\"plot-{index}-title\">Accuracy over online \
         time on {}</title>\n<desc id=\"plot-{index}-text\">{}</desc>\n{}</svg>\n</figure>\n",
        escape(network),
        SIZE.0,
        SIZE.1,
        escape(network),
        escape(&described(&drawn)),
        drawing(&drawn)
    )
}

/// What the drawing shows, in words.
fn described(drawn: &[Drawn<'_>]) -> String {
    let one = |Drawn { variant, on }: &Drawn<'_>| {
        let private = on.private_accuracy.map(|a| format!(", privately {}", percent(a.mean))).unwrap_or_default();
        let front = if on.on_private_front { ", on the front of private runs" } else { "" };
        let float = percent(variant.float_accuracy.mean);
        format!("{}: {}{private}, float {float}{front}.", variant.name, seconds(on.online_seconds.mean))
    };
    drawn.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// From values to pixels along an axis.
#[derive(Clone, Copy)]
struct Scale {
    ticks: Ticks,
    start: f64,
    length: f64,
}

impl Scale {
    fn at(self, value: f64) -> f64 {
        let (low, high) = self.ticks.ends();
        self.start + (value - low) / (high - low) * self.length
    }
}

fn drawing(drawn: &[Drawn<'_>]) -> String {
    let slowest = drawn.iter().map(|d| d.on.online_seconds.most).fold(0.0, f64::max);
    let (unit, factor) = if slowest < 1.0 { ("ms", 1e3) } else { ("s", 1.0) };
    let times = drawn.iter().map(|d| scaled(d.on.online_seconds, factor));
    let accuracies = drawn.iter().flat_map(|d| [Some(d.variant.float_accuracy), d.on.private_accuracy]);
    let across = Scale { ticks: ticks(times, 4), start: FRAME.x, length: FRAME.width };
    let shares = accuracies.flatten().map(|a| scaled(a, 100.0));
    let up = Scale { ticks: ticks(shares, 5), start: FRAME.y + FRAME.height, length: -FRAME.height };

    let mut out = axes(across, up, unit);
    let place = |time: f64, accuracy: f64| (across.at(time * factor), up.at(accuracy * 100.0));
    let mut fronts = String::new();
    let mut marks = String::new();
    let (mut taken, mut labels) = (Vec::new(), Vec::new());
    for float in [true, false] {
        let accuracy = |d: &Drawn<'_>| if float { Some(d.variant.float_accuracy) } else { d.on.private_accuracy };
        let mut front: Vec<(f64, f64)> = Vec::new();
        for one in drawn {
            let Some(accuracy) = accuracy(one) else { continue };
            let time = one.on.online_seconds;
            let (x, y) = place(time.mean, accuracy.mean);
            if if float { one.on.on_float_front } else { one.on.on_private_front } {
                front.push((x, y));
            }
            if accuracy.least < accuracy.most {
                let (low, high) = (up.at(accuracy.least * 100.0), up.at(accuracy.most * 100.0));
                marks += &whisker(x, low, high);
                taken.push(Area { x: x - 3.0, y: high, width: 6.0, height: low - high });
            }
            marks += &if float { diamond(x, y) } else { disc(x, y) };
            taken.push(Area { x: x - 6.0, y: y - 6.0, width: 12.0, height: 12.0 });
            if !float || one.on.private_accuracy.is_none() {
                labels.push((one.variant.name.as_str(), (x, y)));
            }
        }
        front.sort_by(|a, b| a.0.total_cmp(&b.0));
        fronts += &staircase(&front, if float { "float" } else { "private" });
        taken.extend(steps(&front).map(|((from, y), (to, below))| Area {
            x: from,
            y: y.min(below) - 1.0,
            width: (to - from).max(2.0),
            height: (below - y).abs() + 2.0,
        }));
    }
    out += &fronts;
    out += &marks;
    out + &names(&taken, &labels)
}

fn scaled(spread: Spread, factor: f64) -> (f64, f64) {
    (spread.least * factor, spread.most * factor)
}

/// Round numbers around all ranges, with room for marks at both ends.
fn ticks(ranges: impl Iterator<Item = (f64, f64)>, wanted: usize) -> Ticks {
    let (low, high) =
        ranges.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (least, most)| (l.min(least), h.max(most)));
    let room = (high - low) * 0.06;
    Ticks::new((low - room).max(0.0), high + room, wanted)
}

fn axes(across: Scale, up: Scale, unit: &str) -> String {
    let (left, right) = (FRAME.x, FRAME.x + FRAME.width);
    let (top, bottom) = (FRAME.y, FRAME.y + FRAME.height);
    let mut lines = String::new();
    let mut out = String::new();
    for value in across.ticks.values() {
        let x = across.at(value);
        lines += &format!("M{x:.1} {top}V{bottom}");
        let text = across.ticks.label(value);
        // Numbers at the ends stay inside the drawing.
        let anchor = if x > right - 8.0 { "end" } else { "middle" };
        out += &format!(
            "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>\n",
            x.min(right + 8.0),
            bottom + 15.0
        );
    }
    for value in up.ticks.values() {
        let y = up.at(value);
        lines += &format!("M{left} {y:.1}H{right}");
        let text = up.ticks.label(value);
        out += &format!(
            "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n",
            left - 5.0,
            y + 4.0
        );
    }
    let (middle, below) = (left + FRAME.width / 2.0, bottom + 36.0);
    out += &format!(
        "<text class=\"axis\" x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">online time, {unit}</text>\n"
    );
    let centre = top + FRAME.height / 2.0;
    out += &format!(
        "<text class=\"axis\" transform=\"translate(11 {centre}) rotate(-90)\" text-anchor=\"middle\">right labels, %</text>\n"
    );
    format!("<path class=\"grid\" d=\"{lines}\"/>\n{out}")
}

/// What can be had within each time, to the right edge.
fn staircase(front: &[(f64, f64)], class: &str) -> String {
    let Some(((x, y), rest)) = front.split_first() else { return String::new() };
    let mut path = format!("M{x:.1} {y:.1}");
    for (x, y) in rest {
        path += &format!("H{x:.1}V{y:.1}");
    }
    format!("<path class=\"front {class}\" d=\"{path}H{}\"/>\n", FRAME.x + FRAME.width)
}

/// Its straight pieces, from and to.
fn steps(front: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
    front.iter().enumerate().flat_map(|(index, (x, y))| {
        let next = front.get(index + 1).copied().unwrap_or((FRAME.x + FRAME.width, *y));
        [((*x, *y), (next.0, *y)), ((next.0, *y), next)]
    })
}

fn disc(x: f64, y: f64) -> String {
    format!("<circle class=\"private\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>\n")
}

fn diamond(x: f64, y: f64) -> String {
    format!("<path class=\"mark float\" d=\"M{x:.1} {:.1}l5.5 5.5l-5.5 5.5l-5.5 -5.5z\"/>\n", y - 5.5)
}

fn whisker(x: f64, low: f64, high: f64) -> String {
    let (from, to) = (x - 3.0, x + 3.0);
    format!(
        "<path class=\"whisker\" d=\"M{x:.1} {low:.1}V{high:.1}M{from:.1} {low:.1}H{to:.1}M{from:.1} {high:.1}H{to:.1}\"/>\n"
    )
}

/// The names of points, with a line where one stands apart from its point.
fn names(taken: &[Area], labels: &[(&str, (f64, f64))]) -> String {
    let shown: Vec<String> = labels.iter().map(|(name, _)| shortened(name)).collect();
    let wanted: Vec<Label> = labels
        .iter()
        .zip(&shown)
        .map(|((_, point), name)| Label { point: *point, size: (name.chars().count() as f64 * LETTER.0, LETTER.1) })
        .collect();
    let mut out = String::new();
    for ((place, (_, (x, y))), name) in label::place(FRAME, taken, &wanted).into_iter().zip(labels).zip(&shown) {
        let (near_x, near_y) = place.nearest((*x, *y));
        if (near_x - x).hypot(near_y - y) > 14.0 {
            out += &format!("<path class=\"leader\" d=\"M{x:.1} {y:.1}L{near_x:.1} {near_y:.1}\"/>\n");
        }
        let (left, base) = (place.x + place.width / 2.0, place.y + place.height - 3.0);
        out += &format!(
            "<text class=\"name\" x=\"{left:.1}\" y=\"{base:.1}\" text-anchor=\"middle\">{}</text>\n",
            escape(name)
        );
    }
    out
}

fn shortened(name: &str) -> String {
    match name.chars().count() {
        0..=LONGEST => name.to_owned(),
        _ => name.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::report::tests::{point, report};
    use super::*;

    #[test]
    fn every_variant_is_marked_twice_and_named_once() {
        let report = report(vec![point("a-s1", "a", 60, 1.0), point("a-s2", "a", 64, 1.2), point("b", "b", 70, 2.0)]);
        let figures = figures(&report);
        let drawing = figures.split("<figure>").nth(1).expect("a figure");
        let count = |what: &str| drawing.matches(what).count();
        assert_eq!((count("<circle class=\"private\""), count("class=\"mark float\"")), (2, 2));
        assert_eq!((count("class=\"name\""), count("class=\"whisker\"")), (2, 2));
        assert_eq!((count("class=\"front private\""), count("class=\"front float\"")), (1, 1));
        assert!(
            drawing.contains("a: 1.10\u{a0}s, privately 62.0\u{a0}%, float 62.0\u{a0}%, on the front"),
            "{drawing}"
        );
    }

    #[test]
    fn a_front_goes_up_in_steps() {
        let path = staircase(&[(10.0, 40.0), (50.0, 20.0)], "private");
        assert!(path.contains("d=\"M10.0 40.0H50.0V20.0H350\""), "{path}");
    }
}
