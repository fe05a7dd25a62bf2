//! Reading parts of a file that somebody else may cut or rewrite meanwhile: never mapped, since that ends in SIGBUS, and
//! never more than a budget.

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::read::ReadRef;

use crate::error::{self, Error};

/// Bytes read from one file. The symbol tables of the largest programs take about a third of it.
const BUDGET: u64 = 512 << 20;
/// Parts read of one file. An ELF file takes some twenty.
const MOST_PARTS: usize = 128;
/// As far as the end of a string is looked for. String tables are read whole, and not this way.
const STRING_BYTES: u64 = 4096;

struct Part {
    offset: u64,
    bytes: Box<[u8]>,
}

pub struct Cache<'file> {
    file: &'file File,
    length: u64,
    budget: Cell<u64>,
    parts: Box<[OnceCell<Part>]>,
    failure: RefCell<Option<io::Error>>,
}

impl<'file> Cache<'file> {
    pub fn new(file: &'file File) -> io::Result<Self> {
        Ok(Self {
            file,
            length: file.metadata()?.len(),
            budget: Cell::new(BUDGET),
            parts: (0..MOST_PARTS).map(|_| OnceCell::new()).collect(),
            failure: RefCell::new(None),
        })
    }

    /// Why a read failed, if it is not for what the file says.
    pub fn failure(&self) -> Option<io::Error> {
        self.failure.take()
    }

    fn part(&self, offset: u64, size: u64) -> Result<&Part, ()> {
        let end = offset.checked_add(size).ok_or(())?;
        for cell in &self.parts {
            match cell.get() {
                Some(part) => {
                    if part.offset <= offset && end <= part.offset + part.bytes.len() as u64 {
                        return Ok(part);
                    }
                }
                None => {
                    let part = self.read(offset, size)?;
                    return Ok(cell.get_or_init(|| part));
                }
            }
        }
        self.fail("the file is in too many parts")
    }

    fn read(&self, offset: u64, size: u64) -> Result<Part, ()> {
        if offset.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(());
        }
        let Some(left) = self.budget.get().checked_sub(size) else {
            return self.fail("its tables are larger than 512 MiB");
        };
        self.budget.set(left);
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| ())?];
        if let Err(error) = self.file.read_exact_at(&mut bytes, offset) {
            self.failure.replace(Some(error));
            return Err(());
        }
        Ok(Part {
            offset,
            bytes: bytes.into(),
        })
    }

    fn fail<T>(&self, why: &str) -> Result<T, ()> {
        self.failure.replace(Some(io::Error::other(why)));
        Err(())
    }
}

impl<'a> ReadRef<'a> for &'a Cache<'_> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.length)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size == 0 {
            return Ok(&[]);
        }
        let part = self.part(offset, size)?;
        let from = (offset - part.offset) as usize;
        part.bytes.get(from..from + size as usize).ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let size = range
            .end
            .min(self.length)
            .checked_sub(range.start)
            .ok_or(())?;
        let bytes = self.read_bytes_at(range.start, size.min(STRING_BYTES))?;
        let end = bytes.iter().position(|&byte| byte == delimiter).ok_or(())?;
        Ok(&bytes[..end])
    }
}

/// Prefers the reason why a read failed to what the parser makes of it.
pub fn read<T>(
    file: &File,
    parse: impl FnOnce(&Cache<'_>) -> error::Result<T>,
) -> error::Result<T> {
    let cache = Cache::new(file).map_err(|error| Error::io("cannot be read", &error))?;
    parse(&cache).map_err(|error| match cache.failure() {
        Some(failure) => Error::io("cannot be read", &failure),
        None => error,
    })
}
