//! What tasks, calls and interrupts are called in a time line: as in a sample.

use abi::COMM_BYTES;
use abi::syscall::SyscallKey;
use recorder::event::{Irq, Pid, TaskName};
use timeline::names::Names;

use crate::names::syscalls;
use crate::names::text::name_of;
use crate::threads::recorded_names::{irq_name, living};

pub struct TaskNames {
    /// The kernel's numbers are those of /proc.
    are_shown: bool,
}

impl TaskNames {
    pub fn new(are_shown: bool) -> Self {
        Self { are_shown }
    }
}

impl Names for TaskNames {
    fn task(&mut self, pid: Pid) -> Option<TaskName> {
        if !self.are_shown {
            return None;
        }
        let (now, tgid) = living(pid)?;
        let mut comm = [0; COMM_BYTES];
        // The last byte is the kernel's.
        for (to, byte) in comm[..COMM_BYTES - 1].iter_mut().zip(now.comm.bytes()) {
            *to = byte;
        }
        Some(TaskName {
            tid: pid,
            tgid,
            comm,
        })
    }

    fn number(&self, pid: Pid) -> Option<u32> {
        self.are_shown.then_some(pid)
    }

    fn text(&self, comm: &[u8; COMM_BYTES]) -> String {
        name_of(comm)
    }

    fn call(&self, call: SyscallKey) -> String {
        syscalls::name(call)
    }

    fn irq(&self, irq: Irq, name: Option<&[u8; COMM_BYTES]>) -> String {
        irq_name(irq, name).1
    }
}
