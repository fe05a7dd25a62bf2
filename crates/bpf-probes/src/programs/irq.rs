//! Interrupts that arrive while a monitored thread is current.

use abi::irq::{HardIrqKey, HardIrqRow, NO_LINE};
use abi::recorder::Context;
use abi::thread::record::ThreadRecord;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

use crate::arguments::Arguments;
use crate::kernel::{Access, Task, copy_irq_name};
use crate::losses::lose;
use crate::maps::HARD_IRQS;
use crate::programs::entry_points::probe;
use crate::record::find;
use crate::recorder;
use crate::window::Moment;

const IRQ_NONE: u32 = 0;

/// A thread of the monitored processes that an interrupt has found on a CPU.
struct Interrupted<A: Access> {
    task: Task<A>,
    record: &'static mut ThreadRecord,
    now_ns: u64,
}

impl<A: Access> Interrupted<A> {
    /// If it is monitored and the window is open.
    #[inline(always)]
    fn find() -> Option<Self> {
        let task = A::current_target()?;
        let mut moment = Moment::in_window()?;
        let record = find(task, &mut moment)?;
        Some(Self {
            task,
            record,
            now_ns: moment.now_ns,
        })
    }

    #[inline(always)]
    fn hard_irq_entered(self, action: u64) {
        self.record.hard_irq_entered(self.now_ns, action);
        self.record.irq_cpu_times = self.task.cpu_times();
    }

    /// Returns the thread's record and how long it took.
    #[inline(always)]
    fn hard_irq_exited(self, action: u64) -> Option<(&'static mut ThreadRecord, u64)> {
        self.record.hard_irq_accounted(self.task.cpu_times());
        let duration_ns = self.record.hard_irq_exited(self.now_ns, action)?;
        Some((self.record, duration_ns))
    }
}

/// `irq_handler_entry(int irq, struct irqaction *action)`
#[inline(always)]
fn hard_entry<C: Arguments>(ctx: &C) -> Option<()> {
    recorder::enter_hard_irq(
        Context::HardIrq,
        ctx.number(0) as u32,
        ctx.pointer(1) as u64,
    );
    Interrupted::<C::Access>::find()?.hard_irq_entered(ctx.pointer(1) as u64);
    None
}

/// `irq_handler_exit(int irq, struct irqaction *action, int ret)`. On a shared line each action runs, and those whose
/// device did not interrupt return `IRQ_NONE`: they are no interrupts, but their time is interrupt time.
#[inline(always)]
fn hard_exit<C: Arguments>(ctx: &C) -> Option<()> {
    recorder::exit_hard_irq();
    let action = ctx.pointer(1);
    let found = Interrupted::<C::Access>::find()?;
    let (record, duration_ns) = found.hard_irq_exited(action as u64)?;
    if ctx.number(2) as u32 == IRQ_NONE {
        return None;
    }
    let key = HardIrqKey {
        action: action as u64,
        slot: record.slot,
        irq: ctx.number(0) as u32,
    };
    count(&key, duration_ns)
}

/// `local_timer_entry(int vector)` of x86 and its like, and `ipi_entry(const char *reason)` of arm64: interrupts that
/// `irq_handler_entry` does not tell of.
#[inline(always)]
fn vector_entry<C: Arguments>(ctx: &C) -> Option<()> {
    let vector = ctx.number(0);
    recorder::enter_hard_irq(Context::LocalIrq, vector as u32, vector);
    Interrupted::<C::Access>::find()?.hard_irq_entered(vector);
    None
}

#[inline(always)]
fn vector_exit<C: Arguments>(ctx: &C) -> Option<()> {
    recorder::exit_hard_irq();
    let vector = ctx.number(0);
    let found = Interrupted::<C::Access>::find()?;
    let (record, duration_ns) = found.hard_irq_exited(vector)?;
    let key = HardIrqKey {
        action: vector,
        slot: record.slot,
        irq: NO_LINE,
    };
    count(&key, duration_ns)
}

#[inline(always)]
fn count(key: &HardIrqKey, duration_ns: u64) -> Option<()> {
    let row = match HARD_IRQS.get_ptr_mut(key) {
        Some(row) => row,
        None => new_row(key)?,
    };
    // SAFETY: the map lives as long as the program; a row belongs to one thread, which is its only writer.
    unsafe { (*row).durations.add(duration_ns) };
    None
}

#[inline(never)]
fn new_row(key: &HardIrqKey) -> Option<*mut HardIrqRow> {
    let mut row = HardIrqRow::EMPTY;
    copy_irq_name(key.action, key.irq != NO_LINE, &mut row.name);
    if HARD_IRQS.insert(key, &row, 0).is_err() {
        lose!(irqs);
    }
    HARD_IRQS.get_ptr_mut(key)
}

/// Attached to many tracepoints, which `tp_btf` programs cannot be.
#[raw_tracepoint(tracepoint = "vector_entry")]
pub fn vector_entry_raw(ctx: RawTracePointContext) -> i32 {
    vector_entry(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "vector_exit")]
pub fn vector_exit_raw(ctx: RawTracePointContext) -> i32 {
    vector_exit(&ctx);
    0
}

/// `softirq_entry(unsigned int vec_nr)`
#[inline(always)]
fn soft_entry<C: Arguments>(ctx: &C) -> Option<()> {
    recorder::enter_soft_irq(ctx.number(0) as u32);
    let found = Interrupted::<C::Access>::find()?;
    found
        .record
        .soft_irq_entered(found.now_ns, ctx.number(0) as u32);
    None
}

/// `softirq_exit(unsigned int vec_nr)`
#[inline(always)]
fn soft_exit<C: Arguments>(ctx: &C) -> Option<()> {
    recorder::exit_soft_irq();
    let found = Interrupted::<C::Access>::find()?;
    found
        .record
        .soft_irq_exited(found.now_ns, ctx.number(0) as u32);
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
