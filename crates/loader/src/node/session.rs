//! The session: its options, its methods, and the tasks that run where they may take time.

use std::path::PathBuf;
use std::sync::Arc;

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, BigInt, Either, Env, Object};
use napi_derive::napi;
use probe_points::ReturnProbes;

use super::sample::{BindingSample, BindingWindow, BindingWindowStart};
use crate::error::{Error, ErrorKind};
use crate::options::{
    EventOptions, IfEnded, Options, RECORDER_BYTES, TimelineTo, TriggerScope, UserStacks,
};
use crate::sample::{StopReason, Target as BindingTarget};
use crate::session::capture::CaptureSession;
use crate::session::sample::Sample;

#[napi(object)]
pub struct BindingOpenOptions {
    /// Process ids in kdelay's own pid namespace, at least one.
    pub pids: Vec<u32>,
    /// Those of them that have ended by the time they are held are left out, unless all have.
    pub leave_out_ended: Option<bool>,
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
    /// A trigger at a function's return may replace the return address on the stack, where the function's ends cannot all be found.
    pub allow_uretprobe: Option<bool>,
    /// The program that the one process, held until then, is about to execute: its triggers are found in this file.
    pub program: Option<String>,
    /// The words that it is executed with.
    pub command_line: Option<Vec<String>>,
    /// Which system calls are recorded one by one; by default none.
    pub events: Option<BindingEventOptions>,
    /// Time blocked is summed up by stack.
    pub off_cpu: bool,
    /// Of the user stacks of recorded calls and of time blocked, this many bytes are copied: 0, or a power of two of 4096, up to
    /// 65536.
    pub user_stack_bytes: u32,
    /// They are walked by frame pointers in the kernel, and not copied.
    pub by_frame_pointer: bool,
    /// A folder of debug files, as the clients of debuginfod keep it, for those that `missingDebugFiles` tells of. By default
    /// there is none, and it tells of none.
    pub debug_cache: Option<String>,
    /// It is not noted who ran instead of a thread that waited for a CPU, nor who woke one that was blocked.
    pub without_who: Option<bool>,
    /// Of each CPU's ring of switches and wakeups, from which that is known.
    pub recorder_bytes: Option<u32>,
    /// So much of what came before a window is recorded, too; by default nothing.
    pub before_ms: Option<u32>,
    /// The thread whose critical path each window has; by default that of the thread in which the stop trigger fires.
    pub critical_path_of: Option<u32>,
    /// The file into which the windows' time line is written, in Perfetto's format; or an open descriptor. By default there is none.
    pub timeline: Option<Either<String, i32>>,
    /// Upcalls of Open vSwitch's datapath are not counted.
    pub skip_upcall_stats: Option<bool>,
}

#[napi(object)]
pub struct BindingEventOptions {
    /// Calls that last at least this long.
    pub least_ns: i64,
    /// Of these names only.
    pub only: Option<Vec<String>>,
    /// Not of these names.
    pub except: Vec<String>,
    /// With their stacks.
    pub stacks: bool,
    /// Of the ring buffer: a power of two, and a multiple of the page size.
    pub buffer_bytes: u32,
    /// Kept of one window, at most: the longest.
    pub limit: u32,
}

impl From<BindingEventOptions> for EventOptions {
    fn from(options: BindingEventOptions) -> Self {
        Self {
            least_ns: options.least_ns.max(0) as u64,
            only: options.only,
            except: options.except,
            has_stacks: options.stacks,
            buffer_bytes: options.buffer_bytes,
            limit: options.limit as usize,
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

    fn resolve(&mut self, env: Env, sample: Sample) -> napi::Result<BindingSample> {
        let mut sample = BindingSample::from(sample);
        sample.threads.tell_size(env)?;
        Ok(sample)
    }
}

pub struct MissingTask(Arc<CaptureSession>);

impl Task for MissingTask {
    type Output = Vec<String>;
    type JsValue = Vec<String>;

    fn compute(&mut self) -> napi::Result<Vec<String>> {
        Ok(self.0.missing_debug_files()?)
    }

    fn resolve(&mut self, _: Env, missing: Vec<String>) -> napi::Result<Vec<String>> {
        Ok(missing)
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
            if_ended: if options.leave_out_ended == Some(true) {
                IfEnded::LeaveOut
            } else {
                IfEnded::Refuse
            },
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
            returns: if options.allow_uretprobe == Some(true) {
                ReturnProbes::OrUretprobe
            } else {
                ReturnProbes::AtEnds
            },
            program: options.program.map(PathBuf::from),
            command_line: options.command_line,
            events: options.events.map(Into::into),
            off_cpu: options.off_cpu,
            user_stacks: if options.by_frame_pointer {
                UserStacks::ByFramePointer
            } else {
                UserStacks::copied(options.user_stack_bytes)
            },
            debug_cache: options.debug_cache.map(PathBuf::from),
            without_who: options.without_who == Some(true),
            recorder_bytes: options.recorder_bytes.unwrap_or(RECORDER_BYTES),
            before_ns: u64::from(options.before_ms.unwrap_or(0)) * 1_000_000,
            critical_path_of: options.critical_path_of,
            timeline: options.timeline.map(|to| match to {
                Either::A(path) => TimelineTo::File(PathBuf::from(path)),
                Either::B(fd) => TimelineTo::Descriptor(fd),
            }),
            without_upcalls: options.skip_upcall_stats == Some(true),
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
    #[napi(
        ts_return_type = "Promise<'time' | 'trigger' | 'interrupt' | 'exit' | 'timeout' | 'left'>"
    )]
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

    /// The reading that is under way, or the next one, ends soon: stacks that are not walked or named by then are counted in its
    /// `stackProblems`.
    #[napi]
    pub fn hurry(&self) {
        self.session.hurry();
    }

    /// The build ids, in hexadecimal, of debug files that would give the oldest window's sample more names, each told once: to
    /// be put into the folder of such files before `read` gives that sample.
    #[napi(ts_return_type = "Promise<Array<string>>")]
    pub fn missing_debug_files(&self) -> AsyncTask<MissingTask> {
        AsyncTask::new(MissingTask(Arc::clone(&self.session)))
    }

    /// Forgets the oldest window, which must be closed.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn discard(&self) -> AsyncTask<DiscardTask> {
        AsyncTask::new(DiscardTask(Arc::clone(&self.session)))
    }

    /// The session is closed at once, and a wait under way resolves. Resolves itself when everything is detached, and the time line is
    /// written; rejects if that was not possible. Closing twice is harmless.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.session.begin_close();
        let (deferred, promise) = env.create_deferred::<(), fn(Env) -> napi::Result<()>>()?;
        let session = Arc::clone(&self.session);
        // Not a task: those of other sessions, which wait for windows, may have all of Node's threads.
        std::thread::Builder::new()
            .name("kdelay-close".to_owned())
            .spawn(move || match session.close() {
                Ok(()) => deferred.resolve(|_| Ok(())),
                Err(error) => deferred.reject(error.into()),
            })
            .map_err(|error| Error::io("starting a thread", &error))?;
        Ok(promise)
    }

    #[napi(getter)]
    pub fn closed(&self) -> bool {
        self.session.is_closed()
    }

    /// What is to be known of the triggers, one line each: such as that a function ends by a jump to another one.
    #[napi]
    pub fn remarks(&self) -> Vec<String> {
        self.session.remarks().to_vec()
    }

    /// The processes that are captured, as they were found, but for children that join them.
    #[napi]
    pub fn targets(&self) -> Vec<BindingTarget> {
        self.session.targets().to_vec()
    }

    /// False once every target has ended.
    #[napi]
    pub fn targets_alive(&self) -> napi::Result<bool> {
        Ok(self.session.targets_alive()?)
    }
}
