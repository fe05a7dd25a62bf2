//! The demo does what its thread names promise, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as expected"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const DEMO: &str = env!("CARGO_BIN_EXE_kdelay-demo");
const NAMES: [&str; 12] = [
    "consumer",
    "cruncher",
    "file-writer",
    "kdelay-demo",
    "net-client",
    "net-server",
    "page-faults",
    "producer",
    "rival-a",
    "rival-b",
    "sleeper",
    "spawner",
];

/// Far longer than it takes on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Demo(Child);

impl Demo {
    /// Starts it and waits until it says that every thread runs.
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(DEMO)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(
            line.starts_with(&format!("kdelay-demo: pid {}, ", child.id())),
            "{line}"
        );
        Self(child)
    }

    fn signal(&self, signal: i32) {
        // SAFETY: no pointers; the child has not been waited for, so its pid is still its own.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // After a failed assertion; harmless where it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(pid: u32, tid: &str, file: &str) -> String {
    // A short-lived thread may be gone by now; it then has nothing to show.
    fs::read_to_string(format!("/proc/{pid}/task/{tid}/{file}")).unwrap_or_default()
}

fn tids(pid: u32) -> Vec<String> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The names of those threads that have blocked, or, of the rivals, that had to give way to each other.
fn have_run(pid: u32) -> BTreeSet<String> {
    let has_run = |tid: &String| {
        let status = read(pid, tid, "status");
        let count = |key: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(key));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number.map_or(0, |number| number.parse().unwrap())
        };
        let name = read(pid, tid, "comm").trim().to_owned();
        let is_enough = if name.starts_with("rival") {
            count("nonvoluntary_ctxt_switches") > 1
        } else {
            count("voluntary_ctxt_switches") > 0
        };
        is_enough.then_some(name)
    };
    tids(pid).iter().filter_map(has_run).collect()
}

#[test]
fn every_thread_is_there_and_gets_to_run() {
    let mut demo = Demo::start(&[]);
    let pid = demo.0.id();
    let begun = Instant::now();
    // A short-lived thread has the name of who made it until it has its own: of several of one name, one is enough.
    loop {
        let names = have_run(pid);
        let missing: Vec<_> = NAMES
            .iter()
            .filter(|&&name| !names.contains(name))
            .collect();
        if missing.is_empty() {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{missing:?} are not there, or never switch"
        );
        thread::sleep(Duration::from_millis(10));
    }
    demo.signal(libc::SIGTERM);
    assert_eq!(demo.exit_code(), Some(0));
}

#[test]
fn ends_by_itself_and_leaves_no_file() {
    let mut demo = Demo::start(&["0.2"]);
    let file = env::temp_dir().join(format!("kdelay-demo-{}.tmp", demo.0.id()));
    assert!(!file.exists(), "its name goes as soon as it is open");
    assert_eq!(demo.exit_code(), Some(0));
    assert!(!file.exists());
}

#[test]
fn an_interrupt_ends_it_well() {
    let mut demo = Demo::start(&["60"]);
    demo.signal(libc::SIGINT);
    assert_eq!(demo.exit_code(), Some(0));
}

#[test]
fn a_bad_argument_is_one_line_and_64() {
    let output = Command::new(DEMO).arg("soon").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(
        output
            .stderr
            .starts_with(b"kdelay-demo: SECONDS \"soon\": must be")
    );
}
