//! Puts the configuration into the programs' instructions, where placeholders stand for its fields.

use abi::config::{Config, NO_OFFSET};
use abi::placeholder::{field_of, place_of};
use object::elf::SHF_EXECINSTR;
use object::read::elf::{ElfFile64, SectionHeader};

use crate::error::{Error, ErrorKind, Result};

const INSTRUCTION_BYTES: usize = 8;
/// `BPF_LD | BPF_IMM | BPF_DW`: the first of the two parts of an instruction with a 64-bit constant.
const LOAD_CONSTANT: u8 = 0x18;
/// `BPF_LDX | BPF_MEM` with each of the four widths.
const LOADS: [u8; 4] = [0x61, 0x69, 0x71, 0x79];

/// The object with this configuration in its programs.
pub fn filled_in(object: &[u8], config: &Config) -> Result<Vec<u8>> {
    let file: ElfFile64 = ElfFile64::parse(object).map_err(|error| unreadable(&error))?;
    let endian = file.endian();
    let mut filled = object.to_vec();
    for section in file.elf_section_table().iter() {
        if section.sh_flags(endian) & u64::from(SHF_EXECINSTR) == 0 {
            continue;
        }
        let Some((start, bytes)) = section.file_range(endian) else {
            continue;
        };
        let code = usize::try_from(start).ok().zip(usize::try_from(bytes).ok());
        let code = code.and_then(|(start, bytes)| filled.get_mut(start..start.checked_add(bytes)?));
        let code = code.ok_or_else(|| unreadable(&"a section lies outside of it"))?;
        fill_in(code, config.as_bytes())?;
    }
    Ok(filled)
}

fn unreadable(why: &dyn std::fmt::Display) -> Error {
    let message = format!("the eBPF object cannot be read: {why}");
    Error::new(ErrorKind::Internal, message)
}

fn fill_in(code: &mut [u8], config: &[u8]) -> Result<()> {
    let mut instructions = code.chunks_exact_mut(INSTRUCTION_BYTES);
    while let Some(instruction) = instructions.next() {
        let opcode = instruction[0];
        if opcode == LOAD_CONSTANT {
            let Some(second) = instructions.next() else {
                return Err(unreadable(&"an instruction has no second part"));
            };
            fill_constant(instruction, second, config)?;
        } else if LOADS.contains(&opcode) {
            fill_offset(instruction, config)?;
        }
    }
    Ok(())
}

fn fill_constant(first: &mut [u8], second: &mut [u8], config: &[u8]) -> Result<()> {
    let half = |instruction: &[u8]| match *instruction {
        [_, _, _, _, a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => 0,
    };
    let Some((place, bytes)) = field_of(half(first) | half(second) << 32) else {
        return Ok(());
    };
    let value = field(config, place, bytes)?.to_le_bytes();
    first[4..].copy_from_slice(&value[..4]);
    second[4..].copy_from_slice(&value[4..]);
    Ok(())
}

fn field(config: &[u8], place: usize, bytes: usize) -> Result<u64> {
    let mut value = [0; size_of::<u64>()];
    let field = config.get(place..place + bytes);
    let (Some(to), Some(field)) = (value.get_mut(..bytes), field) else {
        return Err(unreadable(&"it asks for what is not configured"));
    };
    to.copy_from_slice(field);
    Ok(u64::from_le_bytes(value))
}

/// Of a member that this kernel does not have the placeholder stays: the verifier refuses it, unless it cannot be reached.
fn fill_offset(instruction: &mut [u8], config: &[u8]) -> Result<()> {
    let Some(place) = place_of(i16::from_le_bytes([instruction[2], instruction[3]])) else {
        return Ok(());
    };
    let offset = field(config, place, size_of::<u32>())?;
    if offset == u64::from(NO_OFFSET) {
        return Ok(());
    }
    let offset = i16::try_from(offset).map_err(|_| {
        let message =
            format!("a kernel structure is too large: a member lies {offset} bytes into it");
        Error::new(ErrorKind::KernelUnsupported, message)
    })?;
    instruction[2..4].copy_from_slice(&offset.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::probes::object::OBJECT;

    /// What the object's programs hold in the place of fields: the places in [`Config`].
    #[derive(Debug, PartialEq)]
    struct Left {
        constants: HashSet<usize>,
        offsets: HashSet<usize>,
    }

    fn left(object: &[u8]) -> Left {
        let file: ElfFile64 = ElfFile64::parse(object).unwrap();
        let mut left = Left {
            constants: HashSet::new(),
            offsets: HashSet::new(),
        };
        let endian = file.endian();
        for section in file.elf_section_table().iter() {
            if section.sh_flags(endian) & u64::from(SHF_EXECINSTR) == 0 {
                continue;
            }
            let code = section.data(endian, object).unwrap();
            let words: Vec<u64> = code
                .chunks_exact(8)
                .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
                .collect();
            for pair in words.windows(2) {
                if pair[0] as u8 == LOAD_CONSTANT {
                    let constant = pair[0] >> 32 | pair[1] & !0xffff_ffff;
                    left.constants
                        .extend(field_of(constant).map(|(place, _)| place));
                }
            }
            for word in words {
                if LOADS.contains(&(word as u8)) {
                    left.offsets.extend(place_of((word >> 16) as i16));
                }
            }
        }
        left
    }

    fn with_offsets(offset: u32) -> Config {
        // SAFETY: a `Config` is integers alone.
        let mut config: Config = unsafe { std::mem::zeroed() };
        let words = size_of_val(&config.offsets) / size_of::<u32>();
        // SAFETY: it is so many of them.
        unsafe { std::slice::from_raw_parts_mut((&raw mut config.offsets).cast(), words) }
            .fill(offset);
        config
    }

    /// One of which no two words are the same.
    fn with_distinct_words() -> Config {
        let mut config = with_offsets(0);
        let words = size_of::<Config>() / size_of::<u32>();
        // SAFETY: a `Config` is integers alone, so many words of them.
        let words =
            unsafe { std::slice::from_raw_parts_mut((&raw mut config).cast::<u32>(), words) };
        for (word, value) in words.iter_mut().zip(0x101..) {
            *word = value;
        }
        config
    }

    #[test]
    fn each_placeholder_gives_way_to_its_field_and_nothing_else_is_touched() {
        let before = left(OBJECT);
        assert!(
            before.constants.len() > 10 && before.offsets.len() > 5,
            "{before:?}"
        );
        let config = with_distinct_words();
        let value = |place: usize, bytes: usize| {
            let field = &config.as_bytes()[place..place + bytes];
            field
                .iter()
                .rev()
                .fold(0u64, |value, &byte| value << 8 | u64::from(byte))
        };
        let filled = filled_in(OBJECT, &config).unwrap();
        assert_eq!(filled.len(), OBJECT.len());
        let words = |object: &[u8]| -> Vec<u64> {
            let words = object.chunks_exact(8);
            words
                .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
                .collect()
        };
        let (words_before, words_after) = (words(OBJECT), words(&filled));
        let (mut places, mut second_half) = (HashSet::new(), None);
        for (index, (&was, &is)) in words_before.iter().zip(&words_after).enumerate() {
            if let Some(expected) = second_half.take() {
                assert_eq!(is, expected, "{index}");
            } else if was != is && was as u8 == LOAD_CONSTANT {
                let constant = was >> 32 | words_before[index + 1] & !0xffff_ffff;
                let (place, bytes) = field_of(constant).unwrap();
                places.insert(place);
                let value = value(place, bytes);
                assert_eq!(is, was & 0xffff_ffff | value << 32, "{index}");
                second_half = Some(value & !0xffff_ffff);
            } else if was != is {
                let place = place_of((was >> 16) as i16).unwrap();
                places.insert(place);
                assert_eq!(is, was & !0xffff_0000 | value(place, 4) << 16, "{index}");
            }
        }
        let expected = before.constants.union(&before.offsets).copied();
        assert_eq!(places, expected.collect());
        let after = left(&filled);
        assert!(
            after.constants.is_empty() && after.offsets.is_empty(),
            "{after:?}"
        );
    }

    #[test]
    fn a_member_that_is_not_there_keeps_its_placeholder() {
        let filled = filled_in(OBJECT, &with_offsets(NO_OFFSET)).unwrap();
        let after = left(&filled);
        assert!(after.constants.is_empty(), "{after:?}");
        assert_eq!(after.offsets, left(OBJECT).offsets);
    }

    #[test]
    fn a_member_too_far_into_its_structure_is_refused() {
        assert!(filled_in(OBJECT, &with_offsets(i16::MAX as u32)).is_ok());
        let error = filled_in(OBJECT, &with_offsets(i16::MAX as u32 + 1)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::KernelUnsupported);
    }

    proptest! {
        #[test]
        fn a_broken_object_is_an_error_or_filled(at in 0..OBJECT.len(), byte: u8, end in 0..=OBJECT.len()) {
            let mut broken = OBJECT[..end].to_vec();
            if let Some(place) = broken.get_mut(at) {
                *place = byte;
            }
            let _ = filled_in(&broken, &Config::UNSET);
        }
    }
}
