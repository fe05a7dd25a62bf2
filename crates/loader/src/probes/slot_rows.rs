//! What the hashes hold of some records, which those are told by: their slots.

use std::collections::{HashMap, HashSet};

use abi::durations::Durations;
use abi::irq::{HardIrqKey, HardIrqRow};
use abi::off_cpu::OffCpuKey;
use abi::who::{WhoKey, WhoRow};

use crate::error::Result;
use crate::probes::maps::Maps;
use crate::probes::row_map::{Plain, RowMap};

/// Each slot's may be taken out.
pub struct SlotRows {
    pub hard_irqs: BySlot<HardIrqKey, HardIrqRow>,
    pub off_cpu: BySlot<OffCpuKey, Durations>,
    pub who: BySlot<WhoKey, WhoRow>,
}

pub type BySlot<K, R> = HashMap<u32, Vec<(K, R)>>;

impl SlotRows {
    /// The maps have them no more. No program may be making any for these slots.
    pub fn take(maps: &Maps, slots: &HashSet<u32>) -> Result<Self> {
        Ok(Self {
            hard_irqs: take(&maps.hard_irqs, slots, |key| key.slot)?,
            off_cpu: take(&maps.off_cpu, slots, |key| key.slot)?,
            who: take(&maps.who, slots, |key| key.slot)?,
        })
    }
}

fn take<K: Plain, R: Plain>(
    map: &RowMap<K, R>,
    slots: &HashSet<u32>,
    slot_of: impl Fn(&K) -> u32,
) -> Result<BySlot<K, R>> {
    let mut by_slot: BySlot<K, R> = HashMap::new();
    for (key, row) in map.take(|key| slots.contains(&slot_of(key)))? {
        by_slot.entry(slot_of(&key)).or_default().push((key, row));
    }
    Ok(by_slot)
}
