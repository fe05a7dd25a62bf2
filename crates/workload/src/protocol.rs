//! The conversation with whoever measures: one JSON line when ready, a line to go, one JSON line of truth, a line to end.
//!
//! Between `go` and the truth nothing happens but what the truth states, the protocol's own calls included. The main
//! thread is inside read(0) when `go` comes and again soon after the truth is out; it stays there until `end` or the
//! end of stdin. Who speaks to it sends each line in one write: a line that comes in pieces takes reads that the truth
//! does not state.

use serde_json::{Map, Value, json};

use crate::clock::{clock_needs_no_syscall, monotonic_ns};
use crate::error::WorkloadError;
use crate::tally::{Call, Tally};

const STDIN: i32 = 0;
const STDOUT: i32 = 1;

pub struct Conversation {
    mode: &'static str,
    /// Asked for once: every later look would be a getpid in the trace.
    pid: u32,
    /// The main thread's calls between `go` and the truth.
    pub tally: Tally,
    /// Everything outside that span.
    off_record: Tally,
    go_ns: u64,
}

impl Conversation {
    pub fn new(mode: &'static str) -> Self {
        Self {
            mode,
            pid: std::process::id(),
            tally: Tally::new(),
            off_record: Tally::new(),
            go_ns: 0,
        }
    }

    /// After an exec the conversation continues in the new image, which is told when `go` came.
    pub fn resumed(mode: &'static str, go_ns: u64) -> Self {
        Self {
            go_ns,
            ..Self::new(mode)
        }
    }

    pub fn go_ns(&self) -> u64 {
        self.go_ns
    }

    /// Announces that set-up is complete. `threads` are the workers; the main thread is added as `main`.
    pub fn ready(
        &self,
        threads: &[(String, i32)],
        extra: Map<String, Value>,
    ) -> Result<(), WorkloadError> {
        let mut tids: Map<String, Value> = threads
            .iter()
            .map(|(name, tid)| (name.clone(), (*tid).into()))
            .collect();
        tids.insert("main".into(), self.pid.into());
        let mut line = Map::new();
        line.insert("ready".into(), true.into());
        line.insert("mode".into(), self.mode.into());
        line.insert("pid".into(), self.pid.into());
        line.insert("tids".into(), tids.into());
        line.insert(
            "clockNeedsNoSyscall".into(),
            clock_needs_no_syscall().into(),
        );
        line.extend(extra);
        say(&self.off_record, line)
    }

    /// Blocks in read(0). That call began before `go`, so the truth does not count it.
    pub fn wait_for_go(&mut self) -> Result<(), WorkloadError> {
        let line = self.next_line()?;
        self.go_ns = monotonic_ns();
        match line {
            Some(_) => Ok(()),
            None => Err(WorkloadError::Protocol("stdin ended before go".into())),
        }
    }

    /// States the truth: the workers' entries, the main thread's own, and what the mode adds.
    pub fn tell(
        &self,
        workers: Vec<Value>,
        extra: Map<String, Value>,
    ) -> Result<(), WorkloadError> {
        // The line is written by the very call that it has to contain.
        self.tally.add(Call::Write, 1);
        let mut threads = vec![self.main_entry()];
        threads.extend(workers);
        let mut line = self.frame();
        line.insert("threads".into(), threads.into());
        line.extend(extra);
        say(&self.off_record, line)
    }

    /// The same without a list of threads, for modes whose threads are not this process's own any more.
    pub fn tell_without_threads(&self, extra: Map<String, Value>) -> Result<(), WorkloadError> {
        let mut line = self.frame();
        line.extend(extra);
        say(&self.off_record, line)
    }

    /// Blocks in read(0) until `end` or the end of stdin.
    pub fn wait_for_end(&self) -> Result<(), WorkloadError> {
        self.next_line().map(|_| ())
    }

    /// One line without its newline, or `None` at the end of stdin. Who sends a line sends it in one write and waits for
    /// the answer before the next, so that one read takes exactly one line.
    pub fn next_line(&self) -> Result<Option<String>, WorkloadError> {
        let mut buffer = [0; 128];
        let mut length = 0;
        loop {
            let space = buffer.get_mut(length..).unwrap_or_default();
            if space.is_empty() {
                return Err(WorkloadError::Protocol(
                    "a line on stdin is too long".into(),
                ));
            }
            match self.off_record.read(STDIN, space) {
                Ok(0) if length == 0 => return Ok(None),
                Ok(count) => length += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(WorkloadError::system("cannot read stdin", error)),
            }
            let received = buffer.get(..length).unwrap_or_default();
            if let Some(line) = received.strip_suffix(b"\n") {
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
        }
    }

    fn frame(&self) -> Map<String, Value> {
        let now_ns = monotonic_ns();
        let mut line = Map::new();
        line.insert("truth".into(), true.into());
        line.insert("mode".into(), self.mode.into());
        line.insert("pid".into(), self.pid.into());
        line.insert("goMonotonicNs".into(), self.go_ns.to_string().into());
        line.insert("truthMonotonicNs".into(), now_ns.to_string().into());
        line.insert("wallNs".into(), (now_ns - self.go_ns).into());
        line
    }

    fn main_entry(&self) -> Value {
        json!({
            "name": "main",
            "tid": self.pid,
            "syscalls": self.tally.to_json(),
            "insideAtGo": "read",
            "insideAtEnd": "read",
        })
    }
}

/// An answer that is not the truth of a mode, for the load generators.
pub fn answer(line: Map<String, Value>) -> Result<(), WorkloadError> {
    say(&Tally::new(), line)
}

/// One write for the whole line. A pipe takes any length in one blocking call; the rest of a partial write (a signal
/// came) is sent after it.
fn say(tally: &Tally, line: Map<String, Value>) -> Result<(), WorkloadError> {
    let mut text = Value::Object(line).to_string();
    text.push('\n');
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match tally.write(STDOUT, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WorkloadError::system("cannot write stdout", error)),
        }
    }
    Ok(())
}

/// For the `json!` objects that modes add to a line.
pub fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}
