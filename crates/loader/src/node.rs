//! What Node.js sees: the session, the command and the look-ups of this crate, behind names that start with `Binding`.
//!
//! What takes time runs on libuv's threads. An error crosses as text, `CODE\nmessage` and, if there is one, `\nhint`:
//! napi's asynchronous tasks carry no other field. A panic is caught by napi and becomes an error.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, BigInt, Env};
use napi::{Status, Task};
use napi_derive::napi;

use crate::attached::require_initial_pid_namespace;
use crate::capture::{CaptureSession, Options};
use crate::command::{Command, ExitStatus};
use crate::error::{Error, ErrorKind};
use crate::pending::{Start, Stop};
use crate::sample::{Losses, Sample, StopReason, Target, Thread, TriggeringThread};
use crate::triggers::{self, TriggerScope};
use crate::{doctor, process, process_search};

impl From<Error> for napi::Error {
    fn from(error: Error) -> Self {
        Self::new(
            Status::GenericFailure,
            format!("{}\n{error}", error.kind.code()),
        )
    }
}

#[napi(object)]
pub struct BindingOpenOptions {
    /// tgids in the initial pid namespace, at least one.
    pub pids: Vec<u32>,
    /// Children forked while the session is open join the targets.
    pub follow: bool,
    /// 0: quiet; else the verifier's log level. What is attached, and how, goes to stderr.
    pub debug_level: u32,
    /// Threads that one window can hold; by default from the number of threads.
    pub thread_capacity: Option<u32>,
    /// What opens windows; without it `start` does.
    pub start_trigger: Option<String>,
    /// What closes windows that have no length.
    pub stop_trigger: Option<String>,
    /// Triggers on kernel code fire in the monitored processes only.
    pub triggers_in_target_only: Option<bool>,
    /// The program that the one process, held until then, is about to execute: its triggers are found in this file.
    pub program: Option<String>,
}

#[napi(object, use_nullable = true)]
pub struct BindingWindowStart {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: BigInt,
    /// Since the epoch.
    pub wall_ns: BigInt,
    /// The thread in which the start trigger fired; null: no trigger opened the window.
    pub trigger: Option<TriggeringThread>,
}

impl From<Start> for BindingWindowStart {
    fn from(start: Start) -> Self {
        Self {
            monotonic_ns: start.at_ns.into(),
            wall_ns: start.wall_ns.into(),
            trigger: start.by,
        }
    }
}

#[napi(object, use_nullable = true)]
pub struct BindingWindowStop {
    pub monotonic_ns: BigInt,
    pub wall_ns: BigInt,
    #[napi(ts_type = "'time' | 'trigger' | 'interrupt' | 'exit' | 'timeout'")]
    pub by: String,
    /// The thread in which the stop trigger fired; null: no trigger closed the window.
    pub trigger: Option<TriggeringThread>,
}

#[napi(object, use_nullable = true)]
pub struct BindingWindow {
    pub start: BindingWindowStart,
    pub stop: BindingWindowStop,
}

impl From<(Start, Stop)> for BindingWindow {
    fn from((start, stop): (Start, Stop)) -> Self {
        let length_ns = stop.at_ns.saturating_sub(start.at_ns);
        Self {
            stop: BindingWindowStop {
                monotonic_ns: stop.at_ns.into(),
                wall_ns: start.wall_ns.saturating_add(length_ns).into(),
                by: stop.reason.name().to_owned(),
                trigger: stop.by,
            },
            start: start.into(),
        }
    }
}

#[napi(object, use_nullable = true)]
pub struct BindingSample {
    pub window: BindingWindow,
    /// Start triggers since the last sample that found a window open.
    pub starts_in_window: i64,
    /// The first targets, then the children that joined.
    pub targets: Vec<Target>,
    /// In no particular order.
    pub threads: Vec<Thread>,
    pub losses: Losses,
}

impl From<Sample> for BindingSample {
    fn from(sample: Sample) -> Self {
        Self {
            window: (sample.start, sample.stop).into(),
            starts_in_window: sample.starts_in_window,
            targets: sample.targets,
            threads: sample.threads,
            losses: sample.losses,
        }
    }
}

pub struct OpenTask(Options);

impl Task for OpenTask {
    type Output = CaptureSession;
    type JsValue = BindingSession;

    fn compute(&mut self) -> napi::Result<CaptureSession> {
        Ok(CaptureSession::open(&self.0)?)
    }

    fn resolve(&mut self, _: Env, session: CaptureSession) -> napi::Result<BindingSession> {
        Ok(BindingSession {
            session: Arc::new(session),
        })
    }
}

pub struct WaitTask {
    session: Arc<CaptureSession>,
    patience_ns: Option<u64>,
}

impl Task for WaitTask {
    type Output = StopReason;
    type JsValue = String;

    fn compute(&mut self) -> napi::Result<StopReason> {
        Ok(self.session.wait_for_triggers(self.patience_ns)?)
    }

    fn resolve(&mut self, _: Env, reason: StopReason) -> napi::Result<String> {
        Ok(reason.name().to_owned())
    }
}

pub struct ReadTask(Arc<CaptureSession>);

impl Task for ReadTask {
    type Output = Sample;
    type JsValue = BindingSample;

    fn compute(&mut self) -> napi::Result<Sample> {
        Ok(self.0.read()?)
    }

    fn resolve(&mut self, _: Env, sample: Sample) -> napi::Result<BindingSample> {
        Ok(sample.into())
    }
}

pub struct DiscardTask(Arc<CaptureSession>);

impl Task for DiscardTask {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        Ok(self.0.discard()?)
    }

    fn resolve(&mut self, _: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

fn nanoseconds(value: BigInt) -> napi::Result<u64> {
    match value.get_u64() {
        (false, value, true) => Ok(value),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            "a time must be from 0 to 2^64 - 1 ns",
        )
        .into()),
    }
}

/// Probes attached to a set of processes. An abandoned session detaches when it is collected.
#[napi]
pub struct BindingSession {
    session: Arc<CaptureSession>,
}

#[napi]
impl BindingSession {
    /// Attaches the probes. Nothing is counted before `start`.
    #[napi(ts_return_type = "Promise<BindingSession>")]
    pub fn open(options: BindingOpenOptions) -> AsyncTask<OpenTask> {
        AsyncTask::new(OpenTask(Options {
            pids: options.pids,
            follow: options.follow,
            debug_level: options.debug_level,
            thread_capacity: options.thread_capacity,
            start_trigger: options.start_trigger,
            stop_trigger: options.stop_trigger,
            trigger_scope: if options.triggers_in_target_only == Some(true) {
                TriggerScope::Target
            } else {
                TriggerScope::Any
            },
            program: options.program.map(PathBuf::from),
            ..Options::default()
        }))
    }

    /// Opens a window now, or, where there is a start trigger, arms one for it. With a length the kernel side closes the
    /// window at that very ns; without, it stays open until the stop trigger fires, until `stop`, or until every target
    /// has ended.
    #[napi]
    pub fn start(&self, length_ns: Option<BigInt>) -> napi::Result<()> {
        let length_ns = length_ns.map(nanoseconds).transpose()?;
        Ok(self.session.start(length_ns)?)
    }

    /// How many windows may be armed, open or unread at the same time.
    #[napi(getter)]
    pub fn windows_ahead(&self) -> napi::Result<u32> {
        Ok(self.session.windows_ahead()? as u32)
    }

    /// Resolves when the oldest window is closed, or will never open, with the reason. A trigger that does not fire in the
    /// time that is given is no longer waited for.
    #[napi(ts_return_type = "Promise<'time' | 'trigger' | 'interrupt' | 'exit' | 'timeout'>")]
    pub fn wait(&self, trigger_timeout_ns: Option<BigInt>) -> napi::Result<AsyncTask<WaitTask>> {
        Ok(AsyncTask::new(WaitTask {
            session: Arc::clone(&self.session),
            patience_ns: trigger_timeout_ns.map(nanoseconds).transpose()?,
        }))
    }

    /// Closes the open window now, and takes back those that are armed; without any, does nothing.
    #[napi]
    pub fn stop(&self) -> napi::Result<()> {
        Ok(self.session.stop()?)
    }

    /// The oldest window's start; null while it is armed, and without any.
    #[napi]
    pub fn open_window(&self) -> Option<BindingWindowStart> {
        self.session.open_window().map(Into::into)
    }

    /// The oldest window if it is closed and can be read, else null.
    #[napi]
    pub fn closed_window(&self) -> Option<BindingWindow> {
        self.session.closed_window().map(Into::into)
    }

    /// The oldest window's sample; it must be closed.
    #[napi(ts_return_type = "Promise<BindingSample>")]
    pub fn read(&self) -> AsyncTask<ReadTask> {
        AsyncTask::new(ReadTask(Arc::clone(&self.session)))
    }

    /// Forgets the oldest window, which must be closed.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn discard(&self) -> AsyncTask<DiscardTask> {
        AsyncTask::new(DiscardTask(Arc::clone(&self.session)))
    }

    /// Detaches everything; a wait under way resolves. Closing twice is harmless.
    #[napi]
    pub fn close(&self) {
        self.session.close();
    }

    #[napi(getter)]
    pub fn closed(&self) -> bool {
        self.session.is_closed()
    }

    /// False once every target has ended.
    #[napi]
    pub fn targets_alive(&self) -> napi::Result<bool> {
        Ok(self.session.targets_alive()?)
    }
}

#[napi(object, use_nullable = true)]
pub struct BindingExitStatus {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// A command that is held just before its `execve`, so that the probes are attached when it begins.
#[napi]
pub struct BindingCommand {
    command: Mutex<Command>,
}

#[napi]
impl BindingCommand {
    /// Its stdin and stderr are the caller's; so is its stdout, unless it is to go to stderr.
    #[napi(factory)]
    pub fn spawn(argv: Vec<String>, stdout_to_stderr: bool) -> napi::Result<Self> {
        Ok(Self {
            command: Mutex::new(Command::spawn(&argv, stdout_to_stderr)?),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Command> {
        self.command.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[napi(getter)]
    pub fn pid(&self) -> u32 {
        self.lock().pid()
    }

    /// The file that it will execute: the first of that name in PATH.
    #[napi(getter)]
    pub fn path(&self) -> Option<String> {
        self.lock().path()
    }

    /// Lets it begin. Throws if its program cannot be executed.
    #[napi]
    pub fn release(&self) -> napi::Result<()> {
        Ok(self.lock().release()?)
    }

    /// Ends a command that was never released; one that was runs on.
    #[napi]
    pub fn close(&self) {
        self.lock().close();
    }

    /// How it ended; null while it runs.
    #[napi]
    pub fn status(&self) -> Option<BindingExitStatus> {
        self.lock().status().map(|status| match status {
            ExitStatus::Code(code) => BindingExitStatus {
                code: Some(code),
                signal: None,
            },
            ExitStatus::Signal(signal) => BindingExitStatus {
                code: None,
                signal: Some(signal),
            },
        })
    }
}

/// The process with this pid; throws if there is none that can be monitored.
#[napi]
pub fn inspect_process(pid: u32) -> napi::Result<Target> {
    require_initial_pid_namespace()?;
    Ok(process::inspect(pid)?)
}

/// User processes, this one left out, whose name, or whose executable's or first argument's base name, equals `name`.
#[napi]
pub fn find_processes(name: String) -> napi::Result<Vec<Target>> {
    Ok(process_search::find(&name)?)
}

#[napi(object, use_nullable = true)]
pub struct BindingBusyProcess {
    pub pid: u32,
    pub comm: String,
    /// Of one CPU.
    pub cpu_percent: f64,
}

pub struct BusyTask {
    interval: Duration,
    limit: usize,
}

impl Task for BusyTask {
    type Output = Vec<process_search::BusyProcess>;
    type JsValue = Vec<BindingBusyProcess>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(process_search::busiest(self.interval, self.limit)?)
    }

    fn resolve(&mut self, _: Env, busy: Self::Output) -> napi::Result<Self::JsValue> {
        let binding = |busy: process_search::BusyProcess| BindingBusyProcess {
            pid: busy.pid,
            comm: busy.comm,
            cpu_percent: busy.cpu_percent,
        };
        Ok(busy.into_iter().map(binding).collect())
    }
}

/// The user processes, this one left out, that used the most CPU time over the interval, busiest first.
#[napi(ts_return_type = "Promise<Array<BindingBusyProcess>>")]
pub fn busy_processes(interval_ms: u32, limit: u32) -> AsyncTask<BusyTask> {
    AsyncTask::new(BusyTask {
        interval: Duration::from_millis(interval_ms.into()),
        limit: limit as usize,
    })
}

/// What can be a trigger.
#[napi(object, use_nullable = true)]
pub struct BindingProbe {
    /// In the syntax that a session takes.
    pub trigger: String,
    #[napi(ts_type = "'usdt' | 'uprobe' | 'tracepoint' | 'kprobe'")]
    pub kind: String,
    /// The file that has it; null: the kernel, or several files.
    pub object: Option<String>,
    /// The name as people read it, where the trigger has it mangled, or an address.
    pub demangled: Option<String>,
    /// Places that it stands for.
    pub locations: u32,
    /// The program does part of the probe's work only while somebody listens.
    pub semaphore: bool,
}

#[napi(object)]
pub struct BindingProbes {
    pub probes: Vec<BindingProbe>,
    /// What could not be looked into, a line each.
    pub problems: Vec<String>,
}

pub struct ProbesTask {
    pid: Option<u32>,
    pattern: Option<String>,
}

impl Task for ProbesTask {
    type Output = probe_points::Listing;
    type JsValue = BindingProbes;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(triggers::list(self.pid, self.pattern.as_deref())?)
    }

    fn resolve(&mut self, _: Env, listing: Self::Output) -> napi::Result<Self::JsValue> {
        let probe = |entry: probe_points::Entry| BindingProbe {
            trigger: entry.trigger,
            kind: entry.kind.to_owned(),
            object: entry.object,
            demangled: entry.demangled,
            locations: entry.locations,
            semaphore: entry.semaphore,
        };
        Ok(BindingProbes {
            probes: listing.entries.into_iter().map(probe).collect(),
            problems: listing.problems,
        })
    }
}

/// What can be a trigger in the kernel and, with a pid, in that process. The pattern is a part of the trigger's text, or a
/// glob if it holds `*` or `?`.
#[napi(ts_return_type = "Promise<BindingProbes>")]
pub fn list_probes(pid: Option<u32>, pattern: Option<String>) -> AsyncTask<ProbesTask> {
    AsyncTask::new(ProbesTask { pid, pattern })
}

#[napi(object, use_nullable = true)]
pub struct BindingCheck {
    pub name: String,
    #[napi(ts_type = "'ok' | 'degraded' | 'failed'")]
    pub status: String,
    pub detail: String,
    /// What to do; null when all is well.
    pub hint: Option<String>,
}

#[napi(object, use_nullable = true)]
pub struct BindingDiagnosis {
    /// A capture will work.
    pub capable: bool,
    pub kernel: String,
    pub arch: String,
    pub checks: Vec<BindingCheck>,
}

pub struct DoctorTask;

impl Task for DoctorTask {
    type Output = doctor::Diagnosis;
    type JsValue = BindingDiagnosis;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(doctor::diagnose())
    }

    fn resolve(&mut self, _: Env, diagnosis: Self::Output) -> napi::Result<Self::JsValue> {
        let check = |check: doctor::Check| BindingCheck {
            name: check.name,
            status: check.status.name().to_owned(),
            detail: check.detail,
            hint: check.hint,
        };
        Ok(BindingDiagnosis {
            capable: diagnosis.capable,
            kernel: diagnosis.kernel,
            arch: diagnosis.arch,
            checks: diagnosis.checks.into_iter().map(check).collect(),
        })
    }
}

/// Tries every probe on this kernel, and lets go.
#[napi(ts_return_type = "Promise<BindingDiagnosis>")]
pub fn doctor() -> AsyncTask<DoctorTask> {
    AsyncTask::new(DoctorTask)
}
