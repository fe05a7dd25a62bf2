//! Every number that a system call can have, in each calling convention that the machine has.
//!
//! All arguments are -1: no address, no descriptor and no flag that any call takes. Left out are the calls that do something
//! all the same: they end, stop or fork the thread, wait for ever, make an object that stays, or change what others see.

use crate::error::WorkloadError;
use crate::tally::{Tally, exit_process};

/// Numbers above this are no system calls on any architecture.
const LAST_NUMBER: u32 = 1023;

/// getppid in the i386 table. On x86_64 the same number is semget.
pub const I386_GETPPID: u32 = 64;

#[cfg(target_arch = "x86_64")]
const X32_BIT: u32 = 0x4000_0000;

/// Of the x32 convention only numbers that no kernel has: those that it has are a kernel's choice to answer.
#[cfg(target_arch = "x86_64")]
const FIRST_X32_NUMBER_OF_NONE: u32 = 600;

/// shmget, pause, alarm, fork, vfork, exit, kill, msgget, setsid, umask, vhangup, sync, reboot, rt_sigreturn,
/// set_tid_address, restart_syscall, exit_group, inotify_init, eventfd, uretprobe, uprobe.
#[cfg(target_arch = "x86_64")]
const LEFT_OUT: &[u32] = &[
    15, 29, 34, 37, 57, 58, 60, 62, 68, 95, 112, 153, 162, 169, 218, 219, 231, 253, 284, 335, 336,
];

/// Of i386: restart_syscall, exit, fork, alarm, pause, nice, sync, kill, umask, setsid, ssetmask, sigsuspend, reboot, vhangup,
/// sigreturn, rt_sigreturn, vfork, exit_group, set_tid_address, inotify_init, eventfd, shmget, msgget.
#[cfg(target_arch = "x86_64")]
const LEFT_OUT_OF_COMPAT: &[u32] = &[
    0, 1, 2, 27, 29, 34, 36, 37, 60, 66, 69, 72, 88, 111, 119, 173, 190, 252, 258, 291, 323, 395,
    399,
];

/// vhangup, sync, exit, exit_group, set_tid_address, restart_syscall, kill, rt_sigreturn, reboot, setsid, umask, msgget, shmget.
#[cfg(not(target_arch = "x86_64"))]
const LEFT_OUT: &[u32] = &[58, 81, 93, 94, 96, 128, 129, 139, 142, 157, 166, 186, 194];

/// Of the machine's own convention.
pub fn native() -> Vec<u32> {
    numbers(0, LEFT_OUT)
}

/// Of the 32-bit entry of a 64-bit kernel.
pub fn compat() -> Vec<u32> {
    #[cfg(target_arch = "x86_64")]
    return numbers(0, LEFT_OUT_OF_COMPAT);
    #[cfg(not(target_arch = "x86_64"))]
    return Vec::new();
}

/// Of x32, without the bit that marks them.
pub fn x32() -> Vec<u32> {
    #[cfg(target_arch = "x86_64")]
    return numbers(FIRST_X32_NUMBER_OF_NONE, &[]);
    #[cfg(not(target_arch = "x86_64"))]
    return Vec::new();
}

fn numbers(first: u32, left_out: &[u32]) -> Vec<u32> {
    (first..=LAST_NUMBER)
        .filter(|number| !left_out.contains(number))
        .collect()
}

/// A number of [`native`].
pub fn call_native(number: u32) {
    // SAFETY: see above.
    let _ = unsafe {
        libc::syscall(
            number.into(),
            -1_isize,
            -1_isize,
            -1_isize,
            -1_isize,
            -1_isize,
            -1_isize,
        )
    };
}

/// A number of [`x32`].
pub fn call_x32(number: u32) {
    #[cfg(target_arch = "x86_64")]
    call_native(X32_BIT | number);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}

/// A number of [`compat`], or [`I386_GETPPID`]. Returns what the call returns.
#[cfg(target_arch = "x86_64")]
pub fn call_compat(number: u32) -> i32 {
    let result: i32;
    // SAFETY: see above; getppid takes no arguments. The entry may change r8 to r11 besides the result. `rbx`, which the
    // compiler keeps for itself, is put back.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx",
            "int 0x80",
            "xchg {first}, rbx",
            first = inout(reg) -1_i64 => _,
            inlateout("eax") number => result,
            in("rcx") -1_i64,
            in("rdx") -1_i64,
            in("rsi") -1_i64,
            in("rdi") -1_i64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
pub fn call_compat(_: u32) -> i32 {
    -1
}

/// Why there is no 32-bit entry here. A kernel without it answers with a signal, so a child process tries first: it is the
/// caller's only thread that may ask.
pub fn reason_against_compat() -> Result<Option<String>, WorkloadError> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Some("only x86_64 has a 32-bit entry".into()));
    }
    let off_record = Tally::new();
    // SAFETY: set-up; this process still has a single thread.
    match unsafe { off_record.fork() } {
        Ok(0) => exit_process(i32::from(call_compat(I386_GETPPID) <= 0)),
        Ok(_) => {}
        Err(error) => return Err(WorkloadError::system("cannot fork", error)),
    }
    let (_, status) = off_record
        .wait_for_child()
        .map_err(|error| WorkloadError::system("cannot wait for a child", error))?;
    Ok((status != 0).then(|| "this kernel has no 32-bit entry (int 0x80)".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_do_something_is_left_out() {
        for number in [
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_kill,
            libc::SYS_reboot,
            libc::SYS_rt_sigreturn,
            libc::SYS_sync,
        ] {
            assert!(!native().contains(&(number as u32)), "{number}");
        }
        assert!(native().contains(&(libc::SYS_getppid as u32)) && native().contains(&LAST_NUMBER));
    }
}
