//! Imports point down. Refuses, in every crate, an import that goes round in a circle of files or of rooms, and one that
//! climbs from a lower room to a higher: the rooms of a crate are the folders and files of its `src`, and [`table`] has
//! their order. Tests may import what they like.
//!
//! Names are looked up as the compiler does it, as far as that is possible without expanding macros: through `crate`,
//! `self`, `super`, modules, renamed and re-exported names, and inside of macros' arguments, too. An arrow leads to the
//! file that defines the name, not to those that pass it on.

mod arrows;
mod circles;
mod floors;
mod module_tree;
mod paths;
mod sources;
mod table;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use arrows::arrows;
use floors::refused;
use module_tree::Tree;
use sources::Sources;
use table::Floors;

fn main() -> ExitCode {
    match check(Path::new("crates")) {
        Ok(lines) if lines.is_empty() => ExitCode::SUCCESS,
        Ok(lines) => {
            lines.iter().for_each(|line| eprintln!("{line}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("imports cannot be checked: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is refused of all crates in a folder, a line each.
fn check(folder: &Path) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for name in sources::crates(folder)? {
        let Some(floors) = table::floors(&name) else {
            lines.push(format!("crates/{name} has no row in {}", table::FILE));
            continue;
        };
        lines.extend(check_crate(folder, &name, floors)?);
    }
    Ok(lines)
}

fn check_crate(folder: &Path, name: &str, floors: Floors<'_>) -> io::Result<Vec<String>> {
    let sources = Sources::of_folder(&folder.join(name).join("src"))?;
    let shown = |error: syn::Error| io::Error::other(format!("crates/{name}: {error}"));
    let tree = Tree::read(&sources, name).map_err(shown)?;
    Ok(refused(name, floors, &tree, &arrows(&tree)))
}
