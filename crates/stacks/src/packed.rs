//! Sections that are packed, each behind a header of its own.

use std::io;

use object::elf::{CompressionHeader64, ELFCOMPRESS_ZLIB};
use object::endian::LittleEndian;
use object::pod::from_bytes;

type Header = CompressionHeader64<LittleEndian>;
pub const HEADER: usize = size_of::<Header>();

/// `None`: packed in a way that is not known, or to more than that.
pub fn unpacked(section: &[u8], most_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let (header, packed) =
        from_bytes::<Header>(section).map_err(|()| invalid("a packed section has no header"))?;
    let size = header.ch_size.get(LittleEndian);
    if header.ch_type.get(LittleEndian) != ELFCOMPRESS_ZLIB || size > most_bytes {
        return Ok(None);
    }
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, size as usize)
        .map(Some)
        .map_err(|_| invalid("a packed section cannot be unpacked"))
}

pub fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
