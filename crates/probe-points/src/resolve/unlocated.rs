//! Why what a trigger names in an object is no place, or none that is known.

use crate::error::{Error, ErrorKind, escaped};
use crate::files::demangle::demangled;
use crate::files::symbols::{Function, Functions};
use crate::resolve::named::{listed, with_object};
use crate::trigger::syntax::{Location, Name, ObjectName};

pub fn untold(place: &str) -> Error {
    let message = format!(
        "whether an instruction begins at {place} cannot be told: neither symbols nor unwind tables say which function it is in"
    );
    Error::new(ErrorKind::Unprobeable, message).hint(
        "a breakpoint inside of an instruction would break the program: probe a function by its name, or install the debug symbols",
    )
}

pub fn ambiguous(
    functions: &Functions,
    found: &[Function],
    shown: &str,
    spelt: Option<&ObjectName>,
    is_return: bool,
) -> Error {
    let mut distinct: Vec<&Function> = found.iter().collect();
    distinct.sort_by_key(|function| function.address);
    distinct.dedup_by_key(|function| function.address);
    let candidates = distinct.iter().map(|function| {
        let name = functions.name(function);
        let is_unique = functions
            .named(name)
            .iter()
            .all(|other| other.address == function.address);
        let location = match Name::new(name) {
            Some(name) if is_unique => Location::Symbol { name, offset: 0 },
            _ => Location::Address(function.address),
        };
        let readable = demangled(name).map_or(String::new(), |text| {
            format!(" ({})", escaped(text.as_bytes()))
        });
        format!(
            "{}{readable}",
            with_object(spelt.cloned(), &location, is_return)
        )
    });
    let message = format!("{shown} stands for {} functions", distinct.len());
    Error::new(ErrorKind::Ambiguous, message).hint(format!("name one: {}", listed(candidates)))
}

pub fn indirect(functions: &Functions, name: &[u8], shown: &str) -> Error {
    let message = format!(
        "{shown} is an indirect function: the loader chooses an implementation for this processor"
    );
    let part = [b"__", name, b"_"].concat();
    let implementations = functions
        .iter()
        .filter(|function| !function.is_indirect)
        .map(|function| functions.name(function))
        .filter(|other| other.starts_with(&part))
        .map(escaped);
    let names = listed(implementations);
    Error::new(ErrorKind::Unprobeable, message).hint(if names.is_empty() {
        "probe the implementation, whose name the library's debug symbols tell".to_owned()
    } else {
        format!("probe the implementation: {names}")
    })
}
