//! The few `bpf(2)` commands that aya has no call for.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result};
use crate::kernel::page::page_bytes;
use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_cmd, bpf_map_type, bpf_prog_info, bpf_prog_type,
};

fn zeroed_attr() -> bpf_attr {
    // SAFETY: `bpf_attr` is a union of plain integers; the kernel asks for unused bytes to be zero.
    unsafe { std::mem::zeroed() }
}

/// # Safety
/// Every address in `attr` is valid for what `command` does with it.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: `attr` is a whole `bpf_attr`, and its addresses are the caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            &raw mut *attr,
            size_of::<bpf_attr>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as i32)
    }
}

/// For commands that make a descriptor.
///
/// # Safety
/// As of [`bpf`], and the command is one of those.
unsafe fn bpf_descriptor(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller's.
    let fd = unsafe { bpf(command, attr) }?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn create_array(
    kind: bpf_map_type,
    value_bytes: u32,
    inner: Option<&OwnedFd>,
) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_1.map_type = kind as u32;
    attr.__bindgen_anon_1.key_size = 4;
    attr.__bindgen_anon_1.value_size = value_bytes;
    attr.__bindgen_anon_1.max_entries = 1;
    attr.__bindgen_anon_1.inner_map_fd = inner.map_or(0, |fd| fd.as_raw_fd() as u32);
    // SAFETY: no addresses.
    unsafe { bpf_descriptor(bpf_cmd::BPF_MAP_CREATE, &mut attr) }
}

/// A ring buffer of one page, the least there is.
pub fn create_ring_buffer() -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_1.map_type = bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32;
    attr.__bindgen_anon_1.max_entries = page_bytes() as u32;
    // SAFETY: no addresses.
    unsafe { bpf_descriptor(bpf_cmd::BPF_MAP_CREATE, &mut attr) }
}

fn load(mut attr: bpf_attr, instructions: &[u64]) -> io::Result<OwnedFd> {
    attr.__bindgen_anon_3.insn_cnt = instructions.len() as u32;
    attr.__bindgen_anon_3.insns = instructions.as_ptr() as u64;
    attr.__bindgen_anon_3.license = c"GPL".as_ptr() as u64;
    // SAFETY: as many instructions as said and a NUL-terminated license, which outlive the call.
    unsafe { bpf_descriptor(bpf_cmd::BPF_PROG_LOAD, &mut attr) }
}

/// Has the verifier look at a program.
pub fn load_program(kind: bpf_prog_type, instructions: &[u64]) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_3.prog_type = kind as u32;
    load(attr, instructions)
}

/// A program for one of the kernel's iterators, by that one's number in BTF.
pub fn load_iterator(instructions: &[u64], iterator: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_3.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    attr.__bindgen_anon_3.expected_attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    attr.__bindgen_anon_3.attach_btf_id = iterator;
    load(attr, instructions)
}

/// All that the program writes as it is run for each item.
pub fn run_iterator(program: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut attr = zeroed_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_ITER as u32;
    // SAFETY: no addresses.
    let link = unsafe { bpf_descriptor(bpf_cmd::BPF_LINK_CREATE, &mut attr) }?;
    let mut attr = zeroed_attr();
    attr.iter_create.link_fd = link.as_raw_fd() as u32;
    // SAFETY: no addresses.
    let mut iterator = File::from(unsafe { bpf_descriptor(bpf_cmd::BPF_ITER_CREATE, &mut attr) }?);
    let mut written = Vec::new();
    iterator.read_to_end(&mut written)?;
    Ok(written)
}

/// Runs the program at a tracepoint until the descriptor is closed.
pub fn open_raw_tracepoint(name: &CStr, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.raw_tracepoint.name = name.as_ptr() as u64;
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    // SAFETY: the name is NUL-terminated and outlives the call.
    unsafe { bpf_descriptor(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// Waits until every program that was running has ended: an update of a map in a map does
/// (Linux 1ae80cf31938, "wait for running BPF programs when updating map-in-map").
pub struct GracePeriod {
    inner: OwnedFd,
    outer: OwnedFd,
}

impl GracePeriod {
    pub fn new() -> Result<Self> {
        let made = create_array(bpf_map_type::BPF_MAP_TYPE_ARRAY, 4, None).and_then(|inner| {
            let outer = create_array(bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, Some(&inner))?;
            Ok(Self { inner, outer })
        });
        made.map_err(|error| Error::io("a map for waiting on probes", &error))
    }

    pub fn wait(&self) -> Result<()> {
        let key = 0u32;
        let value = self.inner.as_raw_fd() as u32;
        let mut attr = zeroed_attr();
        attr.__bindgen_anon_2.map_fd = self.outer.as_raw_fd() as u32;
        attr.__bindgen_anon_2.key = &raw const key as u64;
        attr.__bindgen_anon_2.__bindgen_anon_1.value = &raw const value as u64;
        // SAFETY: key and value are 4 bytes each, as the map has them, and outlive the call.
        unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }
            .map(|_| ())
            .map_err(|error| Error::io("waiting for running probes", &error))
    }
}

/// How often a program was not run because it was already running on that CPU. `None`: the kernel does not count
/// (before 5.12).
pub fn recursion_misses(program: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    // SAFETY: plain integers.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut attr = zeroed_attr();
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = &raw mut info as u64;
    // SAFETY: `info` is writable for `info_len` bytes and outlives the call.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    // SAFETY: the kernel has just written this member of the union, and how many bytes it knows.
    let known_bytes = unsafe { attr.info.info_len } as usize;
    Ok(
        (known_bytes >= std::mem::offset_of!(bpf_prog_info, recursion_misses) + 8)
            .then_some(info.recursion_misses),
    )
}

/// What one look-up of many rows has found.
pub struct Batch {
    pub count: u32,
    /// Where the next one begins; `None`: that was all.
    pub next: Option<u32>,
}

/// Looks up to so many rows of a hash up, from that place in its table on (5.6). ENOSPC: there are more in one place.
///
/// # Safety
/// `keys` and `values` have room for so many of the map's keys and values.
pub unsafe fn look_up_batch(
    map: BorrowedFd<'_>,
    place: Option<u32>,
    keys: *mut u8,
    values: *mut u8,
    most: u32,
) -> io::Result<Batch> {
    let mut next = 0u32;
    let mut attr = zeroed_attr();
    attr.batch.in_batch = place.as_ref().map_or(0, |place| &raw const *place as u64);
    attr.batch.out_batch = &raw mut next as u64;
    attr.batch.keys = keys as u64;
    attr.batch.values = values as u64;
    attr.batch.count = most;
    attr.batch.map_fd = map.as_raw_fd() as u32;
    // SAFETY: the places are of this call; the rest is the caller's.
    let result = unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) };
    // SAFETY: written by the kernel also where it fails with ENOENT: how many there were.
    let count = unsafe { attr.batch.count };
    match result {
        Ok(_) => Ok(Batch {
            count,
            next: Some(next),
        }),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Batch { count, next: None }),
        Err(error) => Err(error),
    }
}

/// Makes a row, or puts another one in its place.
///
/// # Safety
/// `key` and `value` are of the map's own sizes.
pub unsafe fn update(map: BorrowedFd<'_>, key: *const u8, value: *const u8) -> io::Result<()> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    attr.__bindgen_anon_2.key = key as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = value as u64;
    // SAFETY: the caller's.
    unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(|_| ())
}

/// Forgets a row, which may be gone.
///
/// # Safety
/// `key` is one of the map's.
pub unsafe fn delete(map: BorrowedFd<'_>, key: *const u8) -> io::Result<()> {
    let mut attr = zeroed_attr();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd() as u32;
    attr.__bindgen_anon_2.key = key as u64;
    // SAFETY: the caller's.
    match unsafe { bpf(bpf_cmd::BPF_MAP_DELETE_ELEM, &mut attr) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}
