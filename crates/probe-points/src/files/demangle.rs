//! Names as C++ and Rust compilers write them into symbol tables, and as people read them.

use std::fmt::{self, Write};

use cpp_demangle::{BorrowedSymbol, DemangleOptions};

/// Longer names are left mangled. A short mangled name can stand for an enormous text.
const LONGEST: usize = 4096;
/// Of names made readable at a time: some seconds' work.
pub const MOST_BYTES: usize = 32 << 20;

/// `None`: it is no mangled name.
pub fn demangled(name: &[u8]) -> Option<String> {
    readable(name, &DemangleOptions::new())
}

/// Each of them, by as many threads as there are processors: a name takes microseconds, and there may be 100,000s.
pub fn all_demangled(names: &[&[u8]]) -> Vec<Option<String>> {
    const LEAST_PER_THREAD: usize = 1000;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let per_thread = names.len().div_ceil(threads).max(LEAST_PER_THREAD);
    let mut texts = vec![None; names.len()];
    std::thread::scope(|scope| {
        for (names, texts) in names.chunks(per_thread).zip(texts.chunks_mut(per_thread)) {
            let fill = move || {
                for (name, text) in names.iter().zip(texts) {
                    *text = demangled(name);
                }
            };
            // Where there can be no more threads, names stay as they are.
            let _ = std::thread::Builder::new().spawn_scoped(scope, fill);
        }
    });
    texts
}

/// Without parameters, to be compared with a name that has none.
pub fn demangled_path(name: &[u8]) -> Option<String> {
    readable(name, &DemangleOptions::new().no_return_type().no_params())
}

fn readable(name: &[u8], options: &DemangleOptions) -> Option<String> {
    if !is_mangled(name) {
        return None;
    }
    if is_rust(name) {
        // The alternate form leaves out the hash.
        let name = rust(name)?;
        return bounded(|text| write!(text, "{name:#}"));
    }
    let symbol = cpp(name)?;
    bounded(|text| symbol.structured_demangle(text, options))
}

/// What a trigger asks for, compared with many names.
pub struct Wanted {
    /// Without spaces: they differ between demanglers.
    compact: String,
    /// Stands as it is in whatever mangled name matches.
    identifier: String,
}

impl Wanted {
    /// `None`: no mangled name can match.
    pub fn new(name: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(name).ok()?;
        Some(Self {
            compact: compact(text),
            identifier: identifier(text).to_owned(),
        })
    }

    /// Whether this is a mangled name's readable form: the whole, without the return type, or without parameters; a Rust
    /// path without its hash.
    pub fn matches(&self, mangled: &[u8]) -> bool {
        if !self.can_match(mangled) {
            return false;
        }
        if is_rust(mangled) {
            return rust(mangled).is_some_and(|name| self.is_text(|text| write!(text, "{name:#}")));
        }
        let Some(symbol) = cpp(mangled) else {
            return false;
        };
        let options = DemangleOptions::new;
        let forms = [
            options(),
            options().no_return_type(),
            options().no_return_type().no_params(),
        ];
        forms
            .iter()
            .any(|form| self.is_text(|text| symbol.structured_demangle(text, form)))
    }

    /// Quickly told.
    pub fn can_match(&self, mangled: &[u8]) -> bool {
        is_mangled(mangled) && contains(mangled, self.identifier.as_bytes())
    }

    fn is_text(&self, write: impl FnOnce(&mut Comparison<'_>) -> fmt::Result) -> bool {
        let mut rest = Comparison(&self.compact);
        write(&mut rest).is_ok() && rest.0.is_empty()
    }
}

pub fn is_mangled(name: &[u8]) -> bool {
    name.starts_with(b"_Z") || name.starts_with(b"_R") || name.starts_with(b"__Z")
}

/// The older mangling is C++'s with a hash for the last name.
fn is_rust(name: &[u8]) -> bool {
    let is_hash = |rest: &[u8]| rest.iter().take(16).all(u8::is_ascii_hexdigit) && rest.len() >= 16;
    let has_hash = || {
        let mut at = name.windows(3).enumerate();
        at.any(|(at, part)| part == b"17h" && is_hash(&name[at + 3..]))
    };
    name.starts_with(b"_R") || name.starts_with(b"_ZN") && has_hash()
}

fn rust(name: &[u8]) -> Option<rustc_demangle::Demangle<'_>> {
    if name.len() > LONGEST {
        return None;
    }
    rustc_demangle::try_demangle(str::from_utf8(name).ok()?).ok()
}

fn cpp(name: &[u8]) -> Option<BorrowedSymbol<'_>> {
    if name.len() > LONGEST {
        return None;
    }
    BorrowedSymbol::new(name).ok()
}

/// What is still to come; stops at the first difference.
struct Comparison<'a>(&'a str);

impl Write for Comparison<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split(' ') {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}

/// Stops what would write more than can be shown.
fn bounded(write: impl FnOnce(&mut Bounded) -> fmt::Result) -> Option<String> {
    let mut text = Bounded(String::new());
    write(&mut text).ok()?;
    Some(text.0)
}

struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn compact(text: &str) -> String {
    text.chars().filter(|&letter| letter != ' ').collect()
}

/// The last identifier of the path, which both manglings spell out. Empty where that is not sure: operators and closures
/// have codes, and some names of `std` are abbreviated.
fn identifier(text: &str) -> &str {
    const ABBREVIATED: [&str; 10] = [
        "std",
        "allocator",
        "string",
        "basic_string",
        "istream",
        "basic_istream",
        "ostream",
        "basic_ostream",
        "iostream",
        "basic_iostream",
    ];
    let is_identifier = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let path = text.split(['(', '<', '{', '[']).next().unwrap_or(text);
    let last = path.rsplit([':', '~', ' ']).next().unwrap_or(path);
    let is_spelt = last.chars().all(is_identifier)
        && !text.contains("operator")
        && !ABBREVIATED.contains(&last);
    if is_spelt { last } else { "" }
}

pub fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::{Wanted, demangled};

    #[test]
    fn a_name_is_found_in_each_of_its_forms() {
        let method = b"_ZN2ns5Class6methodEiPKc";
        assert_eq!(
            demangled(method).unwrap(),
            "ns::Class::method(int, char const*)"
        );
        for (form, mangled) in [
            ("ns::Class::method(int, char const*)", &method[..]),
            ("ns::Class::method(int,char const*)", method),
            ("ns::Class::method", method),
            ("max<int>", b"_Z3maxIiET_S0_S0_"),
            ("int max<int>(int, int)", b"_Z3maxIiET_S0_S0_"),
            ("max<int>(int, int)", b"_Z3maxIiET_S0_S0_"),
            ("A::~A", b"_ZN1AD1Ev"),
            ("A::operator+(int)", b"_ZN1AplEi"),
            ("std::string::size", b"_ZNSs4sizeEv"),
            (
                "core::fmt::write",
                b"_ZN4core3fmt5write17h0123456789abcdefE",
            ),
            ("mycrate::f::{closure#0}", b"_RNCNvCs1234_7mycrate1f0"),
        ] {
            assert!(
                Wanted::new(form.as_bytes()).unwrap().matches(mangled),
                "{form}"
            );
        }
        for (form, mangled) in [
            ("ns::Class::method(int)", &method[..]),
            ("method", method),
            ("main", b"main"),
        ] {
            assert!(
                !Wanted::new(form.as_bytes()).unwrap().matches(mangled),
                "{form}"
            );
        }
    }

    #[test]
    fn a_short_name_for_an_enormous_text_stays_mangled() {
        let mut name = b"_Z1fI".to_vec();
        for _ in 0..40 {
            name.extend(b"1aIS_S_E");
        }
        name.extend(b"Evv");
        let _ = demangled(&name);
        assert_eq!(demangled(b"main"), None);
    }
}
