//! From a recorded system call to what a sample says of it, its stacks apart.

use abi::event::SyscallEvent as Recorded;

use crate::names::errors::errno_name;
use crate::names::syscalls;
use crate::names::text::name_of;
use crate::sample::SyscallEvent;

pub fn syscall_event(call: &Recorded) -> SyscallEvent {
    let name = syscalls::name(call.key);
    SyscallEvent {
        entry_ns: call.exit_ns.saturating_sub(call.duration_ns),
        exit_ns: call.exit_ns,
        duration_ns: call.duration_ns as i64,
        pid: call.tgid,
        tid: call.tid,
        comm: name_of(&call.comm),
        number: call.key.number(),
        abi: syscalls::abi_name(call.key.abi()).to_owned(),
        arguments: (!replaces_registers(&name, call.result)).then(|| {
            let arguments = call.arguments.iter();
            arguments.map(|value| format!("{value:#x}")).collect()
        }),
        name,
        result: call.result.to_string(),
        errno: errno_name(call.result).map(str::to_owned),
        ..SyscallEvent::default()
    }
}

/// Whether the process executes another program from here on.
pub fn starts_program(call: &Recorded) -> bool {
    call.result == 0 && matches!(&syscalls::name(call.key)[..], "execve" | "execveat")
}

/// Whether the registers no longer hold the call's arguments.
fn replaces_registers(name: &str, result: i64) -> bool {
    match name {
        "rt_sigreturn" | "sigreturn" => true,
        "execve" | "execveat" => result == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use abi::event::SyscallEvent as Recorded;
    use abi::syscall::SyscallKey;

    use super::syscall_event;

    fn recorded(number: i64, result: i64) -> Recorded {
        Recorded {
            exit_ns: 1_000,
            duration_ns: 300,
            result,
            arguments: [1, 2, u64::MAX, 0, 0, 0],
            key: SyscallKey::new(number as u64, false),
            tid: 8,
            tgid: 7,
            window: 1,
            comm: *b"worker\0\0\0\0\0\0\0\0\0\0",
        }
    }

    #[test]
    fn times_arguments_and_result_are_described_as_they_were() {
        let event = syscall_event(&recorded(libc::SYS_read, 5));
        assert_eq!((event.entry_ns, event.exit_ns), (700, 1000));
        assert_eq!(
            (event.name.as_str(), event.comm.as_str()),
            ("read", "worker")
        );
        assert_eq!((event.result.as_str(), event.errno), ("5", None));
        let arguments = event.arguments.unwrap();
        assert_eq!(arguments[..3], ["0x1", "0x2", "0xffffffffffffffff"]);
    }

    #[test]
    fn a_new_program_s_registers_are_no_arguments() {
        assert!(
            syscall_event(&recorded(libc::SYS_execve, 0))
                .arguments
                .is_none()
        );
        assert!(
            syscall_event(&recorded(libc::SYS_execve, -2))
                .arguments
                .is_some()
        );
        assert!(
            syscall_event(&recorded(libc::SYS_rt_sigreturn, -4))
                .arguments
                .is_none()
        );
    }
}
