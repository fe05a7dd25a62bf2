//! Chains, who ran instead, who woke, and critical paths, of streams that one can read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod support;

use recorder::chain::Chains;
use recorder::cpu::Turn;
use recorder::event::{Event, What};
use recorder::machine::Machine;
use recorder::path::critical_path;
use recorder::task::{TaskId, Waker};
use recorder::tree::Branch;
use recorder::walk::Step;
use recorder::window::{Waits, Window};
use support::text::{Names, key};

struct Seen {
    names: Names,
    machine: Machine,
    waits: Vec<(TaskId, Waits)>,
}

/// A window from 100 to 200.
fn seen(text: &str) -> Seen {
    seen_in(text, usize::MAX)
}

/// The records come in batches of so many.
fn seen_in(text: &str, batch: usize) -> Seen {
    let mut names = Names::default();
    let mut window = Window::new(100, Machine::new(100));
    for events in names.events(text).chunks(batch) {
        window.take(events);
    }
    let (machine, waits) = window.close(200);
    Seen {
        names,
        machine,
        waits: waits.into_iter().collect(),
    }
}

/// These tasks were blocked in that as the window began, as comes to be known afterwards.
fn seen_begun_in(text: &str, calls: &[(&str, &str)]) -> Seen {
    let mut seen = seen(text);
    for (task, call) in calls {
        let id = seen.machine.by_pid(seen.names.known(task)).unwrap();
        seen.machine.began_in(id, Some(key(call)));
    }
    seen
}

impl Seen {
    fn of(&self, name: &str) -> (TaskId, &Waits) {
        let pid = self.names.known(name);
        let mut tasks = self.waits.iter();
        let found = tasks.find(|(id, _)| self.machine.task(*id).pid == pid);
        let (id, waits) = found.unwrap();
        (*id, waits)
    }

    /// Each way to what was going on, and for how long.
    fn chains(&self, name: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let branches = self.of(name).1.chains.branches(&self.machine);
        self.lines(&branches, &mut Vec::new(), &mut lines);
        lines
    }

    fn lines(&self, branches: &[Branch<Step>], way: &mut Vec<Step>, lines: &mut Vec<String>) {
        for branch in branches {
            way.push(branch.link);
            if branch.below.is_empty() {
                let text = self.names.way(&self.machine, way);
                lines.push(format!("{} {text}", branch.total_ns));
            }
            self.lines(&branch.below, way, lines);
            way.pop();
        }
    }

    fn path(&self, name: &str) -> Vec<String> {
        let pid = self.names.known(name);
        let id = self.machine.by_pid(pid).unwrap();
        let segments = critical_path(&self.machine, id, 100, 200);
        let text = |way: &[Step]| self.names.way(&self.machine, way);
        segments
            .iter()
            .map(|segment| {
                format!(
                    "{}-{} {}",
                    segment.from_ns,
                    segment.to_ns,
                    text(&segment.way)
                )
            })
            .collect()
    }

    fn instead(&self, name: &str) -> Vec<String> {
        let instead = &self.of(name).1.instead;
        let mut lines: Vec<String> = instead
            .iter()
            .map(|(turn, durations)| {
                let who = match turn {
                    Turn::Task(id) => self.names.of(&self.machine, *id),
                    other => format!("{other:?}").to_lowercase(),
                };
                format!("{who} {} in {}", durations.total_ns, durations.count)
            })
            .collect();
        lines.sort();
        lines
    }

    fn wakers(&self, name: &str) -> Vec<String> {
        let wakers = &self.of(name).1.wakers;
        let mut lines: Vec<String> = wakers
            .iter()
            .map(|(waker, durations)| {
                let who = match waker {
                    Waker::Task(id, _) => self.names.of(&self.machine, *id),
                    Waker::Irq(irq) => format!("{:?} {}", irq.kind, irq.number).to_lowercase(),
                    Waker::IdleCpu => "idle".to_owned(),
                };
                format!("{who} {} in {}", durations.total_ns, durations.count)
            })
            .collect();
        lines.sort();
        lines
    }
}

#[test]
fn a_lock_is_waited_for_as_long_as_its_holder_sleeps_and_runs() {
    //      100      110      120         150     155     160       200
    // cpu0  | Victim | idle                       | Victim
    // cpu1  | holder          | idle      | holder … wakes Victim
    let seen = seen(
        "110 cpu0 Victim (futex) -> idle
         120 cpu1 holder (nanosleep) -> idle
         149 cpu1 local 236 wakes holder
         150 cpu1 idle -> holder
         155 cpu1 holder wakes Victim
         160 cpu0 idle -> Victim",
    );
    assert_eq!(
        seen.chains("Victim"),
        [
            "29 Victim futex < holder nanosleep < local 236",
            "15 Victim futex < holder runs",
            "1 Victim futex < holder ready < idleturn",
            "5 Victim ready < idleturn",
        ]
    );
    assert_eq!(seen.wakers("Victim"), ["holder 45 in 1"]);
    assert_eq!(seen.instead("Victim"), ["idle 5 in 1"]);
    assert_eq!(
        seen.path("Victim"),
        [
            "100-110 Victim runs",
            "110-120 Victim futex < holder runs",
            "120-149 Victim futex < holder nanosleep < local 236",
            "149-150 Victim futex < holder ready < idleturn",
            "150-155 Victim futex < holder runs",
            "155-160 Victim ready < idleturn",
            "160-200 Victim runs",
        ]
    );
}

#[test]
fn what_a_waker_did_on_its_cpu_is_told_by_the_call_that_it_was_in() {
    //      100      110 115      125  130     140     150    160        200
    // cpu0  | Victim | idle                                    | Victim
    // cpu1  | Holder … | in write | …  | in read | idle | in read, wakes Victim, …
    let text = "110 cpu0 Victim (futex) -> idle
         140 cpu1 Holder was in write from 115 to 125
         140 cpu1 Holder (read since 130) -> idle
         149 cpu1 local 236 wakes Holder
         150 cpu1 idle -> Holder
         157 cpu1 Holder wakes Victim
         160 cpu0 idle -> Victim
         170 cpu1 Holder was in read from 150 to 155
         170 cpu1 Holder (nanosleep since 165) -> idle";
    // As a wait's end comes to be known, so much is not known of its waker yet.
    for batch in [1, 2, 9] {
        let seen = seen_in(text, batch);
        assert_eq!(
            seen.path("Victim"),
            [
                "100-110 Victim runs",
                "110-115 Victim futex < Holder runs",
                "115-125 Victim futex < Holder runs in write",
                "125-130 Victim futex < Holder runs",
                "130-140 Victim futex < Holder runs in read",
                "140-149 Victim futex < Holder read < local 236",
                "149-150 Victim futex < Holder ready < idleturn",
                "150-155 Victim futex < Holder runs in read",
                "155-157 Victim futex < Holder runs",
                "157-160 Victim ready < idleturn",
                "160-200 Victim runs",
            ]
        );
        let chains = seen.chains("Victim");
        for way in [
            "15 Victim futex < Holder runs in read",
            "12 Victim futex < Holder runs",
            "10 Victim futex < Holder runs in write",
        ] {
            assert!(chains.iter().any(|chain| chain == way), "{chains:?}");
        }
    }
}

#[test]
fn calls_that_do_not_fit_into_a_threads_time_on_a_cpu_leave_no_gap() {
    // Stale, from before it came to the CPU; longer than its time there; in no order.
    let seen = seen(
        "120 cpu0 idle -> A
         150 cpu0 A was in write from 105 to 115
         150 cpu0 A was in read from 110 to 130
         150 cpu0 A was in write from 125 to 128
         150 cpu0 A (futex since 0) -> idle",
    );
    assert_eq!(
        seen.path("A"),
        [
            "100-120 A ready < idleturn",
            "120-130 A runs in read",
            "130-150 A runs in futex",
            "150-200 A futex < unfinished",
        ]
    );
}

#[test]
fn five_hops_are_followed_and_each_clips_the_one_behind_it() {
    // Each is woken by the one behind it as soon as that is.
    let seen = seen(
        "101 cpu0 A (futex) -> b
         102 cpu0 b (read) -> c
         103 cpu0 c (poll) -> d
         104 cpu0 d (read) -> e
         105 cpu0 e (nanosleep) -> idle
         180 cpu0 local 236 wakes e
         180 cpu0 idle -> e
         181 cpu0 e wakes d
         182 cpu0 e (none) -> d
         183 cpu0 d wakes c
         184 cpu0 d (none) -> c
         185 cpu0 c wakes b
         186 cpu0 c (none) -> b
         187 cpu0 b wakes A
         188 cpu0 b (none) -> A",
    );
    let chains = seen.chains("A");
    assert_eq!(
        chains[0],
        "75 A futex < b read < c poll < d read < e nanosleep < local 236"
    );
    assert!(
        chains.contains(&"1 A ready < turn of b".to_owned()),
        "{chains:?}"
    );
    assert_eq!(seen.wakers("A"), ["b 86 in 1"]);
}

#[test]
fn what_runs_in_the_queue_that_it_waits_in_runs_instead() {
    //      100   110     120     130       150       200
    // cpu0  | A   | b     | c     | idle
    // cpu1  | d                            | A
    let seen = seen(
        "110 cpu0 A -> b
         120 cpu0 b -> c
         130 cpu0 c (none) -> b
         140 cpu0 A moves to cpu1
         150 cpu1 d -> A",
    );
    assert_eq!(seen.instead("A"), ["b 20 in 2", "c 10 in 1", "d 10 in 1"]);
    let queues = &seen.of("A").1.queues;
    assert_eq!((queues[&0], queues[&1]), (30, 10));
    assert_eq!(
        seen.chains("A"),
        [
            "20 A ready < turn of b",
            "10 A ready < turn of d",
            "10 A ready < turn of c"
        ]
    );
}

#[test]
fn a_wait_that_a_windows_edge_cuts_counts_up_to_it() {
    let seen = seen(
        "120 cpu0 b wakes A of cpu0
         130 cpu0 b (none) -> A
         150 cpu0 A (read) -> idle",
    );
    assert_eq!(
        seen.chains("A"),
        [
            "50 A read < unfinished",
            "20 A blocked before < b runs",
            "10 A ready < turn of b",
        ]
    );
    assert_eq!(seen.wakers("A"), ["b 20 in 1"]);
    assert_eq!(seen.instead("A"), ["b 10 in 1"]);
}

#[test]
fn a_wait_of_before_the_window_has_its_call_once_that_is_known() {
    // A waits twice in the same call, first since before the window; so does b, for which it waits.
    let text = "110 cpu0 c wakes b of cpu0
         111 cpu0 c (none) -> b
         120 cpu0 b wakes A of cpu1
         121 cpu1 idle -> A
         130 cpu1 A (read) -> idle
         140 cpu0 b (poll) -> c
         150 cpu0 c wakes b
         151 cpu0 c (none) -> b
         160 cpu0 b wakes A
         161 cpu1 idle -> A";
    let known = seen_begun_in(text, &[("A", "read"), ("b", "poll")]);
    assert_eq!(
        known.chains("A"),
        [
            "28 A read < b runs",
            "20 A read < b poll < c runs",
            "2 A read < b ready < turn of c",
            "2 A ready < idleturn",
        ]
    );
    let [read, _ready] = &known.of("A").1.chains.branches(&known.machine)[..] else {
        panic!("in one call, and ready")
    };
    assert_eq!(
        (read.count, read.below.iter().map(|below| below.count).max()),
        (2, Some(2))
    );
    assert_eq!(
        known.path("A")[..2],
        [
            "100-110 A read < b poll < c runs",
            "110-111 A read < b ready < turn of c"
        ]
    );
    // Of one of which it does not come to be known, nothing else is said.
    let unknown = seen_begun_in(text, &[("A", "read")]);
    assert!(
        unknown
            .chains("A")
            .contains(&"10 A read < b blocked before < c runs".to_owned())
    );
}

#[test]
fn after_a_loss_a_call_is_not_the_windows_first() {
    let mut names = Names::default();
    let mut window = Window::new(100, Machine::new(100));
    let lost = Event {
        at_ns: 110,
        cpu: 0,
        what: What::Lost { until_ns: 120 },
    };
    window.take(&names.events("105 cpu0 A (read) -> c"));
    window.take(&[lost]);
    window.take(&names.events("140 cpu0 b wakes A of cpu0"));
    let (mut machine, waits) = window.close(200);
    let id = machine.by_pid(names.known("A")).unwrap();
    machine.began_in(id, Some(key("poll")));
    let seen = Seen {
        names,
        machine,
        waits: waits.into_iter().collect(),
    };
    let chains = seen.chains("A");
    assert!(
        chains.contains(&"20 A blocked < b runs".to_owned()),
        "{chains:?}"
    );
    assert!(!chains.iter().any(|chain| chain.contains("poll")));
}

#[test]
fn an_interrupt_ends_a_wait_and_not_whom_it_interrupted() {
    let seen = seen(
        "110 cpu0 A (read) -> b
         140 cpu0 hard 24 wakes A
         141 cpu0 b -> A",
    );
    assert_eq!(
        seen.chains("A"),
        ["30 A read < hard 24", "1 A ready < turn of b"]
    );
    assert_eq!(seen.wakers("A"), ["hard 24 30 in 1"]);
}

#[test]
fn a_parent_waits_for_its_childs_life_and_for_its_own_up_to_its_birth() {
    let seen = seen(
        "104 cpu1 Parent bears child
         105 cpu0 idle -> child
         110 cpu1 Parent (wait4) -> idle
         120 cpu0 child (nanosleep) -> idle
         160 cpu0 local 236 wakes child
         160 cpu0 idle -> child
         170 cpu0 child exits, wakes Parent
         171 cpu0 child (dead) -> idle
         172 cpu1 idle -> Parent",
    );
    assert_eq!(
        seen.chains("Parent"),
        [
            "40 Parent wait4 < child exiting nanosleep < local 236",
            "20 Parent wait4 < child exiting runs",
            "2 Parent ready < idleturn",
        ]
    );
}

#[test]
fn what_was_born_later_comes_from_its_parent() {
    let seen = seen(
        "110 cpu0 A (read) -> idle
         120 cpu1 p bears c
         120 cpu1 p (none) -> c
         150 cpu1 c wakes A
         150 cpu0 idle -> A",
    );
    assert_eq!(
        seen.chains("A"),
        ["30 A read < c runs", "10 A read < p parent runs"]
    );
}

#[test]
fn woken_on_the_way_to_sleep_is_ready_from_then_on() {
    // The waker sees it asleep before its switch is recorded.
    let seen = seen(
        "109 cpu1 b wakes A early
         110 cpu0 A (futex) -> c
         115 cpu0 c -> A",
    );
    assert_eq!(seen.chains("A"), ["5 A ready < turn of c"]);
    assert_eq!(seen.machine.contradictions(), 0);
}

#[test]
fn a_waking_that_found_it_awake_ends_no_sleep() {
    let seen = seen(
        "101 cpu1 b wakes A early
         102 cpu0 A -> c
         103 cpu0 c -> A
         110 cpu0 A (futex) -> c
         150 cpu1 b wakes A
         155 cpu0 c -> A",
    );
    assert_eq!(
        seen.chains("A"),
        ["40 A futex < b runs", "6 A ready < turn of c",]
    );
}

#[test]
fn a_sleep_whose_end_was_not_recorded_is_nobodys() {
    let seen = seen(
        "110 cpu0 A (futex) -> c
         150 cpu0 c -> A
         160 cpu0 A (read) -> c
         170 cpu1 b wakes A
         175 cpu0 c -> A",
    );
    assert_eq!(
        seen.chains("A"),
        ["10 A read < b runs", "5 A ready < turn of c"]
    );
    assert_eq!(seen.machine.contradictions(), 1);
}

#[test]
fn a_thread_that_takes_its_leaders_pid_goes_on_as_the_same() {
    // b is the one that ran there: it has become the leader, which has ended.
    let seen = seen(
        "110 cpu0 A (read) -> b
         120 cpu1 leader (dead) -> idle
         130 cpu0 leader (nanosleep) -> idle
         150 cpu0 local 236 wakes leader
         150 cpu0 idle -> leader
         155 cpu0 leader wakes A
         160 cpu0 leader (none) -> A",
    );
    assert_eq!(
        seen.chains("A"),
        [
            "25 A read < leader runs",
            "20 A read < leader nanosleep < local 236",
            "5 A ready < turn of leader",
        ]
    );
    assert_eq!(seen.machine.contradictions(), 0);
}

#[test]
fn clocks_that_disagree_by_some_ns_leave_no_time_below_zero() {
    // Woken by a CPU whose clock is behind, and switched in by one whose clock is further behind.
    let seen = seen(
        "110 cpu0 A (futex) -> c
         109 cpu1 b wakes A
         108 cpu0 c -> A
         120 cpu0 A (read) -> c
         125 cpu0 local 1 wakes A
         126 cpu0 c -> A",
    );
    assert_eq!(
        seen.chains("A"),
        ["5 A read < local 1", "1 A ready < turn of c"]
    );
}

/// Who holds a lock may wait for a disk, or lose its CPU, thousands of times meanwhile.
#[test]
fn a_wait_in_which_very_much_happens_is_told_to_its_beginning() {
    const SLEEPS: u64 = 10_000;
    let mut text = "101 cpu1 A (futex) -> idle".to_owned();
    for sleep in 0..SLEEPS {
        let begun_ns = 110 + sleep * 10;
        let [woken_ns, back_ns] = [begun_ns + 6, begun_ns + 7];
        text += &format!("\n{begun_ns} cpu0 b (write) -> idle");
        text += &format!("\n{woken_ns} cpu0 hard 24 wakes b");
        text += &format!("\n{back_ns} cpu0 idle -> b");
    }
    let end_ns = 110 + SLEEPS * 10;
    text += &format!("\n{end_ns} cpu0 b wakes A");
    text += &format!("\n{end_ns} cpu1 idle -> A");
    let seen = seen(&text);
    assert_eq!(
        seen.chains("A"),
        [
            format!("{} A futex < b write < hard 24", SLEEPS * 6),
            format!("{} A futex < b runs", SLEEPS * 3 + 9),
            format!("{SLEEPS} A futex < b ready < idleturn"),
        ]
    );
}

#[test]
fn chains_without_waits_are_empty() {
    let machine = Machine::new(0);
    assert!(Chains::default().branches(&machine).is_empty());
}
