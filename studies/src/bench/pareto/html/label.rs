//! Where the names of points stand so that they cover neither points nor each other.

/// A rectangle: left, top, width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    fn overlap(self, other: Area) -> f64 {
        let along = |a: f64, a_size: f64, b: f64, b_size: f64| (a + a_size).min(b + b_size) - a.max(b);
        let across = along(self.x, self.width, other.x, other.width).max(0.0);
        across * along(self.y, self.height, other.y, other.height).max(0.0)
    }

    fn inside(self, frame: Area) -> bool {
        self.x >= frame.x
            && self.y >= frame.y
            && self.x + self.width <= frame.x + frame.width
            && self.y + self.height <= frame.y + frame.height
    }

    /// Its point that is nearest to another.
    pub(super) fn nearest(self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.x, self.x + self.width), y.clamp(self.y, self.y + self.height))
    }
}

/// A name to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    /// Where its point is.
    pub(super) point: (f64, f64),
    /// Width and height.
    pub(super) size: (f64, f64),
}

/// Directions in which a label may stand, best first.
const DIRECTIONS: [(f64, f64); 8] =
    [(1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0)];

/// A place for each label of this size beside its point, inside `frame`, off the areas in `taken` and off each other as far as
/// there is room.
pub(super) fn place(frame: Area, taken: &[Area], labels: &[Label]) -> Vec<Area> {
    let mut taken = taken.to_vec();
    let mut placed = Vec::with_capacity(labels.len());
    for Label { point, size } in labels {
        let candidates =
            (1..=6).flat_map(|ring| DIRECTIONS.map(|direction| beside(*point, *size, direction, f64::from(ring))));
        let mut best: Option<(f64, Area)> = None;
        for candidate in candidates.filter(|candidate| candidate.inside(frame)) {
            let covered: f64 = taken.iter().map(|other| candidate.overlap(*other)).sum();
            if best.is_none_or(|(least, _)| covered < least) {
                best = Some((covered, candidate));
            }
            if covered == 0.0 {
                break;
            }
        }
        let chosen = best.map_or_else(|| beside(*point, *size, (1.0, 0.0), 1.0), |(_, candidate)| candidate);
        taken.push(chosen);
        placed.push(chosen);
    }
    placed
}

fn beside((x, y): (f64, f64), (width, height): (f64, f64), (right, down): (f64, f64), ring: f64) -> Area {
    let away = 8.0 + (ring - 1.0) * 11.0;
    let left = match right {
        r if r > 0.0 => x + away,
        r if r < 0.0 => x - away - width,
        _ => x - width / 2.0,
    };
    let top = match down {
        d if d > 0.0 => y + away * 0.7,
        d if d < 0.0 => y - away * 0.7 - height,
        _ => y - height / 2.0,
    };
    Area { x: left, y: top, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_crowd_stay_apart_and_inside() {
        let frame = Area { x: 0.0, y: 0.0, width: 300.0, height: 200.0 };
        let points = [(150.0, 100.0), (152.0, 101.0), (149.0, 98.0), (290.0, 100.0), (151.0, 103.0)];
        let markers: Vec<Area> =
            points.map(|(x, y)| Area { x: x - 5.0, y: y - 5.0, width: 10.0, height: 10.0 }).to_vec();
        let placed = place(frame, &markers, &points.map(|point| Label { point, size: (60.0, 12.0) }));
        for (index, one) in placed.iter().enumerate() {
            assert!(one.inside(frame), "{one:?}");
            for other in placed[..index].iter().chain(&markers) {
                assert_eq!(one.overlap(*other), 0.0, "{one:?} {other:?}");
            }
        }
    }
}
