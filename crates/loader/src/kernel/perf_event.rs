//! Perf events that run a program: the way to attach one to a place in user code, in the kernel, or at a tracepoint that exists
//! since Linux 4.17 and that closing the descriptor undoes, also when this process is killed. (aya's own has no reference
//! counters for USDT semaphores.)

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use aya_obj::generated::{
    PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF, PERF_FLAG_FD_CLOEXEC, perf_event_attr,
};
use memmap2::{MmapMut, MmapOptions};
use probe_points::ProbePmu;

use crate::kernel::page::page_bytes;

const PERF_TYPE_TRACEPOINT: u32 = 2;

/// What fires.
pub enum Event<'a> {
    Tracepoint {
        id: u64,
    },
    Kernel {
        pmu: ProbePmu,
        function: &'a CString,
        offset: u64,
        is_return: bool,
    },
    User {
        pmu: ProbePmu,
        /// A path in this process's namespace; magic links under /proc are followed.
        path: &'a CString,
        offset: u64,
        /// Where in the file the USDT semaphore is; 0: none.
        ref_ctr_offset: u64,
        is_return: bool,
        /// In the process of this thread only, and until it ends; `None`: in every one that maps the file.
        tid: Option<u32>,
    },
}

/// An event of one thread, which tells when that thread has ended.
pub struct ThreadEvent {
    event: OwnedFd,
    /// Without a page that is mapped the kernel wakes nobody who waits for the event.
    _page: MmapMut,
}

impl ThreadEvent {
    /// Of an event that has a `tid`. The breakpoint is there from now on, and runs no program yet.
    pub fn open(event: &Event<'_>) -> io::Result<Self> {
        let event = open(event)?;
        // SAFETY: the event's own page, which the kernel fills and nobody here reads.
        let page = unsafe { MmapOptions::new().len(page_bytes()).map_mut(&event) }?;
        Ok(Self { event, _page: page })
    }

    pub fn run(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        run(&self.event, program)
    }
}

/// Ready (POLLHUP) from when the thread has ended.
impl AsRawFd for ThreadEvent {
    fn as_raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

/// Attaches the program; it runs until the descriptor is closed.
pub fn attach(event: &Event<'_>, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let fd = open(event)?;
    run(&fd, program)?;
    Ok(fd)
}

fn open(event: &Event<'_>) -> io::Result<OwnedFd> {
    // SAFETY: plain integers; zero means "not asked for" in every field.
    let mut attr: perf_event_attr = unsafe { std::mem::zeroed() };
    attr.size = size_of::<perf_event_attr>() as u32;
    attr.set_disabled(1);
    let mut pid = -1;
    match event {
        Event::Tracepoint { id } => {
            attr.type_ = PERF_TYPE_TRACEPOINT;
            attr.config = *id;
        }
        Event::Kernel {
            pmu,
            function,
            offset,
            is_return,
        } => {
            attr.type_ = pmu.kind;
            attr.config = u64::from(*is_return) << pmu.return_bit;
            attr.__bindgen_anon_3.kprobe_func = function.as_ptr() as u64;
            attr.__bindgen_anon_4.probe_offset = *offset;
        }
        Event::User {
            pmu,
            path,
            offset,
            ref_ctr_offset,
            is_return,
            tid,
        } => {
            attr.type_ = pmu.kind;
            attr.config = u64::from(*is_return) << pmu.return_bit;
            if *ref_ctr_offset != 0 {
                let shift = pmu.semaphore_shift.ok_or_else(|| {
                    io::Error::other("this kernel does not raise USDT semaphores (before 4.20)")
                })?;
                attr.config |= ref_ctr_offset << shift;
            }
            attr.__bindgen_anon_3.uprobe_path = path.as_ptr() as u64;
            attr.__bindgen_anon_4.probe_offset = *offset;
            pid = tid.map_or(-1, |tid| tid as libc::pid_t);
        }
    }
    // An event of a task is on whatever CPU the task is on; one of all tasks names a CPU, and fires on every one.
    let cpu = if pid == -1 { 0 } else { -1 };
    // SAFETY: `attr` is whole, its strings are NUL-terminated, and all of them outlive the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            pid,
            cpu,
            -1,
            libc::c_ulong::from(PERF_FLAG_FD_CLOEXEC),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn run(fd: &OwnedFd, program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a perf event's descriptor and a program's, both open.
    let set = unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            PERF_EVENT_IOC_SET_BPF as libc::Ioctl,
            program.as_raw_fd(),
        )
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above; no argument.
    if unsafe { libc::ioctl(fd.as_raw_fd(), PERF_EVENT_IOC_ENABLE as libc::Ioctl, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
