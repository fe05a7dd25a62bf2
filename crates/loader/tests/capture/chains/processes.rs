//! Processes that do what a test says, and note in memory that they share with it when they did.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loader::options::{AttachMode, Options};
use loader::session::capture::CaptureSession;

/// Ends as it is dropped, if it has not before.
pub struct Process {
    pub pid: u32,
}

impl Process {
    /// A fork of this process, which has other threads: its work is system calls and what it does in memory that is there already.
    pub fn new(work: impl FnOnce()) -> Self {
        const MOST_SECONDS: libc::c_uint = 120;
        let work = ManuallyDrop::new(work);
        // SAFETY: the child makes system calls only, as it was told to, and never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: no addresses. However the test ends, this ends.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::alarm(MOST_SECONDS);
            }
            let work = AssertUnwindSafe(ManuallyDrop::into_inner(work));
            // What would be unwound is the parent's.
            exit(i32::from(catch_unwind(work).is_err()));
        }
        assert!(pid > 0);
        Self { pid: pid as u32 }
    }

    /// Until it has ended by itself.
    pub fn join(self) {
        let this = ManuallyDrop::new(self);
        let mut status = 0;
        // SAFETY: the child is ours, and is not waited for by anybody else.
        let waited = unsafe { libc::waitpid(this.pid as i32, &raw mut status, 0) };
        assert_eq!((waited, status), (this.pid as i32, 0));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: no addresses but null, and the child is ours and was not waited for.
        unsafe {
            libc::kill(self.pid as i32, libc::SIGKILL);
            libc::waitpid(self.pid as i32, std::ptr::null_mut(), 0);
        }
    }
}

/// A session that captures these.
pub fn open(mode: AttachMode, pids: &[u32]) -> CaptureSession {
    CaptureSession::open(&Options {
        pids: pids.to_vec(),
        attach_mode: mode,
        ..Options::default()
    })
    .unwrap()
}

pub fn exit(status: i32) -> ! {
    // SAFETY: no addresses.
    unsafe { libc::_exit(status) }
}

/// On arm64 there is no `pause`: it is `ppoll` there.
pub const PAUSE: (&str, libc::c_long) = if cfg!(target_arch = "x86_64") {
    ("pause", 34)
} else {
    ("ppoll", libc::SYS_ppoll)
};

/// Until it is killed.
pub fn rest() -> ! {
    loop {
        // SAFETY: no addresses.
        unsafe { libc::pause() };
    }
}

pub fn sleep(time: std::time::Duration) {
    let time = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: a whole time, and nobody asks for the rest of it.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            0,
            &raw const time,
            std::ptr::null_mut(),
        )
    };
}

/// In memory that this process shares with those that it forks; until it ends.
pub fn shared<T: Default>() -> &'static T {
    // SAFETY: a new mapping, as large as the value and better aligned, which is never taken back.
    unsafe {
        let mapped = libc::mmap(
            std::ptr::null_mut(),
            size_of::<T>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(mapped, libc::MAP_FAILED);
        let value = mapped.cast::<T>();
        value.write(T::default());
        &*value
    }
}

/// What one process hands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    Pipe,
    Socket,
    EventFd,
}

/// A way from one to another; each has both ends.
#[derive(Clone, Copy)]
pub struct Link {
    means: Means,
    from: libc::c_int,
    to: libc::c_int,
}

impl Means {
    /// In which a process waits for what comes.
    pub fn call(self) -> &'static str {
        match self {
            Self::Pipe | Self::EventFd => "read",
            Self::Socket => "recvfrom",
        }
    }

    pub fn number(self) -> libc::c_long {
        match self {
            Self::Pipe | Self::EventFd => libc::SYS_read,
            Self::Socket => libc::SYS_recvfrom,
        }
    }

    /// Open as long as the process is.
    pub fn link(self) -> Link {
        let mut ends = [0; 2];
        // SAFETY: room for two numbers.
        let result = unsafe {
            match self {
                Self::Pipe => libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC),
                Self::Socket => {
                    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
                    libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr())
                }
                Self::EventFd => {
                    ends = [libc::eventfd(0, libc::EFD_CLOEXEC); 2];
                    ends[0].min(0)
                }
            }
        };
        assert_eq!(result, 0);
        let [from, to] = ends;
        Link {
            means: self,
            from,
            to,
        }
    }
}

impl Link {
    /// False: it was interrupted, or the other end is closed.
    pub fn take(self) -> bool {
        let mut word = 0_u64;
        let (bytes, size) = ((&raw mut word).cast(), size_of::<u64>());
        // SAFETY: as many bytes as there is room for.
        let taken = unsafe {
            match self.means {
                Means::Pipe | Means::EventFd => libc::read(self.from, bytes, size),
                Means::Socket => libc::recv(self.from, bytes, size, 0),
            }
        };
        taken == size as isize
    }

    /// The same of the test itself, which fails if nothing comes.
    pub fn await_given(self) {
        const MOST_MS: libc::c_int = 60_000;
        let mut poll = libc::pollfd {
            fd: self.from,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, MOST_MS) }, 1);
        assert!(self.take());
    }

    pub fn give(self) {
        let word = 1_u64;
        // SAFETY: as many bytes as there are.
        let given = unsafe { libc::write(self.to, (&raw const word).cast(), size_of::<u64>()) };
        assert_eq!(given, size_of::<u64>() as isize);
    }
}
