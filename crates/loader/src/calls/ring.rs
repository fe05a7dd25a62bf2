//! The way of recorded system calls from the ring buffers to the sample of their window.
//!
//! Nobody is woken for an event. A thread of its own looks every so often, whatever else the session is busy with: at
//! three million events a second the default buffer is full after 12 ms.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use abi::event::{StackedEvent, SyscallEvent};
use abi::off_cpu::{OffCpuKey, OffCpuStack};

use crate::calls::drain::{Ring, drain};
use crate::calls::kept::{Kept, OfWindow};
use crate::calls::longest::Longest;
use crate::calls::recorded_call::{CallStacks, RecordedCall};
use crate::calls::stack_reader::StackReader;
use crate::calls::syscall_event::starts_program;
use crate::error::{Error, Result};
use crate::kernel::own_thread::raise_priority;
use crate::probes::object::Probes;

const INTERVAL: Duration = Duration::from_millis(2);
/// While no window is open or armed. Whoever changes that wakes the thread.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// The reading end. Once it is dropped, or closed, nobody takes events out any more.
pub struct EventReader {
    shared: Arc<Shared>,
    thread: std::thread::Thread,
}

struct Shared {
    /// Held by whoever takes events out, while stacks are walked, too.
    rings: Mutex<Rings>,
    /// Held for a moment only.
    kept: Mutex<Kept>,
    is_awaited: AtomicBool,
    is_closed: AtomicBool,
    /// Nobody wants to wait for stacks to be walked.
    is_hurried: AtomicBool,
}

struct Rings {
    plain: Ring,
    stacked: Ring,
    off_cpu: Ring,
    stacks: StackReader,
    most_calls: usize,
    /// Stacks that were not walked since that was told last.
    not_walked: u64,
}

/// What was recorded in one window.
pub struct Taken {
    pub calls: Longest,
    /// What the keys of times blocked stand for, as far as it is known.
    pub stacks: HashMap<OffCpuKey, CallStacks>,
    /// Stacks of times blocked for which there was no room here.
    pub stacks_lost: u64,
    /// Why stacks are missing, a line each; none is in two of these.
    pub problems: Vec<String>,
}

impl Default for Taken {
    fn default() -> Self {
        Self {
            calls: Longest::new(0),
            stacks: HashMap::new(),
            stacks_lost: 0,
            problems: Vec::new(),
        }
    }
}

impl EventReader {
    /// Of one window, at most `most_calls` are kept: the longest.
    pub fn new(probes: &mut Probes, stacks: StackReader, most_calls: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            rings: Mutex::new(Rings {
                plain: Ring::new(probes, "SYSCALL_EVENTS")?,
                stacked: Ring::new(probes, "STACKED_EVENTS")?,
                off_cpu: Ring::new(probes, "OFF_CPU_STACKS")?,
                stacks,
                most_calls,
                not_walked: 0,
            }),
            kept: Mutex::new(Kept::new(most_calls)),
            is_awaited: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_hurried: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&shared);
        let thread = std::thread::Builder::new()
            .name("kdelay-events".to_owned())
            .spawn(move || run(&weak))
            .map_err(|error| Error::io("starting a thread", &error))?;
        Ok(Self {
            shared,
            thread: thread.thread().clone(),
        })
    }

    /// Whether a window is open or may open at any time.
    pub fn await_more(&self, is_awaited: bool) {
        let before = self.shared.is_awaited.swap(is_awaited, Ordering::AcqRel);
        if is_awaited && !before {
            self.thread.unpark();
        }
    }

    /// What was recorded in a window that is sealed, after a grace period; what there is of windows before it is forgotten. Waits
    /// until all that is in the ring buffers has been taken out, or until the reader is closed.
    pub fn take(&self, window: u32) -> Taken {
        // Held to the end: what a drain has taken out of `kept` is back in it then.
        let mut rings = lock(&self.shared.rings);
        rings.drain(&self.shared);
        let mut problems = rings.stacks.take_problems();
        let not_walked = std::mem::take(&mut rings.not_walked);
        if not_walked > 0 {
            problems.push(format!(
                "{not_walked} user stacks are missing: the search for callers was ended"
            ));
        }
        let OfWindow {
            calls,
            stacks,
            stacks_lost,
        } = lock(&self.shared.kept).take(window);
        Taken {
            calls,
            stacks,
            stacks_lost,
            problems,
        }
    }

    /// Forgets what there is of windows up to this one: nobody is going to read them.
    pub fn forget(&self, window: u32) {
        lock(&self.shared.kept).forget(window);
    }

    /// For as long, user stacks are counted, and not walked.
    pub fn set_hurried(&self, is_hurried: bool) {
        self.shared.is_hurried.store(is_hurried, Ordering::Release);
    }

    /// Ends what the thread, and whoever takes events out, is about. To close twice is harmless.
    pub fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a thread that panicked left behind are whole events all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rings {
    /// Stacks are walked without the lock of what is kept.
    fn drain(&mut self, shared: &Shared) {
        self.drain_plain(shared);
        self.drain_stacked(shared);
        self.drain_off_cpu(shared);
    }

    fn drain_plain(&mut self, shared: &Shared) {
        // There may be millions a second, most of them of one window, and soon too short to be kept.
        let (mut number, mut calls) = (0, Longest::new(self.most_calls));
        drain(&mut self.plain, &shared.is_closed, |event| {
            if event.len() != size_of::<SyscallEvent>() {
                return;
            }
            // SAFETY: as long as the event, which is made of integers and bytes: any bytes are a value.
            let call = unsafe { event.as_ptr().cast::<SyscallEvent>().read_unaligned() };
            if call.window != number {
                let mut kept = lock(&shared.kept);
                let next = kept.take_out(call.window);
                kept.put_back(number, std::mem::replace(&mut calls, next));
                number = call.window;
            }
            if calls.has_room_for(call.duration_ns) {
                calls.add(call.into());
            } else {
                calls.leave_out();
            }
        });
        lock(&shared.kept).put_back(number, calls);
    }

    fn drain_stacked(&mut self, shared: &Shared) {
        let reader = &mut self.stacks;
        let not_walked = &mut self.not_walked;
        drain(&mut self.stacked, &shared.is_closed, |bytes| {
            if bytes.len() < size_of::<StackedEvent>() {
                return;
            }
            // SAFETY: at least as long as the event, which is made of integers and bytes: any bytes are a value.
            let event = unsafe { bytes.as_ptr().cast::<StackedEvent>().read_unaligned() };
            let copied = &bytes[size_of::<StackedEvent>()..];
            let copied = &copied[..copied.len().min(event.user.bytes as usize)];
            let copied = to_be_walked(shared, copied, not_walked);
            let call = event.call;
            let has_room = lock(&shared.kept).has_room_for(call.window, call.duration_ns);
            // Where another program begins, nobody has called.
            let stacks = (has_room && !starts_program(&call)).then(|| reader.read(&event, copied));
            lock(&shared.kept).add_call(RecordedCall { call, stacks });
        });
    }

    fn drain_off_cpu(&mut self, shared: &Shared) {
        let reader = &mut self.stacks;
        let not_walked = &mut self.not_walked;
        drain(&mut self.off_cpu, &shared.is_closed, |bytes| {
            if bytes.len() < size_of::<OffCpuStack>() {
                return;
            }
            // SAFETY: at least as long as the record, which is made of integers: any bytes are a value.
            let stack = unsafe { bytes.as_ptr().cast::<OffCpuStack>().read_unaligned() };
            let copied = &bytes[size_of::<OffCpuStack>()..];
            let copied = &copied[..copied.len().min(stack.user.bytes as usize)];
            let copied = to_be_walked(shared, copied, not_walked);
            let stacks = reader.read_off_cpu(&stack, copied);
            lock(&shared.kept).add_stacks(stack.key, stacks);
        });
    }
}

/// All of a copied stack, or nothing, which is counted.
fn to_be_walked<'a>(shared: &Shared, copied: &'a [u8], not_walked: &mut u64) -> &'a [u8] {
    if copied.is_empty() || !shared.is_hurried.load(Ordering::Acquire) {
        return copied;
    }
    *not_walked += 1;
    &[]
}

fn run(shared: &Weak<Shared>) {
    raise_priority();
    while let Some(shared) = shared.upgrade() {
        if shared.is_closed.load(Ordering::Acquire) {
            return;
        }
        lock(&shared.rings).drain(&shared);
        let interval = if shared.is_awaited.load(Ordering::Acquire) {
            INTERVAL
        } else {
            IDLE_INTERVAL
        };
        drop(shared);
        std::thread::park_timeout(interval);
    }
}
