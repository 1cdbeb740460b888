//! Turning, shearing and moving: each pixel of the result is read from a place of the image.

use super::Picture;
use crate::random::Draws;

/// How a value between pixels is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// From the pixel it lies in.
    Nearest,
    /// From the 4 pixels around it.
    Bilinear,
    /// From the 16 pixels around it.
    Bicubic,
}

impl Filter {
    /// One of the smooth ones, each half of the time.
    pub(super) fn drawn(draws: &mut Draws) -> Self {
        if draws.chance(0.5) { Self::Bilinear } else { Self::Bicubic }
    }
}

/// Where the pixel at (x, y) is read: at (a·x + b·y + c, d·x + e·y + f).
pub(super) type Map = [f64; 6];

/// Counter-clockwise about the middle, by an angle in degrees.
pub(super) fn rotation(height: usize, width: usize, degrees: f64) -> Map {
    let angle = -degrees.to_radians();
    let (cos, sin) = (libm::cos(angle), libm::sin(angle));
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y]
}

/// Rows moved left by `slope` pixels for each row further down.
pub(super) fn shear_x(slope: f64) -> Map {
    [1.0, slope, 0.0, 0.0, 1.0, 0.0]
}

/// Columns moved up by `slope` pixels for each column further right.
pub(super) fn shear_y(slope: f64) -> Map {
    [1.0, 0.0, 0.0, slope, 1.0, 0.0]
}

/// Everything moved left and up.
pub(super) fn translation(left: f64, up: f64) -> Map {
    [1.0, 0.0, left, 0.0, 1.0, up]
}

/// The picture that `map` reads; outside of the image, channel c is `fill(c)`.
pub(super) fn transform(picture: &Picture, map: Map, filter: Filter, fill: impl Fn(usize) -> u8) -> Picture {
    let &Picture { channels, height, width, .. } = picture;
    let mut result = Picture::filled(channels, height, width, fill);
    let old: Vec<&[u8]> = picture.planes().collect();
    let mut new: Vec<&mut [u8]> = result.planes_mut().collect();
    let [a, b, c, d, e, f] = map;
    for at in 0..height * width {
        let (x, y) = ((at % width) as f64 + 0.5, (at / width) as f64 + 0.5);
        let (x, y) = (a * x + b * y + c, d * x + e * y + f);
        if !(0.0..width as f64).contains(&x) || !(0.0..height as f64).contains(&y) {
            continue;
        }
        let rows = Taps::new(y, height, filter);
        let columns = Taps::new(x, width, filter);
        for (old, new) in old.iter().zip(&mut new) {
            new[at] = rows.between(|row| columns.between(|column| f64::from(old[row * width + column]))) as u8;
        }
    }
    result
}

/// Pixels along one axis around a place, and how far the place is from the first towards the next (bicubic: from the
/// second).
struct Taps {
    places: [usize; 4],
    count: usize,
    t: f64,
}

impl Taps {
    /// Those around a place; the pixel `i` covers `i` to `i + 1`. Beyond the border, the pixel at the border counts.
    fn new(place: f64, extent: usize, filter: Filter) -> Self {
        let clamp = |i: isize| i.clamp(0, extent as isize - 1) as usize;
        let before = libm::floor(place - 0.5);
        let (first, t) = (before as isize, place - 0.5 - before);
        let (places, count) = match filter {
            Filter::Nearest => ([place as isize, 0, 0, 0], 1),
            Filter::Bilinear => ([first, first + 1, 0, 0], 2),
            Filter::Bicubic => ([first - 1, first, first + 1, first + 2], 4),
        };
        Self { places: places.map(clamp), count, t }
    }

    /// The value between those at the places. The polynomials are written so that equal values give just that value.
    fn between(&self, value: impl Fn(usize) -> f64) -> f64 {
        let (places, t) = (&self.places, self.t);
        if self.count == 1 {
            return value(places[0]);
        }
        let (a, b) = (value(places[0]), value(places[1]));
        if self.count == 2 {
            return a + (b - a) * t;
        }
        let (c, d) = (value(places[2]), value(places[3]));
        b + t * (c - a + t * (2.0 * (a - b) + c - d + t * (b - a + d - c)))
    }
}
