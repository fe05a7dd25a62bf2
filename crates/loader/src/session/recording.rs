//! From the flight recorder's rings to what each pending window's waits were about. Rings that fill up are taken in while the window is
//! open, so that nothing is overwritten unread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use recorder::event::{Cpu, Pid, What};
use recorder::machine::Machine;
use recorder::order::Order;
use recorder::task::TaskId;
use recorder::window::{Waits, Window};
use rustc_hash::FxHashMap;
use timeline::{Call, Who, WindowEdges};

use crate::calls::recorded_call::RecordedCall;
use crate::names::text::name_of;
use crate::probes::recorder_rings::RecorderRings;
use crate::sample::{Start, Stop, TriggeringThread};
use crate::session::window::Span;
use crate::threads::recorded_names::RecordedNames;
use crate::timeline_file::SharedTimeline;

/// A record, or an edge, may be seen so long after the clock was read for it: what is held back for as long comes in the order of all CPUs,
/// and in its window. A program takes microseconds, but a virtual CPU may be kept from its own in the middle of one.
const HELD_BACK_NS: u64 = 20_000_000;

pub struct Recording {
    rings: RecorderRings,
    order: Order,
    /// Oldest first.
    windows: VecDeque<Pending>,
    timeline: Option<SharedTimeline>,
    names: RecordedNames,
    /// Records that were overwritten before they were read, since the last window was finished.
    overwritten: u64,
}

/// A window that has begun.
struct Pending {
    number: u32,
    window: Window,
    /// CPUs that had recorded nothing of it when it was first looked at, and who has run there.
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
}

impl Recording {
    pub fn new(rings: RecorderRings, timeline: Option<SharedTimeline>) -> Self {
        Self {
            rings,
            order: Order::default(),
            windows: VecDeque::new(),
            timeline,
            names: RecordedNames::default(),
            overwritten: 0,
        }
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
        self.take(spans, known_ns.saturating_sub(HELD_BACK_NS));
    }

    fn take(&mut self, spans: &[Span], until_ns: u64) {
        let Some(first) = spans.first() else {
            return;
        };
        self.overwritten += self.rings.take(&mut self.order, first.start_ns);
        for span in spans {
            self.apply(*span, until_ns.min(span.stop_ns));
        }
    }

    fn apply(&mut self, span: Span, until_ns: u64) {
        let events = self.order.take(until_ns);
        for event in &events {
            match event.what {
                What::TaskName { pid, name } => _ = self.names.tasks.insert(pid, name),
                What::IrqName { irq, name } => _ = self.names.irqs.insert(irq, name),
                _ => {}
            }
        }
        let first = events.partition_point(|event| event.at_ns < span.start_ns);
        let (before, events) = events.split_at(first);
        let place = self.place(span);
        let pending = &mut self.windows[place];
        let mut timeline = self.timeline.as_ref().map(SharedTimeline::lock);
        let Some(file) = timeline.as_mut().and_then(|file| file.as_mut()) else {
            return pending.window.take(events);
        };
        for event in before {
            file.timeline.name(event);
        }
        // Not before something may have happened in it: the window before it may not be over yet.
        if pending.told == Told::Nothing && until_ns > span.start_ns {
            file.begin_window(span.start_ns, &pending.silent);
            pending.told = Told::Begun;
        }
        pending
            .window
            .take_watched(events, |machine, event, ended| {
                file.timeline.event(machine, event, ended);
            });
        if pending.told == Told::Begun && until_ns >= span.stop_ns {
            let machine = pending.window.machine();
            file.timeline.end_window(machine, span.stop_ns);
            pending.told = Told::All;
        }
    }

    /// Among the windows.
    fn place(&mut self, span: Span) -> usize {
        let place = self
            .windows
            .iter()
            .position(|pending| pending.number == span.number);
        place.unwrap_or_else(|| {
            let mut window = Window::new(span.start_ns, Machine::new(span.start_ns));
            let silent = self.rings.silent(span.number);
            for &(cpu, pid) in &silent {
                window.ran_all_along(cpu, pid);
            }
            self.windows.push_back(Pending {
                number: span.number,
                window,
                silent,
                told: Told::Nothing,
            });
            self.windows.len() - 1
        })
    }

    /// The window is closed, and no program records anything of it any more.
    pub fn finish(&mut self, span: Span) -> Recorded {
        self.take(&[span], span.stop_ns);
        let place = self.place(span);
        let pending = self.windows.remove(place);
        let window = pending.map_or_else(
            || Window::new(span.start_ns, Machine::new(span.start_ns)),
            |pending| pending.window,
        );
        let (machine, waits) = window.close(span.stop_ns);
        Recorded {
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
        self.order.take(span.stop_ns);
    }

    /// Of a window that is finished: how it began and ended.
    pub fn tell_edges(&mut self, start: &Start, stop: &Stop, was_dropped: bool) {
        let mut timeline = self.timeline.as_ref().map(SharedTimeline::lock);
        if let Some(file) = timeline.as_mut().and_then(|file| file.as_mut()) {
            file.timeline.window(&WindowEdges {
                start_ns: start.at_ns,
                stop_ns: stop.at_ns,
                started_by: start.by.as_ref().map(who),
                stopped_by: stop.by.as_ref().map(who),
                reason: stop.reason.name(),
                was_dropped,
            });
            file.hand_on();
        }
    }

    /// Of a window that is finished. False: there is nobody to tell.
    pub fn tell_calls(&mut self, calls: &[RecordedCall]) -> bool {
        let mut timeline = self.timeline.as_ref().map(SharedTimeline::lock);
        let Some(file) = timeline.as_mut().and_then(|file| file.as_mut()) else {
            return false;
        };
        for recorded in calls {
            file.timeline.call(&call(recorded));
        }
        file.hand_on();
        true
    }
}

fn who(thread: &TriggeringThread) -> Who {
    Who {
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
    }
}

fn call(recorded: &RecordedCall) -> Call {
    let call = &recorded.call;
    Call {
        who: Who {
            pid: call.tgid,
            tid: call.tid,
            comm: name_of(&call.comm),
        },
        entry_ns: recorded.entry_ns(),
        exit_ns: call.exit_ns,
        call: call.key,
        result: call.result,
    }
}
