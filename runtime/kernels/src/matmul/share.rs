//! Large products shared among threads: the entries of a batch, or the rows of each product if there are fewer entries than
//! threads. Every result is computed by the same steps as on one thread.

use super::Shape;

/// Multiply-accumulates that are worth a thread.
const TERMS: usize = 10_000_000;
/// Rows for which a thread packs the right operand once more.
const ROWS: usize = 32;

/// Calls `product(batch, shape, left, right, destination)` for parts of a product with `words` words per entry, whose slices
/// have the shape's lengths, on at most `threads` threads.
#[expect(clippy::too_many_arguments, reason = "the shape of a batched product")]
pub(super) fn among(
    threads: usize,
    words: usize,
    batch: usize,
    shape: Shape,
    a: &[u64],
    b: &[u64],
    c: &mut [u64],
    product: impl Fn(usize, Shape, &[u64], &[u64], &mut [u64]) + Sync,
) {
    let Shape { m, k, n } = shape;
    let terms = words.saturating_mul(batch).saturating_mul(m).saturating_mul(k).saturating_mul(n);
    let threads = threads.min(terms / TERMS);
    let by_rows = batch < threads;
    if threads < 2 || (by_rows && m < 2 * ROWS) {
        return product(batch, shape, a, b, c);
    }
    let [left, right, out] = [m * k, k * n, m * n].map(|entries| words * entries);
    let product = &product;
    if by_rows {
        let rows = m.div_ceil(threads.min(m / ROWS));
        for ((a, b), c) in a.chunks_exact(left).zip(b.chunks_exact(right)).zip(c.chunks_exact_mut(out)) {
            run(a.chunks(rows * k * words).zip(c.chunks_mut(rows * n * words)).map(|(a, c)| {
                let part = Shape { m: a.len() / (k * words), ..shape };
                move || product(1, part, a, b, c)
            }));
        }
    } else {
        let entries = batch.div_ceil(threads);
        let parts = a.chunks(entries * left).zip(b.chunks(entries * right)).zip(c.chunks_mut(entries * out));
        run(parts.map(|((a, b), c)| move || product(a.len() / left, shape, a, b, c)));
    }
}

/// Runs the last part here and each of the others on a thread.
fn run<F: FnOnce() + Send>(parts: impl Iterator<Item = F>) {
    std::thread::scope(|scope| {
        let mut parts = parts.peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                scope.spawn(part);
            } else {
                part();
            }
        }
    });
}
