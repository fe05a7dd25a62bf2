//! `/tmp/perf-PID.map` as a file: whoever may write to that folder can put one there, and what is there may change at any time.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use probe_points::open::Root;

/// Remembered of what was read, from its beginning and from its end: where these are others, the file was written anew.
const SAMPLE: usize = 256;
/// Time stamps are of the kernel's last tick, and /proc tells a process's start in hundredths of a second.
const INEXACT_NS: i128 = 1_000_000_000;

/// Where a process's map would be, and what one must be to be its own.
#[derive(Debug)]
pub struct PerfMapPlace {
    root: Arc<Root>,
    own_id: String,
    path: String,
    /// The user that the process is, and those that it may be.
    users: Vec<u32>,
    /// When it began, in ns since the epoch.
    began_ns: Option<i128>,
}

/// One that is open, as far as it has been read.
#[derive(Debug)]
pub struct PerfMapFile {
    file: File,
    identity: (u64, u64),
    read: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl PerfMapPlace {
    /// In the process's own mount namespace, by its id in its own pid namespace.
    pub fn of_process(pid: u32, root: &Arc<Root>) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let words = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_ascii_whitespace()
        };
        let id = words("NSpid:").next_back();
        let id = id.map_or_else(|| pid.to_string(), str::to_owned);
        Self {
            root: Arc::clone(root),
            path: format!("/tmp/perf-{id}.map"),
            own_id: id,
            users: words("Uid:").filter_map(|id| id.parse().ok()).collect(),
            began_ns: began_ns(pid),
        }
    }

    pub fn own_id(&self) -> &str {
        &self.own_id
    }

    /// `Ok(None)`: there is none. Fails if what is there is not to be read, or cannot be.
    pub fn open(&self) -> Result<Option<PerfMapFile>, String> {
        let told = |why: &dyn std::fmt::Display| format!("{} is not used: {why}", self.path);
        let file = match self.root.open_file_itself(Path::new(&self.path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(&error)),
        };
        let metadata = file.metadata().map_err(|error| told(&error))?;
        if let Some(why) = self.why_not(&file, &metadata) {
            return Err(told(&why));
        }
        Ok(Some(PerfMapFile {
            file,
            identity: (metadata.dev(), metadata.ino()),
            read: 0,
            head: Vec::new(),
            tail: Vec::new(),
        }))
    }

    /// `None`: it is the process's own.
    fn why_not(&self, file: &File, metadata: &Metadata) -> Option<String> {
        let owner = metadata.uid();
        if !self.users.contains(&owner) {
            if owner != 0 {
                return Some(format!(
                    "it belongs to the user {owner}, who is neither the process's nor root"
                ));
            }
            // The process may have put a name for, or its own view of, what only root may read.
            if metadata.nlink() != 1 || metadata.mode() & 0o004 == 0 {
                return Some("it is root's, and not for all to read".to_owned());
            }
        }
        if !is_on_disk(file) {
            return Some("it is on no file system that keeps files".to_owned());
        }
        let written_ns =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        let is_older = |began_ns: i128| written_ns + INEXACT_NS < began_ns;
        (self.began_ns.is_some_and(is_older))
            .then(|| "it is older than the process: of another one that had its id".to_owned())
    }
}

impl PerfMapFile {
    /// What follows, up to so many bytes of the file in all; nothing at its end, and of what cannot be read.
    pub fn read_on(&mut self, chunk: &mut [u8], most: u64) -> usize {
        let left = usize::try_from(most.saturating_sub(self.read)).unwrap_or(usize::MAX);
        let length = chunk.len().min(left);
        let count = (self.file.read_at(&mut chunk[..length], self.read)).unwrap_or(0);
        let text = &chunk[..count];
        self.read += count as u64;
        let missing = SAMPLE - self.head.len();
        self.head.extend(text.iter().take(missing));
        self.tail.extend(&text[count.saturating_sub(SAMPLE)..]);
        self.tail.drain(..self.tail.len().saturating_sub(SAMPLE));
        count
    }

    /// Whether another one, which is in its place now, is the same, and what has been read of it stands there still.
    pub fn is_continued_by(&self, other: &Self) -> bool {
        let is_there = |bytes: &[u8], at: u64| {
            let mut there = vec![0; bytes.len()];
            other.file.read_exact_at(&mut there, at).is_ok() && there == bytes
        };
        self.identity == other.identity
            && is_there(&self.head, 0)
            && is_there(&self.tail, self.read - self.tail.len() as u64)
    }
}

/// Reading from /proc, or from other files that are made as they are read, may have effects: lines of `/proc/kmsg` go to whoever reads
/// them first.
fn is_on_disk(file: &File) -> bool {
    // SAFETY: a structure of integers, for which zero is valid.
    let mut system: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor, and a structure that is alive during the call.
    let is_known = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut system) } == 0;
    let made = [
        libc::PROC_SUPER_MAGIC,
        libc::SYSFS_MAGIC,
        libc::DEBUGFS_MAGIC,
        libc::TRACEFS_MAGIC,
        libc::CGROUP_SUPER_MAGIC,
        libc::CGROUP2_SUPER_MAGIC,
    ];
    is_known && !made.contains(&system.f_type)
}

/// By its start in /proc, which counts from boot.
fn began_ns(pid: u32) -> Option<i128> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 1..)?;
    let fields = std::str::from_utf8(after_name).ok()?;
    // Field 22 of proc(5); the first after the name is the third.
    let ticks: i128 = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    // SAFETY: sysconf has no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1);
    let after_boot_ns = ticks * (1_000_000_000 / i128::from(per_second));
    Some(clock_ns(libc::CLOCK_REALTIME) - clock_ns(libc::CLOCK_BOOTTIME) + after_boot_ns)
}

fn clock_ns(clock: libc::clockid_t) -> i128 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec; both clocks exist since 2.6.39, so the call cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
