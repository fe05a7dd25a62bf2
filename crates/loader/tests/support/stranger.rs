//! A process, and a stranger that gets its pid once it has ended.

use std::process::{Child, Command};

pub fn sleeper() -> Child {
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    // Its parent goes on while the kernel is still giving it its name.
    let comm = format!("/proc/{}/comm", child.id());
    while std::fs::read_to_string(&comm).unwrap() != "sleep\n" {
        std::thread::yield_now();
    }
    child
}

/// A process that makes some calls, and sleeps from then on.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub struct Stranger(libc::pid_t);

#[allow(dead_code, reason = "each test program uses a part of it")]
impl Stranger {
    /// Born with the pid of a process that was waited for. `None`: another one was quicker to take it.
    pub fn with_pid(pid: u32) -> Option<Self> {
        const CALLS: usize = 1000;
        let pids = [pid as libc::pid_t];
        // SAFETY: integers and addresses, for which zeros are values.
        let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
        arguments.exit_signal = libc::SIGCHLD as u64;
        arguments.set_tid = pids.as_ptr() as u64;
        arguments.set_tid_size = 1;
        // SAFETY: as `fork`; the child makes system calls only, which touch no memory, and never returns.
        unsafe {
            let size = size_of::<libc::clone_args>();
            match libc::syscall(libc::SYS_clone3, &raw const arguments, size) {
                -1 => None,
                0 => {
                    for _ in 0..CALLS {
                        libc::syscall(libc::SYS_getppid);
                    }
                    loop {
                        libc::pause();
                    }
                }
                born => Some(Self(born as libc::pid_t)),
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.0 as u32
    }

    /// It has made its calls.
    pub fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", self.0)).unwrap();
        stat.contains(") S ") && !call.starts_with("running")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // SAFETY: no addresses but null, and the child is ours and was not waited for.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}
