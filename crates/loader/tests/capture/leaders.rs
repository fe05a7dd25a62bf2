//! A process whose leader has ended while another thread goes on.

use loader::error::ErrorKind;
use loader::options::Options;
use loader::options::UserStacks;
use loader::sample::{Frame, StopReason};
use loader::session::capture::CaptureSession;
use loader::targets::process::inspect;
use loader::targets::search::find;

use crate::relay::Relay;
use crate::support::assert_adds_up;
use crate::thread;

#[inline(never)]
extern "C" fn rest_in_a_function(value: u64) -> u64 {
    std::thread::sleep(std::time::Duration::from_millis(value));
    std::hint::black_box(value)
}

fn without_leader() -> (Relay, CaptureSession) {
    let relay = Relay::new(rest_in_a_function);
    relay.end_leader();
    let session = CaptureSession::open(&Options {
        pids: vec![relay.pid],
        off_cpu: true,
        user_stacks: UserStacks::copied(16 << 10),
        ..Options::default()
    });
    (relay, session.unwrap())
}

#[test]
fn a_process_without_its_leader_is_found_and_described() {
    let relay = Relay::new(rest_in_a_function);
    let before = inspect(relay.pid).unwrap();
    relay.end_leader();
    let after = inspect(relay.pid).unwrap();
    assert_eq!(after.exe, before.exe);
    assert_eq!(after.cmdline, before.cmdline);
    assert!(after.exe.is_some() && !after.cmdline.unwrap().is_empty());
    let name = before.exe.unwrap().rsplit('/').next().unwrap().to_owned();
    let found = find(&name).unwrap();
    assert!(found.iter().any(|process| process.pid == relay.pid));
    let pid = relay.pid;
    relay.kill();
    let ended = inspect(pid).unwrap_err().kind;
    assert_eq!(ended, ErrorKind::ProcessEnded, "not waited for yet");
    drop(relay);
    assert_eq!(inspect(pid).unwrap_err().kind, ErrorKind::NoSuchProcess);
}

#[test]
fn a_process_is_captured_until_its_last_thread_ends() {
    let (relay, session) = without_leader();
    let names_it = |frame: &Frame| {
        let name = frame.symbol.as_deref().unwrap_or_default();
        name.ends_with("rest_in_a_function")
    };
    // On a busy machine it may wait for a CPU through a whole window, or be blocked in something else only.
    let mut found = Vec::new();
    let is_found = (0..100).any(|_| {
        session.start(Some(20_000_000)).unwrap();
        assert_eq!(session.wait().unwrap(), StopReason::Time);
        let sample = session.read().unwrap();
        assert_adds_up(&sample);
        let budget = &thread(&sample, relay.runner_tid()).budget;
        assert_eq!(budget.wall_ns, 20_000_000);
        let mut frames = sample.stacks.iter().flatten();
        // Before Linux 5.15 the kernel hands over no registers of a thread that blocks.
        let has_stacks = sample.off_cpu.iter().any(|time| time.user_stack.is_some());
        let is_there = if has_stacks {
            frames.any(names_it)
        } else {
            !sample.off_cpu.is_empty()
        };
        let is_blocked = budget.blocked_ns > 0;
        found.extend(sample.stack_problems);
        is_blocked && is_there
    });
    assert!(is_found, "{found:?}");
    session.start(None).unwrap();
    relay.kill();
    assert_eq!(session.wait().unwrap(), StopReason::Exit);
}

#[test]
fn a_stop_is_told_where_the_leader_has_ended() {
    let (relay, session) = without_leader();
    relay.stop();
    session.start(Some(20_000_000)).unwrap();
    assert_eq!(session.wait().unwrap(), StopReason::Time);
    let sample = session.read().unwrap();
    let budget = &thread(&sample, relay.runner_tid()).budget;
    assert_eq!(budget.stopped_ns, budget.wall_ns);
    assert_adds_up(&sample);
    // Again, and this time its first event is the end of the stop.
    session.start(None).unwrap();
    relay.go_on();
    session.stop().unwrap();
    session.wait().unwrap();
    let sample = session.read().unwrap();
    assert!(thread(&sample, relay.runner_tid()).budget.stopped_ns > 0);
    assert_adds_up(&sample);
}
