//! What compilers append to a function's name for the versions that they make of it, and for the parts that they cut it into.

/// Versions: for callers that pass less, or constants; the rest of a function that is inlined in part; local ones of several units.
const VERSIONS: [&[u8]; 5] = [
    b".isra.",
    b".constprop.",
    b".part.",
    b".lto_priv.",
    b".llvm.",
];
/// Parts: code that hardly ever runs, and sections that the linker may move.
const PARTS: [&[u8]; 2] = [b".cold", b".__part."];

/// The name that the function has in its source, mangled as there.
pub fn base(name: &[u8]) -> &[u8] {
    let endings = VERSIONS.iter().chain(&PARTS);
    let at = endings.filter_map(|ending| find(name, ending)).min();
    &name[..at.unwrap_or(name.len())]
}

/// Whether it is only a part of a function, which nobody calls.
pub fn is_part(name: &[u8]) -> bool {
    PARTS.iter().any(|ending| find(name, ending).is_some())
}

/// Where it begins to be appended: not at the very start.
fn find(name: &[u8], ending: &[u8]) -> Option<usize> {
    let mut windows = name.windows(ending.len()).skip(1);
    windows.position(|part| part == ending).map(|at| at + 1)
}

/// Whether they are one constructor, or one destructor, of C++: for whole objects and for parts of others there are two
/// (Itanium C++ ABI, 5.1.4.3), which have the same readable name.
pub fn are_one_structor(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut differences = (0..a.len()).filter(|&at| a[at] != b[at]);
    let (Some(at), None) = (differences.next(), differences.next()) else {
        return false;
    };
    let kinds = [a[at], b[at]];
    match at.checked_sub(1).map(|before| a[before]) {
        Some(b'C') => kinds.iter().all(|kind| (b'1'..=b'3').contains(kind)),
        Some(b'D') => kinds.iter().all(|kind| (b'0'..=b'2').contains(kind)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{are_one_structor, base, is_part};

    #[test]
    fn endings_are_cut_off() {
        for (name, expected, part) in [
            ("f", "f", false),
            ("f.isra.0", "f", false),
            ("f.constprop.0.isra.1", "f", false),
            ("_ZN2ns1fEi.part.0", "_ZN2ns1fEi", false),
            ("f.part.0.cold", "f", true),
            ("f.cold", "f", true),
            ("f.cold.3", "f", true),
            ("main.isra", "main.isra", false),
            ("main.(*T).Method", "main.(*T).Method", false),
            (".isra.0", ".isra.0", false),
        ] {
            assert_eq!(base(name.as_bytes()), expected.as_bytes());
            assert_eq!(is_part(name.as_bytes()), part, "{name}");
        }
    }

    #[test]
    fn a_constructor_of_two_kinds_is_one() {
        for (a, b, expected) in [
            ("_ZN3FooC1Ei", "_ZN3FooC2Ei", true),
            ("_ZN3FooD0Ev", "_ZN3FooD2Ev", true),
            ("_ZN3FooC1Ei", "_ZN3FooC1Ej", false),
            ("_ZN3FooC1Ei", "_ZN3FooD1Ei", false),
            ("_ZN3Foo1fEv", "_ZN3Foo2fEv", false),
            ("_ZN3FooC1Ei", "_ZN3FooC2Ell", false),
        ] {
            assert_eq!(
                are_one_structor(a.as_bytes(), b.as_bytes()),
                expected,
                "{a} {b}"
            );
        }
    }
}
