//! In which cgroup a task is.

use std::collections::HashMap;

use crate::names::text::printable;
use crate::sample::{Start, Stop, TaskInstead, Thread};
use crate::targets::proc_stat::{Stat, stat};
use crate::targets::process::thread_folder;
use crate::threads::start_time::StartTime;

/// Looks up where the tasks are that ran in this window instead of these threads.
pub fn find_cgroups(threads: &mut [Thread], start: &Start, stop: &Stop) {
    let mut known: HashMap<(u32, u32, String), Option<String>> = HashMap::new();
    let clock = StartTime::now();
    for thread in threads {
        for task in &mut thread.ran_instead.tasks {
            let key = (task.pid, task.tid, task.comm.clone());
            task.cgroup = known
                .entry(key)
                .or_insert_with(|| cgroup(task, start.at_ns, stop.at_ns, clock))
                .clone();
        }
    }
}

/// `None`: it is in the root, it has ended, or its number may be another's by now.
fn cgroup(task: &TaskInstead, start_ns: u64, stop_ns: u64, clock: StartTime) -> Option<String> {
    if task.tid == 0 {
        return None;
    }
    // As a thread of that process: its number alone may be any other's. Nobody holds that process, which is no target, and its
    // identity would not do: threads have cgroups, names and beginnings of their own, and one that began since the window in the
    // same process may have the number.
    let folder = thread_folder(task.pid, task.tid);
    let before = stat(&folder).ok()??;
    if !ran_in_window(&before, task, start_ns, stop_ns, clock) {
        return None;
    }
    let text = std::fs::read(folder.clone() + "/cgroup").ok()?;
    let after = stat(&folder).ok()??;
    (before.start_ticks == after.start_ticks)
        .then(|| unified(&text))
        .flatten()
}

/// Whether the task that has the number now is the one that had it in the window: surely, if it was there before that; one that
/// began in it must at least have the same name, and one that is younger is another.
fn ran_in_window(
    now: &Stat,
    task: &TaskInstead,
    start_ns: u64,
    stop_ns: u64,
    clock: StartTime,
) -> bool {
    clock.began_before(now, start_ns) || (!clock.began_after(now, stop_ns) && now.comm == task.comm)
}

/// Of the second hierarchy, which has no number and no controllers in its line. The root is no cgroup of anybody's.
fn unified(text: &[u8]) -> Option<String> {
    let line = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))?;
    // Names that systemd spells with backslashes stay as they are in the file system.
    let text = || std::str::from_utf8(line).map_or_else(|_| printable(line), str::to_owned);
    (line != b"/").then(text)
}

#[cfg(test)]
mod tests {
    use super::{StartTime, TaskInstead, cgroup, unified};
    use crate::kernel::clock::monotonic_ns;
    use crate::kernel::own_thread::own_tid;
    use crate::targets::proc_stat::stat;
    use crate::targets::process::thread_folder;

    #[test]
    fn the_second_hierarchy_s_line_is_taken_and_the_root_is_none() {
        let text = b"3:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/system.slice/x.service\n";
        assert_eq!(unified(text).as_deref(), Some("/system.slice/x.service"));
        assert_eq!(unified(b"0::/\n"), None);
        assert_eq!(unified(b"3:cpu:/a\n"), None);
        assert_eq!(unified(b""), None);
    }

    fn own_task() -> TaskInstead {
        let (pid, tid) = (std::process::id(), own_tid());
        let own = stat(&thread_folder(pid, tid)).unwrap().unwrap();
        TaskInstead {
            pid,
            tid,
            comm: own.comm,
            ..TaskInstead::default()
        }
    }

    fn is_the_same(task: &TaskInstead, start_ns: u64, stop_ns: u64) -> bool {
        let now = stat(&thread_folder(task.pid, task.tid)).unwrap().unwrap();
        super::ran_in_window(&now, task, start_ns, stop_ns, StartTime::now())
    }

    #[test]
    fn a_task_that_began_after_the_window_is_not_the_one_that_ran_in_it() {
        let now_ns = monotonic_ns();
        let task = own_task();
        assert!(is_the_same(&task, 0, now_ns));
        assert!(!is_the_same(&task, 0, 1));
        let long_ago = TaskInstead {
            tid: 0x7fff_ffff,
            ..own_task()
        };
        assert_eq!(cgroup(&long_ago, 0, now_ns, StartTime::now()), None);
        // A thread of no such process.
        let other = TaskInstead {
            pid: 1,
            ..own_task()
        };
        assert_eq!(cgroup(&other, 0, now_ns, StartTime::now()), None);
    }

    #[test]
    fn one_that_began_in_the_window_has_the_same_name_and_an_older_one_may_have_another() {
        let now_ns = monotonic_ns();
        let renamed = TaskInstead {
            comm: "another".to_owned(),
            ..own_task()
        };
        assert!(!is_the_same(&renamed, 0, now_ns));
        assert!(is_the_same(
            &renamed,
            now_ns + 10_000_000_000,
            now_ns + 20_000_000_000
        ));
    }
}
