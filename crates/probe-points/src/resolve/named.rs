//! Objects by the names that triggers give them.

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::object::Object;
use crate::files::objects::{Found, Objects};
use crate::resolve::suggest::{near, with_suggestions};
use crate::trigger::syntax::{FunctionStart, Location, Name, ObjectName, Trigger};

const MOST_CANDIDATES: usize = 5;

/// The object of that name.
pub fn named<'a>(process: &'a Objects, name: &ObjectName) -> Result<Found<'a>> {
    let base = match name {
        ObjectName::Path(path) => return process.at_path(path.as_bytes()),
        ObjectName::Base(base) => base.as_bytes(),
    };
    let mut found: Vec<&Object> = process
        .iter()
        .filter(|object| object.base_name() == base)
        .collect();
    if found.is_empty() {
        // The file that `libc++.so.1` leads to is mapped by a name of its own.
        found = process.iter().filter(|it| it.soname() == base).collect();
    }
    match found[..] {
        [object] => Ok(Found::Mapped(object)),
        [] => {
            let message = format!("the process has no object {}", escaped(base));
            let error = Error::new(ErrorKind::NotFound, message)
                .hint("one that is not loaded yet is named by its absolute path");
            let names = near(base, process.iter().map(Object::base_name));
            Err(with_suggestions(error, "", &names))
        }
        _ => {
            let message = format!("the process has {} objects {}", found.len(), escaped(base));
            let paths = found.iter().map(|object| escaped(object.path()));
            Err(Error::new(ErrorKind::Ambiguous, message)
                .hint(format!("name one by its path: {}", listed(paths))))
        }
    }
}

/// How a trigger names a mapped object; `None`: it cannot.
pub fn spelling(process: &Objects, object: &Object) -> Option<ObjectName> {
    let same = |found: &Object| std::ptr::eq(found, object);
    let base = ObjectName::new(Name::new(object.base_name())?)?;
    if named(process, &base).is_ok_and(|found| same(found.object())) {
        return Some(base);
    }
    let path = ObjectName::new(Name::new(object.path())?)?;
    named(process, &path)
        .is_ok_and(|found| same(found.object()))
        .then_some(path)
}

/// The first of them, in one line.
pub fn listed(candidates: impl Iterator<Item = String>) -> String {
    let mut candidates = candidates.peekable();
    let mut shown: Vec<String> = candidates.by_ref().take(MOST_CANDIDATES).collect();
    if candidates.peek().is_some() {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// What a search in vain could not look into.
pub fn unread(process: &Objects) -> String {
    let unread = process
        .iter()
        .filter(|object| object.elf().is_err())
        .count();
    match process.problems().len() + unread {
        0 => String::new(),
        count => format!(" ({count} mapped files could not be read)"),
    }
}

/// Of the triggers that probe a process's functions.
pub fn prefix(is_return: bool) -> &'static str {
    if is_return { "ur:" } else { "up:" }
}

/// The trigger that names a place in an object.
pub fn with_object(object: Option<ObjectName>, location: &Location, is_return: bool) -> String {
    let location = location.clone();
    let trigger = if is_return {
        let start = match location {
            Location::Symbol { name, .. } => FunctionStart::Symbol(name),
            Location::Address(address) => FunctionStart::Address(address),
        };
        Trigger::Uretprobe { object, start }
    } else {
        Trigger::Uprobe { object, location }
    };
    trigger.to_string()
}
