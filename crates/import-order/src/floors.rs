//! What is refused: circles, arrows that climb, and rooms that nobody has given a floor.

use std::collections::BTreeSet;

use crate::arrows::Arrows;
use crate::circles::{Graph, circles};
use crate::module_tree::Tree;
use crate::table::{self, Floors};

/// Of the roots of programs and of the library. They may import all, and nobody imports them.
const ROOF: &str = "";

/// A line for each thing that is refused in a crate.
pub fn refused(name: &str, floors: Floors<'_>, tree: &Tree, arrows: &Arrows) -> Vec<String> {
    let house = House { name, floors };
    let mut lines = house.misplaced(tree);
    lines.extend(house.climbing(arrows));
    lines.extend(house.circles_of_rooms(arrows));
    // Any other circle goes through several rooms, and is told by one of the above.
    lines.extend(house.circles_within_rooms(arrows));
    lines
}

struct House<'a> {
    name: &'a str,
    floors: Floors<'a>,
}

impl House<'_> {
    /// 0 is the top; `None`: the table does not have it.
    fn floor(&self, room: &str) -> Option<usize> {
        if room == ROOF {
            return Some(0);
        }
        let found = self.floors.iter().position(|rooms| rooms.contains(&room));
        found.map(|below_roof| below_roof + 1)
    }

    fn shown(&self, file: &str) -> String {
        format!("crates/{}/src/{file}", self.name)
    }

    /// Rooms that the table lacks, and those that it only has.
    fn misplaced(&self, tree: &Tree) -> Vec<String> {
        let modules = tree.modules.iter();
        let rooms: BTreeSet<&str> = modules.map(|module| room(&module.file)).collect();
        let lacking = rooms.iter().filter(|room| self.floor(room).is_none());
        let gone = self.floors.iter().copied().flatten();
        let gone = gone.filter(|room| !rooms.contains(*room));
        let (name, table) = (self.name, table::FILE);
        lacking
            .map(|room| format!("crates/{name}: {room} has no floor in {table}"))
            .chain(gone.map(|room| format!("crates/{name}: there is no {room}, which {table} has")))
            .collect()
    }

    fn climbing(&self, arrows: &Arrows) -> Vec<String> {
        let climbs = |from: &str, to: &str| match (self.floor(room(from)), self.floor(room(to))) {
            (Some(lower), Some(upper)) => lower > upper,
            _ => false,
        };
        let arrows = arrows.iter().filter(|((from, to), _)| climbs(from, to));
        arrows
            .map(|((from, to), line)| {
                format!("{}:{line} → {} climbs", self.shown(from), self.shown(to))
            })
            .collect()
    }

    /// On one floor.
    fn circles_of_rooms(&self, arrows: &Arrows) -> Vec<String> {
        let rooms = arrows.keys().map(|(from, to)| (room(from), room(to)));
        let graph =
            graph(rooms.filter(|(from, to)| from != to && self.floor(from) == self.floor(to)));
        let first_arrow = |(above, below): (&str, &str)| {
            let mut arrows = arrows.iter();
            let found = arrows.find(|((from, to), _)| room(from) == above && room(to) == below);
            found.map(|((from, to), line)| {
                format!("{}:{line} → {}", self.shown(from), self.shown(to))
            })
        };
        let told = |circle: &Vec<&str>| {
            let steps: Vec<String> = round(circle).filter_map(first_arrow).collect();
            let rooms = circle.join(", ");
            format!(
                "crates/{}: the rooms {rooms} are a circle: {}",
                self.name,
                steps.join(", ")
            )
        };
        circles(&graph).iter().map(told).collect()
    }

    fn circles_within_rooms(&self, arrows: &Arrows) -> Vec<String> {
        let files = arrows.keys().map(|(from, to)| (from.as_str(), to.as_str()));
        let graph = graph(files.filter(|(from, to)| room(from) == room(to)));
        let step = |(from, to): (&str, &str)| {
            let line = arrows.get(&(from.to_owned(), to.to_owned()));
            line.map(|line| format!("{}:{line}", self.shown(from)))
        };
        let told = |circle: &Vec<&str>| {
            let steps: Vec<String> = round(circle).filter_map(step).collect();
            let start = circle
                .first()
                .map_or(String::new(), |file| self.shown(file));
            format!("{} → {start} is a circle", steps.join(" → "))
        };
        circles(&graph).iter().map(told).collect()
    }
}

fn graph<'a>(arrows: impl Iterator<Item = (&'a str, &'a str)>) -> Graph<'a> {
    let mut graph = Graph::new();
    for (from, to) in arrows {
        graph.entry(from).or_default().insert(to);
    }
    graph
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
    fn a_circle_of_files_in_a_room_is_named() {
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
                "crates/it: the rooms left, right are a circle: crates/it/src/left/one.rs:1 → crates/it/src/right/one.rs, crates/it/src/right/two.rs:1 → crates/it/src/left/two.rs"
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
