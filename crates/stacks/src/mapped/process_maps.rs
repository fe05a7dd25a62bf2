//! What a process has mapped for execution, with the mapped files held open.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use probe_points::maps::{self, Mapping};
use probe_points::open::Root;
use probe_points::{Error, Result, escaped, open_mapped};

use crate::mapped::allowance::Allowance;
use crate::mapped::cpu_time::cpu_time;
use crate::mapped::generated::GeneratedCode;
use crate::mapped::generated_names::GeneratedNames;
use crate::mapped::is_there::IsThere;
use crate::mapped::module::{Module, Modules};
use crate::mapped::module_finder::ModuleFinder;
use crate::mapped::process_beginnings::ProcessBeginnings;

/// Of one process. Others are left out.
const MOST_AREAS: usize = 8192;
const MOST_PROBLEMS: usize = 100;

/// Where an address is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a mapped file; `address` in the file's own terms, as its symbol table has it.
    Module { module: Arc<Module>, address: u64 },
    /// In memory of no file, or of one that is no program: generated code.
    Generated {
        address: u64,
        names: Arc<Mutex<GeneratedNames>>,
    },
    /// Nothing is mapped there for execution.
    Unknown,
}

impl Place {
    pub fn module(&self) -> Option<&Arc<Module>> {
        match self {
            Self::Module { module, .. } => Some(module),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Area {
    start: u64,
    end: u64,
    /// With what is to be subtracted from an address to get the file's own; `None`: generated code.
    module: Option<(Arc<Module>, u64)>,
}

/// Those of one process, as last read. They stay when it ends.
///
/// An address in none of them has them read again. That something else was mapped in the same place, as after `exec` or
/// `dlclose`, cannot be seen from addresses: whoever knows of it calls [`ProcessMaps::refresh`].
#[derive(Debug)]
pub struct ProcessMaps {
    id: u64,
    pid: u32,
    is_there: IsThere,
    /// Under /proc.
    folder: PathBuf,
    root: Arc<Root>,
    modules: Arc<Modules>,
    names: Arc<Mutex<GeneratedNames>>,
    /// Of the file of such names that the process may map.
    dump_name: String,
    /// As the kernel wrote them.
    text: Vec<u8>,
    read_at: Instant,
    generation: u64,
    beginnings: Option<ProcessBeginnings>,
    /// Ordered, apart from each other.
    areas: Vec<Area>,
    vdso: Option<Arc<Module>>,
    /// Of the process, as of when the maps were read; `None`: it may not be read. Once the process has ended, or executes another program,
    /// there is nothing in it.
    memory: Option<File>,
    problems: Vec<String>,
    reading: Allowance,
}

impl ProcessMaps {
    /// Of a process that keeps its pid, as one that its parent does not wait for. Fails if it has ended, or without the rights of
    /// root or of ptrace over it.
    pub fn open(pid: u32, modules: &Arc<Modules>) -> Result<Self> {
        Self::open_while(IsThere::new(|| true), pid, modules)
    }

    /// Of the process that has this pid while `is_there` says so: whenever they are read, that is asked afterwards.
    pub fn open_while(is_there: IsThere, pid: u32, modules: &Arc<Modules>) -> Result<Self> {
        let folder = memory_folder(pid);
        let root = folder.join("root");
        let root = Root::open(&root).map_err(|error| Error::io(root.display(), &error))?;
        let root = Arc::new(root);
        let names = GeneratedNames::of_process(pid, &root);
        let dump_name = names.dump_name();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut maps = Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            pid,
            is_there,
            folder,
            root,
            modules: modules.clone(),
            names: Arc::new(Mutex::new(names)),
            dump_name,
            text: Vec::new(),
            read_at: Instant::now(),
            generation: 0,
            beginnings: None,
            areas: Vec::new(),
            vdso: None,
            memory: None,
            problems: Vec::new(),
            reading: Allowance::new(Instant::now()),
        };
        maps.refresh()?;
        Ok(maps)
    }

    /// Of no other process of this program's run.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Where the process began; `None`: it is not known.
    pub(crate) fn beginnings(&self) -> Option<&ProcessBeginnings> {
        self.beginnings.as_ref()
    }

    /// The generated code there, to be read; `None`: there is none, or the process may not be read.
    pub(crate) fn generated(&self, address: u64) -> Option<GeneratedCode<'_>> {
        let area = self.area_of(address)?;
        let memory = self.memory.as_ref().filter(|_| area.module.is_none())?;
        Some(GeneratedCode {
            memory,
            start: area.start,
            end: area.end,
        })
    }

    fn area_of(&self, address: u64) -> Option<&Area> {
        let index = self.areas.partition_point(|area| area.end <= address);
        self.areas.get(index).filter(|area| area.start <= address)
    }

    pub fn find(&self, address: u64) -> Place {
        match self.area_of(address) {
            Some(area) => match &area.module {
                Some((module, bias)) => Place::Module {
                    module: module.clone(),
                    address: address.wrapping_sub(*bias),
                },
                None => Place::Generated {
                    address,
                    names: self.names.clone(),
                },
            },
            None => Place::Unknown,
        }
    }

    /// Reads the maps again for an address that is in none of them, as after `dlopen` or where code is generated, but not all the time.
    pub fn find_or_refresh(&mut self, address: u64) -> Place {
        let found = self.find(address);
        if !matches!(found, Place::Unknown) || !self.reading.has_some(Instant::now()) {
            return found;
        }
        // If it has ended, what is known stays.
        let _ = self.refresh();
        self.find(address)
    }

    /// The same, once in a while, of addresses that are known: something else may be there by now, as after `dlclose`.
    pub fn refresh_if_old(&mut self) {
        const OLD: Duration = Duration::from_millis(100);
        let now = Instant::now();
        if now.saturating_duration_since(self.read_at) >= OLD && self.reading.has_some(now) {
            let _ = self.refresh();
        }
    }

    /// Of what was mapped as they were read last: another number each time that it was something else.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Reads them again, and the names of generated code.
    pub fn refresh(&mut self) -> Result<()> {
        let before = cpu_time();
        let read = self.read();
        self.reading.spend(cpu_time().saturating_sub(before));
        read
    }

    /// Mapped files that could not be opened, or are no programs, one line each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The mapped files, each once for each of its mappings.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Module>> {
        let modules = self.areas.iter().filter_map(|area| area.module.as_ref());
        modules.map(|(module, _)| module)
    }

    fn read(&mut self) -> Result<()> {
        self.read_at = Instant::now();
        self.folder = memory_folder(self.pid);
        let path = self.folder.join("maps");
        let text = fs::read(&path).map_err(|error| Error::io(path.display(), &error))?;
        let memory = File::open(self.folder.join("mem")).ok();
        if text == self.text && self.is_there.ask() {
            self.memory = memory.or(self.memory.take());
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.look_again();
            return Ok(());
        }
        let problems_before = self.problems.len();
        let mappings: Vec<Mapping> = maps::mappings(&text).collect();
        let executable = mappings.iter().enumerate();
        let executable = executable.filter(|(_, mapping)| mapping.is_executable);
        if executable.clone().count() > MOST_AREAS {
            let line = format!("only the first {MOST_AREAS} executable mappings are looked at");
            tell(&mut self.problems, line);
        }
        let mut vdso = self.vdso.clone();
        let mut finder = ModuleFinder::new(
            &self.folder,
            &self.root,
            &self.modules,
            memory.as_ref(),
            &mut vdso,
        );
        let problems = &mut self.problems;
        let areas: Vec<Area> = executable
            .take(MOST_AREAS)
            .map(|(index, _)| area(&mut finder, &mappings, index, problems))
            .collect();
        let beginnings = ProcessBeginnings::read(&self.folder);
        let dump = mappings.iter().find(|mapping| self.is_dump(mapping));
        let dump = dump.and_then(|mapping| open_mapped(&self.folder, mapping, &self.root).ok());
        // Else all of it may be of another process, which has got the pid.
        if !self.is_there.ask() {
            self.problems.truncate(problems_before);
            let gone = io::Error::from_raw_os_error(libc::ESRCH);
            return Err(Error::io(path.display(), &gone));
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is mapped in a process that is about to end.
        if !areas.is_empty() {
            self.text = text;
            self.generation += 1;
            self.areas = areas;
            self.memory = memory;
            self.beginnings = beginnings.or(self.beginnings.take());
            self.vdso = vdso;
            names.set_dump(dump.map(|(_, file)| file));
        }
        names.look_again();
        Ok(())
    }

    /// Whether it is that of the file by which perf finds the names of the process's generated code.
    fn is_dump(&self, mapping: &Mapping) -> bool {
        let path = mapping.path.strip_suffix(b" (deleted)");
        let path = path.unwrap_or(&mapping.path);
        let from = path.iter().rposition(|&byte| byte == b'/');
        let name = &path[from.map_or(0, |at| at + 1)..];
        mapping.is_file() && name == self.dump_name.as_bytes()
    }
}

/// Of the mapping of that index.
fn area(
    finder: &mut ModuleFinder<'_>,
    mappings: &[Mapping],
    index: usize,
    problems: &mut Vec<String>,
) -> Area {
    let mapping = &mappings[index];
    let module = match finder.find(mappings, index) {
        Ok(module) => module,
        Err(_) if is_for_generated(mapping) => None,
        // What is left is to take it for generated code.
        Err(why) => {
            tell(problems, format!("{}: {why}", escaped(&mapping.path)));
            None
        }
    };
    Area {
        start: mapping.start,
        end: mapping.end,
        module,
    }
}

/// `jit-PID.dump`, of this process or of one that it was forked by.
fn is_jit_dump(mapping: &Mapping) -> bool {
    let from = mapping.path.iter().rposition(|&byte| byte == b'/');
    mapping.path[from.map_or(0, |at| at + 1)..].starts_with(b"jit-")
}

fn tell(problems: &mut Vec<String>, line: String) {
    if problems.len() < MOST_PROBLEMS && !problems.contains(&line) {
        problems.push(line);
    }
}

/// Generated code may lie in a shared mapping, of a file in memory.
fn is_for_generated(mapping: &Mapping) -> bool {
    let generated = [&b"/memfd:"[..], b"/dev/shm/", b"/dev/zero", b"/SYSV"];
    generated.iter().any(|from| mapping.path.starts_with(from)) || is_jit_dump(mapping)
}

/// Where /proc shows a process's memory: at its leader, or, where that has ended and has none any more, at another thread.
fn memory_folder(pid: u32) -> PathBuf {
    let leader = PathBuf::from(format!("/proc/{pid}"));
    let has_memory = |folder: &PathBuf| fs::read_link(folder.join("exe")).is_ok();
    if has_memory(&leader) {
        return leader;
    }
    let threads = fs::read_dir(leader.join("task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        // Only there is `map_files` shown.
        .map(|thread| Path::new("/proc").join(thread.file_name()))
        .find(has_memory)
        .unwrap_or(leader)
}
