//! Names of soft interrupts, and of interrupts without a line.

use crate::names::text::name_of;

/// From `include/linux/interrupt.h`; the order is part of the kernel's interface to its tracepoints.
pub const SOFT_IRQ_NAMES: [&str; 10] = [
    "hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu",
];

/// Interrupts without a line, by vector: `arch/x86/include/asm/irq_vectors.h`, where these have not changed since 2.6.
#[cfg(target_arch = "x86_64")]
const LOCAL_IRQ_NAMES: &[(u32, &str)] = &[
    (0xec, "local_timer"),
    (0xf6, "irq_work"),
    (0xfb, "call_function_single"),
    (0xfc, "call_function"),
    (0xfd, "reschedule"),
];
/// Here the kernel hands over names.
#[cfg(target_arch = "aarch64")]
const LOCAL_IRQ_NAMES: &[(u32, &str)] = &[];

/// The kernel's own name for it, or else the vector's.
pub fn local_irq_name(vector: u32, name: &[u8]) -> String {
    let name = name_of(name);
    if !name.is_empty() {
        return name;
    }
    LOCAL_IRQ_NAMES
        .iter()
        .find(|(number, _)| *number == vector)
        .map_or_else(
            || format!("vector {vector}"),
            |(_, name)| (*name).to_owned(),
        )
}
