//! Fuses maps: what one map stores and another of the same list loads at the same positions stays a value, and what
//! several maps load is loaded once.
//!
//! A map joins an earlier one of its list that it shares a buffer with, at the place of either, if no instruction
//! between them stands in the way. What one map stores twice is stored once, and stores that nobody reads are dropped. Every buffer that is still stored holds the
//! same words as before, no instruction changes its list, and the order of everything but maps stays.

use hashbrown::HashMap;

use crate::code::{Access, Buf, Exchange, Instr, Lane, Map, MapOp, RoleCode, V};
use crate::forms::is_vector;
use crate::interpret::operands;

/// Operations of a fused map, at most: more values at once than a processor has registers for gain nothing.
const MOST_OPERATIONS: usize = 128;
/// Buffers that a fused map loads entry by entry, at most.
const MOST_LOADS: usize = 24;
/// Operations on vectors that may become operations on words to save a store and a load.
const GIVEN_UP: usize = 8;
/// Instructions between two maps that only load the same, at most: what is loaded stays in memory meanwhile.
const NEAR: usize = 24;

/// Fuses the maps of every list.
pub fn fuse(code: &mut RoleCode) {
    let buffers = Buffers { lengths: &code.lengths, lanes: &code.lanes };
    let fuse = |list: &mut Vec<Instr>| *list = List::fused(std::mem::take(list), buffers);
    fuse(&mut code.setup.local);
    fuse(&mut code.setup_after);
    fuse(&mut code.offline);
    code.steps.iter_mut().for_each(|step| fuse(&mut step.local));
    store_once(code);
    drop_unread(code);
}

/// Of buffers in which one map stores the same value, only the first is read from then on.
fn store_once(code: &mut RoleCode) {
    let mut instead: Vec<Buf> = (0..code.lengths.len() as u32).map(Buf).collect();
    let mut list = |instrs: &mut Vec<Instr>| {
        for instr in instrs {
            instr.read_instead(|buf| instead[buf.0 as usize]);
            if let Instr::Map(map) = instr {
                let mut first: HashMap<(V, Lane), Buf> = HashMap::new();
                for (buf, v) in &map.stores {
                    let at = buf.0 as usize;
                    instead[at] = *first.entry((*v, code.lanes[at])).or_insert(*buf);
                }
            }
        }
    };
    list(&mut code.setup.local);
    list(&mut code.setup_after);
    list(&mut code.offline);
    code.steps.iter_mut().for_each(|step| list(&mut step.local));
    let exchanges = code.steps.iter_mut().map(|step| &mut step.exchange).chain([&mut code.setup.exchange]);
    exchanges.flat_map(|exchange| &mut exchange.send).for_each(|part| part.buf = instead[part.buf.0 as usize]);
    code.outputs.iter_mut().for_each(|output| output.buf = instead[output.buf.0 as usize]);
}

/// Drops stores that nobody reads, and maps without stores. A buffer that is gone has no entries.
fn drop_unread(code: &mut RoleCode) {
    let mut read = vec![false; code.lengths.len()];
    let mut gone = Vec::new();
    let sent = |exchange: &Exchange| exchange.send.iter().map(|part| part.buf).collect::<Vec<_>>();
    let steps = code.steps.iter().flat_map(|step| sent(&step.exchange));
    let kept = code.outputs.iter().map(|output| output.buf).chain(steps).chain(sent(&code.setup.exchange));
    kept.for_each(|buf| read[buf.0 as usize] = true);
    let mut sweep = |list: &mut Vec<Instr>| {
        let mut kept = Vec::with_capacity(list.len());
        for mut instr in std::mem::take(list).into_iter().rev() {
            if let Instr::Map(map) = &mut instr {
                map.stores.retain(|(buf, _)| {
                    let read = read[buf.0 as usize];
                    if !read {
                        gone.push(*buf);
                    }
                    read
                });
                if map.stores.is_empty() {
                    continue;
                }
                drop_unused(map);
            }
            instr.reads().iter().for_each(|buf| read[buf.0 as usize] = true);
            kept.push(instr);
        }
        kept.reverse();
        *list = kept;
    };
    code.steps.iter_mut().rev().for_each(|step| sweep(&mut step.local));
    sweep(&mut code.offline);
    sweep(&mut code.setup_after);
    sweep(&mut code.setup.local);
    gone.iter().for_each(|buf| code.lengths[buf.0 as usize] = 0);
}

/// Drops operations that no store needs.
fn drop_unused(map: &mut Map) {
    let mut used = vec![false; map.ops.len()];
    map.stores.iter().for_each(|(_, v)| used[v.0 as usize] = true);
    for (i, op) in map.ops.iter().enumerate().rev() {
        if used[i] {
            operands(op).for_each(|v| used[v.0 as usize] = true);
        }
    }
    let mut place = vec![V(0); map.ops.len()];
    let mut kept = Vec::with_capacity(map.ops.len());
    for (i, op) in map.ops.iter().enumerate().filter(|(i, _)| used[*i]) {
        place[i] = V(kept.len() as u32);
        kept.push(op.with(|v| place[v.0 as usize]));
    }
    map.ops = kept;
    map.stores.iter_mut().for_each(|(_, v)| *v = place[v.0 as usize]);
}

/// Lengths and lanes of all buffers.
#[derive(Clone, Copy)]
struct Buffers<'a> {
    lengths: &'a [usize],
    lanes: &'a [Lane],
}

/// A list in which maps are being fused.
struct List<'a> {
    buffers: Buffers<'a>,
    /// Instructions at their places; nothing where a map joined another.
    slots: Vec<Option<Instr>>,
    reads: Vec<Vec<Buf>>,
    /// Where each buffer is written last.
    written: HashMap<Buf, usize>,
    /// Where each buffer was last loaded by a map.
    loaded: HashMap<Buf, usize>,
}

impl<'a> List<'a> {
    fn fused(instrs: Vec<Instr>, buffers: Buffers<'a>) -> Vec<Instr> {
        let reads: Vec<Vec<Buf>> = instrs.iter().map(Instr::reads).collect();
        let count = instrs.len();
        let slots = instrs.into_iter().map(Some).collect();
        let mut list = Self { buffers, slots, reads, written: HashMap::new(), loaded: HashMap::new() };
        for at in 0..count {
            list.take(at);
        }
        list.slots.into_iter().flatten().collect()
    }

    /// Joins the instruction at a place with an earlier one if it can, and notes what it reads and writes.
    fn take(&mut self, at: usize) {
        let Some(instr) = &self.slots[at] else { return };
        for buf in instr.writes() {
            self.written.insert(buf, at);
        }
        if !matches!(instr, Instr::Map(_)) {
            return;
        }
        let place = self.partners(at).into_iter().find_map(|with| self.join(with, at)).unwrap_or(at);
        if let Some(Instr::Map(map)) = &self.slots[place] {
            map.stores.iter().for_each(|(buf, _)| _ = self.written.insert(*buf, place));
            for op in &map.ops {
                if let MapOp::Load(buf, _) = op {
                    self.loaded.insert(*buf, place);
                }
            }
        }
    }

    /// Earlier maps that store what the map at a place loads, then those that load the same; the last first.
    fn partners(&self, at: usize) -> Vec<usize> {
        let reads = &self.reads[at];
        let earlier = |places: &HashMap<Buf, usize>, near: usize| {
            let mut found: Vec<usize> = reads.iter().filter_map(|buf| places.get(buf).copied()).collect();
            found.retain(|&with| with < at && at - with <= near && matches!(self.slots[with], Some(Instr::Map(_))));
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.dedup();
            found
        };
        let mut partners = earlier(&self.written, usize::MAX);
        for with in earlier(&self.loaded, NEAR) {
            if !partners.contains(&with) {
                partners.push(with);
            }
        }
        partners
    }

    /// Fuses the map at `at` with the one at `with`, if that is allowed and useful. Where the result is.
    fn join(&mut self, with: usize, at: usize) -> Option<usize> {
        let (Some(Instr::Map(first)), Some(Instr::Map(second))) = (&self.slots[with], &self.slots[at]) else {
            return None;
        };
        // At the first's place if all that the second reads is there already, at the second's if nobody needs the
        // first before.
        let early = self.reads[at].iter().all(|buf| self.written.get(buf).is_none_or(|place| *place <= with));
        let between = self.slots[with + 1..at].iter().zip(&self.reads[with + 1..at]).filter(|(slot, _)| slot.is_some());
        let mut read_between = between.flat_map(|(_, reads)| reads);
        let mut late = || !read_between.any(|buf| first.stores.iter().any(|(stored, _)| stored == buf));
        let place = if early {
            with
        } else if late() {
            at
        } else {
            return None;
        };
        let map = fused(first, second, self.buffers)?;
        let other = with + at - place;
        self.slots[other] = None;
        let instr = Instr::Map(map);
        self.reads[place] = instr.reads();
        self.slots[place] = Some(instr);
        Some(place)
    }
}

/// A map's loads that do not depend on what its index space is called: every entry is one of its positions.
fn positional(map: &Map) -> bool {
    map.ops.iter().all(|op| match op {
        MapOp::Load(_, access) => *access == Access::Full,
        MapOp::RowIndex => false,
        _ => true,
    })
}

/// The map with loads of rows or columns called full where they are.
fn normal(map: &Map) -> Map {
    let mut map = map.clone();
    for op in &mut map.ops {
        match op {
            MapOp::Load(_, access @ Access::Row) if map.cols == 1 => *access = Access::Full,
            MapOp::Load(_, access @ Access::Col) if map.rows == 1 => *access = Access::Full,
            _ => {}
        }
    }
    map
}

/// Both maps in one, the second's loads of what the first stores being the first's values.
fn fused(first: &Map, second: &Map, buffers: Buffers<'_>) -> Option<Map> {
    if first.lane != second.lane || first.rows * first.cols != second.rows * second.cols {
        return None;
    }
    let (first, second) = (normal(first), normal(second));
    let (rows, cols) = match () {
        () if (first.rows, first.cols) == (second.rows, second.cols) => (first.rows, first.cols),
        () if positional(&first) => (second.rows, second.cols),
        () if positional(&second) => (first.rows, first.cols),
        () => return None,
    };
    let mut known: HashMap<MapOp, V> = first.ops.iter().copied().zip((0..).map(V)).collect();
    let stored: HashMap<Buf, V> = first.stores.iter().copied().collect();
    let lane = first.lane;
    let form = |map: &Map| is_vector(map, buffers.lengths);
    let given_up = match (form(&first), form(&second)) {
        (true, false) => operations(&first),
        (false, true) => operations(&second),
        _ => 0,
    };
    let mut out = Map { rows, cols, ..first };
    let mut push = |op: MapOp| {
        *known.entry(op).or_insert_with(|| {
            out.ops.push(op);
            V(out.ops.len() as u32 - 1)
        })
    };
    let mut values: Vec<V> = Vec::with_capacity(second.ops.len());
    for op in &second.ops {
        let value = match *op {
            MapOp::Load(buf, access) => match stored.get(&buf) {
                Some(v) if access == Access::Full => match (lane, buffers.lanes[buf.0 as usize]) {
                    (Lane::Double, Lane::Word) => {
                        let low = push(MapOp::Const(u64::MAX));
                        push(MapOp::And(*v, low))
                    }
                    _ => *v,
                },
                Some(_) => return None,
                None => push(*op),
            },
            MapOp::LoadAt(buf, _) if stored.contains_key(&buf) => return None,
            _ => push(op.with(|v| values[v.0 as usize])),
        };
        values.push(value);
    }
    out.stores.extend(second.stores.iter().map(|(buf, v)| (*buf, values[v.0 as usize])));
    let loads = out.ops.iter().filter(|op| matches!(op, MapOp::Load(_, Access::Full) | MapOp::LoadAt(..))).count();
    let worth = given_up <= GIVEN_UP || form(&out);
    (worth && loads <= MOST_LOADS && operations(&out) <= MOST_OPERATIONS).then_some(out)
}

/// Operations that compute something.
fn operations(map: &Map) -> usize {
    let source = |op: &MapOp| matches!(op, MapOp::Load(..) | MapOp::Const(_) | MapOp::RowIndex);
    map.ops.iter().filter(|op| !source(op)).count()
}

#[cfg(test)]
mod tests;
