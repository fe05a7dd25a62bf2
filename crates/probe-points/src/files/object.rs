//! One executable file: opened as the very file that is mapped, and read as far as somebody asks.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result, escaped};
use crate::files::cache::{Cache, read};
use crate::files::debug_files;
use crate::files::dynamic_table::needs_of;
use crate::files::elf::Elf;
use crate::files::load_bias::load_bias;
use crate::files::maps::Mapping;
use crate::files::open::{Root, fd_path, open_file};
use crate::files::symbols::Functions;
use crate::files::unwind_tables::UnwindTables;
use crate::files::usdt::{self, Note};

/// What a process has mapped of a file.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The parts of the file that are mapped for execution.
    pub code: Vec<Range<u64>>,
    /// One of them, by its place among the process's mappings; `None`: there are none.
    pub mapping: Option<usize>,
}

const DELETED: &[u8] = b" (deleted)";

#[derive(Debug)]
pub struct Object {
    /// As the process sees it, or saw it when it mapped the file.
    path: Vec<u8>,
    file: Arc<File>,
    identity: (u64, u64),
    root: Arc<Root>,
    /// As the process has it; `None`: it is not known to have mapped it.
    loaded: Option<Loaded>,
    elf: OnceLock<Result<Elf>>,
    functions: OnceLock<Result<Functions>>,
    notes: OnceLock<Result<Vec<Note>>>,
    unwind_tables: OnceLock<Result<UnwindTables>>,
    soname: OnceLock<Result<Vec<u8>>>,
}

impl Object {
    /// `root`: of the process that sees it at that path.
    pub fn new(path: Vec<u8>, file: File, root: &Arc<Root>) -> io::Result<Self> {
        let identity = identity(&file)?;
        // A file's own name may end like that, too.
        let path = match path.strip_suffix(DELETED) {
            Some(before) if !leads_to(root, &path, identity) => before.to_vec(),
            _ => path,
        };
        Ok(Self {
            path,
            file: Arc::new(file),
            identity,
            root: root.clone(),
            loaded: None,
            elf: OnceLock::new(),
            functions: OnceLock::new(),
            notes: OnceLock::new(),
            unwind_tables: OnceLock::new(),
            soname: OnceLock::new(),
        })
    }

    pub fn path(&self) -> &[u8] {
        &self.path
    }

    pub fn base_name(&self) -> &[u8] {
        let from = self.path.iter().rposition(|&byte| byte == b'/');
        &self.path[from.map_or(0, |at| at + 1)..]
    }

    /// What other objects need it by; empty: it has none, or cannot be read.
    pub fn soname(&self) -> &[u8] {
        self.soname.get_or_init(|| {
            let elf = self.elf()?;
            self.read(|data| Ok(needs_of(elf, data)?.soname))
        });
        let soname = self.soname.get().and_then(|soname| soname.as_ref().ok());
        soname.map_or(&[], Vec::as_slice)
    }

    /// Device and inode of its file.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn set_loaded(&mut self, loaded: Loaded) {
        self.loaded = Some(loaded);
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// What is to be added to an address of its own to get the process's; `None`: unknown.
    pub(crate) fn bias(&self, mappings: &[Mapping]) -> Option<u64> {
        let mapping = self.loaded.as_ref()?.mapping?;
        load_bias(self.elf().ok()?, mappings, mapping)
    }

    /// Whether the process runs what is at that place of the file from the file, as far as is known: it may have moved its code to memory
    /// of large pages, where no probe can be attached.
    pub(crate) fn runs_from_file(&self, offset: u64) -> bool {
        let loaded = self.loaded.as_ref();
        loaded.is_none_or(|loaded| loaded.code.iter().any(|part| part.contains(&offset)))
    }

    pub fn root(&self) -> &Arc<Root> {
        &self.root
    }

    pub fn elf(&self) -> Result<&Elf> {
        let elf = self.elf.get_or_init(|| self.read(|data| Elf::parse(data)));
        elf.as_ref().map_err(Error::clone)
    }

    /// Of its own symbol tables and, if it is stripped, of the debug file that belongs to it.
    pub fn functions(&self) -> Result<&Functions> {
        let functions = self.functions.get_or_init(|| {
            let elf = self.elf()?;
            self.read(|data| debug_files::functions(elf, data, &self.path, &self.root))
        });
        functions.as_ref().map_err(Error::clone)
    }

    /// Up to so many bytes of its file; less at the end of it.
    pub fn bytes_at(&self, offset: u64, most_bytes: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let failed = |error| Error::io("cannot be read", &error).within(escaped(&self.path));
        let mut rest = vec![0; most_bytes.min(64 << 10)];
        while bytes.len() < most_bytes {
            let wanted = rest.len().min(most_bytes - bytes.len());
            let at = offset.saturating_add(bytes.len() as u64);
            let got = self.file.read_at(&mut rest[..wanted], at).map_err(failed)?;
            if got == 0 {
                break;
            }
            bytes.extend_from_slice(&rest[..got]);
        }
        Ok(bytes)
    }

    pub fn usdt_notes(&self) -> Result<&[Note]> {
        let notes = self.notes.get_or_init(|| {
            let elf = self.elf()?;
            self.read(|data| usdt::notes(elf, data))
        });
        notes.as_deref().map_err(Error::clone)
    }

    /// Of its own file: debug files have none.
    pub fn unwind_tables(&self) -> Result<&UnwindTables> {
        let tables = self.unwind_tables.get_or_init(|| {
            let elf = self.elf()?;
            self.read(|data| Ok(UnwindTables::read(elf, data)))
        });
        tables.as_ref().map_err(Error::clone)
    }

    /// Whether a function that is not indirect begins there, by symbols or unwind tables.
    pub(crate) fn begins_function(&self, address: u64) -> bool {
        let by_symbols = self.functions().is_ok_and(|functions| {
            let mut all = functions.iter();
            all.any(|function| function.address == address && !function.is_indirect)
        });
        let by_tables = || {
            let tables = self.unwind_tables();
            let range = tables.ok().and_then(|tables| tables.holding(address));
            range.is_some_and(|range| range.start == address)
        };
        by_symbols || by_tables()
    }

    /// Reads parts of its file, bounded.
    pub fn read<T>(&self, parse: impl FnOnce(&Cache<'_>) -> Result<T>) -> Result<T> {
        read(&self.file, parse).map_err(|error| error.within(escaped(&self.path)))
    }
}

/// The file of a mapping, with its path, unescaped, as the process sees it. `process` is its folder in /proc.
pub fn open_mapped(process: &Path, mapping: &Mapping, root: &Root) -> io::Result<(Vec<u8>, File)> {
    let mapped = process.join("map_files").join(&mapping.range);
    let error = match open_file(&mapped) {
        Ok(file) => {
            let path = fs::read_link(fd_path(&file))?;
            return Ok((root.inside(path.as_os_str().as_bytes()).to_vec(), file));
        }
        Err(error) => error,
    };
    // map_files needs CAP_CHECKPOINT_RESTORE. A path will do if it still leads to the same file.
    let path = root.inside(&mapping.path);
    match root.open_file(Path::new(OsStr::from_bytes(path))) {
        Ok(file) if device_and_inode(&file)? == mapping.identity => Ok((path.to_vec(), file)),
        _ => Err(error),
    }
}

fn leads_to(root: &Root, path: &[u8], id: (u64, u64)) -> bool {
    let file = root.open_file(Path::new(OsStr::from_bytes(path)));
    file.and_then(|file| identity(&file))
        .is_ok_and(|found| found == id)
}

/// Device and inode.
pub(crate) fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

fn device_and_inode(file: &File) -> io::Result<(u32, u32, u64)> {
    let (device, inode) = identity(file)?;
    Ok((libc::major(device), libc::minor(device), inode))
}
