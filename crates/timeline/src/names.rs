//! What is said of tasks, calls and interrupts that records know by numbers only.

use abi::COMM_BYTES;
use abi::syscall::SyscallKey;
use recorder::event::{Irq, Pid, TaskName};

pub trait Names {
    /// Of a task that no record has named, as one that has had its CPU since before anything was recorded. `None`: nobody knows.
    fn task(&mut self, pid: Pid) -> Option<TaskName>;

    /// By which number it is reported that no name tells. `None`: none is known.
    fn number(&self, pid: Pid) -> Option<u32>;

    fn text(&self, comm: &[u8; COMM_BYTES]) -> String;

    fn call(&self, call: SyscallKey) -> String;

    /// `name`: as it was recorded.
    fn irq(&self, irq: Irq, name: Option<&[u8; COMM_BYTES]>) -> String;
}
