//! Unpacking what `xz` has packed, as far as `.gnu_debugdata` goes: one block, of LZMA2 alone.
//!
//! The decoder keeps a whole block in memory, and a few kilobytes can stand for gigabytes. Hence each chunk's announced
//! size is added up first; the decoder holds chunks to it.

use std::io::{self, Read, Write};

/// Symbols of the largest programs take some ten.
const MOST_BYTES: usize = 64 << 20;

/// `None`: it is malformed, too large, or of a kind that is not known.
pub fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let chunks = chunks(packed)?;
    let (packed_bytes, bytes) = sizes(chunks)?;
    let mut unpacked = Limited {
        bytes: Vec::new(),
        most: bytes,
    };
    lzma_rs::lzma2_decompress(&mut chunks.take(packed_bytes as u64), &mut unpacked).ok()?;
    Some(unpacked.bytes)
}

/// How many bytes it says that it becomes.
pub fn announced(packed: &[u8]) -> Option<u64> {
    let (_, bytes) = sizes(chunks(packed)?)?;
    Some(bytes as u64)
}

/// Those of its first block.
fn chunks(packed: &[u8]) -> Option<&[u8]> {
    const STREAM_HEADER: usize = 12;
    const LZMA2_FILTER: u8 = 0x21;
    if !packed.starts_with(b"\xfd7zXZ\0") {
        return None;
    }
    let block = packed.get(STREAM_HEADER..)?;
    let (&words, flags) = (block.first()?, *block.get(1)?);
    // The lowest two bits: how many filters more; the highest: two optional sizes, seven bits to a byte.
    if words == 0 || flags & 0x3f != 0 {
        return None;
    }
    let mut at = 2;
    for _ in 0..(flags >> 6).count_ones() {
        while block.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    if *block.get(at)? != LZMA2_FILTER {
        return None;
    }
    block.get((usize::from(words) + 1) * 4..)
}

/// Of the chunks, packed and unpacked.
fn sizes(chunks: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut total) = (0, 0);
    loop {
        let size = |from: usize| {
            let size = chunks.get(at + from..)?.first_chunk()?;
            Some(usize::from(u16::from_be_bytes(*size)) + 1)
        };
        let control = *chunks.get(at)?;
        match control {
            0 => return Some((at + 1, total)),
            1 | 2 => {
                total += size(1)?;
                at += 3 + size(1)?;
            }
            0x80.. => {
                let has_properties = control >= 0xc0;
                total += (usize::from(control & 0x1f) << 16) + size(1)?;
                at += 5 + usize::from(has_properties) + size(3)?;
            }
            _ => return None,
        }
        if total > MOST_BYTES {
            return None;
        }
    }
}

struct Limited {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::Error::other("more than announced"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
