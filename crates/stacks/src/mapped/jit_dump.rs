//! `jit-PID.dump`: the code that a runtime generates, with its names, in the format of `perf inject --jit`
//! (`tools/perf/Documentation/jitdump-specification.txt` of the kernel). Runtimes map the file, for perf to find it.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::mapped::named_ranges::NamedRanges;

/// "JiTD", in the byte order of the machine that has written it.
const MAGIC: u32 = 0x4a69_5444;
/// The kind of a record, its bytes, when it was made.
const PREFIX: u64 = 16;
/// Before a function's name, from the begin of its record on: prefix, process, thread, and four numbers of 64 bits.
const BEFORE_NAME: u64 = PREFIX + 40;
const LONGEST_NAME: u64 = 4096;
/// Of one file. Each may name a function.
const MOST_RECORDS: u64 = 4_000_000;
/// Read of one file, without the code.
const MOST_BYTES: u64 = 1 << 30;
/// Magic, version, bytes of the header, machine, nothing, process, when it began, flags.
const HEADER: usize = 40;
/// Read at a time: a record without its code is no longer.
const CHUNK: usize = 1 << 13;

const CODE_LOAD: u32 = 0;
const CODE_MOVE: u32 = 1;

/// Grows as the process goes on.
#[derive(Debug)]
pub struct JitDump {
    file: File,
    header: Vec<u8>,
    /// Of the next record; 0: not even the header has been read.
    next: u64,
    records: u64,
    bytes: u64,
    names: NamedRanges,
}

/// The part of the file that was read last.
struct Chunk<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
    /// That were read in all.
    read: u64,
}

impl Chunk<'_> {
    /// So many bytes from there on, or as many as there are.
    fn at(&mut self, offset: u64, length: u64) -> &[u8] {
        let length = usize::try_from(length).map_or(CHUNK, |length| length.min(CHUNK));
        let from = |chunk: &Self| {
            let from = usize::try_from(offset.checked_sub(chunk.start)?).ok()?;
            (from + length <= chunk.bytes.len()).then_some(from)
        };
        if from(self).is_none() {
            self.bytes.resize(CHUNK, 0);
            let count = self.file.read_at(&mut self.bytes, offset).unwrap_or(0);
            self.bytes.truncate(count);
            self.read += count as u64;
            self.start = offset;
        }
        let from = from(self).unwrap_or(0);
        &self.bytes[from..self.bytes.len().min(from + length)]
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl JitDump {
    pub fn new(file: File) -> Self {
        let mut dump = Self {
            file,
            header: Vec::new(),
            next: 0,
            records: 0,
            bytes: 0,
            names: NamedRanges::default(),
        };
        dump.read_on();
        dump
    }

    /// The name of the code there, and its first address.
    pub fn find(&self, address: u64) -> Option<(&[u8], u64)> {
        self.names.find(address)
    }

    /// Whether it is of that file.
    pub fn is_of(&self, file: &File) -> bool {
        let identity = |file: &File| {
            let metadata = file.metadata().ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        identity(&self.file) == identity(file)
    }

    /// The records that have been written since; all of them, if the file was written anew.
    pub fn look_again(&mut self) {
        let mut header = vec![0; self.header.len()];
        let is_same = self.file.read_exact_at(&mut header, 0).is_ok() && header == self.header;
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        if !is_same || length < self.next {
            self.header.clear();
            self.names.clear();
            (self.next, self.records, self.bytes) = (0, 0, 0);
        }
        self.read_on();
    }

    /// The records that have been written since.
    pub fn read_on(&mut self) {
        let Self {
            file,
            header,
            next,
            records,
            bytes,
            names,
        } = self;
        let mut chunk = Chunk {
            file,
            start: 0,
            bytes: Vec::new(),
            read: *bytes,
        };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if *next == 0 {
            let found = chunk.at(0, HEADER as u64);
            match (word(found, 0), word(found, 8)) {
                (Some(MAGIC), Some(bytes)) if found.len() == HEADER && bytes as usize >= HEADER => {
                    *header = found.to_vec();
                    *next = bytes.into();
                }
                _ => return,
            }
        }
        while *records < MOST_RECORDS && chunk.read < MOST_BYTES {
            *bytes = chunk.read;
            let prefix = chunk.at(*next, PREFIX);
            let (Some(kind), Some(whole)) = (word(prefix, 0), word(prefix, 4)) else {
                return;
            };
            let whole = u64::from(whole);
            if whole < PREFIX {
                return;
            }
            let record = chunk.at(*next, whole.min(BEFORE_NAME + LONGEST_NAME));
            add(names, kind, record);
            // The code of the last one may not be there yet: it is looked at again.
            let end = next.saturating_add(whole);
            if end > length {
                return;
            }
            *next = end;
            *records += 1;
        }
    }
}

/// `record`: without the code. Malformed ones are left out.
fn add(names: &mut NamedRanges, kind: u32, record: &[u8]) -> Option<()> {
    let numbers = PREFIX as usize + 8;
    let number = |index: usize| long(record, numbers + index * 8);
    match kind {
        // The function's address twice, its bytes, its number.
        CODE_LOAD => {
            let name = record.get(BEFORE_NAME as usize..)?;
            let name = &name[..name.iter().position(|&byte| byte == 0)?];
            names.add(number(1)?, number(2)?, name);
        }
        // Its address, where it was, where it is, its bytes, its number.
        CODE_MOVE => {
            let (name, start) = names.find(number(1)?)?;
            let name = (start == number(1)?).then(|| name.to_vec())?;
            names.remove(start);
            names.add(number(2)?, number(3)?, &name);
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
#[path = "jit_dump_tests.rs"]
mod tests;
