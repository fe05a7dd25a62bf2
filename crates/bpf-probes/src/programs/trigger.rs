//! What opens and closes windows: triggers, and user space. Each trigger may be a kprobe or uprobe (one program type, which
//! also serves their return probes and USDT) or a tracepoint. Those at a function's entry and at its return are a pair: see `calls`.

use core::arch::asm;
use core::ffi::c_void;

use abi::control::{Command, DONE, FAILED, FILLED_AT_ONCE};
use abi::jump;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_probe_read_user};
use aya_ebpf::macros::{kprobe, tracepoint};
use aya_ebpf::maps::Stack;
use aya_ebpf::programs::{ProbeContext, RawTracePointContext, TracePointContext};

use crate::calls;
use crate::kernel::probed_register;
use crate::maps::{FREE_CHUNKS, FREE_THREADS, config};
use crate::targets::is_target;
use crate::window::{commands, triggers};

/// Since Linux 6.13 a program of this type may have a stack of its own on each CPU, and since 7.0 one that a user probe runs may be
/// preempted: then another thread's on that CPU would write over what it keeps there. Programs with a tail call stay on the kernel's
/// stack, also where that is never reached: this one is not, and no verifier sees it.
#[inline(always)]
fn keep_off_private_stacks() {
    if config!(recorder) == u32::MAX {
        // SAFETY: never reached: the loader sets another value. (It is the call of `bpf_tail_call`.)
        unsafe {
            asm!(
                "call 12",
                lateout("r0") _,
                lateout("r1") _,
                lateout("r2") _,
                lateout("r3") _,
                lateout("r4") _,
                lateout("r5") _,
                options(nostack),
            );
        }
    }
}

/// Whether a trigger counts in the task that is current.
#[inline(always)]
fn is_in_scope(any_task: u32) -> bool {
    any_task != 0 || is_target((bpf_get_current_pid_tgid() >> 32) as u32)
}

#[inline(always)]
fn start() -> u32 {
    keep_off_private_stacks();
    if is_in_scope(config!(start_in_any_task)) {
        triggers::start_triggered();
    }
    0
}

#[inline(always)]
fn stop() -> u32 {
    keep_off_private_stacks();
    if is_in_scope(config!(stop_in_any_task)) {
        triggers::stop_triggered();
    }
    0
}

/// Whether x86's near conditional jump, which the program is about to execute, will be taken. The breakpoint stands in the place of
/// its first byte; the second has the condition.
#[inline(always)]
fn is_taken(ctx: &ProbeContext) -> bool {
    let pc = probed_register!(ctx, regs_pc);
    let flags = probed_register!(ctx, regs_flags);
    // SAFETY: the helper checks the address.
    let code = unsafe { bpf_probe_read_user((pc + 1) as *const u8) };
    // The instruction itself has just been fetched from there: it does not fail.
    code.is_ok_and(|code| jump::is_taken(code, flags))
}

#[inline(always)]
fn stop_at(ctx: &ProbeContext) -> u32 {
    if !calls::are_told_apart() {
        return stop();
    }
    keep_off_private_stacks();
    if is_in_scope(config!(stop_in_any_task)) {
        calls::returned(ctx);
    }
    0
}

#[kprobe]
pub fn start_probe(ctx: ProbeContext) -> u32 {
    if !calls::are_told_apart() {
        return start();
    }
    keep_off_private_stacks();
    if is_in_scope(config!(start_in_any_task)) {
        calls::entered(&ctx);
    }
    0
}

#[kprobe]
pub fn stop_probe(ctx: ProbeContext) -> u32 {
    stop_at(&ctx)
}

/// For a jump that leaves a function only if it is taken. No entry is one.
#[kprobe]
pub fn start_probe_if_taken(ctx: ProbeContext) -> u32 {
    if is_taken(&ctx) { start() } else { 0 }
}

#[kprobe]
pub fn stop_probe_if_taken(ctx: ProbeContext) -> u32 {
    if is_taken(&ctx) { stop_at(&ctx) } else { 0 }
}

#[tracepoint]
pub fn start_tracepoint(_: TracePointContext) -> u32 {
    start()
}

#[tracepoint]
pub fn stop_tracepoint(_: TracePointContext) -> u32 {
    stop()
}

/// Attached to nothing: user space runs it, with a [`Command`] and its argument, and reads what it returns. Not by aya's macro for
/// such programs, which has them all return 0.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/control")]
pub fn control(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let command: u64 = ctx.arg(0);
    let argument: u64 = ctx.arg(1);
    const OPEN: u64 = Command::Open as u64;
    const CLOSE: u64 = Command::Close as u64;
    const ARM: u64 = Command::Arm as u64;
    const DISARM: u64 = Command::Disarm as u64;
    const SEAL: u64 = Command::Seal as u64;
    const REST: u64 = Command::Rest as u64;
    const FILL_THREADS: u64 = Command::FillThreads as u64;
    const FILL_CHUNKS: u64 = Command::FillChunks as u64;
    match command {
        OPEN => commands::open_now(argument),
        CLOSE => commands::close_at(argument),
        ARM => commands::arm(argument),
        DISARM => commands::disarm(),
        SEAL => commands::seal(argument as u32),
        REST => commands::rest(),
        FILL_THREADS => fill(&FREE_THREADS, argument as u32),
        FILL_CHUNKS => fill(&FREE_CHUNKS, argument as u32),
        _ => FAILED,
    }
}

/// Puts the last of so many entries on a list of free ones.
#[inline(always)]
fn fill(free: &Stack<u32>, count: u32) -> u32 {
    for place in 1..=FILLED_AT_ONCE {
        if place > count {
            break;
        }
        if free.push(&(count - place), 0).is_err() {
            return FAILED;
        }
    }
    DONE
}
