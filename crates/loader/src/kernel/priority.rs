//! The place of this process's own threads among all that want a CPU.

/// Nearly the first.
const NICENESS: libc::c_int = -15;

/// For a thread whose work is short, and where what comes too late is lost. Without the privilege it keeps its place: a busy
/// machine may then lose something, which is counted.
pub fn raise() {
    // SAFETY: no addresses; 0 stands for the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}
