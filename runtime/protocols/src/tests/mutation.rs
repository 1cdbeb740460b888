//! Damaged code: what the verifier lets through runs without a panic; and messages mean one thing or nothing.

use std::sync::Arc;

use mpcc_program::code::{Buf, Exchange, Instr, MapOp, RoleCode, V};
use mpcc_program::interpret::Interpreter;
use proptest::prelude::*;

use super::tiny::{self, Tiny};
use crate::error::Moment;
use crate::local_run::{InsecureInputs, RoleInProcess, Trio, run_insecurely_in_one_process};
use crate::verify::CheckedCode;
use crate::{ProtocolError, message};

const T: Tiny = Tiny { k: 3, n: 2, bits: 19 };

/// One change somewhere in the code, chosen by `at`.
fn damage(code: &mut RoleCode, at: usize, value: usize) {
    let mut lists: Vec<&mut Vec<Instr>> = vec![&mut code.setup.local, &mut code.setup_after, &mut code.offline];
    let mut exchanges: Vec<&mut Exchange> = vec![&mut code.setup.exchange];
    for step in &mut code.steps {
        lists.push(&mut step.local);
        exchanges.push(&mut step.exchange);
    }
    match at % 4 {
        0 => {
            let i = at / 4 % code.lengths.len();
            code.lengths[i] = value % 12;
        }
        1 => {
            let parts = exchanges.into_iter().flat_map(|e| e.send.iter_mut().chain(&mut e.receive));
            let mut parts: Vec<_> = parts.collect();
            if !parts.is_empty() {
                let i = at / 4 % parts.len();
                parts[i].bits = value as u8;
                parts[i].buf = Buf(value as u32 % 12);
            }
        }
        2 => {
            let list = at / 4 % lists.len();
            if !lists[list].is_empty() {
                let (a, b) = (at % lists[list].len(), value % lists[list].len());
                lists[list].swap(a, b);
            }
        }
        _ => {
            let mut all: Vec<_> = lists.into_iter().flatten().collect();
            let count = all.len();
            damage_instr(all[at / 4 % count], value);
        }
    }
}

fn damage_instr(instr: &mut Instr, value: usize) {
    match instr {
        Instr::Draw { dst, bits, stream, .. } => {
            (*dst, *bits, *stream) = (Buf(value as u32 % 12), value as u8, value as u64 % 5);
        }
        Instr::Receive { dst: buf, bits }
        | Instr::Deal { src: buf, bits, .. }
        | Instr::Broadcast { src: buf, bits } => {
            (*buf, *bits) = (Buf(value as u32 % 12), value as u8);
        }
        Instr::MatMul { m, k, right, shared_right, .. } => {
            (*m, *k, *shared_right) = (value % 5, value / 5 % 5, value.is_multiple_of(2));
            *right = Buf(value as u32 % 12);
        }
        Instr::Map(map) => {
            map.cols = value % 7;
            map.ops[2] = MapOp::LoadAt(Buf(value as u32 % 12), V(value as u32 % 4));
        }
        Instr::Load { dst, .. } | Instr::Zero { dst } | Instr::SumRows { dst, .. } => *dst = Buf(value as u32 % 12),
        Instr::Copy(copy) => copy.dst_offset = value,
        Instr::Harmonic { .. }
        | Instr::RowKeys { .. }
        | Instr::RowShares { .. }
        | Instr::OfferRows { .. }
        | Instr::TakeRows { .. }
        | Instr::BucketCounts { .. }
        | Instr::ComparisonKeys { .. }
        | Instr::ComparisonShares { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_code_is_refused_or_runs_without_panic(role in 0..3usize, changes in prop::collection::vec((any::<u16>(), 0..300usize), 1..3)) {
        let mut codes = [tiny::model_owner(T), tiny::data_owner(T), tiny::dealer(T)];
        for (at, value) in changes {
            damage(&mut codes[role], usize::from(at), value);
        }
        let [p0, p1, dealer] = codes.map(CheckedCode::new);
        if let (Ok(p0), Ok(p1), Ok(dealer)) = (p0, p1, dealer) {
            let role = |code| RoleInProcess { code: Arc::new(code), executor: Arc::new(Interpreter) };
            let trio = Trio { model_owner: role(p0), data_owner: role(p1), dealer: role(dealer) };
            let inputs = [vec![vec![1; T.k]], vec![vec![2; T.k]]];
            let given = InsecureInputs {
                weights: vec![vec![3; T.k * T.n]],
                inputs: &inputs,
                model_owner_seed: [1; 16],
                data_owner_seed: [2; 16],
                record: true,
            };
            // Either outcome is fine: what counts is that nothing panics on the way.
            let _ = run_insecurely_in_one_process(&trio, given);
        }
    }

    #[test]
    fn messages_decode_to_what_was_encoded_or_not_at_all(
        words in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..20), 1..4),
        bits in prop::collection::vec(1..=64u8, 4),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
    ) {
        use mpcc_program::code::Packed;
        let lengths: Vec<usize> = words.iter().map(Vec::len).collect();
        let parts: Vec<Packed> =
            (0..words.len()).map(|i| Packed { buf: Buf(i as u32), bits: bits[i] }).collect();
        let bytes = message::encode(&parts, &words, &lengths);
        let reduced: Vec<Vec<u64>> = words.iter().zip(&bits)
            .map(|(w, b)| w.iter().map(|x| x & (u64::MAX >> (64 - b))).collect()).collect();
        prop_assert_eq!(message::decode(&parts, &lengths, &bytes, Moment::Setup).expect("well formed"), reduced);
        if !bytes.is_empty() {
            let short = &bytes[..cut.index(bytes.len())];
            let refused = message::decode(&parts, &lengths, short, Moment::Setup);
            prop_assert!(matches!(refused, Err(ProtocolError::MessageLength { .. })), "a short message is refused");
            // Every bit of a message matters: a flipped one changes a word or is refused.
            let mut flipped = bytes.clone();
            let bit = flip.index(bytes.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = message::decode(&parts, &lengths, &flipped, Moment::Setup) {
                prop_assert_ne!(message::encode(&parts, &other, &lengths), bytes);
            }
        }
    }
}
