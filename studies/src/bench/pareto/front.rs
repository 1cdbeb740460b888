//! Which of several points nothing else beats, and round numbers along an axis.

/// The points, as seconds and accuracy, that no other is at least as fast and as accurate as and better in one of them; in
/// order of seconds.
pub(super) fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let beats = |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && a.1 >= b.1 && a != b;
    let mut best: Vec<usize> =
        (0..points.len()).filter(|i| !points.iter().any(|other| beats(*other, points[*i]))).collect();
    best.sort_by(|a, b| points[*a].0.total_cmp(&points[*b].0));
    best
}

/// Round numbers at an even distance, from at most `low` to at least `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ticks {
    first: f64,
    step: f64,
    count: usize,
}

impl Ticks {
    /// About `wanted` of them, and at least two.
    pub(super) fn new(low: f64, high: f64, wanted: usize) -> Self {
        // One value alone is given room on both sides.
        let span = if high > low { high - low } else { high.abs().max(1e-6) * 0.2 };
        let (low, high) = if high > low { (low, high) } else { (low - span / 2.0, low + span / 2.0) };
        let raw = span / wanted.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw * 0.999).unwrap_or(10.0) * power;
        // A bound that is a tick but for rounding is that tick.
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil().max(first + 1.0);
        Self { first: first * step, step, count: (last - first) as usize + 1 }
    }

    /// The numbers.
    pub(super) fn values(self) -> impl Iterator<Item = f64> {
        (0..self.count).map(move |i| self.first + i as f64 * self.step)
    }

    /// The first and the last.
    pub(super) fn ends(self) -> (f64, f64) {
        (self.first, self.first + (self.count - 1) as f64 * self.step)
    }

    /// With the digits that tell neighbours apart.
    pub(super) fn label(self, value: f64) -> String {
        let decimals = (-(self.step * 1.000_001).log10().floor()).max(0.0) as usize;
        let text = format!("{value:.decimals$}");
        // A sum of steps may come out as a tiny negative number.
        if text.trim_start_matches('-').bytes().all(|b| b == b'0' || b == b'.') {
            return text.trim_start_matches('-').to_owned();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_beats() {
        // Fast and poor, slow and good, between both, beaten by the third, and as slow as the second but poorer.
        let points = [(1.0, 0.5), (4.0, 0.9), (2.0, 0.8), (3.0, 0.8), (4.0, 0.7)];
        assert_eq!(front(&points), [0, 2, 1]);
        assert_eq!(front(&[(2.0, 0.5), (2.0, 0.5)]), [0, 1]);
        assert_eq!(front(&[(2.0, 0.6), (2.0, 0.5), (1.0, 0.6)]), [2]);
        assert!(front(&[]).is_empty());
    }

    fn shown(low: f64, high: f64, wanted: usize) -> Vec<String> {
        let ticks = Ticks::new(low, high, wanted);
        ticks.values().map(|v| ticks.label(v)).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        assert_eq!(shown(0.0231, 0.0394, 4), ["0.020", "0.025", "0.030", "0.035", "0.040"]);
        assert_eq!(shown(61.2, 79.9, 4), ["60", "65", "70", "75", "80"]);
        assert_eq!(shown(2.1, 3.4, 3), ["2.0", "2.5", "3.0", "3.5"]);
        assert_eq!(shown(0.0, 1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(shown(-0.1, 0.1, 2), ["-0.1", "0.0", "0.1"]);
    }

    #[test]
    fn one_value_has_room_on_both_sides() {
        for value in [0.0, 3.0, 67.2, 1e-4] {
            let (low, high) = Ticks::new(value, value, 4).ends();
            assert!(low < value && value < high, "{low} {value} {high}");
        }
    }
}
