//! What the hashes hold of some records, which those are told by: their slots.

use std::collections::{HashMap, HashSet};

use abi::durations::Durations;
use abi::irq::{HardIrqKey, HardIrqRow};
use abi::off_cpu::OffCpuKey;

use crate::error::Result;
use crate::probes::maps::Maps;
use crate::probes::needs::Needs;
use crate::probes::row_map::{Plain, RowMap};

/// Each slot's may be taken out.
pub struct SlotRows {
    pub hard_irqs: BySlot<HardIrqKey, HardIrqRow>,
    pub off_cpu: BySlot<OffCpuKey, Durations>,
}

pub type BySlot<K, R> = HashMap<u32, Vec<(K, R)>>;

impl SlotRows {
    /// The maps have them no more. No program may be making any for these slots.
    pub fn take(maps: &Maps, needs: &[(u32, Needs)]) -> Result<Self> {
        let slots = |may_have: fn(&Needs) -> bool| -> HashSet<u32> {
            let those = needs.iter().filter(|(_, needs)| may_have(needs));
            those.map(|&(slot, _)| slot).collect()
        };
        let hard_irqs = slots(|needs| needs.hard_irqs);
        let off_cpu = slots(|needs| needs.off_cpu);
        Ok(Self {
            hard_irqs: take(&maps.hard_irqs, &hard_irqs, |key| key.slot)?,
            off_cpu: take(&maps.off_cpu, &off_cpu, |key| key.slot)?,
        })
    }
}

fn take<K: Plain, R: Plain>(
    map: &RowMap<K, R>,
    slots: &HashSet<u32>,
    slot_of: impl Fn(&K) -> u32,
) -> Result<BySlot<K, R>> {
    let mut by_slot: BySlot<K, R> = HashMap::new();
    // A key says more than the slot: rows are found by reading all that there are.
    if slots.is_empty() {
        return Ok(by_slot);
    }
    for (key, row) in map.take(|key| slots.contains(&slot_of(key)))? {
        by_slot.entry(slot_of(&key)).or_default().push((key, row));
    }
    Ok(by_slot)
}
