//! Where programs begin, and goroutines.

use crate::mapped::arch::Arch;
use crate::mapped::module::Module;
use crate::mapped::process_maps::Place;

pub fn is_in_go(place: &Place) -> bool {
    matches!(place, Place::Module { module, .. } if is_go(module))
}

/// Its functions leave their stack for the thread's own, where the program begins, too, but did not call them.
pub fn is_go(module: &Module) -> bool {
    let elf = module.object().elf();
    elf.is_ok_and(|elf| elf.section(b".note.go.buildid").is_some())
}

/// Where a program begins, which C libraries often leave without unwind information.
pub fn is_entry(module: &Module, address: u64) -> bool {
    /// In bytes.
    const LONGEST: u64 = 80;
    let elf = module.object().elf();
    let elf = elf.ok().filter(|elf| elf.is_64 && elf.entry != 0);
    elf.is_some_and(|elf| {
        let arch = Arch::of_machine(elf.machine);
        let within = address.checked_sub(elf.entry);
        arch.is_some() && within.is_some_and(|within| within < LONGEST)
    })
}
