//! A time line as another implementation of the encoding reads it, by Perfetto's own schema; and from its switches and wakings what each
//! thread did, as Perfetto's trace processor makes thread states of them.

use std::collections::BTreeMap;

use perfetto_protos::ftrace_event::FtraceEvent;
use perfetto_protos::trace::Trace;
use perfetto_protos::track_event::TrackEvent;
use perfetto_protos::track_event::track_event::Type;
use protobuf::Message;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running(u32),
    Runnable,
    Sleeping,
    /// In the disk, by a lock in the kernel, or as a kernel thread that has nothing to do.
    Uninterruptible,
    Stopped,
    Dead,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub from_ns: u64,
    pub to_ns: u64,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub from_ns: u64,
    pub to_ns: u64,
    pub track: u64,
    pub category: String,
    pub name: String,
    pub annotations: Vec<(String, String)>,
}

/// An arrow from one track's to another one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub at_ns: u64,
    pub from: u64,
    pub to: u64,
}

#[derive(Default)]
pub struct Read {
    /// By tid. In the order of time, without gaps from the first on; the last one goes on.
    pub threads: BTreeMap<i32, Vec<Interval>>,
    pub tgids: BTreeMap<i32, i32>,
    pub names: BTreeMap<i32, String>,
    /// By track: pid and tid.
    pub thread_tracks: BTreeMap<u64, (i32, i32)>,
    pub track_names: BTreeMap<u64, String>,
    pub slices: Vec<Slice>,
    pub instants: Vec<Slice>,
    pub arrows: Vec<Arrow>,
    pub bundles_with_losses: usize,
    /// Switches of which the one before on that CPU says that another one was running.
    pub mismatches: usize,
    /// What is added to `CLOCK_MONOTONIC`.
    pub asleep_ns: u64,
}

impl Read {
    pub fn of(bytes: &[u8]) -> Self {
        let trace = Trace::parse_from_bytes(bytes).unwrap();
        let mut read = Self::default();
        let mut scheduled: Vec<(u64, u32, &FtraceEvent)> = Vec::new();
        let mut marked: Vec<(u64, &TrackEvent)> = Vec::new();
        for packet in &trace.packet {
            assert_eq!(packet.trusted_packet_sequence_id(), 1);
            if packet.has_ftrace_events() {
                let bundle = packet.ftrace_events();
                read.bundles_with_losses += usize::from(bundle.lost_events());
                let events = bundle.event.iter();
                scheduled.extend(events.map(|event| (event.timestamp(), bundle.cpu(), event)));
            }
            if packet.has_track_event() {
                marked.push((packet.timestamp(), packet.track_event()));
            }
            if packet.has_track_descriptor() {
                let track = packet.track_descriptor();
                if track.thread.is_some() {
                    let thread = (track.thread.pid(), track.thread.tid());
                    read.thread_tracks.insert(track.uuid(), thread);
                } else {
                    let name = track.name().to_owned();
                    read.track_names.insert(track.uuid(), name);
                }
            }
            if packet.has_process_tree() {
                for thread in &packet.process_tree().threads {
                    read.tgids.insert(thread.tid(), thread.tgid());
                    read.names.insert(thread.tid(), thread.name().to_owned());
                }
            }
            if packet.has_clock_snapshot() {
                let clocks = &packet.clock_snapshot().clocks;
                let of = |id: u32| clocks.iter().find(|clock| clock.clock_id() == id).unwrap();
                read.asleep_ns = of(6).timestamp() - of(3).timestamp();
            }
        }
        // Stable: those of one CPU at one time stay in its order.
        scheduled.sort_by_key(|&(at_ns, cpu, _)| (at_ns, cpu));
        marked.sort_by_key(|&(at_ns, _)| at_ns);
        read.schedule(&scheduled);
        read.mark(&marked);
        read
    }

    fn schedule(&mut self, events: &[(u64, u32, &FtraceEvent)]) {
        let mut running: BTreeMap<u32, i32> = BTreeMap::new();
        for &(at_ns, cpu, event) in events {
            if event.has_sched_switch() {
                let switch = event.sched_switch();
                let (prev, next) = (switch.prev_pid(), switch.next_pid());
                let was_on = running.insert(cpu, next);
                self.mismatches += usize::from(was_on.is_some_and(|was_on| was_on != prev));
                if prev != 0 {
                    self.begin(prev, at_ns, state_of(switch.prev_state()));
                }
                if next != 0 {
                    self.begin(next, at_ns, State::Running(cpu));
                }
            } else if event.has_sched_waking() {
                let woken = event.sched_waking().pid();
                let latest = self.threads.get(&woken).and_then(|of| of.last());
                let is_awake = latest.is_some_and(|latest| {
                    matches!(latest.state, State::Running(_) | State::Runnable)
                });
                if !is_awake {
                    self.begin(woken, at_ns, State::Runnable);
                }
            } else if event.has_sched_process_free() {
                self.begin(event.sched_process_free().pid(), at_ns, State::Dead);
            } else {
                panic!("what is {event:?}?");
            }
        }
    }

    fn begin(&mut self, tid: i32, at_ns: u64, state: State) {
        let of = self.threads.entry(tid).or_default();
        if let Some(latest) = of.last_mut() {
            latest.to_ns = at_ns;
        }
        of.push(Interval {
            from_ns: at_ns,
            to_ns: u64::MAX,
            state,
        });
    }

    fn mark(&mut self, events: &[(u64, &TrackEvent)]) {
        let mut open: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut arrows: BTreeMap<u64, u64> = BTreeMap::new();
        for &(at_ns, event) in events {
            let track = event.track_uuid();
            let is_known =
                self.thread_tracks.contains_key(&track) || self.track_names.contains_key(&track);
            assert!(is_known, "{event:?}");
            match event.type_() {
                Type::TYPE_SLICE_BEGIN => {
                    open.entry(track).or_default().push(self.slices.len());
                    self.slices.push(slice(at_ns, u64::MAX, event));
                }
                Type::TYPE_SLICE_END => {
                    let index = open.get_mut(&track).and_then(Vec::pop).unwrap();
                    self.slices[index].to_ns = at_ns;
                }
                Type::TYPE_INSTANT => self.instants.push(slice(at_ns, at_ns, event)),
                other => panic!("what is {other:?}?"),
            }
            arrows.extend(event.flow_ids.iter().map(|&flow| (flow, track)));
            for flow in &event.terminating_flow_ids {
                let from = arrows.remove(flow).unwrap();
                self.arrows.push(Arrow {
                    at_ns,
                    from,
                    to: track,
                });
            }
        }
        assert!(arrows.is_empty(), "arrows to nowhere");
        assert!(open.values().all(Vec::is_empty), "slices without an end");
    }

    /// At one instant; `None`: nothing is said of it yet. Of several that begin at one time the last counts.
    pub fn at(&self, tid: i32, ns: u64) -> Option<State> {
        let of = self.threads.get(&tid)?;
        let after = of.partition_point(|interval| interval.from_ns <= ns);
        Some(of[after.checked_sub(1)?].state)
    }

    /// How long the thread was in such states between these times.
    pub fn total_ns(&self, tid: i32, (from_ns, to_ns): (u64, u64), is: fn(State) -> bool) -> u64 {
        let of = self.threads.get(&tid).into_iter().flatten();
        of.filter(|interval| is(interval.state))
            .map(|interval| {
                let to_ns = interval.to_ns.min(to_ns);
                to_ns.saturating_sub(interval.from_ns.max(from_ns))
            })
            .sum()
    }
}

/// As Linux 4.14 and later report it.
fn state_of(prev_state: i64) -> State {
    match prev_state {
        0 | 0x100 => State::Runnable,
        0x1 => State::Sleeping,
        0x2 | 0x80 => State::Uninterruptible,
        0x4 | 0x8 => State::Stopped,
        0x10 | 0x20 => State::Dead,
        0xffff => State::Unknown,
        other => panic!("what is {other:#x}?"),
    }
}

fn slice(from_ns: u64, to_ns: u64, event: &TrackEvent) -> Slice {
    let annotations = event.debug_annotations.iter();
    Slice {
        from_ns,
        to_ns,
        track: event.track_uuid(),
        category: event.categories.concat(),
        name: event.name().to_owned(),
        annotations: annotations
            .map(|it| {
                let value = if it.has_int_value() {
                    it.int_value().to_string()
                } else {
                    it.string_value().to_owned()
                };
                (it.name().to_owned(), value)
            })
            .collect(),
    }
}
