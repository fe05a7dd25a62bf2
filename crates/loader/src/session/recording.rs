//! From the flight recorder's rings to what each pending window's waits were about. Rings that fill up are taken in while the window is
//! open, so that nothing is overwritten unread.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use recorder::event::What;
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

pub struct Recording {
    rings: RecorderRings,
    order: Order,
    /// Oldest first.
    windows: VecDeque<(u32, Window)>,
    names: RecordedNames,
    /// Records that were overwritten before they were read, since the last window was finished.
    overwritten: u64,
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
    pub fn new(rings: RecorderRings) -> Self {
        Self {
            rings,
            order: Order::default(),
            windows: VecDeque::new(),
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
        let window = self.window(span);
        window.take(&events[first..]);
    }

    fn window(&mut self, span: Span) -> &mut Window {
        let place = self
            .windows
            .iter()
            .position(|(number, _)| *number == span.number);
        let place = place.unwrap_or_else(|| {
            let mut window = Window::new(span.start_ns, Machine::new(span.start_ns));
            for (cpu, pid) in self.rings.silent(span.number) {
                window.ran_all_along(cpu, pid);
            }
            self.windows.push_back((span.number, window));
            self.windows.len() - 1
        });
        &mut self.windows[place].1
    }

    /// The window is closed, and no program records anything of it any more.
    pub fn finish(&mut self, span: Span) -> Recorded {
        self.take(&[span], span.stop_ns);
        self.window(span);
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
        self.order.take(stop_ns);
    }
}
