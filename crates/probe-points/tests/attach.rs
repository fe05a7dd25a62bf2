//! The kernel takes the points, and counts as many hits as there are calls. Needs root and a kernel with uprobes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use probe_points::{Kernel, Objects, Point, ReturnProbes, parse, resolve};
use support::Folder;

/// Makes three calls, one of them the probe's second location, and says so.
const SOURCE: &str = r#"
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#include <unistd.h>
unsigned short app_probe_semaphore __attribute__((section(".probes")));
__attribute__((noinline)) int called(int x) { __asm__ volatile(""); return x + 1; }
__attribute__((noinline)) int listened(int x) {
    if (app_probe_semaphore) STAP_PROBE1(app, probe, x);
    return x;
}
int main(void) {
    char byte;
    write(1, "x", 1);
    while (read(0, &byte, 1) == 1) {
        called(called(called(1)));
        listened(1);
        if (app_probe_semaphore) STAP_PROBE1(app, probe, 2);
        write(1, "x", 1);
    }
}
"#;

struct Counter(File);

impl Counter {
    fn open(point: &Point, pid: u32) -> Self {
        let Point::User {
            path,
            offset,
            ref_ctr_offset,
            is_return,
            ..
        } = point
        else {
            panic!("{point:?}");
        };
        let pmu = Kernel::running().uprobe_pmu().unwrap();
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        let mut config = u64::from(*is_return) << pmu.return_bit;
        config |= ref_ctr_offset << pmu.semaphore_shift.unwrap();
        // perf_event_attr, first version and the second one's word; its flags are all off.
        let mut attributes = [0u64; 9];
        attributes[0] = u64::from(pmu.kind) | (72 << 32);
        attributes[1] = config;
        attributes[7] = path.as_ptr() as u64;
        attributes[8] = *offset;
        // SAFETY: as many words as the size says, and a terminated string; both outlive the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                attributes.as_ptr(),
                pid,
                -1,
                -1,
                8,
            )
        };
        assert!(fd >= 0, "{point:?}: {}", std::io::Error::last_os_error());
        // SAFETY: the kernel has just made it for us alone.
        Self(unsafe { File::from_raw_fd(fd as i32) })
    }

    fn count(&mut self) -> u64 {
        let mut count = [0; 8];
        self.0.read_exact(&mut count).unwrap();
        u64::from_ne_bytes(count)
    }
}

fn round(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(b"g").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
}

/// Hits in ten rounds, by a process of the program given, of which the file may be gone.
fn hits(program: &Path, trigger: &str, remove: bool) -> u64 {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    if remove {
        std::fs::remove_file(program).unwrap();
    }
    let objects = Objects::of_process(child.id()).unwrap();
    let points = resolve(&parse(trigger).unwrap(), &objects, ReturnProbes::AtEnds).unwrap();
    let mut counters: Vec<Counter> = points
        .iter()
        .map(|point| Counter::open(point, child.id()))
        .collect();
    for _ in 0..10 {
        round(&mut child);
    }
    let count = counters.iter_mut().map(Counter::count).sum();
    drop(child.stdin.take());
    child.wait().unwrap();
    count
}

#[test]
fn the_kernel_counts_what_is_called() {
    let folder = Folder::new();
    for options in [&[][..], &["-O2", "-no-pie"]] {
        let program = folder.compile("gcc", "program", SOURCE, options);
        assert_eq!(hits(&program, "up:called", false), 30);
        assert_eq!(hits(&program, "ur:called", false), 30);
        assert_eq!(
            hits(&program, "u:app:probe", false),
            20,
            "two locations, behind a semaphore"
        );
        assert_eq!(hits(&program, "up:libc.so.6:write", false), 10);
        assert_eq!(hits(&program, "up:called", true), 30, "deleted");
    }
}
