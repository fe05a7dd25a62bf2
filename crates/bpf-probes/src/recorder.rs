//! The flight recorder: what the scheduler does on this CPU, into the CPU's own ring, which it overwrites again and again.
//!
//! Whatever writes here holds a run queue's lock or a task's `pi_lock`, or handles an interrupt: interrupts are disabled, so that no
//! CPU's records come in between each other. Programs run for every switch and every wakeup of the machine, so they must cost little.

use core::ptr::null_mut;

use abi::COMM_BYTES;
use abi::config::Config;
use abi::recorder::{
    Context, EXITING, Kind, NEXT_IS_TARGET, ON_CPU, PART_SHIFT, PREEMPTED, PREV_IS_TARGET, Record,
    RecorderCpu, WAS_STOPPED,
};
use abi::thread::record::{LONG_CALLS, LongCall, ThreadRecord};
use aya_ebpf::helpers::bpf_get_smp_processor_id;

use crate::kernel::{Access, Probed, Task, copy_irq_name};
use crate::maps::{FORCE_WAKEUP, FULL_PARTS, NAMED, RECORDER_CPUS, RECORDS, config};

/// This CPU's ring, if anything is recorded. Null and no `Option`: what the compiler knows to be undefined then it copies none the
/// less, which the verifier does not allow.
#[derive(Clone, Copy)]
pub struct Ring {
    number: u32,
    cpu: *mut RecorderCpu,
}

/// Also what no window is open for.
#[inline(always)]
pub fn records_always() -> bool {
    config!(recorder) == Config::ALWAYS
}

impl Ring {
    #[inline(always)]
    pub fn of_this_cpu() -> Self {
        if config!(recorder) == Config::NEVER {
            return Self {
                number: 0,
                cpu: null_mut(),
            };
        }
        // SAFETY: the helper has no preconditions.
        let number = unsafe { bpf_get_smp_processor_id() };
        let cpu = RECORDER_CPUS.get_ptr_mut(number).unwrap_or(null_mut());
        Self { number, cpu }
    }

    #[inline(always)]
    pub fn is_there(self) -> bool {
        config!(recorder) != Config::NEVER && !self.cpu.is_null()
    }

    #[inline(always)]
    fn write(self, record: Record) {
        // SAFETY: the maps live as long as the programs; only this CPU writes these, one program at a time.
        unsafe {
            let written = (*self.cpu).written;
            let place =
                self.number << config!(recorder_shift) | written as u32 & config!(recorder_mask);
            let Some(to) = RECORDS.get_ptr_mut(place) else {
                return;
            };
            (&raw mut (*to).head).write_volatile(record.head);
            (&raw mut (*to).at_ns).write_volatile(record.at_ns);
            (&raw mut (*to).tasks).write_volatile(record.tasks);
            (&raw mut (*to).argument).write_volatile(record.argument);
            (&raw mut (*self.cpu).written).write_volatile(written + 1);
            if (written + 1) as u32 & config!(recorder_mask) >> PART_SHIFT == 0 {
                report_full_part(self.number);
            }
        }
    }

    /// A switch after the window: of a CPU that had none in it, the first tells who ran there all along.
    #[inline(always)]
    pub fn switch_after<A: Access>(self, window: u32, prev: Task<A>, next: Task<A>) {
        // SAFETY: as in `write`.
        unsafe {
            if (*self.cpu).after_window != u64::from(window) {
                (&raw mut (*self.cpu).ran_through).write_volatile(u64::from(prev.pid()) + 1);
                (&raw mut (*self.cpu).after_window).write_volatile(window.into());
            }
            (&raw mut (*self.cpu).running).write_volatile(u64::from(next.pid()) + 1);
        }
        self.leave_soft_irq();
    }

    /// At a switch: only where soft interrupts are threads' work (PREEMPT_RT) can one be left open there.
    #[inline(always)]
    fn leave_soft_irq(self) {
        self.set_soft_irq(0);
    }

    #[inline(always)]
    pub fn switch<A: Access>(self, prev: Leaving<A>, next: Task<A>, is_target: bool, at_ns: u64) {
        let next_pid = next.pid();
        let target = u64::from(is_target) * Record::head(Kind::Switch, NEXT_IS_TARGET);
        self.name(next, next_pid);
        self.write(Record {
            head: Record::head(Kind::Switch, prev.detail)
                | target
                | Record::number_word(prev.state)
                | Record::call_word(prev.call),
            at_ns,
            tasks: Record::pair(prev.task.pid(), next_pid),
            argument: prev.call_since_ns,
        });
        // After the record: whoever finds none since this has the one that ran before it.
        // SAFETY: as in `write`.
        unsafe { (&raw mut (*self.cpu).running).write_volatile(u64::from(next_pid) + 1) };
        self.leave_soft_irq();
    }

    /// A call of the task that is about to leave.
    #[inline(always)]
    fn call(self, pid: u32, call: &LongCall, at_ns: u64) {
        let duration_ns = (call.to_ns - call.from_ns).min(u32::MAX.into());
        self.write(Record {
            head: Record::head(Kind::Call, 0) | Record::call_word(call.key.bits()),
            at_ns,
            tasks: Record::pair(pid, duration_ns as u32),
            argument: call.to_ns,
        });
    }

    #[inline(always)]
    pub fn waking<A: Access>(self, woken: Task<A>, is_target: bool, at_ns: u64) {
        // SAFETY: as in `write`.
        let (hard, soft) = unsafe { ((*self.cpu).hard_irq, (*self.cpu).soft_irq) };
        if hard != 0 {
            self.name_irq(hard);
        }
        let context = if hard != 0 { hard } else { soft };
        let waker = A::current();
        let state = woken.state_directly();
        let was_stopped = (state >> 2 | state >> 3) & 1;
        let detail = u8::from(is_target) * PREV_IS_TARGET
            | u8::from(woken.is_on_cpu()) * ON_CPU
            | was_stopped as u8 * WAS_STOPPED
            | u8::from(waker.is_exiting()) * EXITING;
        let cpu = woken.cpu().map_or(0, |cpu| cpu + 1);
        let waker_pid = waker.pid();
        let call = if context == 0 && waker_pid != 0 {
            waker.call_by_registers()
        } else {
            0
        };
        self.write(Record {
            head: Record::head(Kind::Waking, detail) | context,
            at_ns,
            tasks: Record::pair(woken.pid(), waker_pid),
            argument: Record::pair(call, cpu),
        });
    }

    #[inline(always)]
    pub fn born<A: Access>(self, child: Task<A>, at_ns: u64) {
        self.write(Record {
            head: Record::head(Kind::Born, 0)
                | Record::number_word(child.cpu().unwrap_or(self.number)),
            at_ns,
            tasks: Record::pair(child.pid(), Task::<Probed>::current().pid()),
            argument: 0,
        });
    }

    #[inline(always)]
    pub fn migrated<A: Access>(self, task: Task<A>, to: u32, at_ns: u64) {
        self.write(Record {
            head: Record::head(Kind::Migrated, 0) | Record::number_word(task.cpu().unwrap_or(to)),
            at_ns,
            tasks: Record::pair(task.pid(), to),
            argument: 0,
        });
    }

    /// The first time that a task comes to a CPU, and whenever another one has had its place meanwhile.
    #[inline(always)]
    fn name<A: Access>(self, task: Task<A>, pid: u32) {
        let place = NAMED.place(pid);
        // SAFETY: `place` is inside the array. Another CPU may write it at the same time: then one task is named twice, or later.
        unsafe {
            if pid == 0 || place.read_volatile() == pid {
                return;
            }
            place.write_volatile(pid);
        }
        let comm = task.comm_words();
        self.write(Record {
            head: Record::head(Kind::TaskName, 0) | Record::call_word(pid),
            at_ns: Record::pair(task.shown_tid_of(pid), task.shown_tgid()),
            tasks: comm[0],
            argument: comm[1],
        });
    }

    /// Once, until another one is.
    #[inline(always)]
    fn name_irq(self, context: u64) {
        // SAFETY: as in `write`.
        let (action, named) = unsafe { ((*self.cpu).hard_irq_action, (*self.cpu).named_action) };
        if action == named {
            return;
        }
        // SAFETY: as in `write`.
        unsafe { (*self.cpu).named_action = action };
        let mut name = [0; COMM_BYTES];
        let has_line = Context::of_word(context) as u8 != Context::LocalIrq as u8;
        copy_irq_name(action, has_line, &mut name);
        // SAFETY: as many bytes, of which any are a value.
        let words: [u64; 2] = unsafe { core::mem::transmute(name) };
        self.write(Record {
            head: Record::head(Kind::IrqName, 0) | context,
            at_ns: 0,
            tasks: words[0],
            argument: words[1],
        });
    }

    /// A handler begins.
    #[inline(always)]
    fn enter_hard_irq(self, word: u64, action: u64) {
        // SAFETY: as in `write`; handlers do not interrupt each other.
        unsafe {
            (*self.cpu).hard_irq = word;
            (*self.cpu).hard_irq_action = action;
        }
    }

    #[inline(always)]
    fn set_soft_irq(self, word: u64) {
        // SAFETY: as in `write`; soft interrupts do not interrupt each other either.
        unsafe { (*self.cpu).soft_irq = word };
    }
}

/// Who leaves a CPU.
#[derive(Clone, Copy)]
pub struct Leaving<A: Access> {
    pub task: Task<A>,
    pub detail: u8,
    pub state: u32,
    pub call: u32,
    /// As the record has it.
    pub call_since_ns: u64,
}

impl<A: Access> Leaving<A> {
    /// Until it is woken.
    #[inline(always)]
    pub fn sleeps(&self) -> bool {
        /// `TASK_INTERRUPTIBLE` and `TASK_UNINTERRUPTIBLE`.
        const SLEEPING: u32 = 0x3;
        self.detail & PREEMPTED == 0 && self.state & SLEEPING != 0
    }
}

/// The calls that have kept the thread, which is about to leave, on this CPU. A function of its own, as what is rare.
#[inline(never)]
pub fn record_long_calls(record: &mut ThreadRecord, at_ns: u64) -> u32 {
    let ring = Ring::of_this_cpu();
    let kept = record.long_calls_kept;
    record.long_calls_kept = 0;
    if !ring.is_there() {
        return 0;
    }
    for place in 0..LONG_CALLS {
        if (place as u32) < kept {
            ring.call(record.pid, &record.long_calls[place], at_ns);
        }
    }
    kept
}

/// A function of its own, as what is rare.
#[inline(never)]
fn report_full_part(cpu: u32) -> u32 {
    // Full: whoever is to fold them has been told, and is late.
    FULL_PARTS
        .output::<u64>(&u64::from(cpu), FORCE_WAKEUP)
        .is_ok()
        .into()
}

/// The task is called something else from now on, or its number is another's.
#[inline(always)]
pub fn forget_name(pid: u32) {
    if config!(recorder) == Config::NEVER {
        return;
    }
    let place = NAMED.place(pid);
    // SAFETY: as in `name`.
    unsafe {
        if place.read_volatile() == pid {
            place.write_volatile(0);
        }
    }
}

#[inline(always)]
pub fn enter_hard_irq(context: Context, number: u32, action: u64) {
    let ring = Ring::of_this_cpu();
    if ring.is_there() {
        ring.enter_hard_irq(context.word(number), action);
    }
}

#[inline(always)]
pub fn exit_hard_irq() {
    let ring = Ring::of_this_cpu();
    if ring.is_there() {
        ring.enter_hard_irq(0, 0);
    }
}

#[inline(always)]
pub fn enter_soft_irq(vector: u32) {
    let ring = Ring::of_this_cpu();
    if ring.is_there() {
        ring.set_soft_irq(Context::SoftIrq.word(vector));
    }
}

#[inline(always)]
pub fn exit_soft_irq() {
    let ring = Ring::of_this_cpu();
    if ring.is_there() {
        ring.set_soft_irq(0);
    }
}
