//! Symbols that are no functions, but may stand where one does: on Arm `$x` and `$d` mark where code and where data begins, and
//! compilers with the plugin annobin mark what they have made.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::elf::{STB_LOCAL, STT_NOTYPE, STT_SECTION};
use object::endian::LittleEndian;
use object::pod::bytes_of;

use crate::symbols::grant::Grant;
use crate::symbols::symbol_table::{Symbol, for_each};

const ANNOBIN: &[u8; 8] = b".annobin";

/// Makes them into something else that has no name. `symbols`, `names`: where the tables are in the file, offset and bytes.
pub fn hide(
    file: &File,
    symbols: (u64, u64),
    names: (u64, u64),
    grant: &mut Grant,
) -> io::Result<()> {
    for_each(file, symbols, grant, |at, entry| {
        if entry.st_info == STB_LOCAL << 4 | STT_NOTYPE && is_marker(file, entry, names)? {
            let mut hidden = *entry;
            hidden.st_info = STB_LOCAL << 4 | STT_SECTION;
            file.write_all_at(bytes_of(&hidden), at)?;
        }
        Ok(())
    })
}

fn is_marker(file: &File, entry: &Symbol, names: (u64, u64)) -> io::Result<bool> {
    let mut name = [0; ANNOBIN.len()];
    let at = u64::from(entry.st_name.get(LittleEndian));
    let bytes = names.1.saturating_sub(at).min(name.len() as u64);
    if at == 0 || bytes == 0 {
        return Ok(false);
    }
    file.read_exact_at(&mut name[..bytes as usize], names.0 + at)?;
    // `$x` and `$d` may have a dot and more.
    Ok(matches!(name, [b'$', b'x' | b'd', 0 | b'.', ..]) || name == *ANNOBIN)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use object::elf::{STT_FUNC, STT_NOTYPE, STT_SECTION};

    use super::hide;
    use crate::mapped::memory_file;
    use crate::symbols::grant::Allotment;

    #[test]
    fn only_markers_are_hidden() {
        let names = b"\0$x\0$d.12\0$xyz\0f\0.annobin_a.c\0$x";
        let entry = |name: u32, kind: u8| {
            let mut entry = [0; 24];
            entry[..4].copy_from_slice(&name.to_le_bytes());
            entry[4] = kind;
            entry
        };
        let table: Vec<u8> = [
            (0, STT_NOTYPE),
            (1, STT_NOTYPE),
            (1, STT_FUNC),
            (4, STT_NOTYPE),
            (10, STT_NOTYPE),
            (15, STT_NOTYPE),
            (17, STT_NOTYPE),
            // The middle of a name, the end of the table, and nowhere.
            (31, STT_NOTYPE),
            (32, STT_NOTYPE),
            (u32::MAX, STT_NOTYPE),
        ]
        .iter()
        .flat_map(|&(name, kind)| entry(name, kind))
        .collect();
        let file = memory_file::with_bytes(&[&names[..], &table].concat()).unwrap();
        let start = names.len() as u64;
        let mut grant = Allotment::unlimited().grant();
        hide(&file, (start, table.len() as u64), (0, start), &mut grant).unwrap();
        let mut found = vec![0; table.len()];
        file.read_exact_at(&mut found, start).unwrap();
        let kinds: Vec<u8> = found.chunks(24).map(|entry| entry[4]).collect();
        let hidden = STT_SECTION;
        assert_eq!(kinds, [0, hidden, STT_FUNC, hidden, 0, 0, hidden, 0, 0, 0]);
    }
}
