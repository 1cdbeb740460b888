//! One drawing of seconds and memory against what grows, both axes logarithmic: lines are predicted, points measured.

use mpcc_runtime::PerRole;

use super::{Axis, Medians, Point, Report};

/// Of a panel's plot, in pixels.
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 250.0;
/// Left of a plot, above it and below it.
const LEFT: f64 = 62.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 52.0;
/// Seen on white and on black alike.
const INK: &str = "#808080";
const COLOURS: [&str; 6] = ["#2f7ed8", "#e0691a", "#3aa655", "#b04fc4", "#c9302c", "#8a7f1d"];

/// A quantity on a network, by size.
struct Series {
    label: String,
    colour: &'static str,
    /// Size and value.
    predicted: Vec<(f64, f64)>,
    measured: Vec<(f64, f64)>,
}

/// Where values of an axis lie: from the lower to the upper end, in decimal logarithms.
#[derive(Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    pixels: f64,
}

impl Scale {
    fn new(low: f64, high: f64, pixels: f64) -> Self {
        Self { low: low.log10(), high: high.log10(), pixels }
    }

    /// Pixels from the lower end.
    fn place(self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low) * self.pixels
    }
}

/// The drawing, with nothing outside itself.
pub(super) fn draw(report: &Report) -> String {
    let axes: Vec<Axis> = Axis::ALL.into_iter().filter(|axis| report.points.iter().any(|p| p.axis == *axis)).collect();
    let quantities: [(&str, Quantity); 2] =
        [("seconds of one inference", Quantity::Seconds), ("memory, MB", Quantity::Memory)];
    let (panel_width, panel_height) = (LEFT + WIDTH + 16.0, TOP + HEIGHT + BOTTOM);
    let mut out = String::new();
    let (width, height) = (axes.len() as f64 * panel_width, quantities.len() as f64 * panel_height);
    out += &format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"{INK}\">\n"
    );
    for (row, (title, quantity)) in (0..).zip(quantities) {
        for (column, axis) in (0..).zip(&axes) {
            let points: Vec<&Point> = report.points.iter().filter(|p| p.axis == *axis).collect();
            let origin = (f64::from(column) * panel_width + LEFT, f64::from(row) * panel_height + TOP);
            panel(&mut out, origin, title, *axis, &series(&points, quantity));
        }
    }
    out + "</svg>\n"
}

/// What a row of panels shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Seconds,
    Memory,
}

fn series(points: &[&Point], quantity: Quantity) -> Vec<Series> {
    let mut networks: Vec<&str> = Vec::new();
    for point in points {
        if !networks.contains(&point.network.as_str()) {
            networks.push(&point.network);
        }
    }
    let mut all = Vec::new();
    for network in networks {
        let here: Vec<&Point> = points.iter().filter(|p| p.network == network).copied().collect();
        let mut add = |what: &str, predicted: fn(&Point) -> f64, measured: fn(&Medians) -> f64| {
            all.push(Series {
                label: format!("{what}, {network}"),
                colour: COLOURS[all.len() % COLOURS.len()],
                predicted: here.iter().map(|p| (p.size as f64, predicted(p))).collect(),
                measured: here.iter().filter_map(|p| Some((p.size as f64, measured(p.measured.as_ref()?)))).collect(),
            });
        };
        match quantity {
            Quantity::Seconds => {
                add("online", |p| p.predicted.online_seconds, |m| m.online_seconds);
                add("offline", |p| p.predicted.offline_seconds, |m| m.offline_seconds);
            }
            Quantity::Memory => {
                add("party", |p| larger(&p.predicted.peak_rss_bytes), |m| larger(&m.peak_rss_bytes));
                add("dealer", |p| megabytes(p.predicted.peak_rss_bytes.dealer), |m| megabytes(m.peak_rss_bytes.dealer));
            }
        }
    }
    all
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// What the party that holds more holds.
fn larger(held: &PerRole<u64>) -> f64 {
    megabytes(held.model_owner.max(held.data_owner))
}

/// A plot with its axes, grid, lines, points and legend; `origin` is its upper left corner.
fn panel(out: &mut String, origin: (f64, f64), title: &str, axis: Axis, all: &[Series]) {
    let (left, top) = origin;
    let bottom = top + HEIGHT;
    let points = || all.iter().flat_map(|s| s.predicted.iter().chain(&s.measured)).copied().filter(|(_, y)| *y > 0.0);
    let sizes: Vec<f64> = axis.points().iter().map(|n| *n as f64).collect();
    let (least, most) = points().fold((f64::INFINITY, 0.0f64), |(l, m), (_, y)| (l.min(y), m.max(y)));
    let (low, high) = (10f64.powf(least.log10().floor()), 10f64.powf((most * 1.001).log10().ceil()));
    let across = Scale::new(sizes[0] / 1.2, sizes[sizes.len() - 1] * 1.2, WIDTH);
    let up = Scale::new(low, high, HEIGHT);
    let (x, y) = (|v: f64| left + across.place(v), |v: f64| bottom - up.place(v));

    text(out, (left + WIDTH / 2.0, top - 46.0), "middle", INK, &format!("{title}, by {}", axis.name()));
    let mut line = low;
    while line < high * 1.001 {
        rule(out, (left, y(line)), (left + WIDTH, y(line)));
        text(out, (left - 6.0, y(line) + 4.0), "end", INK, &number(line));
        line *= 10.0;
    }
    for size in &sizes {
        rule(out, (x(*size), top), (x(*size), bottom));
        text(out, (x(*size), bottom + 15.0), "middle", INK, &number(*size));
    }
    let below = format!("{} ({})", axis.name(), axis.fixed());
    text(out, (left + WIDTH / 2.0, bottom + 32.0), "middle", INK, &below);
    for (index, series) in (0u8..).zip(all) {
        let path: Vec<String> = series.predicted.iter().map(|(n, v)| format!("{:.1},{:.1}", x(*n), y(*v))).collect();
        let colour = series.colour;
        *out += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n",
            path.join(" ")
        );
        for (n, v) in &series.measured {
            *out += &format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>\n", x(*n), y(*v));
        }
        let place = (left + f64::from(index % 2) * WIDTH / 2.0, top - 28.0 + f64::from(index / 2) * 14.0);
        text(out, place, "start", colour, &format!("\u{25cf} {}", series.label));
    }
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    *out += &format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{INK}\" stroke-opacity=\"0.3\"/>\n",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, at: (f64, f64), anchor: &str, colour: &str, words: &str) {
    *out += &format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>\n",
        at.0, at.1
    );
}

/// Without the zeros that a power of ten does not need.
fn number(value: f64) -> String {
    let decimals = if value < 1.0 { (-value.log10()).round() as usize } else { 0 };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_has_its_share_of_the_pixels() {
        let scale = Scale::new(0.01, 100.0, 200.0);
        assert!([(0.01, 0.0), (1.0, 100.0), (10.0, 150.0)].iter().all(|(v, p)| (scale.place(*v) - p).abs() < 1e-9));
        assert_eq!([0.001, 0.1, 1.0, 1000.0].map(number), ["0.001", "0.1", "1", "1000"]);
    }
}
