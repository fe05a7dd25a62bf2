//! In which state a task leaves its CPU, as the kernel's tracepoint `sched_switch` says it since Linux 4.14.

use recorder::event::{Leaving, Why};

pub const RUNNABLE: i64 = 0;
pub const SLEEPING: i64 = 0x1;
const UNINTERRUPTIBLE: i64 = 0x2;
pub const STOPPED: i64 = 0x4;
const TRACED: i64 = 0x8;
pub const DEAD: i64 = 0x10;
const IDLE: i64 = 0x80;
pub const PREEMPTED: i64 = 0x100;
/// Which no task can have, as it says that it sleeps and that it could go on: readers show it as unknown.
pub const UNKNOWN: i64 = 0xffff;

/// As the kernel has them (`include/linux/sched.h`).
const TASK_INTERRUPTIBLE: u32 = 0x1;
const TASK_UNINTERRUPTIBLE: u32 = 0x2;
const TASK_TRACED: u32 = 0x8;
const TASK_NOLOAD: u32 = 0x400;

pub fn of_leaving(leaving: &Leaving) -> i64 {
    let has = |bit: u32| leaving.state & bit != 0;
    match leaving.why {
        Why::Runnable if leaving.was_preempted => PREEMPTED,
        Why::Runnable => RUNNABLE,
        Why::Dead => DEAD,
        Why::Stopped if has(TASK_TRACED) => TRACED,
        Why::Stopped => STOPPED,
        Why::Blocked if has(TASK_INTERRUPTIBLE) => SLEEPING,
        Why::Blocked if has(TASK_UNINTERRUPTIBLE) && has(TASK_NOLOAD) => IDLE,
        Why::Blocked | Why::Frozen => UNINTERRUPTIBLE,
    }
}
