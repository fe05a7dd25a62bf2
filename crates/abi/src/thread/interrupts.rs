//! Interrupts while a thread is current. They may arrive in the middle of one of the thread's own events, on the same record:
//! they only sum up their own time, and the next event takes it off the activity that they interrupted.

use crate::irq::SOFT_IRQ_VECTORS;
use crate::jumpless::bounded;
use crate::thread::record::{Activity, CpuTimes, SyscallPhase, ThreadRecord};

impl ThreadRecord {
    /// An interrupt, which may not write what the thread's own events write, notes what contradicts them.
    #[inline(always)]
    fn irq_found_on_cpu(&mut self, now_ns: u64) {
        self.irq_seen = 1;
        let is_off_cpu =
            self.activity as u8 != Activity::Unseen as u8 && !self.activity.is_on_cpu();
        if is_off_cpu && self.irq_contradiction_ns <= self.since_ns {
            self.irq_contradiction_ns = now_ns;
        }
    }

    #[inline(always)]
    fn irq_elapsed(&mut self, from_ns: u64, now_ns: u64) -> Option<u64> {
        if now_ns >= from_ns {
            Some(now_ns - from_ns)
        } else {
            self.irq_negative_intervals += 1;
            None
        }
    }

    #[inline(always)]
    pub fn hard_irq_entered(&mut self, now_ns: u64, action: u64) {
        self.irq_found_on_cpu(now_ns);
        self.hard_irq_since_ns = now_ns;
        self.hard_irq_action = action;
    }

    /// The handler's time, if its beginning was seen.
    #[inline(always)]
    pub fn hard_irq_exited(&mut self, now_ns: u64, action: u64) -> Option<u64> {
        self.irq_seen = 1;
        let since_ns = self.hard_irq_since_ns;
        self.hard_irq_since_ns = 0;
        if since_ns == 0 || self.hard_irq_action != action {
            return None;
        }
        let duration_ns = self.irq_elapsed(since_ns, now_ns)?;
        self.hard_irq_ns += duration_ns;
        self.interrupted_ns += duration_ns;
        Some(duration_ns)
    }

    /// At the end of a hard interrupt, before [`Self::hard_irq_exited`]. A timer's tick accounts the time since the one before it, all
    /// of it, to what it has interrupted: user code or the kernel, and not a soft interrupt here, whose time is its own.
    #[inline(always)]
    pub fn hard_irq_accounted(&mut self, now: CpuTimes) {
        let before = self.irq_cpu_times;
        let is_outside = matches!(self.activity, Activity::User | Activity::Unseen)
            && matches!(self.phase, SyscallPhase::Outside | SyscallPhase::Born)
            && self.soft_irq_since_ns == 0
            && !self.is_busy();
        let has_ticked = now.user_ns > before.user_ns || now.system_ns > before.system_ns;
        // At 0 its beginning was not seen.
        if has_ticked && is_outside && self.hard_irq_since_ns != 0 {
            self.irq_ticked.user_ns += now.user_ns.saturating_sub(before.user_ns);
            self.irq_ticked.system_ns += now.system_ns.saturating_sub(before.system_ns);
            self.irq_ticks += 1;
        }
    }

    #[inline(always)]
    pub fn soft_irq_entered(&mut self, now_ns: u64, vector: u32) {
        self.irq_found_on_cpu(now_ns);
        self.soft_irq_since_ns = now_ns;
        self.soft_irq_vector = vector;
        self.hard_irq_ns_before_soft_irq = self.hard_irq_ns;
    }

    /// The statistics by vector are gross: hard interrupts inside are part of them, as of a thread's other work.
    #[inline(always)]
    pub fn soft_irq_exited(&mut self, now_ns: u64, vector: u32) {
        self.irq_seen = 1;
        let since_ns = self.soft_irq_since_ns;
        self.soft_irq_since_ns = 0;
        if since_ns == 0 || self.soft_irq_vector != vector {
            return;
        }
        if let Some(duration_ns) = self.irq_elapsed(since_ns, now_ns) {
            self.soft_irqs[bounded::<SOFT_IRQ_VECTORS>(vector as usize)].add(duration_ns);
            let net_ns = self.net_of_hard_irqs(duration_ns);
            self.soft_irq_ns += net_ns;
            self.interrupted_ns += net_ns;
        }
    }

    #[inline(always)]
    pub(crate) fn net_of_hard_irqs(&self, soft_irq_ns: u64) -> u64 {
        soft_irq_ns.saturating_sub(self.hard_irq_ns - self.hard_irq_ns_before_soft_irq)
    }
}
