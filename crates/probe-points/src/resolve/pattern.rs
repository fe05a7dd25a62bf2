//! Which entries of a list are wanted.

use crate::resolve::suggest::contains_ignoring_case;

/// A substring or, with `*` or `?` in it, a glob over the whole text; upper and lower case are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    Substring(Vec<u8>),
    Glob(Vec<u8>),
}

impl Pattern {
    pub fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase().into_bytes();
        if text.contains(['*', '?']) {
            Self::Glob(lower)
        } else {
            Self::Substring(lower)
        }
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Substring(part) if part.is_empty() => true,
            Self::Substring(part) => contains_ignoring_case(text, part),
            Self::Glob(glob) => glob_matches(glob, text),
        }
    }
}

/// Goes back to the last star only: time is at most the product of the lengths.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&letter) if letter == b'?' || letter == text[t].to_ascii_lowercase() => {
                g += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else {
                    return false;
                };
                star = Some((at, from + 1));
                g = at + 1;
                t = from + 1;
            }
        }
    }
    glob[g..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_makes_it_a_glob() {
        for (pattern, text, expected) in [
            ("", "up:main", true),
            ("MAIN", "up:main", true),
            ("mian", "up:main", false),
            ("up:*", "up:Main", true),
            ("*::f?", "up:ns::f1", true),
            ("*::f?", "up:ns::f", false),
            ("main*", "up:main", false),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbx", false),
            ("longer than the text", "x", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
