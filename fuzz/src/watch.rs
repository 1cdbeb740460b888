//! The watch over a case: its processor time, its memory, and an end to one that has none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Processor seconds that a case may take.
pub const MOST_SECONDS: f64 = 2.0;
/// Bytes that a case may hold at a time.
pub const MOST_BYTES: usize = 1 << 30;
/// A case that has not ended after this time is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The input of the case that runs, and since when. Cases of one process follow one another, so that time and memory
/// are theirs.
static RUNNING: Mutex<Option<(Vec<u8>, Instant)>> = Mutex::new(None);
static TURN: Mutex<()> = Mutex::new(());

static CASES: AtomicU64 = AtomicU64::new(0);
static SLOWEST_MICROSECONDS: AtomicU64 = AtomicU64::new(0);
static LARGEST_BYTES: AtomicU64 = AtomicU64::new(0);

/// Runs a case made from `input`.
///
/// # Panics
/// If the case does, or takes more than [`MOST_SECONDS`] or [`MOST_BYTES`].
pub fn watched<T>(input: &[u8], case: impl FnOnce() -> T) -> T {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| _ = thread::spawn(kill_what_hangs));
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_running(Some((input.to_vec(), Instant::now())));
    MEMORY.reset_peak_usage();
    let (before, began) = (MEMORY.current_usage(), ProcessTime::now());
    let result = case();
    // Of all threads of the process.
    let seconds = began.elapsed().as_secs_f64();
    let bytes = MEMORY.peak_usage().saturating_sub(before);
    set_running(None);
    drop(turn);
    CASES.fetch_add(1, Ordering::Relaxed);
    SLOWEST_MICROSECONDS.fetch_max((seconds * 1e6) as u64, Ordering::Relaxed);
    LARGEST_BYTES.fetch_max(bytes as u64, Ordering::Relaxed);
    assert!(seconds <= MOST_SECONDS, "the case took {seconds:.2} s");
    assert!(bytes <= MOST_BYTES, "the case held {bytes} bytes");
    result
}

/// Prints how many cases this process has run since the last report, and the most that one took. They are those of one target
/// where targets follow one another.
pub fn report(target: &str) {
    let [cases, slowest, largest] =
        [&CASES, &SLOWEST_MICROSECONDS, &LARGEST_BYTES].map(|n| n.swap(0, Ordering::Relaxed));
    println!(
        "{target}: {cases} cases, {:.3} s and {:.1} MiB at most",
        slowest as f64 * 1e-6,
        largest as f64 / 1048576.0
    );
}

fn set_running(case: Option<(Vec<u8>, Instant)>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = case;
}

fn kill_what_hangs() {
    loop {
        thread::sleep(Duration::from_secs(1));
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((input, since)) = &*running
            && since.elapsed() > PATIENCE
        {
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("a case has not ended after {} s; its bytes are {hex}", PATIENCE.as_secs());
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn time_and_memory_of_a_case_are_its_own() {
        assert_eq!(watched(&[], || 7), 7);
        let busy = || {
            let began = ProcessTime::now();
            while began.elapsed().as_secs_f64() < MOST_SECONDS + 0.1 {}
        };
        assert!(catch_unwind(|| watched(&[], busy)).is_err());
        let large = || black_box(vec![1u8; MOST_BYTES + 1]).len();
        assert!(catch_unwind(|| watched(&[], large)).is_err());
        assert_eq!(watched(&[], || black_box(vec![1u8; 1 << 20]).len()), 1 << 20);
    }
}
