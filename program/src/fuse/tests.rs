use proptest::prelude::*;

use super::*;
use crate::code::{MapExecutor, OutputBuffer, Packed, Role, Step, maps};
use crate::gates::lower;
use crate::interpret::{Interpreter, check_map};
use crate::sample;
use crate::words::with_own;
use crate::work;

/// A map over 12 positions with one store.
fn map(shape: (usize, usize), ops: Vec<MapOp>, out: u32) -> Instr {
    let last = V(ops.len() as u32 - 1);
    Instr::Map(Map { lane: Lane::Word, rows: shape.0, cols: shape.1, ops, stores: vec![(Buf(out), last)] })
}

fn full(buf: u32) -> MapOp {
    MapOp::Load(Buf(buf), Access::Full)
}

fn sum(a: u32, b: u32, out: u32) -> Instr {
    map((1, 12), vec![full(a), full(b), MapOp::Add(V(0), V(1))], out)
}

/// Code with one list, whose last buffer is an output.
fn code(buffers: usize, local: Vec<Instr>) -> RoleCode {
    RoleCode {
        role: Role::DataOwner,
        lengths: vec![12; buffers],
        lanes: vec![Lane::Word; buffers],
        setup: Step::default(),
        setup_after: vec![],
        offline: vec![],
        steps: vec![Step { local, exchange: Exchange::default() }],
        outputs: vec![OutputBuffer { output: 0, buf: Buf(buffers as u32 - 1), bits: 64 }],
    }
}

fn fused_list(buffers: usize, local: Vec<Instr>) -> Vec<Instr> {
    let mut code = code(buffers, local);
    fuse(&mut code);
    code.steps.remove(0).local
}

#[test]
fn a_chain_becomes_one_map_and_stores_its_end() {
    let fused = fused_list(4, vec![sum(0, 1, 2), sum(2, 1, 3)]);
    let ops = vec![full(0), full(1), MapOp::Add(V(0), V(1)), MapOp::Add(V(2), V(1))];
    assert_eq!(fused, [map((1, 12), ops, 3)]);
}

#[test]
fn what_is_needed_in_between_stays_before() {
    let rows = |dst, src| Instr::SumRows { dst: Buf(dst), src: Buf(src), cols: 1 };
    // 3 needs 2 and is needed by the second map, which loads a buffer of the first.
    let list = vec![sum(0, 1, 2), rows(3, 2), sum(3, 1, 4)];
    assert_eq!(fused_list(5, list.clone()), list);
    // Here nothing in between needs 2, so the first map moves down.
    let list = vec![sum(0, 1, 2), rows(3, 0), sum(2, 3, 4)];
    let fused = fused_list(5, list);
    assert_eq!(fused.len(), 2);
    assert_eq!(fused[0], rows(3, 0));
    // And here the second map moves up.
    let list = vec![sum(0, 1, 2), rows(3, 2), sum(2, 1, 4), sum(3, 4, 5)];
    let fused = fused_list(6, list);
    assert_eq!(fused.len(), 3);
    assert_eq!(fused[0].writes(), [Buf(2), Buf(4)]);
}

#[test]
fn a_shape_that_says_more_is_kept() {
    let by_column = map((3, 4), vec![full(1), MapOp::Load(Buf(4), Access::Col), MapOp::Mul(V(0), V(1))], 3);
    let mut code = code(4, vec![sum(0, 2, 1), by_column]);
    code.lengths.push(4);
    code.lanes.push(Lane::Word);
    fuse(&mut code);
    let ops = vec![full(0), full(2), MapOp::Add(V(0), V(1)), MapOp::Load(Buf(4), Access::Col), MapOp::Mul(V(2), V(3))];
    assert_eq!(code.steps[0].local, [map((3, 4), ops, 3)]);
    // A row of what the first map stores is not the entry at the same position.
    let list =
        vec![sum(0, 1, 2), map((12, 12), vec![full(3), MapOp::Load(Buf(2), Access::Row), MapOp::Mul(V(0), V(1))], 4)];
    assert_eq!(fused_list(5, list.clone()), list);
}

/// Runs the maps of a list, and copies in between.
fn run(code: &RoleCode) -> Vec<Vec<u64>> {
    let word = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    let words = |b: usize| (0..12 * code.lanes[b].words()).map(|i| word(i + 31 * b)).collect();
    let mut buffers: Vec<Vec<u64>> = (0..code.lengths.len()).map(words).collect();
    for instr in &code.steps[0].local {
        match instr {
            Instr::Map(map) => {
                check_map(map, &code.lengths, &code.lanes).expect("a fused map fits its buffers");
                with_own(&mut buffers, |words| Interpreter.run(0, map, &code.lanes, words));
            }
            Instr::SumRows { dst, src, .. } => buffers[dst.0 as usize] = buffers[src.0 as usize].clone(),
            _ => unreachable!("the list has no other instruction"),
        }
    }
    buffers
}

/// Instructions, each of the buffers before its own: two operands, an operation, a shape, and whether it is sent.
type Choices = Vec<(u8, usize, usize, u8, bool)>;

const INPUTS: usize = 3;

fn random(choices: &Choices) -> RoleCode {
    let mut code = code(INPUTS + choices.len(), vec![]);
    for (i, &(kind, a, b, shape, sent)) in choices.iter().enumerate() {
        let own = INPUTS + i;
        let (a, b) = (Buf((a % own) as u32), Buf((b % own) as u32));
        let dst = Buf(own as u32);
        if sent {
            code.steps[0].exchange.send.push(Packed { buf: dst, bits: 64 });
        }
        let lane = if kind % 5 == 0 { Lane::Double } else { Lane::Word };
        if kind % 7 == 6 {
            code.lanes[own] = code.lanes[a.0 as usize];
            code.steps[0].local.push(Instr::SumRows { dst, src: a, cols: 1 });
            continue;
        }
        code.lanes[own] = if shape % 4 == 3 { Lane::Word } else { lane };
        let (rows, cols) = [(1, 12), (12, 1), (3, 4)][usize::from(shape) % 3];
        let ops = vec![
            MapOp::Load(a, Access::Full),
            if cols == 1 { MapOp::Load(b, Access::Row) } else { MapOp::Load(b, Access::Full) },
            MapOp::RowIndex,
            match kind % 4 {
                0 => MapOp::Add(V(0), V(1)),
                1 => MapOp::Mul(V(0), V(1)),
                2 => MapOp::LoadAt(b, V(0)),
                _ => MapOp::Xor(V(1), V(2)),
            },
            if kind % 3 == 0 { MapOp::Parity(V(3)) } else { MapOp::Sub(V(3), V(0)) },
        ];
        code.steps[0].local.push(Instr::Map(Map { lane, rows, cols, ops, stores: vec![(dst, V(4))] }));
    }
    code
}

proptest! {
    #[test]
    fn what_is_sent_and_handed_out_is_the_same(
        choices in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>(), any::<u8>(), any::<bool>()), 1..14)
    ) {
        let before = random(&choices);
        let mut after = before.clone();
        fuse(&mut after);
        let (expected, fused) = (run(&before), run(&after));
        let kept = |code: &RoleCode| -> Vec<Buf> {
            let sent = code.steps[0].exchange.send.iter().map(|part| part.buf);
            sent.chain(code.outputs.iter().map(|o| o.buf)).collect()
        };
        prop_assert_eq!(kept(&before).len(), kept(&after).len());
        for (a, b) in kept(&before).into_iter().zip(kept(&after)) {
            prop_assert_eq!(&expected[a.0 as usize], &fused[b.0 as usize]);
        }
    }
}

#[test]
fn lowered_code_is_fused_to_the_end() {
    for role in [Role::ModelOwner, Role::DataOwner, Role::Dealer] {
        let code = lower(&sample::program(), role);
        let mut again = code.clone();
        fuse(&mut again);
        let bytes = |code: &RoleCode| -> u64 {
            let lists = code.lists();
            let instrs = lists.iter().flat_map(|(instrs, _)| *instrs);
            instrs.map(|instr| work::instruction(code, instr).map_bytes()).sum()
        };
        assert!(bytes(&again) <= bytes(&code) && maps(&again).count() <= maps(&code).count(), "{role:?}");
    }
}
