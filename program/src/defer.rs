//! Moves offline work that would only be stored to where its result is first read.
//!
//! What follows from drawn and dealt values by maps, sums and copies alone takes more memory than what it follows
//! from, which can be made at any time. Such an instruction stands right before its first reader instead; products
//! stay offline, and so does all that they need.

use crate::code::{Buf, Instr, RoleCode};

/// A step and a position in it.
type Place = (usize, usize);

/// Defers what can be deferred. A role without steps is left as it is.
pub fn defer(code: &mut RoleCode) {
    let blocked = blocked(code);
    let mut offline = vec![false; code.lengths.len()];
    let mut first: Vec<Option<Place>> = vec![None; code.lengths.len()];
    for (s, step) in code.steps.iter().enumerate() {
        for (position, instr) in step.local.iter().enumerate() {
            instr.reads().into_iter().for_each(|buf| read_at(&mut first, buf, (s, position)));
        }
        let end = step.local.len();
        step.exchange.send.iter().for_each(|part| read_at(&mut first, part.buf, (s, end)));
    }
    let mut kept = Vec::with_capacity(code.offline.len());
    let mut moved: Vec<Vec<(usize, Instr)>> = vec![Vec::new(); code.steps.len()];
    for instr in std::mem::take(&mut code.offline).into_iter().rev() {
        let writes = instr.writes();
        let free = is_cheap(&instr) && writes.iter().all(|b| !blocked[b.0 as usize] && !offline[b.0 as usize]);
        let target = writes.iter().filter_map(|b| first[b.0 as usize]).min().filter(|_| free);
        for buf in instr.reads() {
            match target {
                Some(place) => read_at(&mut first, buf, place),
                None => offline[buf.0 as usize] = true,
            }
        }
        match target {
            Some((step, position)) => moved[step].push((position, instr)),
            None => kept.push(instr),
        }
    }
    kept.reverse();
    code.offline = kept;
    for (step, mut moved) in code.steps.iter_mut().zip(moved) {
        moved.reverse();
        moved.sort_by_key(|(position, _)| *position);
        step.local = merge(std::mem::take(&mut step.local), moved);
    }
}

fn read_at(first: &mut [Option<Place>], buf: Buf, place: Place) {
    let slot = &mut first[buf.0 as usize];
    *slot = Some(slot.map_or(place, |known| known.min(place)));
}

fn is_cheap(instr: &Instr) -> bool {
    matches!(instr, Instr::Map(_) | Instr::Zero { .. } | Instr::Copy(_) | Instr::SumRows { .. })
}

/// By buffer: whether it follows from something that must be computed offline.
fn blocked(code: &RoleCode) -> Vec<bool> {
    let mut blocked = vec![false; code.lengths.len()];
    for instr in &code.offline {
        if matches!(instr, Instr::Draw { .. } | Instr::Receive { .. }) {
            continue;
        }
        if !is_cheap(instr) || instr.reads().iter().any(|b| blocked[b.0 as usize]) {
            instr.writes().iter().for_each(|b| blocked[b.0 as usize] = true);
        }
    }
    blocked
}

/// Instructions before those at their positions.
fn merge(list: Vec<Instr>, moved: Vec<(usize, Instr)>) -> Vec<Instr> {
    let mut out = Vec::with_capacity(list.len() + moved.len());
    let mut moved = moved.into_iter().peekable();
    for (at, instr) in list.into_iter().map(Some).chain([None]).enumerate() {
        while let Some((_, before)) = moved.next_if(|(position, _)| *position <= at) {
            out.push(before);
        }
        out.extend(instr);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Access, Exchange, Lane, Map, MapOp, Owner, Packed, Role, Stage, Step, V};

    fn draw(dst: u32) -> Instr {
        let stream = u64::from(dst);
        Instr::Draw { dst: Buf(dst), seed: Owner::ModelOwner, stage: Stage::Inference, stream, bits: 8 }
    }

    fn sum(dst: u32, src: u32) -> Instr {
        Instr::SumRows { dst: Buf(dst), src: Buf(src), cols: 1 }
    }

    fn map(dst: u32, src: u32) -> Instr {
        let ops = vec![MapOp::Load(Buf(src), Access::Full)];
        Instr::Map(Map { lane: Lane::Word, rows: 1, cols: 4, ops, stores: vec![(Buf(dst), V(0))] })
    }

    #[test]
    fn what_is_only_stored_moves_before_its_first_reader() {
        let product = |dst: u32, src: u32| Instr::MatMul {
            dst: Buf(dst),
            left: Buf(src),
            right: Buf(src),
            batch: 1,
            m: 2,
            k: 2,
            n: 2,
            shared_right: true,
            bits: 64,
        };
        let mut code = RoleCode {
            role: Role::ModelOwner,
            lengths: vec![4; 9],
            lanes: vec![Lane::Word; 9],
            setup: Step::default(),
            setup_after: vec![],
            // 2 follows from 0 by 1 and is read online; 4 is a product and 5 follows from it; 6 is read offline too.
            offline: vec![draw(0), map(1, 0), map(2, 1), draw(3), map(6, 3), product(4, 6), map(5, 4)],
            steps: vec![
                Step {
                    local: vec![],
                    exchange: Exchange { send: vec![Packed { buf: Buf(5), bits: 8 }], receive: vec![] },
                },
                Step { local: vec![sum(7, 6), sum(8, 2)], exchange: Exchange::default() },
            ],
            outputs: vec![],
        };
        defer(&mut code);
        assert_eq!(code.offline, [draw(0), draw(3), map(6, 3), product(4, 6), map(5, 4)]);
        assert_eq!(code.steps[0].local, []);
        assert_eq!(code.steps[1].local, [sum(7, 6), map(1, 0), map(2, 1), sum(8, 2)]);
    }
}
