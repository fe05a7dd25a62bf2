//! A trigger: which function, probe or tracepoint.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// In bytes.
pub const LONGEST_TRIGGER: usize = 4096;

/// A name that is not empty and holds no NUL byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(Vec<u8>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectName {
    /// Of a mapped file: without a slash.
    Base(Name),
    /// Absolute, as the process sees it.
    Path(Name),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    Symbol {
        name: Name,
        offset: u64,
    },
    /// As the ELF file numbers it.
    Address(u64),
}

/// Where a function begins: what a return probe is put on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FunctionStart {
    Symbol(Name),
    Address(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    Usdt {
        object: Option<ObjectName>,
        provider: Name,
        probe: Name,
    },
    Tracepoint {
        system: Name,
        event: Name,
    },
    Kprobe {
        function: Name,
        offset: u64,
    },
    Kretprobe {
        function: Name,
    },
    Uprobe {
        object: Option<ObjectName>,
        location: Location,
    },
    Uretprobe {
        object: Option<ObjectName>,
        start: FunctionStart,
    },
}

impl Name {
    /// `None`: empty, or with a NUL byte.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (!bytes.is_empty() && !bytes.contains(&0)).then_some(Self(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ObjectName {
    /// A path that does not begin at the root begins in the folder that this process is in. `None`: where that is is not known.
    pub fn new(name: Name) -> Option<Self> {
        match name.as_bytes() {
            [b'/', ..] => Some(Self::Path(name)),
            bytes if bytes.contains(&b'/') => {
                let path = std::path::absolute(OsStr::from_bytes(bytes)).ok()?;
                Name::new(path.as_os_str().as_bytes()).map(Self::Path)
            }
            _ => Some(Self::Base(name)),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Base(name) | Self::Path(name) => name.as_bytes(),
        }
    }
}

impl From<&FunctionStart> for Location {
    fn from(start: &FunctionStart) -> Self {
        match start {
            FunctionStart::Symbol(name) => Self::Symbol {
                name: name.clone(),
                offset: 0,
            },
            FunctionStart::Address(address) => Self::Address(*address),
        }
    }
}
