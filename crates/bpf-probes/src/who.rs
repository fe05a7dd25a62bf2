//! Who ran instead of a thread that waited for a CPU, and who woke one that was blocked.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_probe_read_kernel_str_bytes};
use bpf_probes::abi::COMM_BYTES;
use bpf_probes::abi::config::NO_OFFSET;
use bpf_probes::abi::thread::{Activity, Durations, ThreadRecord};
use bpf_probes::abi::who::{Cpu, TURNS, Turn, Who, WhoKey, WhoRow};
use bpf_probes::jumpless::bounded;

use crate::kernel::{Access, Probed, Task};
use crate::maps::{CPUS, WHO, config};
use crate::record::lose;

/// Turns that one wait is told by, at most.
const TOLD_TURNS: usize = TURNS;

#[inline(always)]
fn this_cpu() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// What this CPU is doing, if that is noted.
#[inline(always)]
pub fn here() -> Option<*mut Cpu> {
    if config!(who) == 0 {
        return None;
    }
    CPUS.get_ptr_mut(this_cpu())
}

/// A task has its turn on this CPU.
#[inline(always)]
pub fn note_turn<A: Access>(next: Task<A>, now_ns: u64) {
    let Some(cpu) = here() else { return };
    // SAFETY: the map lives as long as the program, and only this CPU writes here, in the one program that runs at switches;
    // the index is masked to the array's length.
    unsafe {
        let index = ((*cpu).latest + 1) & (TURNS as u64 - 1);
        let turn = (&raw mut (*cpu).turns)
            .cast::<Turn>()
            .add(bounded::<TURNS>(index as usize));
        (*turn).since_ns = now_ns;
        (*turn).pid = next.pid();
        (*turn).tgid = next.tgid();
        next.comm_words(&raw mut (*turn).comm);
        (*cpu).latest = index;
        // Only where soft interrupts are threads' work (PREEMPT_RT) can one be left open here.
        (*cpu).soft_irq = 0;
    }
}

/// The thread waits for a CPU from now on: in whose queue.
#[inline(always)]
pub fn note_queue<A: Access>(task: Task<A>, record: &mut ThreadRecord) {
    if config!(who) != 0 {
        record.ready_cpu = task.cpu().map_or(0, |cpu| cpu + 1);
    }
}

/// The thread is about to be on a CPU; its record says that it is ready still.
#[inline(always)]
pub fn tell_wait(record: &mut ThreadRecord, now_ns: u64) {
    let since_ns = record.off_cpu_since_ns;
    if config!(who) == 0 || since_ns == 0 || !record.activity.is_ready() || now_ns <= since_ns {
        return;
    }
    let waited_ns = now_ns - since_ns;
    if waited_ns < config!(least_told_ns) {
        record.ready_short_ns += waited_ns;
        return;
    }
    tell_turns(record.slot, record.ready_cpu, since_ns, now_ns);
}

/// Goes back through the turns on that CPU. Its programs may be writing them: what does not lie before the turn after it is no
/// turn of this round.
#[inline(never)]
fn tell_turns(slot: u32, queue: u32, since_ns: u64, now_ns: u64) -> u32 {
    let key = WhoKey {
        slot,
        who: Who::Queue as u32,
        number: queue.wrapping_sub(1),
        reserved: 0,
    };
    let Some(cpu) = CPUS.get_ptr_mut(key.number) else {
        return 0;
    };
    add(&key, now_ns - since_ns, |_| {});
    // SAFETY: the map lives as long as the program; volatile, as another CPU may be writing.
    let mut index = unsafe { (&raw const (*cpu).latest).read_volatile() };
    let mut end_ns = now_ns;
    for _ in 0..TOLD_TURNS {
        // SAFETY: as above; the index is masked to the array's length.
        let turn = unsafe {
            (&raw const (*cpu).turns)
                .cast::<Turn>()
                .add(bounded::<TURNS>(index as usize))
        };
        // SAFETY: as above.
        let began_ns = unsafe { (&raw const (*turn).since_ns).read_volatile() };
        if began_ns == 0 || began_ns > end_ns {
            break;
        }
        let from_ns = if began_ns > since_ns {
            began_ns
        } else {
            since_ns
        };
        if end_ns > from_ns {
            // SAFETY: as above.
            let number = unsafe { (&raw const (*turn).pid).read_volatile() };
            let key = WhoKey {
                slot,
                who: Who::Instead as u32,
                number,
                reserved: 0,
            };
            add(&key, end_ns - from_ns, |row| {
                // SAFETY: as above; a name that is being written is a name of this turn or of the next.
                unsafe {
                    row.tgid = (&raw const (*turn).tgid).read_volatile();
                    row.comm = (&raw const (*turn).comm).read_volatile();
                }
            });
        }
        end_ns = from_ns;
        if end_ns <= since_ns {
            break;
        }
        index = index.wrapping_sub(1);
    }
    1
}

/// Whether there was room.
#[inline(always)]
fn add(key: &WhoKey, duration_ns: u64, introduce: impl FnOnce(&mut WhoRow)) -> bool {
    if let Some(row) = WHO.get_ptr_mut(key) {
        // SAFETY: the map lives as long as the program; a thread's rows are written at its switches and wakeups alone, which
        // come one at a time.
        unsafe { (*row).durations.add(duration_ns) };
        return true;
    }
    let mut row = WhoRow {
        durations: Durations {
            count: 1,
            total_ns: duration_ns,
            max_ns: duration_ns,
        },
        tgid: 0,
        reserved: 0,
        comm: [0; COMM_BYTES],
    };
    introduce(&mut row);
    WHO.insert(key, &row, 0).is_ok()
}

/// The current context is about to wake the thread, which is off every CPU and blocked since that time.
#[inline(always)]
pub fn tell_waker(record: &ThreadRecord, now_ns: u64) {
    let is_blocked = matches!(record.activity, Activity::Unseen | Activity::Blocked);
    if !is_blocked || now_ns <= record.since_ns {
        return;
    }
    let blocked_ns = now_ns - record.since_ns;
    if blocked_ns < config!(least_told_ns) {
        return;
    }
    let Some(cpu) = here() else { return };
    // SAFETY: the map lives as long as the program, and only this CPU writes here.
    let (hard, soft) = unsafe { ((*cpu).hard_irq, (*cpu).soft_irq) };
    let context = if hard != 0 { hard } else { soft };
    let waker = Task::<Probed>::current();
    let (who, number) = if context != 0 {
        ((context >> 32) as u32, context as u32)
    } else {
        (Who::Task as u32, waker.pid())
    };
    let key = WhoKey {
        slot: record.slot,
        who,
        number,
        reserved: 0,
    };
    let is_told = add(&key, blocked_ns, |row| {
        if who == Who::Task as u32 {
            row.tgid = waker.tgid();
            waker.copy_comm(&mut row.comm);
        } else if who == Who::HardIrq as u32 {
            // SAFETY: as above.
            name_action(unsafe { (*cpu).hard_irq_action }, &mut row.comm);
        }
    });
    if !is_told {
        lose!(irqs);
    }
}

#[inline(always)]
fn name_action(action: u64, name: &mut [u8; COMM_BYTES]) {
    let offset = config!(offsets.irqaction_name);
    if offset != NO_OFFSET && action != 0 {
        let from = Probed::read_u64(action as *const u8, offset) as *const u8;
        // SAFETY: the helper checks the address; an unreadable name stays empty.
        let _ = unsafe { bpf_probe_read_kernel_str_bytes(from, name) };
    }
}

/// A handler begins on this CPU.
#[inline(always)]
pub fn enter_hard_irq(who: Who, number: u32, action: u64) {
    if let Some(cpu) = here() {
        // SAFETY: the map lives as long as the program. Of its own CPU; handlers do not interrupt each other.
        unsafe {
            (*cpu).hard_irq = who.word(number);
            (*cpu).hard_irq_action = action;
        }
    }
}

#[inline(always)]
pub fn exit_hard_irq() {
    if let Some(cpu) = here() {
        // SAFETY: as above.
        unsafe { (*cpu).hard_irq = 0 };
    }
}

#[inline(always)]
pub fn enter_soft_irq(vector: u32) {
    if let Some(cpu) = here() {
        // SAFETY: as above; soft interrupts do not interrupt each other either.
        unsafe { (*cpu).soft_irq = Who::SoftIrq.word(vector) };
    }
}

#[inline(always)]
pub fn exit_soft_irq() {
    if let Some(cpu) = here() {
        // SAFETY: as above.
        unsafe { (*cpu).soft_irq = 0 };
    }
}
