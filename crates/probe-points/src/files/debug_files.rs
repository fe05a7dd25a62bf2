//! The symbols of stripped files: in a separate debug file, or compressed inside (MiniDebugInfo).

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use object::Endian;
use object::elf::SHT_SYMTAB;
use object::read::ReadRef;

use crate::error::{Error, Result};
use crate::files::cache::read;
use crate::files::elf::{Elf, LONGEST_NOTE};
use crate::files::open::{Root, open_file};
use crate::files::symbols::Functions;
use crate::files::xz;

const DEBUG_FOLDER: &str = "/usr/lib/debug";
/// Of symbols that are packed inside: no more than they may become.
const MOST_PACKED: u64 = 64 << 20;
/// Of files whose checksums are computed, for one that they may belong to.
pub const MOST_CHECKED: u64 = 2 << 30;

pub fn functions<'a, R: ReadRef<'a>>(
    elf: &Elf,
    data: R,
    path: &[u8],
    root: &Root,
) -> Result<Functions> {
    let mut functions = Functions::default();
    functions.add(elf, data)?;
    let has_table = |elf: &Elf| {
        elf.sections
            .iter()
            .any(|section| section.kind == SHT_SYMTAB)
    };
    if !has_table(elf) {
        // Whatever is wrong with them: the file's own symbols are still good.
        let _found = add_separate(&mut functions, elf, data, path, root)
            || add_embedded(&mut functions, elf, data).is_ok();
    }
    functions.sort();
    Ok(functions)
}

fn add_separate<'a, R: ReadRef<'a>>(
    functions: &mut Functions,
    elf: &Elf,
    data: R,
    path: &[u8],
    root: &Root,
) -> bool {
    separate_files(elf, data, path, root, &Cell::new(MOST_CHECKED))
        .any(|file| read(&file, |data| functions.add(&Elf::parse(data)?, data)).is_ok())
}

/// The debug files that belong to a file, best first: by its build id, below the process's root and below ours, then by
/// its `.gnu_debuglink`. `path`: as the process sees the file. `left`: bytes that may be read to compare checksums; what is read is taken
/// from it.
pub fn separate_files<'a, R: ReadRef<'a>>(
    elf: &Elf,
    data: R,
    path: &[u8],
    root: &Root,
    left: &Cell<u64>,
) -> impl Iterator<Item = File> {
    let by_id = elf.build_id(data).into_iter().flat_map(move |id| {
        let at = by_build_id(&id);
        let files = [root.open_file(&at), open_file(&at)].into_iter().flatten();
        files.filter(move |file| has_build_id(file, &id))
    });
    let linked = debug_link(elf, data).into_iter();
    let by_link = linked.flat_map(move |(name, checksum)| {
        let files = by_link(path, &name).into_iter();
        files
            .filter_map(|at| root.open_file(&at).ok())
            .filter(move |file| crc32(file, left).is_ok_and(|found| found == checksum))
    });
    by_id.chain(by_link)
}

/// Whether it is an ELF file of that build id.
pub fn has_build_id(file: &File, id: &[u8]) -> bool {
    let found = read(file, |data| Ok(Elf::parse(data)?.build_id(data)));
    found.is_ok_and(|found| found.as_deref() == Some(id))
}

/// A build id as it is written.
pub fn hexadecimal(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where distributions install it.
pub fn by_build_id(id: &[u8]) -> PathBuf {
    let hex = hexadecimal(id);
    let (folder, name) = hex.split_at(2);
    PathBuf::from(format!("{DEBUG_FOLDER}/.build-id/{folder}/{name}.debug"))
}

/// `.gnu_debuglink`: a file name and, on the next multiple of four bytes, its checksum.
pub fn debug_link<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<(OsString, u32)> {
    let section = elf.section(b".gnu_debuglink")?;
    let bytes = section.short_data(data, LONGEST_NOTE)?;
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let checksum = bytes
        .get((end + 1).next_multiple_of(4)..)?
        .first_chunk::<4>()?;
    let name = &bytes[..end];
    let is_name = !name.is_empty() && !name.contains(&b'/') && name != b".." && name != b".";
    let checksum = elf.endian.read_u32(*checksum);
    is_name.then(|| (OsString::from_vec(name.to_vec()), checksum))
}

/// Where gdb looks.
fn by_link(path: &[u8], name: &OsStr) -> Vec<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    let Some(folder) = path.parent() else {
        return Vec::new();
    };
    let below = folder.strip_prefix("/").unwrap_or(folder);
    vec![
        folder.join(name),
        folder.join(".debug").join(name),
        Path::new(DEBUG_FOLDER).join(below).join(name),
    ]
}

fn crc32(file: &File, left: &Cell<u64>) -> io::Result<u32> {
    let mut rest = BufReader::with_capacity(1 << 16, file);
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = rest.read(&mut buffer)?;
        if length == 0 {
            return Ok(hasher.finalize());
        }
        let after = left.get().checked_sub(length as u64);
        left.set(after.ok_or_else(|| io::Error::other("too long to compare its checksum"))?);
        hasher.update(&buffer[..length]);
    }
}

fn add_embedded<'a, R: ReadRef<'a>>(functions: &mut Functions, elf: &Elf, data: R) -> Result<()> {
    let bytes = unpacked(elf, data).ok_or_else(|| Error::corrupt("no packed symbols"))?;
    functions.add(&Elf::parse(&bytes[..])?, &bytes[..])
}

/// How many bytes `.gnu_debugdata` becomes, as far as it says so.
pub fn unpacked_bytes<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<u64> {
    xz::announced(packed(elf, data)?)
}

/// `.gnu_debugdata`: an ELF file with the symbols that `.dynsym` lacks.
pub fn unpacked<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<Vec<u8>> {
    xz::unpacked(packed(elf, data)?)
}

fn packed<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<&'a [u8]> {
    elf.section(b".gnu_debugdata")?
        .short_data(data, MOST_PACKED)
}
