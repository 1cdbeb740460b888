//! Images and arrays, good and bad, against inputs of every element type.

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use mpcc_compiler::graph::{Element, Graph, Node, NodeId, Op, Type};
use mpcc_import::inputs::{InputError, Reader, examples, expand, load, passed_over};
use tempfile::TempDir;

use crate::fixtures::input;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn colours() -> RgbImage {
    RgbImage::from_fn(4, 2, |x, y| Rgb([x as u8, 10 + y as u8, 200]))
}

fn save(image: impl Into<DynamicImage>, at: &Path) {
    image.into().save(at).expect("an image file");
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn array(directory: &TempDir, descr: &str, shape: &str, data: &[u8]) -> PathBuf {
    let path = directory.path().join("x.npy");
    fs::write(&path, npy(descr, shape, data)).expect("an array file");
    path
}

#[test]
fn a_png_becomes_three_planes() {
    let d = directory();
    let path = d.path().join("x.PNG");
    save(colours(), &path.with_extension("png"));
    fs::rename(path.with_extension("png"), &path).unwrap();
    let x = load(&path, &input(Element::U8, &[3, 2, 4])).unwrap();
    let red = [0., 1., 2., 3.].repeat(2);
    let green = [[10.0; 4], [11.0; 4]].concat();
    assert_eq!(x.data, [red, green, vec![200.0; 8]].concat());
    assert_eq!(x.shape.as_slice(), [3, 2, 4]);
}

#[test]
fn a_jpeg_is_close_to_what_was_encoded() {
    let d = directory();
    let path = d.path().join("x.jpeg");
    save(RgbImage::from_pixel(16, 8, Rgb([200, 100, 50])), &path);
    let x = load(&path, &input(Element::U8, &[3, 8, 16])).unwrap();
    for (plane, expected) in x.data.chunks(128).zip([200.0, 100.0, 50.0]) {
        assert!(plane.iter().all(|v| f64::abs(v - expected) < 6.0));
    }
}

#[test]
fn grey_and_opaque_images_are_colour_images() {
    let d = directory();
    let path = d.path().join("x.png");
    let declared = input(Element::U8, &[3, 2, 2]);
    save(GrayImage::from_pixel(2, 2, Luma([7])), &path);
    assert_eq!(load(&path, &declared).unwrap().data, [7.0; 12]);
    save(RgbaImage::from_pixel(2, 2, Rgba([7, 7, 7, 255])), &path);
    assert_eq!(load(&path, &declared).unwrap().data, [7.0; 12]);
}

#[test]
fn transparent_pixels_are_refused_and_wide_ones_narrowed() {
    let d = directory();
    let path = d.path().join("x.png");
    let declared = input(Element::U8, &[3, 2, 2]);
    save(RgbaImage::from_pixel(2, 2, Rgba([7, 7, 7, 254])), &path);
    assert!(load(&path, &declared).unwrap_err().to_string().contains("transparent"));
    save(ImageBuffer::from_pixel(2, 2, Rgb([0x7ffu16, 7, 0xfeed])), &path);
    assert_eq!(load(&path, &declared).unwrap().data, [7., 7., 7., 7., 0., 0., 0., 0., 254., 254., 254., 254.]);
    save(ImageBuffer::from_pixel(2, 2, Luma([200u16])), &path);
    assert_eq!(load(&path, &declared).unwrap().data, [200.0; 12]);
    save(ImageBuffer::from_pixel(2, 2, Luma([300u16])), &path);
    assert_eq!(load(&path, &declared).unwrap().data, [255.0; 12], "as Pillow has it");
}

#[test]
fn normalised_pixels_stand_for_the_bytes_they_were_made_of() {
    let d = directory();
    let mut graph = Graph::default();
    graph.inputs.push(input(Element::U8, &[3, 1, 2]));
    let ty = |element| Type { element, ..graph.inputs[0].ty.clone() };
    let node = |op, element| Node { op, ty: ty(element), path: String::new(), assumed: None, span: None };
    let nodes = [
        node(Op::Input(0), Element::U8),
        node(Op::Scale(NodeId(0), 1.0 / 255.0), Element::Real),
        node(Op::Normalize { x: NodeId(1), mean: vec![0.5, 0.4, 0.3], std: vec![0.5, 0.25, 0.2] }, Element::Real),
    ];
    for node in nodes {
        graph.push(node);
    }
    let bytes = [0.0, 255.0, 17.0, 200.0, 128.0, 3.0];
    let values = |shift: f64| -> Vec<u8> {
        let channel = |at: usize| ([0.5, 0.4, 0.3][at / 2], [0.5, 0.25, 0.2][at / 2]);
        let of = |(at, byte): (usize, &f64)| ((byte + shift) / 255.0 - channel(at).0) / channel(at).1;
        bytes.iter().enumerate().map(of).flat_map(|v| (v as f32).to_le_bytes()).collect()
    };
    let load = |data: &[u8]| {
        let path = array(&d, "<f4", "(3, 1, 2)", data);
        let examples = examples(&[path.into()], &graph).unwrap();
        Reader::new(&graph, None).unwrap().load(&examples[0])
    };
    assert_eq!(load(&values(0.0)).unwrap().inputs[0].data, bytes);
    let refused = load(&values(0.3)).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused.contains("whole numbers from 0 to 255"), "{refused}");
}

#[test]
fn another_size_is_refused_with_both_sizes() {
    let d = directory();
    let path = d.path().join("x.png");
    save(colours(), &path);
    let error = load(&path, &input(Element::U8, &[3, 4, 2])).unwrap_err();
    assert!(matches!(error, InputError::ImageSize { found: (4, 2), expected: (2, 4), .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("4 wide and 2 high") && message.contains("2 wide and 4 high"), "{message}");
}

#[test]
fn an_image_fits_only_an_image_input() {
    let d = directory();
    let path = d.path().join("x.png");
    save(colours(), &path);
    for declared in [input(Element::Real, &[3, 2, 4]), input(Element::U8, &[2, 4]), input(Element::U8, &[2, 2, 4])] {
        let error = load(&path, &declared).unwrap_err();
        assert!(matches!(error, InputError::NotAnImageInput { .. }), "{error}");
    }
    assert!(load(&path, &input(Element::I32, &[5])).unwrap_err().to_string().contains("Tensor<i32, 5>"));
}

#[test]
fn damaged_images_are_refused() {
    let d = directory();
    let declared = input(Element::U8, &[3, 32, 32]);
    let noise = RgbImage::from_fn(32, 32, |x, y| Rgb([(x * y) as u8, (x * 31 + y * 17) as u8, (x ^ y) as u8]));
    for (extension, format) in [("png", ImageFormat::Png), ("jpg", ImageFormat::Jpeg)] {
        let mut good = std::io::Cursor::new(Vec::new());
        noise.write_to(&mut good, format).unwrap();
        let good = good.into_inner();
        let path = d.path().join("x").with_extension(extension);
        fs::write(&path, &good).unwrap();
        load(&path, &declared).unwrap();
        for length in [0, 1, 20, good.len() / 2, good.len() - 40] {
            fs::write(&path, &good[..length]).unwrap();
            let error = load(&path, &declared).unwrap_err();
            assert!(matches!(error, InputError::Format { .. }), "{extension} cut to {length}: {error}");
        }
        fs::write(&path, b"this is a text, and no picture of any kind").unwrap();
        assert!(matches!(load(&path, &declared), Err(InputError::Format { .. })));
    }
    let mut png = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut png, ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    let middle = png.len() / 2;
    png[middle] ^= 0xff;
    fs::write(d.path().join("x.png"), &png).unwrap();
    assert!(matches!(load(&d.path().join("x.png"), &declared), Err(InputError::Format { .. })));
    fs::write(d.path().join("x.jpg"), &png).unwrap();
    let message = load(&d.path().join("x.jpg"), &declared).unwrap_err().to_string();
    assert!(message.contains("its content is Png"), "{message}");
}

#[test]
fn arrays_fill_inputs_of_every_element() {
    let d = directory();
    let path = array(&d, "|u1", "(2, 2)", &[0, 255, 3, 4]);
    assert_eq!(load(&path, &input(Element::U8, &[2, 2])).unwrap().data, [0.0, 255.0, 3.0, 4.0]);
    let path = array(&d, "<i8", "(1,)", &(-7i64).to_le_bytes());
    assert_eq!(load(&path, &input(Element::I32, &[1])).unwrap().data, [-7.0]);
    let path = array(&d, "|b1", "(2,)", &[1, 0]);
    assert_eq!(load(&path, &input(Element::Bit, &[2])).unwrap().data, [1.0, 0.0]);
    let path = array(&d, "<f8", "()", &1.25f64.to_le_bytes());
    assert_eq!(load(&path, &input(Element::Real, &[1])).unwrap().data, [1.25]);
}

#[test]
fn entries_outside_the_element_are_refused_with_their_place() {
    let d = directory();
    let cases: [(Element, &str, Vec<u8>, &str); 6] = [
        (Element::U8, "<i4", 256i32.to_le_bytes().to_vec(), "0 to 255"),
        (Element::U8, "<i4", (-1i32).to_le_bytes().to_vec(), "0 to 255"),
        (Element::U8, "<f4", 0.5f32.to_le_bytes().to_vec(), "whole numbers"),
        (Element::I32, "<i8", (1i64 << 31).to_le_bytes().to_vec(), "32 bits"),
        (Element::Bit, "|u1", vec![2], "0 and 1"),
        (Element::Real, "<f8", f64::NAN.to_le_bytes().to_vec(), "finite"),
    ];
    for (element, descr, bad, allowed) in cases {
        let mut data = vec![0; bad.len() * 5];
        data.extend(&bad);
        let path = array(&d, descr, "(2, 3)", &data);
        let error = load(&path, &input(element, &[2, 3])).unwrap_err();
        assert!(error.to_string().contains(allowed), "{error}");
        assert!(matches!(&error, InputError::Value { entry, .. } if *entry == [1, 2]), "{error}");
    }
}

#[test]
fn arrays_of_another_shape_are_refused() {
    let d = directory();
    let path = array(&d, "|u1", "(4,)", &[1, 2, 3, 4]);
    for shape in [&[2, 2][..], &[5], &[1, 4]] {
        let error = load(&path, &input(Element::U8, shape)).unwrap_err();
        assert!(matches!(&error, InputError::ArrayShape { found, .. } if *found == [4]), "{error}");
    }
    fs::write(&path, vec![0; 100_000]).unwrap();
    let error = load(&path, &input(Element::U8, &[4])).unwrap_err();
    assert!(matches!(error, InputError::File(_)), "{error}");
}

#[test]
fn directories_are_read_in_order_and_hidden_files_passed_over() {
    let d = directory();
    for file in ["b/2.png", "b/1.jpg", "a/z.npy", ".hidden/x.png", "a/.DS_Store"] {
        let path = d.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
    let found = expand(&[d.path().join("b/2.png"), d.path().into()]).unwrap();
    let names: Vec<_> = found.iter().map(|p| p.strip_prefix(d.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["b/2.png", "a/z.npy", "b/1.jpg", "b/2.png"]);
    assert_eq!(mpcc_import::labels::class_of(&found[1]), Some("a"));
}

#[test]
fn what_is_no_input_is_an_error() {
    let d = directory();
    let text = d.path().join("notes.rst");
    fs::write(&text, b"").unwrap();
    let error = expand(std::slice::from_ref(&text)).unwrap_err();
    assert!(matches!(error, InputError::UnknownKind { .. }), "{error}");
    assert!(matches!(expand(&[d.path().into()]), Err(InputError::EmptyDirectory { .. })));
    assert_eq!(passed_over(&[d.path().to_path_buf()], &Graph::default()).unwrap(), std::slice::from_ref(&text));
    assert!(matches!(load(&text, &input(Element::U8, &[3, 1, 1])), Err(InputError::UnknownKind { .. })));
    assert!(matches!(expand(&[d.path().join("none")]), Err(InputError::File(_))));
    fs::remove_file(text).unwrap();
    assert!(matches!(expand(&[d.path().into()]), Err(InputError::EmptyDirectory { .. })));
}

#[cfg(unix)]
#[test]
fn a_directory_that_holds_itself_ends() {
    let d = directory();
    std::os::unix::fs::symlink(d.path(), d.path().join("loop")).unwrap();
    assert!(matches!(expand(&[d.path().into()]), Err(InputError::TooDeep { .. })));
}
