//! The processes of a local run: started, listened to, and never left behind.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mpcc_cli::failure::{self, Bug, Interrupted, Relayed};
use mpcc_cli::outputs::Answer;
use mpcc_runtime::RoleReport;
use serde::Serialize;

use super::RoleName;
use super::messages::{Event, Go, Job};

/// How long the others may take to say what they saw after the first has failed.
const GRACE: Duration = Duration::from_millis(1500);
/// How long the roles may take to agree on the session once they are connected.
const AGREEING: Duration = Duration::from_secs(120);
/// How long a process may take to end after its last word.
const FAREWELL: Duration = Duration::from_secs(5);
/// Of a child's standard error, what is kept.
const KEPT: u64 = 16 << 10;

/// What reaches the parent.
enum Notice {
    Event(RoleName, Event),
    /// The child said something that is no event.
    Garbled(RoleName, String),
    /// The child could not be told what to do.
    Deaf(RoleName, String),
    /// The child's standard output closed.
    Ended(RoleName),
    Interrupted,
}

/// Where interruptions arrive.
pub(super) struct Interruptions {
    send: Sender<Notice>,
    receive: Receiver<Notice>,
}

/// While this is set, there are files or processes to clear away and somebody reads notices; otherwise an interruption
/// ends the process at once.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Catches Ctrl-C and requests to terminate from now on.
pub(super) fn interruptions() -> Result<Interruptions> {
    let (send, receive) = mpsc::channel();
    let notify = send.clone();
    ctrlc::set_handler(move || {
        if !RUNNING.load(Ordering::SeqCst) || notify.send(Notice::Interrupted).is_err() {
            process::exit(i32::from(failure::INTERRUPTED));
        }
    })
    .context("cannot catch interruptions")?;
    RUNNING.store(true, Ordering::SeqCst);
    Ok(Interruptions { send, receive })
}

/// From now on there is nothing to clear away.
pub(super) fn nothing_left() {
    RUNNING.store(false, Ordering::SeqCst);
}

/// How far a session is.
pub(super) enum Moment {
    Made { inferences: u64 },
    Setup,
    Offline { inference: u64 },
    Hop { hop: usize, inference: u64 },
}

/// A session that ended well.
pub(super) struct Finished {
    /// What the model owner saw.
    pub(super) model_owner: RoleReport,
    /// What the data owner saw.
    pub(super) data_owner: RoleReport,
    /// What the dealer saw, if there was one.
    pub(super) dealer: Option<RoleReport>,
    /// For each inference.
    pub(super) answers: Vec<Answer>,
}

struct Member {
    role: RoleName,
    process: Child,
    /// What it is told, line by line; closing it ends the child.
    orders: Option<Sender<Vec<u8>>>,
    /// Its standard error, once it has ended or has said a lot.
    said: Receiver<Vec<u8>>,
    over: bool,
}

/// The processes, of the dealer only where there is one; dropping ends them.
pub(super) struct Trio {
    members: Vec<Member>,
    notices: Receiver<Notice>,
}

impl Trio {
    /// Starts one process for each job, the model owner's first and the data owner's second.
    pub(super) fn start(jobs: &[Job], interruptions: Interruptions) -> Result<Self> {
        let program = env::current_exe().context("cannot find this program's file")?;
        let mut trio = Self { members: Vec::with_capacity(jobs.len()), notices: interruptions.receive };
        for job in jobs {
            let mut command = Command::new(&program);
            command
                .args(["role-process", job.role.name()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            // Ctrl-C is for the parent, which says once what happened.
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let process = command.spawn().with_context(|| format!("cannot start {}", job.role.called()))?;
            trio.adopt(job.role, process, &interruptions.send)?;
        }
        for (member, job) in trio.members.iter().zip(jobs) {
            member.tell(job)?;
        }
        Ok(trio)
    }

    fn adopt(&mut self, role: RoleName, mut process: Child, notices: &Sender<Notice>) -> io::Result<()> {
        let (input, output, error) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (says, said) = mpsc::channel();
        let (orders, lines) = mpsc::channel::<Vec<u8>>();
        self.members.push(Member { role, process, orders: Some(orders), said, over: false });
        let (of_orders, of_events) = (notices.clone(), notices.clone());
        // Whoever does not read keeps nobody waiting but this thread.
        thread::Builder::new().name("orders".to_owned()).spawn(move || {
            let Some(mut input) = input else { return };
            for line in lines {
                if let Err(error) = input.write_all(&line).and_then(|()| input.flush()) {
                    // Here and below, the run may be over.
                    let _ = of_orders.send(Notice::Deaf(role, error.to_string()));
                    break;
                }
            }
        })?;
        thread::Builder::new().name("events".to_owned()).spawn(move || {
            for line in output.into_iter().flat_map(|o| BufReader::new(o).lines()) {
                let notice = match line.map_err(serde_json::Error::io).and_then(|line| serde_json::from_str(&line)) {
                    Ok(event) => Notice::Event(role, event),
                    Err(error) => Notice::Garbled(role, error.to_string()),
                };
                let _ = of_events.send(notice);
            }
            let _ = of_events.send(Notice::Ended(role));
        })?;
        thread::Builder::new().name("errors".to_owned()).spawn(move || {
            let Some(mut error) = error else { return };
            let mut text = Vec::new();
            // What could be read is kept, and the rest is drained so that the child never waits.
            let _ = error.by_ref().take(KEPT).read_to_end(&mut text);
            let _ = says.send(text);
            let _ = io::copy(&mut error, &mut io::sink());
        })?;
        Ok(())
    }

    /// Waits until every process has its files and listens.
    pub(super) fn ready(&mut self, limit: Duration) -> Result<Go> {
        let mut addresses: [Option<String>; 3] = Default::default();
        let mut missing: Vec<RoleName> = self.members.iter().map(|member| member.role).collect();
        let until = Instant::now() + limit;
        while !missing.is_empty() {
            let Some(said) = self.next(Some(until))? else {
                let names = missing.iter().map(|role| role.called()).collect::<Vec<_>>().join(" and ");
                return Err(too_late(&names, "ready", limit));
            };
            match said {
                (role, Event::Ready { address }) => {
                    addresses[role as usize] = address;
                    missing.retain(|other| *other != role);
                }
                (role, _) => return Err(out_of_turn(role)),
            }
        }
        let [model_owner, _, dealer] = addresses;
        match model_owner {
            Some(model_owner) if dealer.is_some() || self.members.len() == 2 => Ok(Go { model_owner, dealer }),
            _ => Err(Bug("a process that should listen does not".to_owned()).into()),
        }
    }

    /// Runs the session to its end. Each role gives up by itself when it cannot connect; one that does not even do that
    /// is not waited for much longer.
    pub(super) fn session(
        &mut self,
        go: &Go,
        connecting: Duration,
        mut progress: impl FnMut(Moment),
    ) -> Result<Finished> {
        for member in &self.members {
            member.tell(go)?;
        }
        let limit = 2 * connecting + AGREEING;
        let mut until = Some(Instant::now() + limit);
        let mut reports: [Option<RoleReport>; 3] = Default::default();
        let mut results = Vec::new();
        while reports.iter().flatten().count() < self.members.len() {
            let Some(said) = self.next(until)? else { return Err(too_late("the roles", "connected", limit)) };
            match said {
                (_, Event::Made { inferences }) => {
                    until = None;
                    progress(Moment::Made { inferences });
                }
                (_, Event::Setup) => {
                    until = None;
                    progress(Moment::Setup);
                }
                (_, Event::Offline { inference }) => progress(Moment::Offline { inference }),
                (_, Event::Hop { hop, inference }) => progress(Moment::Hop { hop, inference }),
                (role, Event::Done { report, answers }) => {
                    if role == RoleName::DataOwner {
                        results = answers;
                    }
                    self.members[role as usize].over = true;
                    reports[role as usize] = Some(*report);
                }
                (role, Event::Ready { .. } | Event::Failed { .. }) => return Err(out_of_turn(role)),
            }
        }
        let [Some(model_owner), Some(data_owner), dealer] = reports else {
            return Err(Bug("a role ended without a report".to_owned()).into());
        };
        Ok(Finished { model_owner, data_owner, dealer, answers: results })
    }

    /// The next event of a session that goes well, or none in time; what goes wrong is explained by whom it concerns most.
    fn next(&mut self, until: Option<Instant>) -> Result<Option<(RoleName, Event)>> {
        loop {
            let notice = match until {
                None => self.notices.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => self.notices.recv_timeout(until.saturating_duration_since(Instant::now())),
            };
            let notice = match notice {
                Ok(notice) => notice,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Bug("no process can be heard any more".to_owned()).into());
                }
            };
            match notice {
                Notice::Event(role, Event::Failed { status, message }) => {
                    return Err(self.explain(Relayed { status, message }, role));
                }
                Notice::Event(role, event) => return Ok(Some((role, event))),
                Notice::Garbled(role, what) => {
                    return Err(Bug(format!("{} said something else than events: {what}", role.called())).into());
                }
                Notice::Ended(role) | Notice::Deaf(role, _) if self.members[role as usize].over => {}
                Notice::Deaf(role, why) => return Err(self.deaf(role, &why)),
                Notice::Ended(role) => {
                    let failed = self.members[role as usize].end();
                    return Err(self.explain(failed, role));
                }
                Notice::Interrupted => return Err(Interrupted.into()),
            }
        }
    }

    /// A process that could not be told what to do has ended, as a rule, and says why a moment later.
    fn deaf(&mut self, role: RoleName, why: &str) -> anyhow::Error {
        let until = Instant::now() + GRACE;
        while let Ok(notice) = self.notices.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let relayed = match notice {
                Notice::Event(by, Event::Failed { status, message }) => (by, Relayed { status, message }),
                Notice::Ended(by) if by == role => (by, self.members[role as usize].end()),
                Notice::Interrupted => return Interrupted.into(),
                _ => continue,
            };
            return self.explain(relayed.1, relayed.0);
        }
        let message = format!("{} cannot be told what to do: {why}", role.called());
        Relayed { status: failure::LINK_LOST, message }.into()
    }

    /// After a first failure: a lost link is often the echo of another role's failure, which comes a moment later.
    fn explain(&mut self, first: Relayed, by: RoleName) -> anyhow::Error {
        let mut failures = vec![(by, first)];
        let until = Instant::now() + GRACE;
        while failures.len() < self.members.len() && failures.iter().all(|(_, f)| f.status == failure::LINK_LOST) {
            let heard = |role| failures.iter().any(|(other, _)| *other == role);
            match self.notices.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Notice::Event(role, Event::Failed { status, message })) => {
                    failures.push((role, Relayed { status, message }));
                }
                Ok(Notice::Ended(role)) if !heard(role) && !self.members[role as usize].over => {
                    let failed = self.members[role as usize].end();
                    // A process that ended without a word is the cause and no echo.
                    failures.insert(0, (role, failed));
                }
                Ok(Notice::Event(role, Event::Done { .. })) => self.members[role as usize].over = true,
                Ok(Notice::Interrupted) => return Interrupted.into(),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let cause = failures.iter().position(|(_, f)| f.status != failure::LINK_LOST).unwrap_or(0);
        let (role, Relayed { status, message }) = failures.swap_remove(cause);
        let message = if status == failure::WRONG_INPUT || message.contains(role.called()) {
            message
        } else {
            format!("{}: {message}", role.called())
        };
        Relayed { status, message }.into()
    }
}

fn too_late(who: &str, what: &str, limit: Duration) -> anyhow::Error {
    let message = format!(
        "timed out after {:.1} s waiting for {who} to be {what}; give a longer --timeout, or see what keeps this machine busy",
        limit.as_secs_f64()
    );
    Relayed { status: failure::LINK_LOST, message }.into()
}

fn out_of_turn(role: RoleName) -> anyhow::Error {
    Bug(format!("{} said something out of turn", role.called())).into()
}

impl Member {
    /// Has a message written to the process; that it cannot be is heard as a notice.
    fn tell(&self, message: &impl Serialize) -> Result<()> {
        let told = serde_json::to_vec(message).map_err(|e| e.to_string()).and_then(|mut line| {
            line.push(b'\n');
            let orders = self.orders.as_ref().ok_or("it is told nothing any more")?;
            // The thread that writes has ended; its notice says why.
            let _ = orders.send(line);
            Ok(())
        });
        told.map_err(|why| Bug(format!("{} cannot be told what to do: {why}", self.role.called())).into())
    }

    /// Why the process ended without a word.
    fn end(&mut self) -> Relayed {
        self.over = true;
        let status = wait(&mut self.process, FAREWELL);
        let said = self.said.recv_timeout(GRACE).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let code = status.and_then(|s| s.code());
        if code == Some(i32::from(failure::BUG)) {
            let text = said.strip_prefix("error: ").unwrap_or(&said).to_owned();
            return Relayed { status: failure::BUG, message: text };
        }
        let how = match status {
            Some(status) => format!("{status}"),
            None => "it closed its output".to_owned(),
        };
        let last = if said.is_empty() { String::new() } else { format!("; its last words: {said}") };
        let message = format!("the process of {} ended without a word ({how}){last}", self.role.called());
        Relayed { status: failure::LINK_LOST, message }
    }
}

fn wait(process: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => return None,
        }
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for member in &mut self.members {
            if !member.over {
                // One that has ended already cannot be killed, and need not be.
                let _ = member.process.kill();
            }
        }
        for member in &mut self.members {
            if wait(&mut member.process, FAREWELL).is_none() {
                let _ = member.process.kill();
                let _ = member.process.wait();
            }
            drop(member.orders.take());
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
