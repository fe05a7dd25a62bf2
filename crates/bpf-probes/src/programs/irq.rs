//! Interrupts that arrive while a monitored thread is current.

use aya_ebpf::helpers::bpf_probe_read_kernel_str_bytes;
use bpf_probes::abi::config::NO_OFFSET;
use bpf_probes::abi::irq::{HardIrqKey, HardIrqRow};
use bpf_probes::abi::thread::ThreadRecord;

use crate::kernel::{Access, Probed};
use crate::maps::{HARD_IRQS, config};
use crate::programs::{Arguments, probe};
use crate::record::{find, lose};
use crate::window::Moment;

const IRQ_NONE: u32 = 0;

/// The interrupted thread's record, if it is monitored and the window is open.
#[inline(always)]
fn interrupted<C: Arguments>() -> Option<(&'static mut ThreadRecord, Moment)> {
    let task = C::Access::current_target()?;
    let moment = Moment::in_window()?;
    Some((find(task, moment)?, moment))
}

/// `irq_handler_entry(int irq, struct irqaction *action)`
#[inline(always)]
fn hard_entry<C: Arguments>(ctx: &C) -> Option<()> {
    let (record, moment) = interrupted::<C>()?;
    record.hard_irq_entered(moment.now_ns, ctx.pointer(1) as u64);
    None
}

/// `irq_handler_exit(int irq, struct irqaction *action, int ret)`. On a shared line each action runs, and those whose
/// device did not interrupt return `IRQ_NONE`: they are no interrupts, but their time is interrupt time.
#[inline(always)]
fn hard_exit<C: Arguments>(ctx: &C) -> Option<()> {
    let (record, moment) = interrupted::<C>()?;
    let action = ctx.pointer(1);
    let duration_ns = record.hard_irq_exited(moment.now_ns, action as u64)?;
    if ctx.number(2) as u32 == IRQ_NONE {
        return None;
    }
    let slot = record.slot;
    let key = HardIrqKey {
        action: action as u64,
        slot,
        irq: ctx.number(0) as u32,
    };
    let row = match HARD_IRQS.get_ptr_mut(&key) {
        Some(row) => row,
        None => new_row(&key, action)?,
    };
    // SAFETY: the map lives as long as the program; a row belongs to one thread, which is its only writer.
    unsafe { (*row).durations.add(duration_ns) };
    None
}

#[inline(never)]
fn new_row(key: &HardIrqKey, action: *const u8) -> Option<*mut HardIrqRow> {
    let mut row = HardIrqRow::EMPTY;
    let offset = config!(offsets.irqaction_name);
    if offset != NO_OFFSET {
        let name = Probed::read_u64(action, offset) as *const u8;
        // SAFETY: the helper checks the address; an unreadable name stays empty.
        let _ = unsafe { bpf_probe_read_kernel_str_bytes(name, &mut row.name) };
    }
    if HARD_IRQS.insert(key, &row, 0).is_err() {
        lose!(irqs);
    }
    HARD_IRQS.get_ptr_mut(key)
}

/// `softirq_entry(unsigned int vec_nr)`
#[inline(always)]
fn soft_entry<C: Arguments>(ctx: &C) -> Option<()> {
    let (record, moment) = interrupted::<C>()?;
    record.soft_irq_entered(moment.now_ns, ctx.number(0) as u32);
    None
}

/// `softirq_exit(unsigned int vec_nr)`
#[inline(always)]
fn soft_exit<C: Arguments>(ctx: &C) -> Option<()> {
    let (record, moment) = interrupted::<C>()?;
    record.soft_irq_exited(moment.now_ns, ctx.number(0) as u32);
    None
}

probe!(
    "irq_handler_entry",
    irq_handler_entry,
    irq_handler_entry_raw,
    hard_entry
);
probe!(
    "irq_handler_exit",
    irq_handler_exit,
    irq_handler_exit_raw,
    hard_exit
);
probe!(
    "softirq_entry",
    softirq_entry,
    softirq_entry_raw,
    soft_entry
);
probe!("softirq_exit", softirq_exit, softirq_exit_raw, soft_exit);
