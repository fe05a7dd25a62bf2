//! The executable files of a process: its program, its libraries.
//!
//! Each is opened once, as the very file that is mapped, and stays open: paths may have been replaced meanwhile, and mean
//! something else in the process's own mount namespace.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::cache::Cache;
use crate::files::debug_files;
use crate::files::dynamic;
use crate::files::elf::Elf;
use crate::files::maps::{self, Mapping};
use crate::files::open::{Root, fd_path, open_file};
use crate::files::symbols::Functions;
use crate::files::usdt::{self, Note};

/// Each takes a descriptor.
const MOST_OBJECTS: usize = 4096;
const DELETED: &[u8] = b" (deleted)";

#[derive(Debug)]
pub struct Object {
    /// As the process sees it, or saw it when it mapped the file.
    path: Vec<u8>,
    file: Arc<File>,
    identity: (u64, u64),
    root: Arc<Root>,
    elf: OnceLock<Result<Elf>>,
    functions: OnceLock<Result<Functions>>,
    notes: OnceLock<Result<Vec<Note>>>,
}

/// The program first, then in the order of addresses.
#[derive(Debug)]
pub struct Objects {
    items: Vec<Object>,
    root: Arc<Root>,
    problems: Vec<String>,
}

impl Objects {
    /// Those that a process has mapped now.
    pub fn of_process(pid: u32) -> Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let failed = |what: &str, error: &io::Error| {
            Error::io(format!("/proc/{pid}/{what}"), error).hint(
                "probes in a process need it alive, and the rights of root or of ptrace over it (CAP_SYS_PTRACE)",
            )
        };
        let root = Root::open(&folder.join("root")).map_err(|error| failed("root", &error))?;
        let program = open_file(&folder.join("exe")).map_err(|error| failed("exe", &error))?;
        let path = fs::read_link(folder.join("exe")).map_err(|error| failed("exe", &error))?;
        let maps = fs::read(folder.join("maps")).map_err(|error| failed("maps", &error))?;
        let mut objects = Self::new(root);
        objects.push(path.as_os_str().as_bytes().to_vec(), program);
        let mut seen = HashSet::new();
        for mapping in maps::executable_files(&maps) {
            if !seen.insert(mapping.identity) {
                continue;
            }
            if objects.items.len() >= MOST_OBJECTS {
                objects.problems.push(format!(
                    "only the first {MOST_OBJECTS} mapped files are looked at"
                ));
                break;
            }
            match open_mapped(&folder, &mapping, &objects.root) {
                Ok((path, file)) => objects.push(path, file),
                Err(error) => objects
                    .problems
                    .push(format!("{}: {error}", escaped(&mapping.path))),
            }
        }
        Ok(objects)
    }

    /// Those that a command will map when it begins: a program and the libraries that it is linked to, as the dynamic
    /// loader looks them up, its cache, `LD_LIBRARY_PATH` and variants for processor levels left aside.
    pub fn of_command(program: &Path, root: &Path) -> Result<Self> {
        let shown = escaped(program.as_os_str().as_bytes());
        let failed = |error: &io::Error| Error::io(&shown, error);
        let is_ours = root == Path::new("/");
        let root = Root::open(root).map_err(|error| failed(&error))?;
        let absolute = std::path::absolute(program).map_err(|error| failed(&error))?;
        let file = root.open_file(&absolute).map_err(|error| failed(&error))?;
        let mut start = [0; 2];
        if FileExt::read_at(&file, &mut start, 0).is_ok() && &start == b"#!" {
            let message = format!("{shown} is a script: its interpreter is the program that runs");
            return Err(Error::new(ErrorKind::Unprobeable, message)
                .hint("start the interpreter itself, with the script as its argument"));
        }
        // The loader takes $ORIGIN from where symbolic links lead.
        let path = if is_ours {
            fs::read_link(fd_path(&file)).map_err(|error| failed(&error))?
        } else {
            program.to_path_buf()
        };
        let mut objects = Self::new(root);
        objects.push(path.as_os_str().as_bytes().to_vec(), file);
        objects.items[0].elf().map(|_| ())?;
        for (path, file) in
            dynamic::libraries(&objects.root, &objects.items[0], &mut objects.problems)
        {
            objects.push(path, file);
        }
        Ok(objects)
    }

    fn new(root: Root) -> Self {
        Self {
            items: Vec::new(),
            root: Arc::new(root),
            problems: Vec::new(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.items.iter()
    }

    /// `None` never happens: there is no process without a program.
    pub fn program(&self) -> Option<&Object> {
        self.items.first()
    }

    /// Mapped files that could not be opened, one line each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// By a path as the process sees it: what is mapped under it, even if it has been replaced; else the file that is
    /// there, which the process may load later.
    pub(crate) fn at_path(&self, path: &[u8]) -> Result<Found<'_>> {
        let there = self.root.open_file(Path::new(OsStr::from_bytes(path)));
        if let Ok(file) = &there
            && let Some(object) = identity(file).ok().and_then(|id| self.with_identity(id))
        {
            return Ok(Found::Mapped(object));
        }
        if let Some(object) = self.items.iter().find(|object| object.path == path) {
            return Ok(Found::Mapped(object));
        }
        let failed = |error: &io::Error| Error::io(escaped(path), error);
        let file = there.map_err(|error| failed(&error))?;
        let object =
            Object::new(path.to_vec(), file, &self.root).map_err(|error| failed(&error))?;
        Ok(Found::NotMapped(Box::new(object)))
    }

    fn with_identity(&self, id: (u64, u64)) -> Option<&Object> {
        self.items.iter().find(|object| object.identity == id)
    }

    fn push(&mut self, path: Vec<u8>, file: File) {
        let shown = escaped(&path);
        match Object::new(path, file, &self.root) {
            Ok(object) if self.with_identity(object.identity).is_some() => {}
            Ok(object) => self.items.push(object),
            Err(error) => self.problems.push(format!("{shown}: {error}")),
        }
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

/// What a path leads to.
pub(crate) enum Found<'a> {
    Mapped(&'a Object),
    NotMapped(Box<Object>),
}

impl Found<'_> {
    pub fn object(&self) -> &Object {
        match self {
            Self::Mapped(object) => object,
            Self::NotMapped(object) => object,
        }
    }
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
            elf: OnceLock::new(),
            functions: OnceLock::new(),
            notes: OnceLock::new(),
        })
    }

    pub fn path(&self) -> &[u8] {
        &self.path
    }

    pub fn base_name(&self) -> &[u8] {
        let from = self.path.iter().rposition(|&byte| byte == b'/');
        &self.path[from.map_or(0, |at| at + 1)..]
    }

    pub fn file(&self) -> &Arc<File> {
        &self.file
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

    /// Reads parts of its file, bounded.
    pub fn read<T>(&self, parse: impl FnOnce(&Cache<'_>) -> Result<T>) -> Result<T> {
        read(&self.file, parse).map_err(|error| error.within(escaped(&self.path)))
    }
}

/// Prefers the reason why a read failed to what the parser makes of it.
pub fn read<T>(file: &File, parse: impl FnOnce(&Cache<'_>) -> Result<T>) -> Result<T> {
    let cache = Cache::new(file).map_err(|error| Error::io("cannot be read", &error))?;
    parse(&cache).map_err(|error| match cache.failure() {
        Some(failure) => Error::io("cannot be read", &failure),
        None => error,
    })
}

fn leads_to(root: &Root, path: &[u8], id: (u64, u64)) -> bool {
    let file = root.open_file(Path::new(OsStr::from_bytes(path)));
    file.and_then(|file| identity(&file))
        .is_ok_and(|found| found == id)
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

fn device_and_inode(file: &File) -> io::Result<(u32, u32, u64)> {
    let (device, inode) = identity(file)?;
    Ok((libc::major(device), libc::minor(device), inode))
}
