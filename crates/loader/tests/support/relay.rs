//! A process whose leader ends, as `pthread_exit` ends it, while another thread goes on; and that one hands over to a next one, as often
//! as is asked. Whoever runs calls the function given, once in a millisecond.

use std::sync::atomic::{AtomicU32, Ordering};

const STACK_BYTES: usize = 64 << 10;

#[repr(C)]
struct Board {
    /// The leader ends once this is set.
    leave: AtomicU32,
    /// The number of the runner that is to run.
    wanted: AtomicU32,
    /// The runner that has begun, by number and by tid.
    running: AtomicU32,
    tid: AtomicU32,
}

/// What a runner of the child's is given; it is never freed.
struct Runner {
    board: &'static Board,
    number: u32,
    fire: extern "C" fn(u64) -> u64,
}

#[allow(dead_code, reason = "each test program uses a part of it")]
pub struct Relay {
    pub pid: u32,
    board: &'static Board,
}

#[allow(dead_code, reason = "each test program uses a part of it")]
impl Relay {
    /// Its leader and one runner live.
    pub fn new(fire: extern "C" fn(u64) -> u64) -> Self {
        // SAFETY: a new shared mapping, zeroed, larger and better aligned than the board, and never unmapped.
        let board: &'static Board = unsafe { &*map(libc::MAP_SHARED).cast::<Board>() };
        // SAFETY: the child makes system calls only, on memory that these give it.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            begin_runner(board, 0, fire);
            while board.leave.load(Ordering::Acquire) == 0 {
                pause_ms();
            }
            end_thread();
        }
        assert!(pid > 0);
        let relay = Self {
            pid: pid as u32,
            board,
        };
        relay.wait_for_runner(0);
        relay
    }

    /// Ends the leader, and waits until it is a zombie.
    pub fn end_leader(&self) {
        self.board.leave.store(1, Ordering::Release);
        self.wait_for_state(self.pid, |state| state == 'Z');
    }

    pub fn runner_tid(&self) -> u32 {
        self.board.tid.load(Ordering::Acquire)
    }

    /// Lets the next thread run, and waits until the one before it is gone.
    pub fn hand_over(&self) {
        let before = self.runner_tid();
        let number = self.board.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.wait_for_runner(number);
        let folder = format!("/proc/{}/task/{before}", self.pid);
        while std::path::Path::new(&folder).exists() {
            std::thread::yield_now();
        }
    }

    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        self.wait_for_state(self.runner_tid(), |state| state == 'T');
        // It is said to be stopped a while before it leaves its CPU.
        let call = format!("/proc/{}/task/{}/syscall", self.pid, self.runner_tid());
        while std::fs::read_to_string(&call)
            .unwrap()
            .starts_with("running")
        {
            std::thread::yield_now();
        }
    }

    /// The end of a stop.
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
        self.wait_for_state(self.runner_tid(), |state| state != 'T');
    }

    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
        let folder = format!("/proc/{0}/task/{1}", self.pid, self.runner_tid());
        while std::path::Path::new(&folder).exists() {
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: our own unreaped child's pid.
        assert_eq!(unsafe { libc::kill(self.pid as libc::pid_t, signal) }, 0);
    }

    fn wait_for_state(&self, tid: u32, will_do: impl Fn(char) -> bool) {
        let path = format!("/proc/{}/task/{tid}/stat", self.pid);
        loop {
            let stat = std::fs::read_to_string(&path).unwrap();
            let (_, after_name) = stat.rsplit_once(") ").unwrap();
            if after_name.starts_with(&will_do) {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn wait_for_runner(&self, number: u32) {
        while self.board.tid.load(Ordering::Acquire) == 0
            || self.board.running.load(Ordering::Acquire) != number
        {
            std::thread::yield_now();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // SAFETY: our own unreaped child's pid.
        unsafe {
            libc::kill(self.pid as libc::pid_t, libc::SIGKILL);
            libc::waitpid(self.pid as libc::pid_t, std::ptr::null_mut(), 0);
        }
    }
}

fn map(sharing: libc::c_int) -> *mut libc::c_void {
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            STACK_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            sharing | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        // SAFETY: no preconditions.
        unsafe { libc::abort() };
    }
    address
}

/// By `clone` itself: what the C library does beside it may wait for a lock that was held as the process was forked.
fn begin_runner(board: &'static Board, number: u32, fire: extern "C" fn(u64) -> u64) {
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM;
    let stack = map(libc::MAP_PRIVATE).cast::<u8>();
    let runner = stack.cast::<Runner>();
    // SAFETY: a mapping that nobody else knows, far larger than a runner at its beginning and a stack from its end; `run` gets that
    // runner. The thread shares this one's thread-local data, and does nothing with it.
    unsafe {
        runner.write(Runner {
            board,
            number,
            fire,
        });
        if libc::clone(run, stack.add(STACK_BYTES).cast(), flags, runner.cast()) < 0 {
            libc::abort();
        }
    }
}

extern "C" fn run(runner: *mut libc::c_void) -> libc::c_int {
    // SAFETY: what `begin_runner` has written, never unmapped.
    let runner = unsafe { &*runner.cast::<Runner>() };
    let board = runner.board;
    // SAFETY: no preconditions.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
    board.tid.store(tid, Ordering::Release);
    board.running.store(runner.number, Ordering::Release);
    while board.wanted.load(Ordering::Acquire) == runner.number {
        (runner.fire)(1);
        pause_ms();
    }
    begin_runner(board, runner.number + 1, runner.fire);
    end_thread()
}

fn pause_ms() {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    // SAFETY: a whole value to be read, and nowhere to write what is left.
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const pause, 0) };
}

/// This thread only, also where it is the leader.
fn end_thread() -> ! {
    loop {
        // SAFETY: nothing of this thread is used afterwards.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}
