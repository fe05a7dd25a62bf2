//! From a record to the row of a system call.

use abi::syscall::{CHAIN_LIMIT, ROW_HEADS, ROWS_PER_CHUNK, SyscallKey, SyscallRow};
use abi::thread::record::ThreadRecord;
use abi::thread::state::SyscallEnd;

use crate::losses::lose;
use crate::maps::{FREE_CHUNKS, SYSCALL_ROWS, config_has};

/// Puts a call's end into its row. Without one the call is lost, and counted as lost here alone: once.
#[inline(always)]
pub fn count_syscall(
    record: &mut ThreadRecord,
    end: SyscallEnd,
    key_in_registers: impl FnOnce() -> SyscallKey,
    result: impl FnOnce() -> i64,
) {
    match end {
        SyscallEnd::Orphan => {}
        SyscallEnd::Refused => {
            // What came before it is no call's.
            record.take_off_cpu();
            match row(record, key_in_registers()) {
                Some(row) => row.refuse(result()),
                None => lose_call(record),
            }
        }
        SyscallEnd::Whole { key, duration_ns } => {
            let Some(row) = row(record, key) else {
                return lose_call(record);
            };
            row.durations.add(duration_ns);
            row.histogram[abi::histogram::bucket(duration_ns)] += 1;
            if row.is_poll != 0 {
                let began_ns = record.syscall_since_ns;
                record.polled(began_ns, began_ns + duration_ns);
            }
        }
        SyscallEnd::Cut {
            key,
            duration_ns,
            off_cpu,
        } => {
            let key = match key {
                Some(key) => key,
                None => {
                    let key = key_in_registers();
                    record.was_in(key);
                    key
                }
            };
            let Some(row) = row(record, key) else {
                return lose_call(record);
            };
            row.in_flight_ns += duration_ns;
            row.off_cpu.add(off_cpu);
            if row.is_poll != 0 {
                record.polled_ns = record.since_ns;
            }
        }
    }
}

/// With all that is the call's: its time off the CPU must not become the next one's.
#[inline(always)]
fn lose_call(record: &mut ThreadRecord) {
    record.take_off_cpu();
    lose!(syscalls);
}

/// Attributes the thread's time off the CPU to the call that it is in.
#[inline(always)]
pub fn attribute_off_cpu(record: &mut ThreadRecord) {
    let Some((key, off_cpu)) = record.attribute_off_cpu() else {
        return;
    };
    match row(record, key) {
        Some(row) => row.off_cpu.add(off_cpu),
        None => record.leave_off_cpu(off_cpu),
    }
}

/// `None`: there is no free one.
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
    // Never: the limit is the number of keys that there are for a head. A second row for one of them would be a lie.
    if next != 0 {
        return None;
    }
    if record.chunk_left == 0 {
        let Ok(Some(chunk)) = FREE_CHUNKS.pop() else {
            return None;
        };
        record.chunk = chunk;
        record.chunk_left = ROWS_PER_CHUNK;
    }
    let index = record.chunk * ROWS_PER_CHUNK + (ROWS_PER_CHUNK - record.chunk_left);
    record.chunk_left -= 1;
    let row = row_at(index)?;
    row.key = key;
    // What found no row at the switches of a call that has one now, as it ends.
    row.off_cpu = record.take_off_cpu();
    row.is_poll = config_has!(polls, key).into();
    row.next = record.rows[head];
    record.rows[head] = index + 1;
    Some(row)
}
