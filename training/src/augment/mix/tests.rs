use super::*;
use crate::random::Purpose;

fn draws(position: usize) -> Draws {
    Draws::new(1, Purpose::Mix, 0, position)
}

#[test]
fn a_blend_is_the_weighted_sum_with_the_reversed_batch() {
    let mut pixels = vec![0.0, 8.0, 100.0, 4.0];
    Mixing::Blend(0.75).apply(&mut pixels, [1, 1, 1]);
    assert_eq!(pixels, [1.0, 31.0, 77.0, 3.0]);
    let mut odd = vec![0.0, 5.0, 8.0];
    Mixing::Blend(0.5).apply(&mut odd, [1, 1, 1]);
    assert_eq!(odd, [4.0, 5.0, 4.0]);
}

#[test]
fn a_cut_takes_the_rectangle_of_the_partner() {
    let mut pixels: Vec<f32> = (0..24).map(|v| v as f32).collect();
    let cut = Mixing::Cut([0, 1, 1, 3]);
    cut.apply(&mut pixels, [2, 2, 3]);
    assert_eq!(pixels[..12], [0.0, 13.0, 14.0, 3.0, 4.0, 5.0, 6.0, 19.0, 20.0, 9.0, 10.0, 11.0]);
    assert_eq!(pixels[12..], [12.0, 1.0, 2.0, 15.0, 16.0, 17.0, 18.0, 7.0, 8.0, 21.0, 22.0, 23.0]);
    assert_eq!(cut.weight(2, 3), 1.0 - 2.0 / 6.0);
}

#[test]
fn what_is_drawn_follows_the_settings() {
    let drawn = |mix: &Mix, epoch: usize| -> Vec<Option<Mixing>> {
        (0..2_000).map(|position| mix.draw(epoch, 32, 32, &mut draws(position))).collect()
    };
    let cuts = |drawn: &[Option<Mixing>]| drawn.iter().filter(|m| matches!(m, Some(Mixing::Cut(_)))).count();
    assert!(drawn(&Mix::none(), 0).iter().all(Option::is_none));
    let both = Mix { until: Some(3), ..Mix::cifar() };
    assert!((900..1_100).contains(&cuts(&drawn(&both, 2))));
    assert!(drawn(&both, 2).iter().all(Option::is_some) && drawn(&both, 3).iter().all(Option::is_none));
    assert_eq!(cuts(&drawn(&Mix { mixup: 0.0, ..Mix::cifar() }, 0)), 2_000);
    assert_eq!(cuts(&drawn(&Mix { cutmix: 0.0, ..Mix::cifar() }, 0)), 0);
    let rare = Mix { probability: 0.25, ..Mix::cifar() };
    assert!((430..570).contains(&drawn(&rare, 0).iter().flatten().count()));
}

#[test]
fn cuts_lie_inside_and_weights_average_to_the_distribution() {
    let mix = Mix { mixup: 0.0, ..Mix::cifar() };
    let mut total = 0.0;
    for position in 0..2_000 {
        let Some(mixing @ Mixing::Cut([top, bottom, left, right])) = mix.draw(0, 16, 32, &mut draws(position)) else {
            panic!("a cut is drawn");
        };
        assert!(top <= bottom && bottom <= 16 && left <= right && right <= 32);
        total += mixing.weight(16, 32);
    }
    let mean = total / 2_000.0;
    // A uniform area would leave one half; what is cut off at the border leaves more.
    assert!((0.6..0.75).contains(&mean), "{mean}");
}
