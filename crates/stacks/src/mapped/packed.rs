//! Sections that compilers and linkers have packed (`SHF_COMPRESSED`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::catch_unwind;

use object::elf::{
    CompressionHeader64, ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD, SHF_COMPRESSED, SHT_NOBITS,
};
use object::endian::LittleEndian;
use object::pod::from_bytes;
use probe_points::elf::Section;
use ruzstd::decoding::FrameDecoder;

/// Of zstd: its strongest level looks back as far as that.
const LONGEST_WINDOW: u64 = 128 << 20;

type Header = CompressionHeader64<LittleEndian>;

/// What a section holds, unpacked if it is packed.
pub fn section_bytes(file: &File, section: &Section, most_bytes: u64) -> io::Result<Vec<u8>> {
    if section.kind == SHT_NOBITS {
        return Ok(Vec::new());
    }
    if section.bytes > most_bytes.min(file.metadata()?.len()) {
        return Err(invalid("a section is too large"));
    }
    let mut bytes = vec![0; section.bytes as usize];
    file.read_exact_at(&mut bytes, section.offset)?;
    if section.flags & u64::from(SHF_COMPRESSED) == 0 {
        return Ok(bytes);
    }
    unpacked(&bytes, most_bytes)
}

/// How many bytes a section becomes, as far as it says so.
pub fn announced_bytes(file: &File, section: &Section) -> u64 {
    if section.kind == SHT_NOBITS {
        return 0;
    }
    if section.flags & u64::from(SHF_COMPRESSED) == 0 {
        return section.bytes;
    }
    let mut header = [0; size_of::<Header>()];
    // What is not there is not unpacked either.
    if file.read_exact_at(&mut header, section.offset).is_err() {
        return 0;
    }
    let size = from_bytes::<Header>(&header).map(|(header, _)| header.ch_size.get(LittleEndian));
    size.unwrap_or_default().max(section.bytes)
}

/// A section with its header, if it does not become more than that.
pub fn unpacked(section: &[u8], most_bytes: u64) -> io::Result<Vec<u8>> {
    let (header, packed) =
        from_bytes::<Header>(section).map_err(|()| invalid("a packed section has no header"))?;
    let size = header.ch_size.get(LittleEndian);
    if size > most_bytes {
        return Err(invalid("a packed section is too large"));
    }
    unpack(header.ch_type.get(LittleEndian), packed, size as usize)
}

/// Exactly so many bytes: what says that it would become another number is refused when that shows.
fn unpack(kind: u32, packed: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let bytes = match kind {
        ELFCOMPRESS_ZLIB => {
            miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, size).ok()
        }
        // It has panics for what its authors think cannot be.
        ELFCOMPRESS_ZSTD => catch_unwind(|| zstd(packed, size)).ok().flatten(),
        _ => return Err(invalid("it is packed in a way that is not known")),
    };
    bytes
        .filter(|bytes| bytes.len() == size)
        .ok_or_else(|| invalid("a packed section cannot be unpacked"))
}

/// Any number of frames: linkers pack large sections in parts.
fn zstd(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    // The kernel gives zeros page by page as they are written: a size that is a lie costs nothing.
    let mut bytes = vec![0; size];
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(LONGEST_WINDOW);
    let count = decoder.decode_all(packed, &mut bytes).ok()?;
    (count == size).then_some(bytes)
}

pub fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use object::elf::{ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD};

    use super::unpack;

    /// A frame of one block that stands for so many zeros: at most 128 KiB.
    fn zeros(count: u32) -> Vec<u8> {
        let block = (count << 3 | 0b011).to_le_bytes();
        // Window of 128 KiB, no content size, no checksum.
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38][..], &block[..3], &[0]].concat()
    }

    #[test]
    fn frames_follow_each_other() {
        let packed = [zeros(100_000), zeros(7)].concat();
        let bytes = unpack(ELFCOMPRESS_ZSTD, &packed, 100_007).unwrap();
        assert_eq!(bytes, vec![0; 100_007]);
    }

    #[test]
    fn a_size_that_is_a_lie_is_refused() {
        for size in [99_999, 100_001, 700 << 20] {
            assert!(unpack(ELFCOMPRESS_ZSTD, &zeros(100_000), size).is_err());
        }
        let zlib = miniz_oxide::deflate::compress_to_vec_zlib(&[0; 1000], 6);
        assert_eq!(unpack(ELFCOMPRESS_ZLIB, &zlib, 1000).unwrap(), [0; 1000]);
        for size in [999, 1001] {
            assert!(unpack(ELFCOMPRESS_ZLIB, &zlib, size).is_err());
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_an_error() {
        let mut packed = zeros(100_000);
        for at in 0..packed.len() {
            for flipped in 0..8 {
                packed[at] ^= 1 << flipped;
                // Some changes are another size, none is a panic.
                let _ = unpack(ELFCOMPRESS_ZSTD, &packed, 100_000);
                packed[at] ^= 1 << flipped;
            }
        }
        for kind in [ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD, 7] {
            assert!(unpack(kind, b"", 1).is_err());
            assert!(unpack(kind, b"nonsense", 1).is_err());
        }
    }
}
