//! Text of role code: `b3[8320]` is buffer 3, written here, of 8320 words, `b3[8320d]` of as many doubles; `b3:37`
//! travels packed at 37 bits an entry.

use super::gates::row_table;
use super::{line, list};
use crate::code::{
    Access, Buf, Exchange, Instr, Lane, Map, MapOp, OutputBuffer, Owner, Packed, Role, RoleCode, Source, Stage, V,
};

pub(super) fn role_code(code: &RoleCode) -> String {
    let mut out = String::new();
    let role = match code.role {
        Role::ModelOwner => "model-owner",
        Role::DataOwner => "data-owner",
        Role::Dealer => "dealer",
    };
    line(
        &mut out,
        0,
        format_args!(
            "role {role}: {} buffers, {} words, {} hops",
            code.lengths.len(),
            code.lengths.iter().zip(&code.lanes).map(|(n, lane)| n * lane.words()).sum::<usize>(),
            code.steps.len().saturating_sub(1)
        ),
    );
    let text = Text { code };
    line(&mut out, 0, "setup");
    text.instructions(&mut out, &code.setup.local);
    text.exchange(&mut out, &code.setup.exchange);
    line(&mut out, 0, "setup after exchange");
    text.instructions(&mut out, &code.setup_after);
    line(&mut out, 0, "offline");
    text.instructions(&mut out, &code.offline);
    for (index, step) in code.steps.iter().enumerate() {
        line(&mut out, 0, format_args!("step {index}"));
        text.instructions(&mut out, &step.local);
        text.exchange(&mut out, &step.exchange);
    }
    for OutputBuffer { output, buf, bits } in &code.outputs {
        line(&mut out, 0, format_args!("output {output} = b{}:{bits}", buf.0));
    }
    out
}

struct Text<'a> {
    code: &'a RoleCode,
}

impl Text<'_> {
    fn instructions(&self, out: &mut String, instructions: &[Instr]) {
        for instruction in instructions {
            line(out, 1, self.instruction(instruction));
            if let Instr::Map(map) = instruction {
                for (index, op) in map.ops.iter().enumerate() {
                    line(out, 2, format_args!("v{index} = {}", map_op(*op)));
                }
                for (buf, value) in &map.stores {
                    line(out, 2, format_args!("{} = v{}", self.written(*buf), value.0));
                }
            }
        }
    }

    fn exchange(&self, out: &mut String, exchange: &Exchange) {
        let side = |packed: &[Packed], text: &dyn Fn(&Packed) -> String| {
            packed.iter().map(text).collect::<Vec<_>>().join(", ")
        };
        if !exchange.send.is_empty() {
            let send = side(&exchange.send, &|p| format!("b{}:{}", p.buf.0, p.bits));
            line(out, 1, format_args!("send {send}"));
        }
        if !exchange.receive.is_empty() {
            let receive = side(&exchange.receive, &|p| format!("{}:{}", self.written(p.buf), p.bits));
            line(out, 1, format_args!("receive {receive}"));
        }
    }

    fn written(&self, buf: Buf) -> String {
        let index = buf.0 as usize;
        match (self.code.lengths.get(index), self.code.lanes.get(index)) {
            (Some(length), Some(Lane::Double)) => format!("b{}[{length}d]", buf.0),
            (Some(length), _) => format!("b{}[{length}]", buf.0),
            (None, _) => format!("b{}[?]", buf.0),
        }
    }

    fn instruction(&self, instruction: &Instr) -> String {
        match instruction {
            Instr::Load { dst, source } => {
                let source = match source {
                    Source::Weight(index) => format!("weight {index}"),
                    Source::Input(index) => format!("input {index}"),
                };
                format!("{} = load {source}", self.written(*dst))
            }
            Instr::Draw { dst, seed, stage, stream, bits } => {
                let seed = match seed {
                    Owner::ModelOwner => "model-owner",
                    Owner::DataOwner => "data-owner",
                };
                let stage = match stage {
                    Stage::Setup => "setup",
                    Stage::Inference => "inference",
                };
                let (value, item) = (stream >> 16, stream & 0xffff);
                format!("{} = draw {seed} {stage} stream {value}.{item} bits {bits}", self.written(*dst))
            }
            Instr::Receive { dst, bits } => format!("{} = receive bits {bits}", self.written(*dst)),
            Instr::Deal { src, bits, to } => {
                let to = if *to == Owner::ModelOwner { "model-owner" } else { "data-owner" };
                format!("deal b{}:{bits} to {to}", src.0)
            }
            Instr::Broadcast { src, bits } => format!("broadcast b{}:{bits}", src.0),
            Instr::Map(Map { lane, rows, cols, .. }) => {
                let double = if *lane == Lane::Double { " double" } else { "" };
                format!("map{double} {rows}x{cols}")
            }
            Instr::Zero { dst } => format!("{} = zero", self.written(*dst)),
            Instr::Copy(copy) => format!(
                "{} at {} strides {} = copy b{} at {} strides {} dims {}",
                self.written(copy.dst),
                copy.dst_offset,
                list(&copy.dst_strides),
                copy.src.0,
                copy.src_offset,
                list(&copy.src_strides),
                list(&copy.dims)
            ),
            Instr::SumRows { dst, src, cols } => {
                format!("{} = sum-rows b{} cols {cols}", self.written(*dst), src.0)
            }
            Instr::MatMul { dst, left, right, batch, m, k, n, shared_right, bits } => {
                let shared = if *shared_right { " shared-right" } else { "" };
                format!(
                    "{} = matmul b{}, b{} batch {batch} {m}x{k}x{n}{shared} bits {bits}",
                    self.written(*dst),
                    left.0,
                    right.0
                )
            }
            Instr::Harmonic { cos, sin, src, period_bits, fraction, multiple } => format!(
                "{}, {} = harmonic {multiple} b{} period {period_bits} frac {fraction}",
                self.written(*cos),
                self.written(*sin),
                src.0
            ),
            Instr::RowKeys { seeds, controls, values, masks, roots: [a, b], table } => format!(
                "{}, {}, {} = row-keys b{} roots b{}, b{} {}",
                self.written(*seeds),
                self.written(*controls),
                self.written(*values),
                masks.0,
                a.0,
                b.0,
                row_table(table)
            ),
            Instr::RowShares { dst, points, root, seeds, controls, values, table } => format!(
                "{} = row-shares at b{} root b{} words b{}, b{}, b{} {}",
                self.written(*dst),
                points.0,
                root.0,
                seeds.0,
                controls.0,
                values.0,
                row_table(table)
            ),
            Instr::OfferRows { entries, next, points, mask, pads, coefficients, labels, offer } => format!(
                "{}{} = offer-rows at b{} mask b{} pads b{} coefficients {}{} {} choice {}",
                self.written(*entries),
                next.map_or(String::new(), |next| format!(", {}", self.written(next))),
                points.0,
                mask.0,
                pads.0,
                coefficients.map(|buf| format!("b{}", buf.0)).join(", "),
                labels.map_or(String::new(), |labels| format!(" labels b{}", labels.0)),
                row_table(&offer.table),
                offer.choice_bits
            ),
            Instr::TakeRows { dst, mask, pads, entries, next, offer } => format!(
                "{} = take-rows mask b{} pads b{} words b{}{} {} choice {}",
                self.written(*dst),
                mask.0,
                pads.0,
                entries.0,
                next.map_or(String::new(), |next| format!(", b{}", next.0)),
                row_table(&offer.table),
                offer.choice_bits
            ),
            Instr::BucketCounts { dst, points, shares, cols, bits, buckets, step } => format!(
                "{} = bucket-counts b{} shares b{} cols {cols} bits {bits} buckets {buckets} step {step}",
                self.written(*dst),
                points.0,
                shares.0
            ),
            Instr::ComparisonKeys { seeds, controls, values, threshold, payload, roots: [a, b], tree } => {
                let payload: Vec<String> = payload.iter().map(|word| format!("b{}", word.0)).collect();
                format!(
                    "{}, {}, {} = comparison-keys b{} payload {} roots b{}, b{} bits {} leaf bits {}",
                    self.written(*seeds),
                    self.written(*controls),
                    self.written(*values),
                    threshold.0,
                    payload.join(", "),
                    a.0,
                    b.0,
                    tree.bits,
                    tree.leaf_bits
                )
            }
            Instr::ComparisonShares { dst, points, root, seeds, controls, values, tree } => format!(
                "{} = comparison-shares at b{} root b{} words b{}, b{}, b{} bits {} leaf bits {}",
                dst.iter().map(|word| self.written(*word)).collect::<Vec<_>>().join(", "),
                points.0,
                root.0,
                seeds.0,
                controls.0,
                values.0,
                tree.bits,
                tree.leaf_bits
            ),
        }
    }
}

fn map_op(op: MapOp) -> String {
    let two = |name: &str, a: V, b: V| format!("{name} v{} v{}", a.0, b.0);
    match op {
        MapOp::Load(buf, access) => {
            let access = match access {
                Access::Full => "full",
                Access::Row => "row",
                Access::Col => "col",
            };
            format!("load b{} {access}", buf.0)
        }
        MapOp::LoadAt(buf, index) => format!("load b{} at v{}", buf.0, index.0),
        MapOp::Const(word) => format!("const {word:#x}"),
        MapOp::RowIndex => "row-index".to_owned(),
        MapOp::Add(a, b) => two("add", a, b),
        MapOp::Sub(a, b) => two("sub", a, b),
        MapOp::Mul(a, b) => two("mul", a, b),
        MapOp::And(a, b) => two("and", a, b),
        MapOp::Or(a, b) => two("or", a, b),
        MapOp::Xor(a, b) => two("xor", a, b),
        MapOp::Shl(a, by) => format!("shl v{} {by}", a.0),
        MapOp::Shr(a, by) => format!("shr v{} {by}", a.0),
        MapOp::Sar(a, by) => format!("sar v{} {by}", a.0),
        MapOp::ShlBy(a, b) => two("shl", a, b),
        MapOp::ShrBy(a, b) => two("shr", a, b),
        MapOp::Parity(a) => format!("parity v{}", a.0),
    }
}
