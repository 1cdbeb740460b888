//! How much memory a role uses, by the schedule that the runtime executes.
//!
//! A runtime that keeps the memory of buffers by length and hands it out again, as the engine does, takes new pages only
//! while more buffers of a length are alive than ever before. Later inferences take none. What the steps after the input
//! need is taken before, so that nobody waits for pages then.

use hashbrown::HashMap;

use crate::code::{Buf, Exchange, Instr, Packed, RoleCode, Source};
use crate::schedule::{Moment, Origin, Schedule};

/// Bytes of a word.
const WORD: u64 = 8;

/// Position of the offline list.
const OFFLINE: usize = 2;

/// What every role's process holds: of an optimised build, 15 to 17 MB with a network of a few numbers.
const PROCESS_BYTES: u64 = 16 << 20;

/// What an instruction takes, with its text of machine code if it is a map.
const INSTRUCTION_BYTES: u64 = 3 << 10;

/// Bytes of corrections of one inference of a large program that a party keeps in memory; it stores the others elsewhere.
pub const CORRECTIONS_IN_MEMORY: u64 = 256 << 20;

/// Words used for the first time in a list of instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// By instruction.
    pub instructions: Vec<u64>,
    /// By what the exchange after them receives.
    pub exchange: u64,
}

/// What a role's first inference takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// For each list of the code, in the order of [`RoleCode::lists`]; the offline list takes what the steps need.
    pub fresh: Vec<Fresh>,
    /// By length in words, how many buffers are to be spare before the first step.
    pub reserve: Vec<(usize, usize)>,
    /// The most memory that the role's process holds at a time, in bytes, but for what waits in queues of slow links.
    pub peak_bytes: u64,
    /// What an inference holds between its offline phase and its first step, beside what the setup left, in bytes: its
    /// material and its encoded inputs.
    pub material_bytes: u64,
}

/// Pieces of memory of one length.
#[derive(Clone, Copy, Default)]
struct Pool {
    alive: u64,
    held: u64,
}

/// Pieces of memory by length, in units of `unit` bytes.
struct Pools {
    pools: HashMap<usize, Pool>,
    unit: u64,
    held_bytes: u64,
}

impl Pools {
    fn new(unit: u64) -> Self {
        Self { pools: HashMap::new(), unit, held_bytes: 0 }
    }

    /// Bytes that taking a piece uses for the first time.
    fn take(&mut self, length: usize) -> u64 {
        let pool = self.pools.entry(length).or_default();
        pool.alive += 1;
        if pool.alive <= pool.held {
            return 0;
        }
        pool.held = pool.alive;
        let bytes = length as u64 * self.unit;
        self.held_bytes += bytes;
        bytes
    }

    fn release(&mut self, length: usize) {
        if let Some(pool) = self.pools.get_mut(&length) {
            pool.alive = pool.alive.saturating_sub(1);
        }
    }

    /// Pieces held, by length.
    fn held(&self) -> HashMap<usize, usize> {
        self.pools.iter().map(|(length, pool)| (*length, pool.held as usize)).collect()
    }

    fn alive_bytes(&self) -> u64 {
        self.pools.iter().map(|(length, pool)| pool.alive * *length as u64 * self.unit).sum()
    }

    /// Gives back what nobody uses.
    fn trim(&mut self) {
        for (length, pool) in &mut self.pools {
            self.held_bytes -= (pool.held - pool.alive) * *length as u64 * self.unit;
            pool.held = pool.alive;
        }
    }
}

struct Memory<'a> {
    code: &'a RoleCode,
    schedule: &'a Schedule,
    words: Pools,
    bits: Pools,
    /// Whether a buffer's words, or its arrived bits, are held.
    has_words: Vec<bool>,
    has_bits: Vec<bool>,
    /// The setup's message from the peer, which stays as it is while words are made from it.
    setup_message: u64,
    /// Bytes of corrections kept in memory so far.
    corrections: u64,
    /// Bytes of the inference's encoded inputs, which stay until it ends.
    inputs: u64,
    peak_bytes: u64,
}

/// What a role takes that executes its code by this schedule.
pub fn footprint(code: &RoleCode, schedule: &Schedule) -> Footprint {
    let count = code.lengths.len();
    let mut memory = Memory {
        code,
        schedule,
        words: Pools::new(WORD),
        bits: Pools::new(1),
        has_words: vec![false; count],
        has_bits: vec![false; count],
        setup_message: 0,
        corrections: 0,
        inputs: 0,
        peak_bytes: 0,
    };
    let lists = code.lists();
    let mut fresh: Vec<Fresh> = (0..OFFLINE).map(|list| memory.list(list, lists[list])).collect();
    let left = memory.alive_bytes();
    fresh.push(memory.list(OFFLINE, lists[OFFLINE]));
    memory.inputs = input_bytes(code);
    // Numbers are there before they are encoded, as long as what is made of them.
    memory.peak(memory.inputs);
    let material_bytes = memory.alive_bytes().saturating_sub(left) + memory.inputs;
    let before = memory.words.held();
    for (list, contents) in lists.iter().enumerate().skip(OFFLINE + 1) {
        memory.list(list, *contents);
        fresh.push(Fresh { instructions: vec![0; contents.0.len()], exchange: 0 });
    }
    let mut reserve: Vec<(usize, usize)> = memory.words.held().into_iter().collect();
    reserve.iter_mut().for_each(|(length, count)| *count -= before.get(length).copied().unwrap_or(0));
    reserve.retain(|(_, count)| *count > 0);
    reserve.sort_unstable();
    fresh[OFFLINE].exchange = reserve.iter().map(|(length, count)| (length * count) as u64).sum();
    let instructions: usize = lists.iter().map(|(instrs, _)| instrs.len()).sum();
    let process = PROCESS_BYTES + instructions as u64 * INSTRUCTION_BYTES;
    Footprint { fresh, reserve, peak_bytes: memory.peak_bytes + process, material_bytes }
}

/// Bytes of an inference's encoded inputs, as the data owner's session hands them in.
fn input_bytes(code: &RoleCode) -> u64 {
    let inputs = code.steps.iter().flat_map(|step| &step.local).chain(&code.offline).filter_map(|instr| match instr {
        Instr::Load { dst, source: Source::Input(index) } => Some((*index, code.lengths[dst.0 as usize] as u64 * WORD)),
        _ => None,
    });
    // One that is loaded twice is handed in once.
    inputs.collect::<HashMap<u32, u64>>().values().sum()
}

/// Bytes of entries of a buffer, packed.
pub(crate) fn packed_bytes(code: &RoleCode, buf: Buf, bits: u8) -> u64 {
    (code.lengths[buf.0 as usize] as u64 * u64::from(bits)).div_ceil(8)
}

impl Memory<'_> {
    fn list(&mut self, list: usize, (instrs, exchange): (&[Instr], &Exchange)) -> Fresh {
        let section = &self.schedule.sections[list];
        let mut parts = exchange.send.as_slice();
        let mut message = 0;
        let mut instructions = Vec::with_capacity(instrs.len());
        self.make(&section.prepare);
        for (instr, moment) in instrs.iter().zip(&section.moments) {
            let mut fresh = self.make(&moment.make);
            if let Instr::Receive { dst, bits } = instr
                && moment.make.is_empty()
            {
                fresh += self.arrive(*dst, packed_bytes(self.code, *dst, *bits));
            }
            if !matches!(instr, Instr::Draw { .. } | Instr::Receive { .. }) {
                fresh += self.make(&instr.writes());
            }
            message += self.pack(&mut parts, moment);
            self.peak(message);
            self.release(moment);
            instructions.push(fresh.div_ceil(WORD));
        }
        self.make(&section.exchange.make);
        message += self.pack(&mut parts, &section.exchange);
        let receive = |part: &Packed| packed_bytes(self.code, part.buf, part.bits);
        let incoming: u64 = exchange.receive.iter().map(receive).sum();
        let mut fresh = 0;
        if list == 0 && self.schedule.late {
            self.setup_message = incoming;
            self.peak(message);
        } else {
            fresh = self.make(&exchange.receive.iter().map(|part| part.buf).collect::<Vec<_>>());
            self.peak(message + incoming);
        }
        self.release(&section.exchange);
        if list == 1 || list == OFFLINE && self.schedule.late {
            self.words.trim();
            self.bits.trim();
        }
        Fresh { instructions, exchange: fresh.div_ceil(WORD) }
    }

    /// Bytes that these buffers' words use for the first time.
    fn make(&mut self, buffers: &[Buf]) -> u64 {
        let mut fresh = 0;
        for buf in buffers {
            if !std::mem::replace(&mut self.has_words[buf.0 as usize], true) {
                fresh += self.words.take(self.code.words(*buf));
            }
        }
        fresh
    }

    fn arrive(&mut self, buf: Buf, bytes: u64) -> u64 {
        if self.schedule.late && self.corrections + bytes > CORRECTIONS_IN_MEMORY {
            return 0;
        }
        self.corrections += bytes;
        self.has_bits[buf.0 as usize] = true;
        self.bits.take(bytes as usize)
    }

    fn pack(&self, parts: &mut &[Packed], moment: &Moment) -> u64 {
        let (now, later) = parts.split_at(moment.pack.min(parts.len()));
        *parts = later;
        now.iter().map(|part| packed_bytes(self.code, part.buf, part.bits)).sum()
    }

    fn release(&mut self, moment: &Moment) {
        for buf in &moment.free {
            if std::mem::take(&mut self.has_words[buf.0 as usize]) {
                self.words.release(self.code.words(*buf));
            }
        }
        for buf in &moment.forget {
            if let Some(Origin::Arrived { bits }) = self.schedule.origins[buf.0 as usize]
                && std::mem::take(&mut self.has_bits[buf.0 as usize])
            {
                self.bits.release(packed_bytes(self.code, *buf, bits) as usize);
            }
        }
    }

    /// Bytes of the words and bits that are alive.
    fn alive_bytes(&self) -> u64 {
        self.words.alive_bytes() + self.bits.alive_bytes()
    }

    /// Takes note of what is held now, with the messages of an exchange.
    fn peak(&mut self, messages: u64) {
        let held = self.words.held_bytes + self.bits.held_bytes + self.setup_message + self.inputs + messages;
        self.peak_bytes = self.peak_bytes.max(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Owner, Role, Stage, Step};

    #[test]
    fn released_memory_is_used_again() {
        let draw = |dst: u32| Instr::Draw {
            dst: Buf(dst),
            seed: Owner::ModelOwner,
            stage: Stage::Inference,
            stream: u64::from(dst),
            bits: 8,
        };
        let sum = |dst: u32, src: u32| Instr::SumRows { dst: Buf(dst), src: Buf(src), cols: 1 };
        let code = RoleCode {
            role: Role::ModelOwner,
            // The first serves the whole session; the others are as long as each other.
            lengths: vec![4, 4, 4, 4, 4, 7],
            lanes: vec![Default::default(); 6],
            setup: Step { local: vec![draw(0)], exchange: Exchange::default() },
            setup_after: vec![],
            offline: vec![draw(1), draw(2), sum(3, 1)],
            steps: vec![Step { local: vec![sum(4, 3), draw(5), sum(5, 2), sum(5, 0)], exchange: Exchange::default() }],
            outputs: vec![],
        };
        let footprint = footprint(&code, &Schedule::new(&code));
        let fresh: Vec<Vec<u64>> = footprint.fresh.iter().map(|f| f.instructions.clone()).collect();
        // Buffer 1 ends when buffer 3 is made of it, so that buffer 4 gets its memory.
        assert_eq!(fresh, [vec![4], vec![], vec![4, 4, 4], vec![0, 0, 0, 0]]);
        assert_eq!((footprint.reserve, footprint.fresh[2].exchange), (vec![(7, 1)], 7));
    }

    #[test]
    fn inputs_are_there_as_numbers_and_encoded() {
        let load = |dst: u32, index: u32| Instr::Load { dst: Buf(dst), source: Source::Input(index) };
        let draw = Instr::Draw { dst: Buf(0), seed: Owner::DataOwner, stage: Stage::Inference, stream: 0, bits: 8 };
        let sum = Instr::SumRows { dst: Buf(3), src: Buf(0), cols: 1 };
        let with = |inputs: Vec<Instr>| {
            let local = [inputs, vec![sum.clone()]].concat();
            let code = RoleCode {
                role: Role::DataOwner,
                lengths: vec![10, 1000, 500, 10],
                lanes: vec![Default::default(); 4],
                setup: Step { local: vec![], exchange: Exchange::default() },
                setup_after: vec![],
                offline: vec![draw.clone()],
                steps: vec![Step { local, exchange: Exchange::default() }],
                outputs: vec![],
            };
            footprint(&code, &Schedule::new(&code))
        };
        let (none, both) = (with(vec![]), with(vec![load(1, 0), load(2, 1), load(2, 1)]));
        assert_eq!(both.material_bytes - none.material_bytes, 1500 * WORD);
        // Before the first step twice; in it once, beside the words that they are loaded into.
        let loads = 3 * INSTRUCTION_BYTES;
        let more = both.peak_bytes - none.peak_bytes - loads;
        assert!((2 * 1500 * WORD..=2 * 1500 * WORD + 100).contains(&more), "{more}");
    }
}
