//! Operations beside their roofs: what the least that they consist of takes on the same machine.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};

/// What a scheduler leaves a thread at least; the clock of the processor's time is coarser than much less.
const SLICE: Duration = Duration::from_millis(1);

/// Measures an operation on so many elements: the fewest nanoseconds an element, or nothing if it was left out. An operation that is
/// longer than a thread may work undisturbed counts by the processor's time.
pub(crate) fn timed(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    elements: u64,
    mut body: impl FnMut(),
) -> Option<f64> {
    group.throughput(Throughput::Elements(elements));
    let mut fewest: Option<[Duration; 2]> = None;
    group.bench_function(name, |b| {
        b.iter_custom(|count| {
            let mut all = Duration::ZERO;
            for _ in 0..count {
                let (start, worked) = (Instant::now(), ThreadTime::now());
                body();
                let took = [start.elapsed(), worked.elapsed()];
                all += took[0];
                let [wall, processor] = fewest.unwrap_or(took);
                fewest = Some([wall.min(took[0]), processor.min(took[1])]);
            }
            all
        });
    });
    let [wall, processor] = fewest?;
    let least = if wall < SLICE { wall } else { processor };
    Some(least.as_nanos() as f64 / elements as f64)
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
