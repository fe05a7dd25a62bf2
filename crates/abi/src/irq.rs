//! Hard interrupts by (thread record, line, action), soft interrupts by vector.

use crate::durations::Durations;

/// Bytes of an interrupt action's name that are kept, the terminating NUL included.
pub const IRQ_NAME_BYTES: usize = 32;

/// Softirq vectors of the kernel, `HI_SOFTIRQ` (0) to `RCU_SOFTIRQ` (9), and room for what may come.
pub const SOFT_IRQ_VECTORS: usize = 16;

/// Stands for the line of an interrupt that has none: a local timer's or another processor's. Its `action` is the vector on
/// x86, and on arm64 the address of the reason's name.
pub const NO_LINE: u32 = u32::MAX;

/// Keyed by the action's address and not by its name, which costs a string copy per interrupt
/// (<https://github.com/iovisor/bcc/issues/3080>).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HardIrqKey {
    pub action: u64,
    pub slot: u32,
    pub irq: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HardIrqRow {
    pub durations: Durations,
    pub name: [u8; IRQ_NAME_BYTES],
}

impl HardIrqRow {
    pub const EMPTY: Self = Self {
        durations: Durations::EMPTY,
        name: [0; IRQ_NAME_BYTES],
    };
}

const _: () = assert!(size_of::<HardIrqKey>() == 16, "HardIrqKey has padding");
const _: () = assert!(size_of::<HardIrqRow>() == 56, "HardIrqRow has padding");
