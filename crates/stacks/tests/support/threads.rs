//! Stopping a thread for as long as it takes to copy its registers and its stack.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use stacks::Registers;

/// As a tracer would have taken them.
pub struct Stopped {
    pub registers: Registers,
    pub base: u64,
    pub bytes: Vec<u8>,
}

impl Stopped {
    pub fn take(pid: u32, thread: u32) -> Self {
        let call = |request, address: usize, data: usize| {
            // SAFETY: what the requests used here read and write is a structure that lives during the call.
            let result = unsafe { libc::ptrace(request, thread as i32, address, data) };
            assert!(result >= 0, "{}", std::io::Error::last_os_error());
        };
        call(libc::PTRACE_ATTACH, 0, 0);
        let mut status = 0;
        // SAFETY: the status is an integer that lives during the call.
        let waited = unsafe { libc::waitpid(thread as i32, &raw mut status, libc::__WALL) };
        assert_eq!(waited, thread as i32);
        // SAFETY: a structure of integers, for which zero is valid.
        let mut values: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let mut part = libc::iovec {
            iov_base: (&raw mut values).cast(),
            iov_len: size_of::<libc::user_regs_struct>(),
        };
        const NT_PRSTATUS: usize = 1;
        call(
            libc::PTRACE_GETREGSET,
            NT_PRSTATUS,
            (&raw mut part) as usize,
        );
        let (registers, sp) = registers(&values);
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let mut bytes = Vec::new();
        let mut page = [0; 4096];
        while bytes.len() < 1 << 20 {
            let at = sp + bytes.len() as u64;
            let wanted = 4096 - (at % 4096) as usize;
            match memory.read_at(&mut page[..wanted], at) {
                Ok(count) if count > 0 => bytes.extend_from_slice(&page[..count]),
                _ => break,
            }
        }
        call(libc::PTRACE_DETACH, 0, 0);
        Self {
            registers,
            base: sp,
            bytes,
        }
    }
}

/// With the stack pointer.
#[cfg(target_arch = "x86_64")]
fn registers(values: &libc::user_regs_struct) -> (Registers, u64) {
    let registers = Registers::x86_64(values.rip, values.rsp, values.rbp);
    (registers, values.rsp)
}

#[cfg(target_arch = "aarch64")]
fn registers(values: &libc::user_regs_struct) -> (Registers, u64) {
    let (fp, lr) = (values.regs[29], values.regs[30]);
    (Registers::aarch64(values.pc, values.sp, fp, lr), values.sp)
}

/// Until it waits in a system call that does not end by itself.
pub fn wait_until_blocked(pid: u32, thread: u32) {
    let begin = Instant::now();
    let read = || {
        let path = format!("/proc/{pid}/task/{thread}");
        let call = std::fs::read_to_string(format!("{path}/syscall")).unwrap();
        let status = std::fs::read_to_string(format!("{path}/schedstat")).unwrap();
        (call, status)
    };
    let mut last = read();
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = read();
        if now == last && !now.0.starts_with("running") {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{now:?}");
        last = now;
    }
}
