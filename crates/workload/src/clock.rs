//! Time in integer nanoseconds.

use std::fs;

/// CLOCK_MONOTONIC. The C library answers from the vDSO, so on the usual clock sources this is no system call.
pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a live, writable timespec, and CLOCK_MONOTONIC exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    timespec_ns(&now)
}

pub fn timespec_ns(time: &libc::timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn timespec_from_ns(duration_ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (duration_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (duration_ns % 1_000_000_000) as libc::c_long,
    }
}

pub const fn ms_to_ns(duration_ms: u64) -> u64 {
    duration_ms * 1_000_000
}

/// Whether reading the clock stays in user space. Where it does not (acpi_pm, hpet, xen …), the spinning modes make one
/// clock_gettime per look at the clock, and their truth of "no system call" does not hold. `None`: the kernel hides it.
pub fn clock_needs_no_syscall() -> Option<bool> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let name = fs::read_to_string(path).ok()?;
    Some(matches!(
        name.trim(),
        "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_survives_the_way_through_timespec() {
        for duration_ns in [0, 1, 999_999_999, 1_000_000_000, 61_000_000_007] {
            assert_eq!(timespec_ns(&timespec_from_ns(duration_ns)), duration_ns);
        }
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let first_ns = monotonic_ns();
        assert!(monotonic_ns() >= first_ns);
    }
}
