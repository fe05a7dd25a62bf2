//! Slices, triggers and arrows of machines that are written down record by record, as somebody else reads them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod support;

use recorder::event::{Event, TaskName, What};
use recorder::machine::Machine;
use recorder::window::Window;
use support::named::{Numbers, clocks, timeline};
use support::reader::{Read, Slice, State};
use support::records::text::Names;
use timeline::{Call, Host, Timeline, Triggers, Who, WindowEdges};

fn write(
    timeline: &mut Timeline<Vec<u8>, Numbers>,
    names: &mut Names,
    text: &str,
    span: (u64, u64),
) {
    let mut window = Window::new(span.0, Machine::new(span.0));
    timeline.begin_window(span.0, &clocks(0), &[]);
    window.take_watched(&names.events(text), |machine, event, ended| {
        timeline.event(machine, event, ended);
    });
    timeline.end_window(window.machine(), span.1);
}

fn read(text: &str, span: (u64, u64)) -> (Read, Names) {
    let (mut timeline, mut names) = (timeline(), Names::default());
    write(&mut timeline, &mut names, text, span);
    (Read::of(&timeline.into_output().unwrap()), names)
}

fn tid(names: &Names, name: &str) -> i32 {
    names.known(name) as i32
}

fn track(read: &Read, tid: i32) -> u64 {
    let mut tracks = read.thread_tracks.iter();
    *tracks.find(|(_, thread)| thread.1 == tid).unwrap().0
}

fn of(slices: &[Slice], track: u64) -> Vec<(u64, u64, &str)> {
    let own = slices.iter().filter(|slice| slice.track == track);
    own.map(|slice| (slice.from_ns, slice.to_ns, &slice.name[..]))
        .collect()
}

#[test]
fn a_chain_of_wakings_is_arrows_from_thread_to_thread() {
    let (read, names) = read(
        "
        100 cpu0  A (futex) -> idle
        110 cpu1  b (read) -> c
        150 cpu1  c wakes b
        160 cpu1  c -> b
        190 cpu1  b wakes A
        200 cpu0  idle -> A
        ",
        (90, 300),
    );
    let of_a = track(&read, tid(&names, "A"));
    let (of_b, of_c) = (
        track(&read, tid(&names, "b")),
        track(&read, tid(&names, "c")),
    );
    let arrows: Vec<_> = read
        .arrows
        .iter()
        .map(|it| (it.at_ns, it.from, it.to))
        .collect();
    assert_eq!(arrows, [(150, of_c, of_b), (190, of_b, of_a)]);
    assert_eq!(of(&read.slices, of_a), [(100, 190, "call 0")]);
    assert_eq!(of(&read.slices, of_b), [], "nobody looks at its calls");
}

#[test]
fn what_an_interrupt_has_ended_says_by_which() {
    let (read, names) = read(
        "
        100 cpu0  A (nanosleep) -> idle
        150 cpu0  local 236 wakes A
        160 cpu0  idle -> A
        170 cpu0  A (poll) -> idle
        ",
        (90, 300),
    );
    let own = track(&read, tid(&names, "A"));
    assert_eq!(
        of(&read.slices, own),
        [(100, 150, "call 2"), (170, 300, "call 5")]
    );
    let said: Vec<_> = read
        .slices
        .iter()
        .map(|slice| &slice.annotations[0].1[..])
        .collect();
    assert_eq!(said, ["irq 236", "the window's end"]);
    assert!(read.arrows.is_empty());
}

#[test]
fn a_thread_that_is_woken_as_it_goes_to_sleep_is_ready_from_then_on() {
    let (read, names) = read(
        "
        100 cpu1  c wakes A early
        110 cpu0  A (futex) -> b
        150 cpu0  b (none) -> A
        ",
        (90, 300),
    );
    let a = tid(&names, "A");
    assert_eq!(read.at(a, 109), Some(State::Running(0)));
    assert_eq!(read.at(a, 110), Some(State::Runnable));
    assert_eq!(read.at(a, 149), Some(State::Runnable));
}

#[test]
fn a_thread_that_takes_its_leader_s_number_ends_as_what_it_was() {
    let (read, names) = read(
        "
        100 cpu0  idle -> A
        150 cpu0  Leader (none) -> idle
        ",
        (90, 300),
    );
    assert_eq!(read.at(tid(&names, "A"), 120), Some(State::Running(0)));
    assert_eq!(read.at(tid(&names, "A"), 150), Some(State::Unknown));
    assert_eq!(read.at(tid(&names, "Leader"), 151), Some(State::Sleeping));
    assert_eq!(read.mismatches, 0);
}

#[test]
fn between_windows_nothing_is_said_and_in_the_next_only_what_its_events_tell() {
    let (mut timeline, mut names) = (timeline(), Names::default());
    let first = "
        100 cpu0  A (futex) -> b
        150 cpu0  b -> c
    ";
    write(&mut timeline, &mut names, first, (90, 200));
    let second = "
        1100 cpu0  c -> A
        1150 cpu1  A wakes b
    ";
    write(&mut timeline, &mut names, second, (1000, 1200));
    let read = Read::of(&timeline.into_output().unwrap());
    let at = |name: &str, ns: u64| read.at(tid(&names, name), ns);
    for name in ["A", "b", "c"] {
        assert_eq!(at(name, 200), Some(State::Unknown), "{name}");
        assert_eq!(at(name, 998), Some(State::Unknown), "{name}");
    }
    assert_eq!(at("c", 1000), Some(State::Running(0)));
    // It has been waiting for a turn, whatever it had been doing in the window before.
    assert_eq!(at("A", 1000), Some(State::Runnable));
    assert_eq!(at("b", 1000), Some(State::Sleeping));
    assert_eq!(at("b", 1150), Some(State::Runnable));
    assert_eq!(at("b", 1200), Some(State::Unknown));
    assert_eq!(read.mismatches, 0);
}

#[test]
fn a_number_that_is_used_again_is_another_thread_s() {
    let (read, names) = read(
        "
        100 cpu0  A (dead) -> b
        150 cpu0  b bears A
        160 cpu0  b (none) -> A
        ",
        (90, 300),
    );
    let a = tid(&names, "A");
    assert_eq!(read.at(a, 120), Some(State::Dead));
    assert_eq!(read.at(a, 150), Some(State::Runnable));
    assert_eq!(read.at(a, 160), Some(State::Running(0)));
}

#[test]
fn a_window_has_a_slice_its_triggers_and_its_calls() {
    let triggers = Triggers {
        start: Some("up:f".to_owned()),
        stop: Some("ur:f".to_owned()),
    };
    let mut timeline = Timeline::new(Vec::new(), Numbers, triggers);
    timeline.begin(&Host::default(), &[]);
    let who = Who {
        pid: 7,
        tid: 8,
        comm: "worker".to_owned(),
    };
    for was_dropped in [true, false] {
        timeline.window(&WindowEdges {
            start_ns: 100,
            stop_ns: 200,
            started_by: Some(who.clone()),
            stopped_by: Some(who.clone()),
            reason: "trigger",
            was_dropped,
        });
    }
    timeline.call(&Call {
        who,
        entry_ns: 120,
        exit_ns: 130,
        call: abi::syscall::SyscallKey::new(3, false),
        result: -11,
    });
    let read = Read::of(&timeline.into_output().unwrap());
    let of_windows = of(&read.slices, 1);
    assert_eq!(
        of_windows,
        [(100, 200, "dropped window"), (100, 200, "window 0")]
    );
    let triggers = of(&read.instants, 2);
    assert_eq!(
        triggers[..2],
        [(100, 100, "start up:f"), (100, 100, "start up:f")]
    );
    assert_eq!(
        triggers[2..],
        [(200, 200, "stop ur:f"), (200, 200, "stop ur:f")]
    );
    let who = &read.instants[0].annotations;
    assert_eq!(who[0], ("thread".to_owned(), "worker".to_owned()));
    assert_eq!((&who[1].1[..], &who[2].1[..]), ("8", "7"));
    let call = track(&read, 8);
    assert_eq!(read.thread_tracks[&call], (7, 8));
    assert_eq!(of(&read.slices, call), [(120, 130, "call 3")]);
    assert_eq!(
        read.slices[2].annotations,
        [("result".to_owned(), "-11".to_owned())]
    );
}

#[test]
fn a_name_counts_from_when_it_is_told_and_stays() {
    let (mut timeline, mut names) = (timeline(), Names::default());
    let pid = names.pid("A");
    let name = Event {
        at_ns: 50,
        cpu: 0,
        what: What::TaskName {
            pid,
            name: TaskName {
                tid: pid,
                tgid: 40,
                comm: *b"worker\0\0\0\0\0\0\0\0\0\0",
            },
        },
    };
    timeline.name(&name);
    write(&mut timeline, &mut names, "100 cpu0  idle -> A", (90, 200));
    let read = Read::of(&timeline.into_output().unwrap());
    assert_eq!(read.names[&(pid as i32)], "worker");
    assert_eq!(read.tgids[&(pid as i32)], 40);
}
