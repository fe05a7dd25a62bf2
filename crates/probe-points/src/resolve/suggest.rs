//! Names near one that was not found.

use crate::error::{Error, escaped};
use crate::files::demangle::{contains, demangled_path, is_mangled};
use crate::files::symbols::Functions;

/// Longer ones are not compared letter by letter.
const LONGEST: usize = 128;
const MOST_SUGGESTIONS: usize = 3;
/// Compared letter by letter, at most. A hundred thousand take some ten milliseconds.
const MOST_COMPARED: usize = 300_000;

/// The same but for case, then those with a few letters changed, then those that contain it.
pub fn near<'a>(wanted: &[u8], names: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let lower = wanted.to_ascii_lowercase();
    let text = String::from_utf8_lossy(&lower).into_owned();
    let tolerance = (wanted.len() / 3).clamp(1, 3);
    let mut compared = 0;
    let mut best: Vec<(usize, &[u8])> = Vec::new();
    for name in names {
        let score = if name.eq_ignore_ascii_case(wanted) {
            0
        } else if name.len().abs_diff(wanted.len()) <= tolerance
            && name.len() <= LONGEST
            && compared < MOST_COMPARED
        {
            compared += 1;
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let distance = strsim::osa_distance(&text, &name);
            if distance > tolerance {
                continue;
            }
            distance
        } else if wanted.len() >= 3 && contains_ignoring_case(name, &lower) {
            tolerance + name.len() - wanted.len()
        } else {
            continue;
        };
        best.push((score, name));
        if best.len() > 64 {
            keep_best(&mut best);
        }
    }
    keep_best(&mut best);
    best.into_iter().map(|(_, name)| name).collect()
}

/// A path is compared with readable names, of the first so many, since each takes microseconds.
pub fn near_functions(all: &[&Functions], wanted: &[u8]) -> Vec<Vec<u8>> {
    const MOST_DEMANGLED: usize = 20_000;
    let names = all
        .iter()
        .flat_map(|functions| functions.iter().map(|function| functions.name(function)));
    if !contains(wanted, b"::") {
        return near(wanted, names)
            .into_iter()
            .map(<[u8]>::to_vec)
            .collect();
    }
    let paths: Vec<String> = names
        .filter(|name| is_mangled(name))
        .take(MOST_DEMANGLED)
        .filter_map(demangled_path)
        .collect();
    let found = near(wanted, paths.iter().map(String::as_bytes));
    found.into_iter().map(<[u8]>::to_vec).collect()
}

pub fn with_suggestions(error: Error, prefix: &str, names: &[impl AsRef<[u8]>]) -> Error {
    if names.is_empty() {
        return error;
    }
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{prefix}{}", escaped(name.as_ref())))
        .collect();
    error.hint(format!("near it: {}", names.join(", ")))
}

fn keep_best(best: &mut Vec<(usize, &[u8])>) {
    best.sort();
    best.dedup();
    best.truncate(MOST_SUGGESTIONS);
}

pub fn contains_ignoring_case(text: &[u8], lower: &[u8]) -> bool {
    text.windows(lower.len())
        .any(|window| window.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::near;

    fn suggestions(wanted: &str, names: &[&'static str]) -> Vec<String> {
        let found = near(wanted.as_bytes(), names.iter().map(|name| name.as_bytes()));
        found
            .into_iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    #[test]
    fn the_nearest_come_first() {
        let names = [
            "malloc",
            "Maloc",
            "realloc",
            "calloc",
            "malloc_usable_size",
            "free",
            "mallco",
        ];
        assert_eq!(suggestions("maloc", &names), ["Maloc", "malloc"]);
        assert_eq!(suggestions("usable", &names), ["malloc_usable_size"]);
        assert!(suggestions("xyz", &names).is_empty());
    }
}
