//! Processes and threads as /proc shows them: who can be monitored, by pid or by name.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// From `include/linux/sched.h`: a thread of the kernel's own.
const PF_KTHREAD: u64 = 0x0020_0000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub comm: String,
    /// `None`: the link cannot be read (the process is ending).
    pub exe: Option<String>,
    pub cmdline: Option<Vec<String>>,
}

/// The fields of `/proc/…/stat` that are used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub comm: String,
    pub state: char,
    pub flags: u64,
    /// User and system time, in clock ticks.
    pub cpu_ticks: u64,
    /// Since boot, in clock ticks.
    pub start_ticks: u64,
}

impl Stat {
    /// The name stands in parentheses and may itself hold any byte, parentheses and line ends included: the last
    /// closing one ends it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|&byte| byte == b'(')?;
        let close = bytes.iter().rposition(|&byte| byte == b')')?;
        let comm = printable(bytes.get(open + 1..close)?);
        let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of proc(5) is the first after the name.
        let number = |field: usize| {
            fields
                .get(field - 3)
                .and_then(|text| text.parse::<u64>().ok())
        };
        Some(Self {
            comm,
            state: fields.first()?.chars().next()?,
            flags: number(9)?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            start_ticks: number(22)?,
        })
    }

    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

/// Bytes as text; what is not UTF-8 is spelled `\xNN`. Control characters stay: formats make them visible.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

pub fn stat(path: &str) -> io::Result<Option<Stat>> {
    match fs::read(format!("{path}/stat")) {
        Ok(bytes) => Ok(Stat::parse(&bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What /proc answers for a task that has ended, before and after the file was opened.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// The process with this pid, if it can be monitored.
pub fn inspect(pid: u32) -> Result<Process> {
    let path = format!("/proc/{pid}");
    let no_such = || {
        Error::new(
            ErrorKind::NoSuchProcess,
            format!("no process has the pid {pid}"),
        )
        .hint("-n NAME finds a process by its name")
    };
    let stat = stat(&path)
        .map_err(|error| Error::io(&path, &error))?
        .ok_or_else(no_such)?;
    let status = fs::read(format!("{path}/status")).map_err(|_| no_such())?;
    let leader = status_number(&status, b"Tgid:").ok_or_else(no_such)?;
    if leader != pid {
        let message = format!("{pid} is a thread of the process {leader}, not a process");
        return Err(Error::new(ErrorKind::InvalidArgument, message)
            .hint(format!("use {leader}: the report tells its threads apart")));
    }
    if stat.flags & PF_KTHREAD != 0 {
        let message = format!(
            "{pid} ({}) is a thread of the kernel's own",
            one_line(&stat.comm)
        );
        return Err(Error::new(ErrorKind::KernelThread, message)
            .hint("only user processes can be monitored"));
    }
    if stat.is_dead() {
        let message = format!(
            "the process {pid} ({}) has ended; its parent has not yet noticed",
            one_line(&stat.comm)
        );
        return Err(
            Error::new(ErrorKind::ProcessEnded, message).hint("its numbers are gone with it")
        );
    }
    Ok(describe(pid, stat.comm))
}

/// A name inside a message of one line.
fn one_line(text: &str) -> String {
    text.escape_debug().to_string()
}

fn status_number(status: &[u8], key: &[u8]) -> Option<u32> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find(|line| line.starts_with(key))?;
    std::str::from_utf8(&line[key.len()..])
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn describe(pid: u32, comm: String) -> Process {
    let exe = fs::read_link(format!("/proc/{pid}/exe"))
        .ok()
        .map(|path| printable(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())));
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).ok().map(|bytes| {
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        if bytes.is_empty() {
            Vec::new()
        } else {
            bytes.split(|&byte| byte == 0).map(printable).collect()
        }
    });
    Process {
        pid,
        comm,
        exe,
        cmdline,
    }
}

/// What is left to say of a process, whether or not it lives.
pub fn describe_or(pid: u32, comm: &str) -> Process {
    match stat(&format!("/proc/{pid}")) {
        Ok(Some(stat)) => describe(pid, stat.comm),
        _ => Process {
            pid,
            comm: comm.to_owned(),
            exe: None,
            cmdline: None,
        },
    }
}

/// Pids of every process.
pub fn all_pids() -> Result<Vec<u32>> {
    numeric_entries("/proc").map_err(|error| Error::io("/proc", &error))
}

/// Tids of a process's threads; empty if it has ended.
pub fn tids(pid: u32) -> Result<Vec<u32>> {
    match numeric_entries(&format!("/proc/{pid}/task")) {
        Ok(tids) => Ok(tids),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(Error::io(format!("/proc/{pid}/task"), &error)),
    }
}

fn numeric_entries(path: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(path)? {
        match entry {
            Ok(entry) => numbers.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse::<u32>().ok()),
            ),
            // The process ended while its threads were being listed.
            Err(error) if is_gone(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(numbers)
}

/// Living user processes but this one, with their pids.
fn candidates() -> Result<Vec<(u32, Stat)>> {
    let own = std::process::id();
    let mut found = Vec::new();
    for pid in all_pids()? {
        if pid != own
            && let Ok(Some(stat)) = stat(&format!("/proc/{pid}"))
            && stat.flags & PF_KTHREAD == 0
            && !stat.is_dead()
        {
            found.push((pid, stat));
        }
    }
    Ok(found)
}

/// Processes whose name, or whose executable's or first argument's base name, equals `name`. The kernel cuts names at
/// 15 bytes, hence the other two.
pub fn find(name: &str) -> Result<Vec<Process>> {
    let base = |path: &str| path.rsplit('/').next() == Some(name);
    let mut found: Vec<Process> = candidates()?
        .into_iter()
        .map(|(pid, stat)| describe(pid, stat.comm))
        .filter(|process| {
            process.comm == name
                || process
                    .exe
                    .as_deref()
                    .is_some_and(|exe| base(exe.strip_suffix(" (deleted)").unwrap_or(exe)))
                || process
                    .cmdline
                    .as_ref()
                    .and_then(|cmdline| cmdline.first())
                    .is_some_and(|first| base(first))
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

#[derive(Clone, Debug, PartialEq)]
pub struct BusyProcess {
    pub pid: u32,
    pub comm: String,
    /// Of one CPU.
    pub cpu_percent: f64,
}

/// The user processes that used the most CPU time during `interval`, busiest first.
pub fn busiest(interval: Duration, limit: usize) -> Result<Vec<BusyProcess>> {
    let before: HashMap<u32, u64> = candidates()?
        .into_iter()
        .map(|(pid, stat)| (pid, stat.cpu_ticks))
        .collect();
    sleep(interval);
    // SAFETY: sysconf has no preconditions.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let mut busy: Vec<BusyProcess> = candidates()?
        .into_iter()
        .filter_map(|(pid, stat)| {
            let ticks = stat.cpu_ticks.saturating_sub(*before.get(&pid)?);
            let cpu_percent = ticks as f64 / ticks_per_second / interval.as_secs_f64() * 100.0;
            (ticks > 0).then_some(BusyProcess {
                pid,
                comm: stat.comm,
                cpu_percent,
            })
        })
        .collect();
    busy.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent));
    busy.truncate(limit);
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, Stat, find, inspect, printable, tids};

    #[test]
    fn a_name_may_hold_parentheses_and_line_ends() {
        let line = b"12 (a) R (\n\x1b) S 1 2 3 4 5 4194304 7 8 9 10 30 12 13 14 15 16 17 18 987 20";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.comm.as_str(), stat.state), ("a) R (\n\x1b", 'S'));
        assert_eq!(
            (stat.flags, stat.cpu_ticks, stat.start_ticks),
            (4_194_304, 42, 987)
        );
    }

    #[test]
    fn a_short_or_strange_line_is_nothing() {
        for line in [
            &b""[..],
            b"12",
            b"12 (a",
            b"12 (a) S",
            b"12 )a( S 1",
            b"12 (a) S x x x x x x x",
        ] {
            assert_eq!(Stat::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        assert_eq!(printable(b"a\xff\xc3\xa4\n"), "a\\xff\u{e4}\n");
    }

    #[test]
    fn this_process_can_be_monitored_and_is_never_found_by_name() {
        let own = inspect(std::process::id()).unwrap();
        assert!(own.exe.is_some() && own.cmdline.is_some());
        assert!(
            !find(&own.comm)
                .unwrap()
                .iter()
                .any(|process| process.pid == own.pid)
        );
        assert!(tids(own.pid).unwrap().contains(&own.pid));
    }

    #[test]
    fn what_cannot_be_monitored_says_why() {
        assert_eq!(
            inspect(0x7fff_ffff).unwrap_err().kind,
            ErrorKind::NoSuchProcess
        );
        assert_eq!(inspect(2).unwrap_err().kind, ErrorKind::KernelThread);
        let tid = std::thread::spawn(|| {
            // SAFETY: gettid has no preconditions.
            let tid = unsafe { libc::gettid() } as u32;
            inspect(tid).unwrap_err()
        });
        let error = tid.join().unwrap();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(
            error
                .hint
                .unwrap()
                .contains(&std::process::id().to_string())
        );
    }

    #[test]
    fn a_zombie_is_told_from_a_living_process() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let zombie = loop {
            match inspect(child.id()) {
                Ok(_) => std::thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert_eq!(zombie.kind, ErrorKind::ProcessEnded);
        child.wait().unwrap();
        assert_eq!(
            inspect(child.id()).unwrap_err().kind,
            ErrorKind::NoSuchProcess
        );
    }
}
