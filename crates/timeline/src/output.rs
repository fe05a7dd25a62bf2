//! What is written: switches and wakings in bundles, slices and instants on tracks, and who is who.

use std::io::{self, Write};

use recorder::event::{Cpu, Pid, TaskName};
use rustc_hash::FxHashMap;

use crate::bundles::Bundles;
use crate::marks::{FIRST_OF_THREADS, Mark, ThreadNumber, Track, Waking, annotation};
use crate::names::Names;
use crate::packets::Packets;
use crate::proto::{
    EventType, FtraceEvent, ProcessTree, SchedProcessFree, SchedSwitch, SchedWaking, Thread,
    ThreadDescriptor, TracePacket, TrackDescriptor, TrackEvent,
};
use crate::tasks::{Task, Tasks};

pub struct Output<W, N> {
    packets: Packets<W>,
    bundles: Bundles,
    pub tasks: Tasks,
    pub names: N,
    tracks: FxHashMap<ThreadNumber, Track>,
    latest_track: u64,
    /// From `CLOCK_MONOTONIC`, in which everything comes, to `CLOCK_BOOTTIME`, in which it is written.
    asleep_ns: u64,
}

impl<W: Write, N: Names> Output<W, N> {
    pub fn new(to: W, names: N) -> Self {
        Self {
            packets: Packets::new(to),
            bundles: Bundles::default(),
            tasks: Tasks::default(),
            names,
            tracks: FxHashMap::default(),
            latest_track: FIRST_OF_THREADS,
            asleep_ns: 0,
        }
    }

    pub fn set_asleep(&mut self, asleep_ns: u64) {
        self.asleep_ns = asleep_ns;
    }

    pub fn written_ns(&self, at_ns: u64) -> u64 {
        at_ns.saturating_add(self.asleep_ns)
    }

    pub fn packet(&mut self, packet: TracePacket) {
        self.packets.write(packet);
    }

    pub fn into_inner(self) -> W {
        self.packets.into_inner()
    }

    pub fn has_failed(&self) -> bool {
        self.packets.has_failed()
    }

    pub fn write_bundles(&mut self) {
        self.bundles.write(&mut self.packets);
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.write_bundles();
        self.packets.flush()
    }

    pub fn task(&mut self, pid: Pid) -> &Task {
        let (task, is_new) = self.tasks.of(pid, &mut self.names);
        if is_new && task.tgid != 0 {
            self.packets.write(thread_packet(task));
        }
        task
    }

    /// `None`: a CPU's own task.
    fn numbered(&mut self, pid: Pid, cpu: Cpu) -> (i32, String) {
        if pid == 0 {
            return (0, format!("swapper/{cpu}"));
        }
        let task = self.task(pid);
        (task.tid, task.comm.clone())
    }

    pub fn name(&mut self, pid: Pid, name: &TaskName) {
        if self.tasks.name(pid, name, &self.names) {
            let (task, _) = self.tasks.of(pid, &mut self.names);
            if task.tgid != 0 {
                self.packets.write(thread_packet(task));
            }
        }
    }

    /// Process, thread and name of a task by what the machine knows of it.
    pub fn named(&mut self, pid: Pid, name: Option<&TaskName>) -> (i32, i32, String) {
        if let Some(name) = name.filter(|_| !self.tasks.is_known(pid)) {
            self.name(pid, name);
        }
        let task = self.task(pid);
        (task.tgid, task.tid, task.comm.clone())
    }

    pub fn switch(&mut self, cpu: Cpu, at_ns: u64, prev: Pid, prev_state: i64, next: Pid) {
        let (prev_pid, prev_comm) = self.numbered(prev, cpu);
        let (next_pid, next_comm) = self.numbered(next, cpu);
        let event = FtraceEvent {
            timestamp: Some(self.written_ns(at_ns)),
            pid: Some(prev_pid as u32),
            sched_switch: Some(SchedSwitch {
                prev_comm: Some(prev_comm),
                prev_pid: Some(prev_pid),
                prev_state: Some(prev_state),
                next_comm: Some(next_comm),
                next_pid: Some(next_pid),
            }),
            ..FtraceEvent::default()
        };
        self.bundles.push(cpu, event, &mut self.packets);
    }

    pub fn waking(&mut self, cpu: Cpu, at_ns: u64, waking: &Waking) {
        let (pid, comm) = self.numbered(waking.woken, cpu);
        let (current, _) = self.numbered(waking.current, cpu);
        let event = FtraceEvent {
            timestamp: Some(self.written_ns(at_ns)),
            pid: Some(current as u32),
            common_flags: Some(waking.flags),
            sched_waking: Some(SchedWaking {
                comm: Some(comm),
                pid: Some(pid),
                success: Some(1),
                target_cpu: waking.target_cpu.map(|cpu| cpu as i32),
            }),
            ..FtraceEvent::default()
        };
        self.bundles.push(cpu, event, &mut self.packets);
    }

    /// A task begins. Whoever had its number is another one.
    pub fn begin_task(&mut self, cpu: Cpu, at_ns: u64, pid: Pid) {
        let Some(tid) = self.tasks.begin(pid) else {
            return;
        };
        self.tracks.retain(|&(_, of), _| of != tid);
        let event = FtraceEvent {
            timestamp: Some(self.written_ns(at_ns)),
            pid: Some(0),
            sched_process_free: Some(SchedProcessFree {
                comm: None,
                pid: Some(tid),
            }),
            ..FtraceEvent::default()
        };
        self.bundles.push(cpu, event, &mut self.packets);
    }

    pub fn lose(&mut self, cpu: Cpu) {
        self.bundles.lose(cpu, &mut self.packets);
    }

    /// Of a thread as it is reported; process 0: it is not known, and so the thread has one of its own.
    pub fn thread_track(&mut self, (tgid, tid): ThreadNumber, comm: &str) -> Track {
        let tgid = if tgid == 0 { tid } else { tgid };
        if let Some(&track) = self.tracks.get(&(tgid, tid)) {
            return track;
        }
        self.latest_track += 1;
        let track = Track(self.latest_track);
        self.tracks.insert((tgid, tid), track);
        self.describe(track, None, Some(((tgid, tid), comm)));
        track
    }

    pub fn describe(&mut self, track: Track, name: Option<&str>, of: Option<(ThreadNumber, &str)>) {
        self.packets.write(TracePacket {
            track_descriptor: Some(TrackDescriptor {
                uuid: Some(track.0),
                name: name.map(str::to_owned),
                thread: of.map(|((tgid, tid), comm)| ThreadDescriptor {
                    pid: Some(tgid),
                    tid: Some(tid),
                    thread_name: (!comm.is_empty()).then(|| comm.to_owned()),
                }),
            }),
            ..TracePacket::default()
        });
    }

    pub fn instant(&mut self, at_ns: u64, mark: Mark) {
        self.mark(at_ns, EventType::Instant, mark);
    }

    pub fn slice(&mut self, from_ns: u64, to_ns: u64, mark: Mark) {
        let track = mark.track;
        self.mark(from_ns, EventType::SliceBegin, mark);
        let end = TrackEvent {
            r#type: Some(EventType::SliceEnd as i32),
            track_uuid: Some(track.0),
            ..TrackEvent::default()
        };
        self.event(to_ns, end);
    }

    fn mark(&mut self, at_ns: u64, kind: EventType, mark: Mark) {
        let annotations = mark.annotations.into_iter();
        let event = TrackEvent {
            r#type: Some(kind as i32),
            track_uuid: Some(mark.track.0),
            categories: vec![mark.category.to_owned()],
            name: Some(mark.name),
            debug_annotations: annotations.map(annotation).collect(),
            flow_ids: mark.flows_from,
            terminating_flow_ids: mark.flows_to,
        };
        self.event(at_ns, event);
    }

    fn event(&mut self, at_ns: u64, event: TrackEvent) {
        self.packets.write(TracePacket {
            timestamp: Some(self.written_ns(at_ns)),
            track_event: Some(event),
            ..TracePacket::default()
        });
    }
}

fn thread_packet(task: &Task) -> TracePacket {
    TracePacket {
        process_tree: Some(ProcessTree {
            processes: Vec::new(),
            threads: vec![Thread {
                tid: Some(task.tid),
                name: Some(task.comm.clone()),
                tgid: Some(task.tgid),
            }],
        }),
        ..TracePacket::default()
    }
}
