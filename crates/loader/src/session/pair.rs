//! A start trigger at a function's entry and a stop trigger at its return: then windows are single calls (`abi::calls`). Whether two
//! triggers are such a pair is told by the places that they stand for, whatever they are called.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use abi::calls::{BY_PAGE, NEVER_REPLACED, OF_GOROUTINES, OF_KERNEL, OF_THREADS, UNKNOWN};
use abi::config::{Config, NO_OFFSET};
use probe_points::elf::Elf;
use probe_points::{Kernel, Location, Objects, Point, ReturnProbes, Trigger};

use crate::error::{Error, Result};
use crate::kernel::kallsyms;
use crate::kernel::page::page_bytes;
use crate::targets::identity::Process;

/// On x86 a call puts its return address on the stack.
const CALLS_PUSH: bool = cfg!(target_arch = "x86_64");

/// Of the kernel's stacks, with pages of up to that size.
const LEAST_STACK_BYTES: usize = 1 << 14;

/// Where kretprobes let functions return to: since Linux 5.19, since 5.16, and before.
const TRAMPOLINES: [&[u8]; 3] = [
    b"arch_rethook_trampoline",
    b"__kretprobe_trampoline",
    b"kretprobe_trampoline",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// As `Config::pair`.
    calls_of: u32,
    /// As `Config::replaced`.
    replaced: u64,
    /// 0: unknown.
    function_bytes: u64,
}

impl Pair {
    /// `None`: they are none. The processes are those in whose files both were found, each with its places.
    pub fn of(
        start: (&Trigger, &[&Point]),
        stop: (&Trigger, &[&Point]),
        objects: &[(Arc<Process>, Objects)],
    ) -> Result<Option<Self>> {
        match (start.0, stop.0) {
            (
                Trigger::Kprobe {
                    function,
                    offset: 0,
                },
                Trigger::Kretprobe {
                    function: returning,
                },
            ) => Ok(of_kernel(function.as_bytes(), returning.as_bytes())),
            (
                Trigger::Uprobe { .. },
                Trigger::Uretprobe {
                    object,
                    start: begin,
                },
            ) => {
                let entry = Trigger::Uprobe {
                    object: object.clone(),
                    location: Location::from(begin),
                };
                of_user(start.1, stop.1, &entry, objects)
            }
            _ => Ok(None),
        }
    }

    pub fn configure(self, config: &mut Config) {
        let offsets = &config.offsets;
        let missing = |offset: u32| offset == NO_OFFSET;
        if missing(offsets.regs_sp) || missing(offsets.regs_pc) || missing(offsets.regs_g) {
            return;
        }
        config.pair = self.calls_of;
        config.replaced = if CALLS_PUSH { self.replaced } else { UNKNOWN };
        config.function_bytes = self.function_bytes;
        config.stack_shift = stack_bytes().ilog2();
    }
}

/// A stack takes a page at least, and is aligned to its size.
fn stack_bytes() -> usize {
    page_bytes().max(LEAST_STACK_BYTES)
}

fn of_kernel(entered: &[u8], returning: &[u8]) -> Option<Pair> {
    let [first, second, third] = TRAMPOLINES;
    let found = kallsyms::addresses([entered, returning, first, second, third]);
    let [entry, end, trampolines @ ..] = found;
    // One function may have several names.
    if entered != returning && (entry.is_none() || entry != end) {
        return None;
    }
    Some(Pair {
        calls_of: OF_KERNEL,
        replaced: trampolines.into_iter().flatten().next().unwrap_or(UNKNOWN),
        function_bytes: 0,
    })
}

fn of_user(
    start: &[&Point],
    stop: &[&Point],
    entry: &Trigger,
    objects: &[(Arc<Process>, Objects)],
) -> Result<Option<Pair>> {
    let mut begins = Vec::new();
    let mut function_bytes = 0;
    let kernel = Kernel::running();
    for (_, objects) in objects {
        let resolved = probe_points::resolve_with(&kernel, entry, objects, ReturnProbes::AtEnds)?;
        begins.extend(resolved.points);
        function_bytes = resolved.function_bytes.max(function_bytes);
    }
    if places(begins.iter())? != places(start.iter().copied())? {
        return Ok(None);
    }
    let mut pair = Pair {
        calls_of: OF_THREADS,
        replaced: NEVER_REPLACED,
        function_bytes,
    };
    // All places of one file share it: it is read once.
    let mut read: Option<&Arc<File>> = None;
    for point in start.iter().chain(stop) {
        let Point::User {
            file, is_return, ..
        } = point
        else {
            continue;
        };
        if *is_return && pair.replaced == NEVER_REPLACED {
            pair.replaced = BY_PAGE;
        }
        if read.is_some_and(|read| Arc::ptr_eq(read, file)) {
            continue;
        }
        read = Some(file);
        let elf = probe_points::read(file, |data| Elf::parse(data))?;
        if elf.is_go() {
            pair.calls_of = OF_GOROUTINES;
        }
        if !elf.is_64 {
            pair.replaced = UNKNOWN;
        }
    }
    Ok(Some(pair))
}

fn places<'a>(points: impl Iterator<Item = &'a Point>) -> Result<Vec<Option<(u64, u64, u64)>>> {
    points.map(place).collect()
}

/// Device, inode and offset; `None`: it is not in a process.
pub fn place(point: &Point) -> Result<Option<(u64, u64, u64)>> {
    let Point::User { file, offset, .. } = point else {
        return Ok(None);
    };
    let metadata = File::metadata(file);
    let metadata = metadata.map_err(|error| Error::io("a file of the process", &error))?;
    Ok(Some((metadata.dev(), metadata.ino(), *offset)))
}
