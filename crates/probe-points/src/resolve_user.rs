//! Functions of a process.

use crate::demangle::{contains, demangled, demangled_path, is_mangled};
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::instructions::{LONGEST_INSTRUCTION, Place, place};
use crate::named::{listed, named, spelling, unread};
use crate::objects::{Object, Objects};
use crate::open::fd_path;
use crate::resolve::Point;
use crate::resolve_kernel::with_suggestions;
use crate::suggest::near;
use crate::symbols::{Function, Functions};
use crate::trigger::{FunctionStart, Location, Name, ObjectName, Trigger};

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
        Location::Address(address) => return locate_address(object, *address, is_return),
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
    let place = elf.code_offset(first.address).and_then(|start| {
        let address = first.address.checked_add(offset)?;
        Some((start, elf.code_offset(address)?))
    });
    let Some((start, place)) = place else {
        let message = format!("{shown} is not in the code of {}", escaped(object.path()));
        return Err(Error::new(ErrorKind::Unprobeable, message));
    };
    require_instruction(object, &shown, start, offset)?;
    Ok(place)
}

fn locate_address(object: &Object, address: u64, is_return: bool) -> Result<u64> {
    let elf = object.elf()?;
    let place = elf.code_offset(address).ok_or_else(|| {
        let message = format!(
            "{address:#x} is not in the code of {}",
            escaped(object.path())
        );
        Error::new(ErrorKind::Unprobeable, message)
            .hint("an address is one that objdump -d shows for the file, wherever it is loaded")
    })?;
    // Without symbols nobody knows where the function begins that this is in.
    let functions = object.functions().ok();
    let holding = functions.and_then(|functions| {
        let function = functions.holding(address)?;
        Some((function, escaped(functions.name(function))))
    });
    if let Some((function, name)) = holding
        && let Some(start) = elf.code_offset(function.address)
    {
        let offset = address - function.address;
        if is_return && offset > 0 {
            let message = format!("{address:#x} is {name}+{offset:#x}, where no function begins");
            // The word on top of the stack would be taken for a return address, and replaced.
            return Err(Error::new(ErrorKind::Unprobeable, message)
                .hint(format!("{name} begins at {:#x}", function.address)));
        }
        require_instruction(object, &name, start, offset)?;
    }
    Ok(place)
}

/// Of a function whose code is at `start` in the file.
fn require_instruction(object: &Object, name: &str, start: u64, offset: u64) -> Result<()> {
    /// More of one function is read for nobody's sake.
    const MOST_BYTES: u64 = 16 << 20;
    if offset == 0 {
        return Ok(());
    }
    let bytes = (offset.min(MOST_BYTES) + LONGEST_INSTRUCTION) as usize;
    let code = object.bytes_at(start, bytes)?;
    let refused = |reason: String| Error::new(ErrorKind::Unprobeable, reason);
    match place(object.elf()?.machine, &code, offset) {
        Place::Begins => Ok(()),
        Place::Inside {
            offset: begin,
            bytes,
        } => Err(refused(format!(
            "{name}+{offset:#x} is inside of an instruction, where a breakpoint would break the program"
        ))
        .hint(format!(
            "instructions begin at {name}+{begin:#x} and {name}+{:#x}",
            begin + bytes
        ))),
        Place::Unknown => Err(refused(format!(
            "whether an instruction begins at {name}+{offset:#x} cannot be told: what is before it is no code that is known"
        ))
        .hint("probe the function itself")),
    }
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

pub fn point(object: &Object, offset: u64, ref_ctr_offset: u64, is_return: bool) -> Point {
    Point::User {
        file: object.file().clone(),
        path: fd_path(&**object.file()),
        offset,
        ref_ctr_offset,
        is_return,
    }
}
