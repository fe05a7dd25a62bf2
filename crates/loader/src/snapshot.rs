//! From the maps of a closed window to the threads of a sample, and the maps' return to the free state.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ptr;

use aya::maps::{Array, HashMap as BpfHashMap, Map, MapData, Stack};
use bpf_probes::abi::control::{Losses, Window};
use bpf_probes::abi::histogram::Histogram;
use bpf_probes::abi::irq::{HardIrqKey, HardIrqRow};
use bpf_probes::abi::syscall::{ROWS_PER_CHUNK, SyscallKey, SyscallRow};
use bpf_probes::abi::thread::{Activity, Durations, SyscallPhase, ThreadRecord};

use crate::error::{Error, ErrorKind, Result};
use crate::mapped::MappedArray;
use crate::probes::{Probes, map_data};
use crate::proc_stat::printable;
use crate::sample::{
    Budget, HardIrq, Interval, Ready, Run, SoftIrq, Stopped, SyscallStatistics, Thread,
};
use crate::syscall_names;

/// From `include/linux/interrupt.h`; the order is part of the kernel's interface to its tracepoints.
const SOFT_IRQ_NAMES: [&str; 10] = [
    "hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu",
];

const HARD_IRQ_KEY_BYTES: usize = size_of::<HardIrqKey>();
const HARD_IRQ_ROW_BYTES: usize = size_of::<HardIrqRow>();

pub struct Maps {
    /// Keeps the mapped maps' descriptors: programs are loaded after the maps are made, and name them by these.
    _mapped: Vec<Map>,
    window: Array<MapData, [u8; size_of::<Window>()]>,
    losses: MappedArray<Losses>,
    threads: MappedArray<ThreadRecord>,
    rows: MappedArray<SyscallRow>,
    free_threads: Stack<MapData, u32>,
    free_chunks: Stack<MapData, u32>,
    hard_irqs: BpfHashMap<MapData, [u8; HARD_IRQ_KEY_BYTES], [u8; HARD_IRQ_ROW_BYTES]>,
    thread_of_task: BpfHashMap<MapData, u64, u32>,
    targets: BpfHashMap<MapData, u32, u8>,
}

/// What the records of a window hold.
pub struct Seen {
    pub threads: Vec<SeenThread>,
    pub negative_intervals: u64,
    pub switches_missed: u64,
}

/// A thread of the window, and what the records alone do not say.
pub struct SeenThread {
    pub thread: Thread,
    pub begin_ns: u64,
    /// On a CPU all along without a system call: user code or one long call.
    pub needs_cpu_mode: bool,
    /// Blocked since before the window in a call that the records do not name.
    pub needs_syscall: bool,
}

fn map_error(error: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a map of the probes cannot be used: {error}"),
    )
}

impl Maps {
    pub fn new(probes: &mut Probes) -> Result<Self> {
        fn mapped<T>(
            probes: &mut Probes,
            name: &str,
            kept: &mut Vec<Map>,
        ) -> Result<MappedArray<T>> {
            let map = probes.take_map(name)?;
            let data = map_data(&map)?;
            let length = data.info().map_err(map_error)?.max_entries() as usize;
            let values = MappedArray::new(std::os::fd::AsFd::as_fd(data.fd()), length)
                .map_err(|error| Error::io(format!("mapping {name}"), &error))?;
            kept.push(map);
            Ok(values)
        }
        fn other<T: TryFrom<Map, Error = aya::maps::MapError>>(
            probes: &mut Probes,
            name: &str,
        ) -> Result<T> {
            T::try_from(probes.take_map(name)?).map_err(map_error)
        }
        let mut kept = Vec::new();
        let mut maps = Self {
            window: other(probes, ".data.window")?,
            losses: mapped(probes, "LOSSES", &mut kept)?,
            threads: mapped(probes, "THREADS", &mut kept)?,
            rows: mapped(probes, "SYSCALL_ROWS", &mut kept)?,
            free_threads: other(probes, "FREE_THREADS")?,
            free_chunks: other(probes, "FREE_CHUNKS")?,
            hard_irqs: other(probes, "HARD_IRQS")?,
            thread_of_task: other(probes, "THREAD_OF_TASK")?,
            targets: other(probes, "TARGETS")?,
            _mapped: kept,
        };
        // Pushed from the end, so that the first threads share pages.
        for slot in (0..maps.threads.len() as u32).rev() {
            maps.free_threads.push(slot, 0).map_err(map_error)?;
        }
        for chunk in (0..maps.rows.len() as u32 / ROWS_PER_CHUNK).rev() {
            maps.free_chunks.push(chunk, 0).map_err(map_error)?;
        }
        Ok(maps)
    }

    pub fn add_target(&mut self, pid: u32) -> Result<()> {
        self.targets.insert(pid, 1, 0).map_err(map_error)
    }

    /// The processes of the set, followed children included.
    pub fn targets(&self) -> Result<Vec<u32>> {
        self.targets
            .keys()
            .collect::<std::result::Result<_, _>>()
            .map_err(map_error)
    }

    /// Opens a window: `stop_ns` is stored last, and until then no program takes part.
    pub fn open_window(&mut self, window: Window) -> Result<()> {
        if let Some(losses) = self.losses.value(0) {
            // SAFETY: inside the mapping, which lives as long as `self`; no window is open, so nobody counts.
            unsafe { losses.write_volatile(Losses::default()) };
        }
        self.set_window(Window {
            stop_ns: 0,
            ..window
        })?;
        self.set_window(window)
    }

    /// Also while the window is open, to close it: nothing but `stop_ns` changes then.
    pub fn set_window(&mut self, window: Window) -> Result<()> {
        // SAFETY: `Window` is `repr(C)` without padding (asserted where it is defined): all its bytes are values.
        let bytes: [u8; size_of::<Window>()] = unsafe { std::mem::transmute(window) };
        self.window.set(0, bytes, 0).map_err(map_error)
    }

    pub fn losses(&self) -> Losses {
        // SAFETY: inside the mapping, and integers.
        self.losses
            .value(0)
            .map_or(Losses::default(), |losses| unsafe {
                losses.read_volatile()
            })
    }

    /// The threads that had events in this window. No program may be writing any more.
    pub fn threads(
        &self,
        window: u32,
        stop_ns: u64,
        stopped_at_start: &HashSet<u32>,
    ) -> Result<Seen> {
        let mut irqs = self.hard_irqs_by_slot()?;
        let mut negative_intervals = 0;
        let mut switches_missed = 0;
        let mut seen = Vec::new();
        for (mut record, twin) in self.records(window) {
            let open_call = record.closed(stop_ns);
            negative_intervals +=
                record.negative_intervals + u64::from(record.irq_negative_intervals);
            switches_missed += record.switches_missed;
            let mut hard_irqs = irqs.remove(&record.slot).unwrap_or_default();
            hard_irqs.extend(twin.and_then(|slot| irqs.remove(&slot)).unwrap_or_default());
            let syscalls = self.syscalls(&record, open_call)?;
            seen.push(describe(
                record,
                syscalls,
                hard_irqs,
                stop_ns,
                stopped_at_start,
            ));
        }
        Ok(Seen {
            threads: seen,
            negative_intervals,
            switches_missed,
        })
    }

    /// A copy of each thread's record, and the slot of the second one that an interrupt may have made for it.
    fn records(&self, window: u32) -> Vec<(ThreadRecord, Option<u32>)> {
        let mut records: Vec<(ThreadRecord, Option<u32>)> = Vec::new();
        let mut by_thread: HashMap<(u64, u64), usize> = HashMap::new();
        for record in self.used(window) {
            // SAFETY: the record lies in the mapping, and nobody writes it (the grace period is over). The programs
            // store only valid values of its enums.
            let record = unsafe { ptr::read(record) };
            match by_thread.entry((record.task, record.start_time_ns)) {
                Entry::Vacant(entry) => {
                    entry.insert(records.len());
                    records.push((record, None));
                }
                Entry::Occupied(entry) => {
                    let (first, twin) = &mut records[*entry.get()];
                    let mut second = record;
                    if first.activity == Activity::Unseen {
                        std::mem::swap(first, &mut second);
                    }
                    first.absorb_irqs(&second);
                    *twin = Some(second.slot);
                }
            }
        }
        records
    }

    fn used(&self, window: u32) -> impl Iterator<Item = *mut ThreadRecord> {
        (0..self.threads.len()).filter_map(move |slot| {
            let record = self.threads.value(slot)?.as_ptr();
            // SAFETY: the record lies in the mapping.
            (unsafe { (&raw const (*record).window).read_volatile() } == window).then_some(record)
        })
    }

    /// Calls `visit` with each row of a record. A broken chain is an error, not an endless walk.
    fn for_rows(
        &self,
        record: &ThreadRecord,
        mut visit: impl FnMut(*mut SyscallRow, u32),
    ) -> Result<()> {
        let mut left = self.rows.len();
        for &head in &record.rows {
            let mut next = head;
            while next != 0 {
                let row = self
                    .rows
                    .value(next as usize - 1)
                    .filter(|_| left > 0)
                    .ok_or_else(|| {
                        Error::new(
                            ErrorKind::Internal,
                            format!("the rows of thread {} are damaged", record.tid),
                        )
                    })?;
                left -= 1;
                // SAFETY: the row lies in the mapping.
                let following = unsafe { (&raw const (*row.as_ptr()).next).read_volatile() };
                visit(row.as_ptr(), next - 1);
                next = following;
            }
        }
        Ok(())
    }

    fn syscalls(
        &self,
        record: &ThreadRecord,
        mut open_call: Option<(SyscallKey, u64)>,
    ) -> Result<Vec<SyscallStatistics>> {
        let mut syscalls = Vec::new();
        self.for_rows(record, |row, _| {
            // SAFETY: the row lies in the mapping, and nobody writes it.
            let row = unsafe { ptr::read(row) };
            let mut in_flight_ns = row.in_flight_ns;
            if let Some((_, open_ns)) = open_call.take_if(|(key, _)| *key == row.key) {
                in_flight_ns += open_ns;
            }
            syscalls.push(SyscallStatistics {
                count: row.durations.count as i64,
                total_ns: row.durations.total_ns as i64,
                max_ns: row.durations.max_ns as i64,
                histogram: histogram(&row.histogram, row.durations.count),
                ..in_flight(row.key, in_flight_ns)
            });
        })?;
        if let Some((key, open_ns)) = open_call {
            syscalls.push(in_flight(key, open_ns));
        }
        Ok(syscalls)
    }

    fn hard_irqs_by_slot(&self) -> Result<HashMap<u32, Vec<HardIrq>>> {
        let mut by_slot: HashMap<u32, Vec<HardIrq>> = HashMap::new();
        for entry in self.hard_irqs.iter() {
            let (key, row) = entry.map_err(map_error)?;
            // SAFETY: both are plain integers and byte arrays of exactly these sizes.
            let (key, row) = unsafe {
                (
                    key.as_ptr().cast::<HardIrqKey>().read_unaligned(),
                    row.as_ptr().cast::<HardIrqRow>().read_unaligned(),
                )
            };
            by_slot.entry(key.slot).or_default().push(HardIrq {
                name: name_of(&row.name),
                irq: key.irq,
                count: row.durations.count as i64,
                total_ns: row.durations.total_ns as i64,
                max_ns: row.durations.max_ns as i64,
            });
        }
        Ok(by_slot)
    }

    /// Makes every record and row of the window free again. No program may be writing.
    pub fn reset(&mut self, window: u32) -> Result<()> {
        let used: Vec<*mut ThreadRecord> = self.used(window).collect();
        for record in used {
            // SAFETY: the record lies in the mapping, and nobody writes it.
            let copy = unsafe { ptr::read(record) };
            let mut chunks: HashSet<u32> = HashSet::new();
            if copy.chunk_left != 0 {
                chunks.insert(copy.chunk);
            }
            self.for_rows(&copy, |row, index| {
                chunks.insert(index / ROWS_PER_CHUNK);
                // SAFETY: as above; a row of zeros is a free row.
                unsafe { ptr::write_bytes(row, 0, 1) };
            })?;
            // SAFETY: as above; a record of zeros is a free record.
            unsafe { ptr::write_bytes(record, 0, 1) };
            self.free_threads.push(copy.slot, 0).map_err(map_error)?;
            for chunk in chunks {
                self.free_chunks.push(chunk, 0).map_err(map_error)?;
            }
        }
        let irqs: Vec<_> = self
            .hard_irqs
            .keys()
            .collect::<std::result::Result<_, _>>()
            .map_err(map_error)?;
        for key in irqs {
            self.hard_irqs.remove(&key).map_err(map_error)?;
        }
        if self.losses().thread_events > 0 {
            // The dead leave the map at their last switch; what was missed there must not fill it.
            let tasks: Vec<u64> = self
                .thread_of_task
                .keys()
                .collect::<std::result::Result<_, _>>()
                .map_err(map_error)?;
            for task in tasks {
                // A thread that ends at this moment removes its own entry.
                let _ = self.thread_of_task.remove(&task);
            }
        }
        Ok(())
    }
}

fn describe(
    record: ThreadRecord,
    syscalls: Vec<SyscallStatistics>,
    hard_irqs: Vec<HardIrq>,
    stop_ns: u64,
    stopped_at_start: &HashSet<u32>,
) -> SeenThread {
    let mut spent = record.accumulated_ns;
    let mut stopped_clipped_ns = record.stopped_clipped_ns;
    if record.first_blocked_ns > 0 && stopped_at_start.contains(&record.tid) {
        spent[Activity::Blocked as usize] -= record.first_blocked_ns;
        spent[Activity::Stopped as usize] += record.first_blocked_ns;
        stopped_clipped_ns += record.first_blocked_ns;
    }
    let of = |activity: Activity| spent[activity as usize] as i64;
    // A program may see a window's end too late, if user space was held up while it set it; what it counted stays.
    let end_ns = if record.end_ns != 0 {
        record.end_ns
    } else {
        stop_ns.max(record.since_ns)
    };
    let ready_count = record.woken.count + record.preempted.count;
    let thread = Thread {
        pid: record.tgid,
        tid: record.tid,
        comm: name_of(&record.comm),
        exited: record.activity == Activity::Ended,
        syscalls,
        run: Run {
            count: record.run.count as i64,
            total_ns: record.run.total_ns as i64,
            min_ns: (record.run.count > 0).then_some(record.run_min_ns as i64),
            max_ns: max_ns(&record.run),
            clipped_ns: record.run_clipped_ns as i64,
            histogram: histogram(&record.run_histogram, record.run.count),
        },
        ready: Ready {
            count: ready_count as i64,
            total_ns: (record.woken.total_ns + record.preempted.total_ns) as i64,
            max_ns: max_ns(&record.woken).max(max_ns(&record.preempted)),
            clipped_ns: record.ready_clipped_ns as i64,
            woken: interval(&record.woken),
            preempted: interval(&record.preempted),
            histogram: histogram(&record.ready_histogram, ready_count),
        },
        stopped: Stopped {
            count: record.stopped.count as i64,
            total_ns: record.stopped.total_ns as i64,
            max_ns: max_ns(&record.stopped),
            clipped_ns: stopped_clipped_ns as i64,
        },
        hard_irqs,
        soft_irqs: soft_irqs(&record),
        budget: Budget {
            wall_ns: end_ns.saturating_sub(record.begin_ns) as i64,
            user_ns: of(Activity::User),
            kernel_ns: of(Activity::Kernel),
            ready_woken_ns: of(Activity::ReadyWoken),
            ready_preempted_ns: of(Activity::ReadyPreempted),
            blocked_ns: of(Activity::Blocked),
            stopped_ns: of(Activity::Stopped),
            hard_irq_ns: of(Activity::HardIrq),
            soft_irq_ns: of(Activity::SoftIrq),
            unknown_ns: of(Activity::Unseen)
                + of(Activity::OnCpu)
                + of(Activity::ReadyUnknown)
                + of(Activity::Lost),
        },
    };
    let phase_unknown = record.phase == SyscallPhase::Unknown;
    SeenThread {
        begin_ns: record.begin_ns,
        needs_cpu_mode: phase_unknown && record.activity == Activity::OnCpu,
        needs_syscall: phase_unknown
            && matches!(record.activity, Activity::Blocked | Activity::Stopped),
        thread,
    }
}

/// A call of which the window saw no whole one.
pub fn in_flight(key: SyscallKey, in_flight_ns: u64) -> SyscallStatistics {
    SyscallStatistics {
        name: syscall_names::name(key),
        number: key.number(),
        abi: syscall_names::abi_name(key.abi()).to_owned(),
        in_flight_ns: in_flight_ns as i64,
        histogram: Some(vec![0; bpf_probes::abi::histogram::BUCKETS]),
        ..SyscallStatistics::default()
    }
}

fn soft_irqs(record: &ThreadRecord) -> Vec<SoftIrq> {
    let used = record
        .soft_irqs
        .iter()
        .enumerate()
        .filter(|(_, durations)| durations.count > 0);
    used.map(|(vector, durations)| SoftIrq {
        name: SOFT_IRQ_NAMES
            .get(vector)
            .map_or_else(|| format!("softirq_{vector}"), |&name| name.to_owned()),
        vector: vector as u32,
        count: durations.count as i64,
        total_ns: durations.total_ns as i64,
        max_ns: durations.max_ns as i64,
    })
    .collect()
}

fn interval(durations: &Durations) -> Interval {
    Interval {
        count: durations.count as i64,
        total_ns: durations.total_ns as i64,
        max_ns: max_ns(durations),
    }
}

fn max_ns(durations: &Durations) -> Option<i64> {
    (durations.count > 0).then_some(durations.max_ns as i64)
}

/// The buckets are 32 bits wide: when one has wrapped, the sum no longer is the count, and the histogram is unknown.
fn histogram(histogram: &Histogram, count: u64) -> Option<Vec<u32>> {
    let sum: u64 = histogram.iter().map(|&bucket| u64::from(bucket)).sum();
    (sum == count).then(|| histogram.to_vec())
}

fn name_of(bytes: &[u8]) -> String {
    printable(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
}
