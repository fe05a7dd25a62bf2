//! The clocks that windows are measured with. In a time namespace this process's clocks are not the probes': theirs are the kernel's, from
//! which these differ by a constant (`time_namespaces(7)`).

use std::fs;
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};

/// `CLOCK_MONOTONIC` in ns: the clock of the probes.
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC).saturating_add_signed(-offsets().monotonic_ns)
}

/// How long the machine has slept since it booted, in ns. /proc tells when tasks began by this process's clock, which counts that.
pub fn suspended_ns() -> u64 {
    boottime_ns().saturating_sub(monotonic_ns())
}

/// `CLOCK_BOOTTIME` in ns, the kernel's.
fn boottime_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME).saturating_add_signed(-offsets().boottime_ns)
}

/// What /proc adds to when a task began, in ns.
pub fn boottime_offset_ns() -> i64 {
    offsets().boottime_ns
}

/// What is added to the kernel's clocks in this process's time namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offsets {
    monotonic_ns: i64,
    boottime_ns: i64,
}

fn offsets() -> Offsets {
    static OFFSETS: OnceLock<Offsets> = OnceLock::new();
    *OFFSETS.get_or_init(|| {
        let text = fs::read_to_string("/proc/self/timens_offsets");
        // Without time namespaces (before Linux 5.6, or configured so) there is no such file.
        text.map_or_else(|_| Offsets::default(), |text| Offsets::parse(&text))
    })
}

/// Fails if the offsets cannot be known: the file is about the namespace that this process's children will have, and that is another one.
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

impl Offsets {
    /// Lines of `monotonic SECONDS NANOSECONDS`, and of `boottime`; names were numbers once.
    fn parse(text: &str) -> Self {
        let of = |names: [&str; 2]| {
            let mut lines = text.lines().map(|line| line.split_ascii_whitespace());
            let found = lines.find_map(|mut fields| {
                let is_it = fields.next().is_some_and(|name| names.contains(&name));
                let seconds: i64 = fields.next()?.parse().ok()?;
                let ns: i64 = fields.next()?.parse().ok()?;
                is_it.then(|| seconds.saturating_mul(1_000_000_000).saturating_add(ns))
            });
            found.unwrap_or(0)
        };
        Self {
            monotonic_ns: of(["monotonic", "1"]),
            boottime_ns: of(["boottime", "7"]),
        }
    }
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
    use super::Offsets;

    #[test]
    fn offsets_are_read_by_name_and_by_number() {
        let expected = Offsets {
            monotonic_ns: 864_000_000_000_005,
            boottime_ns: -7_000_000_001,
        };
        let text = "monotonic      864000         5\nboottime           -7         -1\n";
        assert_eq!(Offsets::parse(text), expected);
        assert_eq!(Offsets::parse("7 -7 -1\n1 864000 5\n"), expected);
        for text in ["", "monotonic\n", "monotonic x y\n", "realtime 1 1\n"] {
            assert_eq!(Offsets::parse(text), Offsets::default(), "{text:?}");
        }
    }
}
