//! A thread whose work begins when a test says so.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use loader::kernel::own_thread::own_tid;

/// A thread that does `work` when told to, and says when it is done.
pub struct Worker {
    pub tid: u32,
    pub go: Sender<()>,
    pub done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    pub fn new(work: impl FnOnce() + Send + 'static) -> Self {
        let (go, wait_for_go) = channel();
        let (say_done, done) = channel();
        let (say_tid, tid) = channel();
        let thread = std::thread::spawn(move || {
            say_tid.send(own_tid()).unwrap();
            if wait_for_go.recv().is_err() {
                return;
            }
            work();
            say_done.send(()).unwrap();
            // Lives until the sample has been read.
            let _ = wait_for_go.recv();
        });
        Self {
            tid: tid.recv().unwrap(),
            go,
            done,
            thread,
        }
    }

    pub fn run(&self) {
        self.go.send(()).unwrap();
        self.done.recv().unwrap();
    }

    pub fn end(self) {
        drop(self.go);
        self.thread.join().unwrap();
    }
}
