//! G10: a smooth function of one positive number per row, by an incremental distributed point function on the path of its
//! mask: no hop, whatever the number of octaves.

use crate::code::{Instr, Lane, RowTable};
use crate::program::ValueId;

use super::emit::{Emit, Lowered};

/// Shares of the function at the opened number of every row.
pub(super) fn row_function(e: &mut Emit<'_>, id: ValueId, source: ValueId, table: RowTable) -> Lowered {
    let (rows, lane) = (e.len(source), Lane::of(e.value(id).ring));
    let wire = e.wire(source);
    let Some(([seeds, controls, values], root)) = e.keys(1) else { return Lowered::Share(None) };
    let (dst, points) = (e.new_buffer(lane, rows), wire.hat.expect("opened"));
    e.push(Instr::RowShares { dst, points, root, seeds, controls, values, table });
    Lowered::Share(Some(dst))
}
