//! PNG and JPEG files as planes of red, green and blue.

use std::io::Cursor;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use mpcc_compiler::graph::Input;

use super::{InputError, Kind};

/// What is wrong with an image, before the file is named.
#[derive(Debug)]
pub(super) enum Wrong {
    Format(&'static str, String),
    Size { found: (usize, usize), expected: (usize, usize) },
    Pixels(&'static str),
}

impl Wrong {
    pub(super) fn at(self, path: &Path, input: &Input) -> InputError {
        let (path, input) = (path.into(), input.name.clone());
        match self {
            Self::Format(kind, reason) => InputError::Format { path, kind, reason },
            Self::Size { found, expected } => InputError::ImageSize { path, input, found, expected },
            Self::Pixels(reason) => InputError::Pixels { path, reason },
        }
    }
}

/// The three planes, row-major, of an image of `size` (width, height). The size is checked before pixels are decoded.
pub(super) fn planes(bytes: &[u8], kind: Kind, size: (usize, usize)) -> Result<Vec<f64>, Wrong> {
    let (name, format) = if kind == Kind::Png { ("PNG", ImageFormat::Png) } else { ("JPEG", ImageFormat::Jpeg) };
    let damaged = |e: ImageError| Wrong::Format(name, e.to_string());
    if let Ok(found) = image::guess_format(bytes)
        && found != format
    {
        return Err(Wrong::Format(name, format!("its content is {found:?}; rename it")));
    }
    if kind == Kind::Jpeg && !jpeg_ends(bytes) {
        return Err(Wrong::Format(name, "it is cut off or no JPEG at all".into()));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some((size.0 as u64).saturating_mul(size.1 as u64).saturating_mul(32).saturating_add(1 << 24));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let found = (width as usize, height as usize);
    if found != size {
        return Err(Wrong::Size { found, expected: size });
    }
    if !matches!(decoder.color_type(), ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8) {
        return Err(Wrong::Pixels(
            "has more than 8 bits a channel; save it with 8 bits, so that the rounding is yours",
        ));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if image.color().has_alpha() && image.to_rgba8().pixels().any(|p| p.0[3] != 255) {
        return Err(Wrong::Pixels(
            "has transparent pixels; save it without an alpha channel on the background you mean",
        ));
    }
    let rgb = image.to_rgb8();
    Ok((0..3).flat_map(|channel| rgb.pixels().map(move |p| f64::from(p.0[channel]))).collect())
}

/// Whether the segments of a JPEG lead to its end marker. The decoder fills what is missing with grey instead.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2).and_then(|pair| pair.first_chunk()) {
        match (first, marker) {
            (0xff, END) => return true,
            (0xff, 0xff) => at += 1,
            (0xff, 0x00 | 0x01 | 0xd0..=0xd7) => at += 2,
            (0xff, _) => {
                let Some(length) = bytes.get(at + 2..at + 4).and_then(|b| b.first_chunk()) else {
                    return false;
                };
                at += 2 + usize::from(u16::from_be_bytes(*length));
                if marker == SCAN {
                    at += bytes.get(at..).and_then(|b| b.iter().position(|b| *b == 0xff)).unwrap_or(bytes.len());
                }
            }
            _ => at += 1,
        }
    }
    false
}
