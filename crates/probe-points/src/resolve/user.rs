//! Functions of a process.

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::object::Object;
use crate::files::objects::Objects;
use crate::files::open::fd_path;
use crate::files::symbols::Functions;
use crate::resolve::locate::locate;
use crate::resolve::named::{listed, named, prefix, spelling, unread, with_object};
use crate::resolve::point::Point;
use crate::resolve::suggest::{near_functions, with_suggestions};
use crate::trigger::syntax::{Location, Name, ObjectName};

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

fn spell(object: ObjectName, location: &Location, is_return: bool) -> String {
    with_object(Some(object), location, is_return)
}

pub fn point(object: &Object, offset: u64, ref_ctr_offset: u64, is_return: bool) -> Point {
    Point::User {
        file: object.file().clone(),
        path: fd_path(&**object.file()),
        offset,
        ref_ctr_offset,
        is_return,
    }
}
