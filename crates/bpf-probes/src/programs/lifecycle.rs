//! Threads that end, change their name or their program, and processes that join and leave the monitored set.

use abi::COMM_BYTES;
use abi::syscall::SyscallKey;
use abi::thread::record::Rename;
use aya_ebpf::helpers::bpf_probe_read_kernel_str_bytes;

use crate::arguments::Arguments;
use crate::calls;
use crate::kernel::{Access, Task};
use crate::losses::lose;
use crate::maps::{RENAMES, TARGETS};
use crate::programs::entry_points::probe;
use crate::record::{find, find_existing};
use crate::recorder;
use crate::rows::count_syscall;
use crate::targets::is_target;
use crate::window::Moment;

/// `sched_process_exit(struct task_struct *p, …)`: the current thread begins to exit.
#[inline(always)]
fn exit<C: Arguments>(_: &C) -> Option<()> {
    // Of any process: kernel functions are called by all of them.
    calls::thread_ends();
    let task = C::Access::current_target()?;
    let mut moment = Moment::in_window()?;
    let record = find(task, &mut moment)?;
    let end = record.exiting(moment.now_ns);
    // A cut at exit always has its key.
    count_syscall(record, end, || SyscallKey::new(u64::MAX, false), || 0);
    None
}

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`: a thread other than the
/// leader that calls `execve` has by now become the leader, and has its tid.
#[inline(always)]
fn exec<C: Arguments>(ctx: &C) -> Option<()> {
    calls::executes(ctx.number(1) as u32);
    let task = Task::<C::Access>::new(ctx.pointer(0));
    if !is_target(task.tgid()) {
        return None;
    }
    let mut moment = Moment::in_window()?;
    let record = find(task, &mut moment)?;
    record.pid = task.pid();
    record.tid = task.shown_tid();
    record.start_time_ns = task.start_time_ns();
    None
}

/// `task_rename(struct task_struct *task, const char *comm)`, before the name changes. Any thread may rename a sibling
/// through /proc; the sibling may be on another CPU, or end at this moment, so its record is not touched.
#[inline(always)]
fn rename<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    recorder::forget_name(task.pid());
    if !is_target(task.tgid()) {
        return None;
    }
    let moment = Moment::in_window()?;
    let address = task.address();
    if task.is_current() {
        let record = find_existing(task)?;
        copy_name(ctx.pointer(1), &mut record.comm);
        // It may have been given none.
        let _ = RENAMES.remove(&address);
    } else {
        let mut rename = Rename {
            start_time_ns: task.start_time_ns(),
            window: moment.window,
            reserved: 0,
            comm: [0; COMM_BYTES],
        };
        copy_name(ctx.pointer(1), &mut rename.comm);
        if RENAMES.insert(&address, &rename, 0).is_err() {
            lose!(thread_events);
        }
    }
    None
}

#[inline(always)]
fn copy_name(from: *const u8, to: &mut [u8; COMM_BYTES]) {
    // SAFETY: the helper checks the source; the destination is a whole array of ours.
    let _ = unsafe { bpf_probe_read_kernel_str_bytes(from, to) };
}

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`: attached to follow children.
#[inline(always)]
fn fork<C: Arguments>(ctx: &C) -> Option<()> {
    let parent = Task::<C::Access>::new(ctx.pointer(0));
    let child = Task::<C::Access>::new(ctx.pointer(1));
    let child_tgid = child.tgid();
    if child_tgid != parent.tgid()
        && is_target(parent.tgid())
        && TARGETS.insert(&child_tgid, &child.shown_tgid(), 0).is_err()
    {
        lose!(thread_events);
    }
    None
}

/// `sched_process_free(struct task_struct *p)`: an RCU grace period after the process was reaped, and its pid was free to be given
/// to another one. What gets it sooner than that is taken for the target until now, and, if it is a followed child, no longer.
/// Attached where the targets are a set.
#[inline(always)]
fn free<C: Arguments>(ctx: &C) -> Option<()> {
    let task = Task::<C::Access>::new(ctx.pointer(0));
    let tgid = task.tgid();
    if task.pid() == tgid && is_target(tgid) {
        let _ = TARGETS.remove(&tgid);
    }
    None
}

probe!(
    "sched_process_exit",
    sched_process_exit,
    sched_process_exit_raw,
    exit
);
probe!(
    "sched_process_exec",
    sched_process_exec,
    sched_process_exec_raw,
    exec
);
probe!("task_rename", task_rename, task_rename_raw, rename);
probe!(
    "sched_process_fork",
    sched_process_fork,
    sched_process_fork_raw,
    fork
);
probe!(
    "sched_process_free",
    sched_process_free,
    sched_process_free_raw,
    free
);
