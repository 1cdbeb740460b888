//! When every buffer of a role's code is read for the last time, and the number of the first map of each section.

use mpcc_program::code::{Buf, Instr, RoleCode};

/// One list of instructions and, for the setup and for steps, the exchange after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// `MapExecutor` id of the first map in the list.
    pub first_map: usize,
    /// Buffers to free after each instruction.
    pub free_after: Vec<Vec<Buf>>,
    /// Buffers to free after the message has been taken from its buffers, and after the peer's has arrived.
    pub free_after_exchange: Vec<Buf>,
}

/// Sections of a role's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// `setup.local` and the exchange of the setup.
    pub setup: Section,
    /// `setup_after`.
    pub setup_after: Section,
    /// `offline`.
    pub offline: Section,
    /// `steps`.
    pub steps: Vec<Section>,
    /// Buffers written in the setup and read in an inference.
    pub persistent: Vec<Buf>,
}

/// Where a buffer was touched last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    Never,
    Instr { section: usize, position: usize },
    Exchange { section: usize },
    Kept,
}

/// Computes the schedule of verified code.
pub(crate) fn schedule(code: &RoleCode) -> Schedule {
    let lists = code.lists();

    let mut from_setup = vec![false; code.lengths.len()];
    let mut last = vec![Touch::Never; code.lengths.len()];
    let mut sections = Vec::with_capacity(lists.len());
    let mut next_map = 0;
    for (s, (instrs, exchange)) in lists.iter().enumerate() {
        let in_setup = s < 2;
        let touch = |buf: Buf, written: bool, now: Touch, last: &mut Vec<Touch>, from_setup: &mut Vec<bool>| {
            let b = buf.0 as usize;
            from_setup[b] |= in_setup && written;
            last[b] = if from_setup[b] && !in_setup { Touch::Kept } else { now };
        };
        sections.push(Section {
            first_map: next_map,
            free_after: vec![Vec::new(); instrs.len()],
            free_after_exchange: Vec::new(),
        });
        for (position, instr) in instrs.iter().enumerate() {
            next_map += usize::from(matches!(instr, Instr::Map(_)));
            let now = Touch::Instr { section: s, position };
            for buf in instr.reads() {
                touch(buf, false, now, &mut last, &mut from_setup);
            }
            for buf in instr.writes() {
                touch(buf, true, now, &mut last, &mut from_setup);
            }
        }
        for (part, written) in
            exchange.send.iter().map(|p| (p, false)).chain(exchange.receive.iter().map(|p| (p, true)))
        {
            touch(part.buf, written, Touch::Exchange { section: s }, &mut last, &mut from_setup);
        }
    }
    for output in &code.outputs {
        last[output.buf.0 as usize] = Touch::Kept;
    }

    let mut persistent = Vec::new();
    for (b, touch) in last.iter().enumerate() {
        let buf = Buf(b as u32);
        match *touch {
            Touch::Never => {}
            Touch::Instr { section, position } => sections[section].free_after[position].push(buf),
            Touch::Exchange { section } => sections[section].free_after_exchange.push(buf),
            Touch::Kept if from_setup[b] => persistent.push(buf),
            Touch::Kept => {}
        }
    }
    let steps = sections.split_off(3);
    let mut rest = sections.into_iter();
    Schedule {
        setup: rest.next().unwrap_or_default(),
        setup_after: rest.next().unwrap_or_default(),
        offline: rest.next().unwrap_or_default(),
        steps,
        persistent,
    }
}
