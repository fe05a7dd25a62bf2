//! From the flight recorder's rings to what each pending window's waits were about. Rings that fill up are taken in while the window is
//! open, so that nothing is overwritten unread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use recorder::event::{Event, What};
use recorder::machine::Machine;
use recorder::order::Order;
use recorder::task::TaskId;
use recorder::window::{Waits, Window};
use rustc_hash::FxHashMap;

use crate::probes::recorder_rings::RecorderRings;
use crate::session::window::Span;
use crate::threads::recorded_names::RecordedNames;

/// A record, or an edge, may be seen so long after the clock was read for it: what is held back for as long comes in the order of all CPUs,
/// and in its window. A program takes microseconds, but a virtual CPU may be kept from its own in the middle of one.
const HELD_BACK_NS: u64 = 20_000_000;

/// What came before windows is remembered in so many events at most: of more the oldest are forgotten.
const MOST_EARLIER: usize = 1 << 20;

pub struct Recording {
    rings: RecorderRings,
    order: Order,
    /// Oldest first.
    windows: VecDeque<(u32, Window)>,
    names: RecordedNames,
    /// Records that were overwritten before they were read, since the last window was finished.
    overwritten: u64,
    earlier: Earlier,
}

/// The latest events, which windows begin with that are asked for what came before them.
struct Earlier {
    /// So much; 0: nothing.
    before_ns: u64,
    events: VecDeque<Event>,
    /// From when on they are all here.
    since_ns: u64,
}

impl Earlier {
    /// From when on a window knows something that begins then.
    fn begin_ns(&self, start_ns: u64) -> u64 {
        let asked_ns = start_ns.saturating_sub(self.before_ns);
        asked_ns.max(self.since_ns).min(start_ns)
    }

    fn of(&self, from_ns: u64) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(move |event| event.at_ns >= from_ns)
    }

    /// The next ones, of which all are known up to that time.
    fn remember(&mut self, events: &[Event], until_ns: u64) {
        if self.before_ns == 0 {
            return;
        }
        self.events.extend(events);
        let kept_ns = until_ns.saturating_sub(self.before_ns);
        while let Some(oldest) = self.events.front()
            && (oldest.at_ns < kept_ns || self.events.len() > MOST_EARLIER)
        {
            self.since_ns = self.since_ns.max(oldest.at_ns + 1);
            self.events.pop_front();
        }
    }
}

/// All that was recorded of a window.
pub struct Recorded {
    pub machine: Machine,
    pub waits: FxHashMap<TaskId, Waits>,
    pub names: RecordedNames,
    /// Records that nobody has read.
    pub lost: u64,
    /// From when on there are any: the window's beginning, or before that.
    pub begin_ns: u64,
}

impl Recording {
    /// `before_ns`: so much of what comes before each window.
    pub fn new(rings: RecorderRings, before_ns: u64) -> Self {
        Self {
            rings,
            order: Order::default(),
            windows: VecDeque::new(),
            names: RecordedNames::default(),
            overwritten: 0,
            earlier: Earlier {
                before_ns,
                events: VecDeque::new(),
                since_ns: 0,
            },
        }
    }

    /// From now on all is recorded.
    pub fn begin(&mut self, now_ns: u64) {
        self.earlier.since_ns = now_ns;
    }

    /// Readable when it is time to take something in.
    pub fn full_halves_fd(&self) -> io::Result<OwnedFd> {
        self.rings.full_halves_fd()
    }

    /// Whether it is.
    pub fn take_full_halves(&mut self) -> bool {
        self.rings.take_full_halves()
    }

    /// Takes in what has been recorded, but for the latest. The windows that have begun and are not read: no edge is missing that was set
    /// up to that time.
    pub fn take_in(&mut self, spans: &[Span], known_ns: u64) {
        let until_ns = known_ns.saturating_sub(HELD_BACK_NS);
        self.take(spans, until_ns);
        if self.earlier.before_ns > 0 && spans.iter().all(|span| span.stop_ns <= until_ns) {
            self.take_between(until_ns);
        }
    }

    fn take(&mut self, spans: &[Span], until_ns: u64) {
        let begin_ns = match spans.first() {
            Some(first) => self.earlier.begin_ns(first.start_ns),
            None if self.earlier.before_ns > 0 => self.earlier.begin_ns(until_ns),
            None => return,
        };
        self.overwritten += self.rings.take(&mut self.order, begin_ns);
        for span in spans {
            self.apply(*span, until_ns.min(span.stop_ns));
        }
    }

    fn apply(&mut self, span: Span, until_ns: u64) {
        let events = self.order.take(until_ns);
        self.note_names(&events);
        let begin_ns = self.earlier.begin_ns(span.start_ns);
        let first = events.partition_point(|event| event.at_ns < begin_ns);
        let window = self.window(span, &events, until_ns);
        window.take(&events[first..]);
        self.earlier.remember(&events, until_ns);
    }

    /// What belongs to no window, and comes before the next one.
    fn take_between(&mut self, until_ns: u64) {
        let events = self.order.take(until_ns);
        self.note_names(&events);
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

    /// `next`: what it will be told then, up to that time.
    fn window(&mut self, span: Span, next: &[Event], until_ns: u64) -> &mut Window {
        let place = self
            .windows
            .iter()
            .position(|(number, _)| *number == span.number);
        let place = place.unwrap_or_else(|| {
            let window = self.new_window(span, next, until_ns);
            self.windows.push_back((span.number, window));
            self.windows.len() - 1
        });
        &mut self.windows[place].1
    }

    fn new_window(&self, span: Span, next: &[Event], until_ns: u64) -> Window {
        let begin_ns = self.earlier.begin_ns(span.start_ns);
        let machine = Machine::new(begin_ns).of_window(span.start_ns);
        let mut window = Window::new(span.start_ns, machine);
        let earlier: Vec<Event> = self.earlier.of(begin_ns).copied().collect();
        window.take(&earlier);
        for (cpu, pid) in self.rings.silent(span.number) {
            window.ran_all_along(cpu, pid);
        }
        // Where something is recorded after the window, too, that tells of CPUs which had no switch in it.
        let has_switch = |cpu| {
            let of_this = next.iter().filter(|event| event.cpu == cpu);
            of_this.into_iter().any(|event| event.what.tells_who_ran())
        };
        for cpu in 0..self.rings.count() as u32 {
            if window.machine().is_unseen(cpu)
                && !has_switch(cpu)
                && let Some(pid) = self.order.running_at(cpu, until_ns)
            {
                window.ran_all_along(cpu, pid);
            }
        }
        window
    }

    /// The window is closed, and no program records anything of it any more.
    pub fn finish(&mut self, span: Span) -> Recorded {
        self.take(&[span], span.stop_ns);
        self.window(span, &[], span.stop_ns);
        let place = self
            .windows
            .iter()
            .position(|(number, _)| *number == span.number);
        let window = place.and_then(|place| self.windows.remove(place));
        let window = window.map_or_else(
            || Window::new(span.start_ns, Machine::new(span.start_ns)),
            |(_, window)| window,
        );
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
    pub fn forget(&mut self, number: u32, stop_ns: u64) {
        self.windows.retain(|(of, _)| *of != number);
        // Nobody misses what of it was overwritten.
        self.rings.take(&mut self.order, stop_ns);
        self.take_between(stop_ns);
    }
}
