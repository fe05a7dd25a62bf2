//! What the tests' threads do with a CPU.

use std::time::{Duration, Instant};

use loader::kernel::own_thread::raise_priority;

pub fn pin_to_cpu_0() {
    // SAFETY: a set of CPUs is plain bits, of which none is set.
    let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: 0 is in the set's range.
    unsafe { libc::CPU_SET(0, &mut cpus) };
    // SAFETY: the set is as large as it is said to be.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), &cpus) };
    assert_eq!(result, 0);
}

/// Threads that have asked for this and want the same CPU take turns on it, of a tenth of a second, and others have none meanwhile.
/// Where that is not allowed they are before all others but the kernel's own.
pub fn take_turns() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: of the thread itself; the value is read.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const priority) } != 0 {
        raise_priority();
    }
}

pub fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
