//! What /proc says about threads: scheduler state and schedstat. And where threads may run.

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use serde_json::{Value, json};

use crate::error::WorkloadError;
use crate::tally::Tally;

/// The kernel's own account of one thread: time on a CPU, time runnable but waiting for one, and times it was put on one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedstat {
    pub run_ns: u64,
    pub ready_ns: u64,
    pub slices: u64,
}

impl Schedstat {
    pub fn since(self, earlier: Self) -> Value {
        json!({
            "runNs": self.run_ns.saturating_sub(earlier.run_ns),
            "readyNs": self.ready_ns.saturating_sub(earlier.ready_ns),
            "slices": self.slices.saturating_sub(earlier.slices),
        })
    }
}

/// Two open files of /proc, so that looking at a thread costs one pread64 inside a measured window.
pub struct Observer {
    stat: File,
    schedstat: Option<File>,
}

impl Observer {
    pub fn of_thread(tid: i32) -> Result<Self, WorkloadError> {
        let path = format!("/proc/self/task/{tid}/stat");
        let stat = File::open(&path)
            .map_err(|error| WorkloadError::system(format!("cannot open {path}"), error))?;
        // Absent where the kernel was built without CONFIG_SCHED_INFO.
        let schedstat = File::open(format!("/proc/self/task/{tid}/schedstat")).ok();
        Ok(Self { stat, schedstat })
    }

    /// `S` asleep, `R` running or ready, `T` stopped … as in proc(5); `None` once the thread is gone.
    pub fn state(&self, tally: &Tally) -> Option<u8> {
        let mut buffer = [0; 512];
        let length = tally.pread(self.stat.as_raw_fd(), &mut buffer).ok()?;
        state_in_stat(buffer.get(..length)?)
    }

    /// Exact only while the thread is off the CPU: the kernel does not add the slice that is still running.
    pub fn schedstat(&self, tally: &Tally) -> Option<Schedstat> {
        let mut buffer = [0; 128];
        let fd = self.schedstat.as_ref()?.as_raw_fd();
        let length = tally.pread(fd, &mut buffer).ok()?;
        parse_schedstat(buffer.get(..length)?)
    }
}

/// Time a hypervisor gave to other machines while this one wanted to run, summed over all CPUs.
///
/// The monotonic clock goes on meanwhile. A kernel that accounts for it (CONFIG_PARAVIRT_TIME_ACCOUNTING) leaves it out of
/// schedstat, so there a thread that ran all along shows less than its wall time.
pub struct StolenTime {
    stat: File,
    before_ns: Option<u64>,
}

/// One tick of /proc/stat.
const STOLEN_RESOLUTION_NS: u64 = 10_000_000;

impl StolenTime {
    /// Starts counting now.
    pub fn watch() -> Result<Self, WorkloadError> {
        let stat = File::open("/proc/stat")
            .map_err(|error| WorkloadError::system("cannot open /proc/stat", error))?;
        let before_ns = stolen_ns(&stat, &Tally::new());
        Ok(Self { stat, before_ns })
    }

    /// What was stolen since. One pread64.
    pub fn to_json(&self, tally: &Tally) -> Value {
        let stolen = self.before_ns.zip(stolen_ns(&self.stat, tally));
        json!({
            "ns": stolen.map(|(before_ns, after_ns)| after_ns.saturating_sub(before_ns)),
            "resolutionNs": STOLEN_RESOLUTION_NS,
        })
    }
}

fn stolen_ns(stat: &File, tally: &Tally) -> Option<u64> {
    let mut buffer = [0; 256];
    let length = tally.pread(stat.as_raw_fd(), &mut buffer).ok()?;
    Some(stolen_ticks(buffer.get(..length)?)? * STOLEN_RESOLUTION_NS)
}

/// The eighth number of the first line.
fn stolen_ticks(stat: &[u8]) -> Option<u64> {
    let line = stat.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|word| *word == "cpu")?;
    words.nth(7)?.parse().ok()
}

/// The state letter follows the name, and the name may itself hold spaces, brackets and newlines.
pub fn state_in_stat(stat: &[u8]) -> Option<u8> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_end + 2).copied()
}

fn parse_schedstat(text: &[u8]) -> Option<Schedstat> {
    let mut numbers = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let mut next = || numbers.next()?.parse().ok();
    Some(Schedstat {
        run_ns: next()?,
        ready_ns: next()?,
        slices: next()?,
    })
}

/// State letters of every thread of a process, by tid. Empty once the process is gone.
pub fn states_of_process(pid: i32) -> Vec<(i32, u8)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let tid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
            Some((tid, state_in_stat(&stat)?))
        })
        .collect()
}

/// CPUs the calling thread may run on, ascending.
pub fn allowed_cpus() -> Result<Vec<usize>, WorkloadError> {
    // SAFETY: cpu_set_t is a plain array of bits, for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live, writable and of the size passed; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return Err(WorkloadError::last("cannot read the allowed CPUs"));
    }
    // SAFETY: every index is below CPU_SETSIZE, the number of bits in the set.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(is_set).collect())
}

/// The CPU asked for, if this process may use it, else the last one it may use (the first serves most interrupts).
pub fn choose_cpu(asked: Option<usize>) -> Result<usize, WorkloadError> {
    let allowed = allowed_cpus()?;
    match asked {
        Some(cpu) if allowed.contains(&cpu) => Ok(cpu),
        Some(cpu) => Err(WorkloadError::Usage(format!(
            "--cpu {cpu}: not among the CPUs this process may use: {allowed:?}"
        ))),
        None => allowed
            .last()
            .copied()
            .ok_or_else(|| WorkloadError::Usage("no CPU is allowed".into())),
    }
}

/// Binds the calling thread, and the threads it starts from now on, to one CPU.
pub fn pin_to_cpu(cpu: usize) -> Result<(), WorkloadError> {
    // SAFETY: cpu_set_t is a plain array of bits, for which all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: CPU_SET ignores an index past the end of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` is live and of the size passed; 0 is the calling thread.
    if unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } != 0 {
        return Err(WorkloadError::last(format!("cannot pin to CPU {cpu}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_behind_a_hostile_name() {
        assert_eq!(state_in_stat(b"12 (a) R) b\n) S 1 2 3"), Some(b'S'));
        assert_eq!(state_in_stat(b"12 (cut"), None);
        assert_eq!(state_in_stat(b"12 (cut)"), None);
    }

    #[test]
    fn schedstat_needs_all_three_numbers() {
        let full = Schedstat {
            run_ns: 5,
            ready_ns: 6,
            slices: 7,
        };
        assert_eq!(parse_schedstat(b"5 6 7\n"), Some(full));
        assert_eq!(parse_schedstat(b"5 6\n"), None);
    }

    #[test]
    fn stolen_time_is_the_eighth_number() {
        let stat = b"cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 0 0 0 0 0 0 0 4";
        assert_eq!(stolen_ticks(stat), Some(88));
        assert_eq!(stolen_ticks(b"cpu  1 2 3"), None);
        assert_eq!(stolen_ticks(b"intr 1 2 3 4 5 6 7 8"), None);
    }

    #[test]
    fn the_own_thread_is_running() {
        let tally = Tally::new();
        let observer = Observer::of_thread(tally.gettid()).unwrap();
        assert_eq!(observer.state(&tally), Some(b'R'));
    }

    #[test]
    fn a_cpu_that_is_not_allowed_is_refused() {
        assert!(matches!(
            choose_cpu(Some(100_000)),
            Err(WorkloadError::Usage(_))
        ));
        let cpu = choose_cpu(None).unwrap();
        assert_eq!(choose_cpu(Some(cpu)).unwrap(), cpu);
    }
}
