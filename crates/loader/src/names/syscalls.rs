//! Names of system calls, per architecture and calling convention.

use abi::syscall::{Abi, INVALID_NUMBER, SyscallKey};

#[cfg(target_arch = "aarch64")]
use syscalls::{aarch64 as native, arm as compat};
#[cfg(target_arch = "x86_64")]
use syscalls::{x86 as compat, x86_64 as native};

/// The first of the numbers that only x32 has (`x32_rt_sigaction`), and what they are called without their prefix.
const FIRST_X32_NUMBER: u32 = 512;
const X32_NAMES: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// The call's name; `syscall_<number>` for one that is newer than this kdelay, `invalid` for none.
pub fn name(key: SyscallKey) -> String {
    let number = key.number();
    if number == INVALID_NUMBER {
        return "invalid".to_owned();
    }
    let known = match key.abi() {
        Abi::Native => native_name(number),
        Abi::Compat => compat::Sysno::new(number as usize).map(|call| call.name()),
        Abi::X32 => match number.checked_sub(FIRST_X32_NUMBER) {
            Some(index) => X32_NAMES.get(index as usize).copied(),
            None => native_name(number),
        },
    };
    known.map_or_else(|| format!("syscall_{number}"), str::to_owned)
}

fn native_name(number: u32) -> Option<&'static str> {
    match native::Sysno::new(number as usize)?.name() {
        // Of arm64; as the kernel, strace and other processors have it.
        "fstatat" => Some("newfstatat"),
        name => Some(name),
    }
}

/// The convention's name in reports.
pub fn abi_name(abi: Abi) -> &'static str {
    match abi {
        Abi::Native => "native",
        Abi::Compat if cfg!(target_arch = "x86_64") => "ia32",
        Abi::Compat => "arm32",
        Abi::X32 => "x32",
    }
}

/// Calls that wait for something to happen.
pub const POLL_NAMES: [&str; 7] = [
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
];
/// And those that only 32-bit tables have.
pub const POLL_NAMES_OF_32_BIT: [&str; 3] = ["_newselect", "ppoll_time64", "pselect6_time64"];

pub fn is_poll(key: SyscallKey) -> bool {
    let name = name(key);
    POLL_NAMES.contains(&name.as_str()) || POLL_NAMES_OF_32_BIT.contains(&name.as_str())
}

/// What user probes put into a program as system calls of the kernel's own making: at a function's start where that is a `nop` of five
/// bytes (Linux 6.18), and at its return (6.11). Whoever else makes them is refused.
#[cfg(target_arch = "x86_64")]
const OF_PROBES: [native::Sysno; 2] = [native::Sysno::uprobe, native::Sysno::uretprobe];
#[cfg(target_arch = "aarch64")]
const OF_PROBES: [native::Sysno; 0] = [];

/// Whether the call is a tracer's, and none of the program that makes it.
pub fn is_of_probe(key: SyscallKey) -> bool {
    key.abi() == Abi::Native && OF_PROBES.iter().any(|&call| call as u32 == key.number())
}

#[cfg(test)]
mod tests {
    use super::{is_of_probe, name};
    use abi::syscall::SyscallKey;

    #[cfg(target_arch = "x86_64")]
    const NAMES: [(u64, bool, &str); 8] = [
        (0, false, "read"),
        (202, false, "futex"),
        (64, true, "getppid"),
        (0x4000_0000, false, "read"),
        (0x4000_0000 + 520, false, "execve"),
        (0x4000_0000 + 547, false, "pwritev2"),
        (1000, false, "syscall_1000"),
        (u64::MAX, false, "invalid"),
    ];
    #[cfg(target_arch = "aarch64")]
    const NAMES: [(u64, bool, &str); 6] = [
        (63, false, "read"),
        (79, false, "newfstatat"),
        (98, false, "futex"),
        (64, true, "getppid"),
        (1000, false, "syscall_1000"),
        (u64::MAX, false, "invalid"),
    ];

    #[test]
    fn only_the_native_calls_of_probes_are_a_tracer_s() {
        let of_probes: Vec<_> = (0..600)
            .map(|number| SyscallKey::new(number, false))
            .filter(|&key| is_of_probe(key))
            .map(name)
            .collect();
        let expected: &[&str] = if cfg!(target_arch = "x86_64") {
            &["uretprobe", "uprobe"]
        } else {
            &[]
        };
        assert_eq!(of_probes, expected);
        // The same numbers of ia32 are calls that programs make.
        assert!(!is_of_probe(SyscallKey::new(335, true)));
    }

    #[test]
    fn each_convention_has_its_own_numbers() {
        for (raw, compat, expected) in NAMES {
            assert_eq!(
                name(SyscallKey::new(raw, compat)),
                expected,
                "{raw:#x} {compat}"
            );
        }
    }
}
