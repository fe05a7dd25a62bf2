//! The pid namespace that this process runs in, as in a container: which numbers the kernel's own tasks have in it.
//!
//! Programs filter by the kernel's own numbers and report those of this namespace, which /proc has here. No file tells
//! the one by the other from within; an iterator of eBPF over the tasks does, and it visits those of the reader's
//! namespace only.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use abi::config::Config;
use aya_obj::generated::bpf_func_id;

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::kernel::bpf;
use crate::kernel::btf::Btf;
use crate::kernel::instructions::{
    EXIT, add, call, copy, load_u32, load_u64, set, shift_right, skip_if_zero, store_u32,
};
use crate::kernel::refusal::refused;

/// Namespaces may be nested 32 deep (MAX_PID_NS_LEVEL); nobody does so by far.
const LEVELS: usize = 8;
/// `struct upid`: the number, and the namespace's address.
const NUMBER_BYTES: usize = 16;
/// What the iterator writes of each task: tgid, pid, the reader's tgid, the namespace's level, a number for each level.
const HEAD_BYTES: usize = 16;
const TASK_BYTES: usize = HEAD_BYTES + LEVELS * NUMBER_BYTES;

#[derive(Debug)]
pub struct PidNamespace {
    level: u32,
    /// Of the kernel's structure.
    address: u64,
    /// The kernel's own tgids by those of this namespace.
    tgids: HashMap<u32, u32>,
    offsets: Offsets,
}

/// In the kernel's structures.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    thread_pid: u32,
    group_leader: u32,
    level: u32,
    numbers: u32,
}

/// Fails if /proc shows another pid namespace than this process is in: pids would mean the wrong processes.
pub fn require_own_proc() -> Result<()> {
    if link("/proc/self")?.as_os_str() == std::process::id().to_string().as_str() {
        return Ok(());
    }
    let message = "kdelay runs in a pid namespace of its own, and /proc shows another one's pids";
    Err(Error::new(ErrorKind::KernelUnsupported, message).hint(HINT))
}

fn is_initial() -> Result<bool> {
    /// `PROC_PID_INIT_INO`, include/linux/proc_ns.h.
    const INITIAL: &str = "pid:[4026531836]";
    Ok(link("/proc/self/ns/pid")?.as_os_str() == INITIAL)
}

fn link(path: &str) -> Result<PathBuf> {
    fs::read_link(path).map_err(|error| Error::io(path, &error))
}

const HINT: &str = "mount /proc anew in this namespace, or run kdelay in the host's (docker and podman: --pid=host; Kubernetes: \
                    hostPID: true)";

impl PidNamespace {
    /// `None`: the initial one.
    pub fn of_this_process(btf: &Btf) -> Result<Option<Self>> {
        require_own_proc()?;
        if is_initial()? {
            return Ok(None);
        }
        let offset = |structure: &str, member: &str| {
            btf.member_offset(structure, member)
                .ok_or_else(|| unknown(&format!("this kernel's BTF has no {structure}.{member}")))
        };
        let offsets = Offsets {
            thread_pid: offset("task_struct", "thread_pid")?,
            group_leader: offset("task_struct", "group_leader")?,
            level: offset("pid", "level")?,
            numbers: offset("pid", "numbers")?,
        };
        let program = program(
            &offsets,
            offset("task_struct", "tgid")?,
            offset("task_struct", "pid")?,
        );
        let iterator = btf
            .function("bpf_iter_task")
            .ok_or_else(|| unknown("this kernel cannot iterate over tasks"))?;
        let listed = bpf::load_iterator(&program, iterator)
            .and_then(|program| bpf::run_iterator(&program))
            .map_err(|error| {
                let what = "the processes of this pid namespace cannot be told from others";
                refused(what, Cause::of(&error).probe("bpf_iter_task"))
            })?;
        parse(&listed, offsets).map(Some).ok_or_else(|| {
            unknown(
                "this process is not among those of its pid namespace, or that is nested too deep",
            )
        })
    }

    /// The kernel's own tgid of a process with this pid here.
    pub fn kernel_tgid(&self, pid: u32) -> Result<u32> {
        self.tgids.get(&pid).copied().ok_or_else(|| {
            Error::new(
                ErrorKind::ProcessEnded,
                format!("the process {pid} has ended meanwhile"),
            )
        })
    }

    /// Has the programs report the numbers of this namespace.
    pub fn configure(&self, config: &mut Config) {
        config.pid_level = self.level;
        config.pid_namespace = self.address;
        config.offsets.task_thread_pid = self.offsets.thread_pid;
        config.offsets.task_group_leader = self.offsets.group_leader;
        config.offsets.pid_level = self.offsets.level;
        config.offsets.pid_numbers = self.offsets.numbers;
    }
}

fn unknown(why: &str) -> Error {
    let message = format!("kdelay runs in a pid namespace of its own: {why}");
    Error::new(ErrorKind::KernelUnsupported, message).hint(HINT)
}

/// For each task; see [`TASK_BYTES`].
fn program(offsets: &Offsets, tgid: u32, pid: u32) -> Vec<u64> {
    const FRAME: u8 = 10;
    const TASK: u8 = 7;
    const OUTPUT: u8 = 8;
    const PID: u8 = 9;
    const ANSWER: u8 = 0;
    const AT: i16 = -(TASK_BYTES as i16);
    /// Below the frame's end as the record is, and out of its way.
    const POINTER_AT: i16 = AT - 8;
    let read = |at: i16, bytes: usize, from: u8, offset: u32| {
        [
            copy(1, FRAME),
            add(1, at.into()),
            set(2, bytes as i32),
            copy(3, from),
            add(3, offset as i32),
            call(bpf_func_id::BPF_FUNC_probe_read_kernel),
        ]
    };
    let mut body = vec![
        // struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; }, whose first is { seq, … }.
        load_u64(OUTPUT, 1, 0),
        load_u64(OUTPUT, OUTPUT, 0),
        load_u32(ANSWER, TASK, tgid as i16),
        store_u32(FRAME, AT, ANSWER),
        load_u32(ANSWER, TASK, pid as i16),
        store_u32(FRAME, AT + 4, ANSWER),
        call(bpf_func_id::BPF_FUNC_get_current_pid_tgid),
        shift_right(ANSWER, 32),
        store_u32(FRAME, AT + 8, ANSWER),
    ];
    body.extend(read(POINTER_AT, 8, TASK, offsets.thread_pid));
    body.push(load_u64(PID, FRAME, POINTER_AT));
    body.extend(read(AT + 12, 4, PID, offsets.level));
    body.extend(read(
        AT + HEAD_BYTES as i16,
        LEVELS * NUMBER_BYTES,
        PID,
        offsets.numbers,
    ));
    body.extend([
        copy(1, OUTPUT),
        copy(2, FRAME),
        add(2, AT.into()),
        set(3, TASK_BYTES as i32),
        call(bpf_func_id::BPF_FUNC_seq_write),
    ]);
    // After the last task comes a call without one.
    let mut program = vec![load_u64(TASK, 1, 8), skip_if_zero(TASK, body.len() as i16)];
    program.extend(body);
    program.extend([set(ANSWER, 0), EXIT]);
    program
}

/// A task as the iterator wrote it.
struct Listed<'a> {
    tgid: u32,
    pid: u32,
    reader: u32,
    level: u32,
    numbers: &'a [u8],
}

impl<'a> Listed<'a> {
    fn new(bytes: &'a [u8; TASK_BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |index: usize| u32::from_ne_bytes(words[index]);
        Self {
            tgid: word(0),
            pid: word(1),
            reader: word(2),
            level: word(3),
            numbers: &bytes[HEAD_BYTES..],
        }
    }

    /// Its number in the namespace at that level, and that namespace's address. `None`: it is in none so deep.
    fn number(&self, level: u32) -> Option<(u32, u64)> {
        if level > self.level {
            return None;
        }
        let bytes = self.numbers.get(level as usize * NUMBER_BYTES..)?;
        let number = u32::from_ne_bytes(*bytes.first_chunk()?);
        let address = u64::from_ne_bytes(*bytes.get(8..)?.first_chunk()?);
        Some((number, address))
    }
}

fn parse(listed: &[u8], offsets: Offsets) -> Option<PidNamespace> {
    let (tasks, _) = listed.as_chunks::<TASK_BYTES>();
    let leaders = || {
        tasks
            .iter()
            .map(Listed::new)
            .filter(|task| task.tgid == task.pid)
    };
    // The innermost namespace of this process is the one that it is in.
    let own = leaders().find(|task| task.tgid == task.reader)?;
    let (_, address) = own.number(own.level)?;
    let tgids = leaders()
        .filter_map(|task| {
            let (number, of) = task.number(own.level)?;
            (of == address).then_some((number, task.tgid))
        })
        .collect();
    Some(PidNamespace {
        level: own.level,
        address,
        tgids,
        offsets,
    })
}

#[cfg(test)]
mod tests {
    use super::{LEVELS, NUMBER_BYTES, Offsets, TASK_BYTES, parse};

    const OFFSETS: Offsets = Offsets {
        thread_pid: 0,
        group_leader: 0,
        level: 0,
        numbers: 0,
    };

    /// A task whose numbers, from the outermost namespace on, are these; with each namespace's address.
    fn task(tgid: u32, reader: u32, numbers: &[(u32, u64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (outermost, _) = numbers[0];
        for word in [tgid, outermost, reader, numbers.len() as u32 - 1] {
            bytes.extend(word.to_ne_bytes());
        }
        for &(number, address) in numbers {
            bytes.extend(number.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(address.to_ne_bytes());
        }
        // Beyond the last level lies whatever follows in the kernel's memory.
        bytes.resize(TASK_BYTES, 0xa5);
        bytes
    }

    #[test]
    fn processes_are_found_by_their_numbers_in_the_readers_namespace() {
        const HOST: u64 = 0x100;
        const OURS: u64 = 0x200;
        const INNER: u64 = 0x300;
        let listed = [
            task(1000, 1002, &[(1000, HOST), (1, OURS)]),
            task(1001, 1002, &[(1001, HOST), (7, OURS), (1, INNER)]),
            task(1002, 1002, &[(1002, HOST), (9, OURS)]),
            // A thread of the second, which is no process.
            task(1001, 1002, &[(1003, HOST), (8, OURS), (2, INNER)]),
        ];
        let found = parse(&listed.concat(), OFFSETS).unwrap();
        assert_eq!((found.level, found.address), (1, OURS));
        assert_eq!(found.kernel_tgid(1).unwrap(), 1000);
        assert_eq!(found.kernel_tgid(7).unwrap(), 1001);
        assert_eq!(found.kernel_tgid(9).unwrap(), 1002);
        assert!(found.kernel_tgid(8).is_err() && found.kernel_tgid(1000).is_err());
    }

    #[test]
    fn what_is_nested_too_deep_or_cut_is_nothing() {
        let mut deep = task(5, 5, &[(5, 1); LEVELS]);
        deep[12..16].copy_from_slice(&(LEVELS as u32).to_ne_bytes());
        assert!(parse(&deep, OFFSETS).is_none());
        assert!(parse(&[], OFFSETS).is_none());
        let one = task(5, 5, &[(5, 1)]);
        assert!(parse(&one[..TASK_BYTES - NUMBER_BYTES], OFFSETS).is_none());
    }
}
