//! The ways out of generated functions, by their instructions, as long as these are what they were.

use crate::mapped::arch::Arch;
use crate::mapped::effort::Effort;
use crate::mapped::process_maps::ProcessMaps;
use crate::unwind::places::Places;
use crate::unwind::rules::Compact;
use crate::unwind::text::Code;
use crate::unwind::walk::End;
use crate::unwind::way_out;

/// Code that is kept to be compared. A way that led farther is found again each time.
const LONGEST: usize = 1024;
/// All generated code is one file, as far as effort is concerned.
const MODULE: u64 = u64::MAX;

struct Known {
    rule: Option<Compact>,
    /// What it was found by, and where that began.
    start: u64,
    code: Box<[u8]>,
}

#[derive(Default)]
pub struct GeneratedWays(Places<Known>);

impl GeneratedWays {
    /// To the caller, from an instruction that runs next. `Ok(None)`: there is none that can be followed.
    pub fn rule(
        &mut self,
        maps: &ProcessMaps,
        arch: Arch,
        address: u64,
        effort: &mut Effort,
    ) -> Result<Option<Compact>, End> {
        if arch != Arch::X86_64 {
            return Ok(None);
        }
        let Some(code) = maps.generated(address).map(Code::Memory) else {
            return Ok(None);
        };
        // Memory of code is used again, for other code.
        let is_current = |known: &Known| {
            let there = code.exactly(known.start, known.code.len());
            there.is_some_and(|there| *there == *known.code)
        };
        let mut not_kept = None;
        let make = || {
            if !effort.allows(MODULE) {
                return None;
            }
            let mut units = 0;
            let found = way_out::follow(arch, code, address, &mut units);
            effort.spend(MODULE, units);
            not_kept = Some(found.rule);
            let bytes = usize::try_from(found.extent.end - found.extent.start).ok()?;
            let (start, bytes) = (found.extent.start, bytes.min(LONGEST + 1));
            let code = code.exactly(start, bytes).filter(|_| bytes <= LONGEST)?;
            Some(Known {
                rule: found.rule,
                start,
                code: code.into(),
            })
        };
        let known = self.0.get_current(maps.id(), address, is_current, make);
        let known = known.map(|known| known.rule);
        known.or(not_kept).ok_or(End::TooCostly)
    }
}
