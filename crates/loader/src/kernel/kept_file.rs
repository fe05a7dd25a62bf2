//! A file that stays whole however suddenly this process ends: it is cut behind what was finished of it, and gets an end.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use rustix::fs::{MemfdFlags, memfd_create};

struct KeptFile {
    /// By this one it is written.
    writer: RawFd,
    own: OwnedFd,
    /// In memory: it takes what nobody is to see. `/dev/null` may not be there, and would be a file that is opened for writing.
    nowhere: OwnedFd,
    length: libc::off_t,
    end: Vec<u8>,
}

/// Null: none. Whoever swaps one out is the only one who has it, and so may free it.
static KEPT: AtomicPtr<KeptFile> = AtomicPtr::new(ptr::null_mut());

/// From now on, `finish` leaves of the regular file that is written by this descriptor that many bytes, and this behind them. Of any
/// other file it leaves what there is.
pub fn keep(writer: RawFd, length: i64, end: Vec<u8>) -> io::Result<()> {
    let nowhere = memfd_create("kdelay", MemfdFlags::CLOEXEC)?;
    // SAFETY: of a number that is no descriptor, which the caller may give, the call only says so.
    let own = unsafe { libc::fcntl(writer, libc::F_DUPFD_CLOEXEC, 0) };
    if own < 0 {
        return Err(io::Error::last_os_error());
    }
    let kept = KeptFile {
        writer,
        // SAFETY: the call has made it, and nobody else knows of it.
        own: unsafe { OwnedFd::from_raw_fd(own) },
        nowhere,
        length,
        end,
    };
    replace(Box::into_raw(Box::new(kept)));
    Ok(())
}

/// `finish` does nothing any more.
pub fn keep_none() {
    replace(ptr::null_mut());
}

fn replace(kept: *mut KeptFile) {
    let old = KEPT.swap(kept, Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: it was made by `Box::into_raw` in `keep`, and whoever swaps it out is the only one who has it: a signal's handler, too,
        // gets at it by a swap alone.
        drop(unsafe { Box::from_raw(old) });
    }
}

/// How often it is done anew where a write came in between. One that has begun is waited for, so that none but one that was just about
/// to begin can.
const ATTEMPTS: usize = 8;

/// For a signal's handler, after which the process ends: it takes no lock, and neither makes nor frees memory.
pub fn finish() {
    let kept = KEPT.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: it was made by `Box::into_raw` in `keep`, and swapped out: nobody else has it, and nobody frees it.
    let Some(kept) = (unsafe { kept.as_ref() }) else {
        return;
    };
    let own = kept.own.as_raw_fd();
    // SAFETY: plain system calls with descriptors that `kept` holds. The writer's may have been closed, and be another's by now, who
    // then writes to nowhere: the process is about to end.
    unsafe {
        // What other threads have not begun to write does not get into the file any more.
        libc::dup2(kept.nowhere.as_raw_fd(), kept.writer);
        // A write that is under way has the right to move the file's position until it is over: so this waits for it.
        libc::lseek(own, 0, libc::SEEK_CUR);
    }
    for _ in 0..ATTEMPTS {
        if write_end(own, kept.length, &kept.end) {
            break;
        }
    }
}

/// False: it has become longer meanwhile.
fn write_end(file: RawFd, length: libc::off_t, end: &[u8]) -> bool {
    // SAFETY: a plain system call. A file that cannot be cut stays as it is.
    if unsafe { libc::ftruncate(file, length) } != 0 {
        return true;
    }
    let mut at = length;
    let mut rest = end;
    while !rest.is_empty() {
        // SAFETY: the memory is that of `rest`.
        let count = unsafe { libc::pwrite(file, rest.as_ptr().cast(), rest.len(), at) };
        // A disk that is full, or broken.
        let Some(written) = usize::try_from(count).ok().filter(|&count| count > 0) else {
            return true;
        };
        at += written as libc::off_t;
        rest = rest.get(written..).unwrap_or_default();
    }
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: room for what the call fills in; read only if it has.
    let size = unsafe {
        if libc::fstat(file, status.as_mut_ptr()) != 0 {
            return true;
        }
        status.assume_init().st_size
    };
    size == at
}

#[cfg(test)]
#[path = "kept_file_tests.rs"]
pub mod tests;
