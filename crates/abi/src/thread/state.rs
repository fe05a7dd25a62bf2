//! The state machine of one thread: (record, event, time) → record. Every number in a report comes out of it.
//!
//! Each event first attributes the time since the previous one to the activity that ends ([`ThreadRecord::settle`]), then
//! sets the activity that begins. So a thread's activities add up to its time in the window, whatever is lost.
//!
//! The events are in `switches` and `syscalls`. Interrupts are no such events (`interrupts`), and a
//! window's end is none either (`close`).
//!
//! What a thread was doing before its first event follows from that event: `assume` says what.

use core::sync::atomic::{Ordering, compiler_fence};

use crate::durations::OffCpuTime;
use crate::jumpless::bounded;
use crate::syscall::SyscallKey;
use crate::thread::record::{ACTIVITIES, Activity, SyscallPhase, ThreadRecord};

/// Why a thread left its CPU, from `sched_switch`'s arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchOut {
    /// It could have gone on: preempted, or it yielded.
    Runnable,
    Blocked,
    Stopped,
    /// For good.
    Dead,
}

impl SwitchOut {
    const TASK_STOPPED: u64 = 0x4;
    const TASK_TRACED: u64 = 0x8;
    const TASK_DEAD: u64 = 0x80;
    /// Since Linux 6.1 (f5d39b020809).
    pub const TASK_FROZEN: u64 = 0x8000;

    /// `preempt` decides first: a task that is preempted on its way to sleep is still runnable
    /// (Linux 02f726949f2b), whatever its state says. A task of PREEMPT_RT that waits for a lock which spins elsewhere is no
    /// preempted one: `__schedule(SM_RTLOCK_WAIT)` says so, with `TASK_RTLOCK_WAIT` (0x1000) for its state whatever it was about
    /// to be otherwise.
    #[inline(always)]
    pub fn new(preempt: bool, prev_state: u64) -> Self {
        if preempt || prev_state == 0 {
            Self::Runnable
        } else if prev_state & Self::TASK_DEAD != 0 {
            Self::Dead
        } else if prev_state & (Self::TASK_STOPPED | Self::TASK_TRACED) != 0 {
            Self::Stopped
        } else {
            Self::Blocked
        }
    }
}

/// A thread may be woken on its way to sleep, as another CPU sees it, up to so long before its switch is recorded: what the scheduler
/// does in between, which looks for work on other CPUs, takes microseconds, and a virtual CPU may be kept from its own for a moment. What
/// is older has found it awake, and ended nothing.
pub const MOST_EARLY_NS: u64 = 1_000_000;

/// What a system call's end amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallEnd {
    /// No call was open: the child's side of `clone`, or an end whose beginning was lost.
    Orphan,
    /// Of a call that has not begun: the kernel refused it on the way in, as seccomp's filters have it.
    Refused,
    /// Began and ended inside the window.
    Whole { key: SyscallKey, duration_ns: u64 },
    /// Cut by the window's edge or by the thread's exit; the time is the part inside the window. The key is `None` if
    /// only the registers know it.
    Cut {
        key: Option<SyscallKey>,
        duration_ns: u64,
        /// Of that, what is attributed to no call yet.
        off_cpu: OffCpuTime,
    },
}

impl ThreadRecord {
    /// The call that it is in, as far as events or its registers have told.
    #[inline(always)]
    pub fn open_call(&self) -> SyscallKey {
        if self.phase.is_in_call() {
            self.syscall
        } else {
            SyscallKey::NONE
        }
    }
}

impl Activity {
    #[inline(always)]
    pub fn is_on_cpu(self) -> bool {
        matches!(
            self,
            Self::OnCpu | Self::User | Self::Kernel | Self::KernelOnly
        )
    }

    #[inline(always)]
    pub fn is_ready(self) -> bool {
        matches!(
            self,
            Self::ReadyWoken | Self::ReadyPreempted | Self::ReadyUnknown
        )
    }
}

impl ThreadRecord {
    /// The time from one of the thread's instants to a later one. Clocks of two CPUs may disagree by some ns: such an
    /// interval is counted and not used.
    #[inline(always)]
    pub(crate) fn elapsed(&mut self, from_ns: u64, now_ns: u64) -> Option<u64> {
        if now_ns >= from_ns {
            Some(now_ns - from_ns)
        } else {
            self.negative_intervals += 1;
            None
        }
    }

    /// Attributes the time since the last event to the activity that was going on.
    #[inline(always)]
    pub(crate) fn settle(&mut self, now_ns: u64) {
        if let Some(elapsed_ns) = self.elapsed(self.since_ns, now_ns) {
            let interrupted_ns = if self.activity.is_on_cpu() {
                self.take_off(elapsed_ns)
            } else {
                0
            };
            self.accumulated_ns[bounded::<ACTIVITIES>(self.activity as usize)] +=
                elapsed_ns - interrupted_ns;
            self.since_ns = now_ns;
        }
    }

    /// The interrupts' time inside an activity that lasted `elapsed_ns`. One that arrived after this event read its
    /// clock may make it longer than that: the rest is taken off the next activity.
    #[inline(always)]
    pub(crate) fn take_off(&mut self, elapsed_ns: u64) -> u64 {
        if self.interrupted_ns == self.taken_off_ns {
            return 0;
        }
        let open_ns = self.interrupted_ns.wrapping_sub(self.taken_off_ns);
        let taken_ns = if open_ns < elapsed_ns {
            open_ns
        } else {
            elapsed_ns
        };
        self.taken_off_ns = self.taken_off_ns.wrapping_add(taken_ns);
        taken_ns
    }

    #[inline(always)]
    pub(crate) fn assume(&mut self, activity: Activity) {
        if self.activity as u8 == Activity::Unseen as u8 {
            self.activity = activity;
            self.first_activity = activity;
        }
    }

    #[inline(always)]
    pub(crate) fn on_cpu_activity(&self) -> Activity {
        match self.phase {
            SyscallPhase::Unknown => Activity::OnCpu,
            // On the way out of the kernel the registers still hold the call that is over: the next event decides.
            SyscallPhase::Inside if self.syscall_since_ns == 0 => Activity::OnCpu,
            SyscallPhase::Outside | SyscallPhase::Born => Activity::User,
            SyscallPhase::Inside | SyscallPhase::Held | SyscallPhase::Exiting => Activity::Kernel,
            SyscallPhase::KernelOnly => Activity::KernelOnly,
        }
    }

    /// The thread is on a CPU, says this event, while its record says that it is off: the switch in between was not
    /// reported. (Some kernels do not report switches from tasks that they hide.) Up to the first sign of it nobody
    /// knows what the thread did.
    #[inline(always)]
    pub(crate) fn require_on_cpu(&mut self, now_ns: u64) {
        if !self.activity.is_on_cpu() {
            self.missed_switch_in(now_ns);
        }
    }

    #[inline(always)]
    pub(crate) fn missed_switch_in(&mut self, now_ns: u64) {
        self.switches_missed += 1;
        let seen_ns = self.irq_contradiction_ns;
        let on_cpu_ns = if seen_ns > self.since_ns && seen_ns < now_ns {
            seen_ns
        } else {
            now_ns
        };
        if let Some(lost_ns) = self.elapsed(self.since_ns, on_cpu_ns) {
            self.accumulated_ns[Activity::Lost as usize] += lost_ns;
            self.since_ns = on_cpu_ns;
        }
        self.run_since_ns = on_cpu_ns;
        self.slice_cut = 1;
        self.activity = self.on_cpu_activity();
    }

    /// The first system call event tells where the time on a CPU went before it.
    #[inline(always)]
    pub(crate) fn resolve_on_cpu(&mut self, to: Activity) {
        let on_cpu = &mut self.accumulated_ns[Activity::OnCpu as usize];
        let resolved_ns = *on_cpu;
        *on_cpu = 0;
        self.accumulated_ns[bounded::<ACTIVITIES>(to as usize)] += resolved_ns;
    }

    /// All its time off the CPU; a call does not tell the two ways apart in which somebody else stops it.
    #[inline(always)]
    fn off_cpu(&self) -> OffCpuTime {
        let of = |activity: Activity| self.accumulated_ns[activity as usize];
        OffCpuTime {
            ready_ns: of(Activity::ReadyWoken)
                + of(Activity::ReadyPreempted)
                + of(Activity::ReadyUnknown),
            blocked_ns: of(Activity::Blocked),
            stopped_ns: of(Activity::Stopped) + of(Activity::Frozen),
        }
    }

    /// What is not attributed yet: it is the open call's, or no call's.
    #[inline(always)]
    pub fn take_off_cpu(&mut self) -> OffCpuTime {
        let off_cpu = self.off_cpu();
        let taken = off_cpu.since(self.attributed);
        self.attributed = off_cpu;
        taken
    }

    /// The same, and whose it is, once a call's beginning was seen: of one that only the registers know its end decides.
    #[inline(always)]
    pub fn attribute_off_cpu(&mut self) -> Option<(SyscallKey, OffCpuTime)> {
        if self.is_busy() || self.syscall_since_ns == 0 {
            return None;
        }
        let off_cpu = self.take_off_cpu();
        self.phase.is_in_call().then_some((self.syscall, off_cpu))
    }

    /// There was no row for it: it stays the open call's until there is one, or with the call it is lost.
    #[inline(always)]
    pub fn leave_off_cpu(&mut self, off_cpu: OffCpuTime) {
        self.attributed = self.attributed.since(off_cpu);
    }

    /// The thread was created inside the window; it is runnable.
    #[inline(always)]
    pub fn born(&mut self, now_ns: u64) {
        self.begin_ns = now_ns;
        self.since_ns = now_ns;
        self.off_cpu_since_ns = now_ns;
        self.activity = Activity::ReadyWoken;
        if self.phase as u8 != SyscallPhase::KernelOnly as u8 {
            self.phase = SyscallPhase::Born;
        }
    }

    /// When an event of the thread's own counts. Linux 7 may preempt its program between the reading of the clock and
    /// [`Self::begin_event`]: the switches then came first, and what they attributed to the activity that the event ends stays
    /// with it.
    #[inline(always)]
    fn not_before_a_switch(&self, now_ns: u64) -> u64 {
        if now_ns < self.since_ns {
            self.after_a_switch(now_ns)
        } else {
            now_ns
        }
    }

    /// A function of its own, so that what is rare costs nothing but the comparison. Not `cold`: aya finds functions in `.text`
    /// only.
    #[inline(never)]
    fn after_a_switch(&self, now_ns: u64) -> u64 {
        if now_ns <= self.switched_out_ns {
            self.since_ns
        } else {
            now_ns
        }
    }

    /// The middle of an event begins: a switch in it (Linux 7 preempts programs) leaves the state alone. Returns the time at which
    /// the event counts. (The two are no closure's frame, because LLVM makes a function of such a closure, which costs a call.)
    #[inline(always)]
    #[must_use]
    pub(crate) fn begin_event(&mut self, now_ns: u64) -> u64 {
        // SAFETY: a field of `self`. Volatile, and fenced, so that the mark is stored before and after all else.
        unsafe { (&raw mut self.busy).write_volatile(1) };
        compiler_fence(Ordering::SeqCst);
        self.not_before_a_switch(now_ns)
    }

    #[inline(always)]
    pub(crate) fn end_event(&mut self) {
        compiler_fence(Ordering::SeqCst);
        // SAFETY: as in `begin_event`.
        unsafe { (&raw mut self.busy).write_volatile(0) };
    }

    #[inline(always)]
    pub(crate) fn is_busy(&self) -> bool {
        // SAFETY: a field of `self`; volatile, since it is what tells the middle of an event from its outside.
        unsafe { (&raw const self.busy).read_volatile() != 0 }
    }
}
