//! Who ran instead of a thread that waited for a CPU, and who woke one that was blocked.

use core::ptr::{null_mut, read_volatile, write_volatile};

use abi::COMM_BYTES;
use abi::config::NO_OFFSET;
use abi::control::{MOST_PENDING, WINDOWS};
use abi::durations::Durations;
use abi::jumpless::{bounded, exceeds};
use abi::thread::record::{Activity, ThreadRecord};
use abi::who::{
    COMM_WORDS, Cpu, MOST_INSTEAD, MOST_WAKERS, TURNS, TURNS_OF_A_CROWD, Turn, Walk, Who, WhoKey,
    WhoRow,
};
use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_probe_read_kernel_str_bytes};

use crate::kernel::{Access, Probed, Task};
use crate::losses::{add_one, subtract_one};
use crate::maps::{CPUS, THREADS, WHO, config};
use crate::window::{self, Moment};

#[inline(always)]
fn this_cpu() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// What this CPU is doing, if that is noted.
#[inline(always)]
fn here() -> Option<*mut Cpu> {
    if config!(who) == 0 {
        return None;
    }
    CPUS.get_ptr_mut(this_cpu())
}

/// The same, looked up once for the end of a switch. Null and no `Option`: what the compiler knows to be undefined then it copies none
/// the less, which the verifier does not allow.
#[derive(Clone, Copy)]
pub struct Here(*mut Cpu);

impl Here {
    #[inline(always)]
    pub fn find() -> Self {
        Self(here().unwrap_or(null_mut()))
    }

    #[inline(always)]
    fn cpu(self) -> Option<*mut Cpu> {
        (!self.0.is_null()).then_some(self.0)
    }
}

/// Where it is counted who waits in a CPU's queue.
///
/// # Safety
/// `cpu` points into a live map value.
#[inline(always)]
unsafe fn waiters(cpu: *mut Cpu, window: u32) -> *mut u64 {
    // SAFETY: the caller's; the index is masked to the array's length.
    unsafe {
        (&raw mut (*cpu).waiters)
            .cast::<u64>()
            .add(bounded::<WINDOWS>(window as usize))
    }
}

/// A task has its turn on this CPU after another: noted for all that there are, so it must cost little. Whether somebody waits in
/// this CPU's queue: else nobody will ask for the turn that ends now, and it is not known since when it was.
#[inline(always)]
pub fn begin_switch<A: Access>(next: Task<A>) -> bool {
    let Some(cpu) = here() else { return false };
    // SAFETY: the map lives as long as the program; only this CPU writes these here, in the one program that runs at switches, and
    // the rest is read whole.
    unsafe {
        write_volatile(&raw mut (*cpu).running, next.address());
        // Only where soft interrupts are threads' work (PREEMPT_RT) can one be left open here.
        (*cpu).soft_irq = 0;
        let is_waited_for = read_volatile(waiters(cpu, window::current())) != 0;
        if !is_waited_for {
            write_volatile(&raw mut (*cpu).since_ns, 0);
        }
        is_waited_for
    }
}

/// The switch's other work is done: what remains is to note whose turn ended, if somebody asks for it or may.
#[inline(always)]
pub fn end_switch<A: Access>(here: Here, prev: Task<A>, moment: Moment) {
    let Some(cpu) = here.cpu() else { return };
    // SAFETY: as in `begin_switch`.
    unsafe {
        let since_ns = read_volatile(&raw const (*cpu).since_ns);
        // It is this switch's own time if the first of those that wait is the one that was switched out.
        if since_ns != 0
            && since_ns < moment.now_ns
            && ((*cpu).walk.queue != 0 || read_volatile(waiters(cpu, moment.window)) != 0)
        {
            note_turn(cpu, prev, since_ns);
        } else if since_ns != 0 {
            // A number without a turn: what lies before it must not be taken for what ran up to the next one.
            (*cpu).latest += 1;
        }
        turn_begins(cpu, moment.now_ns);
    }
}

/// The turn of the task that is running, or what matters of it, begins.
///
/// # Safety
/// `cpu` points into a live map value, and no switch is under way there, or this is its.
#[inline(always)]
unsafe fn turn_begins(cpu: *mut Cpu, now_ns: u64) {
    // SAFETY: the caller's.
    unsafe {
        let running = read_volatile(&raw const (*cpu).running);
        write_volatile(&raw mut (*cpu).since_ns, now_ns);
        let check = Cpu::checked_running(running, now_ns);
        write_volatile(&raw mut (*cpu).running_check, check);
    }
}

/// # Safety
/// `cpu` points to this CPU's value in the map.
#[inline(always)]
unsafe fn note_turn<A: Access>(cpu: *mut Cpu, task: Task<A>, since_ns: u64) {
    let pid = task.pid();
    let mut turn = Turn {
        since_ns,
        pid,
        tid: task.shown_tid_of(pid),
        tgid: task.shown_tgid(),
        reserved: 0,
        comm: task.comm_words(),
        check: 0,
    };
    // SAFETY: the caller's; the index is masked to the array's length.
    unsafe {
        let number = (*cpu).latest + 1;
        turn.check = turn.checked(number);
        *(&raw mut (*cpu).turns)
            .cast::<Turn>()
            .add(bounded::<TURNS>(number as usize)) = turn;
        (*cpu).latest = number;
    }
}

/// If the thread waits for a CPU from now on, or in another queue than it did: in whose.
#[inline(always)]
pub fn note_queue<A: Access>(task: Task<A>, record: &mut ThreadRecord, moment: Moment) {
    if config!(who) == 0 || !record.activity.is_ready() {
        return;
    }
    let Some(number) = task.cpu() else { return };
    if record.ready_cpu == number + 1 {
        return;
    }
    leave_queue(record);
    let Some(cpu) = CPUS.get_ptr_mut(number) else {
        return;
    };
    record.ready_cpu = number + 1;
    // SAFETY: the map lives as long as the program. Whoever puts a thread into a queue holds its lock, as a switch there does, so
    // that this is no switch's middle; others, who leave the queue, only count, with atomic additions.
    unsafe {
        let waiters = waiters(cpu, moment.window);
        // A window long past may have left waiters behind, of whom no switch was told since.
        if read_volatile(waiters) == 0 || read_volatile(&raw const (*cpu).since_ns) == 0 {
            turn_begins(cpu, moment.now_ns);
        }
        add_one(waiters);
        if (*cpu).window != u64::from(moment.window) {
            (*cpu).window = u64::from(moment.window);
            clear_ahead(cpu, moment.window);
        }
    }
}

/// What windows long past have left is no matter of those that are to come.
///
/// # Safety
/// As in `waiters`.
#[inline(always)]
unsafe fn clear_ahead(cpu: *mut Cpu, window: u32) {
    for ahead in 1..=MOST_PENDING as u32 {
        // SAFETY: the caller's.
        unsafe { write_volatile(waiters(cpu, window.wrapping_add(ahead)), 0) };
    }
}

/// The thread waits no more where it did.
#[inline(always)]
pub fn leave_queue(record: &mut ThreadRecord) {
    let queue = record.ready_cpu;
    if config!(who) == 0 || queue == 0 {
        return;
    }
    record.ready_cpu = 0;
    if let Some(cpu) = CPUS.get_ptr_mut(queue - 1) {
        // SAFETY: the counter lies in a live map value.
        unsafe { subtract_one(waiters(cpu, record.window)) };
    }
}

/// The thread is about to be on a CPU; its record says that it is ready still.
#[inline(always)]
pub fn attribute_wait(record: &mut ThreadRecord, now_ns: u64) {
    let since_ns = record.off_cpu_since_ns;
    if config!(who) == 0 || since_ns == 0 || !record.activity.is_ready() || now_ns <= since_ns {
        return;
    }
    let waited_ns = now_ns - since_ns;
    if waited_ns < config!(least_attributed_ns) {
        record.ready_short_ns += waited_ns;
        return;
    }
    let Some(here) = here() else { return };
    // SAFETY: the map lives as long as the program, and only this CPU writes here; switches do not interrupt each other.
    unsafe {
        (*here).walk.slot = record.slot;
        (*here).walk.queue = record.ready_cpu;
        (*here).walk.since_ns = since_ns;
        (*here).walk.end_ns = now_ns;
    }
}

/// Attributes the wait that `attribute_wait` has noted, if it has: the last thing that the program does, when what it knows is the same
/// whichever way it came. Goes back through the turns on the CPU in whose queue it was. Its programs may be writing them: where
/// one is no turn of its number, or does not lie before the one after it, what is before is attributed to nobody.
#[inline(always)]
pub fn attribute_noted_wait(here: Here) {
    if let Some(here) = here.cpu()
        // SAFETY: the map lives as long as the program, and only this CPU writes here.
        && unsafe { (*here).walk.queue } != 0
    {
        attribute_turns();
    }
}

#[inline(never)]
fn attribute_turns() -> u32 {
    let Some(here) = CPUS.get_ptr_mut(this_cpu()) else {
        return 0;
    };
    // SAFETY: the maps live as long as the program. This CPU's walk is its own; another CPU may be writing its turns. Volatile
    // for both: see `Walk`.
    unsafe {
        let walk = &raw mut (*here).walk;
        let mut key = WhoKey {
            slot: read_volatile(&raw const (*walk).slot),
            who: Who::Queue as u32,
            number: read_volatile(&raw const (*walk).queue).wrapping_sub(1),
            reserved: 0,
        };
        write_volatile(&raw mut (*walk).queue, 0);
        let Some(cpu) = CPUS.get_ptr_mut(key.number) else {
            return 0;
        };
        let waited_ns = read_volatile(&raw const (*walk).end_ns)
            .wrapping_sub(read_volatile(&raw const (*walk).since_ns));
        add(&key, waited_ns, |_| {});
        key.who = Who::Instead as u32;
        if cpu != here && !attribute_running(&mut key, walk, cpu) {
            return 1;
        }
        // Only now: the turn that was running may have been noted meanwhile, and has its part of the wait already.
        let latest = read_volatile(&raw const (*cpu).latest);
        write_volatile(&raw mut (*walk).number, latest);
        let turn_at = |number: u64| {
            (&raw const (*cpu).turns)
                .cast::<Turn>()
                .add(bounded::<TURNS>(number as usize))
        };
        let oldest_ns = read_volatile(&raw const (*turn_at(latest + 1)).since_ns);
        for turn in 0..TURNS {
            if turn == TURNS_OF_A_CROWD && oldest_ns > read_volatile(&raw const (*walk).since_ns) {
                break;
            }
            let number = read_volatile(&raw const (*walk).number);
            if !attribute_turn(&mut key, walk, turn_at(number), number) {
                break;
            }
            write_volatile(&raw mut (*walk).number, number.wrapping_sub(1));
        }
    }
    1
}

/// Whether there may be more to attribute.
///
/// # Safety
/// Both point into live map values.
#[inline(always)]
unsafe fn attribute_turn(
    key: &mut WhoKey,
    walk: *mut Walk,
    turn: *const Turn,
    number: u64,
) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let turn = Turn {
            since_ns: read_volatile(&raw const (*turn).since_ns),
            pid: read_volatile(&raw const (*turn).pid),
            tid: read_volatile(&raw const (*turn).tid),
            tgid: read_volatile(&raw const (*turn).tgid),
            reserved: 0,
            comm: [
                read_volatile(&raw const (*turn).comm[0]),
                read_volatile(&raw const (*turn).comm[1]),
            ],
            check: read_volatile(&raw const (*turn).check),
        };
        turn.check == turn.checked(number) && attribute(key, walk, &turn)
    }
}

/// The turn that has not ended yet on another CPU, from whose queue the thread was taken. Whether there may be more to attribute:
/// not where it is not known whose turn that is, or since when, as the turns before it have no ends of their own.
///
/// # Safety
/// As in `attribute_turn`.
#[inline(always)]
unsafe fn attribute_running(key: &mut WhoKey, walk: *mut Walk, cpu: *const Cpu) -> bool {
    // SAFETY: the caller's. The task was running just now, hence it is no other's memory before this program ends (RCU); it is read
    // by a helper that checks the address.
    unsafe {
        let since_ns = read_volatile(&raw const (*cpu).since_ns);
        let running = read_volatile(&raw const (*cpu).running);
        // Another task's turn has begun there meanwhile: whose time it was is not known any more.
        let check = read_volatile(&raw const (*cpu).running_check);
        if check != Cpu::checked_running(running, since_ns) {
            return false;
        }
        let task = Task::<Probed>::new(running as *const u8);
        let pid = task.pid();
        let turn = Turn {
            since_ns,
            pid,
            tid: task.shown_tid_of(pid),
            tgid: task.shown_tgid(),
            reserved: 0,
            comm: task.comm_words(),
            check: 0,
        };
        attribute(key, walk, &turn)
    }
}

/// # Safety
/// As in `attribute_turn`.
#[inline(always)]
unsafe fn attribute(key: &mut WhoKey, walk: *mut Walk, turn: &Turn) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let since_ns = read_volatile(&raw const (*walk).since_ns);
        let end_ns = read_volatile(&raw const (*walk).end_ns);
        let began_ns = turn.since_ns;
        if began_ns == 0 || began_ns > end_ns {
            return false;
        }
        // The later of the two, without a jump.
        let from_ns = began_ns + exceeds(since_ns, began_ns) * since_ns.wrapping_sub(began_ns);
        write_volatile(&raw mut (*walk).end_ns, from_ns);
        if end_ns > from_ns {
            key.number = turn.pid;
            match WHO.get_ptr_mut(&*key) {
                Some(row) => (*row).durations.add(end_ns - from_ns),
                None => {
                    introduce_turn(key, end_ns - from_ns, turn);
                }
            }
        }
        began_ns > since_ns
    }
}

/// A function of its own: what it leaves on the stack is gone when it returns, and the verifier finds the same state as without
/// it.
#[inline(never)]
fn introduce_turn(key: &WhoKey, duration_ns: u64, turn: &Turn) -> u32 {
    let Some(record) = THREADS.get_ptr_mut(key.slot) else {
        return 0;
    };
    // SAFETY: the map lives as long as the program; the wait of the thread that is being switched in is what is attributed.
    unsafe {
        if (*record).instead_rows >= MOST_INSTEAD {
            return 0;
        }
        (*record).instead_rows += 1;
    }
    introduce(key, duration_ns, |row| {
        row.tid = turn.tid;
        row.tgid = turn.tgid;
        row.comm = bytes_of(turn.comm);
    })
    .into()
}

#[inline(always)]
fn bytes_of(comm: [u64; COMM_WORDS]) -> [u8; COMM_BYTES] {
    // SAFETY: both are as many bytes, of which any are valid.
    unsafe { core::mem::transmute(comm) }
}

/// Whether there was room.
#[inline(always)]
fn add(key: &WhoKey, duration_ns: u64, describe: impl FnOnce(&mut WhoRow)) -> bool {
    match WHO.get_ptr_mut(key) {
        Some(row) => {
            // SAFETY: the map lives as long as the program; a thread's rows are written at its switches and wakeups alone,
            // which come one at a time.
            unsafe { (*row).durations.add(duration_ns) };
            true
        }
        None => introduce(key, duration_ns, describe),
    }
}

#[inline(always)]
fn introduce(key: &WhoKey, duration_ns: u64, describe: impl FnOnce(&mut WhoRow)) -> bool {
    let mut row = WhoRow {
        durations: Durations {
            count: 1,
            total_ns: duration_ns,
            max_ns: duration_ns,
        },
        tid: 0,
        tgid: 0,
        comm: [0; COMM_BYTES],
    };
    describe(&mut row);
    WHO.insert(key, &row, 0).is_ok()
}

/// The current context is about to wake the thread, which is off every CPU and blocked since that time.
#[inline(always)]
pub fn count_waker(record: &mut ThreadRecord, now_ns: u64) {
    let is_blocked = matches!(record.activity, Activity::Unseen | Activity::Blocked);
    if !is_blocked || now_ns <= record.since_ns {
        return;
    }
    let blocked_ns = now_ns - record.since_ns;
    if blocked_ns < config!(least_attributed_ns) {
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
    if let Some(row) = WHO.get_ptr_mut(&key) {
        // SAFETY: as of `add`.
        unsafe { (*row).durations.add(blocked_ns) };
        return;
    }
    if record.waker_rows >= MOST_WAKERS {
        return record.woken_by_others.add(blocked_ns);
    }
    record.waker_rows += 1;
    let is_attributed = introduce(&key, blocked_ns, |row| {
        if who == Who::Task as u32 {
            row.tid = waker.shown_tid();
            row.tgid = waker.shown_tgid();
            waker.copy_comm(&mut row.comm);
        } else if who == Who::HardIrq as u32 {
            // SAFETY: as above.
            name_action(unsafe { (*cpu).hard_irq_action }, &mut row.comm);
        } else if who == Who::LocalIrq as u32 {
            // SAFETY: as above. A name on arm64, and on x86 a number, which cannot be read.
            unsafe {
                let name = (*cpu).hard_irq_action as *const u8;
                let _ = bpf_probe_read_kernel_str_bytes(name, &mut row.comm);
            }
        }
    });
    if !is_attributed {
        record.woken_by_others.add(blocked_ns);
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
