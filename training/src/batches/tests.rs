use super::prepare::targets;
use super::*;
use crate::augment::Crop;

const SHAPE: [usize; 3] = [3, 8, 8];

fn images(count: usize) -> Arc<Images> {
    let size: usize = SHAPE.iter().product();
    let bytes = (0..count * size).map(|i| (i * 37 % 251) as u8).collect();
    let classes = (0..4).map(|c| c.to_string()).collect();
    let labels = (0..count).map(|i| i % 4).collect();
    Arc::new(Images::from_bytes(SHAPE, classes, bytes, labels).unwrap())
}

fn options() -> BatchOptions {
    BatchOptions {
        size: 4,
        seed: 11,
        classes: 4,
        augment: Augment { crop: Some(Crop::Padded { pad: 2 }), flip: 0.5, ..Augment::none() },
        mix: Mix::cifar(),
        smoothing: 0.1,
        threads: 0,
        drop_last: false,
    }
}

fn all(images: &Arc<Images>, options: &BatchOptions, number: usize, first: usize) -> Vec<Batch> {
    let indices = Arc::new((0..images.len()).collect());
    epoch(images, &indices, options, number, first).collect()
}

#[test]
fn threads_and_the_first_batch_change_nothing() {
    let images = images(30);
    let once = all(&images, &options(), 5, 0);
    assert_eq!(once.len(), 8);
    for threads in [1, 2, 3, 20] {
        let options = BatchOptions { threads, ..options() };
        assert!(all(&images, &options, 5, 0) == once);
        for first in 0..=8 {
            assert!(all(&images, &options, 5, first) == once[first..]);
        }
        assert!(all(&images, &options, 5, 9).is_empty());
    }
}

#[test]
fn seed_and_epoch_change_everything_that_is_random() {
    let images = images(16);
    let once = all(&images, &options(), 5, 0);
    assert!(all(&images, &options(), 6, 0) != once);
    assert!(all(&images, &BatchOptions { seed: 12, ..options() }, 5, 0) != once);
    let order = |batches: &[Batch]| batches.iter().flat_map(|b| b.labels.clone()).collect::<Vec<_>>();
    let plain = BatchOptions { augment: Augment::none(), mix: Mix::none(), ..options() };
    assert_eq!(order(&all(&images, &plain, 5, 0)), order(&once));
}

#[test]
fn an_epoch_shows_every_image_once() {
    let images = images(18);
    let plain = BatchOptions { augment: Augment::none(), mix: Mix::none(), smoothing: 0.0, ..options() };
    let size: usize = SHAPE.iter().product();
    let batches = all(&images, &plain, 0, 0);
    assert_eq!(batches.iter().map(|b| b.size).collect::<Vec<_>>(), [4, 4, 4, 4, 2]);
    let shown = batches.iter().flat_map(|b| b.pixels.chunks(size).map(|p| p.iter().map(|v| *v as u8).collect()));
    let mut shown: Vec<Vec<u8>> = shown.collect();
    let mut expected: Vec<Vec<u8>> = (0..18).map(|i| images.image(i).to_vec()).collect();
    shown.sort();
    expected.sort();
    assert!(shown == expected);
    let whole = BatchOptions { drop_last: true, ..plain };
    assert_eq!(all(&images, &whole, 0, 0).iter().map(|b| b.size).collect::<Vec<_>>(), [4, 4, 4, 4]);
    assert_eq!((count(18, 4, false), count(18, 4, true), count(0, 4, false)), (5, 4, 0));
}

#[test]
fn evaluation_is_in_order_and_exact() {
    let images = images(5);
    for threads in [0, 2] {
        let batches: Vec<Batch> = in_order(&images, &[4, 0, 3], 2, 4, threads).collect();
        assert_eq!(batches.iter().map(|b| b.labels.clone()).collect::<Vec<_>>(), [vec![0, 0], vec![3]]);
        assert_eq!(batches[1].targets, [0.0, 0.0, 0.0, 1.0]);
        let expected: Vec<f32> = images.image(4).iter().chain(images.image(0)).map(|v| f32::from(*v)).collect();
        assert!(batches[0].pixels == expected);
    }
}

#[test]
fn targets_are_smoothed_and_mixed_like_the_images() {
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(&targets(&[2], 4, 0.1, 1.0), &[0.025, 0.025, 0.925, 0.025]));
    let mixed = targets(&[0, 1], 2, 0.0, 0.75);
    assert!(close(&mixed, &[0.75, 0.25, 0.25, 0.75]));
    let both = targets(&[0, 1, 1], 2, 0.2, 0.75);
    assert!(close(&both, &[0.7, 0.3, 0.1, 0.9, 0.3, 0.7]));
    for batch in all(&images(16), &options(), 1, 0) {
        assert!(batch.targets.chunks(4).all(|target| (target.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
}

#[test]
fn an_epoch_left_early_ends_its_threads() {
    let images = images(400);
    let indices = Arc::new((0..400).collect());
    let options = BatchOptions { threads: 3, ..options() };
    let mut batches = epoch(&images, &indices, &options, 0, 0);
    assert_eq!(batches.len(), 100);
    assert!(batches.next().is_some());
    drop(batches);
    assert_eq!(Arc::strong_count(&images), 1);
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_label_beyond_the_classes_stops_whoever_takes_batches() {
    let options = BatchOptions { classes: 2, threads: 2, ..options() };
    all(&images(8), &options, 0, 0);
}
