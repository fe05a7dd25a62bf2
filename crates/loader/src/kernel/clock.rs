//! The clocks that windows are measured with. In a time namespace this process's clocks are not the probes': theirs are the kernel's, from
//! which these differ by a constant (`time_namespaces(7)`).

use std::fs;
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};

/// `CLOCK_MONOTONIC` in ns: the clock of the probes.
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC).saturating_add_signed(-monotonic_offset_ns())
}

/// `CLOCK_BOOTTIME` in ns, this process's: by which /proc tells when tasks began. It goes on while the machine sleeps.
pub fn own_boottime_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// `CLOCK_BOOTTIME` in ns, the kernel's.
pub fn boottime_ns() -> u64 {
    static OFFSET_NS: OnceLock<i64> = OnceLock::new();
    let offset_ns = *OFFSET_NS.get_or_init(|| offset_of(["boottime", "7"]));
    own_boottime_ns().saturating_add_signed(-offset_ns)
}

/// What is added to the kernel's clock in this process's time namespace.
fn monotonic_offset_ns() -> i64 {
    static OFFSET_NS: OnceLock<i64> = OnceLock::new();
    *OFFSET_NS.get_or_init(|| offset_of(["monotonic", "1"]))
}

fn offset_of(names: [&str; 2]) -> i64 {
    let text = fs::read_to_string("/proc/self/timens_offsets");
    // Without time namespaces (before Linux 5.6, or configured so) there is no such file.
    text.ok()
        .and_then(|text| offset_in(&text, names))
        .unwrap_or(0)
}

/// Lines of `monotonic SECONDS NANOSECONDS`, and of `boottime`; names were numbers once.
fn offset_in(text: &str, names: [&str; 2]) -> Option<i64> {
    let mut lines = text.lines().map(|line| line.split_ascii_whitespace());
    lines.find_map(|mut fields| {
        let is_it = names.contains(&fields.next()?);
        let seconds: i64 = fields.next()?.parse().ok()?;
        let ns: i64 = fields.next()?.parse().ok()?;
        is_it.then(|| seconds.saturating_mul(1_000_000_000).saturating_add(ns))
    })
}

/// Fails if the offset cannot be known: the file is about the namespace that this process's children will have, and that is another one.
pub fn require_known() -> Result<()> {
    let namespace = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).ok();
    if namespace("time") == namespace("time_for_children") {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::KernelUnsupported,
        "this process's children are to have another time namespace than itself: how far its own clock is from the kernel's cannot be known",
    )
    .hint("start kdelay in that namespace, as 'unshare --time --fork' does, or outside of it"))
}

/// Time since the epoch in ns.
pub fn wall_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec; the clocks exist on every Linux since 2.6.39, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::offset_in;

    #[test]
    fn the_offset_is_read_by_name_and_by_number() {
        let monotonic = |text: &str| offset_in(text, ["monotonic", "1"]);
        let text = "monotonic      864000         5\nboottime           -7         -1\n";
        assert_eq!(monotonic(text), Some(864_000_000_000_005));
        assert_eq!(offset_in(text, ["boottime", "7"]), Some(-7_000_000_001));
        assert_eq!(
            monotonic("7 -7 -1\n1 864000 5\n"),
            Some(864_000_000_000_005)
        );
        assert_eq!(monotonic("monotonic -7 -1\n"), Some(-7_000_000_001));
        for text in ["", "monotonic\n", "monotonic x y\n", "realtime 1 1\n"] {
            assert_eq!(monotonic(text), None, "{text:?}");
        }
    }
}
