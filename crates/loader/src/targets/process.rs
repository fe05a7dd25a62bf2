//! Processes and their threads as /proc shows them: who can be monitored.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use abi::COMM_BYTES;

use crate::error::{Cause, Denial, Error, ErrorKind, Result};
use crate::names::text::printable;
use crate::sample::Target;
use crate::targets::proc_stat::{Stat, is_gone, stat};

/// The process with this pid, if it can be monitored.
pub fn inspect(pid: u32) -> Result<Target> {
    let path = format!("/proc/{pid}");
    let no_such = || match is_hidden(pid) {
        true => Error::new(
            ErrorKind::NotPermitted,
            format!("the process {pid} is hidden: {path} is not shown to this user"),
        )
        .hint("/proc is mounted with hidepid: run as root, or with CAP_SYS_PTRACE")
        .cause(
            Cause::of(&io::Error::from_raw_os_error(libc::EPERM)).denied_by(Denial::Capabilities),
        ),
        false => Error::new(
            ErrorKind::NoSuchProcess,
            format!("no process has the pid {pid}"),
        )
        .hint("-n NAME finds a process by its name"),
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
    if stat.is_kernel_thread() {
        let message = format!(
            "{pid} ({}) is a thread of the kernel's own",
            one_line(&stat.comm)
        );
        return Err(Error::new(ErrorKind::KernelThread, message)
            .hint("only user processes can be monitored"));
    }
    if has_ended(pid, &stat)? {
        let message = format!(
            "the process {pid} ({}) has ended; its parent has not yet noticed",
            one_line(&stat.comm)
        );
        return Err(
            Error::new(ErrorKind::ProcessEnded, message).hint("its numbers are gone with it")
        );
    }
    Ok(target(pid, stat.comm))
}

/// Whether all of a process has ended. A leader may end before other threads of its process: then it stays, as a zombie, until
/// they have.
pub fn has_ended(pid: u32, leader: &Stat) -> Result<bool> {
    Ok(leader.is_dead() && living_thread(pid)?.is_none())
}

/// A thread of the process that has not ended: its leader if possible, else the one that began first.
pub fn living_thread(pid: u32) -> Result<Option<u32>> {
    living_thread_but(pid, None)
}

/// The same, of all but one.
pub fn living_thread_but(pid: u32, left_out: Option<u32>) -> Result<Option<u32>> {
    let living = |tid: u32| -> Result<Option<Stat>> {
        let folder = thread_folder(pid, tid);
        let stat = stat(&folder).map_err(|error| Error::io(folder, &error))?;
        Ok(stat.filter(|stat| !stat.is_dead() && left_out != Some(tid)))
    };
    if living(pid)?.is_some() {
        return Ok(Some(pid));
    }
    let mut first: Option<(u64, u32)> = None;
    for tid in tids(pid)? {
        if let Some(stat) = living(tid)? {
            let began = (stat.start_ticks, tid);
            first = Some(first.map_or(began, |first| first.min(began)));
        }
    }
    Ok(first.map(|(_, tid)| tid))
}

/// Where /proc shows what the process's memory holds. A leader that has ended has none any more.
fn memory_folder(pid: u32) -> String {
    match living_thread(pid) {
        Ok(Some(tid)) => thread_folder(pid, tid),
        _ => format!("/proc/{pid}"),
    }
}

/// Whether there is a process that /proc, mounted with `hidepid`, keeps from this user.
fn is_hidden(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else {
        return false;
    };
    // SAFETY: no addresses; signal 0 is none, it only asks.
    let answer = unsafe { libc::kill(pid, 0) };
    answer < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
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

pub fn target(pid: u32, comm: String) -> Target {
    let folder = memory_folder(pid);
    let exe = fs::read_link(format!("{folder}/exe"))
        .ok()
        .map(|path| printable(path.as_os_str().as_bytes()));
    let cmdline = fs::read(format!("{folder}/cmdline")).ok().map(|bytes| {
        let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        if bytes.is_empty() {
            Vec::new()
        } else {
            bytes.split(|&byte| byte == 0).map(printable).collect()
        }
    });
    Target {
        pid,
        comm,
        exe,
        cmdline,
    }
}

/// A process that is about to execute a program: of a script its interpreter, which is not known yet, is what will be executed.
pub fn will_be(pid: u32, program: &Path, command_line: Option<Vec<String>>) -> Target {
    let name = program.file_name().unwrap_or_default().as_bytes();
    // The kernel keeps so much of it.
    let comm = &name[..name.len().min(COMM_BYTES - 1)];
    let mut start = [0; 2];
    let is_script = fs::File::open(program)
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut start))
        .is_ok_and(|()| &start == b"#!");
    Target {
        pid,
        comm: printable(comm),
        exe: (!is_script).then(|| printable(program.as_os_str().as_bytes())),
        cmdline: command_line.filter(|_| !is_script),
    }
}

/// What is left to say of a process, whether or not it lives.
pub fn target_or(pid: u32, comm: &str) -> Target {
    match stat(&format!("/proc/{pid}")) {
        Ok(Some(stat)) => target(pid, stat.comm),
        _ => Target::named(pid, comm),
    }
}

/// Whether its program was built for the 32-bit calls of this machine (ia32, arm). A program may also mix both; and what
/// cannot be read is taken for an ordinary one.
pub fn uses_32_bit_calls(pid: u32) -> bool {
    const EM_386: [u8; 2] = [3, 0];
    const EM_ARM: [u8; 2] = [40, 0];
    let mut header = [0; 20];
    let read = fs::File::open(format!("{}/exe", memory_folder(pid)))
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut header));
    // elf(5): the machine is at byte 18.
    read.is_ok()
        && header.starts_with(b"\x7fELF")
        && matches!([header[18], header[19]], EM_386 | EM_ARM)
}

/// Tids of a process's threads; empty if it has ended.
pub fn tids(pid: u32) -> Result<Vec<u32>> {
    match numeric_entries(&format!("/proc/{pid}/task")) {
        Ok(tids) => Ok(tids),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(Error::io(format!("/proc/{pid}/task"), &error)),
    }
}

/// Where /proc shows a thread.
pub fn thread_folder(pid: u32, tid: u32) -> String {
    format!("/proc/{pid}/task/{tid}")
}

pub fn numeric_entries(path: &str) -> io::Result<Vec<u32>> {
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

#[cfg(test)]
mod tests {
    use super::{ErrorKind, inspect, tids};

    #[test]
    fn this_process_can_be_monitored() {
        let own = inspect(std::process::id()).unwrap();
        assert!(own.exe.is_some() && own.cmdline.is_some());
        assert!(tids(own.pid).unwrap().contains(&own.pid));
    }

    #[test]
    fn what_cannot_be_monitored_says_why() {
        assert_eq!(
            inspect(0x7fff_ffff).unwrap_err().kind,
            ErrorKind::NoSuchProcess
        );
        assert_eq!(inspect(2).unwrap_err().kind, ErrorKind::KernelThread);
        let tid = std::thread::spawn(|| inspect(crate::kernel::own_thread::own_tid()).unwrap_err());
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
    fn this_program_uses_64_bit_calls() {
        assert!(!super::uses_32_bit_calls(std::process::id()));
        assert!(!super::uses_32_bit_calls(0x7fff_ffff));
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
