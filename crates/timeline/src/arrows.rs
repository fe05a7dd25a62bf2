//! Chains of waits as arrows: from whoever has woken a thread that is monitored, or one that it waited for, to the one that was woken.

use std::io::Write;

use recorder::chain::{Looks, MOST_STEPS};
use recorder::machine::{Machine, Wait};
use recorder::task::{How, TaskId};
use recorder::walk::{Limits, Parts, Role, Step, Walk};
use rustc_hash::FxHashSet;

use crate::marks::{Mark, Value};
use crate::names::Names;
use crate::output::Output;

/// Of each wait, as chains are summed up.
const LIMITS: Limits = Limits {
    steps: MOST_STEPS,
    looks: Looks::EACH,
};

/// Wakings that are remembered, so as not to be drawn again for whoever else has waited for the same. Twice is no harm.
const MOST_DRAWN: usize = 1 << 16;

/// One task has woken another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wakeup {
    waker: TaskId,
    how: How,
    woken: TaskId,
    at_ns: u64,
}

/// Finds them on the ways of a wait's parts, of which the latest come first.
#[derive(Default)]
struct Wakeups {
    later: Vec<Step>,
    found: Vec<Wakeup>,
}

impl Parts for Wakeups {
    fn part(&mut self, way: &[Step], _: u64, to_ns: u64) {
        for depth in 1..way.len() {
            let (Some((woken, _)), Some((waker, Role::Waker(how)))) =
                (task_of(way[depth - 1]), task_of(way[depth]))
            else {
                continue;
            };
            // The next part of the same wait: its end was a later one's.
            let is_told = self.later.get(..depth) == Some(&way[..depth])
                && self
                    .later
                    .get(depth)
                    .and_then(|&step| task_of(step))
                    .map(|(id, _)| id)
                    == Some(waker);
            if !is_told {
                self.found.push(Wakeup {
                    waker,
                    how,
                    woken,
                    at_ns: to_ns,
                });
            }
        }
        way.clone_into(&mut self.later);
    }
}

fn task_of(step: Step) -> Option<(TaskId, Role)> {
    match step {
        Step::Running(id, _, role)
        | Step::Ready(id, role)
        | Step::Blocked(id, _, role)
        | Step::Stopped(id, role)
        | Step::Frozen(id, role)
        | Step::Unknown(id, role) => Some((id, role)),
        _ => None,
    }
}

/// Of one window.
#[derive(Default)]
pub struct Arrows {
    drawn: FxHashSet<(TaskId, u64)>,
}

impl Arrows {
    /// All that have led to the end of this wait. `latest`: the number of the latest arrow.
    pub fn draw<W: Write, N: Names>(
        &mut self,
        machine: &Machine,
        wait: &Wait,
        latest: &mut u64,
        out: &mut Output<W, N>,
    ) {
        let mut walk = Walk::new(machine, LIMITS, Wakeups::default());
        walk.follow(wait.task, Role::Own, wait.from_ns, wait.to_ns);
        for wakeup in walk.into_parts().found {
            if self.drawn.len() >= MOST_DRAWN {
                self.drawn.clear();
            }
            if self.drawn.insert((wakeup.woken, wakeup.at_ns)) {
                *latest += 1;
                arrow(machine, &wakeup, *latest, out);
            }
        }
    }
}

fn arrow<W: Write, N: Names>(
    machine: &Machine,
    wakeup: &Wakeup,
    number: u64,
    out: &mut Output<W, N>,
) {
    let mut track = |id: TaskId| {
        let task = machine.task(id);
        out.named(task.pid, task.name.as_ref())
    };
    let waker = track(wakeup.waker);
    let woken = track(wakeup.woken);
    let said = |what: &str, whom: &(i32, i32, String)| format!("{what} {} {}", whom.2, whom.1);
    let from = out.thread_track((waker.0, waker.1), &waker.2);
    let to = out.thread_track((woken.0, woken.1), &woken.2);
    let how = match wakeup.how {
        How::Exit => Some(("by", Value::Text("its end".to_owned()))),
        How::Call(call) => call.map(|call| ("in", Value::Text(out.names.call(call)))),
    };
    out.instant(
        wakeup.at_ns,
        Mark {
            annotations: how.into_iter().collect(),
            flows_from: vec![number],
            ..Mark::new(from, "chain", said("wakes", &woken))
        },
    );
    out.instant(
        wakeup.at_ns,
        Mark {
            flows_to: vec![number],
            ..Mark::new(to, "chain", said("woken by", &waker))
        },
    );
}
