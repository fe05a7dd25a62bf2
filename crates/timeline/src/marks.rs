//! What is put on tracks, and how a task is woken.

use recorder::event::{Cpu, Pid};

use crate::proto::DebugAnnotation;

/// A track; those of threads have later numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track(pub u64);

pub const WINDOWS: Track = Track(1);
pub const TRIGGERS: Track = Track(2);
pub const FIRST_OF_THREADS: u64 = 16;

/// A thread as it is reported: process and thread.
pub type ThreadNumber = (i32, i32);

/// What goes with a slice or an instant.
pub enum Value {
    Number(i64),
    Text(String),
}

pub type Annotations = Vec<(&'static str, Value)>;

/// Something on a track.
pub struct Mark {
    pub track: Track,
    pub category: &'static str,
    pub name: String,
    pub annotations: Annotations,
    /// Arrows that begin or end here.
    pub flows_from: Vec<u64>,
    pub flows_to: Vec<u64>,
}

impl Mark {
    pub fn new(track: Track, category: &'static str, name: impl Into<String>) -> Self {
        Self {
            track,
            category,
            name: name.into(),
            annotations: Vec::new(),
            flows_from: Vec::new(),
            flows_to: Vec::new(),
        }
    }
}

/// How a task is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waking {
    pub woken: Pid,
    /// Who was current, 0: nobody, or nobody that is known.
    pub current: Pid,
    /// [`crate::proto::IN_HARD_IRQ`] and the like; 0: by a task.
    pub flags: u32,
    pub target_cpu: Option<Cpu>,
}

impl Waking {
    /// That is known.
    pub fn by_nobody(woken: Pid) -> Self {
        Self {
            woken,
            current: 0,
            flags: 0,
            target_cpu: None,
        }
    }
}

pub fn annotation((name, value): (&'static str, Value)) -> DebugAnnotation {
    let (int_value, string_value) = match value {
        Value::Number(number) => (Some(number), None),
        Value::Text(text) => (None, Some(text)),
    };
    DebugAnnotation {
        int_value,
        string_value,
        name: Some(name.to_owned()),
    }
}
