//! Operations beside their roofs: what the least that they consist of takes on the same machine.

use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};

/// Measures an operation on so many elements; the fewest nanoseconds an element, or nothing if it was left out.
pub(crate) fn timed(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    elements: u64,
    mut body: impl FnMut(),
) -> Option<f64> {
    group.throughput(Throughput::Elements(elements));
    let mut fewest = None;
    group.bench_function(name, |b| {
        b.iter_custom(|count| {
            let start = Instant::now();
            (0..count).for_each(|_| body());
            let took = start.elapsed();
            let each = took.as_nanos() as f64 / (count * elements) as f64;
            fewest = Some(fewest.map_or(each, |fewest: f64| fewest.min(each)));
            took
        });
    });
    fewest
}

/// Says how far an operation is from its roof, both in nanoseconds an element.
pub(crate) fn beside(operation: &str, element: &str, found: Option<f64>, (roof, of): (Option<f64>, &str)) {
    if let (Some(found), Some(roof)) = (found, roof) {
        println!(
            "{operation}: {found:.4} ns a {element}; roof {roof:.4} ns ({of}); {:.0} % of it",
            100.0 * roof / found
        );
    }
}
