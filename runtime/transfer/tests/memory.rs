//! Large batches take the memory of their inputs, results and messages, and of one chunk.

use mpcc_transfer::{Entropy, Field, Plan, Receiver, Request, Sender, SessionId, Side, begin};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn direction(field: Field) -> (Sender, Receiver) {
    let id = SessionId::from_bytes([1; 32]);
    let (a, from_a) = begin(id, Side::First, field, Entropy::from_bytes([1; 32]));
    let (b, from_b) = begin(id, Side::Second, field, Entropy::from_bytes([2; 32]));
    let ((a, to_b), (b, to_a)) = (a.reply(&from_b).expect("points"), b.reply(&from_a).expect("points"));
    let ((a, to_b), (b, to_a)) = (a.correct(&to_a).expect("points"), b.correct(&to_b).expect("points"));
    (a.finish(&to_a).expect("sums").0, b.finish(&to_b).expect("sums").1)
}

/// Bytes that a call allocates at most beyond what was there, and its result.
fn peak<T>(call: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = call();
    (MEMORY.peak_usage() - before, result)
}

#[test]
fn a_million_transfers_take_the_memory_of_results_and_messages() {
    const COUNT: usize = 1 << 20;
    const CHUNK: usize = 1 << 20;
    let field = Field::new(8).expect("a field");
    let (mut sender, mut receiver) = direction(field);
    let plan = Plan::new(vec![Request::Product { count: COUNT, bits: 1, widths: vec![36] }]).expect("a plan");
    let (price, list) = (plan.price(field), vec![1; COUNT]);
    let (results, bits) = (8 * COUNT, COUNT / 8);
    let (mut choices, mut strings) = (Vec::new(), Vec::new());
    let (taken, waiting) = peak(|| receiver.choose(&plan, &[&list], &mut choices).expect("transfers are left"));
    assert!(taken <= results + bits + price.choices + CHUNK, "{taken} bytes to choose");
    let (taken, sent) = peak(|| sender.answer(&plan, &choices, &[&[&list]], &mut strings).expect("an answer"));
    assert!(taken <= results + price.strings + CHUNK, "{taken} bytes to answer");
    let (taken, got) = peak(|| waiting.finish(&strings).expect("strings"));
    assert!(taken <= CHUNK, "{taken} bytes to finish");
    assert!(sent.words(0, 0).iter().zip(got.words(0, 0)).all(|(sent, got)| (sent + got) & ((1 << 36) - 1) == 1));
}
