//! A wide-area link between programs on one machine: TCP proxies that delay and pace what passes.
//!
//! `wide-area RTT_MS MB_PER_S [LISTEN=TARGET …] [-- LISTEN=TARGET …]`: the first group of proxies stands before one end
//! of the link, the second before the other. A line of this rate and delay in each direction is shared by all their
//! connections, with acknowledgements and requests the other way on it too. No loss, jitter or slow start.

use std::collections::VecDeque;
use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Read from a socket at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// How long bytes may wait for the line before the sender is no longer read from.
const LONGEST_QUEUE: Duration = Duration::from_millis(50);

/// One direction of the link.
struct Line {
    bytes_per_second: f64,
    delay: Duration,
    free: Mutex<Instant>,
}

impl Line {
    fn new(bytes_per_second: f64, delay: Duration) -> Line {
        Line { bytes_per_second, delay, free: Mutex::new(Instant::now()) }
    }

    /// When bytes that are here now have reached the other end.
    fn arrival(&self, bytes: usize) -> Instant {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        *free + self.delay
    }

    /// Waits while too much waits for the line.
    fn wait_for_room(&self) {
        loop {
            let free = *self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let queued = free.saturating_duration_since(Instant::now());
            if queued <= LONGEST_QUEUE {
                return;
            }
            thread::sleep(queued - LONGEST_QUEUE);
        }
    }
}

/// Bytes on their way, and when each piece arrives; nothing more comes after an empty piece.
#[derive(Default)]
struct Flight {
    pieces: Mutex<VecDeque<(Instant, Vec<u8>)>>,
    changed: Condvar,
}

impl Flight {
    fn push(&self, arrival: Instant, piece: Vec<u8>) {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).push_back((arrival, piece));
        self.changed.notify_one();
    }

    fn next(&self) -> (Instant, Vec<u8>) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(piece) = pieces.pop_front() {
                return piece;
            }
            pieces = self.changed.wait(pieces).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let usage =
        || io::Error::new(ErrorKind::InvalidInput, "wide-area RTT_MS MB_PER_S LISTEN=TARGET … [-- LISTEN=TARGET …]");
    let mut arguments = env::args().skip(1);
    let mut number =
        || arguments.next().and_then(|text| text.parse::<f64>().ok()).filter(|n| *n > 0.0).ok_or_else(usage);
    let (round_trip, megabytes) = (number()?, number()?);
    let line = || Arc::new(Line::new(megabytes * 1e6, Duration::from_secs_f64(round_trip / 2e3)));
    let mut lines = [line(), line()];
    let mut proxies = Vec::new();
    for argument in arguments {
        if argument == "--" {
            lines.reverse();
            continue;
        }
        let (listen, target) = argument.split_once('=').ok_or_else(usage)?;
        let listener = TcpListener::bind(listen)?;
        let (target, lines) = (target.to_owned(), lines.clone());
        proxies.push(thread::spawn(move || serve(&listener, &target, &lines)));
    }
    println!("ready");
    io::stdout().flush()?;
    for proxy in proxies {
        proxy.join().map_err(|_| io::Error::other("a proxy ended"))?;
    }
    Ok(())
}

/// Takes connections, each with a connection of its own to the target.
fn serve(listener: &TcpListener, target: &str, [there, back]: &[Arc<Line>; 2]) {
    for incoming in listener.incoming().flatten() {
        // Without a target the connection is dropped, which is what the caller would see of it.
        let Ok(outgoing) = TcpStream::connect(target) else { continue };
        let (Ok(from), Ok(to)) = (incoming.try_clone(), outgoing.try_clone()) else { continue };
        join(from, outgoing, there);
        join(to, incoming, back);
    }
}

/// Carries one direction of a connection over a line, until its sender ends it.
fn join(mut from: TcpStream, mut to: TcpStream, line: &Arc<Line>) {
    let flight = Arc::new(Flight::default());
    let (sending, line) = (Arc::clone(&flight), Arc::clone(line));
    // Without delay small messages wait for acknowledgements of others; a socket that refuses is only slower.
    let _ = to.set_nodelay(true);
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            line.wait_for_room();
            let read = match from.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.unwrap_or(0),
            };
            sending.push(line.arrival(read), chunk[..read].to_vec());
            if read == 0 {
                return;
            }
        }
    });
    thread::spawn(move || {
        loop {
            let (arrival, piece) = flight.next();
            thread::sleep(arrival.saturating_duration_since(Instant::now()));
            if piece.is_empty() || to.write_all(&piece).is_err() {
                // It fails only when the connection has ended already.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    });
}
