//! Threads that make no call their author did not write.
//!
//! pthread_create maps a stack, sets up signal masks and robust futexes; Rust's own start-up adds a signal stack. These
//! threads are one `clone` on a stack mapped beforehand, and end with one `exit`.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::WorkloadError;
use crate::tally::{Call, Tally};

const STACK_BYTES: usize = 64 << 10;
const GUARD_BYTES: usize = 64 << 10;
/// Between two looks at a thread that has left its stack but not yet the kernel's list.
const GONE_NS: u64 = 20_000;

/// The work of a light thread. It shares the C library's thread-local data with its creator, so it may make system calls
/// that cannot fail and do arithmetic, and nothing else: no allocation, no locks, no formatting.
pub trait LightWork: Sync {
    fn run(&self);
}

/// A place for one light thread at a time.
pub struct Berth {
    stack_top: *mut u8,
    /// The thread's id while it lives; the kernel clears it, and wakes waiters, once the stack is no longer in use.
    tid: AtomicU32,
}

impl Berth {
    /// Maps the stack, with an untouchable guard below it, once for all threads that will run here.
    pub fn new() -> Result<Self, WorkloadError> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let length = GUARD_BYTES + STACK_BYTES;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(WorkloadError::last("cannot map a stack"));
        }
        let stack = base.cast::<u8>().wrapping_add(GUARD_BYTES);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the range is the upper part of the mapping just made, page-aligned, used by nobody yet.
        if unsafe { libc::mprotect(stack.cast(), STACK_BYTES, protection) } != 0 {
            return Err(WorkloadError::last("cannot open up a stack"));
        }
        Ok(Self {
            stack_top: stack.wrapping_add(STACK_BYTES),
            tid: AtomicU32::new(0),
        })
    }

    /// Starts a thread here. One `clone`.
    ///
    /// # Safety
    /// `work` must stay alive until `wait_until_gone` has returned for this berth, and must keep to the limits that
    /// `LightWork` states.
    pub unsafe fn start<W: LightWork>(
        &self,
        tally: &Tally,
        work: &W,
    ) -> Result<i32, WorkloadError> {
        let flags = libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD
            | libc::CLONE_SYSVSEM
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_CLEARTID;
        let word = self.tid.as_ptr().cast::<libc::pid_t>();
        let argument = ptr::from_ref(work).cast_mut().cast::<c_void>();
        tally.add(Call::Clone, 1);
        // SAFETY: the stack is mapped and free, because the previous thread here is gone; `begin::<W>` gets back exactly
        // the `&W` passed, which the caller keeps alive; `word` lives in self, which outlives the thread likewise. The
        // new thread shares this one's thread pointer, which is sound within the limits of `LightWork`.
        let tid = unsafe {
            libc::clone(
                begin::<W>,
                self.stack_top.cast(),
                flags,
                argument,
                word,
                ptr::null_mut::<c_void>(),
                word,
            )
        };
        if tid < 0 {
            return Err(WorkloadError::last("cannot start a light thread"));
        }
        Ok(tid)
    }

    /// Waits until the thread has left its stack and then the list of threads, so that its exit is wholly past.
    pub fn wait_until_gone(&self, tally: &Tally, pid: i32, tid: i32) {
        loop {
            match self.tid.load(Ordering::Acquire) {
                0 => break,
                alive => {
                    let _ = tally.futex_wait_shared(&self.tid, alive);
                }
            }
        }
        while tally.thread_exists(pid, tid) {
            let _ = tally.sleep(GONE_NS);
        }
    }
}

/// What the C library's `clone` calls on the new stack; it ends the thread with `exit` when this returns.
extern "C" fn begin<W: LightWork>(argument: *mut c_void) -> c_int {
    // SAFETY: `start` passed a `&W` that its caller keeps alive until this thread is gone.
    let work = unsafe { &*argument.cast::<W>() };
    work.run();
    0
}
