//! How much memory a role uses for the first time at each instruction of its first inference.
//!
//! A runtime that keeps the memory of buffers by length and hands it out again, as the engine does, takes new pages only
//! while more buffers of a length are alive than ever before. Later inferences take none.

use std::collections::HashMap;

use crate::code::{Buf, Exchange, Instr, RoleCode};

/// Words used for the first time in a list of instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// By instruction.
    pub instructions: Vec<u64>,
    /// By what the exchange after them receives.
    pub exchange: u64,
}

/// Buffers of one length.
#[derive(Clone, Copy, Default)]
struct Pool {
    alive: u64,
    most: u64,
}

struct Memory<'a> {
    code: &'a RoleCode,
    pools: HashMap<usize, Pool>,
    alive: Vec<bool>,
    /// Buffers that are touched last at each moment; moments count instructions and exchanges.
    last_at: Vec<Vec<Buf>>,
    moment: usize,
}

/// For each list of a role's code, in the order setup, after setup, offline, steps.
pub fn fresh_words(code: &RoleCode) -> Vec<Fresh> {
    let lists = code.lists();
    let mut memory = Memory {
        code,
        pools: HashMap::new(),
        alive: vec![false; code.lengths.len()],
        last_at: last_touches(code, &lists),
        moment: 0,
    };
    let list = |(instrs, exchange): (&[Instr], &Exchange)| Fresh {
        instructions: instrs.iter().map(|instr| memory.touch(&instr.writes())).collect(),
        exchange: memory.touch(&exchange.receive.iter().map(|part| part.buf).collect::<Vec<_>>()),
    };
    lists.into_iter().map(list).collect()
}

/// Buffers by the moment of their last use; what the setup leaves for the inferences has none.
fn last_touches(code: &RoleCode, lists: &[(&[Instr], &Exchange)]) -> Vec<Vec<Buf>> {
    let mut last = vec![0usize; code.lengths.len()];
    let mut from_setup = vec![false; code.lengths.len()];
    let mut moment = 0;
    for (index, (instrs, exchange)) in lists.iter().enumerate() {
        let in_setup = index < 2;
        let mut touch = |buf: Buf, written: bool, moment: usize| {
            let at = buf.0 as usize;
            from_setup[at] |= in_setup && written;
            last[at] = if from_setup[at] && !in_setup { usize::MAX } else { moment };
        };
        for instr in *instrs {
            instr.reads().into_iter().for_each(|buf| touch(buf, false, moment));
            instr.writes().into_iter().for_each(|buf| touch(buf, true, moment));
            moment += 1;
        }
        exchange.send.iter().for_each(|part| touch(part.buf, false, moment));
        exchange.receive.iter().for_each(|part| touch(part.buf, true, moment));
        moment += 1;
    }
    let mut last_at = vec![Vec::new(); moment];
    for (buf, moment) in (0..).zip(last) {
        if let Some(dying) = last_at.get_mut(moment) {
            dying.push(Buf(buf));
        }
    }
    last_at
}

impl Memory<'_> {
    /// Words taken by the buffers that are written at the next moment, after which the dying ones are released.
    fn touch(&mut self, written: &[Buf]) -> u64 {
        let mut fresh = 0;
        for buf in written {
            let at = buf.0 as usize;
            if std::mem::replace(&mut self.alive[at], true) {
                continue;
            }
            let length = self.code.words(*buf);
            let pool = self.pools.entry(length).or_default();
            pool.alive += 1;
            if pool.alive > pool.most {
                pool.most = pool.alive;
                fresh += length as u64;
            }
        }
        for buf in &self.last_at[self.moment] {
            let at = buf.0 as usize;
            if std::mem::take(&mut self.alive[at])
                && let Some(pool) = self.pools.get_mut(&self.code.words(*buf))
            {
                pool.alive -= 1;
            }
        }
        self.moment += 1;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Role, SeedOwner, Stage, Step};

    #[test]
    fn released_memory_is_used_again() {
        let draw = |dst: u32| Instr::Draw {
            dst: Buf(dst),
            seed: SeedOwner::ModelOwner,
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
        let fresh: Vec<Vec<u64>> = fresh_words(&code).into_iter().map(|f| f.instructions).collect();
        // Buffer 1 ends when buffer 3 is made of it, so that buffer 4 gets its memory.
        assert_eq!(fresh, [vec![4], vec![], vec![4, 4, 4], vec![0, 7, 0, 0]]);
    }
}
