//! What messages cost the ends of an encrypted link within this machine.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use mpcc_channel::{Duplex, Identity, Link, LinkError, LinkOptions, Listener, Peer, connect};

use crate::RatesError;

/// How often `advance` is called.
pub(crate) const STAGES: u64 = 2;

/// Any kind of message that is no part of a session.
const KIND: u8 = 9;
const SHORT_BYTES: usize = 200;
/// Words that both ends change between exchanges.
const WORK_WORDS: usize = 1 << 17;
const LONG_BYTES: usize = 1 << 20;
const SHORT_EXCHANGES: usize = 400;
const LONG_EXCHANGES: usize = 48;

/// What was measured.
pub(crate) struct LinkRates {
    pub(crate) exchange_microseconds: f64,
    pub(crate) nanoseconds_per_byte: f64,
}

/// Exchanges short and long messages between two threads, as the parties do.
pub(crate) fn measure(advance: &dyn Fn()) -> Result<LinkRates, RatesError> {
    let (near, far) = (Identity::generate()?, Identity::generate()?);
    let listener = Listener::bind("127.0.0.1:0")?;
    let address = listener.local_addr().to_string();
    let options = LinkOptions { setup_timeout: Duration::from_secs(10), ..LinkOptions::default() };
    let (to_near, to_far) =
        (Peer::new("the near end", near.fingerprint()), Peer::new("the far end", far.fingerprint()));
    // Four ends are at work, two for each direction, and two at a time are enough for a message to flow.
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let waiting = (4.0 / cores as f64).max(1.0);
    thread::scope(|scope| {
        let other = scope.spawn(|| -> Result<(), RatesError> {
            let mut link = connect(&address, &far, &to_near, &options)?;
            link.receive_ahead(options.queue_bytes);
            for (bytes, count) in [(SHORT_BYTES, SHORT_EXCHANGES), (LONG_BYTES, LONG_EXCHANGES)] {
                exchanges(&mut link, bytes, count)?;
            }
            Ok(link.close()?)
        });
        let mut link = listener.accept(&near, &to_far, &options)?;
        link.receive_ahead(options.queue_bytes);
        let short = median(exchanges(&mut link, SHORT_BYTES, SHORT_EXCHANGES)?);
        advance();
        let long = median(exchanges(&mut link, LONG_BYTES, LONG_EXCHANGES)?);
        advance();
        // That the other end said goodbye first is no failure.
        match link.close() {
            Ok(()) | Err(LinkError::Closed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        other.join().map_err(|_| RatesError::Thread)??;
        Ok(LinkRates {
            exchange_microseconds: short * 1e6,
            nanoseconds_per_byte: (long - short).max(0.0) / LONG_BYTES as f64 * 1e9 / waiting,
        })
    })
}

/// Seconds of each exchange of messages of this size; before each, both ends work for a while, as parties do.
fn exchanges(link: &mut Link, bytes: usize, count: usize) -> Result<Vec<f64>, LinkError> {
    let mut times = Vec::with_capacity(count);
    let mut work = vec![1u64; WORK_WORDS];
    for _ in 0..count {
        work.iter_mut().for_each(|word| *word = word.wrapping_mul(5).wrapping_add(1));
        black_box(&work);
        let message = vec![1; bytes];
        let start = Instant::now();
        link.send(KIND, message)?;
        link.recv_exact(KIND, bytes)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(times)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
