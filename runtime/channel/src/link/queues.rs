//! What the caller's thread, the writer and the reader of a link share: two bounded queues and how they ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::duplex::SessionTag;
use crate::error::LinkError;
use crate::frame::{HEADER_BYTES, too_long};

/// How long a failed send waits for the reader to find out whether the peer left in good order.
const VERDICT_TIMEOUT: Duration = Duration::from_millis(500);

/// How a direction of a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Lost(String),
    Misbehaved(String),
    TimedOut(&'static str, Duration),
}

impl End {
    pub(super) fn error(self, peer: &str) -> LinkError {
        let peer = peer.to_owned();
        match self {
            End::Closed => LinkError::Closed { peer },
            End::Lost(detail) => LinkError::Lost { peer, detail },
            End::Misbehaved(detail) => LinkError::Misbehaved { peer, detail },
            End::TimedOut(awaited, limit) => {
                LinkError::TimedOut { peer, awaited: awaited.to_owned(), seconds: limit.as_secs_f64() }
            }
        }
    }
}

/// Whether the link is being closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stop {
    #[default]
    No,
    /// After what is queued.
    Polite,
    /// At once.
    Abort,
}

pub(super) struct Outgoing {
    pub(super) kind: u8,
    pub(super) session: SessionTag,
    pub(super) payload: Vec<u8>,
    /// Wiped when it has left, or is thrown away.
    pub(super) secret: bool,
    pub(super) queued_at: Instant,
}

impl Outgoing {
    /// The memory of a message that has left.
    pub(super) fn spent(mut self) -> Vec<u8> {
        self.wipe();
        std::mem::take(&mut self.payload)
    }

    fn wipe(&mut self) {
        if self.secret {
            self.payload.as_mut_slice().zeroize();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.wipe();
    }
}

pub(super) struct Incoming {
    pub(super) kind: u8,
    pub(super) session: SessionTag,
    pub(super) payload: Vec<u8>,
}

/// What the caller waits for.
#[derive(Clone, Copy)]
struct Due {
    kind: u8,
    most: u64,
}

/// What becomes of a frame whose header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Take,
    /// This end takes no more.
    ThrowAway,
    /// The link has ended.
    Leave,
}

#[derive(Default)]
struct Outbox {
    queue: VecDeque<Outgoing>,
    /// Of the frames queued and of the one in transmission.
    bytes: u64,
    frames: u64,
    stop: Stop,
    ended: Option<Result<(), End>>,
}

#[derive(Default)]
struct Inbox {
    queue: VecDeque<Incoming>,
    bytes: u64,
    /// How many bytes may lie here that nobody has asked for yet.
    room: u64,
    due: Option<Due>,
    /// This end takes no more; what still comes is thrown away.
    stop: bool,
    ended: Option<End>,
}

/// Holds payloads, so it has no `Debug`.
#[derive(Default)]
pub(super) struct Shared {
    outbox: Mutex<Outbox>,
    outbox_changed: Condvar,
    inbox: Mutex<Inbox>,
    inbox_changed: Condvar,
    /// Bytes that the socket took.
    pub(super) sending: AtomicU64,
    /// Bytes of payload that arrived.
    pub(super) receiving: AtomicU64,
    pub(super) keepalive_sent: AtomicU64,
    /// Memory of messages that were sent or read: fresh pages cost more than what is done with a message.
    spare: Mutex<Vec<Vec<u8>>>,
}

/// How many messages' memory is kept, and up to which size each.
const SPARE_MESSAGES: usize = 4;
const SPARE_BYTES: usize = 16 << 20;

/// What the writer is to do next.
pub(super) enum Task {
    Send(Outgoing),
    Heartbeat,
    SayBye,
    Leave,
}

/// Less than this within a time limit is no progress but a trickle.
pub(super) const PROGRESS_BYTES: u64 = 16 << 10;

/// A time limit that starts anew whenever a counter has moved by [`PROGRESS_BYTES`].
struct Patience<'a> {
    progress: &'a AtomicU64,
    seen: u64,
    limit: Duration,
    since: Instant,
}

impl<'a> Patience<'a> {
    fn new(progress: &'a AtomicU64, limit: Duration) -> Patience<'a> {
        Patience { progress, seen: progress.load(Ordering::Relaxed), limit, since: Instant::now() }
    }

    /// How long to wait before asking again; `None` when patience has run out.
    fn remaining(&mut self) -> Option<Duration> {
        let seen = self.progress.load(Ordering::Relaxed);
        if seen - self.seen >= PROGRESS_BYTES {
            (self.seen, self.since) = (seen, Instant::now());
        }
        Some(self.limit.saturating_sub(self.since.elapsed())).filter(|remaining| !remaining.is_zero())
    }
}

impl Due {
    fn allows(self, kind: u8, length: u64) -> Result<(), String> {
        if kind != self.kind {
            return Err(format!("sent a message of kind {kind} where kind {} was due", self.kind));
        }
        if length > self.most {
            return Err(too_long(kind, length, self.most));
        }
        Ok(())
    }
}

/// What a queued message takes, the frame around it included: empty ones take memory too.
fn held(length: u64) -> u64 {
    length.saturating_add(HEADER_BYTES as u64)
}

/// The state stays usable after a panic elsewhere: every change of it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
    condition.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
}

impl Shared {
    /// Memory of an earlier message with its old content, best of at least `bytes` bytes.
    pub(super) fn spare(&self, bytes: usize) -> Vec<u8> {
        let mut spare = lock(&self.spare);
        let fits = spare.iter().enumerate().filter(|(_, s)| s.capacity() >= bytes).min_by_key(|(_, s)| s.capacity());
        let largest = spare.iter().enumerate().max_by_key(|(_, s)| s.capacity());
        let at = if bytes == 0 { largest } else { fits.or(largest) }.map(|(at, _)| at);
        at.map(|at| spare.swap_remove(at)).unwrap_or_default()
    }

    /// Keeps the memory of a message that nobody reads any more.
    pub(super) fn recycle(&self, payload: Vec<u8>) {
        if !(1..=SPARE_BYTES).contains(&payload.capacity()) {
            return;
        }
        let mut spare = lock(&self.spare);
        spare.push(payload);
        if spare.len() > SPARE_MESSAGES {
            let smallest = spare.iter().enumerate().min_by_key(|(_, s)| s.capacity()).map(|(at, _)| at);
            smallest.map(|at| spare.swap_remove(at));
        }
    }

    /// The caller's side of sending.
    pub(super) fn push(&self, mut outgoing: Outgoing, queue_bytes: u64, idle_timeout: Duration) -> Result<(), End> {
        if let Some(end) = lock(&self.inbox).ended.clone() {
            return Err(end);
        }
        let length = outgoing.payload.len() as u64;
        let mut patience = Patience::new(&self.sending, idle_timeout);
        let mut outbox = lock(&self.outbox);
        loop {
            if let Some(ended) = &outbox.ended {
                let end = ended.clone().err().unwrap_or(End::Closed);
                drop(outbox);
                return Err(self.verdict(end));
            }
            if outbox.frames == 0 || outbox.bytes + length <= queue_bytes {
                break;
            }
            let Some(remaining) = patience.remaining() else {
                return Err(End::TimedOut("to take what was sent", idle_timeout));
            };
            outbox = wait(&self.outbox_changed, outbox, remaining);
        }
        outbox.bytes += length;
        outbox.frames += 1;
        outgoing.queued_at = Instant::now();
        outbox.queue.push_back(outgoing);
        self.outbox_changed.notify_all();
        Ok(())
    }

    /// What ended the link, given what the writer saw: the reader knows better.
    fn verdict(&self, writer: End) -> End {
        let patience = Instant::now();
        let mut inbox = lock(&self.inbox);
        while inbox.ended.is_none() {
            let remaining = VERDICT_TIMEOUT.saturating_sub(patience.elapsed());
            if remaining.is_zero() {
                break;
            }
            inbox = wait(&self.inbox_changed, inbox, remaining);
        }
        inbox.ended.clone().unwrap_or(writer)
    }

    /// The caller's side of receiving. A frame of another kind or session, or a longer one, ends the link.
    pub(super) fn pop(&self, kind: u8, most: u64, session: SessionTag, idle_timeout: Duration) -> Result<Vec<u8>, End> {
        let mut patience = Patience::new(&self.receiving, idle_timeout);
        let mut inbox = lock(&self.inbox);
        let frame = loop {
            if let Some(frame) = inbox.queue.pop_front() {
                break frame;
            }
            if let Some(end) = &inbox.ended {
                return Err(end.clone());
            }
            let Some(remaining) = patience.remaining() else {
                inbox.due = None;
                return Err(End::TimedOut("to send", idle_timeout));
            };
            inbox.due = Some(Due { kind, most });
            self.inbox_changed.notify_all();
            inbox = wait(&self.inbox_changed, inbox, remaining);
        };
        inbox.due = None;
        inbox.bytes -= held(frame.payload.len() as u64);
        let complaint = if frame.session != session {
            format!("sent a message of session {} in session {session}", frame.session)
        } else if let Err(complaint) = (Due { kind, most }).allows(frame.kind, frame.payload.len() as u64) {
            complaint
        } else {
            self.inbox_changed.notify_all();
            return Ok(frame.payload);
        };
        let end = End::Misbehaved(complaint);
        inbox.queue.clear();
        inbox.bytes = 0;
        inbox.ended = Some(end.clone());
        self.inbox_changed.notify_all();
        Err(end)
    }

    /// The writer's next task, waiting at most `patience` for one.
    pub(super) fn next_task(&self, patience: Duration) -> Task {
        let start = Instant::now();
        let mut outbox = lock(&self.outbox);
        loop {
            if outbox.stop == Stop::Abort {
                return Task::Leave;
            }
            if let Some(outgoing) = outbox.queue.pop_front() {
                return Task::Send(outgoing);
            }
            if outbox.stop == Stop::Polite {
                return Task::SayBye;
            }
            let remaining = patience.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                return Task::Heartbeat;
            }
            outbox = wait(&self.outbox_changed, outbox, remaining);
        }
    }

    pub(super) fn aborted(&self) -> bool {
        lock(&self.outbox).stop == Stop::Abort
    }

    /// The writer has transmitted a frame of this length.
    pub(super) fn transmitted(&self, length: u64) {
        let mut outbox = lock(&self.outbox);
        outbox.bytes -= length;
        outbox.frames -= 1;
        self.outbox_changed.notify_all();
    }

    pub(super) fn writer_ended(&self, result: Result<(), End>) {
        let mut outbox = lock(&self.outbox);
        outbox.queue.clear();
        outbox.ended = Some(result);
        self.outbox_changed.notify_all();
    }

    /// How many bytes the reader may receive from now on that nobody has asked for yet.
    pub(super) fn receive_ahead(&self, bytes: u64) {
        lock(&self.inbox).room = bytes;
        self.inbox_changed.notify_all();
    }

    /// The reader asks before it receives a payload, and waits until there is room for it or the caller waits for it:
    /// the length that a header announces takes no memory that was not allowed.
    pub(super) fn admit(&self, kind: u8, length: u64) -> Result<Verdict, End> {
        let mut inbox = lock(&self.inbox);
        loop {
            if inbox.ended.is_some() {
                return Ok(Verdict::Leave);
            }
            if inbox.stop {
                return Ok(Verdict::ThrowAway);
            }
            if inbox.bytes + held(length) <= inbox.room {
                return Ok(Verdict::Take);
            }
            // With nothing queued before it, this is the frame that the caller waits for.
            if let Some(due) = inbox.due.filter(|_| inbox.queue.is_empty()) {
                return due.allows(kind, length).map(|()| Verdict::Take).map_err(End::Misbehaved);
            }
            inbox = self.inbox_changed.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The reader hands over a frame that was admitted; `false` when the link has ended.
    pub(super) fn deliver(&self, incoming: Incoming) -> bool {
        let mut inbox = lock(&self.inbox);
        if inbox.ended.is_some() {
            return false;
        }
        if !inbox.stop {
            inbox.bytes += held(incoming.payload.len() as u64);
            inbox.queue.push_back(incoming);
            self.inbox_changed.notify_all();
        }
        true
    }

    /// Frames that wait for the caller.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.inbox).queue.len()
    }

    pub(super) fn reader_ended(&self, end: End) {
        let mut inbox = lock(&self.inbox);
        inbox.ended.get_or_insert(end);
        self.inbox_changed.notify_all();
    }

    /// Tells both threads to stop.
    pub(super) fn stop(&self, stop: Stop) {
        lock(&self.outbox).stop = stop;
        self.outbox_changed.notify_all();
        lock(&self.inbox).stop = true;
        self.inbox_changed.notify_all();
    }

    /// Waits until the writer has sent everything, as long as the peer takes something within `linger`.
    pub(super) fn wait_for_writer(&self, linger: Duration) -> Result<(), End> {
        let mut patience = Patience::new(&self.sending, linger);
        let mut outbox = lock(&self.outbox);
        loop {
            match &outbox.ended {
                Some(Err(end)) => {
                    let end = end.clone();
                    drop(outbox);
                    return Err(self.verdict(end));
                }
                Some(Ok(())) => return Ok(()),
                None => {}
            }
            let Some(remaining) = patience.remaining() else {
                outbox.stop = Stop::Abort;
                return Err(End::TimedOut("to take what was sent", linger));
            };
            outbox = wait(&self.outbox_changed, outbox, remaining);
        }
    }
}
