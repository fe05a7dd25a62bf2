//! What the machine has, and what others take of it.

use std::fs;
use std::path::Path;

/// More than the largest machines have.
const MOST_CPUS: u32 = 8192;

/// CPUs that there may ever be: their numbers are below this.
pub fn possible_cpus() -> u32 {
    // Unknown: room for all that there can be costs some kilobytes.
    cpus("possible").unwrap_or(1024)
}

/// CPUs that the machine has now: their numbers are below this.
pub fn present_cpus() -> u32 {
    cpus("present").unwrap_or_else(possible_cpus)
}

fn cpus(list: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/sys/devices/system/cpu/{list}")).ok()?;
    Some(last_of(&text)?.saturating_add(1).min(MOST_CPUS))
}

/// Of a list such as "0-3,8-11".
fn last_of(list: &str) -> Option<u32> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

/// Time that the hypervisor took from all CPUs since boot, in ns, in the kernel's clock ticks. `None`: not told.
pub fn stolen_ns() -> Option<u64> {
    // SAFETY: sysconf has no preconditions.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    let text = fs::read_to_string("/proc/stat").ok()?;
    Some(steal_ticks(&text)?.saturating_mul(1_000_000_000 / ticks_per_second))
}

/// The eighth number of the first line (proc_stat(5)).
fn steal_ticks(text: &str) -> Option<u64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    line.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// Whether there is a datapath of which upcalls can come.
pub fn has_datapath() -> bool {
    Path::new("/sys/module/openvswitch").exists()
}

#[cfg(test)]
mod tests {
    use super::{last_of, possible_cpus, present_cpus, steal_ticks, stolen_ns};

    #[test]
    fn the_last_cpu_is_the_last_number_of_the_list() {
        for (list, last) in [
            ("0\n", Some(0)),
            ("0-3\n", Some(3)),
            ("0-3,8-11\n", Some(11)),
            ("\n", None),
        ] {
            assert_eq!(last_of(list), last, "{list:?}");
        }
        assert!((1..=possible_cpus()).contains(&present_cpus()));
    }

    #[test]
    fn steal_is_the_eighth_number_of_all_cpus() {
        let text = "cpu  1 2 3 4 5 6 7 89 10 11\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(steal_ticks(text), Some(89));
        assert_eq!(steal_ticks("cpu  1 2 3\n"), None);
        assert!(stolen_ns().is_some());
    }
}
