//! The canonical spelling of triggers.

use std::fmt;

use crate::trigger::spelling::{self, Place};
use crate::trigger::syntax::{FunctionStart, Location, Name, ObjectName, Trigger};

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&spelling::escape(self.as_bytes(), Place::Part))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol { name, offset } => {
                write_symbol(f, name)?;
                write_offset(f, *offset)
            }
            Self::Address(address) => write!(f, "{address:#x}"),
        }
    }
}

impl fmt::Display for FunctionStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(name) => write_symbol(f, name),
            Self::Address(address) => write!(f, "{address:#x}"),
        }
    }
}

/// The canonical spelling, which parses to the same trigger.
impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |name: &Name| spelling::escape(name.as_bytes(), Place::Part);
        let within = |object: &Option<ObjectName>| {
            object
                .as_ref()
                .map_or(String::new(), |name| format!("{name}:"))
        };
        match self {
            Self::Usdt {
                object,
                provider,
                probe,
            } => write!(f, "u:{}{}:{}", within(object), part(provider), part(probe)),
            Self::Tracepoint { system, event } => {
                write!(f, "t:{}:{}", part(system), part(event))
            }
            Self::Kprobe { function, offset } => {
                write!(f, "k:{}", part(function))?;
                write_offset(f, *offset)
            }
            Self::Kretprobe { function } => write!(f, "kr:{}", part(function)),
            Self::Uprobe { object, location } => write!(f, "up:{}{location}", within(object)),
            Self::Uretprobe { object, start } => write!(f, "ur:{}{start}", within(object)),
        }
    }
}

fn write_symbol(f: &mut fmt::Formatter<'_>, name: &Name) -> fmt::Result {
    f.write_str(&spelling::escape(name.as_bytes(), Place::Symbol))
}

fn write_offset(f: &mut fmt::Formatter<'_>, offset: u64) -> fmt::Result {
    if offset == 0 {
        return Ok(());
    }
    write!(f, "+{offset:#x}")
}
