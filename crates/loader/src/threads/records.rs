//! From the maps of a window to the threads of a sample, and the maps' return to the free state.
//!
//! A thread that ends gives its record back while the window is open (`harvest`), so that a window may see any number of
//! threads come and go; the records of the others are read when it is closed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::atomic::{Ordering, fence};

use abi::irq::{HardIrqKey, HardIrqRow, NO_LINE};
use abi::syscall::{SyscallKey, SyscallRow};
use abi::thread::record::{Activity, Ended, ThreadRecord};

use crate::error::Result;
use crate::names::interrupts::local_irq_name;
use crate::names::syscalls::is_poll;
use crate::names::text::name_of;
use crate::probes::maps::Maps;
use crate::probes::needs::Needs;
use crate::probes::slot_rows::SlotRows;
use crate::sample::{HardIrq, LocalIrq};
use crate::targets::stopped::StoppedAtStart;
use crate::threads::from_record::{self, Parts};
use crate::threads::seen::{BlockedTime, FirstEvent, Seen};
use crate::threads::syscalls::statistics;

/// The threads, by tgid and tid, that have records by now, of this window or of a later one.
pub fn recorded(maps: &Maps, window: u32) -> HashSet<(u32, u32)> {
    maps.records()
        .filter(|&record| window_of(record) >= window)
        .map(thread_id)
        .collect()
}

/// The first events of the threads that have records in this window. Programs may be writing these, and the harvester may be
/// freeing them: what it frees it has read before.
pub fn first_events(maps: &Maps, window: u32) -> impl Iterator<Item = FirstEvent> {
    maps.used(window).filter_map(move |place| {
        // SAFETY: the record lies in the mapping. A program may be writing it: it stores only valid values of its enums, each
        // a byte, and integers, for which any bytes are a value.
        let seen = unsafe { (&raw const (*place).first_activity).read_volatile() };
        if seen == Activity::Unseen {
            return None;
        }
        // Who the thread is was written before that. Where a processor shows one CPU's stores to another in any order, it may
        // not be there yet.
        fence(Ordering::Acquire);
        // SAFETY: as above.
        let record = unsafe { ptr::read_volatile(place) };
        // Before it is looked at whose it is still.
        fence(Ordering::Acquire);
        let is_still_its = window_of(place) == window
            && identity(place) == (record.task, record.start_time_ns)
            && record.window == window;
        (is_still_its && record.tid != 0).then(|| FirstEvent::of(&record))
    })
}

/// Reads the threads that have records in this window. No program may be writing any more. Their records are not free yet.
pub fn read_all(
    maps: &Maps,
    window: u32,
    stop_ns: u64,
    stopped: &StoppedAtStart,
    seen: &mut Seen,
) -> Result<()> {
    let records: Vec<*mut ThreadRecord> = maps.used(window).collect();
    read(maps, &records, window, stop_ns, stopped, seen)
}

/// Makes every record and row of a window that was read free again. No program may be writing.
pub fn free_all(maps: &Maps, window: u32) -> Result<()> {
    let records: Vec<*mut ThreadRecord> = maps.used(window).collect();
    records.iter().try_for_each(|&record| maps.free(record))?;
    maps.forget_renames(window)
}

/// The same of a window that was not read.
pub fn discard_all(maps: &Maps, window: u32) -> Result<()> {
    let records: Vec<*mut ThreadRecord> = maps.used(window).collect();
    SlotRows::take(maps, &needs_of(&records))?;
    free_all(maps, window)
}

/// By slot. Nobody writes the records any more.
fn needs_of(records: &[*mut ThreadRecord]) -> Vec<(u32, Needs)> {
    records
        .iter()
        .map(|&record| {
            // SAFETY: the record lies in the mapping, and nobody writes it. The programs store only valid values of its enums.
            let record = unsafe { &*record };
            (record.slot, Needs::of(record))
        })
        .collect()
}

fn window_of(record: *mut ThreadRecord) -> u32 {
    // SAFETY: the record lies in the mapping. A program may be writing it; the field is read whole.
    unsafe { (&raw const (*record).window).read_volatile() }
}

/// tgid and tid.
fn thread_id(record: *mut ThreadRecord) -> (u32, u32) {
    // SAFETY: the record lies in the mapping. A program may be writing it; each field is read whole.
    unsafe {
        (
            (&raw const (*record).tgid).read_volatile(),
            (&raw const (*record).tid).read_volatile(),
        )
    }
}

/// A task's address and start time: no two threads have both in common.
fn identity(record: *mut ThreadRecord) -> (u64, u64) {
    // SAFETY: the record lies in the mapping. A program may be writing it; each field is read whole.
    unsafe {
        (
            (&raw const (*record).task).read_volatile(),
            (&raw const (*record).start_time_ns).read_volatile(),
        )
    }
}

/// Whether the record still is that of the thread and the window whose end was told.
pub fn has_ended(record: *mut ThreadRecord, ended: &Ended) -> bool {
    window_of(record) == ended.window && identity(record) == (ended.task, ended.start_time_ns)
}

/// The threads of these records, which nobody writes any more.
pub fn read(
    maps: &Maps,
    records: &[*mut ThreadRecord],
    window: u32,
    stop_ns: u64,
    stopped: &StoppedAtStart,
    seen: &mut Seen,
) -> Result<()> {
    let needs = needs_of(records);
    let mut rows = SlotRows::take(maps, &needs)?;
    let renames = if needs.iter().any(|(_, needs)| needs.renames) {
        maps.renames()?
    } else {
        HashMap::new()
    };
    for (mut record, twin) in one_per_thread(records) {
        // Born while the end of the window was making its way to the CPUs.
        if record.begin_ns > stop_ns {
            continue;
        }
        let open = record.closed(stop_ns);
        count_open_poll(&mut record, open.call);
        // One that has ended has taken its name over by itself.
        if record.activity != Activity::Ended
            && let Some(rename) = renames.get(&record.task)
            && rename.start_time_ns == record.start_time_ns
            && rename.window <= window
        {
            record.comm = rename.comm;
        }
        seen.negative_intervals +=
            record.negative_intervals + u64::from(record.irq_negative_intervals);
        seen.switches_missed += record.switches_missed;
        let mut irqs_of = rows.hard_irqs.remove(&record.slot).unwrap_or_default();
        let irqs_of_twin = twin.and_then(|slot| rows.hard_irqs.remove(&slot));
        irqs_of.extend(irqs_of_twin.unwrap_or_default());
        let (local_irqs, hard_irqs) = irqs_of
            .into_iter()
            .partition::<Vec<_>, _>(|(key, _)| key.irq == NO_LINE);
        let hard_irqs: Vec<HardIrq> = hard_irqs.iter().map(hard_irq).collect();
        let local_irqs: Vec<LocalIrq> = local_irqs.iter().map(local_irq).collect();
        let identity = (record.task, record.start_time_ns);
        if let Some(harvested) = seen.thread_of(identity) {
            // The second record of a thread that has ended and was read by the first one.
            harvested.thread.hard_irqs.extend(hard_irqs);
            harvested.thread.local_irqs.extend(local_irqs);
            continue;
        }
        let comm = name_of(&record.comm);
        let blocked = rows.off_cpu.remove(&record.slot).unwrap_or_default();
        // A row that was made and not used: the thread is blocked still.
        let blocked = blocked
            .into_iter()
            .filter(|(_, durations)| durations.count > 0);
        seen.off_cpu
            .extend(blocked.map(|(key, durations)| BlockedTime {
                pid: record.tgid,
                tid: record.tid,
                start_time_ns: record.start_time_ns,
                comm: comm.clone(),
                key,
                durations,
            }));
        let parts = Parts {
            syscalls: statistics(&rows_of(maps, &record)?, open),
            hard_irqs,
            local_irqs,
            unattributed: open.off_cpu,
        };
        let halted_at_start = stopped.at_first_event(record.begin_ns + record.first_blocked_ns);
        let thread = from_record::thread(record, parts, stop_ns, halted_at_start);
        seen.add(identity, thread);
    }
    Ok(())
}

/// A copy of each thread's record, and the slot of the second one that an interrupt or a switch may have made for it in the
/// middle of the first one's making: of a switch's all but the interrupts is lost.
fn one_per_thread(records: &[*mut ThreadRecord]) -> Vec<(ThreadRecord, Option<u32>)> {
    let mut threads: Vec<(ThreadRecord, Option<u32>)> = Vec::with_capacity(records.len());
    let mut index_of: HashMap<(u64, u64), usize> = HashMap::new();
    for &record in records {
        match index_of.entry(identity(record)) {
            Entry::Vacant(entry) => {
                entry.insert(threads.len());
                // SAFETY: the record lies in the mapping, and nobody writes it (the grace period is over). The programs
                // store only valid values of its enums.
                threads.push((unsafe { ptr::read(record) }, None));
            }
            Entry::Occupied(entry) => {
                let (first, twin) = &mut threads[*entry.get()];
                // SAFETY: as above.
                let mut second = unsafe { ptr::read(record) };
                // The one that has gone on.
                if first.activity == Activity::Unseen || second.since_ns > first.since_ns {
                    std::mem::swap(first, &mut second);
                }
                first.absorb_irqs(&second);
                *twin = Some(second.slot);
            }
        }
    }
    threads
}

fn rows_of(maps: &Maps, record: &ThreadRecord) -> Result<Vec<SyscallRow>> {
    let mut rows = Vec::new();
    maps.for_rows(record, |row, _| {
        // SAFETY: the row lies in the mapping, and nobody writes it.
        rows.push(unsafe { ptr::read(row) });
    })?;
    Ok(rows)
}

fn hard_irq((key, row): &(HardIrqKey, HardIrqRow)) -> HardIrq {
    HardIrq {
        name: name_of(&row.name),
        irq: key.irq,
        count: row.durations.count as i64,
        total_ns: row.durations.total_ns as i64,
        max_ns: row.durations.max_ns as i64,
    }
}

fn local_irq((key, row): &(HardIrqKey, HardIrqRow)) -> LocalIrq {
    let number = if cfg!(target_arch = "x86_64") {
        key.action as u32
    } else {
        0
    };
    LocalIrq {
        name: local_irq_name(number, &row.name),
        vector: number,
        count: row.durations.count as i64,
        total_ns: row.durations.total_ns as i64,
        max_ns: row.durations.max_ns as i64,
    }
}

/// In its poll at the window's end: elsewhere until it began.
fn count_open_poll(record: &mut ThreadRecord, call: Option<(SyscallKey, u64)>) {
    let began_ns = record.syscall_since_ns;
    if began_ns != 0
        && let Some((key, _)) = call
        && is_poll(key)
    {
        record.polled(began_ns, began_ns);
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
