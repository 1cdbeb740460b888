//! Each rule of the verifier, broken once.

use super::tiny::{self, Tiny};
use crate::verify::{verify_code, verify_trio};
use mpcc_program::code::{Access, Buf, Copy, Instr, Lane, Map, MapOp, Owner, Packed, RoleCode, Source, Stage, V};

const T: Tiny = Tiny { k: 5, n: 3, bits: 37 };

fn refused(code: &RoleCode, why: &str) {
    let error = verify_code(code).expect_err(why);
    let all: Vec<String> = error.violations.iter().map(ToString::to_string).collect();
    assert!(all.iter().any(|v| v.contains(why)), "expected {why:?} among {all:#?}");
}

fn with(mut code: RoleCode, change: impl FnOnce(&mut RoleCode)) -> RoleCode {
    change(&mut code);
    code
}

#[test]
fn tiny_program_passes() {
    let (p0, p1, dealer) = (tiny::model_owner(T), tiny::data_owner(T), tiny::dealer(T));
    for code in [&p0, &p1, &dealer] {
        verify_code(code).unwrap();
    }
    verify_trio(&p0, &p1, &dealer).unwrap();
}

#[test]
fn shapes() {
    let p0 = || tiny::model_owner(T);
    refused(&with(p0(), |c| c.lengths[5] = 4), "the product is buffer 5 of 4 entries, expected 3");
    refused(&with(p0(), |c| c.lengths.truncate(8)), "buffer 8 does not exist");
    refused(&with(p0(), |c| c.steps[0].exchange.receive[0].bits = 0), "entries of 0 bits");
    refused(&with(p0(), |c| c.lengths[2] = 14), "14 entries");
    let copy = Copy {
        dst: Buf(9),
        src: Buf(0),
        dims: [1, 1, 5, 3],
        dst_strides: [0, 0, 3, 1],
        src_strides: [0, 0, 1, 5],
        dst_offset: 0,
        src_offset: 0,
    };
    let transposed = |change: fn(&mut Copy)| {
        let mut copy = copy.clone();
        change(&mut copy);
        with(p0(), |c| {
            c.lengths.push(15);
            c.lanes.push(Lane::Word);
            c.setup_after.push(Instr::Copy(copy));
        })
    };
    verify_code(&transposed(|_| {})).unwrap();
    refused(&transposed(|c| c.dst_offset = 1), "runs past the end of its destination");
    refused(&transposed(|c| c.src_strides[3] = 6), "runs past the end of its source");
    refused(&transposed(|c| c.src_strides[2] = usize::MAX), "runs past the end of its source");
}

#[test]
fn single_assignment() {
    let p0 = || tiny::model_owner(T);
    refused(&with(p0(), |c| c.steps[1].local.swap(0, 1)), "buffer 5 is read before it is written");
    refused(&with(p0(), |c| c.offline.push(Instr::Zero { dst: Buf(3) })), "buffer 3 is written twice");
    let part = |at: usize, section: fn(&mut RoleCode) -> &mut Vec<Instr>| {
        with(p0(), |c| {
            c.lengths.push(10);
            c.lanes.push(Lane::Word);
            let copy = |dst_offset| {
                let (dims, dst_strides) = ([1, 1, 1, 5], [0, 0, 0, 1]);
                let (dst, src) = (Buf(9), Buf(0));
                Instr::Copy(Copy { dst, src, dims, dst_strides, src_strides: dst_strides, dst_offset, src_offset: 0 })
            };
            c.setup_after = vec![Instr::Zero { dst: Buf(9) }, copy(0)];
            section(c).insert(at, copy(5));
        })
    };
    verify_code(&part(2, |c| &mut c.setup_after)).unwrap();
    refused(&part(0, |c| &mut c.offline), "of the setup is written in an inference");
    let late = with(part(2, |c| &mut c.setup_after), |c| {
        c.lengths.push(1);
        c.lanes.push(Lane::Word);
        c.setup_after.insert(2, Instr::SumRows { dst: Buf(10), src: Buf(9), cols: 10 });
    });
    refused(&late, "is copied into after it was read");
}

#[test]
fn rights_of_roles() {
    let load = |source| Instr::Load { dst: Buf(0), source };
    let draw = |seed, stage, stream| Instr::Draw { dst: Buf(0), seed, stage, stream, bits: 8 };
    let only = |code: &RoleCode, instr: Instr| {
        with(code.clone(), |c| {
            c.lengths = vec![3];
            c.setup = Default::default();
            c.setup_after = vec![];
            c.offline = vec![instr];
            c.steps = vec![];
            c.outputs = vec![];
        })
    };
    let (p0, p1, dealer) = (tiny::model_owner(T), tiny::data_owner(T), tiny::dealer(T));
    let inference = Stage::Inference;
    for (code, instr, why) in [
        (&p1, load(Source::Weight(0)), "only the model owner has weights"),
        (&p0, load(Source::Input(0)), "only the data owner has inputs"),
        (&p1, load(Source::Input(0)), "before it is known"),
        (&p0, draw(Owner::DataOwner, inference, 1), "draws from the data owner's seed"),
        (&p1, draw(Owner::ModelOwner, inference, 1), "draws from the model owner's seed"),
        (&p0, draw(Owner::ModelOwner, Stage::Setup, 1), "seed of another stage"),
        (&dealer, Instr::Receive { dst: Buf(0), bits: 3 }, "the dealer receives"),
        (&p1, Instr::Deal { src: Buf(0), bits: 3, to: Owner::DataOwner }, "only the dealer deals"),
        (&p0, Instr::Broadcast { src: Buf(0), bits: 3 }, "only the dealer deals"),
    ] {
        refused(&only(code, instr), why);
    }
    refused(&with(p1.clone(), |c| c.steps[0].local.push(c.offline[1].clone())), "received online");
    let in_setup = Instr::Receive { dst: Buf(0), bits: 3 };
    refused(&with(p0.clone(), |c| c.setup.local = vec![in_setup]), "in the setup");
    let in_setup = Instr::Broadcast { src: Buf(0), bits: 3 };
    refused(&with(dealer.clone(), |c| c.setup.local.push(in_setup)), "in the setup");
    refused(&with(dealer.clone(), |c| c.setup.exchange.send = vec![Packed { buf: Buf(0), bits: 1 }]), "exchanges");
    refused(&with(p0.clone(), |c| c.outputs = p1.outputs.clone()), "only the data owner learns outputs");
    refused(&with(p0.clone(), |c| drop(c.steps.pop())), "the last step exchanges");
    let twice = with(p0.clone(), |c| {
        c.lengths.push(3);
        c.lanes.push(Lane::Word);
        let mut again = c.offline[0].clone();
        if let Instr::Draw { dst, .. } = &mut again {
            *dst = Buf(9);
        }
        c.offline.push(again);
    });
    refused(&twice, "is drawn twice");
}

#[test]
fn maps() {
    let map = |ops: Vec<MapOp>, stores: Vec<(Buf, V)>| {
        with(tiny::model_owner(T), |c| {
            c.lengths.push(15);
            c.lanes.push(Lane::Word);
            c.setup_after.push(Instr::Map(Map { lane: Lane::Word, rows: 5, cols: 3, ops, stores }));
        })
    };
    let load = |access| MapOp::Load(Buf(0), access);
    verify_code(&map(vec![load(Access::Full)], vec![(Buf(9), V(0))])).unwrap();
    for code in [
        map(vec![load(Access::Row)], vec![(Buf(9), V(0))]),
        map(vec![MapOp::Parity(V(0))], vec![(Buf(9), V(0))]),
        map(vec![load(Access::Full)], vec![(Buf(9), V(1))]),
        map(vec![load(Access::Full), MapOp::Shl(V(0), 64)], vec![(Buf(9), V(1))]),
        map(vec![load(Access::Full)], vec![(Buf(0), V(0))]),
        map(vec![load(Access::Full)], vec![(Buf(9), V(0)), (Buf(9), V(0))]),
    ] {
        verify_code(&code).expect_err("a malformed map");
    }
}

#[test]
fn roles_that_do_not_fit_together() {
    let (p0, p1, dealer) = (tiny::model_owner(T), tiny::data_owner(T), tiny::dealer(T));
    let other = Tiny { bits: 36, ..T };
    for (a, b, c, why) in [
        (&tiny::model_owner(other), &p1, &dealer, "where the peer receives"),
        (&p0, &p1, &tiny::dealer(other), "correction 0 is Some((3, 36))"),
        (&p0, &p1, &with(dealer.clone(), |d| drop(d.offline.pop())), "correction 1 is None"),
        (
            &with(p0.clone(), |c| c.offline.push(Instr::Receive { dst: Buf(0), bits: 3 })),
            &p1,
            &dealer,
            "the model owner takes",
        ),
        (&p1, &p1, &dealer, "this is code of DataOwner"),
    ] {
        let error = verify_trio(a, b, c).expect_err(why);
        assert!(error.violations.iter().any(|v| v.what.contains(why)), "{error}");
    }
}
