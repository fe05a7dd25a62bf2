//! Where programs begin, and goroutines.

use object::elf::PT_INTERP;

use crate::mapped::arch::Arch;
use crate::mapped::module::Module;
use crate::mapped::process_maps::{Place, ProcessMaps};
use crate::unwind::way_out::straight_bytes;

pub fn is_in_go(place: &Place) -> bool {
    matches!(place, Place::Module { module, .. } if is_go(module))
}

/// Its functions leave their stack for the thread's own, where the program begins, too, but did not call them.
pub fn is_go(module: &Module) -> bool {
    let elf = module.object().elf();
    elf.is_ok_and(|elf| elf.section(b".note.go.buildid").is_some())
}

/// Where the process's program or its loader begins, which C libraries often leave without unwind information. `pc`: where the process
/// has it, or right behind.
pub fn is_entry(maps: &ProcessMaps, module: &Module, address: u64, pc: u64) -> bool {
    /// In bytes.
    const LONGEST: u64 = 80;
    /// Mappings begin on pages, of this size or of a multiple.
    const PAGE: u64 = 4096;
    let Some(elf) = module.object().elf().ok().filter(|elf| elf.is_64) else {
        return false;
    };
    let within = address.checked_sub(elf.entry).filter(|_| elf.entry != 0);
    let (Some(within), Some(arch)) = (within, Arch::of_machine(elf.machine)) else {
        return false;
    };
    let bias = pc.wrapping_sub(address) & !(PAGE - 1);
    let has_begun_there = match maps.beginnings() {
        Some(begun) => {
            let is_loader = begun.loader != 0 && begun.loader == bias;
            is_loader || elf.entry.wrapping_add(bias) == begun.entry
        }
        // Libraries have such an address, too, which means nothing.
        None => elf.segments.iter().any(|segment| segment.kind == PT_INTERP),
    };
    has_begun_there && within < LONGEST && within < straight_bytes(arch, module, elf.entry, LONGEST)
}
