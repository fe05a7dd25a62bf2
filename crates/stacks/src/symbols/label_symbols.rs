//! Symbols without a size, as labels in assembler have: one inside of a function is no function of its own, and another one goes no
//! further than to the next symbol, or to the end of its section.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::elf::{SHF_EXECINSTR, STB_LOCAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_SECTION};
use object::endian::{LittleEndian, U64};
use object::pod::bytes_of;
use probe_points::elf::Elf;

use crate::symbols::grant::Grant;
use crate::symbols::symbol_table::{SYMBOLS_AT_ONCE, Symbol, for_each, require_time};

const LE: LittleEndian = LittleEndian;
/// Of one file. The largest browsers have some two million; where there are more, they stay as they are.
const MOST: usize = 4 << 20;

/// One without a size.
struct Label {
    address: u64,
    /// Of its section.
    end: u64,
    /// Where it stands in the file.
    at: u64,
    symbol: Symbol,
}

/// `symbols`: where the table is in the file, offset and bytes. `elf`: the file that it was copied of.
pub fn settle(file: &File, symbols: (u64, u64), elf: &Elf, grant: &mut Grant) -> io::Result<()> {
    let (functions, labels) = read(file, symbols, elf, grant)?;
    if functions.len() + labels.len() > MOST {
        return Ok(());
    }
    let mut starts: Vec<u64> = functions.iter().map(|(start, _)| *start).collect();
    starts.extend(labels.iter().map(|label| label.address));
    starts.sort_unstable();
    let holding = Holding::new(functions);
    for (index, label) in labels.iter().enumerate() {
        if index % SYMBOLS_AT_ONCE as usize == 0 {
            require_time(grant)?;
        }
        let mut settled = label.symbol;
        let next = starts.partition_point(|start| *start <= label.address);
        let next = starts.get(next).copied().unwrap_or(label.end);
        let bytes = label.end.min(next).saturating_sub(label.address);
        // At its section's end, it is of nothing.
        if bytes == 0 || holding.holds(label.address) {
            settled.st_info = STB_LOCAL << 4 | STT_SECTION;
        } else {
            settled.st_size = U64::new(LE, bytes);
        }
        file.write_all_at(bytes_of(&settled), label.at)?;
    }
    Ok(())
}

type Ranges = Vec<(u64, u64)>;

/// The functions with a size, first address and the one after the last, and what has none; of more than there may be, one more.
fn read(
    file: &File,
    symbols: (u64, u64),
    elf: &Elf,
    grant: &mut Grant,
) -> io::Result<(Ranges, Vec<Label>)> {
    let (mut functions, mut labels) = (Ranges::new(), Vec::new());
    for_each(file, symbols, grant, |at, symbol| {
        if functions.len() + labels.len() > MOST {
            return Ok(());
        }
        let (address, size) = (symbol.st_value.get(LE), symbol.st_size.get(LE));
        let kind = symbol.st_info & 0xf;
        let is_function = matches!(kind, STT_FUNC | STT_GNU_IFUNC);
        if size > 0 {
            functions.extend(is_function.then(|| (address, address.saturating_add(size))));
        } else if is_function || kind == STT_NOTYPE {
            // Numbers beyond the table are no section's.
            let section = elf.sections.get(usize::from(symbol.st_shndx.get(LE)));
            let code = section.filter(|it| it.flags & u64::from(SHF_EXECINSTR) != 0);
            labels.extend(code.map(|section| Label {
                address,
                end: section.address.saturating_add(section.bytes),
                at,
                symbol: *symbol,
            }));
        }
        Ok(())
    })?;
    Ok((functions, labels))
}

/// Ranges by where they begin. Of those that hold others only what is before them counts: blazesym finds nothing in the rest.
struct Holding(Ranges);

impl Holding {
    fn new(mut ranges: Ranges) -> Self {
        ranges.sort_unstable();
        Self(ranges)
    }

    fn holds(&self, address: u64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= address);
        // Of several that begin at the same address the last is the longest.
        let last = after.checked_sub(1).and_then(|index| self.0.get(index));
        last.is_some_and(|(_, end)| address < *end)
    }
}

#[cfg(test)]
mod tests {
    use object::Endianness;
    use object::elf::{SHF_EXECINSTR, SHT_PROGBITS, STT_FUNC, STT_NOTYPE, STT_OBJECT, STT_SECTION};
    use probe_points::elf::{Elf, Section};

    use super::settle;
    use crate::mapped::memory_file;
    use crate::symbols::grant::Allotment;
    use std::os::unix::fs::FileExt;

    fn elf() -> Elf {
        let section = |flags, address, bytes| Section {
            name: Vec::new(),
            kind: SHT_PROGBITS,
            flags,
            address,
            offset: 0,
            bytes,
            link: 0,
        };
        Elf {
            is_64: true,
            endian: Endianness::Little,
            machine: 62,
            entry: 0,
            length: 0,
            segments: Vec::new(),
            sections: vec![
                section(0, 0, 0),
                section(SHF_EXECINSTR.into(), 0x1000, 0x100),
                section(SHF_EXECINSTR.into(), 0x1100, 0x80),
                section(0, 0x2000, 0x100),
            ],
            has_section_headers: true,
        }
    }

    #[test]
    fn labels_inside_are_hidden_and_others_end_at_the_next_or_with_their_section() {
        let (text, other, data) = (1u16, 2u16, 3u16);
        let table: &[(u8, u16, u64, u64)] = &[
            (STT_FUNC, text, 0x1000, 0x40),
            // At its beginning, inside, at its end.
            (STT_NOTYPE, text, 0x1000, 0),
            (STT_FUNC, text, 0x103f, 0),
            (STT_NOTYPE, text, 0x1040, 0),
            (STT_NOTYPE, text, 0x1060, 0),
            (STT_FUNC, other, 0x1110, 0x10),
            // Inside of one that holds another, before that and behind it.
            (STT_FUNC, other, 0x1120, 0x40),
            (STT_FUNC, other, 0x1124, 0x4),
            (STT_NOTYPE, other, 0x1122, 0),
            (STT_NOTYPE, other, 0x1130, 0),
            // At the end of its section.
            (STT_NOTYPE, other, 0x1180, 0),
            // No code.
            (STT_NOTYPE, data, 0x2000, 0),
            (STT_OBJECT, text, 0x1050, 0),
            (STT_NOTYPE, 0xfff1, 0x1050, 0),
        ];
        let bytes: Vec<u8> = table
            .iter()
            .flat_map(|&(kind, section, address, size)| {
                let mut entry = [0; 24];
                entry[4] = kind;
                entry[6..8].copy_from_slice(&section.to_le_bytes());
                entry[8..16].copy_from_slice(&address.to_le_bytes());
                entry[16..].copy_from_slice(&size.to_le_bytes());
                entry
            })
            .collect();
        let file = memory_file::with_bytes(&bytes).unwrap();
        let mut grant = Allotment::unlimited().grant();
        settle(&file, (0, bytes.len() as u64), &elf(), &mut grant).unwrap();
        let mut found = vec![0; bytes.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        let found: Vec<(u8, u64)> = found
            .chunks(24)
            .map(|entry| {
                (
                    entry[4],
                    u64::from_le_bytes(entry[16..].try_into().unwrap()),
                )
            })
            .collect();
        let as_it_was = |index: usize| (table[index].0, table[index].3);
        let expected = [
            as_it_was(0),
            (STT_SECTION, 0),
            (STT_SECTION, 0),
            (STT_NOTYPE, 0x20),
            (STT_NOTYPE, 0xa0),
            as_it_was(5),
            as_it_was(6),
            as_it_was(7),
            (STT_SECTION, 0),
            (STT_NOTYPE, 0x50),
            (STT_SECTION, 0),
            as_it_was(11),
            as_it_was(12),
            as_it_was(13),
        ];
        assert_eq!(found, expected);
    }
}
