use super::*;

/// Processes that are no roles, in their places.
fn trio(commands: &[(RoleName, &str)]) -> Trio {
    let (send, notices) = mpsc::channel();
    let mut trio = Trio { members: Vec::new(), notices };
    for (role, script) in commands {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("a child");
        trio.adopt(*role, child, &send).expect("a message");
    }
    trio
}

const BOTH: [RoleName; 2] = [RoleName::ModelOwner, RoleName::DataOwner];
const READY: &str = r#"echo '{"event":"ready","address":"127.0.0.1:1"}'; exec sleep 30"#;

fn relayed(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Relayed>().map(|relayed| relayed.status).unwrap_or_else(|| panic!("{error:#}"))
}

#[test]
fn a_process_that_never_gets_ready_is_waited_for_within_the_limit() {
    let mut trio = trio(&[(BOTH[0], READY), (BOTH[1], "exec sleep 30")]);
    let start = Instant::now();
    let error = trio.ready(Duration::from_millis(400)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(relayed(&error), failure::LINK_LOST);
    let text = error.to_string();
    assert!(text.contains("the data owner") && !text.contains("the model owner"), "{text}");
    assert!(text.contains("--timeout"), "{text}");
}

#[test]
fn roles_that_never_connect_are_not_waited_for_for_ever() {
    let mut trio = trio(&[(BOTH[0], READY), (BOTH[1], READY)]);
    let go = trio.ready(Duration::from_secs(5)).unwrap();
    let ended = trio.next(Some(Instant::now() + Duration::from_millis(300))).unwrap();
    assert!(ended.is_none());
    assert_eq!(go.model_owner, "127.0.0.1:1");
}

#[test]
fn a_message_that_cannot_be_written_ends_the_run() {
    // Long enough that no pipe holds it, for a process that lives on and never reads.
    let mut trio = trio(&[(BOTH[0], "exec 0<&-; exec sleep 30"), (BOTH[1], "exec sleep 30")]);
    thread::sleep(Duration::from_millis(300));
    trio.members[0].tell(&"x".repeat(1 << 20)).unwrap();
    let start = Instant::now();
    let error = trio.ready(Duration::from_secs(20)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(error.to_string().contains("the model owner cannot be told what to do"), "{error}");
}

#[test]
fn a_message_that_cannot_be_made_ends_the_run() {
    struct Unspeakable;
    impl Serialize for Unspeakable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no words"))
        }
    }
    let trio = trio(&[(BOTH[0], "exec sleep 30")]);
    let error = trio.members[0].tell(&Unspeakable).unwrap_err();
    assert!(error.is::<Bug>() && error.to_string().contains("no words"), "{error}");
}

#[test]
fn a_process_that_does_not_read_keeps_nobody_waiting() {
    let mut trio = trio(&[(BOTH[0], "exec sleep 30"), (BOTH[1], "exec sleep 30")]);
    let start = Instant::now();
    trio.members[0].tell(&"x".repeat(1 << 20)).unwrap();
    assert!(trio.ready(Duration::from_millis(300)).is_err());
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn what_is_no_event_ends_the_run() {
    for said in ["hello", r#"{"event":"unheard-of"}"#, r"\377"] {
        let mut trio = trio(&[(BOTH[0], &format!("printf '{said}\\n'; exec sleep 30")), (BOTH[1], READY)]);
        let error = trio.ready(Duration::from_secs(20)).unwrap_err();
        assert!(error.is::<Bug>() && error.to_string().contains("the model owner said"), "{said}: {error}");
    }
}

#[test]
fn a_process_that_ends_at_once_is_said_to_with_its_last_words() {
    let mut trio = trio(&[(BOTH[0], "echo what a pity >&2; exit 3"), (BOTH[1], READY)]);
    // It may be gone before it can be told anything.
    trio.members[0].tell(&"x".repeat(1 << 20)).unwrap();
    let error = trio.ready(Duration::from_secs(20)).unwrap_err().to_string();
    assert!(error.contains("the model owner ended without a word") && error.contains("what a pity"), "{error}");
}
