//! Every map: what it holds, who sets its size, and what happens when it is full.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, Stack};
use bpf_probes::abi::config::{Config, Offsets};
use bpf_probes::abi::control::Control;
use bpf_probes::abi::irq::{HardIrqKey, HardIrqRow};
use bpf_probes::abi::syscall::SyscallRow;
use bpf_probes::abi::thread::ThreadRecord;

const BPF_F_MMAPABLE: u32 = 1 << 10;

#[unsafe(no_mangle)]
pub static CONFIG: Global<Config> = Global::new(Config::UNSET);

/// One field of the configuration: the verifier sees a constant.
macro_rules! config {
    ($($field:ident).+) => {{
        let config = &raw const $crate::maps::CONFIG;
        #[allow(unused_unsafe, reason = "some uses stand inside an unsafe block")]
        // SAFETY: `Global` is transparent over `Config`, which is always initialised; the volatile read keeps the
        // compiler from folding the value that the object file happens to hold.
        let value =
            unsafe { core::ptr::read_volatile(&raw const (*config.cast::<bpf_probes::abi::config::Config>()).$($field).+) };
        value
    }};
}
pub(crate) use config;

const _: () = assert!(size_of::<Global<Config>>() == size_of::<Config>() && size_of::<Offsets>() == 40);

/// The window and the loss counters.
#[map]
pub static CONTROL: Array<Control> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// One record per thread and window; sized by the loader from the number of threads.
#[map]
pub static THREADS: Array<ThreadRecord> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The free entries of `THREADS`, refilled by user space after each window. Empty: the event is counted as lost.
/// A stack and not a counter, because eBPF has no fetching atomics before Linux 5.12.
#[map]
pub static FREE_THREADS: Stack<u32> = Stack::with_max_entries(1, 0);

/// Task address → entry of `THREADS`. As large as `THREADS`. Entries leave when their thread does.
#[map]
pub static THREAD_OF_TASK: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);

/// A direct-mapped cache in front of `THREAD_OF_TASK`, by tid. Only a hint: the record itself says whose it is.
#[map]
pub static HINTS: Array<u32> = Array::with_max_entries(1, 0);

/// System call rows, in chunks of `ROWS_PER_CHUNK`; sized by the loader.
#[map]
pub static SYSCALL_ROWS: Array<SyscallRow> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The free chunks of `SYSCALL_ROWS`. Empty: the call is counted as lost.
#[map]
pub static FREE_CHUNKS: Stack<u32> = Stack::with_max_entries(1, 0);

/// Hard interrupts are few kinds, and rare next to system calls. Full: counted as lost.
#[map]
pub static HARD_IRQS: HashMap<HardIrqKey, HardIrqRow> = HashMap::with_max_entries(1024, 0);

/// The monitored processes, where there are several. Full: a followed child is not monitored, and counted as lost.
#[map]
pub static TARGETS: HashMap<u32, u8> = HashMap::with_max_entries(16384, 0);
