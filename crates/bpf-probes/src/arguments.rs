//! What a tracepoint hands over.

use aya_ebpf::EbpfContext;
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};

use crate::kernel::{Access, Direct, Probed};

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
