//! Kernels to Cranelift functions.
//!
//! A function takes the address of its slots, rows and columns: `(slots: i64, rows: i64, cols: i64)`. What does
//! not depend on the column is computed once per row. Columns are taken in pairs, as vectors of two words if the
//! kernel computes in words and most operations have a vector form, one by one otherwise; a last odd column is
//! computed alone. Offsets count the bytes of a buffer of words; those into a buffer of doubles are twice as large.
//! The text of a function depends on the kernel only, never on the processor.

mod arithmetic;
mod memory;
mod segments;

use std::mem;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::types::{I64, I64X2};
use cranelift_codegen::ir::{
    AbiParam, Block, ConstantData, Function, InstBuilder, Signature, StackSlot, StackSlotData, StackSlotKind,
    UserFuncName, Value,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use mpcc_program::code::{Access, MapOp, V};
use mpcc_program::forms::{has_vector_form, worth_vectors};
use mpcc_program::interpret::operands;

use crate::kernel::Kernel;
use arithmetic::arithmetic;
use memory::{load_flags, scratch_flags};
use segments::{BLOCK, Segment, Segments};

/// Bytes of a word.
const WORD: i64 = 8;
/// Bytes of a slot as passed to a kernel: the buffer's address, then the index of its last entry.
pub(crate) const SLOT: usize = 16;

/// Consecutive positions computed by one copy of the operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    One,
    Two,
}

/// The function of `kernel`, named `u0:index`.
pub(crate) fn function(kernel: &Kernel, index: u32, convention: CallConv, config: TargetFrontendConfig) -> Function {
    let mut signature = Signature::new(convention);
    signature.params.extend([AbiParam::new(I64); 3]);
    let mut function = Function::with_name_signature(UserFuncName::user(0, index), signature);
    let mut context = FunctionBuilderContext::new();
    let builder = FunctionBuilder::new(&mut function, &mut context);
    let mut emitter = Emitter::new(builder, kernel);
    emitter.rows();
    emitter.builder.seal_all_blocks();
    emitter.builder.finalize(config);
    function
}

/// For every operation, whether its value depends on the column.
fn varying(kernel: &Kernel) -> Vec<bool> {
    let mut varying: Vec<bool> = Vec::with_capacity(kernel.ops.len());
    for op in &kernel.ops {
        let varies = match *op {
            MapOp::Load(_, access) => access != Access::Row,
            MapOp::Const(_) => false,
            MapOp::RowIndex => kernel.flat,
            _ => operands(op).any(|v| varying[v.0 as usize]),
        };
        varying.push(varies);
    }
    varying
}

struct Emitter<'a> {
    builder: FunctionBuilder<'a>,
    kernel: &'a Kernel,
    /// Whether an operation's value depends on the column.
    varying: Vec<bool>,
    /// Whether pairs of columns are vectors.
    vectors: bool,
    /// How pairs of columns are computed.
    segments: Segments,
    /// Where values wait between segments.
    scratch: Option<StackSlot>,
    /// Address of every slot's buffer.
    bases: Vec<Value>,
    /// Index of the last entry of every slot read at computed indices.
    lasts: Vec<Option<Value>>,
    /// Arguments.
    row_count: Value,
    /// Bytes of a row of words.
    row_bytes: Value,
    /// Values of operations that do not vary, in the current row.
    scalars: Vec<Option<Value>>,
    /// The same in both words of a vector, where a vector needs them.
    splats: Vec<Option<Value>>,
}

impl<'a> Emitter<'a> {
    /// Emits the entry: arguments and slots.
    fn new(mut builder: FunctionBuilder<'a>, kernel: &'a Kernel) -> Self {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let &[slots, row_count, cols] = builder.block_params(entry) else {
            unreachable!("the signature has three parameters");
        };
        let tables = kernel.ops.iter().filter_map(|op| match op {
            MapOp::LoadAt(slot, _) => Some(slot.0 as usize),
            _ => None,
        });
        let mut is_table = vec![false; kernel.slots.len()];
        tables.for_each(|slot| is_table[slot] = true);
        let mut bases = Vec::with_capacity(kernel.slots.len());
        let mut lasts = Vec::with_capacity(kernel.slots.len());
        for (slot, is_table) in is_table.into_iter().enumerate() {
            let offset = i32::try_from(slot * SLOT).expect("a kernel has fewer than 2^27 slots");
            bases.push(builder.ins().load(I64, load_flags(), slots, offset));
            lasts.push(is_table.then(|| builder.ins().load(I64, load_flags(), slots, offset + 8)));
        }
        let row_bytes = builder.ins().imul_imm_u(cols, WORD);
        let varying = varying(kernel);
        let ops = kernel.ops.iter().zip(&varying).filter(|(_, varies)| **varies);
        let vectors = worth_vectors(kernel.lane, ops.map(|(op, _)| op));
        let segments = match vectors && kernel.flat {
            true => Segments::of(kernel, &varying),
            false => Segments::whole(kernel, &varying),
        };
        let scratch = (segments.places > 0).then(|| {
            let bytes = u32::try_from(segments.places * BLOCK * WORD as usize).expect("few values wait");
            builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4))
        });
        let none = vec![None; kernel.ops.len()];
        let (scalars, splats) = (none.clone(), none);
        Self {
            builder,
            kernel,
            varying,
            vectors,
            segments,
            scratch,
            bases,
            lasts,
            row_count,
            row_bytes,
            scalars,
            splats,
        }
    }

    /// Emits the loop over rows and the return.
    fn rows(&mut self) {
        let exit = self.builder.create_block();
        let zero = self.builder.ins().iconst(I64, 0);
        if self.kernel.flat {
            self.columns(None, zero, exit);
        } else {
            let [body, next] = [(); 2].map(|()| self.builder.create_block());
            let row = self.builder.append_block_param(body, I64);
            let start = self.builder.append_block_param(body, I64);
            self.builder.ins().jump(body, &[zero.into(), zero.into()]);
            self.builder.switch_to_block(body);
            self.columns(Some(row), start, next);

            self.builder.switch_to_block(next);
            let next_row = self.builder.ins().iadd_imm_u(row, 1);
            let next_start = self.builder.ins().iadd(start, self.row_bytes);
            self.loop_while_below(next_row, self.row_count, body, &[next_row, next_start], exit);
        }
        self.builder.switch_to_block(exit);
        self.builder.ins().return_(&[]);
    }

    /// Emits one row: invariant values, pairs of columns, a last column. Ends with a jump to `after`.
    fn columns(&mut self, row: Option<Value>, start: Value, after: Block) {
        self.invariants(row);
        let [rest, last] = [(); 2].map(|()| self.builder.create_block());
        let zero = self.builder.ins().iconst(I64, 0);
        let paired_bytes = self.builder.ins().band_imm_s(self.row_bytes, -2 * WORD);
        let segments = mem::take(&mut self.segments.segments);
        match &segments[..] {
            [whole] => self.pairs(whole, start, (zero, zero, paired_bytes), rest),
            _ => self.blocks(&segments, (zero, paired_bytes), rest),
        }

        self.builder.switch_to_block(rest);
        self.loop_while_below(paired_bytes, self.row_bytes, last, &[], after);
        self.builder.switch_to_block(last);
        let whole = Segments::whole(self.kernel, &self.varying).segments.remove(0);
        self.positions(&whole, Group::One, start, (zero, paired_bytes));
        self.builder.ins().jump(after, &[]);
    }

    /// Emits a flat kernel's pairs of columns, block by block and segment by segment. Continues in `after`.
    fn blocks(&mut self, segments: &[Segment], (zero, end): (Value, Value), after: Block) {
        let body = self.builder.create_block();
        let block = self.builder.append_block_param(body, I64);
        self.loop_while_below(zero, end, body, &[zero], after);
        self.builder.switch_to_block(body);
        let next = self.builder.ins().iadd_imm_u(block, BLOCK as i64 * WORD);
        let block_end = self.builder.ins().umin(next, end);
        for segment in segments {
            let done = self.builder.create_block();
            self.pairs(segment, zero, (block, block, block_end), done);
            self.builder.switch_to_block(done);
        }
        self.loop_while_below(next, end, body, &[next], after);
    }

    /// Emits a loop over the pairs of columns from byte `first` to `end`, in the block that begins at byte `block`.
    /// Continues in `after`.
    fn pairs(&mut self, segment: &Segment, start: Value, (block, first, end): (Value, Value, Value), after: Block) {
        let body = self.builder.create_block();
        let column = self.builder.append_block_param(body, I64);
        self.loop_while_below(first, end, body, &[first], after);
        self.builder.switch_to_block(body);
        if self.vectors {
            self.positions(segment, Group::Two, start, (block, column));
        } else {
            self.positions(segment, Group::One, start, (block, column));
            let second = self.builder.ins().iadd_imm_u(column, WORD);
            self.positions(segment, Group::One, start, (block, second));
        }
        let next = self.builder.ins().iadd_imm_u(column, 2 * WORD);
        self.loop_while_below(next, end, body, &[next], after);
    }

    /// Branches to `body` with `arguments` if `value < bound`, unsigned, and to `after` otherwise.
    fn loop_while_below(&mut self, value: Value, bound: Value, body: Block, arguments: &[Value], after: Block) {
        let below = self.builder.ins().icmp(IntCC::UnsignedLessThan, value, bound);
        let arguments: Vec<_> = arguments.iter().map(|&v| v.into()).collect();
        self.builder.ins().brif(below, body, &arguments, after, &[]);
    }

    /// Emits the values that do not depend on the column, and their vectors where pairs need them.
    fn invariants(&mut self, row: Option<Value>) {
        for (i, op) in self.kernel.ops.iter().enumerate() {
            if self.varying[i] {
                continue;
            }
            let value = match *op {
                MapOp::Load(slot, _) => {
                    let address = match row {
                        Some(row) => {
                            let offset = self.builder.ins().imul_imm_u(row, WORD);
                            self.address(slot, offset)
                        }
                        None => self.bases[slot.0 as usize],
                    };
                    self.load(slot, address)
                }
                MapOp::RowIndex => self.extended(row.expect("the row index of a flat kernel varies")),
                ref op => {
                    let scalars = mem::take(&mut self.scalars);
                    let value = self.operation(op, |v| computed(&scalars, v));
                    self.scalars = scalars;
                    value
                }
            };
            self.scalars[i] = Some(value);
        }
        if self.vectors {
            for v in self.splatted() {
                let scalar = computed(&self.scalars, v);
                self.splats[v.0 as usize] = Some(self.builder.ins().splat(I64X2, scalar));
            }
        }
    }

    /// Invariant values that varying operations or stores use, in order.
    fn splatted(&self) -> Vec<V> {
        let mut used = vec![false; self.kernel.ops.len()];
        for (op, _) in self.kernel.ops.iter().zip(&self.varying).filter(|(_, varies)| **varies) {
            operands(op).for_each(|v| used[v.0 as usize] = true);
        }
        self.kernel.stores.iter().for_each(|(_, v)| used[v.0 as usize] = true);
        let values = (0..).map(V).zip(used).zip(&self.varying);
        values.filter(|((_, used), varies)| *used && !**varies).map(|((v, _), _)| v).collect()
    }

    /// Emits a segment's operations and stores for one or two positions of the row that begins at byte `start` of a
    /// buffer; `column` is the byte offset from there, and `block` that of the block's first column.
    fn positions(&mut self, segment: &Segment, group: Group, start: Value, (block, column): (Value, Value)) {
        let position = if self.kernel.flat { column } else { self.builder.ins().iadd(start, column) };
        let mut values = match group {
            Group::One => self.scalars.clone(),
            Group::Two => self.splats.clone(),
        };
        for &(v, place) in &segment.takes {
            let address = self.waiting(place, block, column);
            values[v.0 as usize] = Some(self.builder.ins().load(I64X2, scratch_flags(), address, 0));
        }
        for &i in &segment.ops {
            let value = match self.kernel.ops[i] {
                MapOp::Load(slot, access) => {
                    let offset = if access == Access::Col { column } else { position };
                    let address = self.address(slot, offset);
                    match group {
                        Group::One => self.load(slot, address),
                        Group::Two => self.load_pair(slot, address),
                    }
                }
                MapOp::RowIndex => self.indices(group, column),
                ref op if group == Group::Two && !has_vector_form(op) => self.word_by_word(op, &values),
                ref op => self.operation(op, |v| computed(&values, v)),
            };
            values[i] = Some(value);
        }
        for &store in &segment.stores {
            let (slot, v) = self.kernel.stores[store];
            let address = self.address(slot, position);
            self.store(slot, computed(&values, v), address);
        }
        for &(v, place) in &segment.leaves {
            let address = self.waiting(place, block, column);
            self.builder.ins().store(scratch_flags(), computed(&values, v), address, 0);
        }
    }

    /// The address of a place of the scratch at a column of the block.
    fn waiting(&mut self, place: usize, block: Value, column: Value) -> Value {
        let scratch = self.scratch.expect("values wait in the scratch");
        let offset = i32::try_from(place * BLOCK * WORD as usize).expect("few values wait");
        let base = self.builder.ins().stack_addr(I64, scratch, offset);
        let within = self.builder.ins().isub(column, block);
        self.builder.ins().iadd(base, within)
    }

    /// The column of a position, or of two.
    fn indices(&mut self, group: Group, column: Value) -> Value {
        let first = self.builder.ins().ushr_imm_u(column, i64::from(WORD.trailing_zeros()));
        match group {
            Group::One => self.extended(first),
            Group::Two => {
                let mut steps = [0; 16];
                steps[8..].copy_from_slice(&1u64.to_le_bytes());
                let steps = self.builder.func.dfg.constants.insert(ConstantData::from(V128Imm(steps)));
                let steps = self.builder.ins().vconst(I64X2, steps);
                let first = self.builder.ins().splat(I64X2, first);
                self.builder.ins().iadd(first, steps)
            }
        }
    }

    /// An operation without a vector form on two positions.
    fn word_by_word(&mut self, op: &MapOp, values: &[Option<Value>]) -> Value {
        let [first, second] = [0, 1].map(|lane| {
            let mut words = [None; 2];
            for (word, v) in words.iter_mut().zip(operands(op)) {
                *word = Some((
                    v,
                    match self.scalars[v.0 as usize] {
                        Some(scalar) => scalar,
                        None => self.builder.ins().extractlane(computed(values, v), lane),
                    },
                ));
            }
            let of = |v: V| words.iter().flatten().find(|word| word.0 == v).map(|word| word.1);
            self.operation(op, |v| of(v).expect("both operands were taken"))
        });
        self.pair(first, second)
    }

    /// Two words as a vector.
    fn pair(&mut self, first: Value, second: Value) -> Value {
        let both = self.builder.ins().splat(I64X2, first);
        self.builder.ins().insertlane(both, second, 1)
    }

    /// An operation on the values of its operands; one that reads memory takes values of one position, others
    /// vectors too if they have a vector form.
    fn operation(&mut self, op: &MapOp, operand: impl Fn(V) -> Value) -> Value {
        match *op {
            MapOp::LoadAt(slot, index) => self.load_at(slot, operand(index)),
            _ => arithmetic(&mut self.builder, self.kernel.lane, op, operand),
        }
    }
}

/// The value of an operand, which precedes its use.
fn computed(values: &[Option<Value>], v: V) -> Value {
    values[v.0 as usize].expect("operands are computed before they are used")
}
