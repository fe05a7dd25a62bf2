//! Switches and wakeups: when the thread is on a CPU, ready for one, blocked or stopped, and for how long each time.

use crate::histogram::bucket;
use crate::thread::record::{Activity, SyscallPhase, ThreadRecord};
use crate::thread::state::{MOST_EARLY_NS, SwitchOut};

impl ThreadRecord {
    /// Preempted in the middle of an event. The slice is over, and nothing else that the event may be writing is touched.
    #[inline(always)]
    fn nested_out(&mut self, now_ns: u64) {
        self.end_run(now_ns);
        self.nested_since_ns = now_ns;
    }

    /// The time off the CPU counts as interrupted, and at the window's end as preempted: it is taken off the activity that is
    /// settled next, and it is attributed to no call.
    #[inline(always)]
    fn nested_in(&mut self, now_ns: u64) {
        if self.nested_since_ns == 0 {
            return;
        }
        if let Some(off_cpu_ns) = self.elapsed(self.nested_since_ns, now_ns) {
            self.nested_ready_ns += off_cpu_ns;
            self.interrupted_ns += off_cpu_ns;
            self.preempted.add(off_cpu_ns);
            self.ready_histogram[bucket(off_cpu_ns)] += 1;
        }
        self.nested_since_ns = 0;
        self.run_since_ns = now_ns;
        self.slice_cut = 0;
    }

    #[inline(always)]
    pub fn switched_in(&mut self, now_ns: u64) {
        if self.is_busy() {
            return self.nested_in(now_ns);
        }
        self.assume(Activity::ReadyUnknown);
        if self.activity.is_ready() {
            self.settle(now_ns);
            self.end_ready(now_ns);
        } else {
            self.missed_before_switch_in(now_ns);
        }
        self.run_since_ns = now_ns;
        self.slice_cut = 0;
        self.activity = self.on_cpu_activity();
    }

    /// Switched in from a sleep without a wakeup, or from a CPU without having left it.
    #[inline(always)]
    fn missed_before_switch_in(&mut self, now_ns: u64) {
        self.switches_missed += 1;
        if let Some(lost_ns) = self.elapsed(self.since_ns, now_ns) {
            self.accumulated_ns[Activity::Lost as usize] += lost_ns;
            self.since_ns = now_ns;
        }
    }

    #[inline(always)]
    fn end_ready(&mut self, now_ns: u64) {
        if self.off_cpu_since_ns == 0 {
            if let Some(clipped_ns) = self.elapsed(self.begin_ns, now_ns) {
                self.ready_clipped_ns += clipped_ns;
            }
        } else if let Some(duration_ns) = self.elapsed(self.off_cpu_since_ns, now_ns) {
            if self.activity as u8 == Activity::ReadyWoken as u8 {
                self.woken.add(duration_ns);
            } else {
                self.preempted.add(duration_ns);
            }
            self.ready_histogram[bucket(duration_ns)] += 1;
        }
    }

    /// `why` is asked for last: the verifier follows each of its values through all that comes after it.
    #[inline(always)]
    pub fn switched_out(&mut self, now_ns: u64, why: impl FnOnce() -> SwitchOut) {
        if self.is_busy() {
            return self.nested_out(now_ns);
        }
        self.assume(self.on_cpu_activity());
        self.require_on_cpu(now_ns);
        self.settle(now_ns);
        self.end_run(now_ns);
        // Only where soft interrupts are threads' work (PREEMPT_RT) can one be left open here: it is no interrupt then.
        self.soft_irq_since_ns = 0;
        self.off_cpu_since_ns = now_ns;
        self.switched_out_ns = now_ns;
        match why() {
            SwitchOut::Runnable => self.activity = Activity::ReadyPreempted,
            SwitchOut::Blocked => self.activity = Activity::Blocked,
            SwitchOut::Stopped => self.activity = Activity::Stopped,
            SwitchOut::Dead => {
                self.activity = Activity::Ended;
                self.end_ns = now_ns;
            }
        }
    }

    /// Switched out just now, in no call that has begun: threads are frozen there, and asked whether they may make a call.
    #[inline(always)]
    pub fn is_blocked_outside_calls(&self) -> bool {
        self.phase as u8 <= SyscallPhase::Born as u8
            && self.activity as u8 == Activity::Blocked as u8
    }

    /// So it is, and a freezer has it.
    #[inline(always)]
    pub fn froze(&mut self) {
        self.activity = Activity::Frozen;
    }

    #[inline(always)]
    fn end_run(&mut self, now_ns: u64) {
        if self.run_since_ns == 0 || self.slice_cut != 0 {
            let since_ns = if self.run_since_ns == 0 {
                self.begin_ns
            } else {
                self.run_since_ns
            };
            if let Some(clipped_ns) = self.elapsed(since_ns, now_ns) {
                self.run_clipped_ns += clipped_ns;
            }
        } else if let Some(duration_ns) = self.elapsed(self.run_since_ns, now_ns) {
            if self.run.count == 0 || duration_ns < self.run_min_ns {
                self.run_min_ns = duration_ns;
            }
            self.run.add(duration_ns);
            self.run_histogram[bucket(duration_ns)] += 1;
        }
    }

    /// Woken while off every CPU. `ttwu_runnable` also says "wakeup" of a task that has not yet gone to sleep, or was
    /// preempted on its way: the first is for the caller to tell (`task_struct.on_cpu`), the second is ready already.
    #[inline(always)]
    pub fn woken(&mut self, now_ns: u64) {
        if self.is_busy() {
            return;
        }
        match self.activity {
            Activity::Unseen => {
                self.assume(Activity::Blocked);
                self.settle(now_ns);
                self.first_blocked_ns = self.accumulated_ns[Activity::Blocked as usize];
            }
            Activity::Blocked | Activity::Frozen => self.settle(now_ns),
            Activity::Stopped => {
                self.settle(now_ns);
                self.end_stopped(now_ns);
            }
            _ => return,
        }
        self.off_cpu_since_ns = now_ns;
        self.activity = Activity::ReadyWoken;
    }

    /// The thread is about to be on a CPU: since it was woken it has waited for that. What its waker has noted is looked at only now, as
    /// it may have seen the thread asleep before the switch that says so was recorded.
    #[inline(always)]
    pub fn settle_waking(&mut self) {
        let woken_ns = self.woken_ns;
        if woken_ns == 0 {
            return;
        }
        self.woken_ns = 0;
        if woken_ns >= self.since_ns {
            self.woken(woken_ns);
        } else if self.since_ns - woken_ns <= MOST_EARLY_NS {
            self.woken(self.since_ns);
        }
    }

    #[inline(always)]
    fn end_stopped(&mut self, now_ns: u64) {
        if let Some(duration_ns) = self.elapsed(self.off_cpu_since_ns, now_ns) {
            self.stopped.add(duration_ns);
        }
    }
}
