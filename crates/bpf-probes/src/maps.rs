//! Every map: what it holds, who sets its size, and what happens when it is full.

use core::cell::UnsafeCell;

use abi::calls::{Call, StackKey};
use abi::config::{Config, Offsets};
use abi::control::{EDGES_BYTES, Edge, Losses, Windows};
use abi::durations::Durations;
use abi::irq::{HardIrqKey, HardIrqRow};
use abi::off_cpu::OffCpuKey;
use abi::recorder::{Record, RecorderCpu};
use abi::syscall::SyscallRow;
use abi::thread::record::{Rename, ThreadRecord};
use abi::upcall::UpcallKey;
use abi::waits::Waits;
use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, Queue, RingBuf, Stack};

const BPF_F_MMAPABLE: u32 = 1 << 10;
/// `BPF_RB_NO_WAKEUP`, for what is put into a ring buffer: user space looks by itself. To wake it would take longer than what
/// is handed over.
pub const NO_WAKEUP: u64 = 1;
/// `BPF_RB_FORCE_WAKEUP`. Left to itself the ring buffer wakes only whom it has nothing older for.
pub const FORCE_WAKEUP: u64 = 2;

/// For what is looked up in it: its other fields are constants in the instructions, see `config!`.
#[unsafe(no_mangle)]
pub static CONFIG: Global<Config> = Global::new(Config::UNSET);

/// Where a field of the configuration is.
macro_rules! config_place {
    ($($field:ident).+ $([$index:literal])?) => {
        core::mem::offset_of!(abi::config::Config, $($field).+) $(+ $index * size_of::<u32>())?
    };
}
pub(crate) use config_place;

/// One field of the configuration: a constant in the instructions, once the loader has put it there.
macro_rules! config {
    ($($field:ident).+ $([$index:literal])?) => {{
        use abi::config::Config;
        use $crate::maps::{bytes_of_field, config_place, to_field};
        const PLACEHOLDER: u64 = abi::placeholder::constant(
            config_place!($($field).+ $([$index])?),
            bytes_of_field(|config: &Config| config.$($field).+ $([$index])?),
        );
        let bits: u64;
        #[allow(unused_unsafe, reason = "some uses stand inside an unsafe block")]
        // SAFETY: it moves a constant into a register. That has as many bits as the field. Not `pure`: kept from one use to the next
        // it would be kept on the stack, which costs more than the constant.
        unsafe {
            core::arch::asm!(
                "{bits} = {placeholder} ll",
                bits = out(reg) bits,
                placeholder = const PLACEHOLDER,
                options(nomem, nostack, preserves_flags),
            );
            to_field(|config: &Config| config.$($field).+ $([$index])?, bits)
        }
    }};
}
pub(crate) use config;

pub const fn bytes_of_field<T>(_: fn(&Config) -> T) -> usize {
    size_of::<T>()
}

/// # Safety
/// `bits` has no more of them than the field.
#[inline(always)]
pub unsafe fn to_field<T: Field>(_: fn(&Config) -> T, bits: u64) -> T {
    // SAFETY: the caller's.
    unsafe { T::of(bits) }
}

/// What a field of the configuration may be.
pub trait Field {
    /// # Safety
    /// As of [`to_field`].
    unsafe fn of(bits: u64) -> Self;
}

impl Field for u32 {
    #[inline(always)]
    unsafe fn of(bits: u64) -> Self {
        // SAFETY: the caller's. The compiler, which does not know it, would cut them off.
        unsafe { core::hint::assert_unchecked(bits <= Self::MAX.into()) };
        bits as Self
    }
}

impl Field for u64 {
    #[inline(always)]
    unsafe fn of(bits: u64) -> Self {
        bits
    }
}

/// Whether a call is in one of the configuration's sets of calls.
macro_rules! config_has {
    ($($field:ident).+, $key:expr) => {{
        use abi::config::{CALL_WORDS, Config, Events};
        let (word, bit) = Events::place($key);
        let config = (&raw const $crate::maps::CONFIG).cast::<Config>();
        // SAFETY: `Global` is transparent over `Config`, which is always initialised; the index is masked to the array's length. The
        // volatile read keeps the compiler from folding the value that the object file happens to hold.
        let bits = unsafe {
            (&raw const (*config).$($field).+)
                .cast::<u64>()
                .add(abi::jumpless::bounded::<CALL_WORDS>(word))
                .read_volatile()
        };
        bits >> bit & 1 != 0
    }};
}
pub(crate) use config_has;

const _: () =
    assert!(size_of::<Global<Config>>() == size_of::<Config>() && size_of::<Offsets>() == 192);

/// The windows. In a data section, because the programs then have its address and need no look-up.
#[unsafe(link_section = ".data.windows")]
#[unsafe(no_mangle)]
pub static WINDOWS: State = State(UnsafeCell::new(Windows::EMPTY));

#[repr(transparent)]
pub struct State(pub UnsafeCell<Windows>);

// SAFETY: each field is read and written whole, with volatile accesses, and has one writer at a time (see `window`).
unsafe impl Sync for State {}

/// Holds one entry, which is the right to open windows and to tell of their edges: eBPF has no compare-and-exchange before Linux 5.12.
#[map]
pub static CHANGE: Queue<u32> = Queue::with_max_entries(1, 0);

/// The number of the latest window, until somebody closes it: who takes it out does.
#[map]
pub static CLOSABLE: HashMap<u32, u32> = HashMap::with_max_entries(4, 0);

/// Ends of windows that came while somebody else had that right, who then tells of them.
#[map]
pub static DEFERRED_EDGES: Queue<Edge> = Queue::with_max_entries(4, 0);

/// Where a trigger at a function's entry and one at its return are a pair: the outermost call on each stack. Sized by the loader. Full:
/// the one that was used longest ago is forgotten.
#[map]
pub static CALLS: LruHashMap<StackKey, Call> = LruHashMap::with_max_entries(1, 0);

/// The windows' edges, for user space, which waits for them.
#[map]
pub static EDGES: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);

/// A direct-mapped cache in front of `THREAD_OF_TASK`, by tid: the record's index. Only a hint: the record itself says
/// whose it is. Of fixed size, so that it can be in a data section; 4096 threads at once have a place of their own.
#[unsafe(link_section = ".bss.hints")]
#[unsafe(no_mangle)]
pub static HINTS: Hints = Hints(UnsafeCell::new([0; HINT_COUNT]));

pub const HINT_COUNT: usize = 4096;

#[repr(transparent)]
pub struct Hints(UnsafeCell<[u32; HINT_COUNT]>);

// SAFETY: each entry is read and written whole, with volatile accesses, and any value is a valid hint.
unsafe impl Sync for Hints {}

impl Hints {
    /// The place of a tid's hint.
    #[inline(always)]
    pub fn place(&self, tid: u32) -> *mut u32 {
        // SAFETY: the index is masked to the array's length.
        unsafe {
            self.0
                .get()
                .cast::<u32>()
                .add(tid as usize & (HINT_COUNT - 1))
        }
    }
}

/// The loss counters.
#[map]
pub static LOSSES: Array<Losses> = Array::with_max_entries(1, BPF_F_MMAPABLE);

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

/// The threads that have ended ([`abi::thread::record::Ended`]): user space reads their records, and gives them back, while
/// the window is open. Sized by the loader for more than there are records. Full: the record waits for the window's end.
#[map]
pub static ENDED: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);

/// Task address → the name that another thread gave it in this window. As large as `THREADS`. Full: counted as lost.
#[map]
pub static RENAMES: HashMap<u64, Rename> = HashMap::with_max_entries(1, 0);

/// System call rows, in chunks of `ROWS_PER_CHUNK`; sized by the loader.
#[map]
pub static SYSCALL_ROWS: Array<SyscallRow> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The free chunks of `SYSCALL_ROWS`. Empty: the call is counted as lost.
#[map]
pub static FREE_CHUNKS: Stack<u32> = Stack::with_max_entries(1, 0);

/// Recorded calls, on their way to user space; sized by the loader. Full: counted as lost.
#[map]
pub static SYSCALL_EVENTS: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);

/// Those that come with stacks: sized by the loader. Full: counted, and the call goes into `SYSCALL_EVENTS` without.
#[map]
pub static STACKED_EVENTS: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);

/// Time blocked, by thread and stack; sized by the loader. Full: counted as lost.
#[map]
pub static OFF_CPU: HashMap<OffCpuKey, Durations> = HashMap::with_max_entries(1, 0);

/// What new keys of `OFF_CPU` stand for. Full: the key is not used, which is counted.
#[map]
pub static OFF_CPU_STACKS: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);

/// By the index of the thread's record; as large as `THREADS` where stacks are.
#[map]
pub static WAITS: Array<Waits> = Array::with_max_entries(1, 0);

/// Sized by the loader from the number of threads. Full: counted as lost.
#[map]
pub static HARD_IRQS: HashMap<HardIrqKey, HardIrqRow> = HashMap::with_max_entries(1, 0);

/// The monitored processes, where there are several; sized by the loader. Full: a followed child is not monitored, and counted
/// as lost.
#[map]
pub static TARGETS: HashMap<u32, u32> = HashMap::with_max_entries(1, 0);

/// What each CPU is doing; as many as the machine may have.
#[map]
pub static RECORDER_CPUS: Array<RecorderCpu> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The rings of all CPUs, one behind the other; sized by the loader. Each is overwritten from its beginning when it is full: user space
/// has read it by then, or counts what it has missed.
#[map]
pub static RECORDS: Array<Record> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The CPUs of which a part of the ring was filled ([`abi::recorder::PART_SHIFT`]). Full: user space is on its way.
#[map]
pub static FULL_PARTS: RingBuf = RingBuf::with_byte_size(EDGES_BYTES, 0);

/// The pids of tasks whose names are recorded, each in its place; only a hint, as [`HINTS`].
#[unsafe(link_section = ".bss.named")]
#[unsafe(no_mangle)]
pub static NAMED: Hints = Hints(UnsafeCell::new([0; HINT_COUNT]));

/// Sized by the loader, where they are counted. Full: counted as lost.
#[map]
pub static UPCALLS: HashMap<UpcallKey, u64> = HashMap::with_max_entries(1, 0);
