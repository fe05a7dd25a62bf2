//! What a session tells a time line of a window that is over.

use recorder::event::Event;
use timeline::{Call, Who, WindowEdges};

use super::TimelineFile;
use crate::calls::recorded_call::RecordedCall;
use crate::names::text::name_of;
use crate::sample::{Start, Stop, TriggeringThread};

impl TimelineFile {
    /// Those among these events, which belong to no window.
    pub fn names(&mut self, events: &[Event]) {
        for event in events {
            self.timeline.name(event);
        }
    }

    /// How the window began and ended.
    pub fn edges(&mut self, start: &Start, stop: &Stop, was_dropped: bool) {
        self.timeline.window(&WindowEdges {
            start_ns: start.at_ns,
            stop_ns: stop.at_ns,
            started_by: start.by.as_ref().map(who),
            stopped_by: stop.by.as_ref().map(who),
            reason: stop.reason.name(),
            was_dropped,
        });
        self.hand_on();
    }

    pub fn calls(&mut self, calls: &[RecordedCall]) {
        for recorded in calls {
            self.timeline.call(&call(recorded));
        }
        self.hand_on();
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
