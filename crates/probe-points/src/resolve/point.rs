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
        is_return: bool,
    },
}
