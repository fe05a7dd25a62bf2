//! From what the programs copied of a thread's stack to the addresses of its callers, at once: the copy is not kept, and the
//! process may end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use abi::event::StackedEvent;
use abi::off_cpu::OffCpuStack;
use abi::stack::{KERNEL_FRAMES, UserStack};
use stacks::{Arch, CopiedStack, Modules, Problems, ProcessMaps, Registers, Unwinder, Walk};

use crate::calls::recorded_call::{CallStacks, WaitStack};
use crate::options::UserStacks;

/// Different stacks kept at a time; beyond that, equal ones may be kept twice.
const MOST_KNOWN: usize = 1 << 16;
/// Processes whose maps are kept at a time.
const MOST_PROCESSES: usize = 1024;

/// What is known of a process's memory.
struct AddressSpace {
    /// `None`: they could not be read.
    maps: Option<ProcessMaps>,
    /// Of which memory they are: of another program since. `None`: of the one that the first event names, most likely.
    memory: Option<u64>,
}

pub struct StackReader {
    by: UserStacks,
    modules: Arc<Modules>,
    /// By pid.
    address_spaces: HashMap<u32, AddressSpace>,
    unwinder: Unwinder,
    walks: HashMap<Box<[u64]>, Arc<Walk>>,
    waits: HashSet<Arc<[u64]>>,
    problems: Problems,
    /// How many processes' maps could not be read, and what was wrong with the first.
    unreadable: Option<(u32, String)>,
}

impl StackReader {
    /// Reads the maps of these processes now, so that it need not be done when they have ended.
    pub fn new(by: UserStacks, pids: &[u32]) -> Self {
        let mut reader = Self {
            by,
            modules: Arc::new(Modules::default()),
            address_spaces: HashMap::new(),
            unwinder: Unwinder::new(),
            walks: HashMap::new(),
            waits: HashSet::new(),
            problems: Problems::default(),
            unreadable: None,
        };
        // Without user stacks nobody looks at what processes have mapped.
        if by != UserStacks::None {
            for &pid in pids {
                reader.read_maps(pid, None);
            }
        }
        reader
    }

    /// `stack`: the valid bytes that follow the event.
    pub fn read(&mut self, event: &StackedEvent, stack: &[u8]) -> CallStacks {
        let began_ns = event.call.exit_ns.wrapping_sub(event.call.duration_ns);
        let wait = (event.wait.call_since_ns == began_ns && began_ns != 0).then(|| WaitStack {
            off_cpu_ns: event.wait.off_cpu_ns,
            is_preempted: event.wait.preempted != 0,
            frames: self.known_frames(&event.wait.frames, event.wait.frame_bytes),
        });
        CallStacks {
            wait,
            user: self.walk(event.call.tgid, &event.user, stack),
        }
    }

    /// Of a thread that is about to sleep.
    pub fn read_off_cpu(&mut self, event: &OffCpuStack, stack: &[u8]) -> CallStacks {
        CallStacks {
            wait: Some(WaitStack {
                off_cpu_ns: 0,
                is_preempted: false,
                frames: self.known_frames(&event.frames, event.frame_bytes),
            }),
            user: self.walk(event.tgid, &event.user, stack),
        }
    }

    fn known_frames(&mut self, frames: &[u64; KERNEL_FRAMES], bytes: u32) -> Arc<[u64]> {
        let frames = &frames[..(bytes as usize / 8).min(KERNEL_FRAMES)];
        if let Some(known) = self.waits.get(frames) {
            return known.clone();
        }
        if self.waits.len() >= MOST_KNOWN {
            self.waits.clear();
        }
        let frames: Arc<[u64]> = frames.into();
        self.waits.insert(frames.clone());
        frames
    }

    fn walk(&mut self, pid: u32, user: &UserStack, stack: &[u8]) -> Option<Arc<Walk>> {
        if stack.is_empty() {
            return None;
        }
        self.update_maps(pid, user.memory);
        let maps = self.address_spaces.get_mut(&pid)?.maps.as_mut()?;
        let arch = Arch::ours()?;
        let walk = match self.by {
            UserStacks::None => return None,
            UserStacks::Copied { .. } => {
                let from = &user.registers;
                let registers = match arch {
                    Arch::X86_64 => Registers::x86_64(from.pc, from.sp, from.fp),
                    Arch::Aarch64 => Registers::aarch64(from.pc, from.sp, from.fp, from.lr),
                };
                let base = user.base;
                let copied = CopiedStack { base, bytes: stack };
                self.unwinder.unwind(maps, &registers, copied)
            }
            UserStacks::ByFramePointer => {
                let (words, _) = stack.as_chunks();
                let addresses: Vec<u64> =
                    words.iter().map(|&word| u64::from_ne_bytes(word)).collect();
                self.unwinder.by_frame_pointers(maps, arch, &addresses)
            }
        };
        Some(self.known_walk(pid, walk))
    }

    fn known_walk(&mut self, pid: u32, walk: Walk) -> Arc<Walk> {
        let mut key: Vec<u64> = walk.frames.iter().map(|frame| frame.pc).collect();
        key.push(walk.end as u64);
        key.push(pid.into());
        if let Some(known) = self.walks.get(&key[..]) {
            return known.clone();
        }
        if self.walks.len() >= MOST_KNOWN {
            self.walks.clear();
        }
        let walk = Arc::new(walk);
        self.walks.insert(key.into(), walk.clone());
        walk
    }

    fn update_maps(&mut self, pid: u32, memory: u64) {
        match self.address_spaces.get_mut(&pid) {
            Some(space) if space.memory == Some(memory) => {}
            Some(space) if space.memory.is_none() => {
                space.memory = Some(memory);
                // It may have begun another program since they were read; if it has ended, what was read is what there is.
                if let Some(maps) = &mut space.maps {
                    let _ = maps.refresh();
                }
            }
            _ => self.read_maps(pid, Some(memory)),
        }
    }

    fn read_maps(&mut self, pid: u32, memory: Option<u64>) {
        if self.address_spaces.len() >= MOST_PROCESSES {
            self.address_spaces.clear();
        }
        let maps = match ProcessMaps::open(pid, &self.modules) {
            Ok(maps) => Some(maps),
            Err(error) => {
                let first = (0, format!("process {pid}: {error}"));
                self.unreadable.get_or_insert(first).0 += 1;
                None
            }
        };
        self.address_spaces
            .insert(pid, AddressSpace { maps, memory });
    }

    /// Why user stacks are missing, a line each, each once.
    pub fn take_problems(&mut self) -> Vec<String> {
        if let Some((count, first)) = self.unreadable.take() {
            let others = match count {
                1 => String::new(),
                _ => format!(", and {} other processes", count - 1),
            };
            self.problems
                .tell(&format!("no user stacks: {first}{others}"));
        }
        let maps = self
            .address_spaces
            .values()
            .filter_map(|space| space.maps.as_ref());
        for line in maps.flat_map(ProcessMaps::problems) {
            self.problems
                .tell(&format!("a mapped file cannot be read: {line}"));
        }
        self.problems.take()
    }
}
