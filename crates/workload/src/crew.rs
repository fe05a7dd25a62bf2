//! Worker threads that wait at a gate, do their work when it opens, and then rest without making another call.
//!
//! ```text
//! set-up      worker: futex wait at the gate ─┐                  main: read(0)
//! go                                          └ work … wake main        wake the gate, futex wait
//! truth       worker: futex wait at rest                         main: look at each worker, write, read(0)
//! ```
//!
//! So each worker is inside a futex call both when `go` comes and when the truth is told, and the truth says so.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::monotonic_ns;
use crate::error::WorkloadError;
use crate::protocol::Conversation;
use crate::tally::Tally;
use crate::tasks::{Observer, Schedstat};

/// Large enough for formatting in debug builds; the default of 2 MiB would be wasted on what the workers do.
const STACK_BYTES: usize = 256 << 10;
/// Between two looks at a worker that has not come to rest yet. Sleeping leaves it the CPU, yielding might not.
const SETTLE_NS: u64 = 100_000;

#[derive(Default)]
struct Gate {
    open: AtomicU32,
    opened_ns: AtomicU64,
    finished: AtomicU32,
}

struct Worker {
    name: String,
    tid: i32,
    tally: Arc<Tally>,
    at_rest: Arc<AtomicU32>,
    result: Arc<Mutex<Map<String, Value>>>,
    observer: Observer,
    /// As it stood when the worker had come to sleep at the gate.
    before: Option<Schedstat>,
}

/// What a worker gets to do its work with.
pub struct Shift<'a> {
    pub tally: &'a Tally,
    pub tid: i32,
    /// The same instant for all workers of a crew: just before the gate opened.
    pub opened_ns: u64,
}

#[derive(Default)]
pub struct Crew {
    gate: Arc<Gate>,
    workers: Vec<Worker>,
}

impl Crew {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a worker and returns once it sleeps at the gate. What `work` returns becomes part of its entry.
    pub fn add<W>(&mut self, name: &str, cpu: Option<usize>, work: W) -> Result<i32, WorkloadError>
    where
        W: FnOnce(&Shift) -> Map<String, Value> + Send + 'static,
    {
        let tid_slot = Arc::new(AtomicI32::new(0));
        let tally = Arc::new(Tally::new());
        let at_rest = Arc::new(AtomicU32::new(0));
        let result = Arc::new(Mutex::new(Map::new()));
        let body = {
            let gate = Arc::clone(&self.gate);
            let (tid_slot, tally) = (Arc::clone(&tid_slot), Arc::clone(&tally));
            let (at_rest, result) = (Arc::clone(&at_rest), Arc::clone(&result));
            move || {
                let off_record = Tally::new();
                let pinned = cpu.map_or(Ok(()), crate::tasks::pin_to_cpu);
                let tid = if pinned.is_ok() {
                    off_record.gettid()
                } else {
                    -1
                };
                tid_slot.store(tid, Ordering::Release);
                while gate.open.load(Ordering::Acquire) == 0 {
                    let _ = off_record.futex_wait(&gate.open, 0);
                }
                let opened_ns = gate.opened_ns.load(Ordering::Relaxed);
                let extra = work(&Shift {
                    tally: &tally,
                    tid,
                    opened_ns,
                });
                // Nobody else holds this lock before the worker rests, so taking it makes no call.
                *result.lock().unwrap_or_else(PoisonError::into_inner) = extra;
                gate.finished.fetch_add(1, Ordering::Release);
                let _ = tally.futex_wake(&gate.finished, 1);
                at_rest.store(1, Ordering::Release);
                rest(&off_record);
            }
        };
        thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK_BYTES)
            .spawn(body)
            .map_err(|error| WorkloadError::system(format!("cannot start thread {name}"), error))?;
        let tid = wait_for_tid(&tid_slot, name)?;
        let observer = Observer::of_thread(tid)?;
        let tally_of_setup = Tally::new();
        while observer.state(&tally_of_setup) != Some(b'S') {
            thread::sleep(Duration::from_micros(100));
        }
        let before = observer.schedstat(&tally_of_setup);
        self.workers.push(Worker {
            name: name.to_owned(),
            tid,
            tally,
            at_rest,
            result,
            observer,
            before,
        });
        Ok(tid)
    }

    pub fn names(&self) -> Vec<(String, i32)> {
        self.workers
            .iter()
            .map(|worker| (worker.name.clone(), worker.tid))
            .collect()
    }

    /// Says that it is ready, with what the mode adds, opens the gate on `go`, and returns the workers' entries once all of them are at rest.
    pub fn perform(
        &self,
        conversation: &mut Conversation,
        extra: Map<String, Value>,
    ) -> Result<Vec<Value>, WorkloadError> {
        conversation.ready(&self.names(), extra)?;
        conversation.wait_for_go()?;
        self.start(&conversation.tally);
        Ok(self.finish(&conversation.tally))
    }

    /// Opens the gate: one futex call.
    pub fn start(&self, tally: &Tally) {
        self.gate.opened_ns.store(monotonic_ns(), Ordering::Relaxed);
        self.gate.open.store(1, Ordering::Release);
        let _ = tally.futex_wake(&self.gate.open, i32::MAX);
    }

    /// Waits until every worker sleeps in its last call, and returns their entries.
    pub fn finish(&self, tally: &Tally) -> Vec<Value> {
        loop {
            let finished = self.gate.finished.load(Ordering::Acquire);
            if finished as usize >= self.workers.len() {
                break;
            }
            let _ = tally.futex_wait(&self.gate.finished, finished);
        }
        self.workers
            .iter()
            .map(|worker| worker.settle(tally))
            .collect()
    }

    /// Entries of workers that never come to an end.
    pub fn entries_of_the_blocked(&self) -> Vec<Value> {
        self.workers
            .iter()
            .map(|worker| worker.entry(None))
            .collect()
    }
}

impl Worker {
    /// The entry, taken once the worker is off the CPU: only then is its schedstat exact, and only then has the call
    /// that woke the main thread returned.
    fn settle(&self, tally: &Tally) -> Value {
        while self.at_rest.load(Ordering::Acquire) == 0 || self.observer.state(tally) == Some(b'R')
        {
            let _ = tally.sleep(SETTLE_NS);
        }
        let after = self.observer.schedstat(tally);
        let spent = self.before.zip(after);
        self.entry(spent.map(|(before, after)| after.since(before)))
    }

    fn entry(&self, schedstat: Option<Value>) -> Value {
        let mut entry = crate::protocol::fields(json!({
            "name": self.name,
            "tid": self.tid,
            "syscalls": self.tally.to_json(),
            "insideAtGo": "futex",
            "insideAtEnd": "futex",
            "schedstat": schedstat,
        }));
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        entry.extend(result.clone());
        Value::Object(entry)
    }
}

/// Sleeps until the process ends.
pub fn rest(tally: &Tally) -> ! {
    let never = AtomicU32::new(0);
    loop {
        let _ = tally.futex_wait(&never, 0);
    }
}

fn wait_for_tid(slot: &AtomicI32, name: &str) -> Result<i32, WorkloadError> {
    loop {
        match slot.load(Ordering::Acquire) {
            0 => thread::sleep(Duration::from_micros(50)),
            -1 => {
                return Err(WorkloadError::Protocol(format!(
                    "thread {name} could not be pinned to its CPU"
                )));
            }
            tid => return Ok(tid),
        }
    }
}
