//! The kernel's description of its own types (`/sys/kernel/btf/vmlinux`): where a member of a structure lies, which
//! arguments a tracepoint has.
//!
//! A walker of our own, because aya keeps its parsed types private. One pass over the bytes where they are, nothing allocated
//! but the index of type positions. The bytes come from the kernel, yet every access is checked: a short or strange file is an
//! error, never a panic.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

use crate::error::{Cause, Error, ErrorKind, Result};

pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FWD: u32 = 7;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;
const KIND_PTR: u32 = 2;
const KIND_LAST: u32 = KIND_ENUM64;

/// Nested anonymous structures and typedefs are followed this deep.
const DEPTH_LIMIT: usize = 16;

pub struct Btf {
    bytes: Bytes,
    /// Where the types and their names are.
    types: Range<usize>,
    strings: Range<usize>,
    /// Position of each type in `types`; type 0 is `void` and has none.
    positions: Vec<u32>,
}

enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl Bytes {
    fn of_running_kernel() -> io::Result<Self> {
        let mut file = File::open(VMLINUX)?;
        // SAFETY: the file is memory of the running kernel that nobody writes.
        if let Ok(mapping) = unsafe { MmapOptions::new().map_copy_read_only(&file) } {
            return Ok(Self::Mapped(mapping));
        }
        // Before 6.16 it cannot be mapped, and never as shared memory.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping) => mapping,
            Self::Read(bytes) => bytes,
        }
    }
}

#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    /// Number of members, parameters or values.
    length: usize,
    /// Bit offsets of members carry a bit-field size.
    has_bitfields: bool,
    size_or_type: u32,
    /// Where what follows the header begins.
    body: usize,
}

impl Btf {
    pub fn of_running_kernel() -> Result<Self> {
        let bytes = Bytes::of_running_kernel().map_err(|error| {
            Error::new(ErrorKind::KernelUnsupported, format!("{VMLINUX}: {error}"))
                .hint("kdelay needs a kernel built with CONFIG_DEBUG_INFO_BTF=y (5.10 or later)")
                .cause(Cause::of(&error))
        })?;
        Self::parse(bytes)
    }

    fn parse(holder: Bytes) -> Result<Self> {
        let bytes = holder.as_ref();
        if read_u16(bytes, 0)? != MAGIC {
            return Err(malformed("no BTF"));
        }
        let header = read_u32(bytes, 4)? as usize;
        let section = |offset: u32, length: u32| {
            let from = header
                .checked_add(offset as usize)
                .ok_or_else(|| malformed("a section beyond its end"))?;
            let to = from
                .checked_add(length as usize)
                .ok_or_else(|| malformed("a section beyond its end"))?;
            (from <= to && to <= bytes.len())
                .then_some(from..to)
                .ok_or_else(|| malformed("a section beyond its end"))
        };
        let types = section(read_u32(bytes, 8)?, read_u32(bytes, 12)?)?;
        let strings = section(read_u32(bytes, 16)?, read_u32(bytes, 20)?)?;
        let mut positions = vec![u32::MAX];
        let type_bytes = &bytes[types.clone()];
        let mut at = 0;
        while at < type_bytes.len() {
            positions.push(at as u32);
            let header = Type::read(type_bytes, at)?;
            at = header.body + header.body_bytes()?;
        }
        Ok(Self {
            bytes: holder,
            types,
            strings,
            positions,
        })
    }

    fn types(&self) -> &[u8] {
        &self.bytes.as_ref()[self.types.clone()]
    }

    /// Bytes from the start of a structure to a member, given as a path such as `thread_info.status`. Members of
    /// anonymous structures and unions count as the outer one's. `None`: there is no such member.
    pub fn member_offset(&self, structure: &str, path: &str) -> Option<u32> {
        let bits = self.member_bits(structure, path)?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// The same in bits, for members that are some of a word's.
    pub fn member_bits(&self, structure: &str, path: &str) -> Option<u32> {
        let mut id = self.find(structure, KIND_STRUCT)?;
        let mut bits = 0u32;
        for name in path.split('.') {
            let (offset, member_type) = self.member(self.resolve(id)?, name.as_bytes(), 0)?;
            bits = bits.checked_add(offset)?;
            id = member_type;
        }
        Some(bits)
    }

    /// The number by which programs are attached to a function.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.find(name, KIND_FUNC)
    }

    /// The number of arguments that a tracepoint hands to its programs.
    pub fn tracepoint_arguments(&self, tracepoint: &str) -> Option<usize> {
        let typedef = self.find(&format!("btf_trace_{tracepoint}"), KIND_TYPEDEF)?;
        let pointer = self.type_of(self.type_of(typedef)?.size_or_type)?;
        let prototype = self.type_of(pointer.size_or_type)?;
        // The first parameter is the tracepoint's own data pointer.
        (pointer.kind == KIND_PTR && prototype.kind == KIND_FUNC_PROTO)
            .then(|| prototype.length.saturating_sub(1))
    }

    /// A BTF of this one's numbering in which only the typedefs of these tracepoints stand, among placeholders. It is all
    /// that aya needs to load a `tp_btf` program; the kernel's own takes it many times as long to parse.
    pub fn only_tracepoints(&self, tracepoints: &[&str]) -> Vec<u8> {
        const PLACEHOLDER: [u32; 3] = [0, KIND_FWD << 24, 0];
        let names: Vec<String> = tracepoints
            .iter()
            .map(|tracepoint| format!("btf_trace_{tracepoint}"))
            .collect();
        let mut strings = vec![0];
        let mut types: Vec<[u32; 3]> = Vec::new();
        // Type 0, void, does not stand in a file.
        for index in 0..self.positions.len() - 1 {
            let Some(found) = self
                .type_of(index as u32 + 1)
                .filter(|found| found.kind == KIND_TYPEDEF)
            else {
                continue;
            };
            let is_found = |name: &&String| self.name_is(found.name, name.as_bytes());
            let Some(name) = names.iter().find(is_found) else {
                continue;
            };
            types.resize(index + 1, PLACEHOLDER);
            types[index] = [strings.len() as u32, KIND_TYPEDEF << 24, 0];
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        file(types.as_flattened(), &strings)
    }

    /// Whether an enumeration has a value of that name.
    pub fn has_enumerator(&self, enumeration: &str, name: &str) -> bool {
        let Some(found) = self
            .find(enumeration, KIND_ENUM)
            .and_then(|id| self.type_of(id))
        else {
            return false;
        };
        (0..found.length).any(|index| {
            read_u32(self.types(), found.body + index * 8)
                .is_ok_and(|offset| self.name_is(offset, name.as_bytes()))
        })
    }

    fn find(&self, name: &str, kind: u32) -> Option<u32> {
        (1..self.positions.len() as u32).find(|&id| {
            self.type_of(id).is_some_and(|found| {
                found.kind == kind && self.name_is(found.name, name.as_bytes())
            })
        })
    }

    fn member(&self, outer: Type, name: &[u8], depth: usize) -> Option<(u32, u32)> {
        if depth > DEPTH_LIMIT || !matches!(outer.kind, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        for index in 0..outer.length {
            let at = outer.body + index * 12;
            let member_name = read_u32(self.types(), at).ok()?;
            let member_type = read_u32(self.types(), at + 4).ok()?;
            let mut offset = read_u32(self.types(), at + 8).ok()?;
            if outer.has_bitfields {
                offset &= 0x00ff_ffff;
            }
            if self.name_is(member_name, name) {
                return Some((offset, member_type));
            }
            if self.name_is(member_name, b"")
                && let Some((inner, found)) =
                    self.member(self.resolve(member_type)?, name, depth + 1)
            {
                return Some((offset.checked_add(inner)?, found));
            }
        }
        None
    }

    /// Through typedefs and qualifiers to the type itself.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..DEPTH_LIMIT {
            let found = self.type_of(id)?;
            if !matches!(found.kind, KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST) {
                return Some(found);
            }
            id = found.size_or_type;
        }
        None
    }

    fn type_of(&self, id: u32) -> Option<Type> {
        let position = *self.positions.get(id as usize)?;
        Type::read(self.types(), position as usize).ok()
    }

    fn name_is(&self, offset: u32, name: &[u8]) -> bool {
        self.bytes.as_ref()[self.strings.clone()]
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

impl Type {
    fn read(types: &[u8], at: usize) -> Result<Self> {
        let Some(header) = types.get(at..).and_then(<[u8]>::first_chunk::<12>) else {
            return Err(malformed("less than it announces"));
        };
        let info = read_u32(header, 4)?;
        // Linux 7.0 widened the length to 24 bits and the kind to 7. Before, the freed bits were unused and zero, so
        // that one reading serves both.
        Ok(Self {
            name: read_u32(header, 0)?,
            kind: (info >> 24) & 0x7f,
            length: (info & 0x00ff_ffff) as usize,
            has_bitfields: info >> 31 != 0,
            size_or_type: read_u32(header, 8)?,
            body: at + 12,
        })
    }

    fn body_bytes(self) -> Result<usize> {
        Ok(match self.kind {
            KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
            KIND_ARRAY => 12,
            KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => self.length * 12,
            KIND_ENUM | KIND_FUNC_PROTO => self.length * 8,
            kind if kind <= KIND_LAST => 0,
            kind => return Err(malformed(&format!("an unknown kind of type ({kind})"))),
        })
    }
}

/// A BTF file: header, types, strings.
fn file(types: &[u32], strings: &[u8]) -> Vec<u8> {
    const VERSION: u16 = 1;
    const HEADER_BYTES: u32 = 24;
    let type_bytes = size_of_val(types) as u32;
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize + type_bytes as usize + strings.len());
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    for word in [
        HEADER_BYTES,
        0,
        type_bytes,
        type_bytes,
        strings.len() as u32,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    for word in types {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(strings);
    bytes
}

fn malformed(what: &str) -> Error {
    Error::new(
        ErrorKind::KernelUnsupported,
        format!("{VMLINUX} holds {what}"),
    )
    .hint("the kernel's BTF is newer than this kdelay knows, or damaged")
}

fn read_u16(bytes: &[u8], at: usize) -> Result<u16> {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => Ok(u16::from_le_bytes(*chunk)),
        None => Err(malformed("less than it announces")),
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Result<u32> {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => Ok(u32::from_le_bytes(*chunk)),
        None => Err(malformed("less than it announces")),
    }
}

#[cfg(test)]
#[path = "btf_tests.rs"]
mod tests;
