//! What the two ends ask for together, where each transfer lies, and what travels for it.
//!
//! Rows come in chunks, all of one code. A run is the part of a request in one chunk: whole items, the rows of the first digit of all of
//! them first. Both ends walk the same runs, so a plan says what every byte of a message is.

use std::sync::Arc;

use mpcc_kernels::pack::packed_len;

use crate::code::Code;
use crate::field::Field;
use crate::session::{PLAN, derived};
use crate::vole::STEP;
use crate::word::lanes;
use crate::{PlanError, Price};

/// Rows that an end holds at a time.
pub(crate) const CHUNK: usize = 8192;

/// Bytes at the front of a message that name session, direction, batch and plan.
pub(crate) const TAG: usize = 16;

/// Most rows and words of a plan.
const MOST: u64 = 1 << 32;

/// Most strings under a choice.
const MOST_STRINGS: usize = 64;

/// Most choice bits of an item of a [`Request::Random`].
const MOST_DIGIT: u32 = 12;

/// Most choice bits of an item of a [`Request::Table`]: every entry but one travels.
const MOST_TABLE: u32 = 5;

/// A public function of two digits of n bits, a of the sender and b of the receiver, whose values a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Bit 0: a + b is 2^n at least. Bit 1: it is 2^n − 1.
    Carry,
    /// Bit i below 2^n: a + b is i modulo 2^n. Bit 2^n: it is 2^n at least.
    Sum,
    /// The lowest bits of a and b are exclusive-or shares of what is carried in: whether this and what is above them add up to
    /// 2^(n − 1) at least.
    CarryOn,
}

impl Function {
    /// Bits of its values, of digits of `bits` bits.
    pub fn width(self, bits: u32) -> u32 {
        match self {
            Function::Carry => 2,
            Function::Sum => (1 << bits) + 1,
            Function::CarryOn => 1,
        }
    }

    /// The value at a and b below 2^`bits`, in constant time.
    pub(crate) fn of(self, bits: u32, a: u64, b: u64) -> u64 {
        let sum = a + b;
        let (carry, rest) = (sum >> bits, sum & ((1 << bits) - 1));
        match self {
            Function::Carry => carry | ((sum + 1) >> bits & !carry & 1) << 1,
            Function::Sum => 1 << rest | carry << (1 << bits),
            Function::CarryOn => ((a >> 1) + (b >> 1) + ((a ^ b) & 1)) >> (bits - 1),
        }
    }
}

/// Transfers of one kind. An item has one choice of `bits` bits, known to the receiver, and strings of the given widths (1 to
/// 128 bits) under it. Elements of more than 64 bits take two words, low word first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The receiver has a below 2^`bits` and the sender, for every string, b in the ring of its width K; they get shares of
    /// a·b mod 2^K. With one bit this is the correlated transfer.
    Product {
        /// Number of items.
        count: usize,
        /// Bits of a, 1 to 64.
        bits: u32,
        /// Rings of the strings.
        widths: Vec<u32>,
    },
    /// The sender has two messages for every string; the receiver gets the one that its bit names.
    Chosen {
        /// Number of items.
        count: usize,
        /// Bits of the messages.
        widths: Vec<u32>,
    },
    /// The sender gets 2^`bits` random pads for every string, the receiver the one that its digit names. Nothing travels from
    /// the sender.
    Random {
        /// Number of items.
        count: usize,
        /// Bits of a digit, 1 to 12.
        bits: u32,
        /// Bits of the pads.
        widths: Vec<u32>,
    },
    /// Exclusive-or shares of the sender's word where the receiver's bit is 1, and of 0 where it is 0.
    Under {
        /// Number of items.
        count: usize,
        /// Bits of the words.
        widths: Vec<u32>,
    },
    /// Exclusive-or shares of a function of two digits.
    Table {
        /// Number of items.
        count: usize,
        /// Bits of a digit, 1 to 5.
        bits: u32,
        /// Of the digits.
        function: Function,
        /// Bits of its values, the only ones.
        widths: [u32; 1],
    },
}

impl Request {
    /// Shares of a function of so many pairs of digits.
    pub fn table(count: usize, bits: u32, function: Function) -> Request {
        Request::Table { count, bits, function, widths: [function.width(bits.min(MOST_TABLE))] }
    }

    /// Number of items.
    pub fn count(&self) -> usize {
        match *self {
            Request::Product { count, .. }
            | Request::Chosen { count, .. }
            | Request::Random { count, .. }
            | Request::Under { count, .. }
            | Request::Table { count, .. } => count,
        }
    }

    /// Choice bits of an item.
    pub fn bits(&self) -> u32 {
        match *self {
            Request::Product { bits, .. } | Request::Random { bits, .. } | Request::Table { bits, .. } => bits,
            Request::Chosen { .. } | Request::Under { .. } => 1,
        }
    }

    /// The code of an item's rows, and how many there are: for a number that somebody's strings are pads of, those of its digits, and
    /// otherwise one for every choice bit that makes a difference. A factor's bits above the widest ring make none.
    pub(crate) fn rows(&self, field: Field) -> (Code, usize) {
        match self {
            Request::Random { bits, .. } | Request::Table { bits, .. } => Code::of(field, *bits),
            _ => (Code::BIT, self.bits().min(self.widths().iter().max().copied().unwrap_or(0)) as usize),
        }
    }

    /// Bits of each string.
    pub fn widths(&self) -> &[u32] {
        match self {
            Request::Product { widths, .. }
            | Request::Chosen { widths, .. }
            | Request::Random { widths, .. }
            | Request::Under { widths, .. } => widths,
            Request::Table { widths, .. } => widths,
        }
    }

    /// Lists that the sender hands in: one for every string of a product or of words under a bit, two for every string of a choice
    /// between messages, and its digits for a table.
    pub fn inputs(&self) -> usize {
        match self {
            Request::Product { widths, .. } | Request::Under { widths, .. } => widths.len(),
            Request::Table { .. } => 1,
            Request::Chosen { widths, .. } => 2 * widths.len(),
            Request::Random { .. } => 0,
        }
    }

    fn check(&self, request: usize) -> Result<(), PlanError> {
        let most = match self {
            Request::Random { .. } => MOST_DIGIT,
            Request::Table { .. } => MOST_TABLE,
            _ => 64,
        };
        let (bits, strings) = (self.bits(), self.widths().len());
        if bits == 0 || bits > most {
            return Err(PlanError::Bits { request, bits, most });
        }
        if strings == 0 || strings > MOST_STRINGS {
            return Err(PlanError::Strings { request, strings, most: MOST_STRINGS });
        }
        match self.widths().iter().find(|width| !(1..=128).contains(*width)) {
            Some(&width) => Err(PlanError::Width { request, width }),
            None => Ok(()),
        }
    }

    /// Choice bits, and the most words of an end's results.
    fn size(&self) -> Option<(u64, u64)> {
        let count = self.count() as u64;
        let pads = if matches!(self, Request::Random { .. }) { 1 << self.bits() } else { 1 };
        let lanes: u64 = self.widths().iter().map(|&width| lanes(width) as u64).sum();
        Some((count.checked_mul(self.bits().into())?, count.checked_mul(pads)?.checked_mul(lanes)?))
    }

    /// Bytes of the sender's message for a run of so many items.
    fn strings(&self, items: usize) -> usize {
        let packed = |width: u32| packed_len(items, width);
        match self {
            Request::Product { bits, widths, .. } => {
                let left =
                    |&width: &u32| (0..*bits).filter_map(move |bit| width.checked_sub(bit)).filter(|&left| left > 0);
                widths.iter().flat_map(left).map(packed).sum()
            }
            Request::Chosen { widths, .. } => widths.iter().map(|&width| 2 * packed(width)).sum(),
            Request::Under { widths, .. } => widths.iter().map(|&width| packed(width)).sum(),
            Request::Table { bits, widths: [width], .. } => ((1 << bits) - 1) * packed(*width),
            Request::Random { .. } => 0,
        }
    }

    fn bytes(&self, out: &mut Vec<u8>) {
        let kind = match self {
            Request::Product { .. } => 0,
            Request::Chosen { .. } => 1,
            Request::Random { .. } => 2,
            Request::Under { .. } => 3,
            Request::Table { function: Function::Carry, .. } => 4,
            Request::Table { function: Function::Sum, .. } => 5,
            Request::Table { function: Function::CarryOn, .. } => 6,
        };
        out.extend([kind, self.bits() as u8, self.widths().len() as u8]);
        out.extend((self.count() as u64).to_le_bytes());
        out.extend(self.widths().iter().map(|&width| width as u8));
    }
}

/// The part of a request whose rows lie in one chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) request: usize,
    pub(crate) first_item: usize,
    pub(crate) items: usize,
    /// In the chunk. Row `first_row + digit * items + i` is that of a digit of the run's item i, [`Request::rows`] of them.
    pub(crate) first_row: usize,
}

/// Rows that are made together.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) code: Code,
    /// A multiple of [`STEP`]; rows behind the last run serve nobody.
    pub(crate) rows: usize,
    pub(crate) runs: Vec<Run>,
}

/// A list of requests, public and equal at both ends. It clones cheaply.
#[derive(Clone, Debug)]
pub struct Plan(Arc<Layout>);

#[derive(Debug)]
struct Layout {
    requests: Vec<Request>,
    /// Over fields where digits are words of a code, and over others.
    laid: [Laid; 2],
    digest: [u8; 32],
}

/// Where rows lie.
#[derive(Debug)]
struct Laid {
    chunks: Vec<Chunk>,
    rows: u64,
    strings: usize,
}

impl Laid {
    fn new(requests: &[Request], field: Field) -> Laid {
        let chunks: Vec<Chunk> = Code::all(field).flat_map(|code| chunks(requests, code, field)).collect();
        let rows = chunks.iter().map(|chunk| chunk.rows as u64).sum();
        let runs = chunks.iter().flat_map(|chunk| &chunk.runs);
        let strings = runs.map(|run| requests[run.request].strings(run.items)).sum();
        Laid { chunks, rows, strings }
    }
}

impl Plan {
    /// Lays the requests out, in their order but for codes.
    ///
    /// # Errors
    /// [`PlanError`] naming the first request that breaks a rule.
    pub fn new(requests: Vec<Request>) -> Result<Plan, PlanError> {
        let mut sizes = (0u64, 0u64);
        let mut bytes = Vec::new();
        for (i, request) in requests.iter().enumerate() {
            request.check(i)?;
            let sum = |(rows, words)| Some((sizes.0.checked_add(rows)?, sizes.1.checked_add(words)?));
            let fits = request.size().and_then(sum).filter(|&(rows, words)| rows <= MOST && words <= MOST);
            sizes = fits.ok_or(PlanError::Large { request: i, most: MOST })?;
            request.bytes(&mut bytes);
        }
        let laid = [Field::CODED, Field::ALL[0]].map(|field| Laid::new(&requests, field));
        Ok(Plan(Arc::new(Layout { requests, laid, digest: derived(PLAN, &[&bytes]) })))
    }

    /// The requests.
    pub fn requests(&self) -> &[Request] {
        &self.0.requests
    }

    fn laid(&self, field: Field) -> &Laid {
        &self.0.laid[usize::from(!field.is_coded())]
    }

    /// Transfers that the plan uses up, those between requests included.
    pub fn transfers(&self, field: Field) -> u64 {
        self.laid(field).rows
    }

    /// Bytes of both messages.
    pub fn price(&self, field: Field) -> Price {
        let tag = |bytes: usize| if bytes == 0 { 0 } else { TAG + bytes };
        let Laid { chunks, strings, .. } = self.laid(field);
        let choices = chunks.iter().map(|chunk| chunk.code.trees(field) * chunk.rows / 8).sum();
        Price { choices: tag(choices), strings: tag(*strings) }
    }

    pub(crate) fn chunks(&self, field: Field) -> &[Chunk] {
        &self.laid(field).chunks
    }

    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }
}

/// The chunks of the requests of a code.
fn chunks(requests: &[Request], code: Code, field: Field) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let (mut runs, mut row) = (Vec::new(), 0);
    for (i, request) in requests.iter().enumerate() {
        let (own, rows) = request.rows(field);
        if own != code {
            continue;
        }
        let mut item = 0;
        while item < request.count() {
            let items = ((CHUNK - row) / rows).min(request.count() - item);
            if items == 0 {
                chunks.push(Chunk { code, rows: CHUNK, runs: std::mem::take(&mut runs) });
                row = 0;
                continue;
            }
            runs.push(Run { request: i, first_item: item, items, first_row: row });
            row += items * rows;
            item += items;
        }
    }
    if row > 0 {
        chunks.push(Chunk { code, rows: row.next_multiple_of(STEP), runs });
    }
    chunks
}

#[cfg(test)]
mod tests;
