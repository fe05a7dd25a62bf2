//! What a session is asked for.

use std::os::fd::RawFd;
use std::path::PathBuf;

use abi::stack::FRAME_POINTER_BYTES;
use probe_points::ReturnProbes;

/// By default nothing is recorded but the statistics.
///
/// [`start`]: ../session/capture/struct.CaptureSession.html#method.start
/// [`missing_debug_files`]: ../session/capture/struct.CaptureSession.html#method.missing_debug_files
#[derive(Clone, Debug)]
pub struct Options {
    /// tgids, at least one.
    pub pids: Vec<u32>,
    pub if_ended: IfEnded,
    /// Children forked while the session is open join the targets.
    pub follow: bool,
    /// 0: quiet, else the verifier's log level; what is attached how goes to stderr.
    pub debug_level: u32,
    /// Thread records of one window; `None`: from the number of threads.
    pub thread_capacity: Option<u32>,
    pub attach_mode: AttachMode,
    /// What opens windows; `None`: [`start`] does.
    pub start_trigger: Option<String>,
    /// What closes windows that have no length.
    pub stop_trigger: Option<String>,
    pub trigger_scope: TriggerScope,
    /// What a trigger at a function's return may do to the program.
    pub returns: ReturnProbes,
    /// Which system calls are recorded one by one; `None`: none.
    pub events: Option<EventOptions>,
    /// Time blocked is summed up by stack.
    pub off_cpu: bool,
    /// It is not noted who ran instead of a thread that waited for a CPU, nor who woke one that was blocked.
    pub without_who: bool,
    /// Of the flight recorder's ring of each CPU, from which that is known.
    pub recorder_bytes: u32,
    /// So much of what came before a window is recorded, too; 0: nothing.
    pub before_ns: u64,
    /// The thread whose critical path each window has; `None`: that of the thread in which the stop trigger fires.
    pub critical_path_of: Option<u32>,
    /// Where the windows' time line is written in Perfetto's format; `None`: there is none.
    pub timeline: Option<TimelineTo>,
    /// Upcalls of Open vSwitch's datapath are not counted.
    pub without_upcalls: bool,
    /// Those of recorded calls, and of time blocked.
    pub user_stacks: UserStacks,
    /// A folder with debug files that are fetched when [`missing_debug_files`] tells that they are missing.
    pub debug_cache: Option<PathBuf>,
    /// The one process is held just before it executes this: what it will be, and not what it is, has the triggers' places.
    pub program: Option<PathBuf>,
    /// The words that it is executed with.
    pub command_line: Option<Vec<String>>,
}

/// Some millions of events on a busy machine.
pub const MOST_BEFORE_MS: u32 = 10_000;
/// A minute of a busy CPU.
pub const MOST_RECORDER_BYTES: u32 = 1 << 28;
/// A second of 50,000 switches, and as many wakeups.
pub const RECORDER_BYTES: u32 = 4 << 20;

impl Default for Options {
    fn default() -> Self {
        Self {
            pids: Vec::new(),
            if_ended: IfEnded::default(),
            follow: false,
            debug_level: 0,
            thread_capacity: None,
            attach_mode: AttachMode::default(),
            start_trigger: None,
            stop_trigger: None,
            trigger_scope: TriggerScope::default(),
            returns: ReturnProbes::default(),
            events: None,
            off_cpu: false,
            without_who: false,
            recorder_bytes: RECORDER_BYTES,
            before_ns: 0,
            critical_path_of: None,
            timeline: None,
            without_upcalls: false,
            user_stacks: UserStacks::default(),
            debug_cache: None,
            program: None,
            command_line: None,
        }
    }
}

impl Options {
    /// Whether any part of the session comes with stacks.
    pub(crate) fn has_stacks(&self) -> bool {
        self.off_cpu || self.events.as_ref().is_some_and(|events| events.has_stacks)
    }

    /// Those that are of use.
    pub(crate) fn user_stacks_taken(&self) -> UserStacks {
        if self.has_stacks() {
            self.user_stacks
        } else {
            UserStacks::None
        }
    }
}

/// Where a time line goes.
#[derive(Clone, Debug)]
pub enum TimelineTo {
    File(PathBuf),
    /// Of whoever asks for it, and open until the session is.
    Descriptor(RawFd),
}

/// Which system calls are recorded one by one.
#[derive(Clone, Debug)]
pub struct EventOptions {
    /// Calls that last at least this long.
    pub least_ns: u64,
    /// Of these names; `None`: of any.
    pub only: Option<Vec<String>>,
    /// Not of these names.
    pub except: Vec<String>,
    /// With the stacks of where they waited and of who called.
    pub has_stacks: bool,
    /// Of the ring buffer.
    pub buffer_bytes: u32,
    /// Kept of one window, at most: the longest.
    pub limit: usize,
}

/// What becomes of targets that end before they are held, as of those that were found by a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfEnded {
    #[default]
    Refuse,
    /// Unless all of them have.
    LeaveOut,
}

/// In which tasks the triggers on kernel code fire. Those on user code fire in the monitored processes only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TriggerScope {
    /// Whatever task is current, as packets arrive in interrupts.
    #[default]
    Any,
    Target,
}

/// Which kind of program to attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachMode {
    /// `tp_btf` where the kernel allows it, else `raw_tp`.
    #[default]
    Best,
    /// As on a kernel that refuses `tp_btf`: for tests and for measuring what the fallback costs.
    RawTracepoint,
}

/// How user stacks are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserStacks {
    #[default]
    None,
    /// So many bytes are copied, and walked by unwind tables: a power of two of 4096, up to 65536.
    Copied { bytes: u32 },
    /// By the kernel. Functions that have none, and often their callers, are left out.
    ByFramePointer,
}

impl UserStacks {
    /// `bytes`: 0 for none.
    pub fn copied(bytes: u32) -> Self {
        match bytes {
            0 => Self::None,
            bytes => Self::Copied { bytes },
        }
    }

    /// As the programs are told.
    pub fn bytes(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Copied { bytes } => bytes,
            Self::ByFramePointer => FRAME_POINTER_BYTES as u32,
        }
    }
}
