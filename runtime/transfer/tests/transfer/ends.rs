//! What the tests share: sessions, random words, batches carried from one end to the other.

use mpcc_kernels::{Prg, Seed};
use mpcc_transfer::{Entropy, Field, Function, Plan, Receiver, Request, Sender, SessionId, Shares, Side, begin};

/// The sender and receiver of one end.
pub(crate) type End = (Sender, Receiver);

/// Both ends of a session.
pub(crate) fn session(field: Field, entropy: u8) -> [End; 2] {
    let id = SessionId::from_bytes([entropy; 32]);
    let (a, from_a) = begin(id, Side::First, field, Entropy::from_bytes([entropy; 32]));
    let (b, from_b) = begin(id, Side::Second, field, Entropy::from_bytes([!entropy; 32]));
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).expect("points"), b.reply(&from_a).expect("points"));
    let ((a, to_b), (b, to_a)) = (a.correct(&to_a).expect("points"), b.correct(&to_b).expect("points"));
    [a.finish(&to_a).expect("sums"), b.finish(&to_b).expect("sums")]
}

/// A sender and the receiver of its direction.
pub(crate) fn direction(bits: u32, entropy: u8) -> (Sender, Receiver) {
    let [(sender, _), (_, receiver)] = session(Field::new(bits).expect("a field"), entropy);
    (sender, receiver)
}

/// Uniform words, the same in every run.
pub(crate) fn words(len: usize, seed: u64) -> Vec<u64> {
    let mut out = vec![0; len];
    Prg::new(&Seed::from_bytes([77; 16])).fill(seed, 0, &mut out);
    out
}

/// Words of an element of `width` bits.
pub(crate) fn lanes(width: u32) -> usize {
    if width > 64 { 2 } else { 1 }
}

/// Element `i` of a list of elements of `width` bits, reduced.
pub(crate) fn element(list: &[u64], width: u32, i: usize) -> u128 {
    let whole = if width > 64 { u128::from(list[2 * i + 1]) << 64 | u128::from(list[2 * i]) } else { list[i].into() };
    whole & u128::MAX >> (128 - width)
}

/// One batch: what each end has afterwards, and both messages.
pub(crate) struct Batch {
    pub(crate) sent: Shares,
    pub(crate) got: Shares,
    pub(crate) choices: Vec<u8>,
    pub(crate) strings: Vec<u8>,
}

/// Carries a plan from end to end.
pub(crate) fn batch(
    (sender, receiver): (&mut Sender, &mut Receiver),
    plan: &Plan,
    choices: &[&[u64]],
    inputs: &[&[&[u64]]],
) -> Batch {
    let (mut from_receiver, mut from_sender) = (Vec::new(), Vec::new());
    let waiting = receiver.choose(plan, choices, &mut from_receiver).expect("transfers are left");
    let sent = sender.answer(plan, &from_receiver, inputs, &mut from_sender).expect("choices of this plan");
    let got = waiting.finish(&from_sender).expect("strings of this plan");
    Batch { sent, got, choices: from_receiver, strings: from_sender }
}

/// Uniform inputs for every request of a plan: choices, and the sender's lists.
pub(crate) fn inputs(requests: &[Request], seed: u64) -> (Vec<Vec<u64>>, Vec<Vec<Vec<u64>>>) {
    let choices = requests.iter().enumerate().map(|(i, r)| words(r.count(), seed + 1000 * i as u64)).collect();
    let lists = |(i, r): (usize, &Request)| {
        let each = if r.inputs() == 0 { 1 } else { r.inputs() / r.widths().len() };
        let list = |s: usize| words(r.count() * lanes(r.widths()[s / each]), seed + 1000 * i as u64 + 1 + s as u64);
        (0..r.inputs()).map(list).collect()
    };
    (choices, requests.iter().enumerate().map(lists).collect())
}

/// The same as slices of slices.
pub(crate) fn slices(lists: &[Vec<Vec<u64>>]) -> Vec<Vec<&[u64]>> {
    lists.iter().map(|lists| lists.iter().map(Vec::as_slice).collect()).collect()
}

/// Carries a plan with uniform inputs and checks every result against its meaning, and both messages against the price.
pub(crate) fn check((sender, receiver): (&mut Sender, &mut Receiver), field: Field, requests: Vec<Request>, seed: u64) {
    let plan = Plan::new(requests).expect("a plan");
    let (choices, lists) = inputs(plan.requests(), seed);
    let choice_slices: Vec<&[u64]> = choices.iter().map(Vec::as_slice).collect();
    let list_slices = slices(&lists);
    let input_slices: Vec<&[&[u64]]> = list_slices.iter().map(Vec::as_slice).collect();
    let batch = batch((sender, receiver), &plan, &choice_slices, &input_slices);
    let price = plan.price(field);
    assert_eq!((batch.choices.len(), batch.strings.len()), (price.choices, price.strings), "{:?}", plan.requests());
    for (r, request) in plan.requests().iter().enumerate() {
        let low = u64::MAX >> (64 - request.bits());
        for (s, &width) in request.widths().iter().enumerate() {
            let (sent, got) = (batch.sent.words(r, s), batch.got.words(r, s));
            for (i, choice) in choices[r].iter().map(|choice| choice & low).enumerate() {
                let of_got = element(got, width, i);
                let expected = match request {
                    Request::Product { .. } => {
                        let product = u128::from(choice).wrapping_mul(element(&lists[r][s], width, i));
                        product.wrapping_sub(element(sent, width, i)) & u128::MAX >> (128 - width)
                    }
                    Request::Chosen { .. } => element(&lists[r][2 * s + choice as usize], width, i),
                    Request::Random { bits, .. } => element(sent, width, (i << bits) + choice as usize),
                    Request::Under { .. } => {
                        let word = element(&lists[r][s], width, i) & u128::MAX >> (128 - width);
                        element(sent, width, i) ^ if choice == 1 { word } else { 0 }
                    }
                    Request::Table { bits, function, .. } => {
                        let sum = (lists[r][0][i] & low) + choice;
                        let (carry, rest) = (sum >> bits, sum & low);
                        let value = match function {
                            Function::Carry => carry | u64::from(sum == low) << 1,
                            Function::Sum => 1 << rest | carry << (1 << bits),
                            Function::CarryOn => {
                                let (a, b) = (lists[r][0][i] & low, choice);
                                u64::from((a >> 1) + (b >> 1) + (a + b) % 2 >= 1 << (bits - 1))
                            }
                        };
                        element(sent, width, i) ^ u128::from(value)
                    }
                };
                assert_eq!(of_got, expected, "request {r}, {request:?}, string {s}, item {i}");
            }
        }
    }
}
