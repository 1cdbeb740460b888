//! Pictures of bytes at another size, bit for bit as Pillow resizes them.
//!
//! Every row, then every column, is a weighted mean of pixels: weights of a filter that widens with the factor by which the picture
//! shrinks, rounded to 22 fraction bits, and each pass rounded to bytes.

use mpcc_compiler::graph::{Filter, Picture, Resize};

/// Fraction bits of weights.
const BITS: u32 = 22;

/// Planes of bytes, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planes {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// One after another.
    pub(crate) bytes: Vec<u8>,
}

impl Planes {
    /// How many there are.
    fn count(&self) -> usize {
        self.bytes.len() / (self.width * self.height).max(1)
    }

    /// As a declaration says; a picture that is no wider or higher than what is cropped gets a black border.
    pub(crate) fn prepared(self, picture: &Picture, (height, width): (usize, usize)) -> Planes {
        let sides = match picture.resize {
            None => (self.height, self.width),
            Some(Resize::To(height, width)) => (height as usize, width as usize),
            Some(Resize::Shortest(side)) => shortest((self.height, self.width), side as usize),
        };
        let resized = self.resized(sides, picture.filter);
        if picture.crop { resized.cropped((height, width)) } else { resized }
    }

    /// At this height and width.
    fn resized(self, (height, width): (usize, usize), filter: Filter) -> Planes {
        if (height, width) == (self.height, self.width) {
            return self;
        }
        if filter == Filter::Nearest {
            return self.nearest((height, width));
        }
        let wide = if width == self.width { self } else { self.across(width, filter) };
        if height == wide.height { wide } else { wide.turned().across(height, filter).turned() }
    }

    /// Every row at another width.
    fn across(&self, width: usize, filter: Filter) -> Planes {
        let weights = weights(self.width, width, filter);
        let mut bytes = Vec::with_capacity(self.bytes.len() / self.width.max(1) * width);
        for row in self.bytes.chunks_exact(self.width) {
            for (first, weights) in &weights {
                let sum =
                    row[*first..].iter().zip(weights).map(|(pixel, weight)| i64::from(*pixel) * weight).sum::<i64>();
                bytes.push(((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8);
            }
        }
        Planes { width, height: self.height, bytes }
    }

    /// Rows as columns.
    fn turned(&self) -> Planes {
        let (w, h) = (self.width, self.height);
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for plane in 0..self.count() {
            for x in 0..w {
                bytes.extend((0..h).map(|y| self.bytes[plane * w * h + y * w + x]));
            }
        }
        Planes { width: h, height: w, bytes }
    }

    fn nearest(&self, (height, width): (usize, usize)) -> Planes {
        let (rows, columns) = (points(self.height, height), points(self.width, width));
        let mut bytes = Vec::with_capacity(self.count() * height * width);
        for plane in self.bytes.chunks_exact(self.width * self.height) {
            for y in &rows {
                bytes.extend(columns.iter().map(|x| plane[y * self.width + x]));
            }
        }
        Planes { width, height, bytes }
    }

    /// The middle; where it is larger than the picture, black around it.
    fn cropped(&self, (height, width): (usize, usize)) -> Planes {
        let (top, left) = (middle(self.height, height), middle(self.width, width));
        let mut bytes = Vec::with_capacity(self.count() * height * width);
        for plane in self.bytes.chunks_exact(self.width * self.height) {
            for y in 0..height as i64 {
                for x in 0..width as i64 {
                    let (y, x) = (y + top, x + left);
                    let inside = (0..self.height as i64).contains(&y) && (0..self.width as i64).contains(&x);
                    bytes.push(if inside { plane[y as usize * self.width + x as usize] } else { 0 });
                }
            }
        }
        Planes { width, height, bytes }
    }
}

/// Height and width whose shorter side is this long; the other is rounded down.
fn shortest((height, width): (usize, usize), side: usize) -> (usize, usize) {
    if width <= height { (side * height / width.max(1), side) } else { (side, side * width / height.max(1)) }
}

/// Where the middle begins: rounded down, and so that a border on both sides is thicker before.
fn middle(whole: usize, part: usize) -> i64 {
    let (whole, part) = (whole as i64, part as i64);
    if part <= whole { (whole - part) / 2 } else { -((part - whole + 1) / 2) }
}

/// The pixel that each of `to` points falls on.
fn points(from: usize, to: usize) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut at = 0.5 * step;
    let mut points = Vec::with_capacity(to);
    for _ in 0..to {
        points.push((at as usize).min(from - 1));
        at += step;
    }
    points
}

/// For each of `to` pixels the first of `from` that it is made of, and their weights.
fn weights(from: usize, to: usize, filter: Filter) -> Vec<(usize, Vec<i64>)> {
    let scale = from as f64 / to as f64;
    let wide = scale.max(1.0);
    let reach = support(filter) * wide;
    let pixel = |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5).max(0.0) as usize).min(from);
        let raw: Vec<f64> = (first..end).map(|x| weight(filter, (x as f64 - centre + 0.5) * (1.0 / wide))).collect();
        let total: f64 = raw.iter().sum();
        let whole = |weight: &f64| {
            let weight = if total == 0.0 { *weight } else { weight / total };
            let scaled = weight * f64::from(1 << BITS);
            if weight < 0.0 { (scaled - 0.5) as i64 } else { (scaled + 0.5) as i64 }
        };
        (first, raw.iter().map(whole).collect())
    };
    (0..to).map(pixel).collect()
}

/// How far a filter reaches to each side, in pixels of the larger scale.
fn support(filter: Filter) -> f64 {
    match filter {
        Filter::Nearest | Filter::Box => 0.5,
        Filter::Bilinear | Filter::Hamming => 1.0,
        Filter::Bicubic => 2.0,
        Filter::Lanczos => 3.0,
    }
}

fn weight(filter: Filter, x: f64) -> f64 {
    let size = x.abs();
    match filter {
        Filter::Nearest | Filter::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
        Filter::Bilinear => (1.0 - size).max(0.0),
        Filter::Hamming if size == 0.0 => 1.0,
        Filter::Hamming if size >= 1.0 => 0.0,
        Filter::Hamming => {
            let angle = size * std::f64::consts::PI;
            libm::sin(angle) / angle * (0.54 + 0.46 * libm::cos(angle))
        }
        Filter::Bicubic => {
            const A: f64 = -0.5;
            if size < 1.0 {
                ((A + 2.0) * size - (A + 3.0)) * size * size + 1.0
            } else if size < 2.0 {
                (((size - 5.0) * size + 8.0) * size - 4.0) * A
            } else {
                0.0
            }
        }
        Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
        Filter::Lanczos => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = x * std::f64::consts::PI;
    libm::sin(angle) / angle
}
