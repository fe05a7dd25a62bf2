//! Single system calls, handed over to user space.

use abi::config::NO_OFFSET;
use abi::event::{StackedEvent, SyscallEvent};
use abi::syscall::SyscallKey;
use abi::thread::record::ThreadRecord;

use crate::arguments::Arguments;
use crate::kernel::{Access, Task};
use crate::losses::lose;
use crate::maps::{NO_WAKEUP, STACKED_EVENTS, SYSCALL_EVENTS, config, config_has};
use crate::stacks::{self, WithStack, with_stack_bytes};
use crate::window::Moment;

#[inline(always)]
pub fn is_wanted(key: SyscallKey, duration_ns: u64) -> bool {
    config!(events.recorded) != 0
        && duration_ns >= config!(events.least_ns)
        && (config!(events.selected) == 0 || config_has!(events.calls, key))
}

/// The call that ends now.
#[inline(always)]
pub fn record<C: Arguments>(
    ctx: &C,
    thread: &ThreadRecord,
    moment: Moment,
    key: SyscallKey,
    duration_ns: u64,
) {
    let is_recorded = config!(events.stacks) != 0
        && with_stack_bytes!(BYTES => record_with_stacks::<C, BYTES>(ctx, thread, moment, key, duration_ns));
    if is_recorded {
        return;
    }
    let Some(mut entry) = SYSCALL_EVENTS.reserve::<SyscallEvent>(0) else {
        return lose!(events);
    };
    // SAFETY: memory of the ring buffer, as large and as aligned as an event, and ours until it is submitted.
    unsafe { fill(entry.as_mut_ptr(), ctx, thread, moment, key, duration_ns) };
    entry.submit(NO_WAKEUP);
}

/// False: there was no room. A stack that is lost is counted; the call itself may still be recorded.
#[inline(always)]
fn record_with_stacks<C: Arguments, const BYTES: usize>(
    ctx: &C,
    thread: &ThreadRecord,
    moment: Moment,
    key: SyscallKey,
    duration_ns: u64,
) -> bool {
    let Some(mut entry) = STACKED_EVENTS.reserve::<WithStack<StackedEvent, BYTES>>(0) else {
        lose!(stacks);
        return false;
    };
    let place = entry.as_mut_ptr();
    let registers = stacks::user_registers(ctx);
    let task = Task::<C::Access>::current();
    // SAFETY: memory of the ring buffer, as large and as aligned as the value, and ours until it is submitted.
    unsafe {
        let event = &raw mut (*place).record;
        fill(
            &raw mut (*event).call,
            ctx,
            thread,
            moment,
            key,
            duration_ns,
        );
        stacks::copy_wait(thread, &raw mut (*event).wait);
        stacks::write_user_stack::<C, BYTES>(
            ctx,
            task,
            registers,
            // A 32-bit program's stack is one that nobody here can read.
            !key.is_compat(),
            &raw mut (*event).user,
            (&raw mut (*place).stack).cast(),
        );
    }
    entry.submit(NO_WAKEUP);
    true
}

/// # Safety
/// The place may be written.
#[inline(always)]
unsafe fn fill<C: Arguments>(
    event: *mut SyscallEvent,
    ctx: &C,
    thread: &ThreadRecord,
    moment: Moment,
    key: SyscallKey,
    duration_ns: u64,
) {
    macro_rules! argument {
        ($index:literal) => {{
            let offset = if key.is_compat() {
                config!(offsets.compat_arguments[$index])
            } else {
                config!(offsets.arguments[$index])
            };
            match offset {
                NO_OFFSET => 0,
                offset => C::Access::read_u64(ctx.pointer(0), offset),
            }
        }};
    }
    // SAFETY: the caller's.
    unsafe {
        (&raw mut (*event).exit_ns).write(thread.syscall_since_ns + duration_ns);
        (&raw mut (*event).duration_ns).write(duration_ns);
        (&raw mut (*event).result).write(ctx.number(1) as i64);
        (&raw mut (*event).arguments[0]).write(argument!(0));
        (&raw mut (*event).arguments[1]).write(argument!(1));
        (&raw mut (*event).arguments[2]).write(argument!(2));
        (&raw mut (*event).arguments[3]).write(argument!(3));
        (&raw mut (*event).arguments[4]).write(argument!(4));
        (&raw mut (*event).arguments[5]).write(argument!(5));
        (&raw mut (*event).key).write(key);
        (&raw mut (*event).tid).write(thread.tid);
        (&raw mut (*event).tgid).write(thread.tgid);
        (&raw mut (*event).window).write(moment.window);
        (&raw mut (*event).comm).write(thread.comm);
    }
}
