//! The monitored processes.

use crate::maps::{TARGETS, config};

/// Whether the process is monitored. One target is a constant in the program; several are a set.
#[inline(always)]
pub fn is_target(tgid: u32) -> bool {
    match config!(target_tgid) {
        // SAFETY: only presence is asked.
        0 => unsafe { TARGETS.get(&tgid) }.is_some(),
        target => tgid == target,
    }
}
