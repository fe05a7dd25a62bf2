//! Where a probe is attached.

use std::ffi::CString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// Of one trigger: each becomes a perf event, and a descriptor.
pub const MOST_POINTS: usize = 512;

#[derive(Clone, Debug)]
pub enum Point {
    /// kprobe or kretprobe, through the kprobe PMU.
    Kernel {
        function: CString,
        offset: u64,
        is_return: bool,
    },
    Tracepoint {
        id: u64,
    },
    User {
        /// What makes `path` mean anything.
        file: Arc<File>,
        /// What `perf_event_open` takes, in this process: it names `file`, wherever that lies.
        path: PathBuf,
        /// In the file.
        offset: u64,
        /// Of the semaphore in the file; 0: there is none.
        ref_ctr_offset: u64,
        /// It is x86's near conditional jump: a hit counts only if the jump is taken.
        is_conditional: bool,
        /// A uretprobe: the return address on the stack is replaced.
        is_return: bool,
    },
}

/// What a trigger stands for.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub points: Vec<Point>,
    /// Of the function that begins at its place, the longest if there are several; 0: none does, or how far it goes is not known.
    pub function_bytes: u64,
    /// Of returns: where the function jumps to its own first instruction. A probe there fires anew each time.
    pub begins_again: Option<String>,
    /// What whoever gave it should know, one line each.
    pub remarks: Vec<String>,
}

impl From<Vec<Point>> for Resolved {
    fn from(points: Vec<Point>) -> Self {
        Self {
            points,
            ..Self::default()
        }
    }
}

/// How a function's return is probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnProbes {
    /// At its return instructions, and where it jumps to another function. Refused where these cannot all be found.
    #[default]
    AtEnds,
    /// There, or else by a uretprobe, which replaces the return address on the stack: unwinders, exceptions, Go's run time and
    /// whoever else looks at it may break.
    OrUretprobe,
}
