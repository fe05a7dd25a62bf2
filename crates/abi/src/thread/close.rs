//! The end of a window: what is open is cut, and interrupts get their time. By user space, when no program writes any more.

use crate::durations::OffCpuTime;
use crate::syscall::SyscallKey;
use crate::thread::record::{ACTIVITIES, Activity, SyscallPhase, ThreadRecord};

/// What was open at a window's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenCall {
    /// And its time in the window.
    pub call: Option<(SyscallKey, u64)>,
    /// Time off the CPU that is attributed to no call: the open one's, or, if there is none, no call's. Less than nothing (it
    /// wraps) where a trigger's stop takes back what is attributed to the open call already.
    pub off_cpu: OffCpuTime,
}

impl ThreadRecord {
    /// Closes what is open at the window's end, all of it as cut, and attributes the interrupts' time to them.
    pub fn closed(&mut self, stop_ns: u64) -> OpenCall {
        self.close_irqs(stop_ns);
        self.close_waking(stop_ns);
        self.take_back(stop_ns);
        let mut call = None;
        if self.activity != Activity::Ended {
            if self.irq_seen != 0 {
                self.assume(self.on_cpu_activity());
            }
            if self.irq_contradiction_ns > self.since_ns && !self.activity.is_on_cpu() {
                self.missed_switch_in(stop_ns);
            }
            // Made by whoever was about to wake it: up to then it was off the CPU, and what came of that came after the window.
            let is_waking = self.activity == Activity::Unseen && !self.is_busy();
            if is_waking {
                self.assume(Activity::Blocked);
            }
            self.settle(stop_ns);
            if is_waking {
                self.first_blocked_ns = self.accumulated_ns[Activity::Blocked as usize];
            }
            call = self.close_intervals(stop_ns);
        }
        let off_cpu = self.take_off_cpu();
        self.share_interrupted();
        OpenCall { call, off_cpu }
    }

    /// It was woken in the window, and has got no CPU. What is older than its sleep has found it awake.
    fn close_waking(&mut self, stop_ns: u64) {
        let woken_ns = core::mem::take(&mut self.woken_ns);
        if woken_ns != 0 && (self.since_ns..stop_ns).contains(&woken_ns) {
            self.woken(woken_ns);
        }
    }

    /// A trigger closes a window at the instant at which it fires, and other CPUs see that some ns later: what their events
    /// attributed to an activity after that instant is taken off again. Interrupts' time is the last to go.
    fn take_back(&mut self, stop_ns: u64) {
        self.end_ns = self.end_ns.min(stop_ns);
        if self.since_ns <= stop_ns {
            return;
        }
        let mut excess_ns = self.since_ns - stop_ns;
        self.since_ns = stop_ns;
        let ended = if self.activity.is_on_cpu() {
            if self.run_since_ns > stop_ns {
                [Activity::ReadyWoken, Activity::ReadyPreempted]
            } else {
                [Activity::User, Activity::Kernel]
            }
        } else if self.activity == Activity::ReadyWoken {
            [Activity::Blocked, Activity::Stopped]
        } else {
            [Activity::Kernel, Activity::User]
        };
        let others = 0..ACTIVITIES;
        for activity in ended
            .map(|activity| activity as usize)
            .into_iter()
            .chain(others)
        {
            let attributed_ns = &mut self.accumulated_ns[activity];
            let taken_ns = excess_ns.min(*attributed_ns);
            *attributed_ns -= taken_ns;
            excess_ns -= taken_ns;
        }
        self.taken_off_ns = self.taken_off_ns.saturating_sub(excess_ns);
    }

    fn close_irqs(&mut self, stop_ns: u64) {
        if self.hard_irq_since_ns != 0 {
            self.hard_irq_ns += stop_ns.saturating_sub(self.hard_irq_since_ns);
        }
        if self.soft_irq_since_ns != 0 {
            self.soft_irq_ns +=
                self.net_of_hard_irqs(stop_ns.saturating_sub(self.soft_irq_since_ns));
        }
        self.interrupted_ns = self.hard_irq_ns + self.soft_irq_ns + self.nested_ready_ns;
    }

    /// What was taken off the activities goes to what interrupted them. What could not be taken off any is no time of theirs
    /// either.
    fn share_interrupted(&mut self) {
        let nested_ns = self.nested_ready_ns.min(self.taken_off_ns);
        self.accumulated_ns[Activity::ReadyPreempted as usize] += nested_ns;
        let by_irqs_ns = self.taken_off_ns - nested_ns;
        let excess_ns = (self.hard_irq_ns + self.soft_irq_ns).saturating_sub(by_irqs_ns);
        let soft_ns = self.soft_irq_ns.saturating_sub(excess_ns);
        self.accumulated_ns[Activity::SoftIrq as usize] = soft_ns;
        self.accumulated_ns[Activity::HardIrq as usize] = by_irqs_ns.saturating_sub(soft_ns);
    }

    fn close_intervals(&mut self, stop_ns: u64) -> Option<(SyscallKey, u64)> {
        if self.phase == SyscallPhase::Inside {
            self.resolve_on_cpu(Activity::Kernel);
        }
        let from = |since_ns: u64, begin_ns: u64| {
            stop_ns.saturating_sub(if since_ns == 0 { begin_ns } else { since_ns })
        };
        if self.activity.is_on_cpu() {
            self.run_clipped_ns += from(self.run_since_ns, self.begin_ns);
        } else if self.activity.is_ready() {
            self.ready_clipped_ns += from(self.off_cpu_since_ns, self.begin_ns);
        } else if self.activity == Activity::Stopped {
            self.stopped_clipped_ns += from(self.off_cpu_since_ns, self.begin_ns);
        }
        self.phase
            .is_in_call()
            .then(|| (self.syscall, from(self.syscall_since_ns, self.begin_ns)))
    }

    /// Takes over the interrupts of a second record of the same thread: one that an interrupt made while the thread's
    /// own event was making this one.
    pub fn absorb_irqs(&mut self, other: &Self) {
        self.hard_irq_ns += other.hard_irq_ns;
        self.soft_irq_ns += other.soft_irq_ns;
        self.interrupted_ns += other.hard_irq_ns + other.soft_irq_ns;
        self.irq_ticked.user_ns += other.irq_ticked.user_ns;
        self.irq_ticked.system_ns += other.irq_ticked.system_ns;
        self.irq_ticks += other.irq_ticks;
        for (own, others) in self.soft_irqs.iter_mut().zip(&other.soft_irqs) {
            own.count += others.count;
            own.total_ns += others.total_ns;
            own.max_ns = own.max_ns.max(others.max_ns);
        }
    }
}
