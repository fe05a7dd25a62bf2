//! A hash of rows that the programs make and user space reads and forgets: many at a time, because a look-up of each would take
//! two system calls. The kernel locks what it must, so several threads may use one.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};

use abi::durations::Durations;
use abi::irq::{HardIrqKey, HardIrqRow};
use abi::off_cpu::OffCpuKey;
use abi::thread::record::Rename;
use abi::upcall::UpcallKey;
use aya::maps::{Map, MapData};

use crate::error::{Cause, Error, ErrorKind, Result};
use crate::kernel::bpf;
use crate::probes::object::Probes;

/// What a map holds as it is.
///
/// # Safety
/// Integers and arrays of integers, for which any bytes are a value, and without padding.
pub unsafe trait Plain: Copy {}

// SAFETY: `repr(C)` and made of integers; where each is defined its size is asserted to be the sum of its parts.
unsafe impl Plain for HardIrqKey {}
// SAFETY: as above.
unsafe impl Plain for HardIrqRow {}
// SAFETY: as above.
unsafe impl Plain for OffCpuKey {}
// SAFETY: as above.
unsafe impl Plain for Durations {}
// SAFETY: as above.
unsafe impl Plain for UpcallKey {}
// SAFETY: as above.
unsafe impl Plain for Rename {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}

pub struct RowMap<K, R> {
    map: MapData,
    most_rows: u32,
    contents: PhantomData<(K, R)>,
}

/// More than one place of the kernel's table holds, whatever hashes to it; and few enough to ask for.
const ROWS_AT_ONCE: u32 = 1024;

impl<K: Plain, R: Plain> RowMap<K, R> {
    pub fn new(probes: &mut Probes, name: &str) -> Result<Self> {
        let unexpected = |what: String| {
            Error::new(
                ErrorKind::Internal,
                format!("the map {name} cannot be used: {what}"),
            )
        };
        let map = match probes.take_map(name)? {
            Map::HashMap(map) => map,
            _ => return Err(unexpected("it is no hash".to_owned())),
        };
        let info = map
            .info()
            .map_err(|error| unexpected(error.to_string()).cause(Cause::of(&error)))?;
        let sizes = (info.key_size() as usize, info.value_size() as usize);
        if sizes != (size_of::<K>(), size_of::<R>()) {
            return Err(unexpected(format!("its rows are of {sizes:?} bytes")));
        }
        Ok(Self {
            most_rows: info.max_entries(),
            map,
            contents: PhantomData,
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    pub fn rows(&self) -> Result<Vec<(K, R)>> {
        let mut rows = Vec::new();
        let mut at_once = ROWS_AT_ONCE.min(self.most_rows).max(1) as usize;
        let mut keys: Vec<K> = Vec::with_capacity(at_once);
        let mut values: Vec<R> = Vec::with_capacity(at_once);
        let mut place = None;
        loop {
            // SAFETY: as many keys and values of the map's own sizes as there is room for, which the kernel fills in.
            let batch = unsafe {
                bpf::look_up_batch(
                    self.fd(),
                    place,
                    keys.as_mut_ptr().cast(),
                    values.as_mut_ptr().cast(),
                    at_once as u32,
                )
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    at_once *= 2;
                    keys.reserve(at_once);
                    values.reserve(at_once);
                    continue;
                }
                Err(error) => return Err(Error::io("reading rows of the probes", &error)),
            };
            // SAFETY: the kernel has filled in so many of each, no more than there was room for, and any bytes are a value.
            unsafe {
                keys.set_len((batch.count as usize).min(at_once));
                values.set_len((batch.count as usize).min(at_once));
            }
            rows.extend(keys.drain(..).zip(values.drain(..)));
            match batch.next {
                Some(next) => place = Some(next),
                None => return Ok(rows),
            }
        }
    }

    /// The rows whose keys are wanted, which are forgotten; the programs make no new ones of these.
    pub fn take(&self, is_wanted: impl Fn(&K) -> bool) -> Result<Vec<(K, R)>> {
        let mut rows = self.rows()?;
        rows.retain(|(key, _)| is_wanted(key));
        rows.iter().try_for_each(|(key, _)| self.remove(key))?;
        Ok(rows)
    }

    /// A row that is not there is removed already.
    pub fn remove(&self, key: &K) -> Result<()> {
        // SAFETY: a key of the map's own size.
        unsafe { bpf::delete(self.fd(), (&raw const *key).cast()) }
            .map_err(|error| Error::io("forgetting a row of the probes", &error))
    }

    pub fn insert(&self, key: &K, row: &R) -> Result<()> {
        // SAFETY: a key and a row of the map's own sizes.
        unsafe {
            bpf::update(
                self.fd(),
                (&raw const *key).cast(),
                (&raw const *row).cast(),
            )
        }
        .map_err(|error| Error::io("making a row of the probes", &error))
    }
}
