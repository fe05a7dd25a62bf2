//! Talks to `kdelay-oracle` as a measuring test does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};

pub const ORACLE: &str = env!("CARGO_BIN_EXE_kdelay-oracle");
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Oracle {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    pub ready: Value,
}

impl Oracle {
    pub fn start(arguments: &str) -> Self {
        let mut command = Command::new(ORACLE);
        command.args(arguments.split_whitespace());
        Self::start_command(command)
    }

    pub fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        let mut oracle = Self {
            child,
            stdin,
            lines,
            ready: Value::Null,
        };
        oracle.ready = oracle.answer();
        assert_eq!(oracle.ready["ready"], true);
        assert_eq!(oracle.ready["tids"]["main"], oracle.ready["pid"]);
        oracle
    }

    pub fn pid(&self) -> u64 {
        self.ready["pid"].as_u64().unwrap()
    }

    pub fn tid(&self, name: &str) -> u64 {
        self.ready["tids"][name].as_u64().unwrap()
    }

    pub fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        // At once, as the protocol asks.
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn answer(&self) -> Value {
        let line = self
            .lines
            .recv_timeout(PATIENCE)
            .expect("an answer within a minute");
        serde_json::from_str(&line).unwrap()
    }

    /// Lets it work and checks what every truth has in common.
    pub fn go(&mut self) -> Value {
        self.send("go");
        let truth = self.answer();
        assert_eq!(truth["truth"], true);
        assert_eq!(truth["mode"], self.ready["mode"]);
        assert_eq!(truth["pid"], self.ready["pid"]);
        let at = |key: &str| truth[key].as_str().unwrap().parse::<u64>().unwrap();
        let wall_ns = at("truthMonotonicNs") - at("goMonotonicNs");
        assert_eq!(truth["wallNs"], wall_ns);
        truth
    }

    /// Ends it by the protocol and returns its exit code.
    pub fn end(mut self) -> Option<i32> {
        self.send("end");
        self.wait()
    }

    /// For one that ends by itself, or at the end of stdin.
    pub fn wait(mut self) -> Option<i32> {
        drop(self.stdin.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // After a failed assertion; harmless where it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The entry of one thread in a truth.
pub fn thread<'a>(truth: &'a Value, name: &str) -> &'a Value {
    let threads = truth["threads"].as_array().unwrap();
    threads
        .iter()
        .find(|thread| thread["name"] == name)
        .unwrap()
}

pub fn syscalls(entry: &Value) -> &Map<String, Value> {
    entry["syscalls"].as_object().unwrap()
}

pub fn ns(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
