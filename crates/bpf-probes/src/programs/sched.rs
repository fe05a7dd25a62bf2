//! The scheduler's events: who runs, who waits for a CPU, who sleeps.

use abi::thread::record::{Activity, ENDED_BYTES, Ended, ThreadRecord};
use abi::thread::state::SwitchOut;
use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;

use crate::arguments::Arguments;
use crate::kernel::{Access, Task};
use crate::maps::{ENDED, FORCE_WAKEUP, NO_WAKEUP, RENAMES, THREAD_OF_TASK, config};
use crate::off_cpu;
use crate::programs::entry_points::probe;
use crate::record::{create, find, find_existing, find_of_sleeper, note_faults};
use crate::rows::attribute_off_cpu;
use crate::stacks;
use crate::targets::is_target;
use crate::who;
use crate::window::Moment;

/// `sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)`
#[inline(always)]
fn switch<C: Arguments>(ctx: &C) -> Option<()> {
    let prev = Task::<C::Access>::new(ctx.pointer(1));
    let next = Task::<C::Access>::new(ctx.pointer(2));
    let is_waited_for = who::begin_switch(next);
    if !is_waited_for && !is_target(prev.tgid()) && !is_target(next.tgid()) {
        return None;
    }
    let Some(mut moment) = Moment::in_window_or_after() else {
        end_if_dead(ctx, prev);
        return None;
    };
    // Asked again: most switches are others', and keeping what they were told would cost them more than this.
    let next_is_target = is_target(next.tgid());
    if is_target(prev.tgid()) {
        if let Some(record) = find(prev, &mut moment) {
            record.switched_out(moment.now_ns, || why(ctx, prev));
            if record.is_blocked_outside_calls() {
                tell_why_blocked(ctx, prev, record, moment.now_ns);
            }
            note_faults(record, prev);
            who::note_queue(prev, record, moment);
            stacks::note_switch_out(ctx, record);
            off_cpu::switched_out(ctx, prev, record);
        }
        end_if_dead(ctx, prev);
    }
    if next_is_target {
        switch_in(next, &mut moment);
    }
    let here = who::Here::find();
    who::end_switch(here, prev, moment);
    if next_is_target {
        who::attribute_noted_wait(here);
    }
    None
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
    if why(ctx, prev) == SwitchOut::Dead && is_target(prev.tgid()) {
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
    stacks::note_wait(next, record, *moment);
    off_cpu::switched_in(record);
    who::attribute_wait(record, moment.now_ns);
    who::leave_queue(record);
    record.switched_in(moment.now_ns);
    attribute_off_cpu(record);
    None
}

/// `sched_wakeup(struct task_struct *p)`: about the woken task, not about the current one.
#[inline(always)]
fn wakeup<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    if !is_target(task.tgid()) {
        return None;
    }
    let mut moment = Moment::in_window_or_after()?;
    // A task on a CPU writes its record itself, so this CPU must not; and there is nothing to record.
    if task.is_on_cpu() {
        return None;
    }
    let record = find(task, &mut moment)?;
    record.woken(moment.now_ns);
    who::note_queue(task, record, moment);
    None
}

/// `sched_waking(struct task_struct *p)`: where the thread is woken, whichever CPU then puts it into a queue. Its waker holds its
/// `pi_lock`, and no run queue's.
#[inline(always)]
fn waking<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    if !is_target(task.tgid()) {
        return None;
    }
    let mut moment = Moment::in_window()?;
    // On its way to sleep, on another CPU, which is writing the record.
    if task.is_on_cpu() {
        return None;
    }
    let record = find_of_sleeper(task, &mut moment)?;
    who::count_waker(record, moment.now_ns);
    None
}

/// `sched_wakeup_new(struct task_struct *p)`: a thread's birth. It always gets a record of its own, so that a reused
/// tid or a reused `task_struct` never goes on with a dead thread's.
#[inline(always)]
fn wakeup_new<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    if !is_target(task.tgid()) {
        return None;
    }
    let moment = Moment::in_window()?;
    let record = create(task, moment)?;
    record.born(moment.now_ns);
    who::note_queue(task, record, moment);
    None
}

probe!("sched_switch", sched_switch, sched_switch_raw, switch);
probe!("sched_waking", sched_waking, sched_waking_raw, waking);
probe!("sched_wakeup", sched_wakeup, sched_wakeup_raw, wakeup);
probe!(
    "sched_wakeup_new",
    sched_wakeup_new,
    sched_wakeup_new_raw,
    wakeup_new
);
