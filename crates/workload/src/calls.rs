//! The system calls of the workloads, one method each.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicU32;

use crate::clock::{timespec_from_ns, timespec_ns};
use crate::tally::{Call, Tally};

impl Tally {
    pub fn getppid(&self) {
        // SAFETY: no arguments.
        let _ = unsafe { self.make(Call::Getppid, [0; 6]) };
    }

    pub fn getuid(&self) {
        // SAFETY: no arguments.
        let _ = unsafe { self.make(Call::Getuid, [0; 6]) };
    }

    pub fn gettid(&self) -> i32 {
        // SAFETY: no arguments.
        unsafe { self.make(Call::Gettid, [0; 6]) }.map_or(-1, |tid| tid as i32)
    }

    pub fn sched_yield(&self) {
        // SAFETY: no arguments.
        let _ = unsafe { self.make(Call::SchedYield, [0; 6]) };
    }

    pub fn read(&self, fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
        let pointer = buffer.as_mut_ptr() as usize;
        // SAFETY: pointer and length are those of a live, exclusively borrowed buffer.
        unsafe { self.make(Call::Read, [fd as usize, pointer, buffer.len(), 0, 0, 0]) }
    }

    pub fn pread(&self, fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
        let pointer = buffer.as_mut_ptr() as usize;
        // SAFETY: pointer and length are those of a live, exclusively borrowed buffer.
        unsafe { self.make(Call::Pread64, [fd as usize, pointer, buffer.len(), 0, 0, 0]) }
    }

    /// Reads up to `copies` times into the same buffer, in one call: a long call that needs little memory.
    pub fn readv_repeated(
        &self,
        fd: RawFd,
        buffer: &mut [u8],
        vectors: &mut [libc::iovec],
    ) -> io::Result<usize> {
        vectors.fill(libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        });
        let pointer = vectors.as_ptr() as usize;
        // SAFETY: every vector names the whole of the exclusively borrowed `buffer`; that they overlap only means that
        // the kernel overwrites the same plain bytes again and again.
        unsafe { self.make(Call::Readv, [fd as usize, pointer, vectors.len(), 0, 0, 0]) }
    }

    pub fn write(&self, fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
        let pointer = bytes.as_ptr() as usize;
        // SAFETY: pointer and length are those of a live slice, which the kernel only reads.
        unsafe { self.make(Call::Write, [fd as usize, pointer, bytes.len(), 0, 0, 0]) }
    }

    pub fn pwrite(&self, fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
        let pointer = bytes.as_ptr() as usize;
        // SAFETY: pointer and length are those of a live slice, which the kernel only reads.
        unsafe { self.make(Call::Pwrite64, [fd as usize, pointer, bytes.len(), 0, 0, 0]) }
    }

    /// To the current position: changes nothing.
    pub fn lseek(&self, fd: RawFd) -> io::Result<usize> {
        let whence = libc::SEEK_CUR as usize;
        // SAFETY: no pointers.
        unsafe { self.make(Call::Lseek, [fd as usize, 0, whence, 0, 0, 0]) }
    }

    pub fn fstat(&self, fd: RawFd, status: &mut libc::stat) -> io::Result<usize> {
        let pointer = std::ptr::from_mut(status) as usize;
        // SAFETY: `status` is live and writable, and on the 64-bit targets built here it is the kernel's own layout.
        unsafe { self.make(Call::Fstat, [fd as usize, pointer, 0, 0, 0, 0]) }
    }

    pub fn getrandom(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let pointer = buffer.as_mut_ptr() as usize;
        // SAFETY: pointer and length are those of a live, exclusively borrowed buffer.
        unsafe { self.make(Call::Getrandom, [pointer, buffer.len(), 0, 0, 0, 0]) }
    }

    /// Sleeps for a time relative to now, on CLOCK_MONOTONIC. One call, also when a signal cuts it short.
    pub fn sleep(&self, duration_ns: u64) -> io::Result<usize> {
        let duration = timespec_from_ns(duration_ns);
        let pointer = std::ptr::from_ref(&duration) as usize;
        let clock = libc::CLOCK_MONOTONIC as usize;
        // SAFETY: `duration` outlives the call; a null remainder pointer is allowed.
        unsafe { self.make(Call::ClockNanosleep, [clock, 0, pointer, 0, 0, 0]) }
    }

    /// CPU time of the calling thread. Always a system call, unlike the monotonic clock.
    pub fn thread_cpu_ns(&self) -> u64 {
        let mut now = timespec_from_ns(0);
        let pointer = std::ptr::from_mut(&mut now) as usize;
        let clock = libc::CLOCK_THREAD_CPUTIME_ID as usize;
        // SAFETY: `now` is live and writable.
        let _ = unsafe { self.make(Call::ClockGettime, [clock, pointer, 0, 0, 0, 0]) };
        timespec_ns(&now)
    }

    /// Waits while `word` holds `expected`, between threads of one process. Wakes up for other reasons too.
    pub fn futex_wait(&self, word: &AtomicU32, expected: u32) -> io::Result<usize> {
        self.futex(
            word,
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected as usize,
        )
    }

    pub fn futex_wake(&self, word: &AtomicU32, waiters: i32) -> io::Result<usize> {
        self.futex(
            word,
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            waiters as usize,
        )
    }

    /// The same between processes, and for the word that the kernel clears when a thread ends.
    pub fn futex_wait_shared(&self, word: &AtomicU32, expected: u32) -> io::Result<usize> {
        self.futex(word, libc::FUTEX_WAIT, expected as usize)
    }

    pub fn futex_wake_shared(&self, word: &AtomicU32, waiters: i32) -> io::Result<usize> {
        self.futex(word, libc::FUTEX_WAKE, waiters as usize)
    }

    fn futex(&self, word: &AtomicU32, operation: c_int, value: usize) -> io::Result<usize> {
        let pointer = word.as_ptr() as usize;
        // SAFETY: `word` is a live, aligned 32-bit word; the null timeout means for ever.
        unsafe { self.make(Call::Futex, [pointer, operation as usize, value, 0, 0, 0]) }
    }

    /// Names the calling thread. The kernel keeps the first 15 bytes.
    pub fn set_name(&self, name: &CStr) {
        let pointer = name.as_ptr() as usize;
        let option = libc::PR_SET_NAME as usize;
        // SAFETY: `name` ends in NUL, and the kernel reads at most 16 bytes up to it.
        let _ = unsafe { self.make(Call::Prctl, [option, pointer, 0, 0, 0, 0]) };
    }

    /// Whether a thread of process `pid` still exists: signal 0 is checked and not sent.
    pub fn thread_exists(&self, pid: i32, tid: i32) -> bool {
        // SAFETY: no pointers; signal 0 does nothing to its target.
        unsafe { self.make(Call::Tgkill, [pid as usize, tid as usize, 0, 0, 0, 0]) }.is_ok()
    }

    pub fn kill(&self, pid: i32, signal: c_int) -> io::Result<usize> {
        // SAFETY: no pointers.
        unsafe { self.make(Call::Kill, [pid as usize, signal as usize, 0, 0, 0, 0]) }
    }

    /// Waits for any child to end and returns its pid and wait status.
    pub fn wait_for_child(&self) -> io::Result<(i32, c_int)> {
        let mut status: c_int = 0;
        let pointer = std::ptr::from_mut(&mut status) as usize;
        // SAFETY: `status` is live and writable; -1 stands for any child, and no usage record is asked for.
        let pid = unsafe { self.make(Call::Wait4, [usize::MAX, pointer, 0, 0, 0, 0]) }?;
        Ok((pid as i32, status))
    }

    /// Forks without the C library, which would add calls of its own. Returns 0 in the child.
    ///
    /// # Safety
    /// The process must have one thread, or the child must restrict itself to raw system calls: locks that another
    /// thread held stay locked in the child for ever.
    pub unsafe fn fork(&self) -> io::Result<i32> {
        // SAFETY: without CLONE_VM the child gets a copy of the whole address space, this stack included.
        unsafe { self.make(Call::Clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0]) }
            .map(|pid| pid as i32)
    }

    /// Returns only if the kernel refuses. `arguments` and `environment` end with a null pointer each.
    ///
    /// # Safety
    /// Every other pointer in `arguments` and `environment` must be a live C string.
    pub unsafe fn execve(
        &self,
        path: &CStr,
        arguments: &[*const c_char],
        environment: &[*const c_char],
    ) -> io::Error {
        let pointers = [
            path.as_ptr() as usize,
            arguments.as_ptr() as usize,
            environment.as_ptr() as usize,
        ];
        // SAFETY: the caller vouches for the strings and for the null at the end of both arrays.
        let made = unsafe {
            self.make(
                Call::Execve,
                [pointers[0], pointers[1], pointers[2], 0, 0, 0],
            )
        };
        made.err()
            .unwrap_or_else(|| io::Error::other("execve returned"))
    }
}
