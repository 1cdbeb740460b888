//! A hand-made program: the product of an input row with a server weight (gate G4), revealed to the data owner (gate G15).
//!
//! Two hops: the data owner sends its masked input, the model owner sends its masked share of the product.

use mpcc_program::code::{
    Access, Buf, Exchange, Instr, Lane, Map, MapOp, OutputBuffer, Owner, Packed, Role, RoleCode, Source, Stage, Step, V,
};

/// Extents of the weight and the ring of the product.
#[derive(Clone, Copy)]
pub(crate) struct Tiny {
    /// Length of the input row.
    pub(crate) k: usize,
    /// Length of the output row.
    pub(crate) n: usize,
    /// Ring width.
    pub(crate) bits: u8,
}

const S: u64 = 1 << 16;
const R: u64 = 2 << 16;
const C: u64 = 3 << 16;
const OUT: u64 = 4 << 16;

fn draw(dst: Buf, seed: Owner, stage: Stage, stream: u64, bits: u8) -> Instr {
    Instr::Draw { dst, seed, stage, stream, bits }
}

fn combine(len: usize, dst: Buf, left: Buf, right: Buf, op: fn(V, V) -> MapOp) -> Instr {
    let ops = vec![MapOp::Load(left, Access::Full), MapOp::Load(right, Access::Full), op(V(0), V(1))];
    Instr::Map(Map { lane: Lane::Word, rows: 1, cols: len, ops, stores: vec![(dst, V(2))] })
}

fn product(dst: Buf, left: Buf, right: Buf, t: Tiny) -> Instr {
    Instr::MatMul { dst, left, right, batch: 1, m: 1, k: t.k, n: t.n, shared_right: false, bits: t.bits }
}

fn packed(buf: Buf, bits: u8) -> Vec<Packed> {
    vec![Packed { buf, bits }]
}

/// Model owner.
pub(crate) fn model_owner(t: Tiny) -> RoleCode {
    let [w, s, masked_w, c, opened, xw, z, r, message] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(Buf);
    let own = Owner::ModelOwner;
    RoleCode {
        role: Role::ModelOwner,
        lengths: vec![t.k * t.n, t.k * t.n, t.k * t.n, t.n, t.k, t.n, t.n, t.n, t.n],
        lanes: vec![Lane::Word; 9],
        setup: Step {
            local: vec![
                Instr::Load { dst: w, source: Source::Weight(0) },
                draw(s, own, Stage::Setup, S, t.bits),
                combine(t.k * t.n, masked_w, w, s, MapOp::Add),
            ],
            exchange: Exchange { send: packed(masked_w, t.bits), receive: vec![] },
        },
        setup_after: vec![],
        offline: vec![draw(c, own, Stage::Inference, C, t.bits), draw(r, own, Stage::Inference, OUT, t.bits)],
        steps: vec![
            Step { local: vec![], exchange: Exchange { send: vec![], receive: packed(opened, t.bits) } },
            Step {
                local: vec![
                    product(xw, opened, w, t),
                    combine(t.n, z, xw, c, MapOp::Add),
                    combine(t.n, message, z, r, MapOp::Add),
                ],
                exchange: Exchange { send: packed(message, t.bits), receive: vec![] },
            },
            Step::default(),
        ],
        outputs: vec![],
    }
}

/// Data owner.
pub(crate) fn data_owner(t: Tiny) -> RoleCode {
    let [masked_w, r, c, mask, x, opened, rw, z, theirs, sum, y] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(Buf);
    let own = Owner::DataOwner;
    RoleCode {
        role: Role::DataOwner,
        lengths: vec![t.k * t.n, t.k, t.n, t.n, t.k, t.k, t.n, t.n, t.n, t.n, t.n],
        lanes: vec![Lane::Word; 11],
        setup: Step { local: vec![], exchange: Exchange { send: vec![], receive: packed(masked_w, t.bits) } },
        setup_after: vec![],
        offline: vec![
            draw(r, own, Stage::Inference, R, t.bits),
            Instr::Receive { dst: c, bits: t.bits },
            product(rw, r, masked_w, t),
            combine(t.n, z, c, rw, MapOp::Sub),
            Instr::Receive { dst: mask, bits: t.bits },
        ],
        steps: vec![
            Step {
                local: vec![Instr::Load { dst: x, source: Source::Input(0) }, combine(t.k, opened, x, r, MapOp::Add)],
                exchange: Exchange { send: packed(opened, t.bits), receive: vec![] },
            },
            Step { local: vec![], exchange: Exchange { send: vec![], receive: packed(theirs, t.bits) } },
            Step {
                local: vec![combine(t.n, sum, theirs, z, MapOp::Add), combine(t.n, y, sum, mask, MapOp::Sub)],
                ..Step::default()
            },
        ],
        outputs: vec![OutputBuffer { output: 0, buf: y, bits: t.bits }],
    }
}

/// Dealer.
pub(crate) fn dealer(t: Tiny) -> RoleCode {
    let [s, r, c0, rs, c1, mask] = [0, 1, 2, 3, 4, 5].map(Buf);
    RoleCode {
        role: Role::Dealer,
        lengths: vec![t.k * t.n, t.k, t.n, t.n, t.n, t.n],
        lanes: vec![Lane::Word; 6],
        setup: Step { local: vec![draw(s, Owner::ModelOwner, Stage::Setup, S, t.bits)], ..Step::default() },
        setup_after: vec![],
        offline: vec![
            draw(r, Owner::DataOwner, Stage::Inference, R, t.bits),
            draw(c0, Owner::ModelOwner, Stage::Inference, C, t.bits),
            product(rs, r, s, t),
            combine(t.n, c1, rs, c0, MapOp::Sub),
            Instr::Deal { src: c1, bits: t.bits, to: Owner::DataOwner },
            draw(mask, Owner::ModelOwner, Stage::Inference, OUT, t.bits),
            Instr::Deal { src: mask, bits: t.bits, to: Owner::DataOwner },
        ],
        steps: vec![],
        outputs: vec![],
    }
}

/// What the data owner must learn: `x · w` modulo 2^bits, signed.
pub(crate) fn plain(t: Tiny, x: &[u64], w: &[u64]) -> Vec<i64> {
    let shift = 64 - u32::from(t.bits);
    let entry = |j| (0..t.k).fold(0u64, |sum, i| sum.wrapping_add(x[i].wrapping_mul(w[i * t.n + j])));
    (0..t.n).map(|j| ((entry(j) << shift) as i64) >> shift).collect()
}
