//! What is known of a frame, as text: names from the traced program are escaped and bounded.

use std::fmt;
use std::sync::Arc;

use probe_points::escaped_within;

/// In bytes, before it is escaped.
const LONGEST_NAME: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName {
    /// As the process sees the file; `[vdso]`; of kernel addresses `[kernel]`, or a kernel module's name in brackets.
    pub path: String,
    /// In hexadecimal. With it and an address the frame can be named where the symbols are.
    pub build_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub file: String,
    pub line: Option<u32>,
}

/// One function. A frame has several if functions were inlined into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolFrame {
    pub function: Option<String>,
    /// From the function's first byte to the address that was looked up: the call's last byte, for return addresses. Of an
    /// inlined function the offset is in the one that holds it.
    pub offset: u64,
    pub is_inlined: bool,
    pub source: Option<Source>,
    /// `None`: generated code.
    pub module: Option<Arc<ModuleName>>,
    /// The address that was looked up, in the module's own terms, as its symbol table has it; of generated code and of the
    /// kernel as it is.
    pub address: u64,
}

impl ModuleName {
    pub fn base_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl SymbolFrame {
    pub(crate) fn unnamed(module: Option<Arc<ModuleName>>, address: u64) -> Self {
        Self {
            function: None,
            offset: 0,
            is_inlined: false,
            source: None,
            module,
            address,
        }
    }
}

impl fmt::Display for SymbolFrame {
    /// `function+0x1f`, `module+0x401f`, or the address alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, &self.module) {
            (Some(function), _) if self.is_inlined => write!(f, "{function} (inlined)"),
            (Some(function), _) => write!(f, "{function}+{:#x}", self.offset),
            (None, Some(module)) => write!(f, "{}+{:#x}", module.base_name(), self.address),
            (None, None) => write!(f, "{:#x}", self.address),
        }?;
        match &self.source {
            Some(Source {
                file,
                line: Some(line),
            }) => write!(f, " ({file}:{line})"),
            Some(source) => write!(f, " ({})", source.file),
            None => Ok(()),
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    escaped_within(bytes, LONGEST_NAME)
}

/// A function's, readable.
pub(crate) fn function_name(name: &[u8]) -> String {
    match probe_points::demangled(name) {
        Some(readable) => text(readable.as_bytes()),
        None => text(name),
    }
}
