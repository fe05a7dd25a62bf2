//! What this kernel can do for a tracer: each feature is used once, here and now. No version is compared.

use std::ffi::{CString, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};

use abi::config::Config;
use aya_obj::generated::{bpf_func_id, bpf_prog_type};
use probe_points::Kernel;

use crate::kernel::bpf;
use crate::kernel::instructions::{EXIT, call, copy, instruction, set};
use crate::kernel::own_thread::own_tid;
use crate::kernel::perf_event::{self, Event};

pub struct Feature {
    pub name: &'static str,
    /// Why it cannot be had.
    pub missing: Option<String>,
    /// What its absence costs; `None`: nothing here would use it.
    pub consequence: Option<&'static str>,
}

type Tried = Result<(), Missing>;

/// Why a feature cannot be had, in one line.
struct Missing(String);

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<probe_points::Error> for Missing {
    fn from(error: probe_points::Error) -> Self {
        Self(error.message)
    }
}

impl From<&str> for Missing {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

/// All of them, in the order in which kernels got them.
pub fn try_all(config: &Config) -> Vec<Feature> {
    let feature = |name, tried: Tried, consequence| Feature {
        name,
        missing: tried.err().map(|Missing(reason)| reason),
        consequence,
    };
    vec![
        feature("raw_tp", raw_tracepoint(), None),
        feature(
            "tracepoints",
            tracepoint(),
            Some("no triggers at tracepoints"),
        ),
        feature("kprobes", kprobe(), Some("no triggers at kernel functions")),
        feature("uprobes", uprobe(), Some("no triggers in user code")),
        feature(
            "ref_ctr_offset",
            reference_counter(),
            Some("no triggers at USDT probes that have a semaphore"),
        ),
        feature(
            "ring buffer",
            ring_buffer(),
            Some("single calls cannot be recorded"),
        ),
        feature("module BTF", module_btf(), None),
        feature(
            "recursion misses",
            recursion_misses(),
            Some("events that the kernel skips are not counted"),
        ),
        feature("atomic fetch", atomic_fetch(), None),
        feature(
            "task registers",
            task_registers(config),
            Some("calls that began before the window are named late, or by /proc"),
        ),
        feature(
            "prev_state",
            previous_state(config),
            Some("a thread's state is read when it is switched out, where its waker may be faster"),
        ),
    ]
}

/// Returns 1, which lets a perf event count the hit.
const TRIVIAL: [u64; 2] = [set(0, 1), EXIT];

fn trivial(kind: bpf_prog_type) -> io::Result<OwnedFd> {
    bpf::load_program(kind, &TRIVIAL)
}

fn raw_tracepoint() -> Tried {
    let program = trivial(bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT)?;
    bpf::open_raw_tracepoint(c"sched_switch", program.as_fd())?;
    Ok(())
}

fn ring_buffer() -> Tried {
    bpf::create_ring_buffer()?;
    Ok(())
}

fn tracepoint() -> Tried {
    let id = Kernel::running()
        .tracepoint_id("sched", "sched_process_exec")?
        .ok_or("tracefs has no sched_process_exec")?;
    let program = trivial(bpf_prog_type::BPF_PROG_TYPE_TRACEPOINT)?;
    perf_event::attach(&Event::Tracepoint { id }, program.as_fd())?;
    Ok(())
}

fn kprobe() -> Tried {
    let pmu = Kernel::running().kprobe_pmu()?;
    let program = trivial(bpf_prog_type::BPF_PROG_TYPE_KPROBE)?;
    // Every kernel has it out of line, and nobody is in a hurry there.
    let function = CString::from(c"do_exit");
    let event = Event::Kernel {
        pmu,
        function: &function,
        offset: 0,
        is_return: false,
    };
    perf_event::attach(&event, program.as_fd())?;
    Ok(())
}

/// Where the uprobes are put: a place of its own for each, because the kernel refuses a place that is already probed with
/// another reference counter, or without one, be it by another process that runs this file.
type Probed = extern "C" fn(u64) -> u64;

#[inline(never)]
extern "C" fn probed(argument: u64) -> u64 {
    std::hint::black_box(argument) ^ 1
}

#[inline(never)]
extern "C" fn probed_and_counted(argument: u64) -> u64 {
    std::hint::black_box(argument) ^ 2
}

/// In a writable section that is in the file, as USDT semaphores are: what begins as zero would not be, otherwise.
#[unsafe(link_section = ".data")]
static SEMAPHORE: AtomicU16 = AtomicU16::new(0);

/// The file that this address is mapped from, and where in it.
fn place_in_file(address: u64) -> io::Result<(CString, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    maps.lines()
        .find_map(|line| {
            // 7f1c2a000000-7f1c2a021000 r-xp 00001000 fe:00 1234   /usr/bin/node
            let mut words = line.split_ascii_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let start = u64::from_str_radix(start, 16).ok()?;
            let end = u64::from_str_radix(end, 16).ok()?;
            if !(start..end).contains(&address) {
                return None;
            }
            let offset = u64::from_str_radix(words.nth(1)?, 16).ok()?;
            let path = &line[line.find('/')?..];
            Some((CString::new(path).ok()?, address - start + offset))
        })
        .ok_or_else(|| io::Error::other("this program's own code is in no file"))
}

/// Attaches to `probed` in this thread and passes there; `meanwhile` sees the probe in place.
fn pass_uprobe(probed: Probed, ref_ctr_offset: u64, meanwhile: impl FnOnce() -> Tried) -> Tried {
    let pmu = Kernel::running().uprobe_pmu()?;
    let program = trivial(bpf_prog_type::BPF_PROG_TYPE_KPROBE)?;
    let (path, offset) = place_in_file(probed as usize as u64)?;
    let event = Event::User {
        pmu,
        path: &path,
        offset,
        ref_ctr_offset,
        is_return: false,
        tid: Some(own_tid()),
    };
    let event = perf_event::attach(&event, program.as_fd())?;
    std::hint::black_box(probed(std::hint::black_box(0)));
    meanwhile()?;
    let mut hits = 0u64;
    // SAFETY: `hits` is writable for the 8 bytes that a perf event without a read format gives.
    let read = unsafe {
        libc::read(
            event.as_raw_fd(),
            (&raw mut hits).cast::<c_void>(),
            size_of::<u64>(),
        )
    };
    match (read, hits) {
        (8, 1) => Ok(()),
        (8, hits) => Err(Missing(format!("one pass was counted {hits} times"))),
        _ => Err(io::Error::last_os_error().into()),
    }
}

fn uprobe() -> Tried {
    pass_uprobe(probed, 0, || Ok(()))
}

fn reference_counter() -> Tried {
    let (_, offset) = place_in_file(&raw const SEMAPHORE as u64)?;
    pass_uprobe(probed_and_counted, offset, || {
        if SEMAPHORE.load(Ordering::SeqCst) > 0 {
            Ok(())
        } else {
            Err("the semaphore is not raised".into())
        }
    })
}

fn module_btf() -> Tried {
    let any = std::fs::read_dir("/sys/kernel/btf")?
        .flatten()
        .any(|entry| entry.file_name() != "vmlinux");
    if any {
        Ok(())
    } else {
        Err("no loaded module has any".into())
    }
}

fn recursion_misses() -> Tried {
    let program = trivial(bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT)?;
    match bpf::recursion_misses(program.as_fd())? {
        Some(_) => Ok(()),
        None => Err("not among a program's numbers".into()),
    }
}

fn atomic_fetch() -> Tried {
    /// BPF_STX | BPF_ATOMIC | BPF_DW, with BPF_ADD | BPF_FETCH.
    const FETCH_ADD: u64 = instruction(0xdb, 10, 1, -8, 1);
    /// BPF_ST | BPF_MEM | BPF_DW.
    const CLEAR: u64 = instruction(0x7a, 10, 0, -8, 0);
    let program = [CLEAR, set(1, 1), FETCH_ADD, set(0, 0), EXIT];
    bpf::load_program(bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT, &program)?;
    Ok(())
}

fn task_registers(config: &Config) -> Tried {
    if config.has_task_registers == 0 {
        return Err("no helper bpf_task_pt_regs".into());
    }
    let program = [
        call(bpf_func_id::BPF_FUNC_get_current_task_btf),
        copy(1, 0),
        call(bpf_func_id::BPF_FUNC_task_pt_regs),
        set(0, 0),
        EXIT,
    ];
    bpf::load_program(bpf_prog_type::BPF_PROG_TYPE_RAW_TRACEPOINT, &program)?;
    Ok(())
}

fn previous_state(config: &Config) -> Tried {
    if config.has_prev_state == 0 {
        return Err("not among sched_switch's arguments".into());
    }
    Ok(())
}
