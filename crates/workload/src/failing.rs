//! Many different system calls, for loads whose calls differ: each fails at once, without a trace, when all its arguments are -1.

use std::cell::Cell;
use std::ffi::c_long;

use serde_json::{Map, Value};

macro_rules! calls {
    ($($name:ident => $number:ident;)*) => {
        /// Names and numbers. Those that begin with copying a path from user space are left out: they take ten times as long.
        const CALLS: &[(&str, c_long)] = &[$((stringify!($name), libc::$number)),*];
    };
}

#[rustfmt::skip]
calls! {
    read => SYS_read;
    write => SYS_write;
    close => SYS_close;
    fstat => SYS_fstat;
    lseek => SYS_lseek;
    pread64 => SYS_pread64;
    pwrite64 => SYS_pwrite64;
    readv => SYS_readv;
    writev => SYS_writev;
    preadv => SYS_preadv;
    pwritev => SYS_pwritev;
    preadv2 => SYS_preadv2;
    pwritev2 => SYS_pwritev2;
    dup => SYS_dup;
    dup3 => SYS_dup3;
    fcntl => SYS_fcntl;
    flock => SYS_flock;
    fsync => SYS_fsync;
    fdatasync => SYS_fdatasync;
    ftruncate => SYS_ftruncate;
    getdents64 => SYS_getdents64;
    fchdir => SYS_fchdir;
    fchmod => SYS_fchmod;
    fchown => SYS_fchown;
    fstatfs => SYS_fstatfs;
    readahead => SYS_readahead;
    fgetxattr => SYS_fgetxattr;
    fsetxattr => SYS_fsetxattr;
    flistxattr => SYS_flistxattr;
    fremovexattr => SYS_fremovexattr;
    fadvise64 => SYS_fadvise64;
    fallocate => SYS_fallocate;
    close_range => SYS_close_range;
    syncfs => SYS_syncfs;
    splice => SYS_splice;
    tee => SYS_tee;
    vmsplice => SYS_vmsplice;
    sendfile => SYS_sendfile;
    copy_file_range => SYS_copy_file_range;
    ioctl => SYS_ioctl;
    mknodat => SYS_mknodat;
    unlinkat => SYS_unlinkat;
    faccessat => SYS_faccessat;
    fchownat => SYS_fchownat;
    readlinkat => SYS_readlinkat;
    newfstatat => SYS_newfstatat;
    utimensat => SYS_utimensat;
    statx => SYS_statx;
    openat2 => SYS_openat2;
    name_to_handle_at => SYS_name_to_handle_at;
    open_by_handle_at => SYS_open_by_handle_at;
    truncate => SYS_truncate;
    chdir => SYS_chdir;
    getxattr => SYS_getxattr;
    lgetxattr => SYS_lgetxattr;
    setxattr => SYS_setxattr;
    lsetxattr => SYS_lsetxattr;
    llistxattr => SYS_llistxattr;
    removexattr => SYS_removexattr;
    lremovexattr => SYS_lremovexattr;
    getcwd => SYS_getcwd;
    socket => SYS_socket;
    socketpair => SYS_socketpair;
    bind => SYS_bind;
    listen => SYS_listen;
    accept => SYS_accept;
    accept4 => SYS_accept4;
    connect => SYS_connect;
    getsockname => SYS_getsockname;
    getpeername => SYS_getpeername;
    sendto => SYS_sendto;
    recvfrom => SYS_recvfrom;
    setsockopt => SYS_setsockopt;
    getsockopt => SYS_getsockopt;
    shutdown => SYS_shutdown;
    sendmsg => SYS_sendmsg;
    recvmsg => SYS_recvmsg;
    recvmmsg => SYS_recvmmsg;
    sendmmsg => SYS_sendmmsg;
    epoll_create1 => SYS_epoll_create1;
    epoll_ctl => SYS_epoll_ctl;
    epoll_pwait => SYS_epoll_pwait;
    eventfd2 => SYS_eventfd2;
    signalfd4 => SYS_signalfd4;
    pipe2 => SYS_pipe2;
    ppoll => SYS_ppoll;
    pselect6 => SYS_pselect6;
    inotify_init1 => SYS_inotify_init1;
    inotify_add_watch => SYS_inotify_add_watch;
    inotify_rm_watch => SYS_inotify_rm_watch;
    timerfd_create => SYS_timerfd_create;
    timerfd_settime => SYS_timerfd_settime;
    timerfd_gettime => SYS_timerfd_gettime;
    timer_create => SYS_timer_create;
    timer_settime => SYS_timer_settime;
    timer_gettime => SYS_timer_gettime;
    timer_getoverrun => SYS_timer_getoverrun;
    timer_delete => SYS_timer_delete;
    clock_gettime => SYS_clock_gettime;
    clock_getres => SYS_clock_getres;
    clock_nanosleep => SYS_clock_nanosleep;
    nanosleep => SYS_nanosleep;
    getitimer => SYS_getitimer;
    setitimer => SYS_setitimer;
    io_destroy => SYS_io_destroy;
    io_submit => SYS_io_submit;
    io_cancel => SYS_io_cancel;
    io_getevents => SYS_io_getevents;
    io_uring_setup => SYS_io_uring_setup;
    io_uring_enter => SYS_io_uring_enter;
    io_uring_register => SYS_io_uring_register;
    mmap => SYS_mmap;
    munmap => SYS_munmap;
    mprotect => SYS_mprotect;
    mremap => SYS_mremap;
    msync => SYS_msync;
    mincore => SYS_mincore;
    madvise => SYS_madvise;
    mlock => SYS_mlock;
    munlock => SYS_munlock;
    mlock2 => SYS_mlock2;
    mlockall => SYS_mlockall;
    remap_file_pages => SYS_remap_file_pages;
    mbind => SYS_mbind;
    get_mempolicy => SYS_get_mempolicy;
    set_mempolicy => SYS_set_mempolicy;
    migrate_pages => SYS_migrate_pages;
    move_pages => SYS_move_pages;
    pkey_mprotect => SYS_pkey_mprotect;
    pkey_alloc => SYS_pkey_alloc;
    pkey_free => SYS_pkey_free;
    memfd_create => SYS_memfd_create;
    userfaultfd => SYS_userfaultfd;
    membarrier => SYS_membarrier;
    process_vm_readv => SYS_process_vm_readv;
    process_vm_writev => SYS_process_vm_writev;
    sched_setparam => SYS_sched_setparam;
    sched_setscheduler => SYS_sched_setscheduler;
    sched_getscheduler => SYS_sched_getscheduler;
    sched_getparam => SYS_sched_getparam;
    sched_setaffinity => SYS_sched_setaffinity;
    sched_getaffinity => SYS_sched_getaffinity;
    sched_get_priority_max => SYS_sched_get_priority_max;
    sched_get_priority_min => SYS_sched_get_priority_min;
    sched_rr_get_interval => SYS_sched_rr_get_interval;
    sched_setattr => SYS_sched_setattr;
    sched_getattr => SYS_sched_getattr;
    setpriority => SYS_setpriority;
    getpriority => SYS_getpriority;
    ioprio_set => SYS_ioprio_set;
    ioprio_get => SYS_ioprio_get;
    io_setup => SYS_io_setup;
    landlock_create_ruleset => SYS_landlock_create_ruleset;
    prlimit64 => SYS_prlimit64;
    getrusage => SYS_getrusage;
    times => SYS_times;
    uname => SYS_uname;
    sysinfo => SYS_sysinfo;
    getpgid => SYS_getpgid;
    getsid => SYS_getsid;
    getgroups => SYS_getgroups;
    capget => SYS_capget;
    capset => SYS_capset;
    prctl => SYS_prctl;
    personality => SYS_personality;
    waitid => SYS_waitid;
    wait4 => SYS_wait4;
    kcmp => SYS_kcmp;
    pidfd_open => SYS_pidfd_open;
    pidfd_getfd => SYS_pidfd_getfd;
    pidfd_send_signal => SYS_pidfd_send_signal;
    rt_sigaction => SYS_rt_sigaction;
    rt_sigprocmask => SYS_rt_sigprocmask;
    rt_sigpending => SYS_rt_sigpending;
    rt_sigtimedwait => SYS_rt_sigtimedwait;
    futex => SYS_futex;
    get_robust_list => SYS_get_robust_list;
    set_robust_list => SYS_set_robust_list;
    rseq => SYS_rseq;
    seccomp => SYS_seccomp;
    getrandom => SYS_getrandom;
    bpf => SYS_bpf;
    perf_event_open => SYS_perf_event_open;
    semget => SYS_semget;
    semctl => SYS_semctl;
    semop => SYS_semop;
    semtimedop => SYS_semtimedop;
    shmat => SYS_shmat;
    shmdt => SYS_shmdt;
    shmctl => SYS_shmctl;
    msgctl => SYS_msgctl;
    msgsnd => SYS_msgsnd;
    msgrcv => SYS_msgrcv;
    mq_open => SYS_mq_open;
    mq_timedsend => SYS_mq_timedsend;
    mq_timedreceive => SYS_mq_timedreceive;
    mq_notify => SYS_mq_notify;
    mq_getsetattr => SYS_mq_getsetattr;
    request_key => SYS_request_key;
    keyctl => SYS_keyctl;
}

pub const MOST_CALLS: usize = CALLS.len();

/// Makes the first so many of them, one after the other and again from the first, and counts them.
pub struct FailingCalls {
    calls: &'static [(&'static str, c_long)],
    next: Cell<usize>,
    rounds: Cell<u64>,
}

impl FailingCalls {
    /// From 1 to `MOST_CALLS`; more are no more than those.
    pub fn new(different: usize) -> Self {
        Self {
            calls: &CALLS[..different.clamp(1, MOST_CALLS)],
            next: Cell::new(0),
            rounds: Cell::new(0),
        }
    }

    pub fn make(&self) {
        let index = self.next.get();
        let (_, number) = self.calls[index];
        // SAFETY: -1 is no address, no descriptor and no flag that any of these calls takes: each returns an error, or a
        // number, and changes nothing.
        let _ = unsafe {
            libc::syscall(
                number, -1_isize, -1_isize, -1_isize, -1_isize, -1_isize, -1_isize,
            )
        };
        if index + 1 == self.calls.len() {
            self.next.set(0);
            self.rounds.set(self.rounds.get() + 1);
        } else {
            self.next.set(index + 1);
        }
    }

    /// How often each was made, by name.
    pub fn to_json(&self) -> Map<String, Value> {
        let count = |index: usize| self.rounds.get() + u64::from(index < self.next.get());
        let named = self.calls.iter().enumerate();
        named
            .map(|(index, (name, _))| ((*name).to_owned(), count(index).into()))
            .filter(|(_, count): &(String, Value)| *count != 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_call_is_made_in_turn_and_counted() {
        let calls = FailingCalls::new(3);
        for _ in 0..5 {
            calls.make();
        }
        let made = serde_json::json!({ "read": 2, "write": 2, "close": 1 });
        assert_eq!(Value::Object(calls.to_json()), made);
    }

    #[test]
    fn all_differ() {
        let numbers: HashSet<_> = CALLS.iter().map(|(_, number)| number).collect();
        assert_eq!((numbers.len(), MOST_CALLS), (200, 200));
        let calls = FailingCalls::new(MOST_CALLS);
        for _ in 0..MOST_CALLS {
            calls.make();
        }
        assert_eq!(calls.to_json().len(), MOST_CALLS);
    }
}
