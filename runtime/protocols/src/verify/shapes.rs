//! Rules 1 and 3: extents and widths of single instructions against lengths and lanes, and the insides of maps.

use mpcc_kernels::dcf;
use mpcc_program::code::{Buf, ComparisonTree, Copy, Instr, Lane, RoleCode, RowOffer, RowTable};
use mpcc_program::interpret::check_map;

use crate::engine::{dcf_tree, row_offer, row_table};

/// What is wrong with one instruction by itself; buffer indices in range are checked first.
pub(super) fn check(code: &RoleCode, instr: &Instr, report: &mut dyn FnMut(String)) {
    let mut in_range = true;
    for buf in instr.reads().into_iter().chain(instr.writes()) {
        if !exists(code, buf) {
            report(format!("buffer {} does not exist", buf.0));
            in_range = false;
        }
    }
    if !in_range {
        return;
    }
    check_lanes(code, instr, report);
    let len = |buf: &Buf| code.lengths[buf.0 as usize];
    let mut expect = |buf: &Buf, words: Option<usize>, what: &str| expect_words(code, buf, words, what, report);
    match instr {
        Instr::Load { .. } | Instr::Zero { .. } => {}
        Instr::Draw { bits, .. }
        | Instr::Receive { bits, .. }
        | Instr::Deal { bits, .. }
        | Instr::Broadcast { bits, .. } => width(*bits, report),
        Instr::Map(map) => {
            if let Err(problem) = check_map(map, &code.lengths, &code.lanes) {
                report(problem.to_string());
            }
        }
        Instr::Copy(copy) => check_copy(copy, len(&copy.dst), len(&copy.src), report),
        Instr::SumRows { dst, src, cols } => {
            expect(src, len(dst).checked_mul(*cols), "the source");
            if *cols == 0 {
                report("rows of no entries".to_owned());
            }
        }
        Instr::MatMul { dst, left, right, batch, m, k, n, shared_right, .. } => {
            let right_batch = if *shared_right { 1 } else { *batch };
            expect(dst, product(&[*batch, *m, *n]), "the product");
            expect(left, product(&[*batch, *m, *k]), "the left matrix");
            expect(right, product(&[right_batch, *k, *n]), "the right matrix");
            if [*batch, *m, *k, *n].contains(&0) {
                report("an empty matrix product".to_owned());
            }
        }
        Instr::Harmonic { cos, sin, src, period_bits, fraction, multiple } => {
            expect(cos, Some(len(src)), "the cosine");
            expect(sin, Some(len(src)), "the sine");
            if cos == sin {
                report("cosine and sine share a buffer".to_owned());
            }
            if !(1..=40).contains(period_bits) || *fraction > 24 || *multiple == 0 {
                report(format!("harmonic {multiple} of period 2^{period_bits} with {fraction} fraction bits"));
            }
        }
        Instr::RowKeys { seeds, controls, values, masks, roots, table } => {
            row_words([seeds, controls, values], len(masks), table, &mut expect);
            roots.iter().for_each(|root| expect(root, len(masks).checked_mul(2), "a root"));
            if seeds == controls || seeds == values || controls == values {
                report("correction words share a buffer".to_owned());
            }
            row_parameters(table, report);
        }
        Instr::RowShares { dst, points, root, seeds, controls, values, table } => {
            row_words([seeds, controls, values], len(points), table, &mut expect);
            expect(root, len(points).checked_mul(2), "the root");
            expect(dst, Some(len(points)), "the shares");
            row_parameters(table, report);
        }
        Instr::OfferRows { entries, next, points, mask, pads, coefficients, labels, offer } => {
            if !row_offer_parameters(offer, report) {
                return;
            }
            let (rows, lists) = (len(points), offer.lists());
            let mut expect =
                |buf: &Buf, each: usize, what: &str| expect_words(code, buf, rows.checked_mul(each), what, report);
            expect(entries, offer.entries() * RowTable::POWERS, "the offers");
            expect(mask, 1, "the own mask");
            expect(pads, lists * offer.buckets(), "the pads");
            coefficients.iter().for_each(|buf| expect(buf, lists, "masks of coefficients"));
            next.iter().for_each(|buf| expect(buf, offer.labelled() * 2, "the next labels"));
            labels.iter().for_each(|buf| expect(buf, (lists - 1) * 4, "the labels"));
            if [next.is_some(), labels.is_some()] != [lists > 1; 2] {
                report(format!("labels of {lists} lists"));
            }
            if *next == Some(*entries) {
                report("offers and labels share a buffer".to_owned());
            }
        }
        Instr::TakeRows { dst, mask, pads, entries, next, offer } => {
            if !row_offer_parameters(offer, report) {
                return;
            }
            let (rows, lists) = (len(mask), offer.lists());
            let mut expect =
                |buf: &Buf, each: usize, what: &str| expect_words(code, buf, rows.checked_mul(each), what, report);
            expect(dst, 1, "the sums");
            expect(pads, lists, "the pads");
            expect(entries, offer.entries() * RowTable::POWERS, "the offers");
            next.iter().for_each(|buf| expect(buf, offer.labelled() * 2, "the next labels"));
            if next.is_some() != (lists > 1) {
                report(format!("labels of {lists} lists"));
            }
        }
        Instr::BucketCounts { dst, points, shares, cols, bits, buckets, step } => {
            let fits = (1..=6).contains(buckets) && (buckets + 1..=40).contains(bits) && *step <= 40;
            if !fits || *cols == 0 || len(points) % cols != 0 || len(points) == 0 {
                report(format!(
                    "counts of rows of {cols} numbers of {bits} bits in 2^{buckets} buckets, 2^{step} apart"
                ));
            } else {
                let rows = len(points) / cols;
                expect(shares, len(points).checked_mul((1 << buckets) - 1), "whether masks are in buckets");
                expect(dst, len(dst).checked_next_multiple_of(rows).map(|words| words.max(rows)), "the counts");
            }
        }
        Instr::ComparisonKeys { seeds, controls, values, threshold, payload, roots, tree } => {
            let keys = len(threshold);
            let [s, c, v] = dcf::words_per_key(dcf_tree(tree), payload.len()).map(|words| keys.checked_mul(words));
            expect(seeds, s, "the seeds");
            expect(controls, c, "the control bits");
            expect(values, v, "the values");
            payload.iter().for_each(|word| expect(word, Some(keys), "the payload"));
            roots.iter().for_each(|root| expect(root, keys.checked_mul(2), "a root"));
            if seeds == controls || seeds == values || controls == values {
                report("correction words share a buffer".to_owned());
            }
            compared(tree, payload.len(), report);
        }
        Instr::ComparisonShares { dst, points, root, seeds, controls, values, tree } => {
            let keys = len(points);
            let [s, c, v] = dcf::words_per_key(dcf_tree(tree), dst.len()).map(|words| keys.checked_mul(words));
            expect(seeds, s, "the seeds");
            expect(controls, c, "the control bits");
            expect(values, v, "the values");
            expect(root, keys.checked_mul(2), "the root");
            dst.iter().for_each(|word| expect(word, Some(keys), "a share"));
            if dst.len() == 2 && dst[0] == dst[1] {
                report("both words of the shares share a buffer".to_owned());
            }
            compared(tree, dst.len(), report);
        }
    }
}

/// A buffer of so many entries.
fn expect_words(code: &RoleCode, buf: &Buf, words: Option<usize>, what: &str, report: &mut dyn FnMut(String)) {
    let len = code.lengths[buf.0 as usize];
    if words != Some(len) {
        let words = words.map_or("too many".to_owned(), |w| w.to_string());
        report(format!("{what} is buffer {} of {len} entries, expected {words}", buf.0));
    }
}

/// Whether sizes can be computed from the parameters.
fn row_offer_parameters(offer: &RowOffer, report: &mut dyn FnMut(String)) -> bool {
    let problem = row_offer(offer).check();
    if let Err(problem) = &problem {
        report(problem.to_string());
    }
    problem.is_ok()
}

/// Correction words of so many keys.
fn row_words(words: [&Buf; 3], keys: usize, table: &RowTable, expect: &mut dyn FnMut(&Buf, Option<usize>, &str)) {
    let levels = usize::from(table.levels);
    let per_key = [2 * levels, 1, table.payload()];
    for ((buf, per_key), what) in words.into_iter().zip(per_key).zip(["the seeds", "the control bits", "the values"]) {
        expect(buf, keys.checked_mul(per_key), what);
    }
}

fn row_parameters(table: &RowTable, report: &mut dyn FnMut(String)) {
    if let Err(problem) = row_table(table).check() {
        report(problem.to_string());
    }
}

fn compared(tree: &ComparisonTree, payload: usize, report: &mut dyn FnMut(String)) {
    if !(1..=2).contains(&payload) {
        report(format!("a comparison with a payload of {payload} words"));
    }
    let ComparisonTree { bits, leaf_bits } = *tree;
    if !(1..=dcf::MOST_BITS).contains(&u32::from(bits)) {
        report(format!("a comparison of {bits} bits"));
    }
    if leaf_bits >= bits || u32::from(leaf_bits) > dcf::MOST_LEAF_BITS {
        report(format!("a comparison of {bits} bits by a tree that ends {leaf_bits} levels early"));
    }
}

/// Whether a buffer has a length and a lane.
pub(super) fn exists(code: &RoleCode, buf: Buf) -> bool {
    (buf.0 as usize) < code.lengths.len().min(code.lanes.len())
}

/// A width of entries must be 1..=128.
pub(super) fn width(bits: u8, report: &mut dyn FnMut(String)) {
    if !(1..=128).contains(&bits) {
        report(format!("entries of {bits} bits"));
    }
}

/// The lane of a buffer that holds entries of `bits` bits.
pub(super) fn lane(code: &RoleCode, buf: Buf, bits: u8, report: &mut dyn FnMut(String)) {
    let (found, wanted) = (code.lanes[buf.0 as usize], Lane::of(bits));
    if found != wanted {
        report(format!("buffer {} has {found:?} entries, which {bits} bits are not", buf.0));
    }
}

/// Lanes of the buffers of one instruction; maps convert between lanes and check themselves.
fn check_lanes(code: &RoleCode, instr: &Instr, report: &mut dyn FnMut(String)) {
    let of = |buf: &Buf| code.lanes[buf.0 as usize];
    match instr {
        Instr::Map(_) | Instr::Zero { .. } => {}
        Instr::Draw { dst: buf, bits, .. }
        | Instr::Receive { dst: buf, bits }
        | Instr::Deal { src: buf, bits, .. }
        | Instr::Broadcast { src: buf, bits } => lane(code, *buf, *bits, report),
        Instr::MatMul { dst, left, right, bits, .. } => {
            width(*bits, report);
            [dst, left, right].into_iter().for_each(|buf| lane(code, *buf, *bits, report));
        }
        Instr::Copy(Copy { dst, src, .. }) | Instr::SumRows { dst, src, .. } => {
            if of(dst) != of(src) {
                report(format!("buffers {} and {} differ in their lanes", dst.0, src.0));
            }
        }
        Instr::RowKeys { values, .. } | Instr::RowShares { values, .. } => {
            let shared = if let Instr::RowShares { dst, .. } = instr { dst } else { values };
            if of(shared) != of(values) {
                report(format!("buffers {} and {} differ in their lanes", shared.0, values.0));
            }
            let others = instr.reads().into_iter().chain(instr.writes()).filter(|buf| buf != values && buf != shared);
            for buf in others.filter(|buf| of(buf) == Lane::Double) {
                report(format!("buffer {} has Double entries where words are needed", buf.0));
            }
        }
        Instr::OfferRows { entries, next, points, mask, pads, coefficients, labels, .. } => {
            offered(code, (*entries, coefficients), *pads, report);
            words(code, [*points, *mask].into_iter().chain(*next).chain(*labels), report);
        }
        Instr::TakeRows { dst, mask, pads, entries, next, .. } => {
            offered(code, (*dst, &[*entries]), *pads, report);
            words(code, std::iter::once(*mask).chain(*next), report);
        }
        Instr::Load { .. }
        | Instr::Harmonic { .. }
        | Instr::BucketCounts { .. }
        | Instr::ComparisonKeys { .. }
        | Instr::ComparisonShares { .. } => {
            words(code, instr.reads().into_iter().chain(instr.writes()), report);
        }
    }
}

fn words(code: &RoleCode, bufs: impl Iterator<Item = Buf>, report: &mut dyn FnMut(String)) {
    for buf in bufs.filter(|buf| code.lanes[buf.0 as usize] == Lane::Double) {
        report(format!("buffer {} has Double entries where words are needed", buf.0));
    }
}

/// Coefficients, their masks and results are in one lane, and pads are doubles.
fn offered(code: &RoleCode, (first, others): (Buf, &[Buf]), pads: Buf, report: &mut dyn FnMut(String)) {
    let of = |buf: Buf| code.lanes[buf.0 as usize];
    for other in others.iter().filter(|other| of(**other) != of(first)) {
        report(format!("buffers {} and {} differ in their lanes", first.0, other.0));
    }
    if of(pads) != Lane::Double {
        report(format!("buffer {} has Word entries where pads are doubles", pads.0));
    }
}

fn product(extents: &[usize]) -> Option<usize> {
    extents.iter().try_fold(1usize, |a, e| a.checked_mul(*e))
}

fn check_copy(copy: &Copy, dst_len: usize, src_len: usize, report: &mut dyn FnMut(String)) {
    if copy.dims.contains(&0) {
        return;
    }
    let last = |offset: usize, strides: &[usize; 4]| {
        copy.dims.iter().zip(strides).try_fold(offset, |sum, (d, s)| sum.checked_add((d - 1).checked_mul(*s)?))
    };
    for (what, end, len) in [
        ("destination", last(copy.dst_offset, &copy.dst_strides), dst_len),
        ("source", last(copy.src_offset, &copy.src_strides), src_len),
    ] {
        if end.is_none_or(|e| e >= len) {
            report(format!("a copy runs past the end of its {what} of {len} entries"));
        }
    }
    if product(&copy.dims).is_none() {
        report("a copy of too many entries".to_owned());
    }
}
