//! Packets that Open vSwitch's datapath hands over to user space.

/// Results, mostly negative error numbers, by CPU. More of both than one window has.
pub const UPCALL_ROWS: u32 = 1 << 14;

/// How often `ovs_dp_upcall` returned this, on this CPU, in this window.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpcallKey {
    pub window: u32,
    pub cpu: u32,
    pub result: i32,
}

const _: () = assert!(size_of::<UpcallKey>() == 12, "UpcallKey has padding");
