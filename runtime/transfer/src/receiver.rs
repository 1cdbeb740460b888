//! The receiver's end of the transfers of one direction: it hands in choices.

use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use crate::TransferError;
use crate::batch::{Message, opened, tag};
use crate::code::Code;
use crate::field::Field;
use crate::hash::{Hash, PIECE, Use};
use crate::plan::{Plan, Request, Run, TAG};
use crate::scratch::{Piece, Rows, get};
use crate::sender::{pieces, store};
use crate::shares::{End, Shares};
use crate::spans::Counter;
use crate::tree::{Block, xor};
use crate::vole::Whole;
use crate::word::{Word, lanes};

/// The receiver of one direction of a session.
pub struct Receiver {
    vole: Whole,
    field: Field,
    hash: Hash,
    direction: [u8; 32],
    counter: Counter,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver(..)")
    }
}

/// A plan whose choices were sent, waiting for the strings. It holds the choices and what is known of the results.
pub struct Waiting {
    plan: Plan,
    field: Field,
    expected: [u8; TAG],
    length: usize,
    /// Chunk by chunk, for every bit of its digits a list of those of the rows.
    choices: Zeroizing<Vec<u64>>,
    shares: Shares,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting(..)")
    }
}

impl Receiver {
    pub(crate) fn new(vole: Whole, field: Field, hash: Hash, direction: [u8; 32]) -> Receiver {
        Receiver { vole, field, hash, direction, counter: Counter::new() }
    }

    /// Transfers used up so far.
    pub fn used(&self) -> u64 {
        self.counter.next()
    }

    /// Begins a plan: appends the message of choices to `out`, nothing if the plan has no transfers.
    ///
    /// `choices` has a list for every request with a word for every item, of which the low [`Request::bits`] count: the bit, the digit, or
    /// the factor a of a product.
    ///
    /// # Errors
    /// [`TransferError::Exhausted`] if the session has too few transfers left; then nothing has changed.
    ///
    /// # Panics
    /// If `choices` do not fit the plan.
    pub fn choose(&mut self, plan: &Plan, choices: &[&[u64]], out: &mut Vec<u8>) -> Result<Waiting, TransferError> {
        assert_eq!(choices.len(), plan.requests().len(), "choices for every request");
        for (i, (request, list)) in plan.requests().iter().zip(choices).enumerate() {
            assert_eq!(list.len(), request.count(), "choices of request {i}");
        }
        let first = self.counter.next();
        let mut span = self.counter.take(plan.transfers(self.field))?;
        let price = plan.price(self.field);
        out.reserve(price.choices);
        if price.choices > 0 {
            out.extend(tag(Message::Choices, &self.direction, first, plan));
        }
        let mut shares = Shares::new(plan, End::Receiver);
        let chunks = plan.chunks(self.field);
        let mut bits = Zeroizing::new(vec![0; chunks.iter().map(|chunk| words(chunk.code, chunk.rows)).sum()]);
        let mut left = &mut bits[..];
        let (mut rows, mut piece) = (Rows::new(), Piece::new());
        let mut index = first;
        for chunk in chunks {
            let bits = left.split_off_mut(..words(chunk.code, chunk.rows)).expect("a list for every chunk");
            for run in &chunk.runs {
                spread(run, &plan.requests()[run.request], (self.field, chunk.rows), choices[run.request], bits);
            }
            self.vole.expand(chunk.code, span.cut(chunk.rows as u64), bits, rows.columns(), out);
            let rows = rows.turn(chunk.rows);
            for run in &chunk.runs {
                let request = &plan.requests()[run.request];
                let rows = &rows[run.first_row..][..run.items * request.rows(self.field).1];
                let mut call =
                    Call { hash: &self.hash, piece: &mut piece, run, rows, first: index + run.first_row as u64 };
                match request {
                    Request::Random { widths, .. } => call.pads(widths, &mut shares),
                    Request::Table { widths, .. } => call.pads(widths, &mut shares),
                    Request::Product { widths, .. }
                    | Request::Chosen { widths, .. }
                    | Request::Under { widths, .. } => call.strings(widths, &mut shares),
                }
            }
            index += chunk.rows as u64;
        }
        let expected = tag(Message::Strings, &self.direction, first, plan);
        Ok(Waiting { plan: plan.clone(), field: self.field, expected, length: price.strings, choices: bits, shares })
    }
}

/// Words of the choices of a chunk's rows.
fn words(code: Code, rows: usize) -> usize {
    code.bits() as usize * rows / 64
}

/// Sets the choice bits of a run's rows.
fn spread(run: &Run, request: &Request, (field, rows): (Field, usize), choices: &[u64], out: &mut [u64]) {
    let choices = &choices[run.first_item..][..run.items];
    let (code, digits) = request.rows(field);
    let each = code.bits() as usize;
    for bit in 0..(digits * each).min(request.bits() as usize) {
        let first = run.first_row + bit / each * run.items;
        let out = &mut out[bit % each * rows / 64..];
        for (row, choice) in (first..).zip(choices) {
            out[row / 64] |= (choice >> bit & 1) << (row % 64);
        }
    }
}

/// A run of a call, its rows and the number of the first.
struct Call<'c> {
    hash: &'c Hash,
    piece: &'c mut Piece,
    run: &'c Run,
    rows: &'c [Block],
    first: u64,
}

impl Call<'_> {
    /// Prepares the rows of a piece of one choice bit; returns the number of the first.
    fn prepare(&mut self, bit: usize, piece: &Range<usize>) -> u64 {
        let start = bit * self.run.items + piece.start;
        let prepared = &mut self.piece.rows[0][..piece.len()];
        prepared.copy_from_slice(&self.rows[start..][..piece.len()]);
        self.hash.prepare(prepared);
        self.first + start as u64
    }

    /// Adds the string of every row, times the power of two of its choice bit, to the share of its item.
    fn strings(&mut self, widths: &[u32], shares: &mut Shares) {
        for bit in 0..self.rows.len() / self.run.items {
            for piece in pieces(self.run.items) {
                let first = self.prepare(bit, &piece);
                for (s, &width) in widths.iter().enumerate().filter(|(_, width)| **width > bit as u32) {
                    let Piece { rows: [prepared, _], hashed: [hashed, _], .. } = &mut *self.piece;
                    self.hash.strings(&prepared[..piece.len()], first, Use::string(s), hashed);
                    let item = self.run.first_item + piece.start;
                    let share = shares.part((self.run.request, s), width, item, piece.len(), 1);
                    if width <= 64 {
                        add::<u64>(hashed, bit as u32, width, share);
                    } else {
                        add::<u128>(hashed, bit as u32, width, share);
                    }
                }
            }
        }
    }

    fn pads(&mut self, widths: &[u32], shares: &mut Shares) {
        for piece in pieces(self.run.items) {
            let len = piece.len();
            let mut sum = [[0; 2]; PIECE];
            let digits = self.rows.len() / self.run.items;
            if digits == 1 {
                sum[..len].copy_from_slice(&self.rows[piece.start..][..len]);
            }
            for digit in (0..digits).filter(|_| digits > 1) {
                let first = self.prepare(digit, &piece);
                let Piece { rows: [prepared, _], hashed: [hashed, _], .. } = &mut *self.piece;
                self.hash.strings(&prepared[..len], first, Use::DIGIT, hashed);
                sum[..len].iter_mut().zip(&*hashed).for_each(|(sum, &hashed)| *sum = xor(*sum, hashed));
            }
            self.hash.prepare(&mut sum[..len]);
            for (s, &width) in widths.iter().enumerate() {
                let [hashed, _] = &mut self.piece.hashed;
                self.hash.strings(&sum[..len], self.first + piece.start as u64, Use::pad(s), hashed);
                let item = self.run.first_item + piece.start;
                let pads = shares.part((self.run.request, s), width, item, len, 1);
                for (i, block) in hashed[..len].iter().enumerate() {
                    store(*block, width, pads, i);
                }
            }
            sum.zeroize();
        }
    }
}

fn add<W: Word>(hashed: &[Block; PIECE], bit: u32, width: u32, share: &mut [u64]) {
    for (i, block) in hashed[..share.len() / W::LANES].iter().enumerate() {
        (W::load(share, i).plus(W::of_block(*block) << bit) & W::low(width)).store(share, i);
    }
}

impl Waiting {
    /// Ends a plan with the sender's message, which is empty if the plan has no strings to send, and returns this end's shares,
    /// messages and pads.
    ///
    /// # Errors
    /// [`TransferError`] if the message is not the answer to this plan's choices.
    pub fn finish(mut self, message: &[u8]) -> Result<Shares, TransferError> {
        let mut sent = opened(Message::Strings, message, self.length, &self.expected)?;
        let mut piece = Piece::new();
        let Waiting { plan, field, choices, shares, .. } = &mut self;
        let mut left = &choices[..];
        for chunk in plan.chunks(*field) {
            let (bits, rest) = left.split_at(words(chunk.code, chunk.rows));
            left = rest;
            for run in &chunk.runs {
                let request = &plan.requests()[run.request];
                match request {
                    Request::Product { widths, .. } => {
                        product(run, request.rows(*field).1, widths, bits, &mut sent, &mut piece, shares);
                    }
                    Request::Chosen { widths, .. } => chosen(run, widths, bits, &mut sent, &mut piece, shares),
                    Request::Under { widths, .. } => under(run, widths, bits, &mut sent, &mut piece, shares),
                    Request::Table { bits: digit, widths: [width], .. } => {
                        let chosen = Chosen { bits, rows: chunk.rows, code: chunk.code };
                        table(run, (*digit, *width), &chosen, &mut sent, &mut piece, shares);
                    }
                    Request::Random { .. } => {}
                }
            }
        }
        Ok(std::mem::replace(&mut self.shares, Shares::none()))
    }
}

/// All ones if the row's choice is 1, else zero.
fn chosen_mask<W: Word>(bits: &[u64], row: usize) -> W {
    W::spread(bits[row / 64] >> (row % 64) & 1)
}

fn product(
    run: &Run,
    count: usize,
    widths: &[u32],
    bits: &[u64],
    sent: &mut &[u8],
    scratch: &mut Piece,
    shares: &mut Shares,
) {
    for bit in 0..count {
        for piece in pieces(run.items) {
            let row = run.first_row + bit * run.items + piece.start;
            let bit = bit as u32;
            for (s, &width) in widths.iter().enumerate().filter(|(_, width)| **width > bit) {
                let left = width - bit;
                let words = &mut scratch.words[0][..piece.len() * lanes(left)];
                get(sent, piece.len(), left, words);
                let share = shares.part((run.request, s), width, run.first_item + piece.start, piece.len(), 1);
                match (lanes(width), lanes(left)) {
                    (1, _) => take::<u64, u64>(words, bits, row, bit, width, share),
                    (_, 1) => take::<u128, u64>(words, bits, row, bit, width, share),
                    _ => take::<u128, u128>(words, bits, row, bit, width, share),
                }
            }
        }
    }
}

/// Adds what was sent, times the power of two of its bit, to the shares of the items whose choice is 1.
fn take<W, N>(words: &[u64], bits: &[u64], row: usize, bit: u32, width: u32, share: &mut [u64])
where
    W: Word + From<N>,
    N: Word,
{
    for i in 0..share.len() / W::LANES {
        let sent = W::from(N::load(words, i)) & chosen_mask(bits, row + i);
        (W::load(share, i).plus(sent << bit) & W::low(width)).store(share, i);
    }
}

fn chosen(run: &Run, widths: &[u32], bits: &[u64], sent: &mut &[u8], scratch: &mut Piece, shares: &mut Shares) {
    for piece in pieces(run.items) {
        let row = run.first_row + piece.start;
        for (s, &width) in widths.iter().enumerate() {
            let len = piece.len() * lanes(width);
            let [zeros, ones] = scratch.words.each_mut().map(|words| &mut words[..len]);
            get(sent, piece.len(), width, zeros);
            get(sent, piece.len(), width, ones);
            let share = shares.part((run.request, s), width, run.first_item + piece.start, piece.len(), 1);
            for (at, share) in share.iter_mut().enumerate() {
                let mask: u64 = chosen_mask(bits, row + at / lanes(width));
                *share ^= zeros[at] ^ (zeros[at] ^ ones[at]) & mask;
            }
        }
    }
}

fn under(run: &Run, widths: &[u32], bits: &[u64], sent: &mut &[u8], scratch: &mut Piece, shares: &mut Shares) {
    for piece in pieces(run.items) {
        let row = run.first_row + piece.start;
        for (s, &width) in widths.iter().enumerate() {
            let words = &mut scratch.words[0][..piece.len() * lanes(width)];
            get(sent, piece.len(), width, words);
            let share = shares.part((run.request, s), width, run.first_item + piece.start, piece.len(), 1);
            for (at, (share, word)) in share.iter_mut().zip(words).enumerate() {
                *share ^= *word & chosen_mask::<u64>(bits, row + at / lanes(width));
            }
        }
    }
}

/// The choices of a chunk.
struct Chosen<'c> {
    bits: &'c [u64],
    rows: usize,
    code: Code,
}

impl Chosen<'_> {
    /// The number of so many bits whose digits stand in rows at such a distance.
    fn number(&self, bits: u32, first: usize, distance: usize) -> u64 {
        let each = self.code.bits() as usize;
        (0..bits as usize).fold(0, |number, bit| {
            let (list, row) = (bit % each * (self.rows / 64), first + bit / each * distance);
            number | (self.bits[list + row / 64] >> (row % 64) & 1) << bit
        })
    }
}

/// Adds the entry of its number to every share; 0 has none.
fn table(
    run: &Run,
    (digit_bits, width): (u32, u32),
    chosen: &Chosen,
    sent: &mut &[u8],
    scratch: &mut Piece,
    shares: &mut Shares,
) {
    for piece in pieces(run.items) {
        let share = shares.part((run.request, 0), width, run.first_item + piece.start, piece.len(), 1);
        let [words, numbers] = scratch.words.each_mut().map(|words| &mut words[..piece.len()]);
        for (row, number) in (run.first_row + piece.start..).zip(&mut *numbers) {
            *number = chosen.number(digit_bits, row, run.items);
        }
        for entry in 1..1u64 << digit_bits {
            get(sent, piece.len(), width, words);
            for ((share, word), number) in share.iter_mut().zip(&*words).zip(&*numbers) {
                // All ones for the number that was chosen.
                let mask = ((number ^ entry).wrapping_sub(1) >> 63).wrapping_neg();
                *share ^= word & mask;
            }
        }
    }
}
