//! Packets that Open vSwitch's datapath hands over to user space: where it has a module, and in whatever task is current.

use abi::upcall::UpcallKey;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::macros::kretprobe;
use aya_ebpf::programs::RetProbeContext;

use crate::losses::{add_one, lose};
use crate::maps::UPCALLS;
use crate::window::Moment;

/// The end of `int ovs_dp_upcall(…)`.
#[kretprobe]
pub fn upcall_return(ctx: RetProbeContext) -> u32 {
    let Some(moment) = Moment::in_window() else {
        return 0;
    };
    let key = UpcallKey {
        window: moment.window,
        // SAFETY: the helper has no preconditions.
        cpu: unsafe { bpf_get_smp_processor_id() },
        result: ctx.ret::<i32>(),
    };
    match UPCALLS.get_ptr_mut(&key) {
        // SAFETY: the map lives as long as the program.
        Some(count) => unsafe { add_one(count) },
        None if UPCALLS.insert(&key, &1, 0).is_err() => lose!(irqs),
        None => {}
    }
    0
}
