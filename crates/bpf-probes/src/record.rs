//! From a task to its record.

use abi::syscall::SyscallKey;
use abi::thread::record::{Faults, SyscallPhase, ThreadRecord};

use crate::kernel::{Access, Task};
use crate::losses::lose;
use crate::maps::{FREE_THREADS, HINTS, THREAD_OF_TASK, THREADS, config};
use crate::window::{self, Moment};

/// The task's record, made if it has none in this window. `None`: there is no free one, which is counted, or the event came
/// after the window and the task has a record already. What is after the window, and has none, is moved to its end.
#[inline(always)]
pub fn find<A: Access>(task: Task<A>, moment: &mut Moment) -> Option<&'static mut ThreadRecord> {
    if !moment.is_after() {
        // SAFETY: `place` is inside the array.
        let slot = unsafe { HINTS.place(task.pid()).read_volatile() };
        if let Some(record) = record_of(slot, task, moment.window) {
            return Some(record);
        }
    }
    moment.end_with_window();
    find_slowly(task, moment.now_ns, moment.window)
}

/// The record in that place, if it is the task's.
#[inline(always)]
fn record_of<A: Access>(
    slot: u32,
    task: Task<A>,
    window: u32,
) -> Option<&'static mut ThreadRecord> {
    let record = place_of(slot, task, window)?;
    // SAFETY: the map lives as long as the program. The task's own record has one writer of these at a time (see `ThreadRecord`), and no
    // program holds two records of the same task.
    Some(unsafe { &mut *record })
}

/// Where that is. It may be any other thread's, whose programs are writing it: up to the check it is only read, and not through a
/// reference.
#[inline(always)]
fn place_of<A: Access>(slot: u32, task: Task<A>, window: u32) -> Option<*mut ThreadRecord> {
    let record = THREADS.get_ptr_mut(slot)?;
    // SAFETY: the map lives as long as the program; volatile, because other programs may write the two.
    let (of_task, of_window) = unsafe {
        (
            (&raw const (*record).task).read_volatile(),
            (&raw const (*record).window).read_volatile(),
        )
    };
    if of_task != task.address() || of_window != window {
        return None;
    }
    Some(record)
}

#[inline(never)]
fn find_slowly<A: Access>(
    task: Task<A>,
    now_ns: u64,
    window: u32,
) -> Option<&'static mut ThreadRecord> {
    let moment = Moment::again(now_ns, window);
    let is_after = moment.is_after();
    match find_in(task, moment.window) {
        Some(record) => {
            remember(task.pid(), record.slot);
            (!is_after).then_some(record)
        }
        // Born after the window: no thread of it.
        None if is_after && task.start_time_ns() >= moment.now_ns => None,
        None => create_unless_made(task, moment),
    }
}

/// The task's record if it has one in the latest window.
#[inline(always)]
pub fn find_existing<A: Access>(task: Task<A>) -> Option<&'static mut ThreadRecord> {
    find_in(task, window::current())
}

/// Where the record is of a task that is being woken by somebody who does not hold a run queue's lock. Made only of one that is in no
/// queue and on no CPU: nobody but its waker can put it there. Another one may get a record there meanwhile, and be writing that.
#[inline(always)]
pub fn place_of_woken<A: Access>(task: Task<A>, moment: &mut Moment) -> Option<*mut ThreadRecord> {
    if task.is_queued() || task.is_on_cpu() {
        // SAFETY: as in `find_in`.
        let slot = *unsafe { THREAD_OF_TASK.get(&task.address()) }?;
        place_of(slot, task, moment.window)
    } else {
        find(task, moment).map(|record| &raw mut *record)
    }
}

#[inline(always)]
fn find_in<A: Access>(task: Task<A>, window: u32) -> Option<&'static mut ThreadRecord> {
    // SAFETY: the value is copied at once; it is only a number that `record_of` checks.
    let slot = *unsafe { THREAD_OF_TASK.get(&task.address()) }?;
    record_of(slot, task, window)
}

/// An interrupt, or a switch (Linux 7 preempts programs), may make the record while this one is being filled.
#[inline(always)]
fn create_unless_made<A: Access>(
    task: Task<A>,
    moment: Moment,
) -> Option<&'static mut ThreadRecord> {
    let record = fill(task, moment)?;
    match find_in(task, moment.window) {
        Some(made) => {
            let _ = FREE_THREADS.push(&record.slot, 0);
            (!moment.is_after()).then_some(made)
        }
        None => Some(publish(record, task, moment)),
    }
}

/// A new record for the task, whatever it had before.
#[inline(always)]
pub fn create<A: Access>(task: Task<A>, moment: Moment) -> Option<&'static mut ThreadRecord> {
    Some(publish(fill(task, moment)?, task, moment))
}

/// A free record with all that is known of the task so far, which nobody can find. Each field is written in any case: what a
/// record holds that was filled in vain does not matter.
#[inline(always)]
fn fill<A: Access>(task: Task<A>, moment: Moment) -> Option<&'static mut ThreadRecord> {
    let pid = task.pid();
    let tid = task.shown_tid_of(pid);
    // Reaped before its last switch, and nothing of it was seen before: there is no name to report that by.
    if config!(pid_level) != 0 && tid == 0 {
        return None;
    }
    let Ok(Some(slot)) = FREE_THREADS.pop() else {
        lose!(thread_events);
        return None;
    };
    // SAFETY: as in `record_of`; a popped slot belongs to nobody else, and user space has zeroed its record.
    let record = unsafe { &mut *THREADS.get_ptr_mut(slot)? };
    record.slot = slot;
    record.pid = pid;
    record.tid = tid;
    record.tgid = task.shown_tgid();
    record.start_time_ns = task.start_time_ns();
    let window_start_ns = moment.window_start_ns();
    // Born inside the window, although its birth was not seen.
    let begin_ns = if record.start_time_ns > window_start_ns {
        record.start_time_ns
    } else {
        window_start_ns
    };
    record.begin_ns = begin_ns;
    record.since_ns = begin_ns;
    task.copy_comm(&mut record.comm);
    note_faults(record, task);
    record.faults_before = record.faults;
    record.phase = SyscallPhase::Unknown;
    record.first_syscall = SyscallKey::NONE;
    let is_kernel_only = task.is_kernel_only();
    record.kernel_only = is_kernel_only.into();
    if is_kernel_only {
        record.phase = SyscallPhase::KernelOnly;
    } else if let Some(call) = task.syscall_in_registers() {
        record.was_inside(call);
    }
    Some(record)
}

/// From now on the record is the task's.
#[inline(always)]
fn publish<A: Access>(
    record: &'static mut ThreadRecord,
    task: Task<A>,
    moment: Moment,
) -> &'static mut ThreadRecord {
    record.task = task.address();
    record.window = moment.window;
    if THREAD_OF_TASK
        .insert(&task.address(), &record.slot, 0)
        .is_err()
    {
        lose!(thread_events);
    }
    remember(task.pid(), record.slot);
    record
}

/// What the kernel has counted of its page faults by now.
#[inline(always)]
pub fn note_faults<A: Access>(record: &mut ThreadRecord, task: Task<A>) {
    let (minor, major) = task.faults();
    record.faults = Faults { minor, major };
}

#[inline(always)]
fn remember(tid: u32, slot: u32) {
    // SAFETY: `place` is inside the array; a hint that is lost costs a look-up, nothing else.
    unsafe { HINTS.place(tid).write_volatile(slot) };
}
