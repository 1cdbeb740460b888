//! When a role's buffers hold words: for every instruction, what is made before it and what is released after it.
//!
//! What is drawn from a seed or dealt can be made at any time, from its stream or from the bits that travelled. A small
//! program makes it at once and keeps it. A large one makes it before the step that reads it and releases it where it is not
//! read again soon, so that nothing stands in memory as words between the offline phase and its use. The runtime
//! executes this schedule, and the estimates of time and memory follow the same one.

use crate::code::{Buf, Exchange, Instr, Owner, Packed, RoleCode, Stage};

/// Words that are drawn and dealt for one inference up to which a program counts as small: half a GiB.
pub const SMALL_WORDS: usize = 1 << 26;

/// Lists that belong to the setup.
const SETUP_LISTS: usize = 2;
/// The list of offline instructions.
const OFFLINE: usize = 2;

/// What a buffer can be made from at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A stream of a seed that the role holds.
    Drawn {
        /// Whose seed.
        seed: Owner,
        /// Which of the owner's seeds.
        stage: Stage,
        /// Stream number.
        stream: u64,
        /// Width of an entry.
        bits: u8,
    },
    /// The bits that arrived, in a correction or in the peer's message of the setup.
    Arrived {
        /// Width of an entry.
        bits: u8,
    },
}

/// What happens around an instruction, or around the exchange at the end of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Before it: buffers whose words are made from their origin. A correction that is made by its own instruction is
    /// never kept as bits.
    pub make: Vec<Buf>,
    /// Before that: how many more parts of the peer's message of the exchange before the list are taken. A part is
    /// taken where it, or one behind it, is read first, and at the end of the list at the latest.
    pub take: usize,
    /// After the instruction, before the exchange: how many more parts of the list's message are packed.
    pub pack: usize,
    /// After it: buffers whose words are released.
    pub free: Vec<Buf>,
    /// After it: buffers whose arrived bits are released.
    pub forget: Vec<Buf>,
}

/// One list of instructions and the exchange after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `MapExecutor` id of the first map in the list.
    pub first_map: usize,
    /// Before the first instruction of a step, best while the message before it travels: buffers whose words are made
    /// from their origin.
    pub prepare: Vec<Buf>,
    /// One for each instruction.
    pub moments: Vec<Moment>,
    /// Around the exchange, which every list has, if only an empty one.
    pub exchange: Moment,
}

/// The schedule of a role's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Whether what is drawn and dealt is made when it is read, instead of at once.
    pub late: bool,
    /// By buffer.
    pub origins: Vec<Option<Origin>>,
    /// In the order of [`RoleCode::lists`]: setup, after setup, offline, steps.
    pub sections: Vec<Section>,
    /// Buffers of the setup whose words or bits serve the inferences.
    pub persistent: Vec<Buf>,
}

/// Place of an instruction, or of the exchange, which counts as one more instruction.
type At = (usize, usize);

/// Where a buffer is touched.
#[derive(Clone, Default)]
struct Uses {
    written: Option<At>,
    last_written: At,
    reads: Vec<At>,
    output: bool,
}

/// Whether a program's drawn and dealt words are too many to be kept at once.
pub fn is_large(code: &RoleCode) -> bool {
    let words =
        origins(code, true).into_iter().zip(0u32..).filter(|(o, _)| o.is_some()).map(|(_, b)| code.words(Buf(b)));
    words.sum::<usize>() > SMALL_WORDS
}

/// What every buffer can be made from. A `late` one counts the peer's message of the setup.
fn origins(code: &RoleCode, late: bool) -> Vec<Option<Origin>> {
    let mut origins = vec![None; code.lengths.len()];
    for instr in code.lists().into_iter().flat_map(|(instrs, _)| instrs) {
        let (dst, origin) = match *instr {
            Instr::Draw { dst, seed, stage, stream, bits } => (dst, Origin::Drawn { seed, stage, stream, bits }),
            Instr::Receive { dst, bits } => (dst, Origin::Arrived { bits }),
            _ => continue,
        };
        origins[dst.0 as usize] = Some(origin);
    }
    if late {
        for Packed { buf, bits } in &code.setup.exchange.receive {
            origins[buf.0 as usize] = Some(Origin::Arrived { bits: *bits });
        }
    }
    origins
}

impl Schedule {
    /// The schedule of code that passes the verifier, late if the program is large.
    pub fn new(code: &RoleCode) -> Self {
        Self::with(code, is_large(code))
    }

    /// As [`Schedule::new`], late or not whatever the size.
    pub fn with(code: &RoleCode, late: bool) -> Self {
        let lists = code.lists();
        let origins = origins(code, late);
        let mut sections = empty(&lists);
        let uses = uses(code, &lists, &mut sections);
        takes(&lists, &uses, &mut sections);
        let mut persistent = Vec::new();
        for ((buf, uses), origin) in (0..).map(Buf).zip(&uses).zip(&origins) {
            let Some(written) = uses.written else { continue };
            let serves = written.0 < SETUP_LISTS && uses.reads.iter().any(|at| at.0 >= SETUP_LISTS);
            if serves {
                persistent.push(buf);
            }
            let last = uses.reads.last().copied().unwrap_or(uses.last_written).max(uses.last_written);
            match origin {
                Some(origin) if late && !uses.output => {
                    make_late(buf, *origin, uses, serves, &mut sections);
                }
                _ => {
                    if origin.is_some() {
                        moment(&mut sections, written).make.push(buf);
                    }
                    if !serves && !uses.output {
                        moment(&mut sections, last).free.push(buf);
                    }
                }
            }
        }
        Schedule { late, origins, sections, persistent }
    }
}

/// Sections in which nothing happens yet.
fn empty(lists: &[(&[Instr], &Exchange)]) -> Vec<Section> {
    let mut first_map = 0;
    let section = |(instrs, _): &(&[Instr], &Exchange)| {
        let maps = instrs.iter().filter(|i| matches!(i, Instr::Map(_))).count();
        first_map += maps;
        Section {
            first_map: first_map - maps,
            prepare: Vec::new(),
            moments: vec![Moment::default(); instrs.len()],
            exchange: Moment::default(),
        }
    };
    lists.iter().map(section).collect()
}

fn moment(sections: &mut [Section], (list, position): At) -> &mut Moment {
    let section = &mut sections[list];
    section.moments.get_mut(position).unwrap_or(&mut section.exchange)
}

/// Uses of every buffer in order. A part of a message is packed, in order, once it and all before it are written.
fn uses(code: &RoleCode, lists: &[(&[Instr], &Exchange)], sections: &mut [Section]) -> Vec<Uses> {
    let mut uses = vec![Uses::default(); code.lengths.len()];
    for (list, (instrs, exchange)) in lists.iter().enumerate() {
        for (position, instr) in instrs.iter().enumerate() {
            for buf in instr.reads() {
                uses[buf.0 as usize].reads.push((list, position));
            }
            for buf in instr.writes() {
                write(&mut uses[buf.0 as usize], (list, position));
            }
        }
        let mut packed = 0;
        for part in &exchange.send {
            let written = uses[part.buf.0 as usize].last_written;
            packed = if written.0 == list { packed.max(written.1) } else { packed };
            let at = (list, if instrs.is_empty() { 0 } else { packed });
            let of = &mut uses[part.buf.0 as usize];
            let place = of.reads.partition_point(|read| *read <= at);
            of.reads.insert(place, at);
            moment(sections, at).pack += 1;
        }
        for part in &exchange.receive {
            write(&mut uses[part.buf.0 as usize], (list, instrs.len()));
        }
    }
    for output in &code.outputs {
        uses[output.buf.0 as usize].output = true;
    }
    uses
}

/// Where the parts of every exchange of an inference are taken.
fn takes(lists: &[(&[Instr], &Exchange)], uses: &[Uses], sections: &mut [Section]) {
    for (list, (instrs, _)) in lists.iter().enumerate().skip(OFFLINE + 2) {
        let mut taken = (list, instrs.len());
        for part in lists[list - 1].1.receive.iter().rev() {
            let reads = &uses[part.buf.0 as usize].reads;
            let first = reads.iter().find(|read| read.0 >= list).filter(|read| read.0 == list);
            taken = first.copied().unwrap_or(taken).min(taken);
            moment(sections, taken).take += 1;
        }
    }
}

fn write(uses: &mut Uses, at: At) {
    uses.written.get_or_insert(at);
    uses.last_written = at;
}

/// Makes a buffer where it is read, in a step before all that reads, and keeps its words while it is read again in the same list or in the next step.
fn make_late(buf: Buf, origin: Origin, uses: &Uses, serves: bool, sections: &mut [Section]) {
    let soon = |a: At, b: At| a.0 == b.0 || (a.0 > OFFLINE && b.0 == a.0 + 1);
    for run in uses.reads.chunk_by(|a, b| soon(*a, *b)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        match first.0 {
            list if list > OFFLINE => sections[list].prepare.push(buf),
            _ => moment(sections, *first).make.push(buf),
        }
        moment(sections, *last).free.push(buf);
    }
    if serves || !matches!(origin, Origin::Arrived { .. }) {
        return;
    }
    // The words may be read again after the bits were used for the last time.
    let last_made = uses.reads.chunk_by(|a, b| soon(*a, *b)).last().and_then(|run| run.first().copied());
    if let Some(at) = last_made.or(uses.written) {
        moment(sections, at).forget.push(buf);
    }
}
