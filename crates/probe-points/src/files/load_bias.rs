//! By how much the addresses of a file in memory differ from its own.

use object::elf::{PF_X, PT_LOAD};

use crate::files::elf::{Elf, Segment};
use crate::files::maps::Mapping;

/// Segments of one file that are looked at: programs have some ten.
const MOST_SEGMENTS: usize = 64;
/// Mappings of one file, before and after the one in question. The loader makes one of each segment, and may split some.
const NEAREST: usize = 32;

/// Of the file that the mapping of that index is of. `None`: no segment of it may be mapped so.
///
/// A mapping has whole pages, and a page of the file may hold the end of one segment and the beginning of the next, as lld and mold lay
/// them out: then both are mapped, each where it belongs, and which is which is known by where the other segments are.
pub fn load_bias(elf: &Elf, mappings: &[Mapping], index: usize) -> Option<u64> {
    let mapping = mappings.get(index)?;
    let loaded = || {
        let loaded = elf.segments.iter().filter(|it| it.kind == PT_LOAD);
        loaded.take(MOST_SEGMENTS)
    };
    let mut candidates: Vec<u64> = loaded()
        .filter(|segment| !mapping.is_executable || segment.flags & PF_X != 0)
        .filter(|segment| overlap(segment, mapping))
        .map(|segment| bias(segment, mapping))
        .collect();
    candidates.dedup();
    if let [only] = candidates[..] {
        return Some(only);
    }
    let others = of_same_file(mappings, index);
    let fits = |bias: u64, segment: &Segment| {
        let start = segment.address.wrapping_add(bias);
        let is_code = segment.flags & PF_X != 0;
        others.iter().any(|other| {
            let within = start.checked_sub(other.start);
            start < other.end
                && other.is_executable == is_code
                && within.and_then(|within| within.checked_add(other.offset))
                    == Some(segment.offset)
        })
    };
    let count = |bias: u64| loaded().filter(|segment| fits(bias, segment)).count();
    // Of several that fit as well, the first: they differ in nothing that can be seen.
    candidates.into_iter().rev().max_by_key(|&bias| count(bias))
}

fn overlap(segment: &Segment, mapping: &Mapping) -> bool {
    let end = mapping.offset.saturating_add(mapping.end - mapping.start);
    let segment_end = segment.offset.saturating_add(segment.file_bytes);
    segment.offset < end && segment_end > mapping.offset
}

/// If the mapping is made for that segment.
fn bias(segment: &Segment, mapping: &Mapping) -> u64 {
    let base = mapping.start.wrapping_sub(mapping.offset);
    base.wrapping_sub(segment.address.wrapping_sub(segment.offset))
}

/// Itself, and the nearest before and after it.
fn of_same_file(mappings: &[Mapping], index: usize) -> Vec<&Mapping> {
    let (before, rest) = mappings.split_at(index);
    let is_same = |other: &&Mapping| Some(other.identity) == rest.first().map(|it| it.identity);
    let before = before.iter().rev().filter(is_same).take(NEAREST);
    let after = rest.iter().filter(is_same).take(NEAREST + 1);
    before.chain(after).collect()
}

#[cfg(test)]
mod tests {
    use object::Endianness;
    use object::elf::{PF_R, PF_X, PT_LOAD};

    use super::load_bias;
    use crate::files::elf::{Elf, Segment};
    use crate::files::maps::{Mapping, mappings};

    fn elf(segments: &[(u32, u64, u64, u64)]) -> Elf {
        let segment = |&(flags, offset, address, file_bytes)| Segment {
            kind: PT_LOAD,
            flags,
            offset,
            address,
            file_bytes,
        };
        Elf {
            is_64: true,
            endian: Endianness::Little,
            machine: 62,
            entry: 0,
            length: 1 << 20,
            segments: segments.iter().map(segment).collect(),
            sections: Vec::new(),
            has_section_headers: true,
        }
    }

    /// Of each mapping, if there is one.
    fn found(elf: &Elf, maps: &str) -> Vec<Option<u64>> {
        let mappings: Vec<Mapping> = mappings(maps.as_bytes()).collect();
        let indices = 0..mappings.len();
        indices.map(|at| load_bias(elf, &mappings, at)).collect()
    }

    #[test]
    fn two_segments_in_one_page_of_the_file() {
        let code = PF_R | PF_X;
        let elf = elf(&[
            (PF_R, 0, 0, 0x600),
            (code, 0x600, 0x1600, 0x300),
            (code, 0x900, 0x2900, 0x200),
        ]);
        let maps = "550000-551000 r--p 00000000 08:01 7 /a\n\
            551000-552000 r-xp 00000000 08:01 7 /a\n\
            552000-553000 r-xp 00000000 08:01 7 /a\n";
        assert_eq!(found(&elf, maps), [Some(0x55_0000); 3]);
        // Twice, as in two namespaces of the loader, and with another file between.
        let maps = "551000-552000 r-xp 00000000 08:01 7 /a\n\
            552000-553000 r-xp 00000000 08:01 7 /a\n\
            560000-561000 r-xp 00000000 08:01 8 /b\n\
            571000-572000 r-xp 00000000 08:01 7 /a\n\
            572000-573000 r-xp 00000000 08:01 7 /a\n";
        let biases = [0x55_0000, 0x55_0000, 0, 0x57_0000, 0x57_0000].map(Some);
        for at in [0, 1, 3, 4] {
            assert_eq!(found(&elf, maps)[at], biases[at]);
        }
    }

    #[test]
    fn a_segment_in_parts() {
        let elf = elf(&[(PF_R, 0, 0, 0x1000), (PF_R | PF_X, 0x1000, 0x3000, 0x5000)]);
        let maps = "a000-b000 r-xp 00001000 08:01 7 /a\n\
            c000-f000 r-xp 00003000 08:01 7 /a\n\
            f000-10000 r-xp 00009000 08:01 7 /a\n";
        assert_eq!(found(&elf, maps), [Some(0x7000), Some(0x7000), None]);
    }
}
