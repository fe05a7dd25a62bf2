//! Single system calls, handed over to user space.

use bpf_probes::abi::config::{CALL_WORDS, Events, NO_OFFSET};
use bpf_probes::abi::event::SyscallEvent;
use bpf_probes::abi::syscall::SyscallKey;
use bpf_probes::abi::thread::ThreadRecord;
use bpf_probes::jumpless::bounded;

use crate::kernel::Access;
use crate::maps::{CONFIG, SYSCALL_EVENTS, config};
use crate::programs::Arguments;
use crate::record::lose;
use crate::window::Moment;

/// Nobody is woken, which would take longer than the call: user space looks by itself.
const NO_WAKEUP: u64 = 1;

#[inline(always)]
pub fn is_wanted(key: SyscallKey, duration_ns: u64) -> bool {
    config!(events.recorded) != 0
        && duration_ns >= config!(events.least_ns)
        && (config!(events.selected) == 0 || is_selected(key))
}

#[inline(always)]
fn is_selected(key: SyscallKey) -> bool {
    let (word, bit) = Events::place(key);
    let events = (&raw const CONFIG).cast::<bpf_probes::abi::config::Config>();
    // SAFETY: `Global` is transparent over `Config`, and the index is masked to the array's length.
    let bits = unsafe {
        (&raw const (*events).events.calls)
            .cast::<u64>()
            .add(bounded::<CALL_WORDS>(word))
            .read_volatile()
    };
    bits >> bit & 1 != 0
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
    let Some(mut entry) = SYSCALL_EVENTS.reserve::<SyscallEvent>(0) else {
        return lose!(events);
    };
    let event = entry.as_mut_ptr();
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
    // SAFETY: `entry` is memory of the ring buffer, as large and as aligned as an event, and ours until it is submitted.
    unsafe {
        (&raw mut (*event).exit_ns).write(moment.now_ns);
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
    entry.submit(NO_WAKEUP);
}
