//! Packets that Open vSwitch's datapath hands over to user space, by CPU and by what came of it.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use aya::maps::{HashMap as BpfHashMap, MapData};
use bpf_probes::abi::upcall::UpcallKey;
use probe_points::Kernel;

use crate::call_events::errno_name;
use crate::error::{Error, ErrorKind, Result};
use crate::perf_event::{self, Event};
use crate::probes::{Probes, TriggerProgram};
use crate::sample::Upcall;

const KEY_BYTES: usize = size_of::<UpcallKey>();

/// Counted for as long as this lives.
pub struct Upcalls {
    counts: BpfHashMap<MapData, [u8; KEY_BYTES], u64>,
    _event: OwnedFd,
}

/// Whether there is a datapath of which upcalls can come.
pub fn has_datapath() -> bool {
    Path::new("/sys/module/openvswitch").exists()
}

impl Upcalls {
    /// `None`: this kernel lets nobody see them, which `-D` tells of.
    pub fn attach(probes: &mut Probes, debug_level: u32) -> Result<Option<Self>> {
        let map = probes.take_map("UPCALLS")?;
        let counts = BpfHashMap::try_from(map).map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                format!("the map UPCALLS cannot be used: {error}"),
            )
        })?;
        match Self::probe(probes) {
            Ok(event) => Ok(Some(Self {
                counts,
                _event: event,
            })),
            Err(error) => {
                if debug_level > 0 {
                    eprintln!("kdelay: upcalls are not counted: {}", error.message);
                }
                Ok(None)
            }
        }
    }

    fn probe(probes: &mut Probes) -> Result<OwnedFd> {
        let function = CString::from(c"ovs_dp_upcall");
        let event = Event::Kernel {
            pmu: Kernel::running().kprobe_pmu()?,
            function: &function,
            offset: 0,
            is_return: true,
        };
        let program = probes.load_trigger(TriggerProgram::Upcall)?;
        perf_event::attach(&event, program.as_fd())
            .map_err(|error| Error::io("attaching to the end of ovs_dp_upcall", &error))
    }

    /// Those of this window, in the order of CPUs; and forgets them, and those of windows before it.
    pub fn take(&mut self, window: u32) -> Result<Vec<Upcall>> {
        let failed = |error: aya::maps::MapError| {
            Error::new(
                ErrorKind::Internal,
                format!("upcalls cannot be read: {error}"),
            )
        };
        let rows: Vec<_> = self
            .counts
            .iter()
            .collect::<std::result::Result<_, _>>()
            .map_err(failed)?;
        let mut upcalls = Vec::new();
        for (bytes, count) in rows {
            // SAFETY: plain integers of exactly this size.
            let key = unsafe { bytes.as_ptr().cast::<UpcallKey>().read_unaligned() };
            if key.window == window {
                upcalls.push(Upcall {
                    cpu: key.cpu,
                    result: key.result,
                    errno: errno_name(i64::from(key.result)).map(str::to_owned),
                    count: count as i64,
                });
            }
            if key.window <= window {
                self.counts.remove(&bytes).map_err(failed)?;
            }
        }
        upcalls.sort_by_key(|upcall| (upcall.cpu, -upcall.result));
        Ok(upcalls)
    }
}
