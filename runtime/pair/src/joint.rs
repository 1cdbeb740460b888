//! Tasks of a round that are done as one: matrices times the same list of left numbers, with their right operands beside each other,
//! and products entry by entry in common ciphertexts. What several tasks amount to is a task again.

use hashbrown::HashMap;

use mpcc_program::correlation::{Along, Pairing};
use mpcc_program::making::{Factor, Job, Task};
use zeroize::Zeroizing;

use crate::lists::{Words, lanes, modulo, resized};
use crate::numbers::{Integers, integers};

/// Entries of a row that stand beside each other where rows of different lengths do: longer ones are several rows.
const WIDTH: usize = 64;

/// Where a member's list stands in that of the whole: row by row, `stride` entries from one row to the next, every entry several
/// times side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    rows: usize,
    cols: usize,
    stride: usize,
    offset: usize,
    times: usize,
}

impl Block {
    fn run(offset: usize, len: usize) -> Block {
        Block { rows: 1, cols: len, stride: 0, offset, times: 1 }
    }

    /// Copies a member's list, of `lanes` elements an entry, to its place in the whole.
    pub(crate) fn put<T: Copy>(&self, member: &[T], whole: &mut [T], lanes: usize) {
        for (row, entries) in member.chunks((self.cols * lanes).max(1)).take(self.rows).enumerate() {
            let at = (self.offset + row * self.stride) * lanes;
            let places = whole[at..at + entries.len() * self.times].chunks_mut(lanes);
            let repeated = entries.chunks(lanes).flat_map(|entry| std::iter::repeat_n(entry, self.times));
            places.zip(repeated).for_each(|(place, entry)| place.copy_from_slice(entry));
        }
    }

    /// Copies a member's list out of the whole.
    pub(crate) fn get<T: Copy + Default>(&self, whole: &[T], lanes: usize) -> Vec<T> {
        let row = |row: usize| &whole[(self.offset + row * self.stride) * lanes..][..self.cols * lanes];
        (0..self.rows).flat_map(|at| row(at).iter().copied()).collect()
    }
}

/// A task of a joint.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its number in the round.
    pub(crate) at: usize,
    /// Where its operands stand.
    operands: [Block; 2],
    /// Where its result stands.
    pub(crate) result: Block,
}

/// Tasks that are done as one.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    /// What they amount to, in the widths of the widest.
    pub(crate) whole: Task,
    pub(crate) members: Vec<Member>,
    /// All have the left operand of the first.
    stacked: bool,
}

/// What tasks have in common that stand beside each other: extents and widths in which they may differ are 0.
pub(crate) fn line(task: &Task) -> Option<Task> {
    let none = Factor { width: 0, signed: false };
    let Job::Products { left, pairing, .. } = task.job else { return None };
    let pairing = joined(pairing, &[])?;
    Some(Task { job: Job::Products { left, pairing, factors: [none; 2], again: 0 }, len: 0, bits: 0 })
}

/// What tasks have in common that are done in the same way: a task without the extents along which tasks are joined.
pub(crate) fn class(task: &Task) -> Task {
    let Job::Products { left, pairing, factors, .. } = task.job else { return *task };
    let (pairing, len) = joined(pairing, &[]).map_or((pairing, task.len), |pairing| (pairing, 0));
    Task { job: Job::Products { left, pairing, factors, again: 0 }, len, bits: task.bits }
}

/// A pairing with the extent along which tasks are joined, those of all these members together. `None` of matrices, but for single
/// rows times single columns.
fn joined(pairing: Pairing, extents: &[usize]) -> Option<Pairing> {
    let sum = extents.iter().sum();
    Some(match pairing {
        Pairing::Entries { right: Along::Both, .. } => Pairing::Entries { rows: 1, cols: sum, right: Along::Both },
        Pairing::Entries { cols, right: Along::Rows, .. } => {
            Pairing::Entries { rows: sum, cols: cols / pieces(cols), right: Along::Rows }
        }
        Pairing::Entries { rows, right: Along::Columns, .. } => {
            Pairing::Entries { rows, cols: sum, right: Along::Columns }
        }
        Pairing::Complex { .. } => Pairing::Complex { count: sum },
        Pairing::Matrices { m: 1, k, n: 1, shared_right: false, .. } => {
            Pairing::Matrices { batch: sum, m: 1, k, n: 1, shared_right: false }
        }
        Pairing::Matrices { .. } => return None,
    })
}

/// Rows that a row of so many entries becomes.
fn pieces(cols: usize) -> usize {
    if cols > 0 && cols.is_multiple_of(WIDTH) { cols / WIDTH } else { 1 }
}

/// A task's own extent along the axis along which it is joined.
fn extent(pairing: Pairing) -> usize {
    match pairing {
        Pairing::Entries { rows, cols, right: Along::Both } => rows * cols,
        Pairing::Entries { rows, cols, right: Along::Rows } => rows * pieces(cols),
        Pairing::Entries { cols, right: Along::Columns, .. } => cols,
        Pairing::Complex { count } => count,
        Pairing::Matrices { batch, .. } => batch,
    }
}

/// What two tasks that have a [`line`] in common amount to.
pub(crate) fn together(one: &Task, other: &Task) -> Task {
    let (Some(of), Some(more)) = (pairing(one), pairing(other)) else { return *one };
    let Some(all) = joined(of, &[extent(of), extent(more)]) else { return *one };
    let (factors, bits) = widest([one, other].into_iter());
    let Job::Products { left, .. } = one.job else { return *one };
    Task { job: Job::Products { left, pairing: all, factors, again: 0 }, len: one.len + other.len, bits }
}

/// Whether a task makes products.
pub(crate) fn multiplies(task: &Task) -> bool {
    matches!(task.job, Job::Products { .. })
}

fn pairing(task: &Task) -> Option<Pairing> {
    if let Job::Products { pairing, .. } = task.job { Some(pairing) } else { None }
}

/// Factors and bits of the widest.
fn widest<'t>(tasks: impl Iterator<Item = &'t Task>) -> ([Factor; 2], u8) {
    let mut out = ([Factor { width: 0, signed: false }; 2], 0);
    for task in tasks {
        let Job::Products { factors, .. } = task.job else { continue };
        for (all, one) in out.0.iter_mut().zip(factors) {
            *all = Factor { width: all.width.max(one.width), signed: all.signed || one.signed };
        }
        out.1 = out.1.max(task.bits);
    }
    out
}

impl Joint {
    /// A task by itself.
    pub(crate) fn single(tasks: &[Task], at: usize) -> Joint {
        let mut whole = tasks[at];
        let mut lengths = [0; 2];
        if let Job::Products { pairing, again, .. } = &mut whole.job {
            *again = 0;
            lengths = pairing.lengths();
        }
        let member = Member { at, operands: lengths.map(|len| Block::run(0, len)), result: Block::run(0, whole.len) };
        Joint { whole, members: vec![member], stacked: false }
    }

    /// Tasks that have a [`line`] in common, one behind the other.
    pub(crate) fn lined(tasks: &[Task], ats: &[usize]) -> Joint {
        let first = Joint::single(tasks, ats[0]);
        let (Job::Products { left, pairing: of, .. }, [_, _, ..]) = (first.whole.job, ats) else { return first };
        let extents: Vec<usize> = ats.iter().filter_map(|at| pairing(&tasks[*at])).map(extent).collect();
        let Some(all) = joined(of, &extents) else { return first };
        let sum: usize = extents.iter().sum();
        let mut begin = 0;
        let mut member = |(&at, extent): (&usize, &usize)| {
            let (from, extent) = (begin, *extent);
            begin += extent;
            let run = |each: usize| Block::run(from * each, extent * each);
            let across = |rows: usize| Block { rows, cols: extent, stride: sum, offset: from, times: 1 };
            let [left, right, result] = match all {
                Pairing::Entries { right: Along::Both, .. } => [run(1); 3],
                Pairing::Entries { cols, right: Along::Rows, .. } => {
                    let times = match pairing(&tasks[at]) {
                        Some(Pairing::Entries { cols, .. }) => pieces(cols),
                        _ => 1,
                    };
                    [run(cols), Block { cols: extent / times, times, ..run(1) }, run(cols)]
                }
                Pairing::Entries { rows, right: Along::Columns, .. } => [across(rows), run(1), across(rows)],
                Pairing::Complex { .. } => [across(2); 3],
                Pairing::Matrices { k, .. } => [run(k), run(k), run(1)],
            };
            Member { at, operands: [left, right], result }
        };
        let members = ats.iter().zip(&extents).map(&mut member).collect();
        let (factors, bits) = widest(ats.iter().map(|at| &tasks[*at]));
        let len = ats.iter().map(|at| tasks[*at].len).sum();
        let whole = Task { job: Job::Products { left, pairing: all, factors, again: 0 }, len, bits };
        Joint { whole, members, stacked: false }
    }

    /// Products of one list of left numbers with several right operands, these beside each other.
    fn stacked(tasks: &[Task], ats: &[usize]) -> Joint {
        let first = Joint::single(tasks, ats[0]);
        let (Job::Products { left, .. }, [_, _, ..]) = (first.whole.job, ats) else { return first };
        let Some((rows, inner)) = alone(&first.whole) else { return first };
        let columns = |at: &usize| tasks[*at].len / rows.max(1);
        let all: usize = ats.iter().map(columns).sum();
        let mut begin = 0;
        let mut member = |at: &usize| {
            let (offset, cols) = (begin, columns(at));
            begin += cols;
            let beside = |rows: usize| Block { rows, cols, stride: all, offset, times: 1 };
            Member { at: *at, operands: [Block::run(0, rows * inner), beside(inner)], result: beside(rows) }
        };
        let members = ats.iter().map(&mut member).collect();
        let (factors, bits) = widest(ats.iter().map(|at| &tasks[*at]));
        let pairing = Pairing::Matrices { batch: 1, m: rows, k: inner, n: all, shared_right: false };
        let whole = Task { job: Job::Products { left, pairing, factors, again: 0 }, len: rows * all, bits };
        Joint { whole, members, stacked: true }
    }

    /// Whether a member's operand stands there already.
    fn shares(&self, number: usize, left: bool) -> bool {
        left && self.stacked && number > 0
    }

    /// An operand's numbers modulo 2^bits of the whole, in its lanes: those of one of `units` equal parts of a single task.
    pub(crate) fn residues(
        &self,
        tasks: &[Task],
        (operands, left): (&[Vec<Words>], bool),
        (unit, units): (usize, usize),
    ) -> Words {
        let bits = self.whole.bits;
        let of = |member: &Member| {
            let words = &operands[member.at][0];
            let size = words.len() / units;
            modulo(&words[unit * size..(unit + 1) * size], factor(&tasks[member.at], left), bits)
        };
        if let [single] = &self.members[..] {
            return of(single);
        }
        let mut out = Words::new(vec![0; self.length(left) * lanes(bits)]);
        for (number, member) in self.members.iter().enumerate() {
            if !self.shares(number, left) {
                member.operands[usize::from(!left)].put(&of(member), &mut out, lanes(bits));
            }
        }
        out
    }

    /// An operand's integers, each no larger than the widths of its own task, or of all that share it, say: those of one of `units` equal parts of a single task.
    pub(crate) fn integers(
        &self,
        tasks: &[Task],
        (operands, left): (&[Vec<Words>], bool),
        (unit, units): (usize, usize),
    ) -> Integers {
        let of = |member: &Member| {
            let words = &operands[member.at][0];
            let (task, size) = (&tasks[member.at], words.len() / units);
            let bits = if left && self.stacked { self.whole.bits } else { task.bits };
            integers(&words[unit * size..(unit + 1) * size], factor(task, left), bits)
        };
        if let [single] = &self.members[..] {
            return of(single);
        }
        let mut out = Zeroizing::new(vec![0; self.length(left)]);
        for (number, member) in self.members.iter().enumerate() {
            if !self.shares(number, left) {
                member.operands[usize::from(!left)].put(&of(member), &mut out, 1);
            }
        }
        out
    }

    /// A member's share out of that of the whole.
    pub(crate) fn part(&self, tasks: &[Task], member: &Member, whole: &[u64]) -> Words {
        let part = Words::new(member.result.get(whole, lanes(self.whole.bits)));
        resized(&part, self.whole.bits, tasks[member.at].bits)
    }

    fn length(&self, left: bool) -> usize {
        pairing(&self.whole).map_or(0, |pairing| pairing.lengths()[usize::from(!left)])
    }
}

fn factor(task: &Task, left: bool) -> Factor {
    match task.job {
        Job::Products { factors, .. } => factors[usize::from(!left)],
        _ => Factor { width: task.bits, signed: false },
    }
}

/// Rows and inner extent of a task that is one product of matrices.
fn alone(task: &Task) -> Option<(usize, usize)> {
    match pairing(task)? {
        Pairing::Matrices { batch, m, k, shared_right, .. } if shared_right || batch == 1 => Some((batch * m, k)),
        _ => None,
    }
}

/// The tasks of a round, those together that multiply one list of left numbers in the same shape.
pub(crate) fn stacks(tasks: &[Task]) -> Vec<Joint> {
    let mut groups: Vec<Vec<usize>> = vec![];
    // The first task with the same left numbers, and the group of those that stand beside each other.
    let mut first: Vec<usize> = (0..tasks.len()).collect();
    let mut known = HashMap::new();
    for (at, task) in tasks.iter().enumerate() {
        let Job::Products { left, factors, again, pairing } = task.job else {
            groups.push(vec![at]);
            continue;
        };
        let left_of = |task: &Task| match task.job {
            Job::Products { left, factors, pairing, .. } => Some((left, factors[0], pairing.lengths()[0])),
            _ => None,
        };
        let before = at.checked_sub(again as usize).filter(|before| left_of(&tasks[*before]) == left_of(task));
        first[at] = before.map_or(at, |before| first[before]);
        let Some(shape) = alone(task).filter(|_| pairing.lengths()[1] > 0 && task.len > 0) else {
            groups.push(vec![at]);
            continue;
        };
        let group = *known.entry((first[at], left, shape, factors[1].signed)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(members) => members.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups.iter().map(|members| Joint::stacked(tasks, members)).collect()
}

#[cfg(test)]
mod tests {
    use mpcc_program::code::Owner;

    use super::*;
    use crate::lists::{factors, terms};

    fn task(pairing: Pairing, len: usize, again: u32) -> Task {
        let factors = [Factor { width: 9, signed: false }; 2];
        Task { job: Job::Products { left: Owner::DataOwner, pairing, factors, again }, len, bits: 20 }
    }

    /// The single products that add up to each result, by numbers of the operands' entries.
    fn meant(task: &Task, [left, right]: [&[usize]; 2]) -> Vec<Vec<(usize, usize)>> {
        let pairing = pairing(task).expect("products");
        let all: Vec<(usize, usize)> =
            factors(pairing, true).zip(factors(pairing, false)).map(|(l, r)| (left[l], right[r])).collect();
        all.chunks(terms(pairing)).map(<[_]>::to_vec).collect()
    }

    /// What a joint's whole is where a member's result stands is what the member is by itself.
    fn every_product_is_in_its_place(tasks: &[Task], joint: &Joint) {
        let lengths = |task: &Task| pairing(task).expect("products").lengths();
        let mut wholes = lengths(&joint.whole).map(|len| vec![0usize; len]);
        let lists: Vec<[Vec<usize>; 2]> = joint
            .members
            .iter()
            .map(|member| {
                let shared = |side| if side == 0 && joint.stacked { 0 } else { member.at };
                let of = lengths(&tasks[member.at]);
                [0, 1].map(|side| (0..of[side]).map(|entry| 1000 * shared(side) + entry).collect())
            })
            .collect();
        for (member, lists) in joint.members.iter().zip(&lists) {
            (0..2).for_each(|side| member.operands[side].put(&lists[side], &mut wholes[side], 1));
        }
        let whole = meant(&joint.whole, [&wholes[0], &wholes[1]]);
        assert_eq!(whole.len(), joint.whole.len);
        let mut seen = 0;
        for (member, [left, right]) in joint.members.iter().zip(&lists) {
            let places = member.result.get(&(0..whole.len()).collect::<Vec<usize>>(), 1);
            let part: Vec<_> = places.iter().map(|at| whole[*at].clone()).collect();
            assert_eq!(part, meant(&tasks[member.at], [left, right]), "{joint:?}");
            seen += part.len();
        }
        assert_eq!(seen, whole.len(), "every result is a member's");
    }

    #[test]
    fn every_product_of_a_member_is_one_of_the_whole() {
        let kinds: [fn(usize) -> (Pairing, usize); 6] = [
            // Rows of 64, 128 and 192 entries.
            |n| {
                let cols = WIDTH * [1, 2, 3][n % 3];
                (Pairing::Entries { rows: n, cols, right: Along::Rows }, cols * n)
            },
            |n| (Pairing::Entries { rows: n, cols: 4, right: Along::Rows }, 4 * n),
            |n| (Pairing::Entries { rows: 3, cols: n, right: Along::Columns }, 3 * n),
            |n| (Pairing::Entries { rows: n, cols: 2, right: Along::Both }, 2 * n),
            |n| (Pairing::Complex { count: n }, 2 * n),
            |n| (Pairing::Matrices { batch: n, m: 1, k: 5, n: 1, shared_right: false }, n),
        ];
        for kind in kinds {
            let tasks: Vec<Task> = [3, 1, 6, 2].map(kind).map(|(pairing, len)| task(pairing, len, 0)).to_vec();
            let joint = Joint::lined(&tasks, &[0, 1, 3]);
            every_product_is_in_its_place(&tasks, &joint);
            let sum = [tasks[1], tasks[3]].iter().fold(tasks[0], |sum, task| together(&sum, task));
            assert_eq!(sum, joint.whole);
            assert_eq!(line(&tasks[0]), line(&joint.whole));
            assert_eq!(class(&tasks[0]), class(&joint.whole));
        }
        let matrices = |n, shared_right| {
            let (batch, m) = if shared_right { (6, 1) } else { (1, 6) };
            Pairing::Matrices { batch, m, k: 5, n, shared_right }
        };
        let tasks = [task(matrices(2, false), 12, 0), task(matrices(1, true), 6, 1), task(matrices(4, false), 24, 1)];
        let joints = stacks(&tasks);
        assert_eq!(joints.len(), 1);
        every_product_is_in_its_place(&tasks, &joints[0]);
    }
}
