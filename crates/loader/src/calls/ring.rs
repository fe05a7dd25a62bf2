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
use aya::maps::{MapData, RingBuf};

use crate::calls::describe::starts_program;
use crate::calls::longest::Longest;
use crate::calls::recorded_call::{CallStacks, RecordedCall};
use crate::calls::stack_reader::StackReader;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::kernel::own_thread::raise_priority;
use crate::probes::object::Probes;

const INTERVAL: Duration = Duration::from_millis(2);
/// While no window is open or armed. Whoever changes that wakes the thread.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// As many rows as there can be, with some to spare for those that come anew after they were read.
const MOST_INTRODUCED: usize = 1 << 21;

/// The reading end.
pub struct EventReader {
    shared: Arc<Shared>,
    thread: std::thread::Thread,
}

struct Shared {
    buffer: Mutex<Buffer>,
    is_awaited: AtomicBool,
}

struct Buffer {
    plain: RingBuf<MapData>,
    stacked: RingBuf<MapData>,
    off_cpu: RingBuf<MapData>,
    stacks: StackReader,
    /// What the keys of times blocked stand for.
    introduced: HashMap<OffCpuKey, CallStacks>,
    by_window: HashMap<u32, Longest>,
    limit: usize,
}

fn ring(probes: &mut Probes, name: &str) -> Result<RingBuf<MapData>> {
    RingBuf::try_from(probes.take_map(name)?).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            format!("the ring buffer {name} cannot be used: {error}"),
        )
        .cause(Cause::of(&error))
    })
}

impl EventReader {
    /// `limit`: of one window, at most so many are kept: the longest.
    pub fn new(probes: &mut Probes, stacks: StackReader, limit: usize) -> Result<Self> {
        let shared = Arc::new(Shared {
            buffer: Mutex::new(Buffer {
                plain: ring(probes, "SYSCALL_EVENTS")?,
                stacked: ring(probes, "STACKED_EVENTS")?,
                off_cpu: ring(probes, "OFF_CPU_STACKS")?,
                introduced: HashMap::new(),
                stacks,
                by_window: HashMap::new(),
                limit,
            }),
            is_awaited: AtomicBool::new(false),
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

    /// Those of a window that is sealed, after a grace period; what there is of windows before it is forgotten.
    pub fn take(&self, window: u32) -> Longest {
        let mut buffer = self.shared.lock();
        buffer.drain();
        let limit = buffer.limit;
        let taken = buffer.by_window.remove(&window);
        buffer.by_window.retain(|&other, _| other > window);
        taken.unwrap_or_else(|| Longest::new(limit))
    }

    /// What these keys stand for, as far as it is known.
    pub fn stacks_of(
        &self,
        keys: impl Iterator<Item = OffCpuKey>,
    ) -> HashMap<OffCpuKey, CallStacks> {
        let mut buffer = self.shared.lock();
        buffer.drain();
        let known = |key: OffCpuKey| Some((key, buffer.introduced.get(&key)?.clone()));
        keys.filter_map(known).collect()
    }

    /// Why stacks are missing, a line each, each told once.
    pub fn take_problems(&self) -> Vec<String> {
        self.shared.lock().stacks.take_problems()
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        // The thread finds the buffer gone.
        self.thread.unpark();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    fn drain(&mut self) {
        self.drain_plain();
        self.drain_stacked();
        self.drain_off_cpu();
    }

    fn drain_plain(&mut self) {
        // There may be millions a second, most of them of one window, and soon too short to be kept.
        let (mut number, mut window) = (0, Longest::new(self.limit));
        while let Some(item) = self.plain.next() {
            if item.len() != size_of::<SyscallEvent>() {
                continue;
            }
            // SAFETY: the programs put only whole events into the ring buffer, which are plain integers and bytes, and the
            // ring buffer aligns what is in it to 8 bytes.
            let call = unsafe { &*item.as_ptr().cast::<SyscallEvent>() };
            if call.window != number {
                put_back(&mut self.by_window, number, window);
                number = call.window;
                window = self
                    .by_window
                    .remove(&number)
                    .unwrap_or_else(|| Longest::new(self.limit));
            }
            if window.has_room_for(call.duration_ns) {
                window.add((*call).into());
            } else {
                window.leave_out();
            }
        }
        put_back(&mut self.by_window, number, window);
    }

    fn drain_stacked(&mut self) {
        while let Some(item) = self.stacked.next() {
            if item.len() < size_of::<StackedEvent>() {
                continue;
            }
            // SAFETY: the programs put only whole events into the ring buffer: plain integers and bytes.
            let event = unsafe { item.as_ptr().cast::<StackedEvent>().read_unaligned() };
            let copied = &item[size_of::<StackedEvent>()..];
            let copied = &copied[..copied.len().min(event.user.bytes as usize)];
            let window = window(&mut self.by_window, event.call.window, self.limit);
            let call = event.call;
            // Where another program begins, nobody has called.
            let stacks = (window.has_room_for(call.duration_ns) && !starts_program(&call))
                .then(|| self.stacks.read(&event, copied));
            window.add(RecordedCall { call, stacks });
        }
    }

    fn drain_off_cpu(&mut self) {
        while let Some(item) = self.off_cpu.next() {
            if item.len() < size_of::<OffCpuStack>() {
                continue;
            }
            // SAFETY: as for the others.
            let stack = unsafe { item.as_ptr().cast::<OffCpuStack>().read_unaligned() };
            let copied = &item[size_of::<OffCpuStack>()..];
            let copied = &copied[..copied.len().min(stack.user.bytes as usize)];
            if self.introduced.len() >= MOST_INTRODUCED {
                self.introduced.clear();
            }
            let stacks = self.stacks.read_off_cpu(&stack, copied);
            self.introduced.insert(stack.key, stacks);
        }
    }
}

fn window(by_window: &mut HashMap<u32, Longest>, number: u32, limit: usize) -> &mut Longest {
    by_window
        .entry(number)
        .or_insert_with(|| Longest::new(limit))
}

/// Windows are numbered from 1.
fn put_back(by_window: &mut HashMap<u32, Longest>, number: u32, window: Longest) {
    if number != 0 {
        by_window.insert(number, window);
    }
}

fn run(shared: &Weak<Shared>) {
    raise_priority();
    while let Some(shared) = shared.upgrade() {
        shared.lock().drain();
        let interval = if shared.is_awaited.load(Ordering::Acquire) {
            INTERVAL
        } else {
            IDLE_INTERVAL
        };
        drop(shared);
        std::thread::park_timeout(interval);
    }
}
