//! The sender's end of the transfers of one direction: it holds Δ and hands in strings.

use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use crate::TransferError;
use crate::batch::{Message, opened, tag};
use crate::code::Code;
use crate::hash::{Hash, PIECE, Use};
use crate::plan::{Function, Plan, Request, Run};
use crate::scratch::{Piece, Rows, put};
use crate::shares::{End, Shares};
use crate::spans::Counter;
use crate::tree::{Block, xor};
use crate::vole::Punctured;
use crate::word::{Word, lanes};

/// The sender of one direction of a session. Its Δ was drawn for it and never leaves it.
pub struct Sender {
    vole: Punctured,
    hash: Hash,
    direction: [u8; 32],
    /// `None` after a message was refused.
    counter: Option<Counter>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender(..)")
    }
}

/// What the runs of a call share.
struct Call<'c> {
    hash: &'c Hash,
    /// Of two choices.
    delta: Zeroizing<Block>,
    /// Of the digits of the code of a chunk.
    offsets: Zeroizing<Vec<Block>>,
    piece: Box<Piece>,
}

impl Sender {
    pub(crate) fn new(vole: Punctured, hash: Hash, direction: [u8; 32]) -> Sender {
        Sender { vole, hash, direction, counter: Some(Counter::new()) }
    }

    #[cfg(test)]
    pub(crate) fn delta(&self) -> &crate::delta::Delta {
        self.vole.delta()
    }

    /// Transfers used up so far; `None` after a message was refused.
    pub fn used(&self) -> Option<u64> {
        self.counter.as_ref().map(Counter::next)
    }

    /// Answers the receiver's message for a plan: appends the message of strings to `out`, nothing if the plan has none, and
    /// returns this end's shares and pads.
    ///
    /// `inputs` has [`Request::inputs`] lists for every request, an element for every item each: the factors b of a product, or
    /// the messages of choices 0 and 1, string by string. Bits above a width are ignored.
    ///
    /// # Errors
    /// [`TransferError`] if the message is not that of this plan at this place of the session, or the session has no
    /// transfers left; then `out` is as it was and the sender answers nothing more.
    ///
    /// # Panics
    /// If `inputs` do not fit the plan.
    pub fn answer(
        &mut self,
        plan: &Plan,
        message: &[u8],
        inputs: &[&[&[u64]]],
        out: &mut Vec<u8>,
    ) -> Result<Shares, TransferError> {
        check(plan, inputs);
        let mut counter = self.counter.take().ok_or(TransferError::Ended)?;
        let first = counter.next();
        let mut span = counter.take(plan.transfers(self.vole.field()))?;
        let price = plan.price(self.vole.field());
        let expected = tag(Message::Choices, &self.direction, first, plan);
        let mut sent = opened(Message::Choices, message, price.choices, &expected)?;
        out.reserve(price.strings);
        if price.strings > 0 {
            out.extend(tag(Message::Strings, &self.direction, first, plan));
        }
        let mut shares = Shares::new(plan, End::Sender);
        let mut rows = Rows::new();
        let field = self.vole.field();
        let offsets = self.vole.offsets(Code::BIT);
        let mut call = Call { hash: &self.hash, delta: Zeroizing::new(offsets[1]), offsets, piece: Piece::new() };
        let mut index = first;
        for chunk in plan.chunks(field) {
            let (front, rest) = sent.split_at(chunk.code.trees(field) * chunk.rows / 8);
            sent = rest;
            self.vole.expand(chunk.code, span.cut(chunk.rows as u64), front, rows.columns());
            if call.offsets.len() != 1 << chunk.code.bits() {
                call.offsets = self.vole.offsets(chunk.code);
            }
            let rows = rows.turn(chunk.rows);
            for run in &chunk.runs {
                let request = &plan.requests()[run.request];
                let rows = (&rows[run.first_row..][..run.items * request.rows(field).1], index + run.first_row as u64);
                let inputs = inputs[run.request];
                match request {
                    Request::Product { widths, .. } => call.product(run, rows, widths, inputs, &mut shares, out),
                    Request::Chosen { widths, .. } => call.chosen(run, rows, widths, inputs, out),
                    Request::Random { bits, widths, .. } => call.random(run, rows, *bits, widths, &mut shares),
                    Request::Under { widths, .. } => call.under(run, rows, widths, inputs, &mut shares, out),
                    Request::Table { bits, function, widths: [width], .. } => {
                        call.table(run, rows, (*bits, *function, *width), inputs[0], &mut shares, out);
                    }
                }
            }
            index += chunk.rows as u64;
        }
        self.counter = Some(counter);
        Ok(shares)
    }
}

/// Rows of a run, and the number of the first one.
type Numbered<'r> = (&'r [Block], u64);

fn check(plan: &Plan, inputs: &[&[&[u64]]]) {
    assert_eq!(inputs.len(), plan.requests().len(), "inputs for every request");
    for (i, (request, lists)) in plan.requests().iter().zip(inputs).enumerate() {
        assert_eq!(lists.len(), request.inputs(), "lists of request {i}");
        let each = if lists.is_empty() { 1 } else { lists.len() / request.widths().len() };
        for (s, list) in lists.iter().enumerate() {
            let words = request.count() * lanes(request.widths()[s / each]);
            assert_eq!(list.len(), words, "words of list {s} of request {i}");
        }
    }
}

/// The pieces of a run's items.
pub(crate) fn pieces(items: usize) -> impl Iterator<Item = Range<usize>> {
    (0..items).step_by(PIECE).map(move |start| start..items.min(start + PIECE))
}

impl Call<'_> {
    /// Prepares the rows of a piece of one choice bit, for both choices; returns the number of the first.
    fn prepare(&mut self, rows: Numbered, bit: usize, items: usize, piece: &Range<usize>) -> u64 {
        let start = bit * items + piece.start;
        let rows_here = &rows.0[start..][..piece.len()];
        let [zeros, ones] = self.piece.rows.each_mut().map(|rows| &mut rows[..piece.len()]);
        zeros.copy_from_slice(rows_here);
        ones.iter_mut().zip(rows_here).for_each(|(one, &row)| *one = xor(row, *self.delta));
        self.hash.prepare(zeros);
        self.hash.prepare(ones);
        rows.1 + start as u64
    }

    /// The strings of both choices for the rows that were prepared.
    fn strings(&mut self, len: usize, first: u64, name: Use) {
        let Piece { rows, hashed, .. } = &mut *self.piece;
        for (rows, hashed) in rows.iter().zip(hashed) {
            self.hash.strings(&rows[..len], first, name, hashed);
        }
    }

    fn product(
        &mut self,
        run: &Run,
        rows: Numbered,
        widths: &[u32],
        inputs: &[&[u64]],
        shares: &mut Shares,
        out: &mut Vec<u8>,
    ) {
        let bits = rows.0.len() / run.items;
        for bit in 0..bits {
            for piece in pieces(run.items) {
                let first = self.prepare(rows, bit, run.items, &piece);
                for (s, &width) in widths.iter().enumerate().filter(|(_, width)| **width > bit as u32) {
                    self.strings(piece.len(), first, Use::string(s));
                    let item = run.first_item + piece.start;
                    let factor = &inputs[s][item * lanes(width)..];
                    let share = shares.part((run.request, s), width, item, piece.len(), 1);
                    let [sent, _] = &mut self.piece.words;
                    let sent = &mut sent[..share.len()];
                    if width <= 64 {
                        correct::<u64>(&self.piece.hashed, factor, bit as u32, width, share, sent);
                    } else {
                        correct::<u128>(&self.piece.hashed, factor, bit as u32, width, share, sent);
                    }
                    // A string that is shifted by its bit keeps the lanes of the whole width only above 64 bits.
                    narrow(sent, width, width - bit as u32, out);
                }
            }
        }
    }

    fn chosen(&mut self, run: &Run, rows: Numbered, widths: &[u32], inputs: &[&[u64]], out: &mut Vec<u8>) {
        for piece in pieces(run.items) {
            let first = self.prepare(rows, 0, run.items, &piece);
            for (s, &width) in widths.iter().enumerate() {
                self.strings(piece.len(), first, Use::string(s));
                let from = (run.first_item + piece.start) * lanes(width);
                let words = piece.len() * lanes(width);
                let Piece { hashed, words: sent, .. } = &mut *self.piece;
                for (choice, (hashed, sent)) in hashed.iter().zip(sent).enumerate() {
                    let messages = &inputs[2 * s + choice][from..from + words];
                    let blocks = hashed.as_flattened().chunks_exact(2);
                    let masked = messages.chunks(lanes(width)).zip(blocks);
                    for ((message, block), sent) in masked.zip(sent.chunks_mut(lanes(width))) {
                        (0..message.len()).for_each(|lane| sent[lane] = message[lane] ^ block[lane]);
                    }
                    put(&sent[..words], width, out);
                }
            }
        }
    }

    fn random(&mut self, run: &Run, rows: Numbered, bits: u32, widths: &[u32], shares: &mut Shares) {
        for piece in pieces(run.items) {
            self.numbers(run, rows, bits, &piece, |call, digit, number| {
                let len = piece.len();
                for (s, &width) in widths.iter().enumerate() {
                    let Piece { rows: [prepared, _], hashed: [hashed, _], .. } = &mut *call.piece;
                    call.hash.strings(&prepared[..len], number, Use::pad(s), hashed);
                    let pads = shares.part((run.request, s), width, run.first_item + piece.start, len, 1 << bits);
                    for (i, block) in hashed[..len].iter().enumerate() {
                        store(*block, width, pads, (i << bits) + digit);
                    }
                }
            });
        }
    }

    /// Prepares, for every number of so many bits from 0 on, what its pads are strings of: rows of one digit, or else the sums of the
    /// strings of its digits' rows.
    fn numbers(
        &mut self,
        run: &Run,
        rows: Numbered,
        bits: u32,
        piece: &Range<usize>,
        mut each: impl FnMut(&mut Self, usize, u64),
    ) {
        let (len, digits, values) = (piece.len(), rows.0.len() / run.items, self.offsets.len());
        if digits > 1 {
            self.strings_of_digits(run, rows, piece);
        }
        let number = rows.1 + piece.start as u64;
        for value in 0..1usize << bits {
            let Piece { rows: [prepared, _], digits: strings, .. } = &mut *self.piece;
            let prepared = &mut prepared[..len];
            if digits == 1 {
                let offset = self.offsets[value];
                prepared.iter_mut().zip(&rows.0[piece.start..]).for_each(|(sum, &row)| *sum = xor(row, offset));
            } else {
                prepared.fill([0; 2]);
                let chosen = |digit: usize| digit * values + (value / values.pow(digit as u32)) % values;
                for digit in 0..digits {
                    let strings = &strings[chosen(digit)];
                    prepared.iter_mut().zip(strings).for_each(|(sum, &string)| *sum = xor(*sum, string));
                }
            }
            self.hash.prepare(prepared);
            each(self, value, number);
        }
    }

    /// The strings of every value of every digit of a piece's numbers.
    fn strings_of_digits(&mut self, run: &Run, rows: Numbered, piece: &Range<usize>) {
        let (len, values) = (piece.len(), self.offsets.len());
        let all = rows.0.len() / run.items * values;
        let Piece { rows: [prepared, _], digits: strings, .. } = &mut *self.piece;
        if strings.len() < all {
            // A list that grows leaves copies behind.
            strings.zeroize();
            strings.resize(all, [[0; 2]; PIECE]);
        }
        for (at, strings) in strings.iter_mut().enumerate().take(all) {
            let start = at / values * run.items + piece.start;
            let offset = self.offsets[at % values];
            let prepared = &mut prepared[..len];
            prepared.iter_mut().zip(&rows.0[start..]).for_each(|(sum, &row)| *sum = xor(row, offset));
            self.hash.prepare(prepared);
            self.hash.strings(prepared, rows.1 + start as u64, Use::DIGIT, strings);
        }
    }

    /// Words under bits: H(q) + b + H(q ⊕ Δ) travels, in exclusive ors, and H(q) stays.
    fn under(
        &mut self,
        run: &Run,
        rows: Numbered,
        widths: &[u32],
        inputs: &[&[u64]],
        shares: &mut Shares,
        out: &mut Vec<u8>,
    ) {
        for piece in pieces(run.items) {
            let first = self.prepare(rows, 0, run.items, &piece);
            for (s, &width) in widths.iter().enumerate() {
                self.strings(piece.len(), first, Use::string(s));
                let item = run.first_item + piece.start;
                let share = shares.part((run.request, s), width, item, piece.len(), 1);
                let words = &inputs[s][item * lanes(width)..][..share.len()];
                let Piece { hashed: [zeros, ones], words: [sent, _], .. } = &mut *self.piece;
                for (i, (zero, one)) in zeros.iter().zip(ones).enumerate().take(piece.len()) {
                    store(*zero, width, share, i);
                    store(xor(*zero, *one), width, sent, i);
                }
                let sent = &mut sent[..share.len()];
                sent.iter_mut().zip(words).for_each(|(sent, word)| *sent ^= word);
                put(sent, width, out);
            }
        }
    }

    /// Entries of a table under the pads of all digits but 0, whose pad with its entry is this end's share.
    fn table(
        &mut self,
        run: &Run,
        rows: Numbered,
        (bits, function, width): (u32, Function, u32),
        digits: &[u64],
        shares: &mut Shares,
        out: &mut Vec<u8>,
    ) {
        for piece in pieces(run.items) {
            let (item, len) = (run.first_item + piece.start, piece.len());
            let own = &digits[item..item + len];
            self.numbers(run, rows, bits, &piece, |call, digit, number| {
                let Piece { rows: [prepared, _], hashed: [hashed, _], words: [sent, _], .. } = &mut *call.piece;
                call.hash.strings(&prepared[..len], number, Use::pad(0), hashed);
                let share = shares.part((run.request, 0), width, item, len, 1);
                let own = own.iter().map(|digit| digit & ((1 << bits) - 1));
                for (i, (block, own)) in hashed[..len].iter().zip(own).enumerate() {
                    store(*block, width, sent, i);
                    sent[i] ^= function.of(bits, own, digit as u64);
                }
                if digit == 0 {
                    share.copy_from_slice(&sent[..len]);
                } else {
                    sent[..len].iter_mut().zip(&*share).for_each(|(sent, share)| *sent ^= share);
                    put(&sent[..len], width, out);
                }
            });
        }
    }
}

/// Stores the low `width` bits of a block.
pub(crate) fn store(block: Block, width: u32, words: &mut [u64], at: usize) {
    if width <= 64 {
        (u64::of_block(block) & u64::low(width)).store(words, at);
    } else {
        (u128::of_block(block) & u128::low(width)).store(words, at);
    }
}

/// For every item: takes H(q)·2^bit from its share and makes H(q) + b − H(q ⊕ Δ), of which `width` − `bit` bits travel.
fn correct<W: Word>(
    hashed: &[crate::scratch::Blocks; 2],
    factor: &[u64],
    bit: u32,
    width: u32,
    share: &mut [u64],
    sent: &mut [u64],
) {
    let mask = W::low(width);
    let [zeros, ones] = hashed;
    for (i, (&zero, &one)) in zeros.iter().zip(ones).enumerate().take(share.len() / W::LANES) {
        let [zero, one] = [zero, one].map(W::of_block);
        (W::load(share, i).minus(zero << bit) & mask).store(share, i);
        zero.plus(W::load(factor, i)).minus(one).store(sent, i);
    }
}

/// Packs the low `left` bits of elements that are held as those of `width` bits are.
fn narrow(sent: &mut [u64], width: u32, left: u32, out: &mut Vec<u8>) {
    if lanes(width) == lanes(left) {
        return put(sent, left, out);
    }
    let elements = sent.len() / 2;
    (0..elements).for_each(|i| sent[i] = sent[2 * i]);
    put(&sent[..elements], left, out);
}
