use serde::Deserialize;

use super::geometry::Filter;
use super::op::Op;
use super::resize::{Part, resize};
use super::*;
use crate::random::Purpose;

/// What `tests/fixtures/pillow.py` wrote.
#[derive(Deserialize)]
struct Fixture {
    shape: [usize; 3],
    fill: [u8; 3],
    pixels: Vec<u8>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    op: String,
    argument: Vec<f64>,
    filter: Option<String>,
    pixels: Vec<u8>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/fixtures/pillow.json")).unwrap()
}

fn result(fixture: &Fixture, case: &Case) -> Picture {
    let filter = match case.filter.as_deref() {
        Some("bilinear") => Filter::Bilinear,
        Some("bicubic") => Filter::Bicubic,
        _ => Filter::Nearest,
    };
    let mut picture = Picture::new(fixture.shape, &fixture.pixels);
    if let [top, left, height, width] = case.argument[..] {
        let [top, left, height, width] = [top, left, height, width].map(|v| v as usize);
        return resize(&picture, Part { top, left, height, width }, filter);
    }
    let argument = case.argument.first().copied().unwrap_or(0.0);
    let op = match case.op.as_str() {
        "autocontrast" => Op::Autocontrast,
        "equalize" => Op::Equalize,
        "invert" => Op::Invert,
        "posterize" => Op::Posterize(argument as u32),
        "solarize" => Op::Solarize(argument),
        "solarize_add" => Op::SolarizeAdd(argument as u8),
        "color" => Op::Color(argument),
        "contrast" => Op::Contrast(argument),
        "brightness" => Op::Brightness(argument),
        "sharpness" => Op::Sharpness(argument),
        "rotate" => Op::Rotate(argument),
        "shear_x" => Op::ShearX(argument),
        "shear_y" => Op::ShearY(argument),
        "translate_x" => Op::TranslateX(argument),
        "translate_y" => Op::TranslateY(argument),
        other => panic!("{other} is no operation"),
    };
    op.apply(&mut picture, filter, |channel| fixture.fill[channel]);
    picture
}

#[test]
fn every_operation_gives_the_bytes_that_pillow_gives() {
    let fixture = fixture();
    assert!(fixture.cases.len() > 60);
    let mut wrong = Vec::new();
    for case in &fixture.cases {
        let found = result(&fixture, case);
        let differ = found.bytes().iter().zip(&case.pixels).filter(|(a, b)| a != b).count();
        let most = found.bytes().iter().zip(&case.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        if differ > 0 || found.bytes().len() != case.pixels.len() {
            wrong.push(format!(
                "{} {:?} {:?}: {differ} bytes, by {most:?} at most",
                case.op, case.argument, case.filter
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn draws(position: usize) -> Draws {
    Draws::new(5, Purpose::Augment, 2, position)
}

fn apply(augment: &Augment, fixture: &Fixture, position: usize) -> Vec<f32> {
    let mut pixels = vec![-1.0; fixture.pixels.len()];
    augment.apply(fixture.shape, &fixture.pixels, &mut draws(position), &mut pixels);
    pixels
}

#[test]
fn presets_draw_pictures_that_differ_and_are_pixels() {
    let fixture = fixture();
    for augment in [Augment::crop_flip(), Augment::cifar(), Augment::tiny_imagenet()] {
        let drawn: Vec<Vec<f32>> = (0..40).map(|position| apply(&augment, &fixture, position)).collect();
        assert!(drawn.iter().flatten().all(|v| (0.0..=255.0).contains(v)));
        assert!((0..40).all(|position| drawn[position] == apply(&augment, &fixture, position)));
        let mut different: Vec<_> = drawn.iter().map(|d| d.iter().map(|v| v.to_bits()).collect::<Vec<_>>()).collect();
        different.sort();
        different.dedup();
        assert!(different.len() > 20, "{}", different.len());
    }
    let same: Vec<f32> = fixture.pixels.iter().map(|v| f32::from(*v)).collect();
    assert_eq!(apply(&Augment::none(), &fixture, 0), same);
}

#[test]
fn one_channel_is_enough() {
    for augment in [Augment::crop_flip(), Augment::cifar(), Augment::tiny_imagenet()] {
        for position in 0..200 {
            let mut pixels = [-1.0; 36];
            augment.apply(
                [1, 6, 6],
                &std::array::from_fn::<u8, 36, _>(|i| i as u8 * 7),
                &mut draws(position),
                &mut pixels,
            );
            assert!(pixels.iter().all(|v| (0.0..=255.0).contains(v)));
        }
    }
}

#[test]
fn settings_survive_being_written() {
    for augment in [Augment::none(), Augment::crop_flip(), Augment::cifar(), Augment::tiny_imagenet()] {
        let text = serde_json::to_string(&augment).unwrap();
        assert_eq!(serde_json::from_str::<Augment>(&text).unwrap(), augment, "{text}");
    }
    assert_eq!(serde_json::from_str::<Augment>("{}").unwrap(), Augment::none());
    assert!(serde_json::from_str::<Augment>(r#"{"flop": 1}"#).is_err());
    assert_eq!(serde_json::from_str::<Mix>(r#"{"mixup": 0.2}"#).unwrap(), Mix { mixup: 0.2, ..Mix::none() });
}
