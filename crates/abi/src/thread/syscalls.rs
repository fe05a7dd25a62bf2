//! System calls: when the thread is in one, for how long, and what its registers say of one that no event has shown.

use core::mem::offset_of;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::histogram::bucket;
use crate::jumpless::bounded;
use crate::syscall::SyscallKey;
use crate::thread::record::{
    Activity, LONG_CALL_NS, LONG_CALLS, LongCall, SyscallPhase, ThreadRecord,
};
use crate::thread::state::SyscallEnd;

impl ThreadRecord {
    /// What the thread's registers said when its record was made: the call that it is in, or that it is in none. Its
    /// first event may be the beginning of that very call, see `syscall_entered`.
    #[inline(always)]
    pub fn was_inside(&mut self, call: Option<SyscallKey>) {
        match call {
            Some(key) => {
                self.phase = SyscallPhase::Inside;
                self.syscall = key;
                self.first_syscall = key;
                self.syscall_since_ns = 0;
            }
            None => self.phase = SyscallPhase::Outside,
        }
    }

    /// The call that ends as [`SyscallEnd::Cut`] without a key: the registers at its end say which it was. It had begun before the record.
    #[inline(always)]
    pub fn was_in(&mut self, call: SyscallKey) {
        self.first_syscall = call;
    }

    /// The thread has been switched out outside of any call, blocked, and its registers say that it is on the way into this one.
    #[inline(always)]
    pub fn held(&mut self, now_ns: u64, key: SyscallKey) {
        // No call's, until now.
        self.take_off_cpu();
        self.phase = SyscallPhase::Held;
        self.syscall = key;
        self.syscall_since_ns = now_ns;
    }

    /// The open call's time inside the window.
    #[inline(always)]
    fn syscall_elapsed(&mut self, now_ns: u64) -> Option<u64> {
        let since_ns = if self.syscall_since_ns == 0 {
            self.begin_ns
        } else {
            self.syscall_since_ns
        };
        self.elapsed(since_ns, now_ns)
    }

    #[inline(always)]
    pub fn syscall_entered(&mut self, now_ns: u64, key: SyscallKey) {
        let now_ns = self.begin_event(now_ns);
        self.enter_syscall(now_ns, key);
        self.end_event();
    }

    /// Nearly every event of a system call: the thread was doing just this, and no interrupt came in between. Then the time since
    /// the last event is the activity's, as [`Self::settle`] would have it, in a third of the instructions.
    #[inline(always)]
    fn settle_plainly(&mut self, now_ns: u64, activity: Activity, phase: SyscallPhase) -> bool {
        let is_plain = self.is_at(activity, phase)
            && self.interrupted_ns == self.taken_off_ns
            && now_ns >= self.since_ns;
        if is_plain {
            self.accumulated_ns[activity as usize] += now_ns - self.since_ns;
            self.since_ns = now_ns;
        }
        is_plain
    }

    /// Both at once.
    #[inline(always)]
    fn is_at(&self, activity: Activity, phase: SyscallPhase) -> bool {
        const _: () = assert!(
            offset_of!(ThreadRecord, phase) == offset_of!(ThreadRecord, activity) + 1
                && offset_of!(ThreadRecord, activity) % 2 == 0
        );
        // SAFETY: two fields of one byte each, one behind the other, the first of which is aligned for both.
        let both = unsafe {
            (&raw const *self)
                .byte_add(offset_of!(ThreadRecord, activity))
                .cast::<u16>()
                .read()
        };
        both == u16::from_ne_bytes([activity as u8, phase as u8])
    }

    #[inline(always)]
    fn enter_syscall(&mut self, now_ns: u64, key: SyscallKey) {
        let is_plain = self.settle_plainly(now_ns, Activity::User, SyscallPhase::Outside)
            && self.syscall_since_ns != 0;
        if !is_plain && self.settle_before_call(now_ns, key) {
            return;
        }
        self.activity = Activity::Kernel;
        self.phase = SyscallPhase::Inside;
        self.syscall = key;
        self.syscall_since_ns = now_ns;
    }

    /// A function of its own, as what is rare. Not `cold`: aya finds functions in `.text` only. Whether the call had begun already, as it
    /// was held.
    #[inline(never)]
    fn settle_before_call(&mut self, now_ns: u64, key: SyscallKey) -> bool {
        // It was in user code until now: what the registers hold is the call that begins.
        self.assume(Activity::User);
        self.require_on_cpu(now_ns);
        self.settle(now_ns);
        if self.phase as u8 == SyscallPhase::Unknown as u8 || self.syscall_since_ns == 0 {
            self.resolve_on_cpu(Activity::User);
            // In no call. A thread that a signal or a freezer halts has left its call for that: it may go back into the same one now.
            self.take_off_cpu();
            self.first_syscall_over |= u8::from(self.phase as u8 == SyscallPhase::Inside as u8);
        }
        let was_held = self.phase as u8 == SyscallPhase::Held as u8 && self.syscall == key;
        if was_held {
            self.activity = Activity::Kernel;
            self.phase = SyscallPhase::Inside;
        }
        was_held
    }

    /// `may_be_refused`: whether the thread's calls may be, before they begin.
    #[inline(always)]
    pub fn syscall_exited(&mut self, now_ns: u64, may_be_refused: impl Fn() -> bool) -> SyscallEnd {
        let now_ns = self.begin_event(now_ns);
        let end = self.exit_syscall(now_ns, may_be_refused);
        self.end_event();
        end
    }

    #[inline(always)]
    fn exit_syscall(&mut self, now_ns: u64, may_be_refused: impl Fn() -> bool) -> SyscallEnd {
        // It began then, or the thread came back to a CPU in it.
        let on_cpu_since_ns = self.since_ns;
        if !self.settle_plainly(now_ns, Activity::Kernel, SyscallPhase::Inside) {
            if self.may_not_have_begun() && may_be_refused() {
                self.settle_after_doubtful_call(now_ns);
                return SyscallEnd::Orphan;
            }
            self.settle_after_call(now_ns);
        }
        if now_ns.wrapping_sub(on_cpu_since_ns) >= LONG_CALL_NS {
            self.keep_long_call(on_cpu_since_ns, now_ns);
        }
        let began_ns = self.syscall_since_ns;
        let end = if self.phase.is_in_call() && began_ns != 0 {
            match self.elapsed(began_ns, now_ns) {
                Some(duration_ns) => SyscallEnd::Whole {
                    key: self.syscall,
                    duration_ns,
                },
                None => SyscallEnd::Orphan,
            }
        } else {
            self.end_unseen_call(now_ns, may_be_refused)
        };
        self.activity = Activity::User;
        self.phase = SyscallPhase::Outside;
        end
    }

    /// A function of its own, as what is rare.
    #[inline(never)]
    fn keep_long_call(&mut self, from_ns: u64, to_ns: u64) {
        // A time before that has wrapped.
        if !self.phase.is_in_call() || from_ns > to_ns {
            return;
        }
        let kept = self.long_calls_kept as usize;
        let place = if kept < LONG_CALLS {
            kept
        } else if self.drop_call_shorter_than(to_ns - from_ns) {
            LONG_CALLS - 1
        } else {
            return;
        };
        self.long_calls[bounded::<LONG_CALLS>(place)] = LongCall {
            from_ns,
            to_ns,
            key: self.syscall,
            reserved: 0,
        };
        // The switch that may come in between finds whole ones only.
        compiler_fence(Ordering::Release);
        self.long_calls_kept = place as u32 + 1;
    }

    /// The shortest one that is kept, if it is shorter; those after it move up.
    #[inline(always)]
    fn drop_call_shorter_than(&mut self, duration_ns: u64) -> bool {
        let mut shortest = LONG_CALLS;
        let mut least_ns = duration_ns;
        for (place, call) in self.long_calls.iter().enumerate() {
            let call_ns = call.to_ns - call.from_ns;
            if call_ns < least_ns {
                (shortest, least_ns) = (place, call_ns);
            }
        }
        for place in 1..LONG_CALLS {
            if place > shortest {
                self.long_calls[place - 1] = self.long_calls[place];
            }
        }
        shortest < LONG_CALLS
    }

    /// Of which no event has shown the beginning.
    #[inline(always)]
    fn end_unseen_call(&mut self, now_ns: u64, may_be_refused: impl Fn() -> bool) -> SyscallEnd {
        let (key, elapsed_ns) = match self.phase {
            SyscallPhase::Inside => {
                self.resolve_on_cpu(Activity::Kernel);
                (Some(self.syscall), self.syscall_elapsed(now_ns))
            }
            SyscallPhase::Unknown => {
                self.resolve_on_cpu(Activity::Kernel);
                (None, self.elapsed(self.begin_ns, now_ns))
            }
            SyscallPhase::Outside if may_be_refused() => return SyscallEnd::Refused,
            _ => return SyscallEnd::Orphan,
        };
        match elapsed_ns {
            Some(duration_ns) => SyscallEnd::Cut {
                key,
                duration_ns,
                off_cpu: self.take_off_cpu(),
            },
            None => SyscallEnd::Orphan,
        }
    }

    /// Of the call that ends now: whether no event says where the thread was before. One that has been blocked was so in this call.
    #[inline(always)]
    fn may_not_have_begun(&self) -> bool {
        self.phase as u8 == SyscallPhase::Unknown as u8
            && self.accumulated_ns[Activity::Blocked as usize] == 0
            || self.activity as u8 == Activity::Unseen as u8
                && self.phase as u8 == SyscallPhase::Inside as u8
                && self.irq_seen == 0
    }

    /// Such a call of a thread whose calls may be refused: what it did until now, on a CPU, nobody knows.
    #[inline(never)]
    fn settle_after_doubtful_call(&mut self, now_ns: u64) {
        self.assume(Activity::OnCpu);
        self.require_on_cpu(now_ns);
        self.settle(now_ns);
        self.resolve_on_cpu(Activity::Lost);
        self.take_off_cpu();
        self.activity = Activity::User;
        self.phase = SyscallPhase::Outside;
    }

    /// As [`Self::settle_before_call`].
    #[inline(never)]
    fn settle_after_call(&mut self, now_ns: u64) {
        self.assume(match self.phase {
            // Of a call that is refused, or whose beginning was lost.
            SyscallPhase::Outside => Activity::User,
            _ => Activity::Kernel,
        });
        self.require_on_cpu(now_ns);
        self.settle(now_ns);
    }

    /// `exit` has begun: the open call never returns, and the thread runs on in the kernel until its last switch.
    #[inline(always)]
    pub fn exiting(&mut self, now_ns: u64) -> SyscallEnd {
        let now_ns = self.begin_event(now_ns);
        let end = self.begin_exit(now_ns);
        self.end_event();
        end
    }

    #[inline(always)]
    fn begin_exit(&mut self, now_ns: u64) -> SyscallEnd {
        self.assume(self.on_cpu_activity());
        self.require_on_cpu(now_ns);
        self.settle(now_ns);
        let mut end = SyscallEnd::Orphan;
        if self.phase as u8 == SyscallPhase::Inside as u8 {
            self.resolve_on_cpu(Activity::Kernel);
        }
        if self.phase.is_in_call()
            && let Some(duration_ns) = self.syscall_elapsed(now_ns)
        {
            end = SyscallEnd::Cut {
                key: Some(self.syscall),
                duration_ns,
                off_cpu: self.take_off_cpu(),
            };
        }
        self.phase = SyscallPhase::Exiting;
        self.activity = Activity::Kernel;
        end
    }

    /// A call of the poll family has ended; it began inside the window. Since the one before it the thread did something
    /// else than to poll.
    #[inline(always)]
    pub fn polled(&mut self, began_ns: u64, ended_ns: u64) {
        if self.polled_ns != 0
            && let Some(off_cpu_ns) = self.elapsed(self.polled_ns, began_ns)
        {
            if self.long_poll.count == 0 || off_cpu_ns < self.long_poll_min_ns {
                self.long_poll_min_ns = off_cpu_ns;
            }
            self.long_poll.add(off_cpu_ns);
            self.long_poll_histogram[bucket(off_cpu_ns)] += 1;
        }
        self.polled_ns = ended_ns;
    }
}
