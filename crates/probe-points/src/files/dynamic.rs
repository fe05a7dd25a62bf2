//! Which libraries a program will load: the dynamic loader's search, as far as it can be told without running it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::elf::PT_INTERP;
use object::read::ReadRef;

use crate::error::escaped;
use crate::files::cache::read;
use crate::files::dynamic_table::{LONGEST_PATH, MOST_LIBRARIES, Needs, needs_of, segment_data};
use crate::files::elf::{Elf, string};
use crate::files::object::Object;
use crate::files::open::Root;

/// Folders that are searched, and lines of the loader's settings.
const MOST_FOLDERS: usize = 256;
const MOST_SETTINGS_BYTES: u64 = 64 << 10;

struct Search<'a> {
    root: &'a Root,
    is_64: bool,
    machine: u16,
    standard: Vec<PathBuf>,
    /// DT_RPATH of the program.
    inherited: Vec<PathBuf>,
}

/// With their paths; those not found are named among the problems.
pub fn libraries(
    root: &Root,
    program: &Object,
    problems: &mut Vec<String>,
) -> Vec<(Vec<u8>, File)> {
    let mut found: Vec<(Vec<u8>, File)> = Vec::new();
    let Ok(elf) = program.elf() else {
        return found;
    };
    let Ok(needs) = read(program.file(), |data| needs_of(elf, data)) else {
        problems.push(format!(
            "{}: its libraries are not to be made out",
            escaped(program.path())
        ));
        return found;
    };
    let mut search = Search {
        root,
        is_64: elf.is_64,
        machine: elf.machine,
        standard: standard_folders(root, elf.is_64),
        inherited: Vec::new(),
    };
    if needs.runpath.is_empty() {
        search.inherited = folders(&needs.rpath, program.path());
    }
    if let Ok(interpreter) = read(program.file(), |data| Ok(interpreter(elf, data)))
        && let Some(path) = interpreter
        && let Some(file) = search.open(Path::new(OsStr::from_bytes(&path)))
    {
        found.push((path, file));
    }
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut queue = VecDeque::from([(program.path().to_vec(), needs)]);
    while let Some((path, needs)) = queue.pop_front() {
        for name in &needs.libraries {
            if seen.contains(name) || seen.len() >= MOST_LIBRARIES {
                continue;
            }
            seen.push(name.clone());
            let Some((at, file)) = search.find(name, &needs, &path) else {
                problems.push(format!(
                    "{}: not found where the loader looks",
                    escaped(name)
                ));
                continue;
            };
            let at = at.as_os_str().as_bytes().to_vec();
            let parsed = read(&file, |data| {
                Elf::parse(data).and_then(|elf| needs_of(&elf, data))
            });
            if let Ok(parsed) = parsed {
                queue.push_back((at.clone(), parsed));
            }
            found.push((at, file));
        }
    }
    found
}

impl Search<'_> {
    fn find(&self, name: &[u8], needs: &Needs, path: &[u8]) -> Option<(PathBuf, File)> {
        let name = Path::new(OsStr::from_bytes(name));
        if name.as_os_str().as_bytes().contains(&b'/') {
            return Some((name.to_path_buf(), self.open(name)?));
        }
        // DT_RUNPATH turns DT_RPATH off, inherited ones included.
        let (own, inherited) = if needs.runpath.is_empty() {
            (folders(&needs.rpath, path), &self.inherited[..])
        } else {
            (folders(&needs.runpath, path), &[][..])
        };
        own.iter()
            .chain(inherited)
            .chain(&self.standard)
            .map(|folder| folder.join(name))
            .find_map(|at| self.open(&at).map(|file| (at, file)))
    }

    /// Libraries for other machines lie about in the same folders.
    fn open(&self, path: &Path) -> Option<File> {
        let file = self.root.open_file(path).ok()?;
        let elf = read(&file, |data| Elf::parse(data)).ok()?;
        (elf.is_64 == self.is_64 && elf.machine == self.machine).then_some(file)
    }
}

fn folders(list: &[u8], path: &[u8]) -> Vec<PathBuf> {
    let origin = Path::new(OsStr::from_bytes(path)).parent();
    let origin = origin.map_or(&b"/"[..], |folder| folder.as_os_str().as_bytes());
    list.split(|&byte| byte == b':')
        .filter(|folder| !folder.is_empty())
        .take(MOST_FOLDERS)
        .map(|folder| {
            let rest = [&b"$ORIGIN"[..], b"${ORIGIN}"]
                .iter()
                .find_map(|token| folder.strip_prefix(*token));
            let folder = rest.map_or(folder.to_vec(), |rest| [origin, rest].concat());
            PathBuf::from(OsStr::from_bytes(&folder))
        })
        .collect()
}

/// Those of the loader's settings, then the built-in ones.
fn standard_folders(root: &Root, is_64: bool) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    add_settings(root, Path::new("/etc/ld.so.conf"), 0, &mut folders);
    let built_in: &[&str] = if is_64 {
        &["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    } else {
        &["/lib", "/usr/lib", "/lib32", "/usr/lib32"]
    };
    folders.extend(built_in.iter().map(PathBuf::from));
    folders
}

fn add_settings(root: &Root, path: &Path, depth: u32, folders: &mut Vec<PathBuf>) {
    let mut text = Vec::new();
    let Ok(file) = root.open_file(path) else {
        return;
    };
    if depth > 4
        || file
            .take(MOST_SETTINGS_BYTES)
            .read_to_end(&mut text)
            .is_err()
    {
        return;
    }
    for line in text.split(|&byte| byte == b'\n').take(MOST_FOLDERS) {
        let line = line
            .split(|&byte| byte == b'#')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if let Some(included) = line.strip_prefix(b"include ") {
            for file in matching(root, included.trim_ascii()) {
                add_settings(root, &file, depth + 1, folders);
            }
        } else if line.starts_with(b"/") && folders.len() < MOST_FOLDERS {
            folders.push(PathBuf::from(OsStr::from_bytes(line)));
        }
    }
}

/// `FOLDER/*.conf`, as distributions write it.
fn matching(root: &Root, pattern: &[u8]) -> Vec<PathBuf> {
    let pattern = Path::new(OsStr::from_bytes(pattern));
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let Some(suffix) = name.as_bytes().strip_prefix(b"*") else {
        return vec![pattern.to_path_buf()];
    };
    let Ok(entries) = root.read_folder(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| name.as_bytes().ends_with(suffix))
        .take(MOST_FOLDERS)
        .map(|name| folder.join(name))
        .collect();
    files.sort();
    files
}

fn interpreter<'a, R: ReadRef<'a>>(elf: &Elf, data: R) -> Option<Vec<u8>> {
    let segment = elf
        .segments
        .iter()
        .find(|segment| segment.kind == PT_INTERP)?;
    string(segment_data(segment, data)?, 0, LONGEST_PATH).map(<[u8]>::to_vec)
}
