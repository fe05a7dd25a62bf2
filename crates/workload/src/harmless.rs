//! Different system calls for threads that may not fail: with these arguments none of them can, nor changes anything, nor gets a pointer.

use std::ffi::c_long;

#[rustfmt::skip]
const CALLS: &[(&str, c_long, [c_long; 4])] = &[
    ("getpid", libc::SYS_getpid, [0; 4]),
    ("getppid", libc::SYS_getppid, [0; 4]),
    ("gettid", libc::SYS_gettid, [0; 4]),
    ("getuid", libc::SYS_getuid, [0; 4]),
    ("geteuid", libc::SYS_geteuid, [0; 4]),
    ("getgid", libc::SYS_getgid, [0; 4]),
    ("getegid", libc::SYS_getegid, [0; 4]),
    ("getpgid", libc::SYS_getpgid, [0; 4]),
    ("getsid", libc::SYS_getsid, [0; 4]),
    ("getgroups", libc::SYS_getgroups, [0; 4]),
    ("getpriority", libc::SYS_getpriority, [0; 4]),
    ("sched_yield", libc::SYS_sched_yield, [0; 4]),
    ("sched_getscheduler", libc::SYS_sched_getscheduler, [0; 4]),
    ("sched_get_priority_min", libc::SYS_sched_get_priority_min, [0; 4]),
    ("sched_get_priority_max", libc::SYS_sched_get_priority_max, [0; 4]),
    ("ioprio_get", libc::SYS_ioprio_get, [1, 0, 0, 0]),
    ("prlimit64", libc::SYS_prlimit64, [0; 4]),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask, [0, 0, 0, 8]),
    ("times", libc::SYS_times, [0; 4]),
    ("brk", libc::SYS_brk, [0; 4]),
    ("personality", libc::SYS_personality, [0xffff_ffff, 0, 0, 0]),
    ("membarrier", libc::SYS_membarrier, [0; 4]),
];

pub const MOST_CALLS: usize = CALLS.len();

/// Each of the first so many once.
pub fn make(different: usize) {
    for &(_, number, [a, b, c, d]) in CALLS.iter().take(different) {
        // SAFETY: see above.
        let _ = unsafe { libc::syscall(number, a, b, c, d) };
    }
}

pub fn names(different: usize) -> Vec<&'static str> {
    CALLS
        .iter()
        .take(different)
        .map(|(name, ..)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_fails_and_all_differ() {
        for &(name, number, [a, b, c, d]) in CALLS {
            // SAFETY: see above.
            assert_ne!(unsafe { libc::syscall(number, a, b, c, d) }, -1, "{name}");
        }
        let numbers: HashSet<c_long> = CALLS.iter().map(|(_, number, _)| *number).collect();
        assert_eq!(numbers.len(), MOST_CALLS);
        assert_eq!(names(2), ["getpid", "getppid"]);
    }
}
