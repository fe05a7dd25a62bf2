//! Functions and USDT probes of a process.

use std::collections::BTreeSet;

use crate::demangle::{contains, demangled, demangled_path, is_mangled};
use crate::elf::Elf;
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::objects::{Found, Object, Objects};
use crate::open::fd_path;
use crate::resolve::Point;
use crate::resolve_kernel::with_suggestions;
use crate::suggest::near;
use crate::symbols::{Function, Functions};
use crate::trigger::{FunctionStart, Location, Name, ObjectName, Trigger};
use crate::usdt::Note;

const MOST_CANDIDATES: usize = 5;

pub fn usdt(
    process: &Objects,
    object: Option<&ObjectName>,
    provider: &Name,
    probe: &Name,
) -> Result<Vec<Point>> {
    let found = object.map(|name| named(process, name)).transpose()?;
    let objects: Vec<&Object> = match &found {
        Some(found) => vec![found.object()],
        None => process.iter().collect(),
    };
    let mut points = Vec::new();
    let mut refused = None;
    let mut names = BTreeSet::new();
    for object in objects {
        let (Ok(elf), Ok(notes)) = (object.elf(), object.usdt_notes()) else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for note in notes {
            if note.provider != provider.as_bytes() || note.probe != probe.as_bytes() {
                names.insert([&note.provider[..], b":", &note.probe].concat());
                continue;
            }
            match offsets(elf, note) {
                Ok(offsets) if seen.insert(offsets) => {
                    points.push(point(object, offsets.0, offsets.1, false));
                }
                Ok(_) => {}
                Err(why) => refused = Some(format!("{}: {why}", escaped(object.path()))),
            }
        }
    }
    if !points.is_empty() {
        return Ok(points);
    }
    let shown = format!(
        "{}:{}",
        escaped(provider.as_bytes()),
        escaped(probe.as_bytes())
    );
    if let Some(why) = refused {
        let message = format!("the probe {shown} cannot be used: {why}");
        return Err(Error::new(ErrorKind::Unprobeable, message));
    }
    let error = Error::new(
        ErrorKind::NotFound,
        format!("no USDT probe {shown}{}", unread(process)),
    );
    let wanted = [provider.as_bytes(), b":", probe.as_bytes()].concat();
    let error = error.hint("no object of the process has it: it may be one that is not loaded yet, which its path names");
    Err(with_suggestions(
        error,
        "u:",
        &near(&wanted, names.iter().map(Vec::as_slice)),
    ))
}

/// Of the location and of its semaphore, 0 for none, in the file.
pub fn offsets(elf: &Elf, note: &Note) -> std::result::Result<(u64, u64), &'static str> {
    let offset = elf
        .code_offset(note.address)
        .ok_or("a location lies outside of its code")?;
    let Some(semaphore) = note.semaphore else {
        return Ok((offset, 0));
    };
    let counter = elf
        .data_offset(semaphore)
        .ok_or("its semaphore lies outside of its data")?;
    // The kernel packs it into the upper half of a word, and wants it aligned.
    if counter == 0 || counter > u64::from(u32::MAX) || !counter.is_multiple_of(2) {
        return Err("its semaphore lies where the kernel cannot count");
    }
    Ok((offset, counter))
}

pub fn function(
    process: &Objects,
    object: Option<&ObjectName>,
    location: &Location,
    is_return: bool,
) -> Result<Vec<Point>> {
    if let Some(name) = object {
        let found = named(process, name)?;
        let offset = locate(found.object(), Some(name), location, is_return)?;
        return Ok(vec![point(found.object(), offset, 0, is_return)]);
    }
    let mut not_found = Error::new(ErrorKind::NotFound, "the process has no program");
    let mut others = process.iter();
    if let Some(program) = others.next() {
        match locate(program, None, location, is_return) {
            Ok(offset) => return Ok(vec![point(program, offset, 0, is_return)]),
            Err(error) if error.kind == ErrorKind::NotFound => not_found = error,
            Err(error) => return Err(error),
        }
    }
    let Location::Symbol { name, .. } = location else {
        return Err(not_found);
    };
    let mut found = Vec::new();
    let mut refused = None;
    for object in others {
        let spelt = spelling(process, object);
        match locate(object, spelt.as_ref(), location, is_return) {
            Ok(offset) => found.push((object, spelt, offset)),
            Err(error) if matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Unprobeable) => {
                // An object that is no ELF file has no say.
                if object.elf().is_ok() && object.functions().is_ok() {
                    refused = Some(error);
                }
            }
            Err(_) => {}
        }
    }
    match &found[..] {
        [(object, _, offset)] => Ok(vec![point(object, *offset, 0, is_return)]),
        [] => Err(refused.unwrap_or_else(|| nowhere(process, name, is_return))),
        several => {
            let message = format!(
                "{} objects have a function {}",
                several.len(),
                escaped(name.as_bytes())
            );
            let candidates = several
                .iter()
                .filter_map(|(_, spelt, _)| Some(spell(spelt.clone()?, location, is_return)));
            Err(Error::new(ErrorKind::Ambiguous, message)
                .hint(format!("name one: {}", listed(candidates))))
        }
    }
}

fn nowhere(process: &Objects, name: &Name, is_return: bool) -> Error {
    let message = format!(
        "no function {} in the program or its libraries{}",
        escaped(name.as_bytes()),
        unread(process)
    );
    let error = Error::new(ErrorKind::NotFound, message)
        .hint("it may be inlined, or the symbols stripped: a debug file with the same build id brings them back");
    let all = process.iter().filter_map(|object| object.functions().ok());
    let all: Vec<&Functions> = all.collect();
    with_suggestions(
        error,
        prefix(is_return),
        &near_functions(&all, name.as_bytes()),
    )
}

/// A path is compared with readable names, of the first so many, since each takes microseconds.
fn near_functions(all: &[&Functions], wanted: &[u8]) -> Vec<Vec<u8>> {
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

/// The object of that name.
fn named<'a>(process: &'a Objects, name: &ObjectName) -> Result<Found<'a>> {
    let base = match name {
        ObjectName::Path(path) => return process.at_path(path.as_bytes()),
        ObjectName::Base(base) => base.as_bytes(),
    };
    let found: Vec<&Object> = process
        .iter()
        .filter(|object| object.base_name() == base)
        .collect();
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

/// Where in the object's file.
fn locate(
    object: &Object,
    spelt: Option<&ObjectName>,
    location: &Location,
    is_return: bool,
) -> Result<u64> {
    let elf = object.elf()?;
    let (name, offset) = match location {
        Location::Symbol { name, offset } => (name, *offset),
        Location::Address(address) => {
            return elf.code_offset(*address).ok_or_else(|| {
                let message = format!(
                    "{address:#x} is not in the code of {}",
                    escaped(object.path())
                );
                Error::new(ErrorKind::Unprobeable, message).hint(
                    "an address is one that objdump -d shows for the file, wherever it is loaded",
                )
            });
        }
    };
    let functions = object.functions()?;
    let shown = escaped(name.as_bytes());
    let found = functions.matching(name.as_bytes());
    let Some(&first) = found.first() else {
        let message = format!("no function {shown} in {}", escaped(object.path()));
        let error = Error::new(ErrorKind::NotFound, message);
        let prefix = format!(
            "{}{}",
            prefix(is_return),
            spelt.map_or(String::new(), |o| format!("{o}:"))
        );
        return Err(match spelt {
            // The whole search is worth it only where the object was asked for.
            Some(_) => with_suggestions(
                error,
                &prefix,
                &near_functions(&[functions], name.as_bytes()),
            ),
            None => error,
        });
    };
    if found
        .iter()
        .any(|function| function.address != first.address)
    {
        return Err(ambiguous(functions, &found, &shown, spelt, is_return));
    }
    if found.iter().any(|function| function.is_indirect) {
        return Err(indirect(functions, name.as_bytes(), &shown));
    }
    let size = found
        .iter()
        .map(|function| function.bytes)
        .max()
        .unwrap_or(0);
    if offset > 0 && size > 0 && offset >= size {
        let message = format!("{shown} has {size} bytes, of which {offset:#x} is none");
        return Err(Error::new(ErrorKind::Unprobeable, message)
            .hint("objdump -d shows at which offsets its instructions begin"));
    }
    let address = first.address.checked_add(offset);
    address
        .and_then(|address| elf.code_offset(address))
        .ok_or_else(|| {
            let message = format!("{shown} is not in the code of {}", escaped(object.path()));
            Error::new(ErrorKind::Unprobeable, message)
        })
}

fn ambiguous(
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

fn indirect(functions: &Functions, name: &[u8], shown: &str) -> Error {
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

/// The first of them, in one line.
fn listed(candidates: impl Iterator<Item = String>) -> String {
    let mut candidates = candidates.peekable();
    let mut shown: Vec<String> = candidates.by_ref().take(MOST_CANDIDATES).collect();
    if candidates.peek().is_some() {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

fn prefix(is_return: bool) -> &'static str {
    if is_return { "ur:" } else { "up:" }
}

fn spell(object: ObjectName, location: &Location, is_return: bool) -> String {
    with_object(Some(object), location, is_return)
}

fn with_object(object: Option<ObjectName>, location: &Location, is_return: bool) -> String {
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

/// What a search in vain could not look into.
fn unread(process: &Objects) -> String {
    let unread = process
        .iter()
        .filter(|object| object.elf().is_err())
        .count();
    match process.problems().len() + unread {
        0 => String::new(),
        count => format!(" ({count} mapped files could not be read)"),
    }
}

fn point(object: &Object, offset: u64, ref_ctr_offset: u64, is_return: bool) -> Point {
    Point::User {
        file: object.file().clone(),
        path: fd_path(&**object.file()),
        offset,
        ref_ctr_offset,
        is_return,
    }
}
