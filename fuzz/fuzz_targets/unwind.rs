//! Any bytes, mapped as a program, with any registers and stack: walks end, within bounds, and so do the names of what is found.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use stacks::{CopiedStack, MOST_FRAMES, Modules, ProcessMaps, Registers, Symbolizer, Unwinder};

/// Bytes of registers and stack; the rest is the file.
const STACK_BYTES: usize = 256;
const BASE: u64 = 0x7ffc_0000_0000;

static MODULES: LazyLock<Arc<Modules>> = LazyLock::new(Default::default);

struct Mapped {
    start: *mut libc::c_void,
    length: usize,
}

impl Mapped {
    fn new(bytes: &[u8]) -> Option<Self> {
        // SAFETY: a terminated name.
        let fd = unsafe { libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: made just now, for us alone.
        let mut file = unsafe { File::from_raw_fd(fd) };
        file.write_all(bytes).ok()?;
        // SAFETY: the kernel chooses where; nothing else is there.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes.len(),
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        (start != libc::MAP_FAILED).then_some(Self {
            start,
            length: bytes.len(),
        })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and used by nobody any more.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() <= STACK_BYTES {
        return;
    }
    let (stack, file) = bytes.split_at(STACK_BYTES);
    let Some(mapped) = Mapped::new(file) else {
        return;
    };
    let start = mapped.start as u64;
    let Ok(mut maps) = ProcessMaps::open(std::process::id(), &MODULES) else {
        return;
    };
    // Words of the stack that are small lead into the file.
    let words: Vec<u8> = stack
        .chunks_exact(8)
        .filter_map(|word| word.try_into().ok().map(u64::from_le_bytes))
        .flat_map(|word| match word {
            0..0x10_0000 => (start + word).to_le_bytes(),
            _ => word.to_le_bytes(),
        })
        .collect();
    let word = |index: usize| u64::from_le_bytes(words[index * 8..][..8].try_into().unwrap_or_default());
    let registers = Registers::x86_64(word(0), BASE + word(1) % 256, BASE + word(2) % 256);
    let registers = (8..16).fold(registers, |all, number| all.with(number, word(number as usize)));
    let copied = CopiedStack {
        base: BASE,
        bytes: &words,
    };
    let walk = Unwinder::new().unwind(&mut maps, &registers, copied);
    assert!((1..=MOST_FRAMES).contains(&walk.frames.len()));
    let mut symbolizer = Symbolizer::new();
    for frame in walk.frames.iter().take(4) {
        assert!(!symbolizer.place(&frame.place, frame.pc).is_empty());
    }
});
