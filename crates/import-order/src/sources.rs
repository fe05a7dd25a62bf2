//! The source files of one crate.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// By path below `src`, with slashes.
pub struct Sources(pub BTreeMap<String, String>);

impl Sources {
    pub fn of_folder(src: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        collect(src, "", &mut files)?;
        Ok(Self(files))
    }

    /// The files that the library and programs begin with, and their text.
    pub fn roots(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_root = |path: &str| matches!(path, "lib.rs" | "main.rs") || path.starts_with("bin/");
        let files = self
            .0
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| is_root(path))
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if path.ends_with(".rs") {
            files.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// The names of the folders that hold a crate each.
pub fn crates(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
