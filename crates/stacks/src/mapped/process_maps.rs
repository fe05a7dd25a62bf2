//! What a process has mapped for execution, with the mapped files held open.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use object::elf::{PF_X, PT_LOAD};
use probe_points::elf::Elf;
use probe_points::maps::{self, Mapping};
use probe_points::open::Root;
use probe_points::{Error, Result, escaped, open_mapped};

use crate::mapped::allowance::Allowance;
use crate::mapped::cpu_time::cpu_time;
use crate::mapped::is_there::IsThere;
use crate::mapped::memory_file;
use crate::mapped::module::{Module, Modules};
use crate::mapped::perf_map::PerfMap;

/// Of one process. Others are left out.
const MOST_AREAS: usize = 8192;
/// Of the vDSO: it has two pages.
const LONGEST_VDSO: u64 = 1 << 20;
const MOST_PROBLEMS: usize = 100;
/// Of sections and segments, of all files together. One has some forty, and may have a hundred thousand.
const MOST_HEADERS: usize = 1 << 20;

/// Where an address is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a mapped file; `address` in the file's own terms, as its symbol table has it.
    Module { module: Arc<Module>, address: u64 },
    /// In memory of no file, or of one that is no program: generated code.
    Generated {
        address: u64,
        names: Arc<Mutex<PerfMap>>,
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
    pid: u32,
    is_there: IsThere,
    /// Under /proc.
    folder: PathBuf,
    root: Arc<Root>,
    modules: Arc<Modules>,
    names: Arc<Mutex<PerfMap>>,
    /// Ordered, apart from each other.
    areas: Vec<Area>,
    vdso: Option<Arc<Module>>,
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
        let names = PerfMap::of_process(pid, &root);
        let mut maps = Self {
            pid,
            is_there,
            folder,
            root,
            modules: modules.clone(),
            names: Arc::new(Mutex::new(names)),
            areas: Vec::new(),
            vdso: None,
            problems: Vec::new(),
            reading: Allowance::new(Instant::now()),
        };
        maps.refresh()?;
        Ok(maps)
    }

    pub fn find(&self, address: u64) -> Place {
        let index = self.areas.partition_point(|area| area.end <= address);
        match self.areas.get(index) {
            Some(area) if area.start <= address => match &area.module {
                Some((module, bias)) => Place::Module {
                    module: module.clone(),
                    address: address.wrapping_sub(*bias),
                },
                None => Place::Generated {
                    address,
                    names: self.names.clone(),
                },
            },
            _ => Place::Unknown,
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
        self.folder = memory_folder(self.pid);
        let path = self.folder.join("maps");
        let text = fs::read(&path).map_err(|error| Error::io(path.display(), &error))?;
        let problems_before = self.problems.len();
        let mut headers_left = MOST_HEADERS;
        let areas: Vec<Area> = maps::executable(&text)
            .take(MOST_AREAS)
            .map(|mapping| self.area(&mapping, &mut headers_left))
            .collect();
        // Else all of it may be of another process, which has got the pid.
        if !self.is_there.ask() {
            self.problems.truncate(problems_before);
            let gone = io::Error::from_raw_os_error(libc::ESRCH);
            return Err(Error::io(path.display(), &gone));
        }
        // Nothing is mapped in a process that is about to end.
        if !areas.is_empty() {
            self.areas = areas;
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.look_again();
        Ok(())
    }

    fn area(&mut self, mapping: &Mapping, headers_left: &mut usize) -> Area {
        let mut area = Area {
            start: mapping.start,
            end: mapping.end,
            module: None,
        };
        let module = match &mapping.path[..] {
            b"[vdso]" => self.vdso(mapping),
            _ if mapping.is_file() => self.module(mapping),
            _ => return area,
        };
        let bias = module.and_then(|module| {
            if *headers_left == 0 {
                return Err("files before it have too many sections".to_owned());
            }
            let elf = module.object().elf().map_err(|error| error.to_string())?;
            let headers = elf.sections.len() + elf.segments.len();
            *headers_left = headers_left.saturating_sub(headers);
            let bias = bias(elf, mapping).ok_or("it is not what the file's headers say")?;
            Ok((module, bias))
        });
        match bias {
            Ok(found) => area.module = Some(found),
            Err(_) if is_for_generated(mapping) => {}
            // What is left is to take it for generated code.
            Err(why) => {
                let line = format!("{}: {why}", escaped(&mapping.path));
                if self.problems.len() < MOST_PROBLEMS && !self.problems.contains(&line) {
                    self.problems.push(line);
                }
            }
        }
        area
    }

    fn module(&self, mapping: &Mapping) -> Found {
        let failed = |error: io::Error| error.to_string();
        let (path, file) = open_mapped(&self.folder, mapping, &self.root).map_err(failed)?;
        let module = self.modules.of_file(path, file, &self.root);
        module.map_err(failed)
    }

    /// It is in no file: a copy of its bytes.
    fn vdso(&mut self, mapping: &Mapping) -> Found {
        if let Some(module) = &self.vdso {
            return Ok(module.clone());
        }
        let read = || {
            let length = (mapping.end - mapping.start).min(LONGEST_VDSO);
            let mut bytes = vec![0; length as usize];
            match File::open(self.folder.join("mem")) {
                Ok(memory) => memory.read_exact_at(&mut bytes, mapping.start)?,
                // Only root may read another user's memory; but the kernel gives all processes of a kind the same vDSO.
                Err(error) => {
                    let start = own_vdso(length).ok_or(error)?;
                    File::open("/proc/self/mem")?.read_exact_at(&mut bytes, start)?;
                }
            }
            let file = memory_file::with_bytes(&bytes)?;
            let modules = &self.modules;
            modules.of_file(mapping.path.clone(), file, &self.root)
        };
        let module = read().map_err(|error| error.to_string())?;
        Ok(self.vdso.insert(module).clone())
    }
}

/// Where this process has its own, if that is of so many bytes: a 32-bit process has another.
fn own_vdso(length: u64) -> Option<u64> {
    let text = fs::read("/proc/self/maps").ok()?;
    maps::executable(&text)
        .find(|mapping| mapping.path == b"[vdso]" && mapping.end - mapping.start == length)
        .map(|mapping| mapping.start)
}

type Found = std::result::Result<Arc<Module>, String>;

/// Of the segment that the mapping is made for. Mappings begin on pages, segments anywhere.
fn bias(elf: &Elf, mapping: &Mapping) -> Option<u64> {
    let end = mapping.offset.checked_add(mapping.end - mapping.start)?;
    let segment = elf.segments.iter().find(|segment| {
        let segment_end = segment.offset.saturating_add(segment.file_bytes);
        let overlaps = segment.offset < end && segment_end > mapping.offset;
        segment.kind == PT_LOAD && segment.flags & PF_X != 0 && overlaps
    })?;
    let base = mapping.start.wrapping_sub(mapping.offset);
    Some(base.wrapping_sub(segment.address.wrapping_sub(segment.offset)))
}

/// Generated code may lie in a shared mapping, of a file in memory.
fn is_for_generated(mapping: &Mapping) -> bool {
    let generated = [&b"/memfd:"[..], b"/dev/shm/", b"/dev/zero", b"/SYSV"];
    generated.iter().any(|from| mapping.path.starts_with(from))
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
