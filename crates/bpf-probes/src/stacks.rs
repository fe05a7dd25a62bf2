//! Stacks of recorded calls: where a call was off the CPU, and who made it.
//!
//! A wait's stack is taken as the thread comes back, when it is known how long the wait was: short ones cost nothing. As
//! `raw_tp`, which cannot ask for another task's stack, it is taken as the thread goes, each time.

use abi::config::NO_OFFSET;
use abi::stack::{
    FRAME_POINTER_BYTES, KERNEL_FRAME_BYTES, MOST_STACK_BYTES, STACK_PAGE_BYTES, UserRegisters,
    UserStack,
};
use abi::thread::record::{Activity, ThreadRecord};
use abi::waits::{Wait, Waits};
use aya_ebpf::helpers::generated::{bpf_get_stack, bpf_probe_read_kernel, bpf_probe_read_user};

use crate::arguments::Arguments;
use crate::kernel::{Access, Task};
use crate::losses::lose;
use crate::maps::{WAITS, config};
use crate::window::Moment;

const BPF_F_USER_STACK: u64 = 1 << 8;

/// Whether the thread is in a call that may be recorded: it began in this window.
#[inline(always)]
fn is_in_call(record: &ThreadRecord) -> bool {
    record.phase.is_in_call() && record.syscall_since_ns != 0
}

#[inline(always)]
pub fn waits_of(record: &ThreadRecord) -> Option<&'static mut Waits> {
    // SAFETY: the map lives as long as the program. The value is used where the record is, in the thread's own events, and
    // no program holds it twice.
    WAITS
        .get_ptr_mut(record.slot)
        .map(|waits| unsafe { &mut *waits })
}

#[inline(always)]
pub fn note_switch_out<C: Arguments>(ctx: &C, record: &ThreadRecord) {
    if config!(events.stacks) == 0 || C::Access::HAS_TASK_STACKS || !is_in_call(record) {
        return;
    }
    let Some(waits) = waits_of(record) else {
        return;
    };
    take_stack(ctx, waits);
}

/// Puts the current task's kernel frames into `latest`; returns how many bytes of them.
#[inline(always)]
pub fn take_stack<C: Arguments>(ctx: &C, waits: &mut Waits) -> u64 {
    // SAFETY: the buffer is as large as it is said to be.
    let bytes = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            waits.latest.as_mut_ptr().cast(),
            KERNEL_FRAME_BYTES,
            0,
        )
    };
    waits.latest_bytes = if bytes > 0 { bytes as u64 } else { 0 };
    waits.latest_bytes
}

/// The thread is about to be switched in. If it was off the CPU for longer than ever in its call, the wait becomes the one that
/// is reported.
#[inline(always)]
pub fn note_wait<A: Access>(task: Task<A>, record: &ThreadRecord, moment: Moment) {
    if config!(events.stacks) == 0 || !is_in_call(record) {
        return;
    }
    let off_cpu_ns = moment.now_ns.wrapping_sub(record.switched_out_ns);
    if record.switched_out_ns < record.syscall_since_ns
        || off_cpu_ns < config!(events.least_wait_ns)
    {
        return;
    }
    let Some(waits) = waits_of(record) else {
        return;
    };
    let is_of_this_call = waits.longest.call_since_ns == record.syscall_since_ns;
    if is_of_this_call && waits.longest.off_cpu_ns >= off_cpu_ns {
        return;
    }
    let bytes = if A::HAS_TASK_STACKS {
        task.stack(&mut waits.longest.frames)
    } else {
        // SAFETY: both are arrays of this size.
        unsafe {
            bpf_probe_read_kernel(
                waits.longest.frames.as_mut_ptr().cast(),
                KERNEL_FRAME_BYTES,
                waits.latest.as_ptr().cast(),
            );
        }
        waits.latest_bytes as i64
    };
    waits.longest.frame_bytes = if bytes > 0 { bytes as u32 } else { 0 };
    if bytes <= 0 {
        lose!(stacks);
    }
    waits.longest.call_since_ns = record.syscall_since_ns;
    waits.longest.off_cpu_ns = off_cpu_ns;
    waits.longest.preempted = u32::from(record.activity as u8 == Activity::ReadyPreempted as u8);
}

/// # Safety
/// The place may be written.
#[inline(always)]
pub unsafe fn copy_wait(record: &ThreadRecord, to: *mut Wait) {
    let Some(waits) = waits_of(record) else {
        return;
    };
    // SAFETY: the caller's; both are as large as a `Wait`.
    unsafe {
        bpf_probe_read_kernel(
            to.cast(),
            size_of::<Wait>() as u32,
            (&raw const waits.longest).cast(),
        );
    }
}

#[inline(always)]
pub fn user_registers<C: Arguments>(ctx: &C) -> UserRegisters {
    macro_rules! register {
        ($offset:ident) => {
            match config!(offsets.$offset) {
                NO_OFFSET => 0,
                offset => C::Access::read_u64(ctx.pointer(0), offset),
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

/// The expression with `$bytes` as the constant that this session has for user stacks. Of its forms the verifier leaves all
/// but one out.
macro_rules! with_stack_bytes {
    ($bytes:ident => $run:expr) => {
        with_stack_bytes!($bytes => $run; 0 0x400 0x1000 0x2000 0x4000 0x8000)
    };
    ($bytes:ident => $run:expr; $($size:literal)*) => {
        match config!(events.stack_bytes) {
            $(
                $size => {
                    const $bytes: usize = $size;
                    $run
                }
            )*
            _ => {
                const $bytes: usize = abi::stack::MOST_STACK_BYTES;
                $run
            }
        }
    };
}
pub(crate) use with_stack_bytes;

/// A record, and room for the user stack after it.
#[repr(C)]
pub struct WithStack<Record, const BYTES: usize> {
    pub record: Record,
    pub stack: [u8; BYTES],
}

/// Of the current task. `is_readable`: its stack is one that somebody can walk.
///
/// # Safety
/// Both places may be written, and there is room for `BYTES` in the second.
#[inline(always)]
pub unsafe fn write_user_stack<C: Arguments, const BYTES: usize>(
    ctx: &C,
    task: Task<C::Access>,
    registers: UserRegisters,
    is_readable: bool,
    user: *mut UserStack,
    stack: *mut u8,
) {
    // SAFETY: the caller's.
    let (base, bytes) = unsafe {
        match BYTES {
            FRAME_POINTER_BYTES => (0, walk_frame_pointers(ctx, stack)),
            _ if is_readable => copy_user_stack::<BYTES>(stack, registers.sp),
            _ => (registers.sp, 0),
        }
    };
    // SAFETY: the caller's.
    unsafe {
        (&raw mut (*user).registers).write(registers);
        (&raw mut (*user).memory).write(task.memory());
        (&raw mut (*user).base).write(base);
        (&raw mut (*user).bytes).write(bytes);
    }
}

/// Returns how many bytes of addresses there are.
///
/// # Safety
/// There is room for `FRAME_POINTER_BYTES`.
#[inline(always)]
unsafe fn walk_frame_pointers<C: Arguments>(ctx: &C, to: *mut u8) -> u64 {
    // SAFETY: the caller's.
    let bytes = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            to.cast(),
            FRAME_POINTER_BYTES as u32,
            BPF_F_USER_STACK,
        )
    };
    if bytes > 0 { bytes as u64 } else { 0 }
}

/// Copies the user stack from `sp` upwards, up to `BYTES`; returns the address of the first byte and how many there are. A
/// stack that ends sooner is copied by pages, each at a constant place: the verifier takes no other.
///
/// # Safety
/// There is room for that many bytes.
#[inline(always)]
unsafe fn copy_user_stack<const BYTES: usize>(to: *mut u8, sp: u64) -> (u64, u64) {
    if BYTES == 0 {
        return (sp, 0);
    }
    // SAFETY: the caller's.
    if unsafe { bpf_probe_read_user(to.cast(), BYTES as u32, sp as *const _) } == 0 {
        return (sp, BYTES as u64);
    }
    let base = sp & !(STACK_PAGE_BYTES as u64 - 1);
    macro_rules! pages {
        ($($page:literal)*) => {
            $(
                const { assert!($page < MOST_STACK_BYTES / STACK_PAGE_BYTES) };
                if BYTES >= ($page + 1) * STACK_PAGE_BYTES {
                    // SAFETY: the caller's.
                    let result = unsafe {
                        bpf_probe_read_user(
                            to.add($page * STACK_PAGE_BYTES).cast(),
                            STACK_PAGE_BYTES as u32,
                            (base + $page * STACK_PAGE_BYTES as u64) as *const _,
                        )
                    };
                    if result != 0 {
                        return (base, $page * STACK_PAGE_BYTES as u64);
                    }
                }
            )*
        };
    }
    pages!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    (base, BYTES as u64)
}
