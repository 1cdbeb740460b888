//! Deals one inference on several threads: each runs whole segments on a frame of its own, and what they deal is written
//! in the order of the program.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use mpcc_program::code::Buf;
use mpcc_program::words::Words;

use super::Seeds;
use super::division::{Division, Segment};
use crate::engine::{self, Corrections, Executable, OFFLINE};
use crate::error::ProtocolError;
use crate::frame::Frame;

/// Bytes that may be dealt before it is their turn to be written.
const WAITING_BYTES: usize = 64 << 20;

/// An inference to be dealt.
pub(super) struct Work<'a> {
    pub(super) executable: Executable<'a>,
    pub(super) division: &'a Division,
    /// What the setup left.
    pub(super) setup: &'a Frame,
    pub(super) seeds: &'a Seeds<'a>,
}

/// What a segment dealt: for the model owner and for the data owner.
type Dealt = [Vec<u8>; 2];

#[derive(Default)]
struct State {
    /// The first segment that nobody has begun.
    next: usize,
    /// Segments written.
    written: usize,
    /// Bytes of segments begun and not written.
    waiting: usize,
    done: Vec<bool>,
    dealt: HashMap<usize, Dealt>,
    /// Buffers handed on.
    words: HashMap<Buf, Words>,
    spare: Vec<Vec<u8>>,
    failed: Option<ProtocolError>,
    /// Nobody begins another segment.
    stopped: bool,
}

struct Shared<'a> {
    work: &'a Work<'a>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Deals the inference on so many threads besides this one, which writes.
pub(super) fn run(
    work: &Work<'_>,
    threads: usize,
    model_owner: &mut dyn Write,
    data_owner: &mut dyn Write,
) -> Result<(), ProtocolError> {
    let count = work.division.segments.len();
    let state = State { done: vec![false; count], ..State::default() };
    let shared = Shared { work, state: Mutex::new(state), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| Worker(&shared).run());
        }
        let written = (0..count).try_for_each(|at| shared.write(at, [&mut *model_owner, &mut *data_owner]));
        if written.is_err() {
            shared.stop(None);
        }
        written
    })
}

impl Shared<'_> {
    /// The state, which is consistent between any two statements that hold it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, error: Option<ProtocolError>) {
        let mut state = self.state();
        state.stopped = true;
        state.failed = state.failed.take().or(error);
        self.changed.notify_all();
    }

    /// Waits for a segment and writes what it dealt.
    fn write(&self, at: usize, streams: [&mut dyn Write; 2]) -> Result<(), ProtocolError> {
        let mut state = self.state();
        let dealt = loop {
            if let Some(dealt) = state.dealt.remove(&at) {
                break dealt;
            }
            if state.stopped {
                let ended = ProtocolError::OutOfOrder { called: "a segment", expected: "threads that deal it" };
                return Err(state.failed.take().unwrap_or(ended));
            }
            state = self.wait(state);
        };
        drop(state);
        for (stream, bytes) in streams.into_iter().zip(&dealt) {
            stream.write_all(bytes)?;
        }
        let mut state = self.state();
        state.written = at + 1;
        state.waiting -= self.work.division.segments[at].total();
        state.spare.extend(dealt);
        self.changed.notify_all();
        Ok(())
    }
}

/// A thread that deals; when it panics, nobody waits for it.
struct Worker<'a>(&'a Shared<'a>);

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(None);
        }
    }
}

impl Worker<'_> {
    fn run(self) {
        let mut frame = self.0.work.setup.shared();
        while let Some((at, dealt)) = self.begin(&mut frame) {
            if let Err(error) = self.deal(at, dealt, &mut frame) {
                self.0.stop(Some(error));
            }
        }
    }

    /// Takes the next segment, once what it needs is there and there is room for what it deals.
    fn begin(&self, frame: &mut Frame) -> Option<(usize, Dealt)> {
        let mut state = self.0.state();
        loop {
            let at = state.next;
            let segment = self.0.work.division.segments.get(at).filter(|_| !state.stopped)?;
            let ready = segment.needs.iter().all(|(_, maker)| state.done[*maker]);
            let room = at == state.written || state.waiting + segment.total() <= WAITING_BYTES;
            if ready && room {
                state.next += 1;
                state.waiting += segment.total();
                for (buf, _) in &segment.needs {
                    if let Some(words) = state.words.get(buf) {
                        frame[buf.0 as usize] = words.clone();
                    }
                }
                let mut spare = || state.spare.pop().unwrap_or_default();
                return Some((at, [spare(), spare()]));
            }
            state = self.0.wait(state);
        }
    }

    fn deal(&self, at: usize, mut dealt: Dealt, frame: &mut Frame) -> Result<(), ProtocolError> {
        let Work { executable, division, seeds, .. } = self.0.work;
        let Segment { instrs, first_map, bytes, needs, gives } = &division.segments[at];
        let [model_owner, data_owner] = &mut dealt;
        for (memory, due) in [&mut *model_owner, &mut *data_owner].into_iter().zip(bytes) {
            memory.clear();
            memory.reserve_exact(*due);
        }
        let mut corrections = Corrections::Deal { model_owner, data_owner };
        let environment = &mut seeds.environment();
        engine::run_part(*executable, OFFLINE, instrs.clone(), *first_map, frame, environment, &mut corrections)?;
        let given: Vec<(Buf, Words)> = gives.iter().map(|buf| (*buf, frame[buf.0 as usize].share())).collect();
        for buf in needs.iter().map(|(buf, _)| buf).chain(gives) {
            drop(frame[buf.0 as usize].take());
        }
        let mut state = self.0.state();
        state.done[at] = true;
        state.words.extend(given);
        state.dealt.insert(at, dealt);
        self.0.changed.notify_all();
        Ok(())
    }
}
