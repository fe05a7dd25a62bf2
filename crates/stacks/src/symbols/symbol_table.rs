//! The entries of a symbol table in a file of our own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::elf::Sym64;
use object::endian::LittleEndian;
use object::pod::slice_from_all_bytes;

use crate::symbols::grant::Grant;

pub type Symbol = Sym64<LittleEndian>;
const BYTES: u64 = size_of::<Symbol>() as u64;
/// Between two looks at what is granted.
pub const SYMBOLS_AT_ONCE: u64 = 1 << 14;

/// One after the other, each with where it stands in the file. `symbols`: where the table is, offset and bytes.
pub fn for_each(
    file: &File,
    symbols: (u64, u64),
    grant: &mut Grant,
    mut look: impl FnMut(u64, &Symbol) -> io::Result<()>,
) -> io::Result<()> {
    let (from, end) = (symbols.0, symbols.0 + symbols.1 / BYTES * BYTES);
    let mut chunk = Vec::new();
    for at in (from..end).step_by((SYMBOLS_AT_ONCE * BYTES) as usize) {
        require_time(grant)?;
        chunk.resize((end - at).min(SYMBOLS_AT_ONCE * BYTES) as usize, 0);
        file.read_exact_at(&mut chunk, at)?;
        let entries: &[Symbol] = slice_from_all_bytes(&chunk)
            .map_err(|()| io::Error::new(io::ErrorKind::InvalidData, "no table of symbols"))?;
        for (index, symbol) in (0u64..).zip(entries) {
            look(at + index * BYTES, symbol)?;
        }
    }
    Ok(())
}

/// Fails where no more is granted.
pub fn require_time(grant: &mut Grant) -> io::Result<()> {
    match grant.is_over() {
        true => Err(io::Error::other("its symbols take too long to read")),
        false => Ok(()),
    }
}
