//! Names of those that have none but their numbers.

use abi::COMM_BYTES;
use abi::syscall::SyscallKey;
use recorder::event::{Irq, Pid, TaskName};
use timeline::names::Names;
use timeline::{Clocks, Host, Timeline, Triggers};

pub struct Numbers;

impl Names for Numbers {
    fn task(&mut self, _: Pid) -> Option<TaskName> {
        None
    }

    fn number(&self, pid: Pid) -> Option<u32> {
        Some(pid)
    }

    fn text(&self, comm: &[u8; COMM_BYTES]) -> String {
        let text = String::from_utf8_lossy(comm);
        text.trim_end_matches('\0').to_owned()
    }

    fn call(&self, call: SyscallKey) -> String {
        format!("call {}", call.number())
    }

    fn irq(&self, irq: Irq, _: Option<&[u8; COMM_BYTES]>) -> String {
        format!("irq {}", irq.number)
    }
}

pub fn timeline() -> Timeline<Vec<u8>, Numbers> {
    let mut timeline = Timeline::new(Vec::new(), Numbers, Triggers::default());
    timeline.begin(&Host::default(), &[]);
    timeline
}

/// Of a machine that has slept so long.
pub fn clocks(asleep_ns: u64) -> Clocks {
    Clocks {
        monotonic_ns: 1_000,
        boottime_ns: 1_000 + asleep_ns,
        realtime_ns: 5_000_000,
    }
}
