//! The beginning and the end of system calls.

use abi::config::NO_OFFSET;
use abi::syscall::SyscallKey;
use abi::thread::state::SyscallEnd;

use crate::arguments::Arguments;
use crate::event;
use crate::kernel::Access;
use crate::maps::config;
use crate::programs::entry_points::probe;
use crate::record::find;
use crate::rows::count_syscall;
use crate::window::Moment;

/// `sys_enter(struct pt_regs *regs, long id)`
#[inline(always)]
fn enter<C: Arguments>(ctx: &C) -> Option<()> {
    let task = C::Access::current_target()?;
    let mut moment = Moment::in_window_or_after()?;
    let key = SyscallKey::new(ctx.number(1), task.in_compat_syscall());
    let record = find(task, &mut moment)?;
    record.syscall_entered(moment.now_ns, key);
    None
}

/// `sys_exit(struct pt_regs *regs, long ret)`
#[inline(always)]
fn exit<C: Arguments>(ctx: &C) -> Option<()> {
    let task = C::Access::current_target()?;
    let mut moment = Moment::in_window_or_after()?;
    let record = find(task, &mut moment)?;
    let end = record.syscall_exited(moment.now_ns, || task.may_be_refused());
    if let SyscallEnd::Whole { key, duration_ns } = end
        && event::is_wanted(key, duration_ns)
    {
        event::record(ctx, record, moment, key, duration_ns);
    }
    // The number comes from the call's beginning, because `execve` and `rt_sigreturn` change the registers; only a
    // call that began before the window, or never, has none.
    let key = || {
        let number = match config!(offsets.regs_syscall) {
            NO_OFFSET => u32::MAX,
            offset => C::Access::read_u32(ctx.pointer(0), offset),
        };
        SyscallKey::new(number.into(), task.in_compat_syscall())
    };
    count_syscall(record, end, key, || ctx.number(1) as i64);
    None
}

probe!("sys_enter", sys_enter, sys_enter_raw, enter);
probe!("sys_exit", sys_exit, sys_exit_raw, exit);
