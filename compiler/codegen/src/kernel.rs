//! Maps stripped of what does not change their machine code.
//!
//! A [`Kernel`] is a map whose buffers are replaced by slots, in order of first use, and whose extents become
//! arguments of the compiled function. Of a buffer only its lane remains. Maps that differ only in buffers of the
//! same lanes and in extents share one kernel; a [`Launch`] says with which buffers and extents a map calls its
//! kernel.

use std::collections::HashMap;

use mpcc_program::code::{Access, Buf, Lane, Map, MapOp, RoleCode, V, maps};
use mpcc_program::interpret::check_map;

use crate::CodegenError;
use crate::simplify::{Op, simplified};

/// A loop nest over `rows × cols` positions, on slots instead of buffers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kernel {
    /// What it computes in.
    pub(crate) lane: Lane,
    /// One row only: the kernel has no loop over rows, `Access::Row` is entry 0, `Access::Col` does not occur,
    /// and `RowIndex` is the column.
    pub(crate) flat: bool,
    /// Operations of the map; a `Buf` is the number of a slot.
    pub(crate) ops: Vec<MapOp>,
    /// Stores of the map; a `Buf` is the number of a slot.
    pub(crate) stores: Vec<(Buf, V)>,
    /// Lane of every slot's buffer.
    pub(crate) slots: Vec<Lane>,
}

/// How one map calls its kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    /// Index of the kernel.
    pub(crate) kernel: usize,
    /// Rows the kernel runs over.
    pub(crate) rows: usize,
    /// Columns the kernel runs over.
    pub(crate) cols: usize,
    /// What every slot stands for.
    pub(crate) slots: Vec<Bound>,
}

/// A buffer as the map that uses it was checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) buf: Buf,
    /// Entries of the buffer.
    pub(crate) length: usize,
    /// Entry that the kernel takes for the first.
    pub(crate) first: usize,
    pub(crate) lane: Lane,
    /// Whether the map writes it.
    pub(crate) stored: bool,
}

/// The distinct kernels of a role's code, and one launch per map in the order of [`maps`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) launches: Vec<Launch>,
}

/// Checks every map of `code` and groups them by kernel.
pub(crate) fn plan(code: &RoleCode) -> Result<Plan, CodegenError> {
    if code.lanes.len() != code.lengths.len() {
        return Err(CodegenError::Lanes { lanes: code.lanes.len(), lengths: code.lengths.len() });
    }
    let mut plan = Plan::default();
    let mut known = HashMap::new();
    for (id, map) in maps(code).enumerate() {
        check_map(map, &code.lengths, &code.lanes).map_err(|source| CodegenError::Map { id, source })?;
        let (kernel, mut launch) = abstracted(map, code);
        launch.kernel = *known.entry(kernel).or_insert_with_key(|kernel| {
            plan.kernels.push(kernel.clone());
            plan.kernels.len() - 1
        });
        plan.launches.push(launch);
    }
    Ok(plan)
}

/// Which of the index spaces a kernel has stands for the map's.
#[derive(Clone, Copy)]
enum Nest {
    /// The map's own rows and columns.
    Both,
    /// The map has one column: its rows are the kernel's columns.
    Rows,
    /// The map has one row.
    Cols,
    /// No operation tells rows from columns: positions are the kernel's columns.
    Positions,
}

/// Splits a checked map into its kernel and its launch, whose kernel index is still to be set.
fn abstracted(map: &Map, code: &RoleCode) -> (Kernel, Launch) {
    let (ops, stores) = simplified(map, &code.lengths);
    let two_dimensional = |op: &Op| match op {
        Op::Map(op) => matches!(op, MapOp::Load(_, Access::Row | Access::Col) | MapOp::RowIndex),
        Op::LoadFrom(..) => true,
    };
    let (nest, rows, cols) = match (map.rows, map.cols) {
        (rows, 1) => (Nest::Rows, 1, rows),
        (1, cols) => (Nest::Cols, 1, cols),
        (rows, cols) if ops.iter().any(two_dimensional) => (Nest::Both, rows, cols),
        (rows, cols) => (Nest::Positions, 1, rows * cols),
    };
    let mut slots: Vec<Bound> = Vec::new();
    let mut slot = |buf: Buf, first: usize| {
        let index = slots.iter().position(|s| (s.buf, s.first) == (buf, first)).unwrap_or_else(|| {
            let at = buf.0 as usize;
            let stored = map.stores.iter().any(|(stored, _)| *stored == buf);
            slots.push(Bound { buf, length: code.lengths[at], first, lane: code.lanes[at], stored });
            slots.len() - 1
        });
        Buf(u32::try_from(index).expect("no more slots than operations and stores, which u32 counts"))
    };
    let ops = ops.iter().map(|op| match *op {
        Op::Map(MapOp::Load(buf, access)) => MapOp::Load(slot(buf, 0), in_nest(nest, access)),
        Op::LoadFrom(buf, first, access) => MapOp::Load(slot(buf, first), in_nest(nest, access)),
        Op::Map(MapOp::LoadAt(buf, index)) => MapOp::LoadAt(slot(buf, 0), index),
        Op::Map(MapOp::RowIndex) if matches!(nest, Nest::Cols) => MapOp::Const(0),
        Op::Map(op) => op,
    });
    let ops = ops.collect();
    let stores = stores.iter().map(|&(buf, value)| (slot(buf, 0), value)).collect();
    let lanes = slots.iter().map(|s| s.lane).collect();
    let kernel = Kernel { lane: map.lane, flat: !matches!(nest, Nest::Both), ops, stores, slots: lanes };
    (kernel, Launch { kernel: 0, rows, cols, slots })
}

/// The kernel's access for an access of the map.
fn in_nest(nest: Nest, access: Access) -> Access {
    match (nest, access) {
        (Nest::Both | Nest::Positions, access) => access,
        (_, Access::Full) | (Nest::Rows, Access::Row) | (Nest::Cols, Access::Col) => Access::Full,
        (Nest::Rows, Access::Col) | (Nest::Cols, Access::Row) => Access::Row,
    }
}
