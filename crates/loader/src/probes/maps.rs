//! The probes' maps: records and rows are given out and taken back through these.
//!
//! Several threads may use them: a record belongs to whoever takes in its window's threads, the kernel locks its own tables, and
//! what has one reader or writer at a time has a lock of its own, which nobody holds for longer than a system call.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use abi::control::{Command, Losses};
use abi::durations::Durations;
use abi::irq::{HardIrqKey, HardIrqRow};
use abi::off_cpu::OffCpuKey;
use abi::syscall::{ROWS_PER_CHUNK, SyscallRow};
use abi::thread::record::{Ended, Rename, ThreadRecord};
use aya::maps::{Map, MapData, MapError, RingBuf, Stack};

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::probes::control;
use crate::probes::mapped::MappedArray;
use crate::probes::object::Probes;
use crate::probes::row_map::RowMap;

pub struct Maps {
    /// Keeps the mapped maps' descriptors: programs are loaded after the maps are made, and name them by these.
    _mapped: Vec<Map>,
    losses: MappedArray<Losses>,
    threads: MappedArray<ThreadRecord>,
    rows: MappedArray<SyscallRow>,
    free_threads: Mutex<Stack<MapData, u32>>,
    free_chunks: Mutex<Stack<MapData, u32>>,
    pub hard_irqs: RowMap<HardIrqKey, HardIrqRow>,
    pub off_cpu: RowMap<OffCpuKey, Durations>,
    thread_of_task: RowMap<u64, u32>,
    targets: RowMap<u32, u32>,
    ended: Mutex<RingBuf<MapData>>,
    renames: RowMap<u64, Rename>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn map_error(error: impl std::error::Error + 'static) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("a map of the probes cannot be used: {error}"),
    )
    .cause(Cause::of(&error))
}

fn map_data(map: &Map) -> Result<&MapData> {
    match map {
        Map::Array(data) => Ok(data),
        _ => Err(Error::new(
            ErrorKind::Internal,
            "a map of the eBPF object is of an unexpected type",
        )),
    }
}

/// An array's values; the map itself is kept for as long as these are.
pub(super) fn mapped<T>(
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

impl Maps {
    pub fn new(probes: &mut Probes) -> Result<Self> {
        fn other<T: TryFrom<Map, Error = MapError>>(probes: &mut Probes, name: &str) -> Result<T> {
            T::try_from(probes.take_map(name)?).map_err(map_error)
        }
        let mut kept = Vec::new();
        Ok(Self {
            losses: mapped(probes, "LOSSES", &mut kept)?,
            threads: mapped(probes, "THREADS", &mut kept)?,
            rows: mapped(probes, "SYSCALL_ROWS", &mut kept)?,
            free_threads: Mutex::new(other(probes, "FREE_THREADS")?),
            free_chunks: Mutex::new(other(probes, "FREE_CHUNKS")?),
            hard_irqs: RowMap::new(probes, "HARD_IRQS")?,
            off_cpu: RowMap::new(probes, "OFF_CPU")?,
            thread_of_task: RowMap::new(probes, "THREAD_OF_TASK")?,
            targets: RowMap::new(probes, "TARGETS")?,
            ended: Mutex::new(other(probes, "ENDED")?),
            renames: RowMap::new(probes, "RENAMES")?,
            _mapped: kept,
        })
    }

    /// Fills the lists of free records and chunks, which are empty when they are made.
    pub fn fill(&self, probes: &Probes) -> Result<()> {
        let chunks = self.rows.len() as u32 / ROWS_PER_CHUNK;
        control::fill(probes, Command::FillThreads, self.threads.len() as u32)?;
        control::fill(probes, Command::FillChunks, chunks)
    }

    /// By the kernel's own number; and as it is reported.
    pub fn add_target(&self, tgid: u32, pid: u32) -> Result<()> {
        self.targets.insert(&tgid, &pid)
    }

    /// The one that is reported as this.
    pub fn remove_target(&self, pid: u32) -> Result<()> {
        let rows = self.targets.rows()?;
        let mut its = rows.iter().filter(|(_, reported)| *reported == pid);
        its.try_for_each(|(tgid, _)| self.targets.remove(tgid))
    }

    /// The processes of the set, followed children included.
    pub fn targets(&self) -> Result<Vec<u32>> {
        let rows = self.targets.rows()?;
        Ok(rows.into_iter().map(|(_, pid)| pid).collect())
    }

    /// What has been lost since the maps were made.
    pub fn losses(&self) -> Losses {
        // SAFETY: inside the mapping, and integers.
        self.losses
            .value(0)
            .map_or(Losses::default(), |losses| unsafe {
                losses.read_volatile()
            })
    }

    /// The record with this index.
    pub fn record(&self, slot: u32) -> Option<*mut ThreadRecord> {
        Some(self.threads.value(slot as usize)?.as_ptr())
    }

    /// Every record, free or not.
    pub fn records(&self) -> impl Iterator<Item = *mut ThreadRecord> {
        (0..self.threads.len()).filter_map(|slot| Some(self.threads.value(slot)?.as_ptr()))
    }

    /// The records of a window.
    pub fn used(&self, window: u32) -> impl Iterator<Item = *mut ThreadRecord> {
        self.records().filter(move |&record| {
            // SAFETY: the record lies in the mapping. A program may be writing it; the field is read whole.
            let of = unsafe { (&raw const (*record).window).read_volatile() };
            of == window
        })
    }

    /// Calls `visit` with each row of a record. A broken chain is an error, not an endless walk.
    pub fn for_rows(
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

    /// Names that threads were given by others in this window, by task address.
    pub fn renames(&self) -> Result<HashMap<u64, Rename>> {
        Ok(self.renames.rows()?.into_iter().collect())
    }

    /// Forgets those of this window and of the ones before it.
    pub fn forget_renames(&self, window: u32) -> Result<()> {
        for (task, rename) in self.renames.rows()? {
            if rename.window <= window {
                // Its thread may have taken it over by now.
                self.renames.remove(&task)?;
            }
        }
        Ok(())
    }

    /// The threads that have ended since the last call.
    pub fn take_ended(&self) -> Vec<Ended> {
        let mut ended = Vec::new();
        let mut ring = lock(&self.ended);
        while let Some(item) = ring.next() {
            if item.len() == size_of::<Ended>() {
                // SAFETY: the programs put only whole entries into the ring buffer: plain integers.
                ended.push(unsafe { item.as_ptr().cast::<Ended>().read_unaligned() });
            }
        }
        ended
    }

    /// Readable while threads have ended that were not taken; and who waits for it is woken by a crowd of them.
    /// A descriptor of its own: the maps may go before it.
    pub fn ended_fd(&self) -> io::Result<OwnedFd> {
        // SAFETY: the map's descriptor, which lives as long as the map.
        unsafe { BorrowedFd::borrow_raw(lock(&self.ended).as_raw_fd()) }.try_clone_to_owned()
    }

    /// Makes a record and its rows free again. No program may be using them. Who reads it at the same time finds its window gone.
    pub fn free(&self, record: *mut ThreadRecord) -> Result<()> {
        // SAFETY: the record lies in the mapping, and nobody writes it. The programs store only valid values of its enums.
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
        // SAFETY: as above; the window is the first to go. A record of zeros is a free record.
        unsafe {
            (&raw mut (*record).window).write_volatile(0);
            fence(Ordering::Release);
            ptr::write_bytes(record, 0, 1);
        }
        lock(&self.free_threads)
            .push(copy.slot, 0)
            .map_err(map_error)?;
        for chunk in chunks {
            lock(&self.free_chunks).push(chunk, 0).map_err(map_error)?;
        }
        Ok(())
    }

    /// The tasks that have records, or had some.
    pub fn tasks(&self) -> Result<Vec<u64>> {
        let rows = self.thread_of_task.rows()?;
        Ok(rows.into_iter().map(|(task, _)| task).collect())
    }

    /// Its record, if it has one, is not found by it any more.
    pub fn forget_task(&self, task: u64) -> Result<()> {
        // A thread that ends at this moment removes its own entry.
        self.thread_of_task.remove(&task)
    }
}
