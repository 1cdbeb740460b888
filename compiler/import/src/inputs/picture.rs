//! Files of pictures as planes of bytes, as Pillow reads and converts them.
//!
//! A picture is turned as its EXIF orientation says. Channels of 16 bits lose their low byte, but for grey ones, which end at
//! 255; colour becomes grey by the weights of ITU-R 601.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use mpcc_compiler::graph::Input;

use super::resize::Planes;
use super::{InputError, Kind};

/// The most pixels that a picture may have.
const MOST_PIXELS: u64 = 1 << 26;
/// Bytes that a decoder may take.
const MEMORY: u64 = 1 << 29;

/// What is wrong with an image, before the file is named.
#[derive(Debug)]
pub(super) enum Wrong {
    Format(&'static str, String),
    Pixels(&'static str),
}

impl Wrong {
    pub(super) fn at(self, path: &Path, _: &Input) -> InputError {
        let path = path.into();
        match self {
            Self::Format(kind, reason) => InputError::Format { path, kind, reason },
            Self::Pixels(reason) => InputError::Pixels { path, reason },
        }
    }
}

fn format(kind: Kind) -> (&'static str, ImageFormat) {
    match kind {
        Kind::Jpeg => ("JPEG", ImageFormat::Jpeg),
        Kind::Webp => ("WebP", ImageFormat::WebP),
        Kind::Bmp => ("BMP", ImageFormat::Bmp),
        Kind::Tiff => ("TIFF", ImageFormat::Tiff),
        _ => ("PNG", ImageFormat::Png),
    }
}

/// The planes of a picture: red, green and blue, or grey if `channels` is 1.
pub(super) fn planes(bytes: &[u8], kind: Kind, channels: usize) -> Result<Planes, Wrong> {
    let (name, format) = format(kind);
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
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS || width == 0 || height == 0 {
        return Err(Wrong::Pixels("has more pixels than can be read, or none; make it smaller first"));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    if image.color().has_alpha() && image.to_rgba16().pixels().any(|p| p.0[3] != u16::MAX) {
        return Err(Wrong::Pixels(
            "has transparent pixels; save it without an alpha channel on the background you mean",
        ));
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let colour =
        colours(image).ok_or(Wrong::Pixels("has channels that are no bytes; save it with 8 or 16 bits a channel"))?;
    let bytes = match (colour, channels) {
        (Colours::Grey(grey), 1) => grey,
        (Colours::Grey(grey), _) => grey.repeat(3),
        (Colours::Three(pixels), 1) => pixels.iter().map(|p| grey(*p)).collect(),
        (Colours::Three(pixels), _) => (0..3).flat_map(|channel| pixels.iter().map(move |p| p[channel])).collect(),
    };
    Ok(Planes { width, height, bytes })
}

/// Pixels as bytes.
enum Colours {
    Grey(Vec<u8>),
    Three(Vec<[u8; 3]>),
}

/// The bytes of a picture; nothing if its channels are others.
fn colours(image: DynamicImage) -> Option<Colours> {
    let high = |value: u16| (value >> 8) as u8;
    let least = |value: u16| value.min(255) as u8;
    Some(match image {
        DynamicImage::ImageLuma8(image) => Colours::Grey(image.into_raw()),
        DynamicImage::ImageLumaA8(image) => Colours::Grey(image.pixels().map(|p| p.0[0]).collect()),
        DynamicImage::ImageLuma16(image) => Colours::Grey(image.pixels().map(|p| least(p.0[0])).collect()),
        DynamicImage::ImageLumaA16(image) => Colours::Grey(image.pixels().map(|p| high(p.0[0])).collect()),
        DynamicImage::ImageRgb8(image) => Colours::Three(image.pixels().map(|p| p.0).collect()),
        DynamicImage::ImageRgba8(image) => Colours::Three(image.pixels().map(|p| [p.0[0], p.0[1], p.0[2]]).collect()),
        DynamicImage::ImageRgb16(image) => Colours::Three(image.pixels().map(|p| p.0.map(high)).collect()),
        DynamicImage::ImageRgba16(image) => {
            Colours::Three(image.pixels().map(|p| [high(p.0[0]), high(p.0[1]), high(p.0[2])]).collect())
        }
        _ => return None,
    })
}

/// Grey of a colour, by the weights of ITU-R 601 in 16 fraction bits.
fn grey([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
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
