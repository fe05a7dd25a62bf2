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
