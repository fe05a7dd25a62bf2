//! What is refused: circles, arrows that climb, and rooms that nobody has given a floor.

use std::collections::BTreeSet;

use crate::arrows::Arrows;
use crate::circles::{Graph, circles};
use crate::module_tree::Tree;
use crate::table::{self, Floors};

/// Of the roots of programs and of the library. They may import all, and nobody imports them.
const ROOF: &str = "";

/// A line for each thing that is refused.
pub fn refused(name: &str, floors: Floors<'_>, tree: &Tree, arrows: &Arrows) -> Vec<String> {
    let shown = |file: &str| format!("crates/{name}/src/{file}");
    let floor = |room: &str| match room {
        ROOF => Some(0),
        room => floors
            .iter()
            .position(|rooms| rooms.contains(&room))
            .map(|at| at + 1),
    };
    let files: BTreeSet<&str> = tree.modules.iter().map(|it| it.file.as_str()).collect();
    let rooms: BTreeSet<&str> = files.iter().map(|file| room(file)).collect();
    let mut lines = Vec::new();
    for room in rooms.iter().filter(|room| floor(room).is_none()) {
        lines.push(format!(
            "crates/{name}: {room} has no floor in {}",
            table::FILE
        ));
    }
    for room in floors.iter().copied().flatten() {
        if !rooms.contains(room) {
            lines.push(format!(
                "crates/{name}: there is no {room}, which {} has",
                table::FILE
            ));
        }
    }
    let mut by_file = Graph::new();
    let mut by_room = Graph::new();
    for ((from, to), line) in arrows {
        by_file.entry(from).or_default().insert(to);
        let (above, below) = (floor(room(from)), floor(room(to)));
        if above > below && below.is_some() {
            lines.push(format!("{}:{line} → {} climbs", shown(from), shown(to)));
        } else if above == below && room(from) != room(to) {
            by_room.entry(room(from)).or_default().insert(room(to));
        }
    }
    let arrow = |from: &str, to: &str| arrows.get(&(from.to_owned(), to.to_owned()));
    for circle in circles(&by_file) {
        let steps = round(&circle).map(|(from, to)| match arrow(from, to) {
            Some(line) => format!("{}:{line}", shown(from)),
            None => shown(from),
        });
        let steps: Vec<String> = steps.collect();
        lines.push(format!(
            "{} → {} is a circle",
            steps.join(" → "),
            shown(circle.first().copied().unwrap_or_default())
        ));
    }
    for circle in circles(&by_room) {
        let first = |(above, below): (&str, &str)| {
            let mut arrows = arrows.iter();
            let found = arrows.find(|((from, to), _)| room(from) == above && room(to) == below);
            found.map(|((from, to), line)| format!("{}:{line} → {}", shown(from), shown(to)))
        };
        let steps: Vec<String> = round(&circle).filter_map(first).collect();
        lines.push(format!(
            "crates/{name}: {} are a circle: {}",
            circle.join(", "),
            steps.join(", ")
        ));
    }
    lines
}

/// The pairs of neighbours in a circle.
fn round<'a>(circle: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let next = circle.iter().cycle().skip(1);
    circle.iter().zip(next).map(|(from, to)| (*from, *to))
}

/// A folder of `src`, or a file there.
fn room(file: &str) -> &str {
    match file.split_once('/') {
        Some(("bin", _)) => ROOF,
        Some((folder, _)) => folder,
        None if matches!(file, "lib.rs" | "main.rs") => ROOF,
        None => file.strip_suffix(".rs").unwrap_or(file),
    }
}

#[cfg(test)]
mod tests {
    use super::refused;
    use crate::arrows::arrows;
    use crate::module_tree::Tree;
    use crate::sources::Sources;
    use crate::table::Floors;

    const FLOORS: Floors<'_> = &[&["top"], &["left", "right"], &["base"]];

    /// Of a crate whose rooms have these imports, in a file of each.
    fn told(imports: &[(&str, &str)], floors: Floors<'_>) -> Vec<String> {
        let root = "mod top;\nmod left;\nmod right;\nmod base;\npub struct Root;".to_owned();
        let mut files = vec![("lib.rs".to_owned(), root)];
        for room in ["top", "left", "right", "base"] {
            let mut modules = "pub mod one;\npub mod two;".to_owned();
            for file in ["one", "two"] {
                let path = format!("{room}/{file}.rs");
                let text = imports.iter().filter(|(from, _)| *from == path);
                let text: String = text.map(|(_, to)| format!("use crate::{to};\n")).collect();
                files.push((path, text + "pub struct It;"));
            }
            modules.push('\n');
            files.push((format!("{room}/mod.rs"), modules));
        }
        let tree = Tree::read(&Sources(files.into_iter().collect()), "it").unwrap();
        refused("it", floors, &tree, &arrows(&tree))
    }

    #[test]
    fn down_and_to_a_neighbour_is_allowed() {
        let imports = [
            ("top/one.rs", "base::two::It"),
            ("left/one.rs", "right::one::It"),
            ("left/two.rs", "right::two::It"),
            ("base/one.rs", "base::two::It"),
        ];
        assert!(told(&imports, FLOORS).is_empty());
    }

    #[test]
    fn an_arrow_that_climbs_is_named() {
        assert_eq!(
            told(&[("base/one.rs", "left::two::It")], FLOORS),
            ["crates/it/src/base/one.rs:1 → crates/it/src/left/two.rs climbs"]
        );
        assert_eq!(
            told(&[("top/one.rs", "Root")], FLOORS),
            ["crates/it/src/top/one.rs:1 → crates/it/src/lib.rs climbs"]
        );
    }

    #[test]
    fn a_circle_of_files_is_named() {
        let imports = [
            ("base/one.rs", "base::two::It"),
            ("base/two.rs", "base::one::It"),
        ];
        assert_eq!(
            told(&imports, FLOORS),
            [
                "crates/it/src/base/one.rs:1 → crates/it/src/base/two.rs:1 → crates/it/src/base/one.rs is a circle"
            ]
        );
    }

    #[test]
    fn rooms_of_one_floor_do_not_import_each_other_both_ways() {
        let imports = [
            ("left/one.rs", "right::one::It"),
            ("right/two.rs", "left::two::It"),
        ];
        assert_eq!(
            told(&imports, FLOORS),
            [
                "crates/it: left, right are a circle: crates/it/src/left/one.rs:1 → crates/it/src/right/one.rs, crates/it/src/right/two.rs:1 → crates/it/src/left/two.rs"
            ]
        );
    }

    #[test]
    fn the_table_has_each_room_and_no_other() {
        assert_eq!(
            told(&[], &[&["top", "left", "right", "cellar"]]),
            [
                "crates/it: base has no floor in crates/import-order/src/table.rs",
                "crates/it: there is no cellar, which crates/import-order/src/table.rs has"
            ]
        );
    }
}
