//! The files that processes have mapped for execution, each known once.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use probe_points::cache::Cache;
use probe_points::elf::Elf;
use probe_points::open::Root;
use probe_points::{Object, separate_files};

use crate::mapped::tables::Tables;

/// Of unwind tables, of all modules together: those of the largest browsers take some 50 MiB.
const MOST_TABLE_BYTES: u64 = 1 << 30;
/// Known at a time. Each takes a descriptor.
const MOST_MODULES: usize = 4096;
/// Debug files of one module that are tried.
const MOST_TRIED: usize = 4;
/// Of these, as their unwind tables are looked for, that are read to find out whether they belong to it.
const MOST_COMPARED: u64 = 256 << 20;

/// One file; the vDSO is one, too, in memory.
#[derive(Debug)]
pub struct Module {
    /// Of no other module of this program's run.
    id: u64,
    object: Object,
    build_id: OnceLock<Option<Vec<u8>>>,
    tables: OnceLock<Tables>,
    debug_file_tables: OnceLock<Tables>,
    tables_left: Arc<AtomicU64>,
}

impl Module {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// As the process saw it when it mapped the file. Hostile.
    pub fn path(&self) -> &[u8] {
        self.object.path()
    }

    pub fn object(&self) -> &Object {
        &self.object
    }

    pub fn build_id(&self) -> Option<&[u8]> {
        let read = || {
            let elf = self.object.elf().ok()?;
            self.object.read(|data| Ok(elf.build_id(data))).ok()?
        };
        self.build_id.get_or_init(read).as_deref()
    }

    /// Whether they are known: then it costs nothing to look at them.
    pub(crate) fn has_tables(&self) -> bool {
        self.tables.get().is_some()
    }

    /// Empty if the file has none, or none that can be understood.
    pub(crate) fn tables(&self) -> &Tables {
        self.tables.get_or_init(|| {
            let Ok(elf) = self.object.elf() else {
                return Tables::default();
            };
            let cache = Cache::new(self.object.file());
            let tables = cache.map(|data| Tables::read(elf, &data, &self.tables_left));
            tables.unwrap_or_default()
        })
    }

    /// The debug files on this machine that belong to it, best first. `left`: as of `separate_files`.
    pub fn debug_files(&self, left: &Cell<u64>) -> Vec<File> {
        let object = &self.object;
        let found = object.elf().and_then(|elf| {
            object.read(|data| {
                let files = separate_files(elf, data, object.path(), object.root(), left);
                Ok(files.take(MOST_TRIED).collect())
            })
        });
        found.unwrap_or_default()
    }

    /// Whether it is known what the debug file has.
    pub(crate) fn has_debug_file_tables(&self) -> bool {
        self.debug_file_tables.get().is_some()
    }

    /// `.debug_frame` of the debug file that belongs to it, as of code that was compiled without `.eh_frame`. Empty if there is none.
    pub(crate) fn debug_file_tables(&self) -> &Tables {
        self.debug_file_tables.get_or_init(|| {
            let left = Cell::new(MOST_COMPARED);
            let mut in_vain = 0;
            let tables = self.debug_files(&left).into_iter().find_map(|file| {
                let data = Cache::new(&file).ok()?;
                let elf = Elf::parse(&data).ok()?;
                let tables = Tables::of_debug_file(&elf, &data, &self.tables_left);
                if !tables.has_debug_frame() {
                    in_vain += tables.worked_bytes();
                    return None;
                }
                Some(tables)
            });
            let compared = MOST_COMPARED - left.get();
            tables.unwrap_or_default().with_work(compared + in_vain)
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let tables = [self.tables.get(), self.debug_file_tables.get()];
        let bytes: u64 = tables.into_iter().flatten().map(Tables::bytes).sum();
        self.tables_left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A file's identity, which a change of its contents changes as well.
type Identity = (u64, u64, u64, i64, i64);

/// Shared by all processes that are looked at.
#[derive(Debug)]
pub struct Modules {
    known: Mutex<HashMap<Identity, Weak<Module>>>,
    tables_left: Arc<AtomicU64>,
}

impl Default for Modules {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            tables_left: Arc::new(AtomicU64::new(MOST_TABLE_BYTES)),
        }
    }
}

impl Modules {
    /// That of a file, which stays open as long as the module is in use. `path`: as the process with that root sees it.
    pub fn of_file(&self, path: Vec<u8>, file: File, root: &Arc<Root>) -> io::Result<Arc<Module>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let metadata = file.metadata()?;
        let identity = (
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        );
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Another path to the same file is another module: debug files are looked for by it.
        if let Some(module) = known.get(&identity).and_then(Weak::upgrade)
            && module.object.path() == path
        {
            return Ok(module);
        }
        if known.len() >= MOST_MODULES {
            known.retain(|_, module| module.strong_count() > 0);
            if known.len() >= MOST_MODULES {
                return Err(io::Error::other("too many mapped files"));
            }
        }
        let module = Arc::new(Module {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            object: Object::new(path, file, root)?,
            build_id: OnceLock::new(),
            tables: OnceLock::new(),
            debug_file_tables: OnceLock::new(),
            tables_left: self.tables_left.clone(),
        });
        known.insert(identity, Arc::downgrade(&module));
        Ok(module)
    }
}
