//! Kernels that read many buffers, cut into segments.
//!
//! Lines of buffers that lie a power of two apart share few places of a cache, and what is fetched ahead is fetched for
//! few buffers at once. So such a kernel takes a block of columns through one segment of its operations after the
//! other, each with few buffers; the values that a later segment needs wait in a scratch that the cache holds.

use mpcc_program::code::{Access, MapOp, V};
use mpcc_program::interpret::operands;

use crate::kernel::Kernel;

/// Columns of a block.
pub(super) const BLOCK: usize = 512;

/// Buffers that a segment reads entry by entry, if its operations can be cut there.
const STREAMS: usize = 16;
/// Values that may wait in the scratch between two segments.
const WAITING: usize = 4;

/// Operations done for a whole block of columns before the next segment's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Positions of the operations. Loads are repeated in every segment that uses them.
    pub(super) ops: Vec<usize>,
    /// Stores, by position.
    pub(super) stores: Vec<usize>,
    /// Values taken from the scratch, and their places in it.
    pub(super) takes: Vec<(V, usize)>,
    /// Values left in the scratch, and their places in it: those of values taken for the last time may be among them.
    pub(super) leaves: Vec<(V, usize)>,
}

/// A kernel's segments, and the values that their scratch holds for each column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segments {
    pub(super) segments: Vec<Segment>,
    pub(super) places: usize,
}

impl Segments {
    /// All operations that `varying` marks and all stores in one segment.
    pub(super) fn whole(kernel: &Kernel, varying: &[bool]) -> Self {
        let ops = (0..kernel.ops.len()).filter(|i| varying[*i]).collect();
        let stores = (0..kernel.stores.len()).collect();
        Self { segments: vec![Segment { ops, stores, ..Segment::default() }], places: 0 }
    }

    /// The segments of a flat kernel of vectors; one if there is no reason or no good place to cut.
    pub(super) fn of(kernel: &Kernel, varying: &[bool]) -> Self {
        let cuts = cuts(kernel, varying);
        if cuts.is_empty() {
            return Self::whole(kernel, varying);
        }
        let segment_of = |i: usize| cuts.partition_point(|cut| *cut <= i);
        let waits = |v: V| varying[v.0 as usize] && !is_source(&kernel.ops[v.0 as usize]);
        let mut last_use = vec![0; kernel.ops.len()];
        for (i, op) in kernel.ops.iter().enumerate().filter(|(i, _)| varying[*i]) {
            operands(op).for_each(|v| last_use[v.0 as usize] = segment_of(i));
        }
        let mut segments = vec![Segment::default(); cuts.len() + 1];
        for (i, op) in kernel.ops.iter().enumerate().filter(|(i, op)| varying[*i] && !is_source(op)) {
            let segment = &mut segments[segment_of(i)];
            segment
                .ops
                .extend(operands(op).map(|v| v.0 as usize).filter(|v| varying[*v] && is_source(&kernel.ops[*v])));
            segment.ops.push(i);
        }
        for (position, (_, v)) in kernel.stores.iter().enumerate() {
            let v = v.0 as usize;
            let segment = &mut segments[if varying[v] { segment_of(v) } else { 0 }];
            segment.stores.push(position);
            if varying[v] && is_source(&kernel.ops[v]) {
                segment.ops.push(v);
            }
        }
        let mut free: Vec<usize> = Vec::new();
        let mut places = 0;
        let mut waiting: Vec<(V, usize)> = Vec::new();
        for (at, segment) in segments.iter_mut().enumerate() {
            segment.ops.sort_unstable();
            segment.ops.dedup();
            let uses = |v: V| segment.ops.iter().any(|i| operands(&kernel.ops[*i]).any(|o| o == v));
            segment.takes = waiting.iter().copied().filter(|(v, _)| uses(*v)).collect();
            waiting.retain(|&(v, place)| {
                let over = last_use[v.0 as usize] <= at;
                if over {
                    free.push(place);
                }
                !over
            });
            for i in &segment.ops {
                let v = V(u32::try_from(*i).expect("operations are counted in u32"));
                if waits(v) && last_use[*i] > at {
                    let place = free.pop().unwrap_or_else(|| {
                        places += 1;
                        places - 1
                    });
                    segment.leaves.push((v, place));
                    waiting.push((v, place));
                }
            }
        }
        Self { segments, places }
    }
}

/// Operations that are repeated rather than kept.
fn is_source(op: &MapOp) -> bool {
    matches!(op, MapOp::Load(..) | MapOp::RowIndex)
}

/// Positions at which a segment begins, but for the first.
fn cuts(kernel: &Kernel, varying: &[bool]) -> Vec<usize> {
    let mut last_use = vec![0; kernel.ops.len()];
    for (i, op) in kernel.ops.iter().enumerate().filter(|(i, _)| varying[*i]) {
        operands(op).for_each(|v| last_use[v.0 as usize] = i);
    }
    // By position, the values before it that it or a later one needs.
    let crossing = |at: usize| {
        let before = kernel.ops[..at].iter().enumerate();
        before.filter(|&(i, op)| varying[i] && !is_source(op) && last_use[i] >= at).count()
    };
    // Buffers are counted where they are used first.
    let mut known = vec![false; kernel.ops.len()];
    let mut cuts = Vec::new();
    let (mut streams, mut best): (usize, Option<(usize, usize)>) = (0, None);
    for (i, op) in kernel.ops.iter().enumerate().filter(|(i, op)| varying[*i] && !is_source(op)) {
        if streams > STREAMS / 2 {
            let waiting = crossing(i);
            if best.is_none_or(|(least, _)| waiting <= least) {
                best = Some((waiting, i));
            }
        }
        for v in operands(op) {
            let v = v.0 as usize;
            if matches!(kernel.ops[v], MapOp::Load(_, Access::Full)) && !known[v] {
                known[v] = true;
                streams += 1;
            }
        }
        if streams > STREAMS
            && let Some((waiting, at)) = best.take()
        {
            if waiting > WAITING {
                return Vec::new();
            }
            cuts.push(at);
            // What was counted since the cut belongs to the new segment.
            let since = kernel.ops[at..=i].iter().enumerate().filter(|(j, op)| varying[at + j] && !is_source(op));
            let used = since.flat_map(|(_, op)| operands(op)).map(|v| v.0 as usize);
            let mut used: Vec<usize> =
                used.filter(|v| matches!(kernel.ops[*v], MapOp::Load(_, Access::Full))).collect();
            used.sort_unstable();
            used.dedup();
            streams = used.len();
        }
    }
    cuts
}
