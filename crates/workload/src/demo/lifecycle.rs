//! Sleeping on a clock, faulting in memory, and starting threads that end at once.

use std::ptr;
use std::thread;
use std::time::Duration;

use crate::demo::stop::Stop;
use crate::tally::Tally;

const PAGE_BYTES: usize = 4096;
const MAPPED_BYTES: usize = 4 << 20;

pub fn sleep_on_the_clock(stop: &Stop) {
    let off_record = Tally::new();
    while !stop.is_set() {
        let _ = off_record.sleep(10_000_000);
    }
}

pub fn fault_in_pages(stop: &Stop) {
    while !stop.is_set() {
        touch_fresh_pages();
        thread::sleep(Duration::from_millis(10));
    }
}

fn touch_fresh_pages() {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
    let pages = unsafe { libc::mmap(ptr::null_mut(), MAPPED_BYTES, protection, flags, -1, 0) };
    if pages == libc::MAP_FAILED {
        return;
    }
    for offset in (0..MAPPED_BYTES).step_by(PAGE_BYTES) {
        // SAFETY: the offset lies inside the mapping, which nobody else knows of. Volatile, so that the write happens.
        unsafe { pages.cast::<u8>().add(offset).write_volatile(1) };
    }
    // SAFETY: exactly the mapping made above, with no reference into it left.
    unsafe { libc::munmap(pages, MAPPED_BYTES) };
}

pub fn spawn_short_lived(stop: &Stop) {
    let mut born = 0_u64;
    while !stop.is_set() {
        let brief = || thread::sleep(Duration::from_millis(1));
        if let Ok(thread) = thread::Builder::new()
            .name(format!("brief-{born}"))
            .spawn(brief)
        {
            let _ = thread.join();
        }
        born += 1;
        thread::sleep(Duration::from_millis(20));
    }
}
