//! The ways out of generated functions, by their instructions, as long as these are what they were.

use crate::mapped::arch::Arch;
use crate::mapped::effort::Effort;
use crate::mapped::process_maps::ProcessMaps;
use crate::unwind::places::Places;
use crate::unwind::rules::Compact;
use crate::unwind::text::Code;
use crate::unwind::way_out;

/// What it takes to read some of a process's memory, in units of effort.
const READ_UNITS: u64 = 128;
/// Of what follows an instruction: memory of code is used again, for other code.
const SAMPLE: usize = 32;
/// All generated code is one file, as far as effort is concerned.
const MODULE: u64 = u64::MAX;

/// The code when it was looked at, and what was found.
type Known = (Vec<u8>, Option<Compact>);

#[derive(Default)]
pub struct GeneratedWays(Places<Known>);

impl GeneratedWays {
    /// To the caller, from an instruction that runs next. `None`: it is not known.
    pub fn rule(
        &mut self,
        maps: &ProcessMaps,
        arch: Arch,
        address: u64,
        effort: &mut Effort,
    ) -> Option<Compact> {
        if !effort.allows(MODULE) {
            return None;
        }
        effort.spend(MODULE, READ_UNITS);
        let code = maps.generated(address)?;
        let sample = code.bytes_at(address, SAMPLE)?;
        let make = || {
            let mut units = 0;
            let rule = way_out::rule(arch, Code::Memory(code), address, &mut units);
            effort.spend(MODULE, units);
            Some((sample.clone(), rule))
        };
        let is_current = |(known, _): &Known| *known == sample;
        let known = self.0.get_current(maps.id(), address, is_current, make);
        known.and_then(|(_, rule)| *rule)
    }
}
