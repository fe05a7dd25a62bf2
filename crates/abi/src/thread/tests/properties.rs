//! What holds in any order of events.

use proptest::prelude::*;

use super::{FUTEX, READ, key, record, spent};
use crate::durations::OffCpuTime;
use crate::thread::record::{Activity, ThreadRecord};
use crate::thread::state::{SwitchOut, SyscallEnd};

#[derive(Clone, Copy, Debug)]
enum Event {
    In,
    Out(SwitchOut),
    Wakeup,
    Enter(u64),
    Exit,
    Exiting,
    HardIn(u64),
    HardOut(u64),
    SoftIn(u32),
    SoftOut(u32),
    /// Of a thread that is blocked outside of calls.
    Held(u64),
    /// Likewise.
    Froze,
    /// Of a thread whose calls may be refused.
    FilteredExit,
}

fn apply(thread: &mut ThreadRecord, event: Event, now_ns: u64) -> SyscallEnd {
    match event {
        Event::In => thread.switched_in(now_ns),
        Event::Out(why) => thread.switched_out(now_ns, || why),
        Event::Wakeup => thread.woken(now_ns),
        Event::Enter(number) => thread.syscall_entered(now_ns, key(number)),
        Event::Exit => return thread.syscall_exited(now_ns, || false),
        Event::Exiting => return thread.exiting(now_ns),
        Event::HardIn(action) => thread.hard_irq_entered(now_ns, action),
        Event::HardOut(action) => {
            thread.hard_irq_exited(now_ns, action);
        }
        Event::Held(number) => {
            if thread.is_blocked_outside_calls() {
                thread.held(now_ns, key(number));
            }
        }
        Event::Froze => {
            if thread.is_blocked_outside_calls() {
                thread.froze();
            }
        }
        Event::FilteredExit => return thread.syscall_exited(now_ns, || true),
        Event::SoftIn(vector) => thread.soft_irq_entered(now_ns, vector),
        Event::SoftOut(vector) => thread.soft_irq_exited(now_ns, vector),
    }
    SyscallEnd::Orphan
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::In),
        prop_oneof![
            Just(SwitchOut::Runnable),
            Just(SwitchOut::Blocked),
            Just(SwitchOut::Stopped)
        ]
        .prop_map(Event::Out),
        Just(Event::Wakeup),
        (0u64..400).prop_map(Event::Enter),
        Just(Event::Exit),
        Just(Event::Exiting),
        (0u64..3).prop_map(Event::Held),
        Just(Event::Froze),
        Just(Event::FilteredExit),
        (1u64..4).prop_map(Event::HardIn),
        (1u64..4).prop_map(Event::HardOut),
        (0u32..10).prop_map(Event::SoftIn),
        (0u32..10).prop_map(Event::SoftOut),
    ]
}

/// Calls, and their time off the CPU, as the probes and user space gather them.
#[derive(Debug, Default)]
struct Calls {
    whole_ns: u64,
    cut_ns: u64,
    off_cpu: OffCpuTime,
}

impl Calls {
    fn apply(&mut self, thread: &mut ThreadRecord, event: Event, now_ns: u64) {
        match apply(thread, event, now_ns) {
            SyscallEnd::Whole { duration_ns, .. } => self.whole_ns += duration_ns,
            SyscallEnd::Cut {
                duration_ns,
                off_cpu,
                ..
            } => {
                self.cut_ns += duration_ns;
                self.off_cpu.add(off_cpu);
            }
            SyscallEnd::Orphan | SyscallEnd::Refused => {}
        }
        if matches!(event, Event::In)
            && let Some((_, off_cpu)) = thread.attribute_off_cpu()
        {
            self.off_cpu.add(off_cpu);
        }
    }

    fn close(&mut self, thread: &mut ThreadRecord, stop_ns: u64) {
        let open = thread.closed(stop_ns);
        if let Some((_, open_ns)) = open.call {
            self.cut_ns += open_ns;
            self.off_cpu.add(open.off_cpu);
        }
    }

    /// No call was off the CPU for longer than it lasted.
    fn hold_their_off_cpu_time(&self) -> bool {
        let OffCpuTime {
            ready_ns,
            blocked_ns,
            stopped_ns,
        } = self.off_cpu;
        let off_cpu_ns = ready_ns.wrapping_add(blocked_ns).wrapping_add(stopped_ns);
        off_cpu_ns as i64 <= (self.whole_ns + self.cut_ns) as i64
    }
}

/// For how long an event's program is preempted, and whether in the middle of the event.
type Preempted = Option<(u64, bool)>;

fn preempted() -> impl Strategy<Value = Preempted> {
    prop::option::of((1u64..1_000, any::<bool>()))
}

/// Returns how long the thread was preempted in the middle of the event.
fn apply_preempted(
    thread: &mut ThreadRecord,
    calls: &mut Calls,
    event: Event,
    now_ns: &mut u64,
    preempted: Preempted,
) -> u64 {
    let read_ns = *now_ns;
    let mut in_the_middle_ns = 0;
    if let Some((preempted_ns, is_in_the_middle)) = preempted
        && matches!(event, Event::Enter(_) | Event::Exit | Event::Exiting)
    {
        thread.busy = is_in_the_middle.into();
        calls.apply(thread, Event::Out(SwitchOut::Runnable), read_ns + 1);
        *now_ns += 1 + preempted_ns;
        calls.apply(thread, Event::In, *now_ns);
        if is_in_the_middle {
            in_the_middle_ns = preempted_ns;
        }
    }
    calls.apply(thread, event, read_ns);
    in_the_middle_ns
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Any order of events, lost ones and impossible ones included: the activities add up to the window, exactly.
    #[test]
    fn activities_add_up_to_the_window(events in prop::collection::vec((any_event(), 0u64..1_000_000), 0..200)) {
        let mut thread = record(1_000);
        let mut now_ns = 1_000;
        let mut calls = Calls::default();
        for (event, step_ns) in events {
            now_ns += step_ns;
            calls.apply(&mut thread, event, now_ns);
        }
        let stop_ns = now_ns + 17;
        calls.close(&mut thread, stop_ns);
        prop_assert!(calls.whole_ns + calls.cut_ns <= stop_ns - 1_000);
        prop_assert!(calls.off_cpu.blocked_ns <= spent(&thread, Activity::Blocked));
        prop_assert!(calls.off_cpu.stopped_ns <= spent(&thread, Activity::Stopped) + spent(&thread, Activity::Frozen));
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), stop_ns - 1_000);
        prop_assert_eq!(thread.negative_intervals, 0);
        prop_assert_eq!(thread.run_histogram.iter().sum::<u32>() as u64, thread.run.count);
        prop_assert_eq!(
            thread.ready_histogram.iter().sum::<u32>() as u64,
            thread.woken.count + thread.preempted.count
        );
    }

    /// A trigger's stop reaches other CPUs late: what they counted after it is taken back, and the sum is exact.
    #[test]
    fn what_came_after_the_stop_is_taken_back(
        events in prop::collection::vec((any_event(), 0u64..10_000), 1..100),
        late_ns in 0u64..5_000,
    ) {
        let mut thread = record(1_000_000);
        let mut now_ns = 1_005_000;
        for (event, step_ns) in events {
            now_ns += step_ns;
            apply(&mut thread, event, now_ns);
        }
        let stop_ns = now_ns - late_ns;
        thread.closed(stop_ns);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), stop_ns - 1_000_000);
        prop_assert_eq!(thread.negative_intervals, 0);
    }

    /// Linux 7 may preempt a program: between its reading of the clock and the event, or in the middle of the event.
    #[test]
    fn a_switch_in_a_program_is_time_preempted(
        events in prop::collection::vec((any_event(), 0u64..10_000, preempted()), 0..100),
    ) {
        let mut thread = record(1_000);
        let mut now_ns = 1_000;
        let mut in_the_middle_ns = 0;
        for (event, step_ns, preempted) in events {
            now_ns += step_ns;
            in_the_middle_ns += apply_preempted(&mut thread, &mut Calls::default(), event, &mut now_ns, preempted);
        }
        prop_assert_eq!(thread.nested_ready_ns, in_the_middle_ns);
        let stop_ns = now_ns + 17;
        thread.closed(stop_ns);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), stop_ns - 1_000);
        prop_assert_eq!(thread.negative_intervals, 0);
    }

    /// Orders that a kernel can produce, with programs preempted: the time off the CPU that is attributed to calls lies in them.
    /// Where the stop comes late, it is made to.
    #[test]
    fn calls_hold_their_time_off_the_cpu(
        choices in prop::collection::vec((0u8..8, 1u64..10_000, preempted()), 1..100),
        late_ns in prop_oneof![Just(0u64), 0u64..5_000],
    ) {
        let mut thread = record(1_000_000);
        let mut now_ns = 1_005_000;
        let mut calls = Calls::default();
        for (choice, step_ns, preempted) in choices {
            now_ns += step_ns;
            let event = possible(&thread, choice);
            apply_preempted(&mut thread, &mut calls, event, &mut now_ns, preempted);
        }
        let stop_ns = now_ns - late_ns;
        calls.close(&mut thread, stop_ns);
        let whole_and_cut_ns = calls.whole_ns + calls.cut_ns;
        let off_cpu = calls.off_cpu.at_most(whole_and_cut_ns);
        prop_assert!(off_cpu.ready_ns + off_cpu.blocked_ns + off_cpu.stopped_ns <= whole_and_cut_ns);
        prop_assert_eq!(thread.switches_missed + thread.negative_intervals, 0);
        if late_ns == 0 {
            prop_assert!(calls.hold_their_off_cpu_time(), "{calls:?}");
            prop_assert_eq!(off_cpu, calls.off_cpu);
            prop_assert!(calls.whole_ns + calls.cut_ns <= stop_ns - 1_000_000);
            prop_assert!(calls.off_cpu.blocked_ns <= spent(&thread, Activity::Blocked));
            prop_assert!(calls.off_cpu.stopped_ns <= spent(&thread, Activity::Stopped) + spent(&thread, Activity::Frozen));
        }
    }

    /// Orders that a kernel can produce: run, ready and stopped, whole and cut, equal what the activities say.
    #[test]
    fn intervals_agree_with_activities(choices in prop::collection::vec((0u8..8, 0u64..1_000_000), 0..300)) {
        let mut thread = record(5);
        let mut now_ns = 5;
        for (choice, step_ns) in choices {
            now_ns += step_ns;
            let event = possible(&thread, choice);
            apply(&mut thread, event, now_ns);
        }
        let stop_ns = now_ns + 3;
        thread.closed(stop_ns);
        let on_cpu: u64 = [Activity::OnCpu, Activity::User, Activity::Kernel, Activity::HardIrq, Activity::SoftIrq]
            .iter().map(|&activity| spent(&thread, activity)).sum();
        let ready: u64 = [Activity::ReadyWoken, Activity::ReadyPreempted, Activity::ReadyUnknown]
            .iter().map(|&activity| spent(&thread, activity)).sum();
        let unseen = spent(&thread, Activity::Unseen);
        prop_assert_eq!(thread.run.total_ns + thread.run_clipped_ns, on_cpu);
        prop_assert_eq!(thread.woken.total_ns + thread.preempted.total_ns + thread.ready_clipped_ns, ready);
        prop_assert_eq!(thread.stopped.total_ns + thread.stopped_clipped_ns, spent(&thread, Activity::Stopped));
        prop_assert!(unseen == 0 || unseen == stop_ns - 5);
    }

    /// A clock that jumps anywhere never makes a duration longer than the window.
    #[test]
    fn no_duration_is_made_up(events in prop::collection::vec((any_event(), 0u64..2_000_000), 0..100)) {
        let mut thread = record(1_000_000);
        for (event, at_ns) in events {
            let at_ns = 1_000_000 + at_ns;
            if let SyscallEnd::Whole { duration_ns, .. } | SyscallEnd::Cut { duration_ns, .. } = apply(&mut thread, event, at_ns) {
                prop_assert!(duration_ns <= 2_000_000);
            }
        }
        thread.closed(3_000_000);
        prop_assert_eq!(thread.accumulated_ns.iter().sum::<u64>(), 2_000_000);
        prop_assert!(thread.run.max_ns <= 2_000_000 && thread.woken.max_ns <= 2_000_000 && thread.preempted.max_ns <= 2_000_000);
    }
}

/// An event that can follow in the thread's present state.
fn possible(thread: &ThreadRecord, choice: u8) -> Event {
    if thread.hard_irq_since_ns != 0 {
        return Event::HardOut(1);
    }
    if thread.soft_irq_since_ns != 0 {
        return if choice < 3 {
            Event::HardIn(1)
        } else {
            Event::SoftOut(thread.soft_irq_vector)
        };
    }
    match thread.activity {
        Activity::Unseen if thread.irq_seen == 0 => match choice {
            0 => Event::In,
            1 => Event::Out(SwitchOut::Blocked),
            2 | 3 => Event::Wakeup,
            4 => Event::Enter(READ),
            5 => Event::Exit,
            6 => Event::HardOut(1),
            _ => Event::SoftOut(1),
        },
        Activity::Unseen
        | Activity::OnCpu
        | Activity::User
        | Activity::Kernel
        | Activity::KernelOnly => match choice {
            0 => Event::Out(SwitchOut::Runnable),
            1 => Event::Out(SwitchOut::Blocked),
            2 => Event::Out(SwitchOut::Stopped),
            3 => Event::HardIn(1),
            4 => Event::SoftIn(2),
            _ if thread.phase.is_in_call() => Event::Exit,
            _ => Event::Enter(FUTEX),
        },
        Activity::ReadyWoken | Activity::ReadyPreempted | Activity::ReadyUnknown => Event::In,
        Activity::Blocked | Activity::Stopped | Activity::Frozen => Event::Wakeup,
        Activity::Ended | Activity::HardIrq | Activity::SoftIrq | Activity::Lost => {
            unreachable!("{:?}", thread.activity)
        }
    }
}
