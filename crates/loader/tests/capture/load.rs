//! What the tests' threads do with a CPU.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub fn pin_to_cpu_0() {
    pin_to(0);
}

pub fn pin_to(cpu: usize) {
    // SAFETY: a set of CPUs is plain bits, of which none is set.
    let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is asked for its range.
    unsafe { libc::CPU_SET(cpu, &mut cpus) };
    // SAFETY: the set is as large as it is said to be.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), &cpus) };
    assert_eq!(result, 0);
}

/// On that CPU, until it is told to stop.
pub fn spin_on(cpu: usize, stop: &AtomicBool) {
    pin_to(cpu);
    while !stop.load(Ordering::Acquire) {
        std::hint::spin_loop();
    }
}

pub fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
