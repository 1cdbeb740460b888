use std::fs;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;

const SHAPE: [usize; 3] = [3, 4, 4];

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Writes an image of one colour and returns its file.
fn paint(dir: &TempDir, file: &str, red: u8) -> PathBuf {
    let path = dir.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(4, 4, Rgb([red, 0, 7])).save(&path).unwrap();
    path
}

fn read(dir: &TempDir) -> Result<Dataset, DataError> {
    open(dir.path(), SHAPE, &mut |_, _| {})
}

fn refused(dir: &TempDir) -> String {
    match read(dir) {
        Ok(_) => panic!("{} is refused", dir.path().display()),
        Err(error) => error.to_string(),
    }
}

/// Red of the first pixel of every image, and its label.
fn reds(images: &Images) -> Vec<(u8, usize)> {
    (0..images.len()).map(|i| (images.image(i)[0], images.label(i))).collect()
}

fn two_classes() -> TempDir {
    let dir = dir();
    for (file, red) in [("train/cat/b.png", 2), ("train/cat/a.png", 1), ("train/ant/z.png", 3), ("test/cat/t.png", 9)] {
        paint(&dir, file, red);
    }
    dir
}

#[test]
fn directories_are_classes_in_the_order_of_their_names() {
    let dir = two_classes();
    let mut told = Vec::new();
    let found = open(dir.path(), SHAPE, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(found.train.classes, ["ant", "cat"]);
    assert_eq!(reds(&found.train), [(3, 0), (1, 1), (2, 1)]);
    assert_eq!(found.train.image(0), [[3; 16], [0; 16], [7; 16]].concat());
    assert_eq!(reds(&found.test.unwrap()), [(9, 1)]);
    assert_eq!(told, [(1, 4), (2, 4), (3, 4), (4, 4)]);
}

#[test]
fn a_directory_may_be_classes_only_or_call_its_test_split_val() {
    let plain = dir();
    paint(&plain, "cat/a.png", 1);
    paint(&plain, "dog/a.PNG", 2);
    fs::write(plain.path().join("README.md"), "animals").unwrap();
    fs::write(plain.path().join("cat/.hidden"), "").unwrap();
    let found = read(&plain).unwrap();
    assert_eq!(reds(&found.train), [(1, 0), (2, 1)]);
    assert!(found.test.is_none());
    let with_val = dir();
    paint(&with_val, "train/cat/a.png", 1);
    paint(&with_val, "val/cat/a.png", 2);
    assert_eq!(reds(&read(&with_val).unwrap().test.unwrap()), [(2, 0)]);
}

#[test]
fn many_images_keep_their_order() {
    let dir = dir();
    for i in 0..200u8 {
        paint(&dir, &format!("{}/{i:03}.png", i / 100), i);
    }
    let expected: Vec<_> = (0..200u8).map(|i| (i, usize::from(i / 100))).collect();
    assert_eq!(reds(&read(&dir).unwrap().train), expected);
}

#[test]
fn whatever_is_wrong_in_a_directory_is_named() {
    let empty = dir();
    let message = refused(&empty);
    assert!(message.contains("train/CLASS/FILE") && message.contains("data_batch_*.bin"), "{message}");
    let message = open(&empty.path().join("no"), SHAPE, &mut |_, _| {}).err().unwrap().to_string();
    assert!(message.contains("is no directory"), "{message}");
    assert!(open(empty.path(), [2, 4, 4], &mut |_, _| {}).err().unwrap().to_string().contains("[2, 4, 4]"));

    type Spoil = fn(&TempDir);
    let cases: [(&str, Spoil); 6] = [
        ("train/dog has no images", |d| fs::create_dir(d.path().join("train/dog")).unwrap()),
        ("notes.txt lies among the images", |d| fs::write(d.path().join("train/cat/notes.txt"), "").unwrap()),
        ("class `owl`", |d| drop(paint(d, "test/owl/a.png", 1))),
        ("c.png is not a whole PNG file", |d| {
            let path = paint(d, "train/cat/c.png", 1);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("d.png is 5 wide and 4 high", |d| RgbImage::new(5, 4).save(d.path().join("train/cat/d.png")).unwrap()),
        ("test", |d| fs::remove_dir_all(d.path().join("test/cat")).unwrap()),
    ];
    for (expected, spoil) in cases {
        let dir = two_classes();
        spoil(&dir);
        let message = refused(&dir);
        assert!(message.contains(expected), "{message}");
    }
}

fn record(head: &[u8], pixel: u8) -> Vec<u8> {
    head.iter().copied().chain(std::iter::repeat_n(pixel, 3072)).collect()
}

fn names(count: usize) -> String {
    (0..count).map(|i| format!("class {i}\n")).collect::<String>() + "\n"
}

fn cifar10() -> TempDir {
    let dir = dir();
    for i in 1..=5u8 {
        fs::write(dir.path().join(format!("data_batch_{i}.bin")), [record(&[i], i), record(&[0], 50 + i)].concat())
            .unwrap();
    }
    fs::write(dir.path().join("test_batch.bin"), record(&[9], 99)).unwrap();
    fs::write(dir.path().join("batches.meta.txt"), names(10)).unwrap();
    dir
}

fn open_cifar(dir: &TempDir) -> Result<Dataset, DataError> {
    open(dir.path(), [3, 32, 32], &mut |_, _| {})
}

#[test]
fn cifar_10_is_five_files_and_one() {
    let found = open_cifar(&cifar10()).unwrap();
    let train: Vec<_> = (1..=5u8).flat_map(|i| [(i, usize::from(i)), (50 + i, 0)]).collect();
    assert_eq!(reds(&found.train), train);
    assert_eq!(reds(&found.test.unwrap()), [(99, 9)]);
    assert_eq!(found.train.classes[9], "class 9");
}

#[test]
fn cifar_100_takes_the_fine_label() {
    let dir = dir();
    fs::write(dir.path().join("train.bin"), [record(&[3, 77], 1), record(&[19, 99], 2)].concat()).unwrap();
    fs::write(dir.path().join("test.bin"), record(&[0, 5], 3)).unwrap();
    fs::write(dir.path().join("fine_label_names.txt"), names(100)).unwrap();
    let found = open_cifar(&dir).unwrap();
    assert_eq!(reds(&found.train), [(1, 77), (2, 99)]);
    assert_eq!(reds(&found.test.unwrap()), [(3, 5)]);
}

#[test]
fn whatever_is_wrong_in_a_binary_file_is_named() {
    let cases: [(&str, &str, Option<Vec<u8>>); 5] = [
        ("data_batch_3.bin", "cannot read", None),
        ("test_batch.bin", "cannot read", None),
        ("batches.meta.txt", "names 2 classes", Some(b"a\nb\n".to_vec())),
        ("data_batch_2.bin", "not records of 3073", Some(vec![0; 3072])),
        ("data_batch_4.bin", "record 1 has label 10", Some([record(&[1], 0), record(&[10], 0)].concat())),
    ];
    for (file, expected, content) in cases {
        let dir = cifar10();
        let path = dir.path().join(file);
        match content {
            None => fs::remove_file(&path).unwrap(),
            Some(content) => fs::write(&path, content).unwrap(),
        }
        let message = open_cifar(&dir).err().unwrap().to_string();
        assert!(message.contains(file) && message.contains(expected), "{message}");
    }
    assert!(refused(&cifar10()).contains("[3, 32, 32]"));
}

#[test]
fn tiny_imagenet_is_tested_on_its_annotated_split() {
    let dir = dir();
    for (file, red) in [
        ("train/n02/images/n02_0.png", 2),
        ("train/n01/images/n01_0.png", 1),
        ("val/images/val_1.png", 8),
        ("val/images/val_0.png", 9),
        ("test/images/test_0.png", 5),
    ] {
        paint(&dir, file, red);
    }
    fs::write(dir.path().join("train/n01/n01_boxes.txt"), "").unwrap();
    let annotations = dir.path().join("val/val_annotations.txt");
    fs::write(&annotations, "val_0.png\tn02\t0\t0\t1\t1\nval_1.png\tn01\t0\t0\t1\t1\n").unwrap();
    let found = read(&dir).unwrap();
    assert_eq!(found.train.classes, ["n01", "n02"]);
    assert_eq!(reds(&found.train), [(1, 0), (2, 1)]);
    assert_eq!(reds(&found.test.unwrap()), [(9, 1), (8, 0)]);

    fs::write(&annotations, "val_0.png\tn03\n").unwrap();
    assert!(refused(&dir).contains("`n03`"));
    fs::write(&annotations, "val_0.png\n").unwrap();
    assert!(refused(&dir).contains("line 1"));
    fs::write(&annotations, "gone.png\tn01\n").unwrap();
    assert!(refused(&dir).contains("gone.png"));
}

fn images(labels: Vec<usize>, classes: &[&str]) -> Images {
    let bytes = (0..labels.len()).map(|i| i as u8).collect();
    Images::from_bytes([1, 1, 1], classes.iter().map(|c| (*c).to_owned()).collect(), bytes, labels).unwrap()
}

#[test]
fn bytes_and_labels_must_fit() {
    let classes = || vec!["a".to_owned()];
    assert!(matches!(Images::from_bytes([4, 1, 1], classes(), vec![], vec![]), Err(DataError::Shape { .. })));
    assert!(matches!(Images::from_bytes([1, 0, 1], classes(), vec![], vec![]), Err(DataError::Shape { .. })));
    assert!(matches!(Images::from_bytes([1, 1, 1], classes(), vec![1, 2], vec![0]), Err(DataError::Labels { .. })));
    assert!(matches!(Images::from_bytes([1, 1, 1], classes(), vec![1], vec![1]), Err(DataError::Label { .. })));
}

#[test]
fn classes_take_the_order_of_a_model() {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let mut data =
        Dataset { train: images(vec![0, 1, 2], &["a", "b", "c"]), test: Some(images(vec![2], &["a", "b", "c"])) };
    data.order_classes(&names(&["c", "a", "b"])).unwrap();
    assert_eq!((reds(&data.train), reds(&data.test.unwrap())), (vec![(0, 1), (1, 2), (2, 0)], vec![(0, 0)]));
    for wrong in [&["a", "b"][..], &["a", "b", "d"], &["a", "b", "c", "d"], &["a", "b", "c", "c"]] {
        let message = data.train.order_classes(&names(wrong)).unwrap_err().to_string();
        assert!(message.contains("rename"), "{message}");
    }
    assert_eq!(data.train.classes, names(&["c", "a", "b"]));
}

#[test]
fn a_share_of_every_class_is_held_out() {
    let labels: Vec<usize> = (0..60).map(|i| if i < 40 { i % 2 } else { 2 }).chain([3]).collect();
    let images = images(labels, &["a", "b", "c", "d"]);
    let (kept, held) = hold_out(images.labels(), 0.1, 1);
    let per_class = |class| held.iter().filter(|i| images.label(**i) == class).count();
    assert_eq!([per_class(0), per_class(1), per_class(2), per_class(3)], [2, 2, 2, 0]);
    let mut all = [kept.clone(), held.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..61).collect::<Vec<_>>());
    assert!(kept.is_sorted() && held.is_sorted());
    assert_eq!(hold_out(images.labels(), 0.1, 1), (kept, held.clone()));
    assert_ne!(hold_out(images.labels(), 0.1, 2).1, held);
    assert_eq!(hold_out(images.labels(), 0.001, 1).1.len(), 3);
    assert_eq!(hold_out(images.labels(), 1.0, 1).0.len(), 4);
    assert!(hold_out(images.labels(), 0.0, 1).1.is_empty());
}
