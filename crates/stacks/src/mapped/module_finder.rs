//! Which file's code a mapping holds.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use object::elf::{PF_X, PT_LOAD};
use probe_points::elf::Elf;
use probe_points::maps::{self, Mapping};
use probe_points::open::Root;
use probe_points::{load_bias, open_mapped};

use crate::mapped::memory_file;
use crate::mapped::module::{Module, Modules};

/// Of sections and segments, of all files together. One has some forty, and may have a hundred thousand.
const MOST_HEADERS: usize = 1 << 20;
/// Of one file that are looked at for code that was moved.
const MOST_SEGMENTS: usize = 64;
/// Of the vDSO: it has two pages.
const LONGEST_VDSO: u64 = 1 << 20;

/// A module, and what is to be subtracted from an address to get the file's own.
pub type Found = (Arc<Module>, u64);

/// Of one process, at one look at its mappings.
pub struct ModuleFinder<'a> {
    folder: &'a Path,
    root: &'a Arc<Root>,
    modules: &'a Modules,
    memory: Option<&'a File>,
    vdso: &'a mut Option<Arc<Module>>,
    /// Sections and segments that all files together may still have.
    headers_left: usize,
    /// Of mappings, by index, beside which something of no file lies.
    neighbours: HashMap<usize, Option<Found>>,
}

impl<'a> ModuleFinder<'a> {
    /// `folder`: under /proc. `memory`: of the process; `None`: it may not be read. `vdso`: if it is known, which it may become.
    pub fn new(
        folder: &'a Path,
        root: &'a Arc<Root>,
        modules: &'a Modules,
        memory: Option<&'a File>,
        vdso: &'a mut Option<Arc<Module>>,
    ) -> Self {
        Self {
            folder,
            root,
            modules,
            memory,
            vdso,
            headers_left: MOST_HEADERS,
            neighbours: HashMap::new(),
        }
    }

    /// Of the mapping of that index. `Ok(None)`: it is of no file. Fails with the reason if its file cannot be read, or is no program.
    pub fn find(&mut self, mappings: &[Mapping], index: usize) -> Result<Option<Found>, String> {
        let mapping = &mappings[index];
        let is_mapped = mapping.path == b"[vdso]" || mapping.is_file();
        let found = match is_mapped {
            true => self.mapped(mappings, index).map(Some),
            false => Ok(None),
        };
        match found {
            Ok(Some(found)) => Ok(Some(found)),
            other => match self.copied(mappings, index) {
                Some(found) => Ok(Some(found)),
                None => other,
            },
        }
    }

    fn mapped(&mut self, mappings: &[Mapping], index: usize) -> Result<Found, String> {
        let mapping = &mappings[index];
        let module = match mapping.is_file() {
            true => self.opened(mapping),
            false => self.vdso(mapping),
        };
        let module = module.map_err(|error| error.to_string())?;
        let bias = load_bias(self.elf(&module)?, mappings, index);
        Ok((module, bias.ok_or("it is not what the file's headers say")?))
    }

    fn opened(&self, mapping: &Mapping) -> io::Result<Arc<Module>> {
        let (path, file) = open_mapped(self.folder, mapping, self.root)?;
        self.modules.of_file(path, file, self.root)
    }

    fn elf<'m>(&mut self, module: &'m Module) -> Result<&'m Elf, String> {
        if self.headers_left == 0 {
            return Err("files before it have too many sections".to_owned());
        }
        let elf = module.object().elf().map_err(|error| error.to_string())?;
        let headers = elf.sections.len() + elf.segments.len();
        self.headers_left = self.headers_left.saturating_sub(headers);
        Ok(elf)
    }

    /// Programs may copy their code to memory of large pages, and put that where it was (Node.js's `--use-largepages`): a mapping of no
    /// file beside one of a file that would have been mapped there, and that holds the same.
    fn copied(&mut self, mappings: &[Mapping], index: usize) -> Option<Found> {
        let memory = self.memory?;
        let mapping = &mappings[index];
        let before = mappings[..index].iter().rposition(Mapping::is_file);
        let after = mappings[index + 1..].iter().position(Mapping::is_file);
        let after = after.map(|distance| index + 1 + distance);
        [before, after].into_iter().flatten().find_map(|at| {
            let (module, bias) = self.neighbour(mappings, at)?;
            let elf = module.object().elf().ok()?;
            let is_there = elf.segments.iter().take(MOST_SEGMENTS).any(|segment| {
                let start = segment.address.wrapping_add(bias);
                let end = start.saturating_add(segment.file_bytes);
                let part = start.max(mapping.start)..end.min(mapping.end);
                let is_code = segment.kind == PT_LOAD && segment.flags & PF_X != 0;
                is_code
                    && !part.is_empty()
                    && is_copy(
                        memory,
                        &module,
                        &part,
                        segment.offset.saturating_add(part.start - start),
                    )
            });
            is_there.then_some((module, bias))
        })
    }

    fn neighbour(&mut self, mappings: &[Mapping], index: usize) -> Option<Found> {
        if let Some(known) = self.neighbours.get(&index) {
            return known.clone();
        }
        let found = self.mapped(mappings, index).ok();
        self.neighbours.insert(index, found.clone());
        found
    }

    /// It is in no file: a copy of its bytes.
    fn vdso(&mut self, mapping: &Mapping) -> io::Result<Arc<Module>> {
        if let Some(module) = self.vdso {
            return Ok(module.clone());
        }
        let length = (mapping.end - mapping.start).min(LONGEST_VDSO);
        let mut bytes = vec![0; length as usize];
        match self.memory {
            Some(memory) => memory.read_exact_at(&mut bytes, mapping.start)?,
            // Only root may read another user's memory; but the kernel gives all processes of a kind the same vDSO.
            None => {
                let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
                let start = own_vdso(length).ok_or_else(denied)?;
                File::open("/proc/self/mem")?.read_exact_at(&mut bytes, start)?;
            }
        }
        let file = memory_file::with_bytes(&bytes)?;
        let module = (self.modules).of_file(mapping.path.clone(), file, self.root)?;
        Ok(self.vdso.insert(module).clone())
    }
}

/// Where this process has its own, if that is of so many bytes: a 32-bit process has another.
fn own_vdso(length: u64) -> Option<u64> {
    let text = fs::read("/proc/self/maps").ok()?;
    maps::mappings(&text)
        .find(|mapping| mapping.path == b"[vdso]" && mapping.end - mapping.start == length)
        .map(|mapping| mapping.start)
}

/// Whether there is what the file has from that offset on, as far as some samples tell.
fn is_copy(memory: &File, module: &Module, part: &Range<u64>, offset: u64) -> bool {
    const SAMPLES: u64 = 64;
    const BYTES: u64 = 64;
    let length = part.end - part.start;
    let bytes = length.min(BYTES);
    (0..SAMPLES).all(|sample| {
        let within = (length - bytes) / (SAMPLES - 1) * sample;
        let mut there = vec![0; bytes as usize];
        let of_file = module
            .object()
            .bytes_at(offset.saturating_add(within), there.len());
        memory
            .read_exact_at(&mut there, part.start + within)
            .is_ok()
            && of_file.is_ok_and(|of_file| of_file == there)
    })
}
