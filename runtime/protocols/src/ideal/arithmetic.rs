//! Plain integer arithmetic on row-major tensors.

use mpcc_program::program::View;

/// Row-major positions of a shape, as multi-indices in order.
fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product::<usize>()).map(move |flat| {
        let mut rest = flat;
        let mut index = vec![0; shape.len()];
        for (place, extent) in index.iter_mut().zip(&shape).rev() {
            *place = rest % extent;
            rest /= extent;
        }
        index
    })
}

fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (i, extent)| at * extent + i)
}

/// The entries of `data`, of shape `from`, as a view of shape `to` orders them.
pub(super) fn rearrange<T: Copy>(data: &[T], from: &[usize], to: &[usize], view: &View) -> Vec<T> {
    let place = |index: &[usize]| -> usize {
        let mut source = index.to_vec();
        match view {
            View::Reshape => return flat(index, to),
            View::Permute(axes) => axes.iter().zip(index).for_each(|(axis, i)| source[*axis] = *i),
            View::Slice { axis, start } => source[*axis] += start,
            View::Gather { axis, index } => source[*axis] = index[source[*axis]],
        }
        flat(&source, from)
    };
    positions(to).map(|index| data[place(&index)]).collect()
}

/// Tensors joined along `axis`, given with their extents along it; `shape` is the result's.
pub(super) fn concat<T: Copy>(parts: &[(Vec<T>, usize)], shape: &[usize], axis: usize) -> Vec<T> {
    let inner: usize = shape[axis + 1..].iter().product();
    let outer: usize = shape[..axis].iter().product();
    let mut out = Vec::with_capacity(shape.iter().product());
    for row in 0..outer {
        for (part, extent) in parts {
            let width = extent * inner;
            out.extend_from_slice(&part[row * width..(row + 1) * width]);
        }
    }
    out
}

/// Sums of rows of `columns` entries.
pub(super) fn row_sums(data: impl Iterator<Item = i128>, columns: usize) -> Vec<i128> {
    let mut out = Vec::new();
    for (at, x) in data.enumerate() {
        if at % columns == 0 {
            out.push(0i128);
        }
        if let Some(sum) = out.last_mut() {
            *sum = sum.wrapping_add(x);
        }
    }
    out
}

/// `left · right` for one pair of row-major matrices `[m, k]` and `[k, n]`.
pub(super) fn matmul(left: &[i64], right: &[i64], k: usize, n: usize) -> Vec<i128> {
    let largest = |data: &[i64]| u128::from(data.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0));
    let narrow = largest(left)
        .checked_mul(largest(right))
        .and_then(|p| p.checked_mul(k as u128))
        .is_some_and(|sum| sum < 1 << 63);
    let mut out = Vec::with_capacity(left.len() / k * n);
    for row in left.chunks_exact(k) {
        if narrow {
            let mut sums = vec![0i64; n];
            accumulate(row, right, &mut sums, |sum, a, b| *sum += a * b);
            out.extend(sums.into_iter().map(i128::from));
        } else {
            let mut sums = vec![0i128; n];
            accumulate(row, right, &mut sums, |sum, a, b| *sum = sum.wrapping_add(i128::from(a) * i128::from(b)));
            out.append(&mut sums);
        }
    }
    out
}

#[inline]
fn accumulate<T>(row: &[i64], right: &[i64], sums: &mut [T], add: impl Fn(&mut T, i64, i64)) {
    for (&a, line) in row.iter().zip(right.chunks_exact(sums.len())) {
        for (sum, &b) in sums.iter_mut().zip(line) {
            add(sum, a, b);
        }
    }
}
