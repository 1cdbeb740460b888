//! Two parties without a dealer, of which one is killed, or whose disk is full: how the other one ends, and what is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::sessions::children;
use crate::sessions::{Deployment, SLOW, wait_for};
use crate::support::{Place, finish, one_clear_message, text};

const HALVES: [&str; 2] = ["model-owner.material", "data-owner.material"];

/// A place on the way between two parties that counts what passes, and lets no more pass than it is told.
struct Tap {
    address: String,
    passed: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

impl Tap {
    fn to(address: &str) -> Tap {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let tap = Tap {
            address: listener.local_addr().expect("an address").to_string(),
            passed: Arc::default(),
            most: Arc::new(AtomicU64::new(u64::MAX)),
        };
        let (address, passed, most) = (address.to_owned(), Arc::clone(&tap.passed), Arc::clone(&tap.most));
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let Ok(to) = TcpStream::connect(&address) else { return };
                for (from, to) in [(&from, &to), (&to, &from)] {
                    let ends = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let (passed, most) = (Arc::clone(&passed), Arc::clone(&most));
                    thread::spawn(move || carry(ends, &passed, &most));
                }
            }
        });
        tap
    }

    /// Waits until so many bytes have passed; no more do.
    fn stopped(&self) {
        wait_for(|| self.passed.load(Ordering::SeqCst) >= self.most.load(Ordering::SeqCst));
    }

    fn stop_at(&self, bytes: u64) {
        self.most.store(bytes, Ordering::SeqCst);
    }
}

fn carry((mut from, mut to): (TcpStream, TcpStream), passed: &AtomicU64, most: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while passed.load(Ordering::SeqCst) >= most.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        passed.fetch_add(read as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
}

/// Both parties as processes of their own, with a tap between them.
struct Pair {
    deployment: Deployment,
}

impl Pair {
    fn new() -> Pair {
        let deployment = Deployment::new();
        deployment.place.good(&["compile", "model.mpv", "--supplier", "pair", "-o", "pair.mpca"]);
        Pair { deployment }
    }

    /// The model owner and the data owner of a command, with what each says beside its role.
    fn start(&self, command: &str, says: [&[&str]; 2], most: u64) -> (Tap, [Child; 2]) {
        let [model_owner, data_owner, _] = &self.deployment.fingerprints;
        let common = [command, "pair.mpca", "--timeout", "6", "--role"];
        let serving = ["model-owner", "--listen", "127.0.0.1:0", "--identity", "model-owner", "--peer", data_owner];
        let weights = ["--weights", "w.safetensors"];
        let server = self.deployment.listening(&[&common[..], &serving, &weights, says[0]].concat());
        let tap = Tap::to(&server.address);
        tap.stop_at(most);
        let asking = ["data-owner", "--connect", &tap.address, "--identity", "data-owner", "--peer", model_owner];
        let asking = self.place().command(&[&common[..], &asking, says[1]].concat()).spawn().expect("mpcc starts");
        (tap, [server.child, asking])
    }

    fn make(&self, most: u64) -> (Tap, [Child; 2]) {
        let says = |out| ["--inferences", "2", "--out", out];
        self.start("pair", [&says("of-model-owner"), &says("of-data-owner")], most)
    }

    fn place(&self) -> &Place {
        &self.deployment.place
    }
}

/// Whether a directory has a half of a pool, and its other files.
fn found(directory: &Path) -> (bool, BTreeSet<String>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: BTreeSet<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    (HALVES.iter().filter(|name| names.remove(**name)).count() > 0, names)
}

fn kill(child: &mut Child) {
    child.kill().expect("a child that runs");
    child.wait().expect("a child");
}

/// Killed wherever the bytes stand, a party leaves no half of a pool, and the other one neither that nor anything else. Then both make
/// another pool in the same place, and run on it.
#[test]
fn a_party_killed_while_making_a_pool_leaves_no_half_of_it() {
    let pair = Pair::new();
    let directories = ["of-model-owner", "of-data-owner"];
    let made = |ends: [Child; 2]| {
        for end in ends {
            let output = finish(end, &["a party"]);
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
    };
    let (tap, ends) = pair.make(u64::MAX);
    made(ends);
    let all = tap.passed.load(Ordering::SeqCst);
    for directory in directories {
        fs::remove_dir_all(pair.place().path(directory)).expect("a directory");
    }
    for (turn, part) in [1, 4, 7, 20, 35, 50, 65, 80, 93, 98].into_iter().enumerate() {
        let victim = turn % 2;
        let (tap, mut ends) = pair.make(all * part / 100);
        tap.stopped();
        kill(&mut ends[victim]);
        tap.stop_at(u64::MAX);
        let [model_owner, data_owner] = ends;
        let survivor = finish([data_owner, model_owner].into_iter().nth(victim).expect("two"), &["the survivor"]);
        one_clear_message(&survivor, 4, &[["the model owner", "the data owner"][victim]]);
        let left = |p: usize| found(&pair.place().path(directories[p]));
        assert_eq!(left(1 - victim), (false, BTreeSet::new()), "the survivor at {part} %");
        assert!(!left(victim).0, "the victim at {part} %");
    }
    let (_, ends) = pair.make(u64::MAX);
    made(ends);
    for directory in directories {
        assert_eq!(found(&pair.place().path(directory)), (true, BTreeSet::new()), "drafts are left");
    }
    let says = [
        &["--max-inferences", "5", "--material", "of-model-owner/model-owner.material"][..],
        &["--input", "cat.png", "--material", "of-data-owner/data-owner.material"],
    ];
    made(pair.start("run", says, u64::MAX).1);
}

/// The same while a pool is made for one session, and in that session: nothing is left in a state directory but what the victim could
/// not remove, and the next session removes that.
#[test]
fn a_party_killed_while_it_makes_what_it_runs_on_leaves_nothing_that_counts() {
    let pair = Pair::new();
    let says: [&[&str]; 2] = [&["--max-inferences", "5"], &["--input", "cat.png", "dog.png"]];
    let (tap, ends) = pair.start("run", says, u64::MAX);
    ends.into_iter().for_each(|end| assert!(finish(end, &["a party"]).status.success()));
    let all = tap.passed.load(Ordering::SeqCst);
    let state = |p: usize| found(&pair.place().path(["model-owner/state", "data-owner/state"][p])).1;
    let pools = |p| state(p).into_iter().filter(|name| name.starts_with("pool-")).count();
    assert_eq!((pools(0), pools(1)), (0, 0));
    let before = [0, 1].map(state);
    for (turn, part) in [10, 40, 70, 95, 97, 99].into_iter().enumerate() {
        let victim = (turn + 1) % 2;
        let (tap, mut ends) = pair.start("run", says, all * part / 100);
        tap.stopped();
        kill(&mut ends[victim]);
        tap.stop_at(u64::MAX);
        let [model_owner, data_owner] = ends;
        let survivor = finish([data_owner, model_owner].into_iter().nth(victim).expect("two"), &["the survivor"]);
        one_clear_message(&survivor, 4, &[["the model owner", "the data owner"][victim]]);
        assert_eq!(pools(1 - victim), 0, "the survivor at {part} %");
        assert!(pools(victim) <= 1, "the victim at {part} %");
    }
    let (_, ends) = pair.start("run", says, u64::MAX);
    ends.into_iter().for_each(|end| assert!(finish(end, &["a party"]).status.success()));
    assert_eq!([0, 1].map(state), before, "one session leaves no more than another");
}

/// A making of both parties in one process that is killed or interrupted.
#[test]
fn a_local_making_that_is_broken_off_leaves_no_pool() {
    let place = Place::new();
    place.good(&["compile", "model.mpv", "--supplier", "pair", "-o", "pair.mpca"]);
    let make = ["pair", "pair.mpca", "--weights", "w.safetensors", "--inferences", "2", "--out", "made"];
    for (signal, status) in [("-INT", Some(130)), ("-TERM", Some(130)), ("-KILL", None)] {
        let child = place.command(&[&make[..], &SLOW].concat()).spawn().expect("mpcc starts");
        // Both drafts are there, so a making is under way.
        wait_for(|| found(&place.path("made")).1.len() >= 2);
        let busy = place.run(&make);
        one_clear_message(&busy, 2, &["is being made by another process"]);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs").success());
        let output = finish(child, &make);
        assert_eq!(output.status.code(), status, "{}", text(&output.stderr));
        let (half, drafts) = found(&place.path("made"));
        assert!(!half && (signal == "-KILL" || drafts.is_empty()), "{drafts:?}");
    }
    place.good(&make);
    assert_eq!(found(&place.path("made")), (true, BTreeSet::new()));
    place.good(&["run", "pair.mpca", "--weights", "w.safetensors", "--input", "cat.png", "--material", "made"]);
}

/// A local run whose party dies while material is made says so once, and leaves nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_local_run_says_which_party_died_while_it_made() {
    for victim in ["model-owner", "data-owner"] {
        let place = Place::new();
        place.good(&["compile", "model.mpv", "--supplier", "pair", "-o", "pair.mpca"]);
        let before = place.files();
        let run = ["run", "pair.mpca", "--weights", "w.safetensors", "--input", "cat.png"];
        let child = place.command(&[&run[..], &SLOW].concat()).spawn().expect("mpcc starts");
        let makes = |name: &str| place.files().iter().any(|path| path.to_string_lossy().contains(name));
        wait_for(|| HALVES.iter().all(|half| makes(&format!("/made/.{half}-"))));
        let processes = children(child.id());
        assert_eq!(processes.len(), 2, "{processes:?}");
        let (_, pid) = processes.iter().find(|(role, _)| role == victim).expect("both parties");
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill runs").success());
        let output = finish(child, &run);
        one_clear_message(&output, 4, &[&victim.replace('-', " "), "ended without a word"]);
        assert_eq!(place.files(), before);
    }
}

/// Runs a command whose files may not grow beyond so many blocks of 512 bytes.
fn with_little_room(place: &Place, blocks: u32, arguments: &[&str]) -> Output {
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, "sh"]).arg(crate::program()).args(arguments);
    command.current_dir(place.path("")).env("TMPDIR", place.path("tmp"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    finish(child.expect("a shell"), arguments)
}

#[test]
fn a_pool_that_cannot_be_written_is_an_error_and_no_file() {
    let place = Place::new();
    place.good(&["compile", "model.mpv", "--supplier", "pair", "-o", "pair.mpca"]);
    let make = |count, out| ["pair", "pair.mpca", "--weights", "w.safetensors", "--inferences", count, "--out", out];
    place.bad(&make("2", "w.safetensors"), 1, &["cannot create w.safetensors"]);
    place.bad(&make("2", "w.safetensors/made"), 1, &["cannot create w.safetensors/made"]);
    place.bad(&make("100000000000", "made"), 2, &["bytes are needed", "are free"]);
    let full = with_little_room(&place, 4, &make("20", "made"));
    one_clear_message(&full, 1, &["cannot write", "File too large"]);
    assert_eq!(found(&place.path("made")), (false, BTreeSet::new()));
    place.good(&make("20", "made"));
}
