//! The symbols and the debug information of a file, copied to where nobody else can change them, as blazesym reads them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use probe_points::cache::Cache;
use probe_points::elf::{Elf, LONGEST_NOTE, Section};
use probe_points::open::{Root, fd_path, open_file};
use probe_points::{by_build_id, has_build_id};

use crate::symbols::cached::cached;
use crate::symbols::extract_elf::{self, Part};
use crate::symbols::grant::Grant;
use crate::symbols::label_symbols;
use crate::symbols::marker_symbols;
use crate::symbols::pair::Pair;
use crate::symbols::split::package;
use crate::symbols::vet::{Found, Places, look};

const SYMBOLS: [&[u8]; 5] = [
    b".symtab",
    b".strtab",
    b".dynsym",
    b".dynstr",
    b".note.gnu.build-id",
];
/// Those that lines, functions and inlined calls are read from.
const DEBUG: [&[u8]; 10] = [
    b".debug_info",
    b".debug_abbrev",
    b".debug_str",
    b".debug_str_offsets",
    b".debug_line",
    b".debug_line_str",
    b".debug_ranges",
    b".debug_rnglists",
    b".debug_addr",
    b".debug_aranges",
];
/// What several debug files have in common, moved to one of its own: its path and build id.
const COMMON: &[u8] = b".gnu_debugaltlink";

#[derive(Debug)]
pub struct Extract {
    file: File,
    pub bytes: u64,
    pub has_debug_info: bool,
    pub has_symbol_table: bool,
    /// What of the file's debug information is missing, and why.
    pub problem: Option<String>,
    /// The build id of the common file, if that is nowhere to be found.
    pub lacks_common: Option<Vec<u8>>,
    /// Open as long as this is: the copy refers to its descriptor.
    _common: Option<Box<Extract>>,
    /// Units of split debug information; open as long as this is.
    package: Option<(File, Pair)>,
}

impl Extract {
    /// Debug information is left out if all is more than that, or if it cannot be trusted.
    /// `cache`: a folder of debug files that were fetched.
    pub fn of_file(
        file: &File,
        root: &Root,
        cache: Option<&Path>,
        most_bytes: u64,
        grant: &mut Grant,
    ) -> io::Result<Self> {
        let whole = |grant: &mut Grant| {
            let link = common_link(file);
            let found = link
                .as_ref()
                .and_then(|link| find_common(file, link, root, cache));
            let id = link.map(|(_, id)| id);
            let lacks_common = id.clone().filter(|_| found.is_none());
            let common = match found.zip(id) {
                Some((file, id)) => Some((Self::write(&file, most_bytes, grant, true, None)?, id)),
                None => None,
            };
            let mut extract = Self::write(file, most_bytes, grant, true, common)?;
            if extract.vet(grant)? {
                extract.add_package(file, root, most_bytes, grant)?;
            }
            io::Result::Ok(Self {
                lacks_common,
                ..extract
            })
        };
        let mut part = grant.for_debug_information();
        let found = whole(&mut part);
        grant.settle(&part);
        found.or_else(|why| {
            let problem = Some(format!("debug information is left out: {why}"));
            let plain = Self::write(file, most_bytes, grant, false, None)?;
            Ok(Self { problem, ..plain })
        })
    }

    pub fn path(&self) -> PathBuf {
        match &self.package {
            Some((_, pair)) => pair.path(),
            None => fd_path(&self.file),
        }
    }

    /// If its debug information is split. Without those units functions have their names from the symbol table.
    fn add_package(
        &mut self,
        file: &File,
        root: &Root,
        most_bytes: u64,
        grant: &mut Grant,
    ) -> io::Result<()> {
        let own = std::fs::read_link(fd_path(file))?;
        let left = most_bytes.saturating_sub(self.bytes);
        let lacking = |why: &dyn std::fmt::Display| {
            Some(format!(
                "debug information is split, and inlined functions are unknown: {why}"
            ))
        };
        match package(&self.file, &own, root, left, grant) {
            Ok(None) => {}
            Ok(Some(found)) if found.is_empty() => {
                self.problem =
                    lacking(&"there is no .dwp file next to it, and none of its .dwo files");
            }
            Ok(Some(found)) => {
                let copy = found.write()?;
                self.bytes += found.bytes();
                match Pair::new(&self.file, &copy) {
                    Ok(pair) => self.package = Some((copy, pair)),
                    Err(why) => self.problem = lacking(&why),
                }
            }
            Err(why) => self.problem = lacking(&why),
        }
        Ok(())
    }

    fn write(
        file: &File,
        most_bytes: u64,
        grant: &mut Grant,
        with_debug_info: bool,
        common: Option<(Self, Vec<u8>)>,
    ) -> io::Result<Self> {
        let data = Cache::new(file)?;
        let elf = Elf::parse(&data).map_err(io::Error::other)?;
        let link = common.as_ref().map(|(common, id)| {
            let path = common.path();
            [path.as_os_str().as_bytes(), b"\0", id].concat()
        });
        let part = |section: &Section| {
            let name = &section.name[..];
            let is_debug = with_debug_info && DEBUG.contains(&name);
            match &link {
                Some(link) if name == COMMON => Part::Replace(link.clone()),
                _ if SYMBOLS.contains(&name) || is_debug => Part::Copy,
                _ => Part::Leave,
            }
        };
        let (copy, places) = extract_elf::write(file, &elf, &data, most_bytes, grant, part)?;
        let place = |name: &[u8]| places.iter().find(|(n, _)| n == name).map(|(_, at)| *at);
        if let (Some(symbols), Some(names)) = (place(b".symtab"), place(b".strtab")) {
            marker_symbols::hide(&copy, symbols, names, grant)?;
            label_symbols::settle(&copy, symbols, &elf, grant)?;
        }
        let has = |name: &[u8]| places.iter().any(|(n, (_, bytes))| n == name && *bytes > 0);
        let mut extract = Self {
            bytes: copy.metadata()?.len(),
            has_debug_info: has(b".debug_info") && has(b".debug_abbrev"),
            has_symbol_table: has(b".symtab"),
            problem: None,
            lacks_common: None,
            file: copy,
            package: None,
            _common: common.map(|(common, _)| Box::new(common)),
        };
        extract.bytes += extract._common.as_ref().map_or(0, |common| common.bytes);
        Ok(extract)
    }

    /// Its own debug information, and the common one. Whether its own is split.
    fn vet(&self, grant: &mut Grant) -> io::Result<bool> {
        let mut found = Found::default();
        if self.has_debug_info {
            let data = Cache::new(&self.file)?;
            let elf = Elf::parse(&data).map_err(io::Error::other)?;
            let place = |name| {
                let section = elf.section(name);
                section.map_or((0, 0), |section| (section.offset, section.bytes))
            };
            let places = Places {
                info: place(b".debug_info"),
                abbrev: place(b".debug_abbrev"),
                line: place(b".debug_line"),
                ranges: place(b".debug_ranges"),
                range_lists: place(b".debug_rnglists"),
            };
            found = look(&self.file, places, grant)?;
            if found.is_hostile {
                return Err(io::Error::other(
                    "its inlined calls are nested too deep, or it takes too long to read",
                ));
            }
        }
        if let Some(common) = &self._common {
            common.vet(grant)?;
        }
        Ok(found.is_split)
    }
}

fn common_link(file: &File) -> Option<(PathBuf, Vec<u8>)> {
    let data = Cache::new(file).ok()?;
    let link = Elf::parse(&data)
        .ok()?
        .section(COMMON)?
        .short_data(&data, LONGEST_NOTE)?;
    let end = link.iter().position(|&byte| byte == 0)?;
    let (path, id) = (&link[..end], &link[end + 1..]);
    let path = PathBuf::from(OsStr::from_bytes(path));
    (2..=64).contains(&id.len()).then(|| (path, id.to_vec()))
}

/// The file that has what several debug files have in common, if it can be found.
fn find_common(
    file: &File,
    (path, id): &(PathBuf, Vec<u8>),
    root: &Root,
    cache: Option<&Path>,
) -> Option<File> {
    let own = std::fs::read_link(fd_path(file)).ok()?;
    let path = without_dots(&own.parent()?.join(path));
    let installed = [by_build_id(id), path].into_iter().find_map(|path| {
        let files = [root.open_file(&path), open_file(&path)];
        let mut files = files.into_iter().flatten();
        files.find(|file| has_build_id(file, id))
    });
    installed.or_else(|| cached(cache?, id))
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}
