//! The kernel's structures, read at the offsets that the loader found in BTF.

use core::arch::asm;
use core::hint::assert_unchecked;
use core::marker::PhantomData;

use abi::COMM_BYTES;
use abi::config::{Config, NO_OFFSET};
use abi::placeholder;
use abi::stack::{KERNEL_FRAME_BYTES, KERNEL_FRAMES, UserRegisters};
use abi::syscall::SyscallKey;
use abi::thread::record::CpuTimes;
use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_task, bpf_probe_read_kernel,
    bpf_probe_read_kernel_buf, bpf_probe_read_kernel_str_bytes,
    generated::{bpf_get_current_task_btf, bpf_get_task_stack, bpf_task_pt_regs},
};

use crate::maps::{config, config_place};
use crate::targets::is_target;

const COMM_WORDS: usize = COMM_BYTES / 8;

/// How a program may read kernel memory.
pub trait Access: Copy {
    /// The running task.
    fn current() -> Task<Self>;
    /// The running task, if its process is monitored.
    fn current_target() -> Option<Task<Self>>;
    fn read_u32(from: *const u8, offset: u32) -> u32;
    fn read_u64(from: *const u8, offset: u32) -> u64;
    /// The member of a kernel structure whose offset is in that place of the configuration.
    fn member_u8<const PLACE: usize>(structure: *const u8) -> u8;
    fn member_u32<const PLACE: usize>(structure: *const u8) -> u32;
    fn member_u64<const PLACE: usize>(structure: *const u8) -> u64;
    /// The task's registers as it entered the kernel; null where this kernel does not say.
    fn registers(task: *const u8) -> *const u8;
    /// Whether the stack of a task that is not on a CPU can be had.
    const HAS_TASK_STACKS: bool;
    /// Puts the kernel frames of a task that is not on a CPU there; returns how many bytes of them, or an error.
    fn task_stack(task: *const u8, to: &mut [u64; KERNEL_FRAMES]) -> i64;
}

/// `tp_btf`: its arguments are typed and trusted, so members are loaded like any memory; a fault reads as 0.
#[derive(Clone, Copy)]
pub struct Direct;

/// `raw_tp`: its arguments are numbers; each member costs a helper call.
#[derive(Clone, Copy)]
pub struct Probed;

/// One instruction: the loader puts the member's offset into it.
macro_rules! load_member {
    ($width:literal, $type:ty, $structure:expr, $place:expr) => {{
        let bits: u64;
        // SAFETY: the verifier knows the pointer's type and checks that such a member lies at the offset; the kernel handles a fault.
        // Not `pure`, because the kernel changes the memory; `nomem`, because no program of ours does, so that none of their stores
        // need come first. What is loaded is no wider than the type.
        unsafe {
            asm!(
                concat!("{bits} = *(", $width, " *)({structure} - {below})"),
                bits = out(reg) bits,
                structure = in(reg) $structure,
                below = const -(placeholder::offset($place) as i32),
                options(nomem, nostack, preserves_flags),
            );
            assert_unchecked(bits <= <$type>::MAX.into());
        }
        bits as $type
    }};
}

/// A register that a kprobe or uprobe has been handed over: one load, too, from the program's context.
macro_rules! probed_register {
    ($context:expr, $offset:ident) => {
        $crate::kernel::register_in::<{ $crate::maps::config_place!(offsets.$offset) }>(
            aya_ebpf::EbpfContext::as_ptr($context).cast_const().cast(),
        )
    };
}
pub(crate) use probed_register;

#[inline(always)]
pub fn register_in<const PLACE: usize>(context: *const u8) -> u64 {
    load_member!("u64", u64, context, PLACE)
}

/// The offset itself.
#[inline(always)]
fn offset_in<const PLACE: usize>() -> u32 {
    let bits: u64;
    // SAFETY: it moves a constant into a register, of an offset's width.
    unsafe {
        asm!(
            "{bits} = {placeholder} ll",
            bits = out(reg) bits,
            placeholder = const placeholder::constant(PLACE, size_of::<u32>()),
            options(pure, nomem, nostack, preserves_flags),
        );
        assert_unchecked(bits <= u32::MAX.into());
    }
    bits as u32
}

/// `member!(A::member_u32, structure, task_pid)`.
macro_rules! member {
    ($access:ident :: $read:ident, $structure:expr, $offset:ident) => {
        $access::$read::<{ config_place!(offsets.$offset) }>($structure)
    };
}

impl Access for Direct {
    #[inline(always)]
    fn current() -> Task<Self> {
        // SAFETY: the helper has no preconditions.
        Task::new(unsafe { bpf_get_current_task_btf() }.cast_const().cast())
    }

    #[inline(always)]
    fn current_target() -> Option<Task<Self>> {
        let task = Self::current();
        is_target(task.tgid()).then_some(task)
    }

    #[inline(always)]
    fn read_u32(from: *const u8, offset: u32) -> u32 {
        // SAFETY: the verifier knows the pointer's type and checks that a u32 lies at the offset; the kernel handles
        // a fault. Volatile, because the kernel changes the memory.
        unsafe { from.add(offset as usize).cast::<u32>().read_volatile() }
    }

    #[inline(always)]
    fn read_u64(from: *const u8, offset: u32) -> u64 {
        // SAFETY: as in `read_u32`.
        unsafe { from.add(offset as usize).cast::<u64>().read_volatile() }
    }

    #[inline(always)]
    fn member_u8<const PLACE: usize>(structure: *const u8) -> u8 {
        load_member!("u8", u8, structure, PLACE)
    }

    #[inline(always)]
    fn member_u32<const PLACE: usize>(structure: *const u8) -> u32 {
        load_member!("u32", u32, structure, PLACE)
    }

    #[inline(always)]
    fn member_u64<const PLACE: usize>(structure: *const u8) -> u64 {
        load_member!("u64", u64, structure, PLACE)
    }

    const HAS_TASK_STACKS: bool = true;

    #[inline(always)]
    fn task_stack(task: *const u8, to: &mut [u64; KERNEL_FRAMES]) -> i64 {
        // SAFETY: the verifier checks that `task` is a trusted pointer to a task; the buffer is as large as it is said to be.
        unsafe {
            bpf_get_task_stack(
                task.cast_mut().cast(),
                to.as_mut_ptr().cast(),
                KERNEL_FRAME_BYTES,
                0,
            )
        }
    }

    #[inline(always)]
    fn registers(task: *const u8) -> *const u8 {
        if config!(has_task_registers) == 0 {
            return core::ptr::null();
        }
        // SAFETY: the verifier checks that `task` is a trusted pointer to a task.
        let registers = unsafe { bpf_task_pt_regs(task.cast_mut().cast()) };
        registers as *const u8
    }
}

impl Access for Probed {
    #[inline(always)]
    fn current() -> Task<Self> {
        // SAFETY: the helper has no preconditions.
        Task::new(unsafe { bpf_get_current_task() } as *const u8)
    }

    #[inline(always)]
    fn current_target() -> Option<Task<Self>> {
        // Not the task's own field: reading that would cost a helper call more, for every process on the machine.
        if !is_target((bpf_get_current_pid_tgid() >> 32) as u32) {
            return None;
        }
        Some(Self::current())
    }

    #[inline(always)]
    fn read_u32(from: *const u8, offset: u32) -> u32 {
        // SAFETY: the helper checks the address; a fault is an error, here 0.
        unsafe { bpf_probe_read_kernel(from.add(offset as usize).cast::<u32>()) }.unwrap_or(0)
    }

    #[inline(always)]
    fn read_u64(from: *const u8, offset: u32) -> u64 {
        // SAFETY: as in `read_u32`.
        unsafe { bpf_probe_read_kernel(from.add(offset as usize).cast::<u64>()) }.unwrap_or(0)
    }

    #[inline(always)]
    fn member_u8<const PLACE: usize>(structure: *const u8) -> u8 {
        // SAFETY: as in `read_u32`.
        unsafe { bpf_probe_read_kernel(structure.add(offset_in::<PLACE>() as usize)) }.unwrap_or(0)
    }

    #[inline(always)]
    fn member_u32<const PLACE: usize>(structure: *const u8) -> u32 {
        Self::read_u32(structure, offset_in::<PLACE>())
    }

    #[inline(always)]
    fn member_u64<const PLACE: usize>(structure: *const u8) -> u64 {
        Self::read_u64(structure, offset_in::<PLACE>())
    }

    #[inline(always)]
    fn registers(_: *const u8) -> *const u8 {
        core::ptr::null()
    }

    const HAS_TASK_STACKS: bool = false;

    #[inline(always)]
    fn task_stack(_: *const u8, _: &mut [u64; KERNEL_FRAMES]) -> i64 {
        -1
    }
}

/// `pid_nr_ns` of kernel/pid.c. Through the helper in either kind of program: what is null, as a thread's pid is once it
/// has been reaped, reads as 0.
#[inline(always)]
fn number_in_namespace(task: *const u8, level: u32) -> u32 {
    /// `struct upid { int nr; struct pid_namespace *ns; }`
    const UPID_BYTES: u32 = 16;
    const NAMESPACE_AT: u32 = 8;
    let pid = member!(Probed::member_u64, task, task_thread_pid) as *const u8;
    if member!(Probed::member_u32, pid, pid_level) < level {
        return 0;
    }
    let number = config!(offsets.pid_numbers) + level * UPID_BYTES;
    if Probed::read_u64(pid, number + NAMESPACE_AT) != config!(pid_namespace) {
        return 0;
    }
    Probed::read_u32(pid, number)
}

/// The name of an interrupt's handler, or, of one without a line, its own: that is a name on arm64, and on x86 a number, which cannot be
/// read. What is unreadable stays empty.
#[inline(always)]
pub fn copy_irq_name(action: u64, has_line: bool, to: &mut [u8]) {
    let action = action as *const u8;
    let offset = config!(offsets.irqaction_name);
    let name = if !has_line {
        action
    } else if offset != NO_OFFSET {
        Probed::read_u64(action, offset) as *const u8
    } else {
        core::ptr::null()
    };
    // SAFETY: the helper checks the address.
    let _ = unsafe { bpf_probe_read_kernel_str_bytes(name, to) };
}

/// A `task_struct`.
#[derive(Clone, Copy)]
pub struct Task<A: Access> {
    pointer: *const u8,
    access: PhantomData<A>,
}

impl<A: Access> Task<A> {
    #[inline(always)]
    pub fn new(pointer: *const u8) -> Self {
        Self {
            pointer,
            access: PhantomData,
        }
    }

    #[inline(always)]
    pub fn address(self) -> u64 {
        self.pointer as u64
    }

    /// The one that runs.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper has no preconditions.
        Self::new(unsafe { bpf_get_current_task() } as *const u8)
    }

    /// It has begun to end.
    #[inline(always)]
    pub fn is_exiting(self) -> bool {
        config!(offsets.task_flags) != NO_OFFSET
            && member!(A::member_u32, self.pointer, task_flags) & Config::EXITING != 0
    }

    #[inline(always)]
    pub fn is_current(self) -> bool {
        // SAFETY: the helper has no preconditions.
        self.address() == unsafe { bpf_get_current_task() }
    }

    /// The address of its `mm_struct`.
    #[inline(always)]
    pub fn memory(self) -> u64 {
        match config!(offsets.task_mm) {
            NO_OFFSET => 0,
            offset => Probed::read_u64(self.pointer, offset),
        }
    }

    /// Its user registers: the program counter, the stack pointer, the frame pointer, the link register; zeros where this
    /// kernel does not say.
    #[inline(always)]
    pub fn user_registers(self) -> UserRegisters {
        let registers = A::registers(self.pointer);
        if registers.is_null() {
            return UserRegisters::default();
        }
        macro_rules! register {
            ($offset:ident) => {
                match config!(offsets.$offset) {
                    NO_OFFSET => 0,
                    offset => Probed::read_u64(registers, offset),
                }
            };
        }
        UserRegisters {
            pc: register!(regs_pc),
            sp: register!(regs_sp),
            fp: register!(regs_fp),
            lr: register!(regs_lr),
        }
    }

    /// See [`Access::task_stack`].
    #[inline(always)]
    pub fn stack(self, to: &mut [u64; KERNEL_FRAMES]) -> i64 {
        A::task_stack(self.pointer, to)
    }

    #[inline(always)]
    pub fn pid(self) -> u32 {
        member!(A::member_u32, self.pointer, task_pid)
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        member!(A::member_u32, self.pointer, task_tgid)
    }

    /// Its tid in the pid namespace whose numbers are reported; 0: it has none there, or none any more.
    #[inline(always)]
    pub fn shown_tid(self) -> u32 {
        self.shown_tid_of(self.pid())
    }

    /// The same, where its pid is known.
    #[inline(always)]
    pub fn shown_tid_of(self, pid: u32) -> u32 {
        match config!(pid_level) {
            0 => pid,
            level => number_in_namespace(self.pointer, level),
        }
    }

    /// The same of its process.
    #[inline(always)]
    pub fn shown_tgid(self) -> u32 {
        match config!(pid_level) {
            0 => self.tgid(),
            level => {
                let leader = member!(Probed::member_u64, self.pointer, task_group_leader);
                number_in_namespace(leader as *const u8, level)
            }
        }
    }

    /// `unsigned int` since 5.14 and `long` before; on little-endian machines its low word serves for both.
    #[inline(always)]
    pub fn state(self) -> u64 {
        // Always through the helper: the field's width differs, and a direct load must have the field's own.
        u64::from(member!(Probed::member_u32, self.pointer, task_state))
    }

    /// The same, for what is done at each wakeup of the machine: where it is known to be an `unsigned int`, by one load.
    #[inline(always)]
    pub fn state_directly(self) -> u32 {
        if config!(has_prev_state) != 0 {
            member!(A::member_u32, self.pointer, task_state)
        } else {
            self.state() as u32
        }
    }

    /// 0 or 1 in an `int`, and since 7.0 in a byte; on little-endian machines the first byte serves for both.
    #[inline(always)]
    pub fn is_on_cpu(self) -> bool {
        config!(offsets.task_on_cpu) != NO_OFFSET
            && member!(A::member_u8, self.pointer, task_on_cpu) != 0
    }

    /// Whether it is in a CPU's queue, or on its way to another's: it may be switched in at any moment. 0, 1 or 2; on little-endian
    /// machines the first byte serves whatever the field's width.
    #[inline(always)]
    pub fn is_queued(self) -> bool {
        member!(A::member_u8, self.pointer, task_on_rq) != 0 && !self.is_delayed()
    }

    /// Whether it sleeps, though it is in a queue: one that has had more than its share stays there for some time, since Linux 6.12. It is
    /// not switched in before somebody wakes it.
    #[inline(always)]
    pub fn is_delayed(self) -> bool {
        config!(offsets.task_delayed) != NO_OFFSET
            && member!(A::member_u8, self.pointer, task_delayed) != 0
    }

    #[inline(always)]
    pub fn start_time_ns(self) -> u64 {
        member!(A::member_u64, self.pointer, task_start_time)
    }

    /// The CPU that it is on, or in whose queue it is.
    #[inline(always)]
    pub fn cpu(self) -> Option<u32> {
        let is_known = config!(offsets.task_cpu) != NO_OFFSET;
        is_known.then(|| member!(A::member_u32, self.pointer, task_cpu))
    }

    /// Its page faults: without and with input.
    #[inline(always)]
    pub fn faults(self) -> (u64, u64) {
        if config!(offsets.task_min_flt) == NO_OFFSET {
            return (0, 0);
        }
        (
            member!(A::member_u64, self.pointer, task_min_flt),
            member!(A::member_u64, self.pointer, task_maj_flt),
        )
    }

    /// Its user and system time.
    #[inline(always)]
    pub fn cpu_times(self) -> CpuTimes {
        if config!(offsets.task_utime) == NO_OFFSET {
            return CpuTimes::default();
        }
        CpuTimes {
            user_ns: member!(A::member_u64, self.pointer, task_utime),
            system_ns: member!(A::member_u64, self.pointer, task_stime),
        }
    }

    /// Whether it never leaves the kernel. What its registers hold is what the thread that made it has entered it with.
    #[inline(always)]
    pub fn is_kernel_only(self) -> bool {
        config!(offsets.task_flags) != NO_OFFSET
            && member!(A::member_u32, self.pointer, task_flags) & config!(kernel_only_flags) != 0
    }

    /// Whether a freezer has it: its control group's, or, before there was a state for that, the machine's or that of a group of the first kind.
    #[inline(always)]
    pub fn is_frozen(self) -> bool {
        let is_by_group = config!(frozen_mask) != 0
            && u32::from(member!(A::member_u8, self.pointer, task_frozen)) & config!(frozen_mask)
                != 0;
        let has_flag = config!(has_prev_state) == 0
            && config!(offsets.task_flags) != NO_OFFSET
            && member!(A::member_u32, self.pointer, task_flags) & Config::FROZEN != 0;
        is_by_group || has_flag
    }

    /// Whether its calls may be refused before they begin: by seccomp, or a tracer. Without either, an end without a beginning is one whose
    /// beginning the kernel has not reported.
    #[inline(always)]
    pub fn may_be_refused(self) -> bool {
        // Both are of an `int`'s width.
        let is_filtered = config!(offsets.task_seccomp) != NO_OFFSET
            && member!(Probed::member_u32, self.pointer, task_seccomp) != 0;
        is_filtered
            || config!(offsets.task_ptrace) != NO_OFFSET
                && member!(Probed::member_u32, self.pointer, task_ptrace) != 0
    }

    /// The call that it is on the way into, by its registers: the kernel has entered it, and has no result for it yet.
    #[inline(always)]
    pub fn call_not_begun(self) -> Option<SyscallKey> {
        const ENOSYS: u64 = 38;
        let key = self.syscall_in_registers().flatten()?;
        if config!(offsets.regs_result) == NO_OFFSET {
            return None;
        }
        let registers = A::registers(self.pointer);
        let result = member!(Probed::member_u64, registers, regs_result);
        // On arm64 the first argument is kept apart; on x86 it never is where the result is.
        let first = config!(offsets.arguments[0]);
        let is_unchanged = config!(offsets.regs_flags) == NO_OFFSET
            && first != NO_OFFSET
            && result == Probed::read_u64(registers, first);
        let has_none = config!(offsets.regs_flags) != NO_OFFSET && result == ENOSYS.wrapping_neg();
        (is_unchanged || has_none).then_some(key)
    }

    /// Whether its process ends with it: all threads are to exit, or this is the last one that does.
    #[inline(always)]
    pub fn process_ends(self) -> bool {
        const SIGNAL_GROUP_EXIT: u32 = 4;
        if config!(offsets.task_signal) == NO_OFFSET
            || config!(offsets.signal_flags) == NO_OFFSET
            || config!(offsets.signal_live) == NO_OFFSET
        {
            return false;
        }
        let signal = member!(Probed::member_u64, self.pointer, task_signal) as *const u8;
        // Before Linux 5.17 a process of one thread that exits does not have the flag.
        member!(Probed::member_u32, signal, signal_flags) & SIGNAL_GROUP_EXIT != 0
            || member!(Probed::member_u32, signal, signal_live) == 0
    }

    /// Whether the call it is entering uses the 32-bit convention.
    #[inline(always)]
    pub fn in_compat_syscall(self) -> bool {
        let bits = config!(compat_bits);
        bits != 0 && member!(A::member_u32, self.pointer, task_compat) & bits != 0
    }

    /// The call that the task is in, `Some(None)`: in none, `None`: cannot be told. What entered the kernel other than
    /// by a system call has -1 for its number, and what is in user code has what it entered with last.
    #[inline(always)]
    pub fn syscall_in_registers(self) -> Option<Option<SyscallKey>> {
        let registers = A::registers(self.pointer);
        if registers.is_null() || config!(offsets.regs_syscall) == NO_OFFSET {
            return None;
        }
        let number = member!(A::member_u32, registers, regs_syscall);
        Some((number as i32 >= 0).then(|| SyscallKey::new(number.into(), self.in_compat_syscall())))
    }

    /// The bits of the call that a task is in which is in the kernel; 0: in none, or it cannot be told. Of a task of which nothing else is
    /// known.
    #[inline(always)]
    pub fn call_by_registers(self) -> u32 {
        if self.is_kernel_only() {
            return 0;
        }
        match self.syscall_in_registers() {
            Some(Some(call)) => call.bits(),
            _ => 0,
        }
    }

    /// Its name's bytes.
    #[inline(always)]
    pub fn comm_words(self) -> [u64; COMM_WORDS] {
        let offset = config!(offsets.task_comm);
        [
            A::read_u64(self.pointer, offset),
            A::read_u64(self.pointer, offset + 8),
        ]
    }

    #[inline(always)]
    pub fn copy_comm(self, to: &mut [u8; COMM_BYTES]) {
        // SAFETY: the helper checks the source; the destination is a whole array of ours. A fault leaves it zeroed,
        // which reads as an empty name.
        let _ = unsafe {
            bpf_probe_read_kernel_buf(self.pointer.add(config!(offsets.task_comm) as usize), to)
        };
    }
}
