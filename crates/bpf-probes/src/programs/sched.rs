//! The scheduler's events: who runs, who waits for a CPU, who sleeps.

use abi::recorder::{FROZEN, PREEMPTED, PREV_IS_TARGET, SINCE_UNKNOWN};
use abi::thread::record::{Activity, ENDED_BYTES, Ended, ThreadRecord};
use abi::thread::state::SwitchOut;
use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;

use crate::arguments::Arguments;
use crate::kernel::{Access, Task};
use crate::maps::{ENDED, FORCE_WAKEUP, NO_WAKEUP, RENAMES, THREAD_OF_TASK, config};
use crate::off_cpu;
use crate::programs::entry_points::probe;
use crate::record::{create, find, find_existing, note_faults, place_of_woken};
use crate::recorder::{self, Leaving, Ring};
use crate::rows::attribute_off_cpu;
use crate::stacks;
use crate::targets::is_target;
use crate::window::{self, Moment};

/// `sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)`
#[inline(always)]
fn switch<C: Arguments>(ctx: &C) -> Option<()> {
    let prev = Task::<C::Access>::new(ctx.pointer(1));
    let next = Task::<C::Access>::new(ctx.pointer(2));
    let prev_is_target = is_target(prev.tgid());
    let next_is_target = is_target(next.tgid());
    if !prev_is_target && !next_is_target {
        return switch_of_others(ctx, prev, next);
    }
    let ring = Ring::of_this_cpu();
    let Some(mut moment) = Moment::in_window_or_after() else {
        if ring.is_there() {
            ring.switch_after(window::current(), prev, next);
            if recorder::records_always() {
                let mut leaving = leaving_by_registers(ctx, prev);
                leaving.detail |= u8::from(prev_is_target) * PREV_IS_TARGET;
                ring.switch(leaving, next, next_is_target, window::clock());
            }
        }
        if prev_is_target {
            end_if_dead(ctx, prev);
        }
        return None;
    };
    let mut leaving = leaving(ctx, prev);
    let (at_ns, is_after) = (moment.now_ns, moment.is_after());
    if prev_is_target {
        leaving.detail |= PREV_IS_TARGET;
        if let Some(record) = find(prev, &mut moment) {
            record.switched_out(moment.now_ns, || why(ctx, prev));
            if record.is_blocked_outside_calls() {
                tell_why_blocked(ctx, prev, record, moment.now_ns);
                leaving.detail |=
                    u8::from(record.activity as u8 == Activity::Frozen as u8) * FROZEN;
            }
            leaving.call = record.open_call().bits();
            leaving.call_since_ns = record.syscall_since_ns;
            if record.long_calls_kept != 0 && !is_after {
                recorder::record_long_calls(record, at_ns);
            }
            note_faults(record, prev);
            stacks::note_switch_out(ctx, record);
            off_cpu::switched_out(ctx, prev, record);
        }
        end_if_dead(ctx, prev);
    }
    if ring.is_there() {
        if is_after {
            ring.switch_after(moment.window, prev, next);
        }
        if !is_after || recorder::records_always() {
            ring.switch(leaving, next, next_is_target, at_ns);
        }
    }
    if next_is_target {
        switch_in(next, &mut moment);
    }
    None
}

/// Most switches of the machine: they are recorded, and nothing else.
#[inline(always)]
fn switch_of_others<C: Arguments>(
    ctx: &C,
    prev: Task<C::Access>,
    next: Task<C::Access>,
) -> Option<()> {
    let ring = Ring::of_this_cpu();
    if !ring.is_there() {
        return None;
    }
    let mut at_ns = window::clock_if_open();
    if at_ns == 0 {
        ring.switch_after(window::current(), prev, next);
        if !recorder::records_always() {
            return None;
        }
        at_ns = window::clock();
    }
    ring.switch(leaving_by_registers(ctx, prev), next, false, at_ns);
    None
}

/// The time, if something is recorded now; 0: nothing is.
#[inline(always)]
fn clock_if_recorded() -> u64 {
    if recorder::records_always() {
        window::clock()
    } else {
        window::clock_if_open()
    }
}

/// Of somebody of whom nothing is known but what the kernel says.
#[inline(always)]
fn leaving_by_registers<C: Arguments>(ctx: &C, prev: Task<C::Access>) -> Leaving<C::Access> {
    let mut leaving = leaving(ctx, prev);
    if leaving.sleeps() {
        leaving.call = prev.call_by_registers();
    }
    leaving
}

/// What the recorder is told of who leaves, of whom nothing else is known.
#[inline(always)]
fn leaving<C: Arguments>(ctx: &C, prev: Task<C::Access>) -> Leaving<C::Access> {
    let is_preempted = ctx.number(0) & 1;
    let (is_preempted, state) = if config!(has_prev_state) != 0 {
        (is_preempted, ctx.number(3))
    } else {
        (is_preempted & u64::from(prev.is_queued()), prev.state())
    };
    Leaving {
        task: prev,
        detail: is_preempted as u8 * PREEMPTED,
        state: state as u32,
        call: 0,
        call_since_ns: SINCE_UNKNOWN,
    }
}

/// In no call: frozen, or on the way into one; else in a page fault, or the like.
#[inline(always)]
fn tell_why_blocked<C: Arguments>(
    ctx: &C,
    prev: Task<C::Access>,
    record: &mut ThreadRecord,
    now_ns: u64,
) {
    let has_state = config!(has_prev_state) != 0 && ctx.number(3) & SwitchOut::TASK_FROZEN != 0;
    if has_state || prev.is_frozen() {
        record.froze();
    } else if prev.may_be_refused()
        && let Some(key) = prev.call_not_begun()
    {
        record.held(now_ns, key);
    }
}

#[inline(always)]
fn end_if_dead<C: Arguments>(ctx: &C, prev: Task<C::Access>) {
    if why(ctx, prev) == SwitchOut::Dead {
        end(prev);
    }
}

/// Looks the record up once more: a pointer that is kept for this rare case would have the verifier follow all that comes
/// after it twice.
#[inline(never)]
fn end<A: Access>(task: Task<A>) {
    let record = find_existing(task);
    let address = task.address();
    // Also outside windows, or the map would fill with the dead. It may have had no entry.
    let _ = THREAD_OF_TASK.remove(&address);
    let Some(record) = record else {
        return;
    };
    // Ended in no window, though it has a record of the latest: that one is its reader's, who may be freeing it.
    if record.activity as u8 != Activity::Ended as u8 {
        return;
    }
    // SAFETY: the value is copied at once; whatever name it holds by then is one that the thread was given.
    if let Some(rename) = unsafe { RENAMES.get(&address) }
        && rename.start_time_ns == record.start_time_ns
    {
        record.comm = rename.comm;
    }
    // The last thing that is done with the record.
    report_end(&Ended {
        task: record.task,
        start_time_ns: record.start_time_ns,
        slot: record.slot,
        window: record.window,
    });
}

#[inline(always)]
fn report_end(ended: &Ended) {
    let crowd_bytes = config!(crowd_bytes);
    let waiting_bytes = ENDED.query(BPF_RB_AVAIL_DATA.into()) as u32;
    // The last two before a multiple: two CPUs may find the same number of bytes, and together step over one of these.
    let wakeup = if waiting_bytes & (crowd_bytes - 1) >= crowd_bytes - 2 * ENDED_BYTES {
        FORCE_WAKEUP
    } else {
        NO_WAKEUP
    };
    let _ = ENDED.output::<Ended>(ended, wakeup);
}

/// Reading the task's state races with its waker (Linux fa2c3254d7cf): the argument is right where it exists. Kernels that do not
/// have it may, with the patches of PREEMPT_RT for 5.10, call a wait for a lock a preemption; what is no longer in the queue is
/// not preempted.
#[inline(always)]
fn why<C: Arguments>(ctx: &C, prev: Task<C::Access>) -> SwitchOut {
    let preempt = ctx.number(0) & 0xff != 0;
    if config!(has_prev_state) != 0 {
        SwitchOut::new(preempt, ctx.number(3) & 0xffff_ffff)
    } else {
        SwitchOut::new(preempt && prev.is_queued(), prev.state())
    }
}

#[inline(always)]
fn switch_in<A: Access>(next: Task<A>, moment: &mut Moment) -> Option<()> {
    let mut record = find(next, moment)?;
    let start_time_ns = next.start_time_ns();
    if record.start_time_ns != start_time_ns {
        // Either a thread that calls execve has taken its leader's tid and start time and is still the same thread,
        // or the memory of a dead task has become another thread's and both death and birth were missed.
        let tid = next.shown_tid();
        if tid == record.tgid {
            record.start_time_ns = start_time_ns;
        } else {
            record = create(next, *moment)?;
        }
    }
    record.settle_waking();
    stacks::note_wait(next, record, *moment);
    off_cpu::switched_in(record);
    record.switched_in(moment.now_ns);
    attribute_off_cpu(record);
    None
}

/// `sched_waking(struct task_struct *p)`: where the thread is woken, whichever CPU then puts it into a queue. Its waker holds its
/// `pi_lock`, and no run queue's.
#[inline(always)]
fn waking<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    let ring = Ring::of_this_cpu();
    if !is_target(task.tgid()) {
        if ring.is_there()
            && let at_ns = clock_if_recorded()
            && at_ns != 0
        {
            ring.waking(task, false, at_ns);
        }
        return None;
    }
    let Some(mut moment) = Moment::in_window_or_after() else {
        if ring.is_there() && recorder::records_always() {
            ring.waking(task, true, window::clock());
        }
        return None;
    };
    if ring.is_there() && (!moment.is_after() || recorder::records_always()) {
        ring.waking(task, true, moment.now_ns);
    }
    let record = place_of_woken(task, &mut moment)?;
    // SAFETY: it lies in a live map value; wakers write this alone, one at a time. Volatile, because the thread's CPU may be reading it.
    unsafe { (&raw mut (*record).woken_ns).write_volatile(moment.now_ns) };
    None
}

/// `sched_migrate_task(struct task_struct *p, int dest_cpu)`: before it is in the other CPU's queue.
#[inline(always)]
fn migrate<C: Arguments>(ctx: &C) -> Option<()> {
    let ring = Ring::of_this_cpu();
    if !ring.is_there() {
        return None;
    }
    let at_ns = clock_if_recorded();
    let task = Task::<C::Access>::new(ctx.pointer(0));
    // One that sleeps waits in no queue.
    if at_ns == 0 || task.is_delayed() {
        return None;
    }
    ring.migrated(task, ctx.number(1) as u32, at_ns);
    None
}

/// `sched_wakeup_new(struct task_struct *p)`: a thread's birth. It always gets a record of its own, so that a reused
/// tid or a reused `task_struct` never goes on with a dead thread's.
#[inline(always)]
fn wakeup_new<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    // Whoever had its number has ended.
    recorder::forget_name(task.pid());
    let ring = Ring::of_this_cpu();
    let at_ns = clock_if_recorded();
    if ring.is_there() && at_ns != 0 {
        ring.born(task, at_ns);
    }
    if !is_target(task.tgid()) {
        return None;
    }
    let moment = Moment::in_window()?;
    let record = create(task, moment)?;
    record.born(moment.now_ns);
    None
}

probe!("sched_switch", sched_switch, sched_switch_raw, switch);
probe!("sched_waking", sched_waking, sched_waking_raw, waking);
probe!(
    "sched_migrate_task",
    sched_migrate_task,
    sched_migrate_task_raw,
    migrate
);
probe!(
    "sched_wakeup_new",
    sched_wakeup_new,
    sched_wakeup_new_raw,
    wakeup_new
);
