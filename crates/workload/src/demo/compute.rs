//! Threads that want a CPU: one that takes it in turns with sleeping, and rivals that never let go.

use std::thread;
use std::time::Duration;

use crate::clock::{monotonic_ns, ms_to_ns};
use crate::demo::stop::Stop;
use crate::tasks::pin_to_cpu;

/// Computes half of the time, away from the rivals where there is another CPU.
pub fn crunch(stop: &Stop, cpu: Option<usize>) {
    // Without its CPU the demo still runs, only less clearly.
    let _ = cpu.map(pin_to_cpu);
    while !stop.is_set() {
        compute_for(20);
        thread::sleep(Duration::from_millis(20));
    }
}

/// Never sleeps, so that two of these on one CPU preempt each other.
pub fn contend(stop: &Stop, cpu: usize) {
    let _ = pin_to_cpu(cpu);
    while !stop.is_set() {
        compute_for(50);
    }
}

fn compute_for(duration_ms: u64) {
    let deadline_ns = monotonic_ns() + ms_to_ns(duration_ms);
    let mut state = 1_u64;
    while monotonic_ns() < deadline_ns {
        for _ in 0..10_000 {
            state = std::hint::black_box(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
        }
    }
}
