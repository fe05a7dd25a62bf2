//! Where this kernel keeps what the programs read.

use abi::calls::{NEVER_REPLACED, NO_PAIR};
use abi::config::{CALL_WORDS, Config, Events, NO_OFFSET, Offsets};
use abi::event::ARGUMENTS;
use abi::thread::record::ENDED_BYTES;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::btf::Btf;

/// The number of `sched_switch`'s arguments since it hands over the previous task's state (Linux 5.18, 9c2136be0878).
const SWITCH_ARGUMENTS_WITH_STATE: usize = 4;

const IS_X86: bool = cfg!(target_arch = "x86_64");

/// In the order of a call's arguments. arm64 keeps them in an array, and the first one, which the result replaces, apart.
const ARGUMENT_REGISTERS: [&str; ARGUMENTS] = if IS_X86 {
    ["di", "si", "dx", "r10", "r8", "r9"]
} else {
    ["orig_x0", "regs", "regs", "regs", "regs", "regs"]
};
const COMPAT_ARGUMENT_REGISTERS: [&str; ARGUMENTS] = if IS_X86 {
    ["bx", "cx", "dx", "si", "di", "bp"]
} else {
    ARGUMENT_REGISTERS
};

fn registers(btf: &Btf, names: [&str; ARGUMENTS]) -> [u32; ARGUMENTS] {
    let mut index = 0;
    names.map(|name| {
        let offset = register(btf, name, index);
        index += 1;
        offset
    })
}

/// Of arm64's array, the one with this index.
fn register(btf: &Btf, name: &str, index: u32) -> u32 {
    let within = if name == "regs" { 8 * index } else { 0 };
    let offset = btf.member_offset("pt_regs", name);
    offset.map_or(NO_OFFSET, |offset| offset + within)
}

/// The flags of threads of a process that never leave the kernel.
fn kernel_only_flags(btf: &Btf) -> u32 {
    let has_user_workers = btf
        .member_offset("kernel_clone_args", "user_worker")
        .is_some();
    Config::IO_WORKER
        | if has_user_workers {
            Config::USER_WORKER
        } else {
            0
        }
}

/// What could not be found, and what that switches off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingOffset {
    pub member: &'static str,
    pub consequence: &'static str,
}

/// The configuration for this kernel, without targets; and what is missing but can be done without.
pub fn configure(btf: &Btf) -> Result<(Config, Vec<MissingOffset>)> {
    let required = |path: &'static str| {
        btf.member_offset("task_struct", path).ok_or_else(|| {
            Error::new(
                ErrorKind::KernelUnsupported,
                format!("this kernel's BTF has no task_struct.{path}"),
            )
            .hint(
                "without it no thread can be told from another: please report the kernel's version",
            )
        })
    };
    let mut missing = Vec::new();
    let mut optional = |offset: Option<u32>, member, consequence| {
        offset.unwrap_or_else(|| {
            missing.push(MissingOffset {
                member,
                consequence,
            });
            NO_OFFSET
        })
    };
    let (compat_bits, compat_path) = if cfg!(target_arch = "x86_64") {
        (Config::X86_TS_COMPAT, "thread_info.status")
    } else {
        (Config::ARM64_TIF_32BIT, "thread_info.flags")
    };
    let syscall_member = if cfg!(target_arch = "x86_64") {
        "orig_ax"
    } else {
        "syscallno"
    };
    let task_compat = optional(
        btf.member_offset("task_struct", compat_path),
        "task_struct.thread_info",
        "32-bit system calls are reported as 64-bit ones",
    );
    let both = |first, second| {
        let first = btf.member_offset("task_struct", first);
        let second = btf.member_offset("task_struct", second);
        first.zip(second).unwrap_or((NO_OFFSET, NO_OFFSET))
    };
    let (task_min_flt, task_maj_flt) = both("min_flt", "maj_flt");
    let (task_utime, task_stime) = both("utime", "stime");
    let frozen = btf.member_bits("task_struct", "frozen");
    let task = |path| btf.member_offset("task_struct", path).unwrap_or(NO_OFFSET);
    let offsets = Offsets {
        task_pid: required("pid")?,
        task_tgid: required("tgid")?,
        // Renamed in 5.14 (2f064a59a11f).
        task_state: required("__state").or_else(|_| required("state"))?,
        task_on_cpu: optional(
            btf.member_offset("task_struct", "on_cpu"),
            "task_struct.on_cpu",
            "a single-CPU kernel: nothing is lost",
        ),
        task_on_rq: required("on_rq")?,
        task_delayed: task("se.sched_delayed"),
        task_start_time: required("start_time")?,
        task_comm: required("comm")?,
        task_compat,
        regs_syscall: optional(
            btf.member_offset("pt_regs", syscall_member),
            "pt_regs' system call number",
            "calls that began before the window have no name",
        ),
        irqaction_name: optional(
            btf.member_offset("irqaction", "name"),
            "irqaction.name",
            "hard interrupts have no name",
        ),
        arguments: registers(btf, ARGUMENT_REGISTERS),
        compat_arguments: registers(btf, COMPAT_ARGUMENT_REGISTERS),
        regs_pc: register(btf, if IS_X86 { "ip" } else { "pc" }, 0),
        regs_sp: register(btf, "sp", 0),
        regs_fp: register(btf, if IS_X86 { "bp" } else { "regs" }, 29),
        regs_lr: if IS_X86 {
            NO_OFFSET
        } else {
            register(btf, "regs", 30)
        },
        regs_flags: if IS_X86 {
            register(btf, "flags", 0)
        } else {
            NO_OFFSET
        },
        regs_g: if IS_X86 {
            register(btf, "r14", 0)
        } else {
            register(btf, "regs", 28)
        },
        task_mm: task("mm"),
        // In `thread_info` since 5.16 (bcf9033e5449).
        task_cpu: optional(
            btf.member_offset("task_struct", "thread_info.cpu")
                .or_else(|| btf.member_offset("task_struct", "cpu")),
            "task_struct.cpu",
            "waits for a CPU after a wakeup are attributed to nobody",
        ),
        task_min_flt,
        task_maj_flt,
        task_utime,
        task_stime,
        task_flags: task("flags"),
        task_frozen: frozen.map_or(NO_OFFSET, |bits| bits / 8),
        task_ptrace: task("ptrace"),
        task_seccomp: task("seccomp.mode"),
        regs_result: if IS_X86 {
            register(btf, "ax", 0)
        } else {
            register(btf, "regs", 0)
        },
        task_signal: task("signal"),
        signal_flags: btf
            .member_offset("signal_struct", "flags")
            .unwrap_or(NO_OFFSET),
        signal_live: btf
            .member_offset("signal_struct", "live")
            .unwrap_or(NO_OFFSET),
        // For a pid namespace of one's own only.
        task_thread_pid: NO_OFFSET,
        task_group_leader: NO_OFFSET,
        pid_level: NO_OFFSET,
        pid_numbers: NO_OFFSET,
        reserved: NO_OFFSET,
    };
    let config = Config {
        target_tgid: 0,
        has_prev_state: u32::from(
            btf.tracepoint_arguments("sched_switch")
                .is_some_and(|arguments| arguments >= SWITCH_ARGUMENTS_WITH_STATE),
        ),
        compat_bits: if task_compat == NO_OFFSET {
            0
        } else {
            compat_bits
        },
        start_in_any_task: 0,
        stop_in_any_task: 0,
        off_cpu: 0,
        pid_level: 0,
        pid_namespace: 0,
        recorder: Config::NEVER,
        recorder_shift: 0,
        recorder_mask: 0,
        crowd_bytes: 2 * ENDED_BYTES,
        pair: NO_PAIR,
        stack_shift: 0,
        replaced: NEVER_REPLACED,
        function_bytes: 0,
        kernel_only_flags: kernel_only_flags(btf),
        frozen_mask: frozen.map_or(0, |bits| 1 << (bits % 8)),
        polls: [0; CALL_WORDS],
        events: Events::NONE,
        has_task_registers: u32::from(btf.has_enumerator("bpf_func_id", "BPF_FUNC_task_pt_regs")),
        offsets,
    };
    Ok((config, missing))
}
