//! Events of CPUs, some of one CPU in a packet. No more of them wait than are written at once.

use std::io::Write;

use recorder::event::Cpu;

use crate::packets::Packets;
use crate::proto::{FtraceEvent, FtraceEventBundle, TracePacket};

/// Of one CPU in one packet.
pub const MOST_EVENTS: usize = 256;

#[derive(Default)]
pub struct Bundles {
    cpus: Vec<Bundle>,
}

#[derive(Default)]
struct Bundle {
    events: Vec<FtraceEvent>,
    has_lost: bool,
}

impl Bundles {
    fn of(&mut self, cpu: Cpu) -> &mut Bundle {
        let index = cpu as usize;
        if index >= self.cpus.len() {
            self.cpus.resize_with(index + 1, Bundle::default);
        }
        &mut self.cpus[index]
    }

    /// Readers sort by time; of several at one time those of one CPU stay in this order.
    pub fn push<W: Write>(&mut self, cpu: Cpu, event: FtraceEvent, packets: &mut Packets<W>) {
        let bundle = self.of(cpu);
        bundle.events.push(event);
        if bundle.events.len() >= MOST_EVENTS {
            bundle.write(cpu, packets);
        }
    }

    /// Some of the CPU's events before the next one were not seen.
    pub fn lose<W: Write>(&mut self, cpu: Cpu, packets: &mut Packets<W>) {
        let bundle = self.of(cpu);
        bundle.write(cpu, packets);
        bundle.has_lost = true;
    }

    /// All that wait.
    pub fn write<W: Write>(&mut self, packets: &mut Packets<W>) {
        for (cpu, bundle) in self.cpus.iter_mut().enumerate() {
            bundle.write(cpu as Cpu, packets);
        }
    }
}

impl Bundle {
    fn write<W: Write>(&mut self, cpu: Cpu, packets: &mut Packets<W>) {
        if self.events.is_empty() && !self.has_lost {
            return;
        }
        packets.write(TracePacket {
            ftrace_events: Some(FtraceEventBundle {
                cpu: Some(cpu),
                event: std::mem::take(&mut self.events),
                lost_events: std::mem::take(&mut self.has_lost).then_some(true),
            }),
            ..TracePacket::default()
        });
    }
}
