//! From a task to its record, and from a record to the row of a system call.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use abi::syscall::{CHAIN_LIMIT, ROW_HEADS, ROWS_PER_CHUNK, SyscallKey, SyscallRow};
use abi::thread::record::{Faults, SyscallPhase, ThreadRecord};
use abi::thread::state::SyscallEnd;

use crate::kernel::{Access, Task};
use crate::maps::{
    FREE_CHUNKS, FREE_THREADS, HINTS, SYSCALL_ROWS, THREAD_OF_TASK, THREADS, config, config_has,
};
use crate::window::{self, Moment};

/// Adds one to a loss counter.
macro_rules! lose {
    ($counter:ident) => {
        if let Some(losses) = $crate::maps::LOSSES.get_ptr_mut(0) {
            // SAFETY: the counter lies in a map value that lives as long as the program; the addition is atomic and
            // nobody holds a reference to it.
            unsafe { $crate::record::add_one(&raw mut (*losses).$counter) };
        }
    };
}
pub(crate) use lose;

/// # Safety
/// `counter` points into a live map value, aligned to 8 bytes.
#[inline(always)]
pub unsafe fn add_one(counter: *mut u64) {
    // SAFETY: the caller's. The result is unused, so that it compiles to the one atomic that every kernel has.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, 1) };
}

/// The task's record, made if it has none in this window. `None`: there is no free one, which is counted, or the event came
/// after the window and the task has a record already.
#[inline(always)]
pub fn find<A: Access>(task: Task<A>, moment: Moment) -> Option<&'static mut ThreadRecord> {
    // SAFETY: `place` is inside the array.
    let slot = unsafe { HINTS.place(task.pid()).read_volatile() };
    match record_of(slot, task, moment.window) {
        Some(record) if !moment.is_after() => Some(record),
        Some(_) => None,
        None => find_slowly(task, moment),
    }
}

#[inline(always)]
fn record_of<A: Access>(
    slot: u32,
    task: Task<A>,
    window: u32,
) -> Option<&'static mut ThreadRecord> {
    // SAFETY: the map lives as long as the program. A record has one writer at a time (see `ThreadRecord`), and no
    // program holds two records of the same task.
    let record = unsafe { &mut *THREADS.get_ptr_mut(slot)? };
    (record.task == task.address() && record.window == window).then_some(record)
}

#[inline(never)]
fn find_slowly<A: Access>(task: Task<A>, moment: Moment) -> Option<&'static mut ThreadRecord> {
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
    let tid = task.shown_tid();
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
    if let Some(call) = task.syscall_in_registers() {
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

/// Puts a call's end into its row.
#[inline(always)]
pub fn count_syscall(
    record: &mut ThreadRecord,
    end: SyscallEnd,
    number_in_registers: impl FnOnce() -> SyscallKey,
) {
    match end {
        SyscallEnd::Orphan => {}
        SyscallEnd::Whole { key, duration_ns } => {
            if let Some(row) = row(record, key) {
                row.durations.add(duration_ns);
                row.histogram[abi::histogram::bucket(duration_ns)] += 1;
                if row.is_poll != 0 {
                    let began_ns = record.syscall_since_ns;
                    record.polled(began_ns, began_ns + duration_ns);
                }
            }
        }
        SyscallEnd::Cut {
            key,
            duration_ns,
            off_cpu,
        } => {
            let key = match key {
                Some(key) => key,
                None => number_in_registers(),
            };
            if let Some(row) = row(record, key) {
                row.in_flight_ns += duration_ns;
                row.off_cpu.add(off_cpu);
                if row.is_poll != 0 {
                    record.polled_ns = record.since_ns;
                }
            }
        }
    }
}

/// Gives the thread's time off the CPU to the call that it is in.
#[inline(always)]
pub fn attribute_off_cpu(record: &mut ThreadRecord) {
    if let Some((key, off_cpu)) = record.attribute_off_cpu()
        && let Some(row) = row(record, key)
    {
        row.off_cpu.add(off_cpu);
    }
}

#[inline(always)]
fn row(record: &mut ThreadRecord, key: SyscallKey) -> Option<&'static mut SyscallRow> {
    let first = record.rows[key.head() & (ROW_HEADS - 1)];
    if first != 0 {
        let row = row_at(first - 1)?;
        if row.key == key {
            return Some(row);
        }
    }
    row_slowly(record, key)
}

#[inline(always)]
fn row_at(index: u32) -> Option<&'static mut SyscallRow> {
    // SAFETY: the map lives as long as the program; a row belongs to one thread, which is its only writer.
    Some(unsafe { &mut *SYSCALL_ROWS.get_ptr_mut(index)? })
}

#[inline(never)]
fn row_slowly(record: &mut ThreadRecord, key: SyscallKey) -> Option<&'static mut SyscallRow> {
    let head = key.head() & (ROW_HEADS - 1);
    let mut next = record.rows[head];
    for _ in 0..CHAIN_LIMIT {
        if next == 0 {
            break;
        }
        let row = row_at(next - 1)?;
        if row.key == key {
            return Some(row);
        }
        next = row.next;
    }
    if record.chunk_left == 0 {
        let Ok(Some(chunk)) = FREE_CHUNKS.pop() else {
            lose!(syscalls);
            return None;
        };
        record.chunk = chunk;
        record.chunk_left = ROWS_PER_CHUNK;
    }
    let index = record.chunk * ROWS_PER_CHUNK + (ROWS_PER_CHUNK - record.chunk_left);
    record.chunk_left -= 1;
    let row = row_at(index)?;
    row.key = key;
    row.is_poll = config_has!(polls, key).into();
    row.next = record.rows[head];
    record.rows[head] = index + 1;
    Some(row)
}
