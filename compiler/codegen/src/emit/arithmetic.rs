//! Operations that read no memory, and the change between a word and what a kernel computes in.
//!
//! All of them take the same time and the same path whatever the words are.

use cranelift_codegen::ir::types::{I64, I128};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use mpcc_program::code::{Lane, MapOp, V};

/// Emits an operation that reads no memory, on words, on doubles or on vectors of words.
pub(super) fn arithmetic(
    builder: &mut FunctionBuilder<'_>,
    lane: Lane,
    op: &MapOp,
    operand: impl Fn(V) -> Value,
) -> Value {
    let amount = |builder: &mut FunctionBuilder<'_>, by: u8| builder.ins().iconst(I64, i64::from(by));
    match *op {
        MapOp::Const(c) => {
            let word = builder.ins().iconst(I64, c.cast_signed());
            extended(builder, lane, word)
        }
        MapOp::Add(a, b) => builder.ins().iadd(operand(a), operand(b)),
        MapOp::Sub(a, b) => builder.ins().isub(operand(a), operand(b)),
        MapOp::Mul(a, b) => builder.ins().imul(operand(a), operand(b)),
        MapOp::And(a, b) => builder.ins().band(operand(a), operand(b)),
        MapOp::Or(a, b) => builder.ins().bor(operand(a), operand(b)),
        MapOp::Xor(a, b) => builder.ins().bxor(operand(a), operand(b)),
        MapOp::Shl(a, by) => {
            let by = amount(builder, by);
            builder.ins().ishl(operand(a), by)
        }
        MapOp::Shr(a, by) => {
            let by = amount(builder, by);
            builder.ins().ushr(operand(a), by)
        }
        MapOp::Sar(a, by) => {
            let by = amount(builder, by);
            builder.ins().sshr(operand(a), by)
        }
        // Cranelift takes shift amounts modulo the width, as the map does.
        MapOp::ShlBy(a, b) => {
            let by = low(builder, lane, operand(b));
            builder.ins().ishl(operand(a), by)
        }
        MapOp::ShrBy(a, b) => {
            let by = low(builder, lane, operand(b));
            builder.ins().ushr(operand(a), by)
        }
        MapOp::Parity(a) => {
            let word = match lane {
                Lane::Word => operand(a),
                Lane::Double => {
                    let (low, high) = builder.ins().isplit(operand(a));
                    builder.ins().bxor(low, high)
                }
            };
            let ones = builder.ins().popcnt(word);
            let parity = builder.ins().band_imm_u(ones, 1);
            extended(builder, lane, parity)
        }
        MapOp::Load(..) | MapOp::LoadAt(..) | MapOp::RowIndex => {
            unreachable!("operations on memory and positions are emitted where the position is known")
        }
    }
}

/// A word in the lane, zero-extended.
pub(super) fn extended(builder: &mut FunctionBuilder<'_>, lane: Lane, word: Value) -> Value {
    match lane {
        Lane::Word => word,
        Lane::Double => builder.ins().uextend(I128, word),
    }
}

/// The low word of a value of the lane.
pub(super) fn low(builder: &mut FunctionBuilder<'_>, lane: Lane, value: Value) -> Value {
    match lane {
        Lane::Word => value,
        Lane::Double => builder.ins().ireduce(I64, value),
    }
}
