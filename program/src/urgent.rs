//! Puts what the message of a step waits for before what it does not, which can then be computed while the message travels.

use crate::code::{Instr, RoleCode};

/// Reorders the instructions of every step that sends something; those that its message depends on keep their order, and
/// so do the others behind them.
pub fn urgent_first(code: &mut RoleCode) {
    for step in &mut code.steps {
        if step.exchange.send.is_empty() {
            continue;
        }
        let mut needed = vec![false; code.lengths.len()];
        step.exchange.send.iter().for_each(|part| needed[part.buf.0 as usize] = true);
        let mut urgent: Vec<bool> = step
            .local
            .iter()
            .rev()
            .map(|instr| {
                let urgent = instr.writes().iter().any(|buf| needed[buf.0 as usize]);
                if urgent {
                    instr.reads().iter().for_each(|buf| needed[buf.0 as usize] = true);
                }
                urgent
            })
            .collect();
        urgent.reverse();
        let (first, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut step.local).into_iter().zip(urgent).partition(|(_, urgent)| *urgent);
        step.local = first.into_iter().chain(rest).map(|(instr, _)| -> Instr { instr }).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Buf, Exchange, Lane, Packed, Role, Step};

    #[test]
    fn the_message_comes_first_and_nothing_is_read_before_it_is_written() {
        let sum = |dst: u32, src: u32| Instr::SumRows { dst: Buf(dst), src: Buf(src), cols: 1 };
        let local = vec![sum(1, 0), sum(2, 0), sum(3, 1), sum(4, 2), sum(5, 4)];
        let exchange = Exchange { send: vec![Packed { buf: Buf(4), bits: 8 }], receive: vec![] };
        let mut code = RoleCode {
            role: Role::ModelOwner,
            lengths: vec![4; 6],
            lanes: vec![Lane::Word; 6],
            setup: Step::default(),
            setup_after: vec![],
            offline: vec![],
            steps: vec![
                Step { local: local.clone(), exchange },
                Step { local: local.clone(), exchange: Exchange::default() },
            ],
            outputs: vec![],
        };
        urgent_first(&mut code);
        assert_eq!(code.steps[0].local, [sum(2, 0), sum(4, 2), sum(1, 0), sum(3, 1), sum(5, 4)]);
        assert_eq!(code.steps[1].local, local);
    }
}
