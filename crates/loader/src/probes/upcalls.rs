//! Packets that Open vSwitch's datapath hands over to user space, by CPU and by what came of it.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use abi::upcall::UpcallKey;
use probe_points::Kernel;

use crate::error::{Error, Result};
use crate::kernel::perf_event::{self, Event};
use crate::names::errors::errno_name;
use crate::probes::object::{Probes, TriggerProgram};
use crate::probes::row_map::RowMap;
use crate::sample::Upcall;

/// Counted for as long as this lives.
pub struct Upcalls {
    counts: RowMap<UpcallKey, u64>,
    _event: OwnedFd,
}

impl Upcalls {
    /// `None`: this kernel lets nobody see them, which `-D` tells of.
    pub fn attach(probes: &mut Probes, debug_level: u32) -> Result<Option<Self>> {
        let counts = RowMap::new(probes, "UPCALLS")?;
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
    pub fn take(&self, window: u32) -> Result<Vec<Upcall>> {
        let rows = self.counts.take(|key| key.window <= window)?;
        let mut upcalls: Vec<Upcall> = rows
            .into_iter()
            .filter(|(key, _)| key.window == window)
            .map(|(key, count)| Upcall {
                cpu: key.cpu,
                result: key.result,
                errno: errno_name(i64::from(key.result)).map(str::to_owned),
                count: count as i64,
            })
            .collect();
        upcalls.sort_by_key(|upcall| (upcall.cpu, -upcall.result));
        Ok(upcalls)
    }
}
