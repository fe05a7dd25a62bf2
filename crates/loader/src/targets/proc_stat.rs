//! `/proc/…/stat`, and text from the traced process.

use std::fs;
use std::io;

use abi::config::Config;

use crate::names::text::printable;

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

    /// It has begun to exit, and may have no memory any more.
    pub fn is_exiting(&self) -> bool {
        /// From `include/linux/sched.h`.
        const PF_EXITING: u64 = 0x4;
        self.flags & PF_EXITING != 0
    }

    pub fn is_kernel_thread(&self) -> bool {
        /// From `include/linux/sched.h`: a thread of the kernel's own.
        const PF_KTHREAD: u64 = 0x0020_0000;
        self.flags & PF_KTHREAD != 0
    }

    /// A thread of a process that works for it in the kernel. (Before Linux 5.18 the second flag may be that of a process which loads
    /// modules.)
    pub fn is_kernel_only(&self) -> bool {
        self.flags & u64::from(Config::IO_WORKER | Config::USER_WORKER) != 0
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

pub fn stat(path: &str) -> io::Result<Option<Stat>> {
    match fs::read(format!("{path}/stat")) {
        Ok(bytes) => Ok(Stat::parse(&bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What /proc answers for a task that has ended, before and after the file was opened.
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::Stat;

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
}
