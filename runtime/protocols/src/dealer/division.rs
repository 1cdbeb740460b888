//! Where the dealer's work for an inference falls apart: stretches of instructions between which hardly any words pass,
//! since every opening has a mask of its own.
//!
//! A stretch ends where no buffer is alive but a few that live long, which are handed on.

use std::collections::HashMap;
use std::ops::Range;

use mpcc_kernels::pack::packed_len;
use mpcc_program::code::{Buf, Instr, RoleCode};
use mpcc_program::schedule::Schedule;

use crate::engine::OFFLINE;

/// What makes a stretch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A buffer that lives for more instructions than that is handed on.
    pub(crate) long: usize,
    /// So many instructions are worth a thread's attention,
    pub(crate) instructions: usize,
    /// or so many bytes dealt.
    pub(crate) bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { long: 256, instructions: 48, bytes: 256 << 10 }
    }
}

/// Instructions that one thread runs on its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Places in the list.
    pub(super) instrs: Range<usize>,
    /// `MapExecutor` id of the first map among them.
    pub(super) first_map: usize,
    /// Bytes of corrections for the model owner and for the data owner.
    pub(super) bytes: [usize; 2],
    /// Buffers that earlier segments hand on, with the segment.
    pub(super) needs: Vec<(Buf, usize)>,
    /// Buffers that are handed on.
    pub(super) gives: Vec<Buf>,
}

impl Segment {
    /// Bytes of corrections for both parties.
    pub(super) fn total(&self) -> usize {
        self.bytes.iter().sum()
    }
}

/// The offline list in segments, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    pub(super) segments: Vec<Segment>,
}

/// From where to where the words of a buffer are held.
#[derive(Clone, Copy)]
struct Life {
    first: usize,
    last_written: usize,
    end: usize,
}

impl Division {
    /// Divides the dealer's offline list.
    pub(super) fn new(code: &RoleCode, schedule: &Schedule, limits: Limits) -> Self {
        let Some(section) = schedule.sections.get(OFFLINE) else { return Division::default() };
        let list = &code.offline;
        let lives = lives(code, schedule);
        // Buffers alive across the place before each instruction.
        let mut change = vec![0i64; list.len() + 2];
        for life in lives.values() {
            let kept = if life.end - life.first > limits.long { life.last_written } else { life.end };
            change[life.first + 1] += 1;
            change[kept + 1] -= 1;
        }
        let mut segments = Vec::new();
        let mut open = Segment { first_map: section.first_map, ..Segment::default() };
        let (mut alive, mut maps) = (0, section.first_map);
        for (at, instr) in list.iter().enumerate() {
            maps += usize::from(matches!(instr, Instr::Map(_)));
            let dealt = dealt_bytes(code, instr);
            open.bytes = [open.bytes[0] + dealt[0], open.bytes[1] + dealt[1]];
            open.instrs.end = at + 1;
            alive += change[at + 1];
            let large = open.instrs.len() >= limits.instructions || open.bytes[1] >= limits.bytes;
            if at + 1 == list.len() || (alive == 0 && large) {
                let next = Segment { instrs: at + 1..at + 1, first_map: maps, ..Segment::default() };
                segments.push(std::mem::replace(&mut open, next));
            }
        }
        hand_on(list, &lives, &mut segments);
        Division { segments }
    }
}

/// Of every buffer that the list makes.
fn lives(code: &RoleCode, schedule: &Schedule) -> HashMap<Buf, Life> {
    let mut lives: HashMap<Buf, Life> = HashMap::new();
    let Some(section) = schedule.sections.get(OFFLINE) else { return lives };
    for (at, (instr, moment)) in code.offline.iter().zip(&section.moments).enumerate() {
        // What is drawn is made when the schedule says so.
        let written = if matches!(instr, Instr::Draw { .. }) { Default::default() } else { instr.writes() };
        for buf in written.into_iter().chain(moment.make.iter().copied()) {
            let life = lives.entry(buf).or_insert(Life { first: at, last_written: at, end: code.offline.len() });
            life.last_written = at;
        }
        for buf in &moment.free {
            if let Some(life) = lives.get_mut(buf) {
                life.end = at;
            }
        }
    }
    lives
}

/// Finds the buffers that cross from segment to segment.
fn hand_on(list: &[Instr], lives: &HashMap<Buf, Life>, segments: &mut [Segment]) {
    let starts: Vec<usize> = segments.iter().map(|segment| segment.instrs.start).collect();
    let of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    for at in 0..segments.len() {
        let mut needs: Vec<(Buf, usize)> = Vec::new();
        for buf in list[segments[at].instrs.clone()].iter().flat_map(Instr::reads) {
            let maker = lives.get(&buf).map(|life| of(life.first));
            if let Some(maker) = maker.filter(|maker| *maker < at)
                && !needs.contains(&(buf, maker))
            {
                needs.push((buf, maker));
            }
        }
        for (buf, maker) in &needs {
            if !segments[*maker].gives.contains(buf) {
                segments[*maker].gives.push(*buf);
            }
        }
        segments[at].needs = needs;
    }
}

/// Bytes that an instruction deals to the model owner and to the data owner.
fn dealt_bytes(code: &RoleCode, instr: &Instr) -> [usize; 2] {
    let packed = |src: Buf, bits: u8| packed_len(code.lengths[src.0 as usize], u32::from(bits));
    match instr {
        Instr::Deal { src, bits } => [0, packed(*src, *bits)],
        Instr::Broadcast { src, bits } => [packed(*src, *bits); 2],
        _ => [0, 0],
    }
}
