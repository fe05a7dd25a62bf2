//! `jit-PID.dump`: the code that a runtime generates, with its names, in the format of `perf inject --jit`
//! (`tools/perf/Documentation/jitdump-specification.txt` of the kernel). Runtimes map the file, for perf to find it.

use std::fs::File;
use std::os::unix::fs::FileExt;

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
/// Read at a time.
const CHUNK: usize = 1 << 16;

const CODE_LOAD: u32 = 0;
const CODE_MOVE: u32 = 1;

/// Grows as the process goes on.
#[derive(Debug)]
pub struct JitDump {
    file: File,
    /// Of the next record; 0: not even the header has been read.
    next: u64,
    records: u64,
    names: NamedRanges,
}

/// The part of the file that was read last.
struct Chunk<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
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
            next: 0,
            records: 0,
            names: NamedRanges::default(),
        };
        dump.read_on();
        dump
    }

    /// The name of the code there, and its first address.
    pub fn find(&self, address: u64) -> Option<(&[u8], u64)> {
        self.names.find(address)
    }

    /// The records that have been written since.
    pub fn read_on(&mut self) {
        let Self {
            file,
            next,
            records,
            names,
        } = self;
        let mut chunk = Chunk {
            file,
            start: 0,
            bytes: Vec::new(),
        };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if *next == 0 {
            // Magic, version, bytes of the header.
            let header = chunk.at(0, 12);
            match (word(header, 0), word(header, 8)) {
                (Some(MAGIC), Some(bytes)) if u64::from(bytes) >= 12 => *next = bytes.into(),
                _ => return,
            }
        }
        while *records < MOST_RECORDS {
            let prefix = chunk.at(*next, PREFIX);
            let (Some(kind), Some(bytes)) = (word(prefix, 0), word(prefix, 4)) else {
                return;
            };
            let bytes = u64::from(bytes);
            if bytes < PREFIX {
                return;
            }
            let record = chunk.at(*next, bytes.min(BEFORE_NAME + LONGEST_NAME));
            add(names, kind, record);
            // The code of the last one may not be there yet: it is looked at again.
            let end = next.saturating_add(bytes);
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
            names.add(number(2)?, number(3)?, &name);
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::{CODE_LOAD, CODE_MOVE, JitDump, MAGIC};
    use crate::mapped::memory_file;

    fn header() -> Vec<u8> {
        let mut header = vec![0; 40];
        for (at, word) in [(0, MAGIC), (4, 1), (8, 40)] {
            header[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        header
    }

    fn record(kind: u32, numbers: &[u64], rest: &[u8]) -> Vec<u8> {
        let length = 24 + numbers.len() * 8 + rest.len();
        let head = [&kind.to_le_bytes()[..], &(length as u32).to_le_bytes()].concat();
        // When, and which process and thread.
        let mut record = [&head[..], &[0; 16]].concat();
        record.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        record.extend(rest);
        record
    }

    fn load(address: u64, bytes: u64, name: &str) -> Vec<u8> {
        let code = vec![0xcc; bytes as usize];
        let rest = [name.as_bytes(), &[0], &code].concat();
        record(CODE_LOAD, &[address, address, bytes, 7], &rest)
    }

    fn name(dump: &JitDump, address: u64) -> Option<String> {
        let (name, _) = dump.find(address)?;
        Some(String::from_utf8(name.to_vec()).unwrap())
    }

    #[test]
    fn functions_as_they_are_made_and_moved_and_others_in_their_place() {
        let long = load(0x90_0000, 200_000, "long");
        let records = [
            load(0x1000, 0x40, "first"),
            // Lines, and what is not known.
            record(2, &[0x1000, 0], b""),
            record(99, &[], b"what"),
            long,
            load(0x1020, 0x20, "in its place"),
            record(CODE_MOVE, &[0, 0x1020, 0x2000, 0x20, 7], b""),
        ];
        let dump =
            JitDump::new(memory_file::with_bytes(&[header(), records.concat()].concat()).unwrap());
        assert_eq!(name(&dump, 0x1000), None);
        assert_eq!(name(&dump, 0x103f).as_deref(), Some("in its place"));
        assert_eq!(name(&dump, 0x201f).as_deref(), Some("in its place"));
        assert_eq!(name(&dump, 0x90_0000 + 199_999).as_deref(), Some("long"));
        assert_eq!(name(&dump, 0x2020), None);
    }

    #[test]
    fn it_grows_and_its_last_record_may_not_be_whole() {
        let whole = [
            header(),
            load(0x1000, 0x10, "one"),
            load(0x2000, 0x10, "two"),
        ]
        .concat();
        for cut in 0..whole.len() {
            let mut file = memory_file::with_bytes(&whole[..cut]).unwrap();
            let read_only = File::open(format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&file)
            ));
            let mut dump = JitDump::new(read_only.unwrap());
            let is_there = name(&dump, 0x2000).is_some();
            // The rest is code.
            assert_eq!(is_there, cut >= whole.len() - 0x10, "{cut}");
            file.write_all(&whole[cut..]).unwrap();
            dump.read_on();
            assert_eq!(name(&dump, 0x1000).as_deref(), Some("one"), "{cut}");
            assert_eq!(name(&dump, 0x2000).as_deref(), Some("two"), "{cut}");
        }
    }

    #[test]
    fn nonsense_ends_it() {
        for bytes in [
            b"JiTD".to_vec(),
            vec![0; 100],
            [header(), vec![0; 100]].concat(),
            [header(), vec![0xff; 100]].concat(),
        ] {
            let dump = JitDump::new(memory_file::with_bytes(&bytes).unwrap());
            assert_eq!(name(&dump, 0x1000), None);
        }
        let nameless = record(CODE_LOAD, &[0x1000, 0x1000, 0x10, 0], b"without an end");
        let dump = JitDump::new(memory_file::with_bytes(&[header(), nameless].concat()).unwrap());
        assert_eq!(name(&dump, 0x1000), None);
    }
}
