//! Plain integer arithmetic on row-major tensors.

use mpcc_program::program::View;

/// Distance in row-major order between neighbours along each axis.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut stride = shape.iter().product::<usize>();
    shape
        .iter()
        .map(|extent| {
            stride /= extent;
            stride
        })
        .collect()
}

/// The entries of `data`, of shape `from`, as a view of shape `to` orders them.
pub(super) fn rearrange<T: Copy>(data: &[T], from: &[usize], to: &[usize], view: &View) -> Vec<T> {
    let strides = strides(from);
    // Where position i along each axis of the result starts in the source.
    let along = |axis: usize, place: &dyn Fn(usize) -> usize| -> Vec<usize> {
        (0..to[axis]).map(|i| place(i) * strides[axis]).collect()
    };
    let plain = |axis: usize| along(axis, &|i| i);
    let starts: Vec<Vec<usize>> = match view {
        View::Reshape => return data.to_vec(),
        View::Permute(axes) => {
            axes.iter().zip(to).map(|(axis, extent)| (0..*extent).map(|i| i * strides[*axis]).collect()).collect()
        }
        View::Slice { axis, start } => {
            (0..to.len()).map(|a| if a == *axis { along(a, &|i| i + start) } else { plain(a) }).collect()
        }
        View::Gather { axis, index } => {
            (0..to.len()).map(|a| if a == *axis { along(a, &|i| index[i]) } else { plain(a) }).collect()
        }
    };
    let mut places = vec![0];
    for axis in &starts {
        places = places.iter().flat_map(|place| axis.iter().map(move |start| place + start)).collect();
    }
    places.into_iter().map(|place| data[place]).collect()
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
