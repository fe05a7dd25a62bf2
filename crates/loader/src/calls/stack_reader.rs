//! From what the programs copied of a thread's stack to the addresses of its callers, at once: the copy is not kept, and the
//! process may end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use abi::event::StackedEvent;
use abi::off_cpu::OffCpuStack;
use abi::stack::{KERNEL_FRAMES, UserStack};
use stacks::{
    Arch, CopiedStack, End, IsThere, Modules, Problems, ProcessMaps, Registers, Unwinder, Walk,
};

use crate::calls::efforts::Efforts;
use crate::calls::recorded_call::{CallStacks, WaitStack};
use crate::kernel::clock::monotonic_ns;
use crate::options::UserStacks;
use crate::targets::identity::{Identity, Process};

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
    targets: HashMap<u32, Arc<Process>>,
    /// Whether the pid of a target that has ended may be a child's, which is monitored as well.
    follow: bool,
    address_spaces: HashMap<u32, AddressSpace>,
    unwinder: Unwinder,
    efforts: Efforts,
    walks: HashMap<Box<[u64]>, Arc<Walk>>,
    waits: HashSet<Arc<[u64]>>,
    problems: Problems,
    /// How many processes' maps could not be read, and what was wrong with the first.
    unreadable: Option<(u32, String)>,
}

impl StackReader {
    /// Reads the maps of these processes now, so that it need not be done when they have ended.
    pub fn new(by: UserStacks, targets: &[Arc<Process>], follow: bool) -> Self {
        let by_pid = |target: &Arc<Process>| (target.pid(), Arc::clone(target));
        let mut reader = Self {
            by,
            modules: Arc::new(Modules::default()),
            targets: targets.iter().map(by_pid).collect(),
            follow,
            address_spaces: HashMap::new(),
            unwinder: Unwinder::new(),
            efforts: Efforts::new(targets.iter().map(|target| target.pid())),
            walks: HashMap::new(),
            waits: HashSet::new(),
            problems: Problems::default(),
            unreadable: None,
        };
        // Without user stacks nobody looks at what processes have mapped.
        if by != UserStacks::None {
            for target in targets {
                reader.read_maps(target.pid(), None);
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
        if !self.is_up_to_date(pid, user.memory) {
            if !self.is_of_stranger(pid) {
                self.update_maps(pid, user.memory);
            } else if self.address_spaces.get(&pid)?.memory.is_some() {
                return None;
            }
        }
        let maps = self.address_spaces.get_mut(&pid)?.maps.as_mut()?;
        maps.refresh_if_old();
        let generation = maps.generation();
        let arch = Arch::ours()?;
        let effort = self.efforts.at(pid, monotonic_ns());
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
                self.unwinder
                    .unwind_within(maps, &registers, copied, effort)
            }
            UserStacks::ByFramePointer => {
                let (words, _) = stack.as_chunks();
                let addresses: Vec<u64> =
                    words.iter().map(|&word| u64::from_ne_bytes(word)).collect();
                self.unwinder
                    .by_frame_pointers(maps, arch, &addresses, effort)
            }
        };
        if walk.end == End::TooCostly {
            self.efforts.count_cut(pid);
        }
        Some(self.known_walk(pid, generation, walk))
    }

    fn known_walk(&mut self, pid: u32, generation: u64, walk: Walk) -> Arc<Walk> {
        let mut key: Vec<u64> = walk.frames.iter().map(|frame| frame.pc).collect();
        key.push(walk.end as u64);
        key.extend([pid.into(), generation]);
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

    fn is_up_to_date(&self, pid: u32, memory: u64) -> bool {
        let known = self.address_spaces.get(&pid);
        known.is_some_and(|process| process.memory == Some(memory))
    }

    /// Whether the pid of a target is now that of a process which is not monitored: nobody will ask for its calls, and those of the
    /// target that are still to come need the maps that the target had.
    fn is_of_stranger(&self, pid: u32) -> bool {
        let has_left = |target: &Arc<Process>| !target.is_there();
        !self.follow
            && self.targets.get(&pid).is_some_and(has_left)
            && Identity::of(pid).is_ok_and(|now| now.is_some())
    }

    fn update_maps(&mut self, pid: u32, memory: u64) {
        match self.address_spaces.get_mut(&pid) {
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
        let maps = match ProcessMaps::open_while(self.owner(pid), pid, &self.modules) {
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

    /// Whose pid it is: a target's, or that of a target's child.
    fn owner(&self, pid: u32) -> IsThere {
        if let Some(target) = self.targets.get(&pid)
            && (!self.follow || target.is_there())
        {
            let target = Arc::clone(target);
            return IsThere::new(move || target.is_there());
        }
        // Of a child it is known from here on, and not since the event, which is a few milliseconds old.
        let child = Identity::of(pid).ok().flatten();
        IsThere::new(move || child.is_some_and(Identity::is_there))
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
        // Each time anew, and with another number: not only once.
        let mut problems = self.problems.take();
        problems.extend(self.efforts.take_problems());
        problems
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;

    use super::{Process, StackReader, UserStacks};

    /// Of a target that has ended, and whose pid this very process has got.
    fn reader(follow: bool) -> StackReader {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let target = Process::open(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let mut reader = StackReader::new(UserStacks::ByFramePointer, &[], follow);
        reader.targets.insert(std::process::id(), Arc::new(target));
        reader
    }

    #[test]
    fn what_a_stranger_has_mapped_is_not_taken_for_a_target_s() {
        let own = std::process::id();
        let mut reader = reader(false);
        assert!(reader.is_of_stranger(own));
        reader.read_maps(own, Some(1));
        assert!(reader.address_spaces[&own].maps.is_none());
        let problems = reader.take_problems();
        let said = format!("no user stacks: process {own}: /proc/{own}/maps: No such process");
        assert!(problems[0].starts_with(&said), "{problems:?}");
    }

    #[test]
    fn a_child_that_has_got_the_pid_of_a_target_is_monitored_as_well() {
        let own = std::process::id();
        let mut reader = reader(true);
        assert!(!reader.is_of_stranger(own));
        reader.read_maps(own, Some(1));
        assert!(reader.address_spaces[&own].maps.is_some());
    }
}
