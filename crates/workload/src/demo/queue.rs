//! A producer and a consumer with a bounded queue between them: both block on a mutex and condition variables, which the
//! kernel sees as futex calls.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::demo::stop::Stop;

const CAPACITY: usize = 8;
const ITEMS_PER_BURST: u64 = 64;

pub fn bounded() -> (SyncSender<u64>, Receiver<u64>) {
    sync_channel(CAPACITY)
}

pub fn produce(stop: &Stop, queue: &SyncSender<u64>) {
    let mut item = 0;
    while !stop.is_set() {
        for _ in 0..ITEMS_PER_BURST {
            item += 1;
            match queue.try_send(item) {
                Ok(()) => {}
                // A full queue is the point: this blocks until the consumer has taken one.
                Err(TrySendError::Full(item)) if queue.send(item).is_ok() => {}
                Err(_) => return,
            }
        }
        thread::sleep(Duration::from_millis(3));
    }
}

pub fn consume(stop: &Stop, queue: &Receiver<u64>) {
    let mut sum = 0_u64;
    while !stop.is_set() {
        match queue.recv_timeout(Duration::from_millis(100)) {
            Ok(item) => {
                for step in 0..2_000 {
                    sum = std::hint::black_box(sum.wrapping_add(item ^ step));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
