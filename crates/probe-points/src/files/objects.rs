//! The executable files of a process: its program, its libraries.
//!
//! Each is opened once, as the very file that is mapped, and stays open: paths may have been replaced meanwhile, and mean
//! something else in the process's own mount namespace.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::Endian;
use object::elf::{EM_386, EM_X86_64};

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::dynamic;
use crate::files::dynamic_table::needs_of;
use crate::files::maps::{self, Mapping};
use crate::files::object::{Loaded, Object, identity, open_mapped};
use crate::files::open::{Root, fd_path, open_file};
use crate::files::relocations::{Wanted, slots};

/// Each takes a descriptor.
const MOST_OBJECTS: usize = 4096;

/// The program first, then in the order of addresses.
#[derive(Debug)]
pub struct Objects {
    items: Vec<Object>,
    root: Arc<Root>,
    /// Of a process that runs.
    mappings: Vec<Mapping>,
    /// Likewise, if it may be read.
    memory: Option<File>,
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
        objects.memory = File::open(folder.join("mem")).ok();
        objects.push(path.as_os_str().as_bytes().to_vec(), program);
        let mappings: Vec<Mapping> = maps::mappings(&maps).collect();
        let code = || {
            let all = mappings.iter().enumerate();
            all.filter(|(_, mapping)| mapping.is_executable && mapping.is_file())
        };
        let mut loaded: HashMap<_, Loaded> = HashMap::new();
        for (index, mapping) in code() {
            let loaded = loaded.entry(mapping.identity).or_default();
            if mapping.takes_probes {
                let bytes = mapping.end - mapping.start;
                let end = mapping.offset.saturating_add(bytes);
                loaded.code.push(mapping.offset..end);
            }
            loaded.mapping.get_or_insert(index);
        }
        // Else the program may be one that could not be opened as it is mapped.
        let mut all_are_known = !loaded.is_empty();
        for (_, mapping) in code() {
            let Some(loaded) = loaded.remove(&mapping.identity) else {
                continue;
            };
            if objects.items.len() >= MOST_OBJECTS {
                objects.problems.push(format!(
                    "only the first {MOST_OBJECTS} mapped files are looked at"
                ));
                all_are_known = false;
                break;
            }
            match open_mapped(&folder, mapping, &objects.root) {
                Ok((path, file)) => objects.push_mapped(path, file, loaded),
                Err(error) => {
                    let problem = format!("{}: {error}", escaped(&mapping.path));
                    objects.problems.push(problem);
                    all_are_known = false;
                }
            }
        }
        let program = objects.items.first_mut();
        if let Some(program) = program.filter(|program| all_are_known && !program.is_loaded()) {
            program.set_loaded(Loaded::default());
        }
        objects.mappings = mappings;
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
            mappings: Vec::new(),
            memory: None,
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

    /// Libraries that the program needs are not there: most likely it has just begun, and its loader has not mapped them yet.
    pub fn lacks_libraries(&self) -> bool {
        let needed = |program: &Object| {
            let elf = program.elf()?;
            program.read(|data| Ok(needs_of(elf, data)?.libraries))
        };
        let needed = self.program().and_then(|program| needed(program).ok());
        let is_there = |name: &Vec<u8>| {
            let mut items = self.items.iter();
            items.any(|object| object.base_name() == name || object.soname() == name)
        };
        !needed.unwrap_or_default().iter().all(is_there)
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
        if let Some(object) = self.items.iter().find(|object| object.path() == path) {
            return Ok(Found::Mapped(object));
        }
        let failed = |error: &io::Error| Error::io(escaped(path), error);
        let file = there.map_err(|error| failed(&error))?;
        let object =
            Object::new(path.to_vec(), file, &self.root).map_err(|error| failed(&error))?;
        Ok(Found::NotMapped(Box::new(object)))
    }

    /// Whether at that place of the file the process has what the file has, as far as it may be read: programs patch their own code, and a
    /// probe would run what was there before.
    pub(crate) fn has_as_in_file(&self, object: &Object, offset: u64) -> bool {
        /// The longest instruction.
        const BYTES: usize = 15;
        let compare = || {
            let memory = self.memory.as_ref()?;
            let bias = object.bias(&self.mappings)?;
            let elf = object.elf().ok()?;
            let address = elf.code_address(offset)?;
            let of_file = object.bytes_at(offset, BYTES).ok()?;
            let mut there = vec![0; of_file.len()];
            memory
                .read_exact_at(&mut there, address.wrapping_add(bias))
                .ok()?;
            Some(is_same_code(elf.machine, &there, &of_file))
        };
        compare().unwrap_or(true)
    }

    /// The implementation that the loader has chosen for an indirect function of that name, whose symbol leads to `resolver`; its address
    /// in `object`. `None`: it is not known, as before the program has begun, or it is in another object.
    pub(crate) fn implementation(
        &self,
        object: &Object,
        name: &[u8],
        resolver: u64,
    ) -> Option<u64> {
        let memory = self.memory.as_ref()?;
        let bias = object.bias(&self.mappings)?;
        // Of several versions, which one a symbol of another object means is not looked for.
        let is_alone = object
            .functions()
            .is_ok_and(|functions| functions.has_one_of(name));
        let is_itself = |other: &Object| other.identity() == object.identity();
        let others = self.items.iter().filter(|other| !is_itself(other));
        [object].into_iter().chain(others).find_map(|holder| {
            let wanted = Wanted {
                name: is_alone.then_some(name),
                resolver: is_itself(holder).then_some(resolver),
            };
            let elf = holder.elf().ok()?;
            let own_bias = holder.bias(&self.mappings)?;
            let slots = holder.read(|data| Ok(slots(elf, data, wanted))).ok()?;
            slots.into_iter().find_map(|slot| {
                let mut word = [0; 8];
                let at = slot.wrapping_add(own_bias);
                memory.read_exact_at(&mut word, at).ok()?;
                let chosen = elf.endian.read_u64(word).wrapping_sub(bias);
                object.begins_function(chosen).then_some(chosen)
            })
        })
    }

    fn with_identity(&self, id: (u64, u64)) -> Option<&Object> {
        self.items.iter().find(|object| object.identity() == id)
    }

    fn push(&mut self, path: Vec<u8>, file: File) {
        let shown = escaped(&path);
        match Object::new(path, file, &self.root) {
            Ok(object) if self.with_identity(object.identity()).is_some() => {}
            Ok(object) => self.items.push(object),
            Err(error) => self.problems.push(format!("{shown}: {error}")),
        }
    }

    fn push_mapped(&mut self, path: Vec<u8>, file: File, loaded: Loaded) {
        let Ok(identity) = identity(&file) else {
            return;
        };
        self.push(path, file);
        let mut items = self.items.iter_mut();
        if let Some(object) = items.find(|object| object.identity() == identity) {
            object.set_loaded(loaded);
        }
    }
}

/// But for breakpoints, another tracer's or our own: on x86 one of a byte, of which the kernel makes a call where a long nop is.
fn is_same_code(machine: u16, there: &[u8], of_file: &[u8]) -> bool {
    const BREAKPOINT: u8 = 0xcc;
    const CALL: u8 = 0xe8;
    const NOP: &[u8] = b"\x0f\x1f\x44\x00\x00";
    match machine {
        EM_X86_64 | EM_386 => {
            let is_call = there.first() == Some(&CALL) && of_file.starts_with(NOP);
            let first = NOP.len().min(of_file.len());
            (is_call && there[first..] == of_file[first..])
                || (there.iter().zip(of_file))
                    .all(|(one, other)| one == other || *one == BREAKPOINT)
        }
        // A breakpoint is an instruction.
        _ => there[4.min(there.len())..] == of_file[4.min(of_file.len())..],
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
