//! From the flight recorder's rings to what each pending window's waits were about. Rings that fill up are taken in while the window is
//! open, so that nothing is overwritten unread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use recorder::event::{Cpu, Event, Pid, What};
use recorder::machine::Machine;
use recorder::order::Order;
use recorder::task::TaskId;
use recorder::window::{Waits, Window};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::calls::recorded_call::RecordedCall;
use crate::probes::recorder_rings::RecorderRings;
use crate::sample::{Start, Stop};
use crate::session::earlier::Earlier;
use crate::session::window::Span;
use crate::threads::recorded_names::RecordedNames;
use crate::timeline_file::{SharedTimeline, TimelineFile};

/// A record, or an edge, may be seen so long after the clock was read for it: what is held back for as long comes in the order of all CPUs,
/// and in its window. A program takes microseconds, but a virtual CPU may be kept from its own in the middle of one.
const HELD_BACK_NS: u64 = 20_000_000;

pub struct Recording {
    rings: RecorderRings,
    order: Order,
    /// Oldest first.
    windows: VecDeque<Pending>,
    timeline: Option<SharedTimeline>,
    /// Up to when the time line is written.
    told_ns: u64,
    names: RecordedNames,
    /// Records that were overwritten before they were read, since the last window was finished.
    overwritten: u64,
    earlier: Earlier,
}

/// A window that has begun.
struct Pending {
    number: u32,
    window: Window,
    /// From when on it knows something: its start, or before that.
    begin_ns: u64,
    /// What came before it that was asked for, until the time line is told.
    earlier: Vec<Event>,
    /// CPUs on which nothing was recorded of that when it was first looked at, and who has run there.
    silent: Vec<(Cpu, Pid)>,
    /// How far it is in the time line.
    told: Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Begun,
    All,
}

/// All that was recorded of a window.
pub struct Recorded {
    pub machine: Machine,
    pub waits: FxHashMap<TaskId, Waits>,
    pub names: RecordedNames,
    /// Records that nobody has read.
    pub lost: u64,
    /// From when on there are any: the window's start, or before that.
    pub begin_ns: u64,
}

impl Recording {
    pub fn new(rings: RecorderRings, earlier: Earlier, timeline: Option<SharedTimeline>) -> Self {
        Self {
            rings,
            order: Order::default(),
            windows: VecDeque::new(),
            timeline,
            told_ns: 0,
            names: RecordedNames::default(),
            overwritten: 0,
            earlier,
        }
    }

    /// From now on all is recorded.
    pub fn begin(&mut self, now_ns: u64) {
        self.earlier.begin(now_ns);
    }

    /// Readable when it is time to take something in.
    pub fn full_parts_fd(&self) -> io::Result<OwnedFd> {
        self.rings.full_parts_fd()
    }

    /// Whether it is.
    pub fn take_full_parts(&mut self) -> bool {
        self.rings.take_full_parts()
    }

    /// Takes in what has been recorded, but for the latest. The windows that have begun and are not read: no edge is missing that was set
    /// up to that time.
    pub fn take_in(&mut self, spans: &[Span], known_ns: u64) {
        let until_ns = known_ns.saturating_sub(HELD_BACK_NS);
        self.take(spans, until_ns);
        if self.earlier.is_asked_for() && spans.iter().all(|span| span.stop_ns <= until_ns) {
            self.take_between(until_ns);
        }
    }

    fn take(&mut self, spans: &[Span], until_ns: u64) {
        let begin_ns = match spans.first() {
            Some(first) => self.earlier.begin_ns(first.start_ns),
            None if self.earlier.is_asked_for() => self.earlier.begin_ns(until_ns),
            None => return,
        };
        self.overwritten += self.rings.take(&mut self.order, begin_ns);
        for span in spans {
            // What comes before a window is none of it yet: the one before that may not be over.
            if self.earlier.is_asked_for() && until_ns <= span.start_ns {
                break;
            }
            self.apply(*span, until_ns.min(span.stop_ns));
        }
    }

    fn apply(&mut self, span: Span, until_ns: u64) {
        let events = self.order.take(until_ns);
        self.note_names(&events);
        let begin_ns = self.earlier.begin_ns(span.start_ns);
        let first = events.partition_point(|event| event.at_ns < begin_ns);
        let (before, next) = events.split_at(first);
        let place = self.place(span, next, until_ns);
        let pending = &mut self.windows[place];
        let told_ns = &mut self.told_ns;
        let told = self.timeline.as_ref().and_then(|timeline| {
            timeline.with(|file| {
                file.names(before);
                pending.tell(file, span, next, until_ns, told_ns);
            })
        });
        if told.is_none() {
            pending.take(next);
        }
        self.earlier.remember(&events, until_ns);
    }

    /// What belongs to no window, and comes before the next one.
    fn take_between(&mut self, until_ns: u64) {
        let events = self.order.take(until_ns);
        self.note_names(&events);
        if let Some(timeline) = &self.timeline {
            timeline.with(|file| file.names(&events));
        }
        self.earlier.remember(&events, until_ns);
    }

    fn note_names(&mut self, events: &[Event]) {
        for event in events {
            match event.what {
                What::TaskName { pid, name } => _ = self.names.tasks.insert(pid, name),
                What::IrqName { irq, name } => _ = self.names.irqs.insert(irq, name),
                _ => {}
            }
        }
    }

    /// Among the windows. `next`: what it will be told then, up to that time.
    fn place(&mut self, span: Span, next: &[Event], until_ns: u64) -> usize {
        let place = self
            .windows
            .iter()
            .position(|pending| pending.number == span.number);
        place.unwrap_or_else(|| {
            let pending = self.begin_window(span, next, until_ns);
            self.windows.push_back(pending);
            self.windows.len() - 1
        })
    }

    fn begin_window(&self, span: Span, next: &[Event], until_ns: u64) -> Pending {
        let begin_ns = self.earlier.begin_ns(span.start_ns);
        let earlier = self.earlier.since(begin_ns);
        let machine = Machine::new(begin_ns).of_window(span.start_ns);
        let mut window = Window::new(span.start_ns, machine);
        let telling = earlier
            .iter()
            .chain(next)
            .filter(|event| event.what.tells_who_ran());
        let told: FxHashSet<Cpu> = telling.map(|event| event.cpu).collect();
        let is_silent = |cpu: Cpu| !told.contains(&cpu);
        let mut silent = self.rings.silent(span.number);
        silent.retain(|&(cpu, _)| is_silent(cpu));
        if self.earlier.is_asked_for() {
            // Something is recorded after the window, too, and tells of CPUs that had no switch in it.
            for cpu in (0..self.rings.count() as Cpu).filter(|&cpu| is_silent(cpu)) {
                let is_known = silent.iter().any(|&(known, _)| known == cpu);
                let pid = self.order.running_at(cpu, until_ns);
                silent.extend(pid.filter(|_| !is_known).map(|pid| (cpu, pid)));
            }
        }
        for &(cpu, pid) in &silent {
            window.ran_all_along(cpu, pid);
        }
        Pending {
            number: span.number,
            window,
            begin_ns,
            earlier,
            silent,
            told: Told::Nothing,
        }
    }

    /// The window is closed, and no program records anything of it any more.
    pub fn finish(&mut self, span: Span) -> Recorded {
        self.take(&[span], span.stop_ns);
        let place = self.place(span, &[], span.stop_ns);
        let pending = self.windows.remove(place);
        let mut window = Window::new(span.start_ns, Machine::new(span.start_ns));
        if let Some(mut pending) = pending {
            pending.take(&[]);
            window = pending.window;
        }
        let (machine, waits) = window.close(span.stop_ns);
        Recorded {
            begin_ns: machine.known_from_ns().min(span.start_ns),
            machine,
            waits,
            names: self.names.clone(),
            lost: std::mem::take(&mut self.overwritten),
        }
    }

    /// The window, which has ended then, will not be read.
    pub fn forget(&mut self, span: Span) {
        if self.timeline.is_some() {
            // Part of it may be there already.
            self.finish(span);
            return;
        }
        self.windows.retain(|pending| pending.number != span.number);
        // Nobody misses what of it was overwritten.
        self.rings.take(&mut self.order, span.stop_ns);
        self.take_between(span.stop_ns);
    }

    /// Of a window that is finished: how it began and ended.
    pub fn tell_edges(&mut self, start: &Start, stop: &Stop, was_dropped: bool) {
        if let Some(timeline) = &self.timeline {
            timeline.with(|file| file.edges(start, stop, was_dropped));
        }
    }

    /// Of a window that is finished. False: there is nobody to tell.
    pub fn tell_calls(&mut self, calls: &[RecordedCall]) -> bool {
        let told = |timeline: &SharedTimeline| timeline.with(|file| file.calls(calls));
        self.timeline.as_ref().and_then(told).is_some()
    }
}

impl Pending {
    fn take(&mut self, next: &[Event]) {
        self.window.take(&std::mem::take(&mut self.earlier));
        self.window.take(next);
    }

    /// The same, and the time line is told of it, up to that time.
    fn tell(
        &mut self,
        file: &mut TimelineFile,
        span: Span,
        next: &[Event],
        until_ns: u64,
        told_ns: &mut u64,
    ) {
        // Not before something may have happened in it: the window before it may not be over yet.
        if self.told == Told::Nothing && until_ns > span.start_ns {
            // What it knows of the windows before it, these have told.
            let from_ns = self.begin_ns.max(*told_ns).min(span.start_ns);
            let earlier = std::mem::take(&mut self.earlier);
            let first = earlier.partition_point(|event| event.at_ns < from_ns);
            self.window.take(&earlier[..first]);
            file.begin_window(from_ns, &self.silent);
            self.told = Told::Begun;
            self.watched(file, &earlier[first..]);
        }
        if self.told == Told::Begun {
            self.watched(file, next);
        } else {
            self.take(next);
        }
        if self.told == Told::Begun && until_ns >= span.stop_ns {
            file.timeline
                .end_window(self.window.machine(), span.stop_ns);
            *told_ns = span.stop_ns;
            self.told = Told::All;
        }
    }

    fn watched(&mut self, file: &mut TimelineFile, events: &[Event]) {
        self.window.take_watched(events, |machine, event, ended| {
            file.timeline.event(machine, event, ended);
        });
    }
}
