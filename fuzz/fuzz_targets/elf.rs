//! Any bytes are an ELF file or an error: what its tables say is bounded, and lies in the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use probe_points::elf::Elf;
use probe_points::{Functions, Location, Trigger, debug_link, demangled, notes, parse, unpacked};

fuzz_target!(|bytes: &[u8]| {
    let Ok(elf) = Elf::parse(bytes) else {
        return;
    };
    let mut functions = Functions::default();
    let _ = functions.add(&elf, bytes);
    functions.sort();
    for function in functions.iter() {
        if let Some(offset) = elf.code_offset(function.address) {
            assert!(offset < bytes.len() as u64);
        }
        let name = functions.name(function);
        let _ = demangled(name);
        assert!(functions.named(name).iter().all(|other| functions.name(other) == name));
        let text = format!("up:{}", String::from_utf8_lossy(name));
        if let Ok(Trigger::Uprobe {
            location: Location::Symbol { name, .. },
            ..
        }) = parse(&text)
        {
            let _ = functions.matching(name.as_bytes());
        }
    }
    for note in notes(&elf, bytes).unwrap_or_default() {
        assert!(!note.provider.is_empty() && !note.probe.is_empty());
        let _ = elf.code_offset(note.address);
    }
    let _ = elf.build_id(bytes);
    let _ = debug_link(&elf, bytes);
    let _ = unpacked(&elf, bytes);
});
