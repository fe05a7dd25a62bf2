//! What kept stacks or names from being found, for people to read.

use std::collections::HashSet;

/// Told in all. What comes after them would be read by nobody.
const MOST: usize = 1000;
/// In characters.
const LONGEST: usize = 400;

/// Lines, each told once. They may hold names of the traced process's: escaped, and cut if they are too long.
#[derive(Debug, Default)]
pub struct Problems {
    told: HashSet<String>,
    new: Vec<String>,
}

impl Problems {
    pub fn tell(&mut self, line: &str) {
        let line = match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        };
        if self.told.len() < MOST && self.told.insert(line.clone()) {
            self.new.push(line);
        }
    }

    /// Those since the last call.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MOST, Problems};

    #[test]
    fn each_is_told_once_and_none_is_long() {
        let mut problems = Problems::default();
        problems.tell("a");
        problems.tell("a");
        problems.tell(&"ü".repeat(LONGEST + 1));
        let long = format!("{}…", "ü".repeat(LONGEST));
        assert_eq!(problems.take(), ["a".to_owned(), long]);
        problems.tell("a");
        assert!(problems.take().is_empty());
    }

    #[test]
    fn there_are_only_so_many() {
        let mut problems = Problems::default();
        for number in 0..2 * MOST {
            problems.tell(&number.to_string());
        }
        assert_eq!(problems.take().len(), MOST);
    }
}
