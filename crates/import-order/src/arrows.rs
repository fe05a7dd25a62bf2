//! Which file imports from which.

use std::collections::BTreeMap;

use crate::module_tree::{ModuleId, Tree};

/// From an importing file to one whose definitions it uses, and the first line that does.
pub type Arrows = BTreeMap<(String, String), usize>;

/// Names may be passed on from module to module so often. More is a name that stands for itself.
const MOST_STEPS: usize = 16;

pub fn arrows(tree: &Tree) -> Arrows {
    let mut arrows = Arrows::new();
    for (id, module) in tree.modules.iter().enumerate() {
        for mention in &module.mentions {
            let Some(found) = find(tree, id, &mention.path.segments, MOST_STEPS) else {
                continue;
            };
            // A module that only passes on what its children define needs nothing of them.
            if mention.is_passed_on && tree.is_below(found.module, id) {
                continue;
            }
            let to = &tree.modules[found.module].file;
            if *to != module.file {
                let line = arrows
                    .entry((module.file.clone(), to.clone()))
                    .or_insert(mention.path.line);
                *line = (*line).min(mention.path.line);
            }
        }
    }
    arrows
}

/// What a path stands for.
#[derive(Clone, Copy)]
struct Found {
    /// It itself, or the one that defines the item.
    module: ModuleId,
    is_item: bool,
}

impl Found {
    fn module(module: ModuleId) -> Self {
        Self {
            module,
            is_item: false,
        }
    }
}

/// `None`: it is not of this crate.
fn find(tree: &Tree, from: ModuleId, path: &[String], steps: usize) -> Option<Found> {
    let steps = steps.checked_sub(1)?;
    let (first, rest) = path.split_first()?;
    let mut found = match first.as_str() {
        "crate" => Found::module(tree.root_of(from)),
        "self" => Found::module(from),
        "super" => Found::module(tree.modules[from].parent?),
        name => match named(tree, from, name, steps) {
            Named::Here(found) => found,
            Named::Elsewhere => return None,
            Named::Nowhere => {
                let (library, root) = tree.library.as_ref()?;
                let is_library = library == name && *root != tree.root_of(from);
                is_library.then(|| Found::module(*root))?
            }
        },
    };
    for name in rest {
        if found.is_item {
            break;
        }
        found = match name.as_str() {
            "self" => found,
            "super" => Found::module(tree.modules[found.module].parent?),
            name => match named(tree, found.module, name, steps) {
                Named::Here(next) => next,
                Named::Elsewhere => return None,
                // A macro's making.
                Named::Nowhere => Found {
                    is_item: true,
                    ..found
                },
            },
        };
    }
    Some(found)
}

enum Named {
    Here(Found),
    /// In another crate.
    Elsewhere,
    Nowhere,
}

fn named(tree: &Tree, module: ModuleId, name: &str, steps: usize) -> Named {
    let within = &tree.modules[module];
    if let Some(&child) = within.children.get(name) {
        return Named::Here(Found::module(child));
    }
    if within.items.contains(name) {
        return Named::Here(Found {
            module,
            is_item: true,
        });
    }
    if let Some(path) = within.aliases.get(name) {
        return find(tree, module, path, steps).map_or(Named::Elsewhere, Named::Here);
    }
    let Some(steps) = steps.checked_sub(1) else {
        return Named::Nowhere;
    };
    let globs = within.globs.iter();
    let mut globs = globs.filter_map(|path| find(tree, module, path, steps));
    globs
        .find_map(|glob| match named(tree, glob.module, name, steps) {
            Named::Here(found) if !glob.is_item && glob.module != module => Some(found),
            _ => None,
        })
        .map_or(Named::Nowhere, Named::Here)
}

#[cfg(test)]
mod tests {
    use super::arrows;
    use crate::module_tree::Tree;
    use crate::sources::Sources;

    /// `from:line to` of the crate `it`.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files = files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string()));
        let tree = Tree::read(&Sources(files.collect()), "it").unwrap();
        let arrows = arrows(&tree).into_iter();
        arrows
            .map(|((from, to), line)| format!("{from}:{line} {to}"))
            .collect()
    }

    #[test]
    fn imports_lead_to_the_file_that_defines() {
        let files = [
            (
                "lib.rs",
                "mod a;\nmod b;\nmod room;\npub use room::deep::Thing;",
            ),
            (
                "a.rs",
                "use std::fs;\nuse crate::b::{self, f as g};\nuse crate::Thing;",
            ),
            ("b.rs", "pub fn f() {}\nuse super::room;"),
            ("room/mod.rs", "pub mod deep;\npub use deep::*;"),
            (
                "room/deep.rs",
                "pub struct Thing;\nuse crate::room::Thing as Same;",
            ),
        ];
        assert_eq!(
            found(&files),
            ["a.rs:2 b.rs", "a.rs:3 room/deep.rs", "b.rs:2 room/mod.rs"]
        );
    }

    #[test]
    fn paths_in_code_types_and_macros_count() {
        let modules = "mod a;\nmod b;\nmod c;\nmod d;";
        let uses = "use crate::d;\nfn f(x: super::b::T) {\n    println!(\"{}\", crate::c::g());\n    d::h();\n}";
        let files = [
            ("lib.rs", modules),
            ("a.rs", uses),
            ("b.rs", "pub struct T;"),
            ("c.rs", "pub fn g() {}"),
            ("d.rs", "pub use crate::c::g as h;"),
        ];
        let expected = ["a.rs:2 b.rs", "a.rs:3 c.rs", "a.rs:1 d.rs", "d.rs:1 c.rs"];
        assert_eq!(found(&files), expected);
    }

    #[test]
    fn what_a_macro_makes_of_its_arguments_counts() {
        let call = "make! {\n    part: crate::b::T,\n    Vec::<super::c::T>::new(),\n    ::b::T\n}";
        let rules = "macro_rules! part {\n    () => { $crate::b::f() };\n}";
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
            ("a.rs", call),
            ("b.rs", "pub struct T;"),
            ("c.rs", "pub struct T;"),
            ("d.rs", rules),
        ];
        assert_eq!(found(&files), ["a.rs:2 b.rs", "a.rs:3 c.rs", "d.rs:2 b.rs"]);
    }

    #[test]
    fn a_parent_that_uses_its_child_imports_it() {
        let files = [
            ("lib.rs", "mod room;"),
            (
                "room/mod.rs",
                "mod child;\npub struct Shared;\nfn f() {\n    child::g();\n}",
            ),
            ("room/child.rs", "use super::Shared;\npub fn g() {}"),
        ];
        assert_eq!(
            found(&files),
            ["room/child.rs:1 room/mod.rs", "room/mod.rs:4 room/child.rs"]
        );
    }

    #[test]
    fn modules_are_where_the_compiler_finds_them() {
        let files = [
            ("lib.rs", "mod a;\nmod inline {\n    mod deep;\n}"),
            (
                "a.rs",
                "mod child;\n#[path = \"elsewhere.rs\"]\nmod named;\nfn f() {\n    named::g();\n}",
            ),
            ("a/child.rs", "use super::named::g;"),
            ("elsewhere.rs", "pub fn g() {}"),
            ("inline/deep.rs", "use super::super::a::child;"),
        ];
        let expected = [
            "a.rs:5 elsewhere.rs",
            "a/child.rs:1 elsewhere.rs",
            "inline/deep.rs:1 a/child.rs",
        ];
        assert_eq!(found(&files), expected);
    }

    #[test]
    fn tests_do_not_count() {
        let files = [
            ("lib.rs", "mod a;\n#[cfg(test)]\nmod all;\nmod b;"),
            (
                "a.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::b::f;\n}\n#[cfg(all(test, unix))]\nuse crate::b;",
            ),
            ("b.rs", "pub fn f() {}\n#[cfg(not(test))]\nuse crate::a;"),
            ("all.rs", "use crate::a;"),
        ];
        assert_eq!(found(&files), ["b.rs:3 a.rs"]);
    }

    #[test]
    fn a_program_imports_from_its_library() {
        let files = [
            ("lib.rs", "pub mod a;"),
            ("a.rs", "pub fn f() {}"),
            ("bin/program.rs", "use it::a::f;\nuse other::a::f as g;"),
        ];
        assert_eq!(found(&files), ["bin/program.rs:1 a.rs"]);
    }

    #[test]
    fn names_that_stand_for_themselves_end() {
        let files = [
            ("lib.rs", "mod a;"),
            (
                "a.rs",
                "use b::b;\nuse self::c as c;\nuse crate::a::*;\nfn f() {\n    b::g(c::h(), d::i());\n}",
            ),
        ];
        assert!(found(&files).is_empty());
    }
}
