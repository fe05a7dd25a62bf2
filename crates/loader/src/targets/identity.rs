//! Which process it is. A pid comes to mean another one once its process has ended and its parent has waited for it; the start
//! time that /proc tells with it, and a pidfd, do not.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::clock::monotonic_ns;
use crate::targets::pidfd::PidFd;
use crate::targets::proc_stat::stat;

/// A process, by what /proc says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub pid: u32,
    /// Since boot, in clock ticks.
    pub start_ticks: u64,
}

impl Identity {
    /// The process that has this pid now; `None`: none has.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        let stat = stat(&format!("/proc/{pid}"))?;
        Ok(stat.map(|stat| Self {
            pid,
            start_ticks: stat.start_ticks,
        }))
    }

    /// Whether /proc still shows this one by its pid.
    pub fn is_there(self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now == Some(self))
    }

    /// What `look` finds by the pid in /proc, if that was this process all the time.
    pub fn while_there<T>(self, look: impl FnOnce(u32) -> Result<T>) -> Result<Option<T>> {
        while_there(|| self.is_there(), || look(self.pid))
    }
}

/// Which of these pids, by which something was looked up, mean the same processes still: what was found is theirs. For looks at
/// many threads: to ask about a process takes the kernel the longer the more threads that has.
pub fn still_there(there: &[Identity], looked_at: impl IntoIterator<Item = u32>) -> HashSet<u32> {
    let looked_at: HashSet<u32> = looked_at.into_iter().collect();
    let asked = there.iter().filter(|it| looked_at.contains(&it.pid));
    asked.filter(|it| it.is_there()).map(|it| it.pid).collect()
}

fn while_there<T>(
    is_there: impl Fn() -> bool,
    look: impl FnOnce() -> Result<T>,
) -> Result<Option<T>> {
    if !is_there() {
        return Ok(None);
    }
    let found = look();
    // What went wrong with a process that is gone went wrong for that.
    if is_there() {
        found.map(Some)
    } else {
        Ok(None)
    }
}

/// A process that is watched, and when it was found to have ended.
pub struct Process {
    identity: Identity,
    fd: PidFd,
    watched_since_ns: u64,
    /// 0: not yet.
    found_ended_ns: AtomicU64,
}

impl Process {
    /// The process that has this pid now.
    pub fn open(pid: u32) -> Result<Self> {
        let failed = |error: &io::Error| Error::io(format!("holding the process {pid}"), error);
        let gone = || failed(&io::Error::from_raw_os_error(libc::ESRCH));
        let fd = PidFd::open(pid).map_err(|error| failed(&error))?;
        let identity = Identity::of(pid)
            .map_err(|error| failed(&error))?
            .ok_or_else(gone)?;
        // Its pid was its own still when its start time was read.
        if fd.is_reaped() {
            return Err(gone());
        }
        Ok(Self {
            identity,
            fd,
            watched_since_ns: monotonic_ns(),
            found_ended_ns: AtomicU64::new(0),
        })
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    pub fn has_ended(&self) -> bool {
        let has_ended = self.found_ended_ns.load(Ordering::Acquire) != 0
            || self.fd.has_ended().unwrap_or(false);
        if has_ended {
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            // Only the first one that finds it.
            let _ = self
                .found_ended_ns
                .compare_exchange(0, monotonic_ns(), success, failure);
        }
        has_ended
    }

    /// `None`: it lives.
    pub fn ended(&self) -> Option<Ended> {
        self.has_ended().then(|| Ended {
            pid: self.pid(),
            watched_since_ns: self.watched_since_ns,
            found_ns: self.found_ended_ns.load(Ordering::Acquire),
        })
    }

    /// Whether its pid means this process, which may have ended.
    pub fn is_there(&self) -> bool {
        !self.fd.is_reaped()
    }

    /// See [`Identity::while_there`].
    pub fn while_there<T>(&self, look: impl FnOnce(u32) -> Result<T>) -> Result<Option<T>> {
        while_there(|| self.is_there(), || look(self.pid()))
    }

    /// What is said where it was there when it began to be held, and is not any more.
    pub fn ended_meanwhile(&self) -> Error {
        let message = format!("the process {} has ended meanwhile", self.pid());
        Error::new(ErrorKind::ProcessEnded, message)
    }
}

impl AsRawFd for Process {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// A process that was watched until it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub pid: u32,
    pub watched_since_ns: u64,
    /// When it was found to have ended: that may be late.
    pub found_ns: u64,
}

/// By pid: no thread of a process that has ended began after this time. What did is another process's, which has got the pid.
/// `leaders`: pids and start times of threads that lead a process.
pub fn last_starts(
    ended: impl IntoIterator<Item = Ended>,
    leaders: impl IntoIterator<Item = (u32, u64)>,
) -> HashMap<u32, u64> {
    let ended: HashMap<u32, Ended> = ended.into_iter().map(|ended| (ended.pid, ended)).collect();
    let mut last: HashMap<u32, u64> = ended
        .values()
        .map(|ended| (ended.pid, ended.found_ns))
        .collect();
    for (pid, start_ns) in leaders {
        // Its own leader was there when it began to be watched.
        if ended
            .get(&pid)
            .is_some_and(|ended| start_ns > ended.watched_since_ns)
            && let Some(last_ns) = last.get_mut(&pid)
        {
            *last_ns = (*last_ns).min(start_ns - 1);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::{Ended, Identity, Process, last_starts, still_there};

    const ENDED: Ended = Ended {
        pid: 7,
        watched_since_ns: 100,
        found_ns: 500,
    };

    #[test]
    fn what_began_after_the_end_is_another_process() {
        assert_eq!(last_starts([ENDED], [(7, 50)])[&7], 500);
        let late = last_starts([ENDED], [(7, 50), (7, 300), (7, 400), (8, 200)]);
        assert_eq!(
            late[&7], 299,
            "the end was found late, but another leader had begun by then"
        );
        assert_eq!(
            late.len(),
            1,
            "of a process that has not ended nobody is a stranger"
        );
    }

    #[test]
    fn a_process_is_itself_until_it_has_been_waited_for() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::open(child.id()).unwrap();
        assert_eq!(process.while_there(Ok).unwrap(), Some(child.id()));
        assert!(process.identity().is_there() && !process.has_ended());
        assert_eq!(process.ended(), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.has_ended() && process.ended().is_some());
        assert_eq!(process.while_there(Ok).unwrap(), None);
        assert_eq!(process.identity().while_there(Ok).unwrap(), None);
        assert_eq!(Identity::of(child.id()).unwrap(), None);
    }

    #[test]
    fn another_process_of_the_same_pid_is_another_one() {
        let own = Identity::of(std::process::id()).unwrap().unwrap();
        let earlier = Identity {
            start_ticks: own.start_ticks - 1,
            ..own
        };
        assert!(own.is_there() && !earlier.is_there());
        assert_eq!(still_there(&[own], [own.pid, 1]), [own.pid].into());
        assert_eq!(still_there(&[earlier], [own.pid]), [].into());
        assert_eq!(still_there(&[own], []), [].into());
    }

    #[test]
    fn what_is_found_while_a_process_goes_is_not_taken_for_its_own() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::open(child.id()).unwrap();
        let found = process.while_there(|pid| {
            child.kill().unwrap();
            child.wait().unwrap();
            Ok(pid)
        });
        assert_eq!(found.unwrap(), None);
    }
}
