//! The second signal that asks for the end ends this process at once, whatever its threads are busy with.
//!
//! Node.js tells of a signal when its event loop comes to it, and to exit it waits for its thread pool: neither may ever be. So this
//! stands in front of its handler, which still hears of the first. The report's file is left whole (`kept_file`).

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::kernel::kept_file;

/// Ctrl-C and SIGTERM are one and the other.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// One has come.
static HAS_COME: AtomicBool = AtomicBool::new(false);
/// The second has.
static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// Of each signal, the handler that was there before: 0, none.
static BEFORE: [AtomicUsize; SIGNALS.len()] = [const { AtomicUsize::new(0) }; SIGNALS.len()];

/// From now on, and as long as nobody sets other handlers. `has_come`: the first has. A signal without a handler, or whose handler
/// wants to know more than its number, is left alone.
pub fn exit_at_second(has_come: bool) -> io::Result<()> {
    HAS_COME.store(has_come, Ordering::Release);
    for (signal, before) in SIGNALS.into_iter().zip(&BEFORE) {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: without a new action, the call fills in the present one.
        if unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has succeeded, and has filled it in.
        let mut action = unsafe { action.assume_init() };
        let handler = action.sa_sigaction;
        let own = exit_or_pass_on as extern "C" fn(libc::c_int) as usize;
        let is_none = [libc::SIG_DFL, libc::SIG_IGN, own].contains(&handler);
        if is_none || action.sa_flags & libc::SA_SIGINFO != 0 {
            continue;
        }
        before.store(handler, Ordering::Release);
        action.sa_sigaction = own;
        // SAFETY: the action is the one that was there, but for the handler, which does nothing that a handler must not: it reads and
        // sets atomics, leaves the process after system calls that handlers may make, or calls the handler that was there.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn exit_or_pass_on(signal: libc::c_int) {
    if HAS_COME.swap(true, Ordering::AcqRel) {
        if IS_ENDING.swap(true, Ordering::AcqRel) {
            // Another thread has the second one, and is about to end the process.
            return;
        }
        kept_file::finish();
        // 128 and the signal's number, as shells have it.
        // SAFETY: it may be called in a handler, and comes back to nobody.
        unsafe { libc::_exit(128 + signal) };
    }
    let index = SIGNALS.iter().position(|&one| one == signal);
    let before = index.and_then(|index| BEFORE.get(index));
    let before = before.map_or(0, |before| before.load(Ordering::Acquire));
    if before != 0 {
        // SAFETY: it was this signal's handler without SA_SIGINFO, hence a function of its number, and handlers stay where they are.
        let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(before) };
        handler(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::exit_at_second;
    use crate::kernel::kept_file::tests::{ONE_AT_A_TIME, content, temporary};
    use crate::kernel::kept_file::{keep, keep_none};

    static HEARD: AtomicU32 = AtomicU32::new(0);

    extern "C" fn hear(_: libc::c_int) {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }

    /// In a process of its own: it is to end.
    fn child(signals: &[libc::c_int], has_come: bool) -> (i32, u32) {
        HEARD.store(0, Ordering::Relaxed);
        let mut pipe = [0; 2];
        // SAFETY: room for two numbers.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        // SAFETY: what the child does is allowed after a fork: it sets handlers, raises signals, and writes bytes.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            // SAFETY: plain system calls; the handler is as above.
            unsafe {
                for signal in [libc::SIGINT, libc::SIGTERM] {
                    libc::signal(signal, hear as extern "C" fn(libc::c_int) as usize);
                }
                let _ = exit_at_second(has_come);
                for &signal in signals {
                    libc::raise(signal);
                    let heard = HEARD.load(Ordering::Relaxed) as u8;
                    libc::write(pipe[1], (&raw const heard).cast(), 1);
                }
                libc::_exit(7);
            }
        }
        let (mut status, mut heard) = (0, [0u8; 8]);
        // SAFETY: a child of ours, a pipe of ours, and room for what is read.
        let count = unsafe {
            libc::close(pipe[1]);
            libc::waitpid(pid, &raw mut status, 0);
            let count = libc::read(pipe[0], heard.as_mut_ptr().cast(), heard.len());
            libc::close(pipe[0]);
            count
        };
        let last = usize::try_from(count).unwrap().checked_sub(1);
        (
            libc::WEXITSTATUS(status),
            last.map_or(0, |last| heard[last].into()),
        )
    }

    #[test]
    fn the_first_is_heard_and_the_second_ends_the_process() {
        // Its children have what is kept by then.
        let _one = ONE_AT_A_TIME.lock().unwrap();
        let (int, term) = (libc::SIGINT, libc::SIGTERM);
        assert_eq!(child(&[int], false), (7, 1));
        assert_eq!(child(&[int, int], false), (130, 1));
        assert_eq!(child(&[int, term, int], false), (143, 1));
        assert_eq!(child(&[term], true), (143, 0));
    }

    #[test]
    fn the_second_leaves_the_file_whole_and_the_first_leaves_it_alone() {
        let _one = ONE_AT_A_TIME.lock().unwrap();
        let left_by = |signals: &[libc::c_int]| {
            let mut file = temporary();
            file.write_all(b"{[1,2,").unwrap();
            keep(file.as_raw_fd(), 3, b"]}".into()).unwrap();
            // It has that file, too: the memory of its parent is copied.
            let (code, _) = child(signals, false);
            keep_none();
            (code, content(&file))
        };
        let (int, term) = (libc::SIGINT, libc::SIGTERM);
        assert_eq!(left_by(&[int]), (7, "{[1,2,".to_owned()));
        assert_eq!(left_by(&[int, term]), (143, "{[1]}".to_owned()));
    }
}
