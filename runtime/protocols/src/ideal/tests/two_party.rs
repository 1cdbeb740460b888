//! The ideal result against a two-party run of the lowered program with the same seeds: every value is revealed.

use std::sync::Arc;

use mpcc_kernels::pack::packed_len;
use mpcc_program::code::{Lane, Owner, Role};
use mpcc_program::correlation::{Sharing, materials};
use mpcc_program::defer::defer;
use mpcc_program::gates::{COIN, lower, lower_recording};
use mpcc_program::interpret::Interpreter;

use super::super::correlations::meanings;
use super::*;
use crate::error::Moment;
use crate::local_run::{InsecureInputs, LocalRun, RoleInProcess, Trio, run_insecurely_in_one_process};
use crate::message::unpack_canonical;
use crate::{CheckedCode, Dealer, SessionSeed};
use mpcc_program::program::{Term, View};
use proptest::prelude::*;

/// Reveals the low word of every share, and every wire through an extension if it has the slack for it or through a
/// product with ones if it is wide. Values keep their ids, so they keep their masks.
fn reveal_everything(b: &mut Build) -> Vec<ValueId> {
    let mut revealed = Vec::new();
    for index in 0..b.program.values.len() {
        let id = ValueId(index as u32);
        let value = b.program.values[index].clone();
        let size = (value.ring.min(64), value.fraction, value.bound);
        let wide = (64, value.fraction, value.bound);
        let (source, size) = match value.kind {
            Kind::Share if !matches!(value.gate, Gate::Reveal { .. }) => (id, size),
            Kind::Wire if value.bound + 2 <= value.ring && value.ring <= 62 => {
                (b.push(Kind::Share, &value.shape, wide, Gate::Extend { source: id }), wide)
            }
            Kind::Wire if value.ring > 64 => {
                let columns = value.shape[value.shape.len() - 1];
                let weight = b.weight(&[columns], 2, &vec![1; columns]);
                let size = (value.ring, value.fraction, value.bound);
                (b.push(Kind::Share, &value.shape, size, Gate::MulServer { source: id, weight }), wide)
            }
            _ => continue,
        };
        let output = b.output(&value.shape, value.fraction);
        b.push(Kind::Share, &value.shape, size, Gate::Reveal { source, truncate: 0, output });
        revealed.push(id);
    }
    revealed
}

fn words(data: &[Vec<i64>]) -> Vec<Vec<u64>> {
    data.iter().map(|list| list.iter().map(|x| *x as u64).collect()).collect()
}

/// A role of a program, scheduled as a large one if `late`; the data owner hands out its coins.
fn role(program: &Program, role: Role, late: bool) -> RoleInProcess {
    let mut code = if role == Role::DataOwner { lower_recording(program) } else { lower(program, role) };
    let checked = if late {
        defer(&mut code);
        CheckedCode::late(code)
    } else {
        CheckedCode::new(code)
    };
    let code = match checked {
        Ok(code) => Arc::new(code),
        Err(error) => panic!("{error}"),
    };
    RoleInProcess { code, executor: Arc::new(Interpreter) }
}

/// Outputs of a two-party run with the seeds of [`coins`], in order, and its coins; they and every message are the same whenever
/// drawn and dealt values are made.
fn outputs(b: &Build) -> (Vec<Vec<i64>>, Coins) {
    let [at_once, late] = [false, true].map(|late| run(b, late));
    let (at_once, late) = (&at_once.inferences[0], &late.inferences[0]);
    assert!(at_once.outputs == late.outputs && at_once.messages == late.messages, "a late schedule changes results");
    let mut outputs = vec![Vec::new(); b.program.outputs.len()];
    for words in at_once.outputs.iter().filter(|words| words.output & COIN == 0) {
        outputs[words.output as usize] = words.signed();
    }
    let [model_owner, data_owner] = inference(1);
    (outputs, Coins::of_run(model_owner, data_owner, &at_once.outputs))
}

/// A wire's integers in a two-party run.
pub(super) fn values(b: &Build, wire: ValueId) -> Vec<i64> {
    let mut open = b.clone();
    let revealed = reveal_everything(&mut open);
    let at = revealed.iter().position(|id| *id == wire).expect("a wire that is revealed");
    outputs(&open).0.swap_remove(b.program.outputs.len() + at)
}

fn run(b: &Build, late: bool) -> LocalRun {
    let trio = Trio {
        model_owner: role(&b.program, Role::ModelOwner, late),
        data_owner: role(&b.program, Role::DataOwner, late),
        dealer: role(&b.program, Role::Dealer, late),
    };
    let [model_owner_seed, data_owner_seed] = seeds(1);
    let inputs = [words(&b.inputs)];
    let given =
        InsecureInputs { weights: words(&b.weights), inputs: &inputs, model_owner_seed, data_owner_seed, record: true };
    match run_insecurely_in_one_process(&trio, given) {
        Ok(run) => run,
        Err(error) => panic!("{error}"),
    }
}

/// What the dealer sends each party, with the other's words from its seed, against plain arithmetic on masks.
fn shares_of_every_item_add_up_to_what_it_means(b: &Build) {
    let RoleInProcess { code, executor } = role(&b.program, Role::Dealer, false);
    let [first, second] = seeds(1).map(|mut bytes| SessionSeed::take(&mut bytes));
    let (setup, coins) = (first.setup(), Coins::new(first.inference(0), second.inference(0)));
    let own = [first.inference(0), second.inference(0)];
    let meanings = meanings(&b.program, &b.weights, &b.inputs, &coins, &setup).expect("a valid program");
    let mut dealer = Dealer::new(code, executor, first, second).expect("the dealer's code");
    dealer.setup(&mut std::io::sink()).expect("a setup");
    let mut dealt = [Vec::new(), Vec::new()];
    let [model_owner, data_owner] = &mut dealt;
    dealer.inference(0, model_owner, data_owner).expect("an inference");
    let mut rest = dealt.each_ref().map(|bytes| &bytes[..]);
    let mut take = |party: usize, len: usize, bits: u8| {
        let (bytes, behind) = rest[party].split_at(packed_len(len, bits.into()));
        rest[party] = behind;
        let mut words = vec![0; len * Lane::of(bits).words()];
        unpack_canonical(bytes, bits, &mut words, Moment::Correction).expect("packed words");
        words.into_iter().step_by(Lane::of(bits).words()).collect::<Vec<u64>>()
    };
    let mut meanings = meanings.into_iter();
    for (index, items) in materials(&b.program).into_iter().enumerate() {
        let id = ValueId(index as u32);
        for item in items {
            if item.sharing == Sharing::Keys {
                for (len, bits) in item.vectors() {
                    assert_eq!(take(0, len, bits), take(1, len, bits), "both get the same");
                }
                continue;
            }
            let (receives, draws) = if item.to == Owner::ModelOwner { (0, &own[1]) } else { (1, &own[0]) };
            let received = take(receives, item.len, item.bits);
            let meaning = meanings.next().expect("one for every item");
            assert_eq!((meaning.value, &meaning.item), (id, &item));
            let mut drawn = vec![0; item.len * Lane::of(item.bits).words()];
            draws.fill(stream(id, item.number), item.bits, &mut drawn);
            let drawn = drawn.into_iter().step_by(Lane::of(item.bits).words());
            let joined = drawn.zip(&received).map(|(drawn, received)| match item.sharing {
                Sharing::Additive => coins::low(drawn.wrapping_add(*received), item.bits),
                Sharing::Xor => drawn ^ received,
                Sharing::Keys | Sharing::Pads => *received,
            });
            assert!(joined.eq(meaning.words), "{item:?} of %{index} {:?}", b.program.values[index].gate);
        }
    }
    assert!(rest.iter().all(|bytes| bytes.is_empty()) && meanings.next().is_none());
}

/// Runs `b` by two parties and holds every share and wire against the ideal result with the coins of that run.
#[track_caller]
pub(super) fn compare(b: &Build) {
    shares_of_every_item_add_up_to_what_it_means(b);
    let mut open = b.clone();
    let revealed = reveal_everything(&mut open);
    let (found, coins) = outputs(&open);
    let ideal = match evaluate(&b.program, &b.weights, &b.inputs, &coins, Ranges::Strict) {
        Ok(ideal) => ideal,
        Err(error) => panic!("{error}"),
    };
    let (own, rest) = found.split_at(b.program.outputs.len());
    assert_eq!(own, ideal.outputs, "outputs of the program itself");
    for (id, found) in revealed.iter().zip(rest) {
        let want = &ideal.values[id.0 as usize];
        let at = want.iter().zip(found).position(|(w, f)| w != f);
        assert!(
            at.is_none() && want.len() == found.len(),
            "%{} {:?}: entry {at:?}, ideal {:?}, two parties {:?}",
            id.0,
            b.program.value(*id).gate,
            at.map(|i| want[i]),
            at.map(|i| found[i])
        );
    }
}

#[test]
fn a_network_in_small_agrees_bit_for_bit() {
    network_in_small(0);
}

#[test]
fn a_network_in_small_agrees_bit_for_bit_in_doubles() {
    for more in [21, 40, 58] {
        network_in_small(more);
    }
}

/// A row through normalisation, scores, a rectifier, an inverse root and a series, all that can be in rings wider
/// by `more` bits.
fn network_in_small(more: u8) {
    use mpcc_program::code::{RowFunction, RowTable};
    let term = |value, shift| Term { value, shift };
    let (rows, d) = (5usize, 6usize);
    for salt in 0..4 {
        let mut b = Build::default();
        let image = b.wire(&[rows, 8], (46, 10), &random(rows * 8, 10, 10 * salt));
        let w = b.weight(&[8, d], 10, &random(8 * d, 10, 10 * salt + 1));
        let bias = b.weight(&[d], 18, &random(d, 18, 10 * salt + 2));
        let x = b.push(Kind::Share, &[rows, d], (46, 0, 24), Gate::MatMulServer { source: image, weight: w });
        let x = b.push(Kind::Share, &[rows, d], (46, 0, 25), Gate::AddServer { source: x, weight: bias });
        let gate = Gate::Open { source: x, truncate: 10 };
        let x = b.push(Kind::Wire, &[rows, d], (36, -10, 16), gate);
        let z = b.push(Kind::Wire, &[rows, d], (33, -10, 16), Gate::Centre { source: x, truncate: 3 });
        let v = b.push(Kind::Share, &[rows, 1], (64 + more, -20, 35), Gate::RowSquares { source: z });
        let gate = Gate::Open { source: v, truncate: 0 };
        let v = b.push(Kind::Wire, &[rows, 1], (36, -20, 35), gate);
        let function = RowFunction::Rsqrt { scale: 2f64.powi(-20), eps: 1e-6 };
        let table = RowTable { ring_bits: 36, levels: 24, position_bits: 14, fraction: 18, function };
        let y = b.push(Kind::Share, &[rows, 1], (60 + more, 32, 52), Gate::RowFunction { source: v, table });
        let gate = Gate::Open { source: y, truncate: 14 };
        let y = b.push(Kind::Wire, &[rows, 1], (46 + more, 18, 39), gate);
        let n = b.push(Kind::Share, &[rows, d], (46 + more, 8, 40), Gate::RowScale { source: z, row: y });
        let gate = Gate::Open { source: n, truncate: 20 };
        let n = b.push(Kind::Wire, &[rows, d], (26 + more, -12, 10), gate);
        let view = View::Permute([1, 0].into_iter().collect());
        let t = b.push(Kind::Wire, &[d, rows], (26 + more, -12, 10), Gate::View { source: n, view });
        let s = b.push(Kind::Share, &[rows, rows], (26 + more, -24, 20), Gate::MatMul { left: n, right: t });
        let gate = Gate::Open { source: s, truncate: 2 };
        let s = b.push(Kind::Wire, &[rows, rows], (24, -26, 19), gate);
        let digits = [[6, 6, 6, 6].as_slice(), &[5, 5, 5, 5, 4]][usize::from(salt > 1)];
        let gate = Gate::SignDigits { source: s, offset: -3, digits: digits.iter().copied().collect() };
        let signs = b.push(Kind::Bits, &[rows, rows], (2 * digits.len() as u8 - 1, 0, 0), gate);
        let signs = [signs].into_iter().collect();
        let bit = b.push(Kind::Bits, &[rows, rows], (1, 0, 0), Gate::OpenSign { signs, negate: true });
        let gate = Gate::Select { bit, source: s, nonnegative: true };
        let relu = b.push(Kind::Share, &[rows, rows], (50 + more, -26, 19), gate);
        let sum = b.push(Kind::Share, &[rows, 1], (50 + more, -26, 22), Gate::SumRow { source: relu });
        let gate = Gate::TrigSeries {
            source: s,
            period_bits: 20,
            table_fraction: 16,
            cosines: vec![30_000, -9000, 77, 2],
            sines: vec![5000, 0, -333],
        };
        let series = b.push(Kind::Share, &[rows, rows], (60 + more, 32, 40), gate);
        let sum = b.push(Kind::Share, &[rows, 1], (50 + more, 30, 22), Gate::Rescale { source: sum, shift: 56 });
        let parts = vec![term(series, 0), term(sum, 2)];
        b.push(Kind::Share, &[rows, rows + 1], (52 + more, 32, 40), Gate::Concat { parts, axis: 1 });
        let weight = b.weight(&[d, 3], 6, &random(d * 3, 6, 10 * salt + 3));
        let m = b.push(Kind::Share, &[rows, 3], (26 + more, -12, 20), Gate::MatMulServer { source: n, weight });
        let m = b.push(Kind::Share, &[rows, 3], (26 + more, -12, 23), Gate::MulPublic { source: m, factor: -5 });
        let m = b.push(Kind::Share, &[rows, 3], (26 + more, -12, 23), Gate::AddPublic { source: m, term: -77 });
        let weight = b.weight(&[3], 20, &[-5, 1 << 19, -(1 << 19)]);
        b.program.weights[weight.0 as usize].fraction = -12;
        let n = b.push(Kind::Share, &[rows, 3], (26 + more, -12, 24), Gate::AddServer { source: m, weight });
        let gate = Gate::Sub { left: term(n, 0), right: term(m, 0) };
        let bias = b.push(Kind::Share, &[rows, 3], (26 + more, -12, 21), gate);
        let terms = vec![term(bias, 3), term(m, 3)];
        b.push(Kind::Share, &[rows, 3], (28 + more, -9, 28), Gate::Add { terms });
        let source = relu;
        let output = b.output(&[rows, rows], -29);
        b.push(Kind::Share, &[rows, rows], (47, -29, 19), Gate::Reveal { source, truncate: 3, output });
        b.run();
    }
}

/// Random integers of size below 2^bound, with the extremes among them.
fn spread(len: usize, bound: u8, salt: u64) -> Vec<i64> {
    let mut data = random(len, bound, salt);
    let most = (1i64 << bound) - 1;
    data.iter_mut().zip([most, -most, 0, -1, 1]).for_each(|(slot, extreme)| *slot = extreme);
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Openings and extensions of any width, at and around the ends of their ranges.
    #[test]
    fn openings_of_any_width_agree(
        ring in 3u8..=120, truncate in 0u8..=40, more in 1u8..=66, salt: u64,
    ) {
        let (truncate, wide) = (truncate.min(124 - ring), ring + more);
        let bound = (ring + truncate - 3).min(59);
        let mut b = Build::default();
        b.wire(&[12], (ring.max(bound + 1), bound), &spread(12, bound, salt >> 3));
        let source = b.wire(&[12], (bound + 2, bound), &spread(12, bound, salt >> 1));
        let share = b.push(Kind::Share, &[12], (128, 0, bound), Gate::Extend { source });
        let gate = Gate::Open { source: share, truncate };
        // Rounding adds up to 1: below ring 5 that takes the bit that an extension needs.
        let (bound, extends) = if ring > 4 { ((ring - 2).min(60), ring <= 62) } else { (ring - 1, false) };
        let wire = b.push(Kind::Wire, &[12], (ring, -i16::from(truncate), bound), gate);
        if extends {
            b.push(Kind::Share, &[12], (wide, -i16::from(truncate), bound), Gate::Extend { source: wire });
        }
        b.run();
    }

    /// Row gates of any widths that the verifier allows.
    #[test]
    fn row_gates_of_any_width_agree(k in 4u8..=30, squares in 2u8..=90, d in 2usize..=9, salt: u64) {
        let bound = k - 2;
        let most = 2 * bound + 4;
        let mut b = Build::default();
        let data = spread(3 * d, bound, salt >> 1);
        let source = b.wire(&[3, d], (k, bound), &data);
        let ring = (k + squares).max(most + 1);
        b.push(Kind::Share, &[3, 1], (ring, 0, most), Gate::RowSquares { source });
        let row = b.wire(&[3, 1], (bound + 2, bound), &spread(3, bound, salt >> 2));
        let row = b.push(Kind::Share, &[3, 1], (128, 0, bound), Gate::Extend { source: row });
        let row = b.open(row, ring, 0);
        b.push(Kind::Share, &[3, d], (ring, 0, 2 * bound + 1), Gate::Square { source });
        b.push(Kind::Share, &[3, d], (ring, 0, 2 * bound), Gate::RowScale { source, row });
        let opened = b.share(&[3, d], bound, &data);
        let x = b.open(opened, k + 5, 0);
        let truncate = d.next_power_of_two().trailing_zeros() as u8;
        let gate = Gate::Centre { source: x, truncate };
        b.push(Kind::Wire, &[3, d], (k + 5 - truncate, 0, bound + 2), gate);
        b.run();
    }

    /// Comparison over the whole ring with digits of any widths, selection in any wider ring.
    #[test]
    fn selections_of_any_width_agree(
        digits in prop::collection::vec(1u8..=6, 1..=5), more in 1u8..=90, offset in -8i64..=0, salt: u64,
    ) {
        let n: u8 = digits.iter().sum();
        prop_assume!(n >= 5);
        let bound = if offset == 0 { n - 1 } else { n - 2 };
        let mut b = Build::default();
        let source = b.wire(&[12], (n, bound), &spread(12, bound, salt >> 1));
        let gate = Gate::SignDigits { source, offset, digits: digits.iter().copied().collect() };
        let sign = b.push(Kind::Bits, &[12], (2 * digits.len() as u8 - 1, 0, 0), gate);
        for negate in [true, false].into_iter().filter(|negate| *negate || bound + 2 <= n) {
            let signs = [sign].into_iter().collect();
            let bit = b.push(Kind::Bits, &[12], (1, 0, 0), Gate::OpenSign { signs, negate });
            let gate = Gate::Select { bit, source, nonnegative: negate };
            b.push(Kind::Share, &[12], (n + more, 0, bound), gate);
            b.push(Kind::Share, &[12], (1 + more, 0, 1), Gate::SignShare { bit });
        }
        b.run();
    }

    /// Selections by coarse signs, in rings narrower and wider than the wire's.
    #[test]
    fn coarse_selections_of_any_width_agree(
        n in 9u8..=40, buckets in 3u8..=7, ring in 1u8..=90, offset in -8i64..=8, negate: bool, salt: u64,
    ) {
        prop_assume!(buckets + 2 <= n);
        let bound = n - 3;
        let ring = ring.max(bound + 1);
        let mut b = Build::default();
        let source = b.wire(&[12], (n, bound), &spread(12, bound, salt >> 1));
        for offsets in [&[offset][..], &[offset, -3]] {
            let gate = Gate::CoarseSign { source, offsets: offsets.iter().copied().collect(), buckets, negate };
            let bit = b.push(Kind::Bits, &[12], (1, 0, 0), gate);
            let gate = Gate::Select { bit, source, nonnegative: false };
            b.push(Kind::Share, &[12], (ring, 0, bound), gate);
            b.push(Kind::Share, &[12], (ring, 0, 1), Gate::SignShare { bit });
        }
        b.run();
    }

    /// ReLU by function secret sharing over the whole ring, in any wider one; its keys are for both parties.
    #[test]
    fn shared_rectifiers_of_any_width_agree(n in 5u8..=32, more in 1u8..=32, salt: u64) {
        let mut b = Build::default();
        let source = b.wire(&[12], (n, n - 1), &spread(12, n - 1, salt >> 1));
        let gate = Gate::ReluShared { source, offsets: [0].into_iter().collect() };
        b.push(Kind::Share, &[12], ((n + more).min(64), 0, n - 1), gate);
        let source = b.wire(&[12], (n, n - 2), &spread(12, n - 2, salt >> 2));
        let gate = Gate::ReluShared { source, offsets: [7, 0, -(1 << (n - 3))].into_iter().collect() };
        b.push(Kind::Share, &[36], ((n + more).min(64), 0, n - 1), gate);
        let gate = Gate::StepShared { source, offsets: [7, 0, -(1 << (n - 3))].into_iter().collect() };
        b.push(Kind::Share, &[36], (2 * more, 0, 1), gate);
        b.run();
    }

    /// Products entry by entry of two wires in any ring, of an input and a wire, in every form of the second factor.
    #[test]
    fn products_entry_by_entry_of_any_width_agree(left in 20u8..=120, more in 0u8..=8, form in 0usize..3, salt: u64) {
        let shape: &[usize] = [&[3, 4][..], &[4], &[3, 1]][form];
        let len = shape.iter().product();
        let mut b = Build::default();
        let opened = b.own(&[3, 4], (128, 9), &spread(12, 9, salt >> 1));
        let opened = b.open(opened, left, 0);
        let input = b.wire(&[3, 4], (left, 9), &spread(12, 9, salt >> 2));
        let factor = b.own(shape, (128, 9), &spread(len, 9, salt >> 3));
        let factor = b.open(factor, left + more, 0);
        let given = b.wire(shape, (left + more, 9), &spread(len, 9, salt >> 4));
        for (left, right, narrower) in [(opened, factor, 0), (opened, given, 1), (input, factor, 0)] {
            let ring = b.program.value(left).ring - narrower;
            b.push(Kind::Share, &[3, 4], (ring, 0, 18), Gate::Hadamard { left, right });
        }
        b.run();
    }

    /// Series on rings at least as wide as their period.
    #[test]
    fn series_of_any_period_agree(
        period in 1u8..=40, more in 0u8..=70, wide in 63u8..=128, f in 1u8..=24, a in prop::collection::vec(-1000i64..1000, 2..6),
        sines in prop::collection::vec(-1000i64..1000, 0..6), salt: u64,
    ) {
        let ring = (period + more).max(8);
        let mut b = Build::default();
        let source = b.wire(&[12], (8, 6), &spread(12, 6, salt >> 1));
        let share = b.push(Kind::Share, &[12], (128, 0, 6), Gate::Extend { source });
        let source = b.open(share, ring, 0);
        let gate = Gate::TrigSeries { source, period_bits: period, table_fraction: f, cosines: a, sines };
        b.push(Kind::Share, &[12], (wide, 2 * i16::from(f), 62), gate);
        b.run();
    }
}
