//! USDT probes: the `.note.stapsdt` notes that `<sys/sdt.h>` leaves in a program.

use object::read::ReadRef;

use crate::error::{Error, Result};
use crate::files::elf::Elf;

/// The largest programs have some thousand.
const MOST_NOTES: usize = 100_000;
const LONGEST_NAME: usize = 512;
const LONGEST_ARGUMENTS: usize = 4096;
const NT_STAPSDT: u32 = 3;

/// One location of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub provider: Vec<u8>,
    pub probe: Vec<u8>,
    /// Where its arguments are found, such as `-4@%edi 8@%rsi`.
    pub arguments: Vec<u8>,
    /// Of the `nop` that a breakpoint replaces, as the symbol table numbers addresses.
    pub address: u64,
    /// Of the counter that tells the program that somebody listens.
    pub semaphore: Option<u64>,
}

/// In the file's order. Notes that are cut or nameless are left out.
pub fn notes<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Result<Vec<Note>> {
    // Where the linker had put it when the addresses in the notes were written: prelink moves sections, but knows nothing
    // of the notes.
    let base = elf.section(b".stapsdt.base").map(|section| section.address);
    let mut notes = Vec::new();
    for section in elf
        .sections
        .iter()
        .filter(|section| section.name == b".note.stapsdt")
    {
        let bytes = section
            .data(data)
            .ok_or_else(|| Error::corrupt("the probes' notes lie outside of the file"))?;
        for raw in elf.notes(bytes) {
            if raw.kind != NT_STAPSDT || raw.name != b"stapsdt\0" {
                continue;
            }
            if notes.len() >= MOST_NOTES {
                return Err(Error::corrupt(format!("more than {MOST_NOTES} probes")));
            }
            notes.extend(note(elf, base, raw.description));
        }
    }
    Ok(notes)
}

fn note(elf: &Elf, base: Option<u64>, description: &[u8]) -> Option<Note> {
    let mut rest = description;
    let mut word = || {
        let (word, bytes) = elf.word(rest)?;
        rest = rest.get(bytes..)?;
        Some(word)
    };
    let (address, noted_base, semaphore) = (word()?, word()?, word()?);
    let moved = base.map_or(0, |base| base.wrapping_sub(noted_base));
    let mut strings = rest.split(|&byte| byte == 0);
    let mut text = |longest: usize| strings.next().filter(|text| text.len() <= longest);
    let provider = text(LONGEST_NAME).filter(|name| !name.is_empty())?;
    let probe = text(LONGEST_NAME).filter(|name| !name.is_empty())?;
    Some(Note {
        provider: provider.to_vec(),
        probe: probe.to_vec(),
        arguments: text(LONGEST_ARGUMENTS).unwrap_or_default().to_vec(),
        address: address.wrapping_add(moved),
        semaphore: (semaphore != 0).then(|| semaphore.wrapping_add(moved)),
    })
}
