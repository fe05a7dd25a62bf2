//! The whole of it: one window after the other.

use std::io::{self, Write};

use abi::COMM_BYTES;
use recorder::event::{Cpu, Event, Irq, Pid, What};
use recorder::machine::{Machine, Wait, WaitKind};
use recorder::task::{Doing, Ended, Place, TaskId, Waker};
use rustc_hash::FxHashMap;

use crate::arrows::Arrows;
use crate::given::{
    Call, Clocks, Host, Process, Triggers, WindowEdges, annotations_of, host_packet, process_packet,
};
use crate::marks::{Mark, TRIGGERS, Value, WINDOWS};
use crate::names::Names;
use crate::output::Output;
use crate::proto::{ProcessTree, TracePacket};
use crate::schedule::{Schedule, Woken};

pub struct Timeline<W, N> {
    out: Output<W, N>,
    triggers: Triggers,
    window: Option<Window>,
    irqs: FxHashMap<Irq, [u8; COMM_BYTES]>,
    /// Of arrows.
    latest_arrow: u64,
    /// That the report tells of.
    windows: u64,
}

struct Window {
    schedule: Schedule,
    arrows: Arrows,
    /// The latest event's time.
    latest_ns: u64,
}

impl<W: Write, N: Names> Timeline<W, N> {
    pub fn new(to: W, names: N, triggers: Triggers) -> Self {
        Self {
            out: Output::new(to, names),
            triggers,
            window: None,
            irqs: FxHashMap::default(),
            latest_arrow: 0,
            windows: 0,
        }
    }

    /// Before all the rest.
    pub fn begin(&mut self, host: &Host, processes: &[Process]) {
        self.out.packet(host_packet(host));
        self.out.packet(TracePacket {
            process_tree: Some(ProcessTree {
                processes: processes.iter().map(process_packet).collect(),
                threads: Vec::new(),
            }),
            ..TracePacket::default()
        });
        self.out.describe(WINDOWS, Some("kdelay: windows"), None);
        self.out.describe(TRIGGERS, Some("kdelay: triggers"), None);
    }

    /// A window has begun. `silent`: CPUs that have had one turn all along, as far as is known, and whose.
    pub fn begin_window(&mut self, start_ns: u64, clocks: &Clocks, silent: &[(Cpu, Pid)]) {
        self.out.set_asleep(clocks.asleep_ns());
        self.out.packet(clocks.packet());
        let mut schedule = Schedule::new(start_ns);
        for &(cpu, pid) in silent {
            schedule.ran_all_along(cpu, pid, &mut self.out);
        }
        self.window = Some(Window {
            schedule,
            arrows: Arrows::default(),
            latest_ns: start_ns,
        });
    }

    /// The next event of all CPUs, which the machine has taken in, and what it has ended.
    pub fn event(&mut self, machine: &Machine, event: &Event, ended: Option<&Wait>) {
        if self.out.has_failed() {
            return;
        }
        self.scheduled(event);
        if let Some(wait) = ended
            && let WaitKind::Blocked(by) = wait.kind
        {
            self.blocked(machine, wait.task, wait.from_ns, wait.to_ns, Some(by));
            if let (Waker::Task(..), Some(window)) = (by, &mut self.window) {
                window
                    .arrows
                    .draw(machine, wait, &mut self.latest_arrow, &mut self.out);
            }
        }
    }

    /// What is called what counts also between windows, as it is told once.
    pub fn name(&mut self, event: &Event) {
        match event.what {
            What::TaskName { pid, ref name } => self.out.name(pid, name),
            What::IrqName { irq, name } => _ = self.irqs.insert(irq, name),
            _ => {}
        }
    }

    fn scheduled(&mut self, event: &Event) {
        let Event { at_ns, cpu, .. } = *event;
        let Some(Window {
            schedule,
            latest_ns,
            ..
        }) = &mut self.window
        else {
            return;
        };
        *latest_ns = at_ns.max(*latest_ns);
        let out = &mut self.out;
        match &event.what {
            What::Switch { prev, next, .. } => schedule.switch(cpu, at_ns, prev, *next, out),
            What::Waking {
                woken,
                is_on_cpu,
                was_stopped,
                woken_cpu,
                by,
                ..
            } => {
                let woken = Woken {
                    pid: *woken,
                    is_on_cpu: *is_on_cpu,
                    was_stopped: *was_stopped,
                    cpu: *woken_cpu,
                };
                schedule.waking(cpu, at_ns, &woken, by, out);
            }
            What::Born {
                child,
                parent,
                cpu: queue,
            } => {
                out.begin_task(cpu, at_ns, *child);
                schedule.born((cpu, at_ns), (*child, *parent), *queue, out);
            }
            What::Lost { until_ns } => schedule.lose(cpu, at_ns, *until_ns, out),
            What::TaskName { .. } | What::IrqName { .. } => self.name(event),
            What::Migrated { .. } | What::InCall { .. } => {}
        }
    }

    /// In what a thread was blocked, if that is known; `by`: what has ended it.
    fn blocked(
        &mut self,
        machine: &Machine,
        id: TaskId,
        from_ns: u64,
        to_ns: u64,
        by: Option<Waker>,
    ) {
        let task = machine.task(id);
        let intervals = task.intervals().iter().rev();
        let mut intervals = intervals.skip_while(|interval| interval.from_ns > from_ns);
        let call = intervals.find_map(|interval| match interval.doing {
            Doing::Blocked(call, _) if interval.from_ns == from_ns => Some(call),
            _ => None,
        });
        let name = match call.map(|place| task.resolve(place)) {
            Some(Place::Call(call)) => self.out.names.call(call),
            _ => "blocked".to_owned(),
        };
        let ended_by = match by {
            Some(Waker::Irq(irq)) => Some(self.out.names.irq(irq, self.irqs.get(&irq))),
            Some(Waker::IdleCpu) => Some("an interrupt".to_owned()),
            Some(Waker::Task(..)) => None,
            None => Some("the window's end".to_owned()),
        };
        let (tgid, tid, comm) = self.out.named(task.pid, task.name.as_ref());
        let track = self.out.thread_track((tgid, tid), &comm);
        let ended_by = ended_by.map(|by| ("ended by", Value::Text(by)));
        let mark = Mark {
            annotations: ended_by.into_iter().collect(),
            ..Mark::new(track, "blocked", name)
        };
        self.out.slice(from_ns, to_ns, mark);
    }

    /// The window is over, and all its events have come: what goes on is cut.
    pub fn end_window(&mut self, machine: &Machine, stop_ns: u64) {
        let Some(window) = self.window.take() else {
            return;
        };
        for (id, task) in machine.tasks() {
            let since_ns = task.since_ns();
            if task.is_target
                && matches!(task.doing(), Doing::Blocked(_, Ended::NotYet))
                && since_ns < stop_ns
            {
                self.blocked(machine, id, since_ns, stop_ns, None);
            }
        }
        window.schedule.end(stop_ns, &mut self.out);
        self.out.write_bundles();
    }

    /// A slice of a window that has ended, and its triggers.
    pub fn window(&mut self, edges: &WindowEdges) {
        let name = if edges.was_dropped {
            "dropped window".to_owned()
        } else {
            self.windows += 1;
            format!("window {}", self.windows - 1)
        };
        let mark = Mark {
            annotations: vec![("closed by", Value::Text(edges.reason.to_owned()))],
            ..Mark::new(WINDOWS, "window", name)
        };
        self.out.slice(edges.start_ns, edges.stop_ns, mark);
        let Triggers { start, stop } = &self.triggers;
        for (what, at_ns, by, trigger) in [
            ("start", edges.start_ns, &edges.started_by, start),
            ("stop", edges.stop_ns, &edges.stopped_by, stop),
        ] {
            if let Some(who) = by {
                let trigger = trigger.as_deref().unwrap_or_default();
                let mark = Mark {
                    annotations: annotations_of(who),
                    ..Mark::new(TRIGGERS, "trigger", format!("{what} {trigger}"))
                };
                self.out.instant(at_ns, mark);
            }
        }
    }

    /// A call of a window that has ended.
    pub fn call(&mut self, call: &Call) {
        let who = &call.who;
        let track = self
            .out
            .thread_track((who.pid as i32, who.tid as i32), &who.comm);
        let mark = Mark {
            annotations: vec![("result", Value::Number(call.result))],
            ..Mark::new(track, "call", self.out.names.call(call.call))
        };
        self.out.slice(call.entry_ns, call.exit_ns, mark);
    }

    /// All that waits is handed on. Fails as the first write that has failed.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The same, and what takes the bytes. A window that is still open ends with its latest event.
    pub fn into_output(mut self) -> io::Result<W> {
        if let Some(window) = self.window.take() {
            window.schedule.end(window.latest_ns, &mut self.out);
        }
        self.out.flush()?;
        Ok(self.out.into_inner())
    }
}
