//! Time blocked, summed up by stack.

use abi::durations::Durations;
use abi::jumpless::bounded;
use abi::off_cpu::{OffCpuKey, OffCpuStack};
use abi::stack::{KERNEL_FRAME_BYTES, KERNEL_FRAMES, UserRegisters};
use abi::thread::record::{Activity, ThreadRecord};
use abi::waits::Waits;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;

use crate::arguments::Arguments;
use crate::kernel::Task;
use crate::losses::lose;
use crate::maps::{NO_WAKEUP, OFF_CPU, OFF_CPU_STACKS, config};
use crate::stacks::{WithStack, take_stack, waits_of, with_stack_bytes, write_user_stack};

const BPF_NOEXIST: u64 = 1;

/// The thread, which is the current one, is about to leave the CPU; its record says so already.
#[inline(always)]
pub fn switched_out<C: Arguments>(ctx: &C, task: Task<C::Access>, record: &ThreadRecord) {
    if config!(off_cpu) == 0 || record.activity as u8 != Activity::Blocked as u8 {
        return;
    }
    let Some(waits) = waits_of(record) else {
        return;
    };
    let bytes = take_stack(ctx, waits);
    let registers = task.user_registers();
    let key = OffCpuKey {
        slot: record.slot,
        window: record.window,
        kernel: hash(&waits.latest, bytes, record.start_time_ns),
        pc: registers.pc,
        sp: registers.sp,
    };
    // SAFETY: only presence is asked.
    if unsafe { OFF_CPU.get(&key) }.is_none()
        && !introduce(ctx, &key, task, record, waits, registers)
    {
        return lose!(off_cpu);
    }
    waits.blocked.key = key;
    waits.blocked.since_ns = record.switched_out_ns;
}

/// The thread is about to be on a CPU again. It was blocked until it was woken; since then it has been ready.
#[inline(always)]
pub fn switched_in(record: &ThreadRecord) {
    if config!(off_cpu) == 0 || record.activity as u8 != Activity::ReadyWoken as u8 {
        return;
    }
    let Some(waits) = waits_of(record) else {
        return;
    };
    let since_ns = record.switched_out_ns;
    if since_ns == 0 || waits.blocked.since_ns != since_ns || record.off_cpu_since_ns < since_ns {
        return;
    }
    waits.blocked.since_ns = 0;
    // SAFETY: the row is the thread's own, and this its only writer.
    if let Some(row) = OFF_CPU.get_ptr_mut(&waits.blocked.key) {
        unsafe { (*row).add(record.off_cpu_since_ns - since_ns) };
    }
}

#[inline(always)]
fn hash(frames: &[u64; KERNEL_FRAMES], bytes: u64, start_time_ns: u64) -> u64 {
    let mut hash = bytes ^ start_time_ns;
    for index in 0..KERNEL_FRAMES {
        if index as u64 * 8 >= bytes {
            break;
        }
        // SAFETY: masked to the array's length.
        let frame = unsafe { frames.as_ptr().add(bounded::<KERNEL_FRAMES>(index)).read() };
        // The golden ratio's digits, as in the kernel's own hash_64().
        hash = (hash ^ frame).wrapping_mul(0x61c8_8646_80b5_83eb);
        hash ^= hash >> 32;
    }
    hash
}

/// Makes a row, and hands over what it is about. Neither without the other.
#[inline(always)]
fn introduce<C: Arguments>(
    ctx: &C,
    key: &OffCpuKey,
    task: Task<C::Access>,
    record: &ThreadRecord,
    waits: &Waits,
    registers: UserRegisters,
) -> bool {
    if OFF_CPU.insert(key, &Durations::EMPTY, BPF_NOEXIST).is_err() {
        return false;
    }
    let is_handed_over =
        with_stack_bytes!(BYTES => hand_over::<C, BYTES>(ctx, key, task, record, waits, registers));
    if !is_handed_over {
        let _ = OFF_CPU.remove(key);
    }
    is_handed_over
}

#[inline(always)]
fn hand_over<C: Arguments, const BYTES: usize>(
    ctx: &C,
    key: &OffCpuKey,
    task: Task<C::Access>,
    record: &ThreadRecord,
    waits: &Waits,
    registers: UserRegisters,
) -> bool {
    let Some(mut entry) = OFF_CPU_STACKS.reserve::<WithStack<OffCpuStack, BYTES>>(0) else {
        return false;
    };
    let place = entry.as_mut_ptr();
    // SAFETY: memory of the ring buffer, as large and as aligned as the value, and ours until it is submitted; the frames are
    // as many on both sides.
    unsafe {
        let event = &raw mut (*place).record;
        write_user_stack::<C, BYTES>(
            ctx,
            task,
            registers,
            registers.sp != 0,
            &raw mut (*event).user,
            (&raw mut (*place).stack).cast(),
        );
        (&raw mut (*event).key).write(*key);
        (&raw mut (*event).tgid).write(record.tgid);
        (&raw mut (*event).frame_bytes).write(waits.latest_bytes as u32);
        bpf_probe_read_kernel(
            (&raw mut (*event).frames).cast(),
            KERNEL_FRAME_BYTES,
            waits.latest.as_ptr().cast(),
        );
    }
    entry.submit(NO_WAKEUP);
    true
}
