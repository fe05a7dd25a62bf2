//! The probes, by subject. Each file holds the logic once, generic over how memory may be read, and under it the two
//! entry points of each probe.

mod irq;
mod lifecycle;
mod sched;
mod syscall;
mod trigger;
mod upcall;

use aya_ebpf::EbpfContext;
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};

use crate::kernel::{Access, Direct, Probed};
use crate::maps::{TARGETS, config};

/// A tracepoint's arguments, and how what they point to may be read.
pub trait Arguments: EbpfContext {
    type Access: Access;
    fn pointer(&self, index: usize) -> *const u8;
    fn number(&self, index: usize) -> u64;
}

impl Arguments for BtfTracePointContext {
    type Access = Direct;

    #[inline(always)]
    fn pointer(&self, index: usize) -> *const u8 {
        self.arg(index)
    }

    #[inline(always)]
    fn number(&self, index: usize) -> u64 {
        self.arg(index)
    }
}

impl Arguments for RawTracePointContext {
    type Access = Probed;

    #[inline(always)]
    fn pointer(&self, index: usize) -> *const u8 {
        self.arg(index)
    }

    #[inline(always)]
    fn number(&self, index: usize) -> u64 {
        self.arg(index)
    }
}

/// Whether the process is monitored. One target is a constant in the program; several are a set.
#[inline(always)]
pub fn is_target(tgid: u32) -> bool {
    match config!(target_tgid) {
        // SAFETY: only presence is asked.
        0 => unsafe { TARGETS.get(&tgid) }.is_some(),
        target => tgid == target,
    }
}

/// Both entry points of a probe: `tp_btf` as `<name>`, `raw_tp` as `<name>_raw`.
macro_rules! probe {
    ($tracepoint:literal, $btf:ident, $raw:ident, $run:path) => {
        #[aya_ebpf::macros::btf_tracepoint(function = $tracepoint)]
        pub fn $btf(ctx: aya_ebpf::programs::BtfTracePointContext) -> i32 {
            $run(&ctx);
            0
        }

        #[aya_ebpf::macros::raw_tracepoint(tracepoint = $tracepoint)]
        pub fn $raw(ctx: aya_ebpf::programs::RawTracePointContext) -> i32 {
            $run(&ctx);
            0
        }
    };
}
pub(crate) use probe;
