//! What each gate needs.

use hashbrown::HashMap;

use crate::code::{ComparisonTree, Owner};
use crate::program::{Gate, Program, Shape, Supplier, ValueId, exponential};
use crate::series::{self, Frequency};

use super::{Along, Correlation, Item, Pairing, Payload, Predicates, Sharing, bytes};

/// Number of the item of a comparison's products of pads, behind one for each digit.
pub(crate) const PAD_PRODUCTS: u16 = 40;

/// Number of the item with the cosine, or the sine, of a multiple.
pub(crate) fn harmonic(multiple: u16, sine: bool) -> u16 {
    2 * multiple - u16::from(!sine)
}

/// What gates of one wire may have in common, whatever else they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Common {
    /// See [`Correlation::Carry`].
    Carry { wire: ValueId, top: bool },
    /// See [`Correlation::OneHot`].
    OneHot { wire: ValueId, low: u8, width: u8 },
    /// See [`Correlation::HalfAbove`].
    HalfAbove { wire: ValueId, low: u8, width: u8 },
}

impl Common {
    /// What an item's words are, if other gates may need the same.
    pub(crate) fn of(what: &Correlation) -> Option<Common> {
        match *what {
            Correlation::Carry { wire, top } => Some(Common::Carry { wire, top }),
            Correlation::OneHot { wire, low, width } => Some(Common::OneHot { wire, low, width }),
            Correlation::HalfAbove { wire, low, width } => Some(Common::HalfAbove { wire, low, width }),
            _ => None,
        }
    }
}

/// The items of every value's gate, in the order in which they are dealt, with each party receiving about as much: from the
/// largest on, a correction goes to the party that has fewer bytes so far. What gates of a wire have in common stands with the
/// first of them, as wide as the widest needs it: modulo fewer bits the same shares serve the others. The program must have
/// passed [`crate::verify::verify`].
pub fn materials(program: &Program) -> Vec<Vec<Item>> {
    let mut all: Vec<Vec<Item>> = (0..program.values.len()).map(|at| material(program, ValueId(at as u32))).collect();
    let mut widest: HashMap<Common, u8> = HashMap::new();
    for item in all.iter().flatten() {
        if let Some(common) = Common::of(&item.what) {
            let bits = widest.entry(common).or_default();
            *bits = item.bits.max(*bits);
        }
    }
    for items in &mut all {
        items.retain_mut(|item| match Common::of(&item.what) {
            None => true,
            Some(common) => widest.remove(&common).inspect(|bits| item.bits = *bits).is_some(),
        });
    }
    let sums = all.iter_mut().flatten().filter(|item| matches!(item.sharing, Sharing::Additive | Sharing::Xor));
    let mut sums: Vec<(u64, &mut Item)> = sums.map(|item| (bytes(item.len, item.bits), item)).collect();
    sums.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let (mut model_owner, mut data_owner) = (0, 0);
    for (size, item) in sums {
        let (to, received) = if model_owner < data_owner {
            (Owner::ModelOwner, &mut model_owner)
        } else {
            (Owner::DataOwner, &mut data_owner)
        };
        *received += size;
        item.to = to;
    }
    all
}

/// The items of one value's gate alone, all for the data owner.
pub(crate) fn material(program: &Program, id: ValueId) -> Vec<Item> {
    let value = program.value(id);
    let ring = value.ring;
    let len: usize = value.shape.iter().product();
    let entries = |id: &ValueId| -> usize { program.value(*id).shape.iter().product() };
    let to = Owner::DataOwner;
    let additive = |number, bits, len, what| Item { number, what, len, bits, sharing: Sharing::Additive, to };
    let xor = |number, bits, what| Item { number, what, len, bits, sharing: Sharing::Xor, to };
    let carry = |wire: &ValueId, top| Correlation::Carry { wire: *wire, top };
    match &value.gate {
        Gate::MatMulServer { source, weight } => {
            let (k, n) = (last(&program.value(*source).shape), last(&value.shape));
            let pairing = Pairing::Matrices { batch: 1, m: entries(source) / k, k, n, shared_right: true };
            vec![additive(1, ring, len, Correlation::MaskTimesWeight { wire: *source, weight: *weight, pairing })]
        }
        Gate::MulServer { source, weight } => {
            let cols = program.weights[weight.0 as usize].shape.iter().product();
            let pairing = Pairing::Entries { rows: len / cols, cols, right: Along::Columns };
            vec![additive(1, ring, len, Correlation::MaskTimesWeight { wire: *source, weight: *weight, pairing })]
        }
        Gate::MatMul { left, right } => {
            let pairing = matrices(&program.value(*left).shape, &value.shape);
            vec![additive(1, ring, len, Correlation::Cross { left: *left, right: *right, pairing })]
        }
        Gate::Hadamard { left, right } => {
            let pairing = by_entry(&program.value(*left).shape, &program.value(*right).shape);
            vec![additive(1, ring, len, Correlation::Cross { left: *left, right: *right, pairing })]
        }
        Gate::Extend { source } => {
            let more = ring - program.value(*source).ring;
            [false, true].map(|top| additive(1 + u16::from(top), more, len, carry(source, top))).into()
        }
        Gate::RowSquares { source } | Gate::Square { source } => {
            let (n, more) = (entries(source), ring - program.value(*source).ring);
            let wire = *source;
            vec![
                additive(1, more, n, carry(source, false)),
                additive(2, more, n, carry(source, true)),
                additive(3, more - 1, n, Correlation::TopTimesMask { wire }),
                additive(4, ring, len, Correlation::Squares { wire, cols: n / len }),
            ]
        }
        Gate::RowScale { source, row } => {
            let more = ring - program.value(*source).ring;
            let times_row = |top| Correlation::MaskTimesRow { wire: *source, row: *row, top };
            vec![
                additive(1, more, len, carry(source, false)),
                additive(2, more, len, carry(source, true)),
                additive(3, ring, len, times_row(false)),
                additive(4, more, len, times_row(true)),
            ]
        }
        Gate::CoarseSign { source, buckets, .. } => {
            let low = program.value(*source).ring - buckets;
            vec![xor(1, 1 << (buckets - 1), Correlation::HalfAbove { wire: *source, low, width: *buckets })]
        }
        Gate::SignDigits { source, digits, .. } => {
            let mut items: Vec<Item> = one_hots(*source, digits).map(|(n, bits, what)| xor(n, bits, what)).collect();
            let sets = Predicates { digits: digits.len() }.products();
            if !sets.is_empty() {
                items.push(xor(PAD_PRODUCTS, sets.len() as u8, Correlation::PadProducts { sets }));
            }
            items
        }
        Gate::SignShare { bit } => vec![additive(1, ring, len, Correlation::Pad { bit: *bit })],
        Gate::Select { bit, source, .. } => {
            let pad_times = |top| Correlation::PadTimesMask { bit: *bit, wire: *source, top };
            let Some(more) = ring.checked_sub(program.value(*source).ring).filter(|more| *more > 0) else {
                let items = [(1, Correlation::Pad { bit: *bit }), (4, pad_times(false))];
                return items.map(|(number, what)| additive(number, ring, len, what)).into();
            };
            vec![
                additive(1, ring, len, Correlation::Pad { bit: *bit }),
                additive(2, more, len, carry(source, false)),
                additive(3, more, len, carry(source, true)),
                additive(4, ring, len, pad_times(false)),
                additive(5, more, len, pad_times(true)),
            ]
        }
        Gate::ReluShared { source, .. } => {
            let more = ring - program.value(*source).ring;
            let mut items = vec![additive(1, more, entries(source), carry(source, false))];
            items.push(keys(program, *source, ring, Payload::OneAndMask));
            items
        }
        Gate::StepShared { source, .. } => vec![keys(program, *source, ring, Payload::One)],
        Gate::RowFunction { source, table } => {
            let what = Correlation::RowPowers { wire: *source, table: *table };
            vec![Item { number: 1, what, len: entries(source), bits: ring, sharing: Sharing::Keys, to }]
        }
        Gate::RowOffer { source, offer } => {
            let (wire, offer, len) = (*source, *offer, entries(source));
            let what = Correlation::BucketPads { wire, offer };
            let pads = Item { number: 1, what, len: len * offer.lists(), bits: 128, sharing: Sharing::Pads, to };
            vec![pads, additive(2, ring, len, Correlation::MaskedPowers { wire, offer })]
        }
        Gate::TrigSeries { source, period_bits, table_fraction, cosines, sines } => {
            let (wire, period_bits, fraction) = (*source, *period_bits, *table_fraction);
            let present = series::present(cosines, sines, fraction);
            let item = |Frequency { multiple, less, .. }: Frequency, sine| {
                let what = match program.supplier {
                    Supplier::Dealer => Correlation::Harmonic { wire, period_bits, fraction, multiple, less, sine },
                    Supplier::Pair => {
                        let fraction = fraction - less;
                        Correlation::HarmonicOfParts { wire, period_bits, fraction, multiple, sine }
                    }
                };
                let less = series::parts(program.supplier) * less;
                additive(harmonic(multiple, sine), ring.saturating_sub(less).max(1), len, what)
            };
            present.flat_map(|frequency| [false, true].map(|sine| item(frequency, sine))).collect()
        }
        Gate::BucketBits { source, buckets, .. } => {
            let low = program.value(*source).ring - buckets;
            vec![xor(1, 1 << buckets, Correlation::OneHot { wire: *source, low, width: *buckets })]
        }
        Gate::Exponential { bits, source, mask_fraction, public_fraction } => {
            let (wire, scale) = (*source, (*mask_fraction, *public_fraction));
            let of = exponential(program, (*bits, wire), scale);
            let padded = |position| Correlation::PadTimesExponent { bits: *bits, position, wire, of };
            let padded = (0..of.count).map(|i| additive(2 + u16::from(i), ring, len, padded(i)));
            [additive(1, ring, len, Correlation::Exponent { wire, of })].into_iter().chain(padded).collect()
        }
        Gate::BucketCounts { source, buckets, .. } => {
            let what = Correlation::InBucket { wire: *source, low: program.value(*source).ring - buckets };
            vec![additive(1, ring, entries(source) * ((1 << buckets) - 1), what)]
        }
        Gate::ZeroDigits { source, digits, .. } => {
            one_hots(*source, digits).map(|(n, w, what)| xor(n, w, what)).collect()
        }
        Gate::ZeroShare { bits } => {
            let product = |set: u16| additive(set, ring, len, Correlation::PadProduct { bits: *bits, set: set.into() });
            (1..1 << program.value(*bits).ring).map(product).collect()
        }
        Gate::Input { .. }
        | Gate::Open { .. }
        | Gate::Reveal { .. }
        | Gate::OpenSign { .. }
        | Gate::ServerShare { .. }
        | Gate::ClientShare { .. }
        | Gate::View { .. }
        | Gate::Rescale { .. }
        | Gate::Centre { .. }
        | Gate::Reduce { .. }
        | Gate::Add { .. }
        | Gate::Sub { .. }
        | Gate::Concat { .. }
        | Gate::Residue { .. }
        | Gate::SumRow { .. }
        | Gate::MulPublic { .. }
        | Gate::AddPublic { .. }
        | Gate::SubRow { .. }
        | Gate::AddServer { .. } => vec![],
    }
}

/// For every digit of a wire's mask, low to high, the number, the bits and the meaning of its one-hot.
fn one_hots(wire: ValueId, digits: &[u8]) -> impl Iterator<Item = (u16, u8, Correlation)> {
    let lows = digits.iter().scan(0, |low, width| Some(std::mem::replace(low, *low + width)));
    let what = move |low, width: &u8| Correlation::OneHot { wire, low, width: *width };
    (1..).zip(digits.iter().zip(lows)).map(move |(number, (width, low))| (number, 1 << width, what(low, width)))
}

fn last(shape: &Shape) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// `[.., m, k]` times a right operand that makes it `[.., m, n]`.
fn matrices(left: &Shape, out: &Shape) -> Pairing {
    let (m, k, n) = (left[left.len() - 2], left[left.len() - 1], out[out.len() - 1]);
    Pairing::Matrices { batch: out.iter().product::<usize>() / (m * n), m, k, n, shared_right: false }
}

/// The right wire has the shape of the left one, that of its last axes, or one entry a row.
fn by_entry(left: &Shape, right: &Shape) -> Pairing {
    let [len, other] = [left, right].map(|shape| shape.iter().product::<usize>());
    if left == right {
        Pairing::Entries { rows: 1, cols: len, right: Along::Both }
    } else if left.ends_with(right) {
        Pairing::Entries { rows: len / other, cols: other, right: Along::Columns }
    } else {
        Pairing::Entries { rows: other, cols: len / other, right: Along::Rows }
    }
}

/// One key an entry of the wire.
fn keys(program: &Program, wire: ValueId, bits: u8, payload: Payload) -> Item {
    let source = program.value(wire);
    let tree = ComparisonTree::smallest(source.ring, payload.words(), bits);
    let what = Correlation::Comparison { wire, tree, payload };
    Item { number: 2, what, len: source.shape.iter().product(), bits, sharing: Sharing::Keys, to: Owner::DataOwner }
}
