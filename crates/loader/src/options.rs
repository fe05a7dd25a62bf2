//! What a session is asked for.

use std::path::PathBuf;

use crate::calls::selection::EventOptions;
use crate::probes::object::AttachMode;
use crate::session::triggers::TriggerScope;
use crate::user_stacks::UserStacks;

/// By default nothing is recorded but the statistics.
///
/// [`start`]: crate::session::capture::CaptureSession::start
/// [`missing_debug_files`]: crate::session::capture::CaptureSession::missing_debug_files
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// tgids, at least one.
    pub pids: Vec<u32>,
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
    /// Which system calls are recorded one by one; `None`: none.
    pub events: Option<EventOptions>,
    /// Time blocked is summed up by stack.
    pub off_cpu: bool,
    /// It is not noted who ran instead of a thread that waited for a CPU, nor who woke one that was blocked.
    pub without_who: bool,
    /// Upcalls of Open vSwitch's datapath are not counted.
    pub without_upcalls: bool,
    /// Those of recorded calls, and of time blocked.
    pub user_stacks: UserStacks,
    /// A folder with debug files that are fetched when [`missing_debug_files`] tells that they are missing.
    pub debug_cache: Option<PathBuf>,
    /// The one process is held just before it executes this: what it will be, and not what it is, has the triggers' places.
    pub program: Option<PathBuf>,
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
