//! Where in a file the code of a function is, and whether it can be probed there.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::code::machine::LONGEST_INSTRUCTION;
use crate::code::nop_of_five::becomes_call;
use crate::code::place::{self, begins_anywhere};
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::clones::are_one_structor;
use crate::files::object::Object;
use crate::files::objects::Objects;
use crate::files::symbols::{Function, Functions};
use crate::resolve::named::prefix;
use crate::resolve::suggest::{near_functions, with_suggestions};
use crate::resolve::unlocated::{ambiguous, indirect, untold};
use crate::trigger::syntax::{Location, ObjectName};

/// What a trigger names in an object.
#[derive(Debug)]
pub struct Located {
    /// As messages call it.
    pub shown: String,
    /// One, but of constructors and destructors, of which there may be several.
    pub places: Vec<Place>,
    /// What whoever named it should know.
    pub remark: Option<String>,
}

/// A place in an object's code.
#[derive(Debug)]
pub struct Place {
    /// In the file.
    pub offset: u64,
    /// The code of the function that begins there; `None`: how far it goes is not known, or none begins there.
    pub function: Option<Range<u64>>,
}

pub fn locate(
    process: &Objects,
    object: &Object,
    spelt: Option<&ObjectName>,
    location: &Location,
    is_return: bool,
) -> Result<Located> {
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
    let is_other = |function: &&Function| function.address != first.address;
    let others: Vec<&Function> = found.iter().filter(is_other).collect();
    let is_same =
        |other: &&Function| are_one_structor(functions.name(&first), functions.name(other));
    if !others.is_empty() && (offset > 0 || !others.iter().all(is_same)) {
        return Err(ambiguous(functions, &found, &shown, spelt, is_return));
    }
    if let Some(function) = found.iter().find(|function| function.is_indirect) {
        let name_of = functions.name(function);
        let chosen = (offset == 0)
            .then(|| process.implementation(object, name_of, function.address))
            .flatten();
        let Some(chosen) = chosen else {
            return Err(indirect(functions, name.as_bytes(), &shown));
        };
        return implementation(object, functions, &shown, chosen, is_return);
    }
    let addresses: BTreeSet<u64> = found.iter().map(|function| function.address).collect();
    let place = |start: u64| {
        let same = found.iter().filter(|function| function.address == start);
        let size = same.map(|function| function.bytes).max().unwrap_or(0);
        place_in(object, &shown, start..start.saturating_add(size), offset)
    };
    Ok(Located {
        places: addresses.into_iter().map(place).collect::<Result<_>>()?,
        remark: remark(functions, name.as_bytes(), &first),
        shown,
    })
}

/// At so many bytes from the start of a function, whose size may not be known.
fn place_in(object: &Object, shown: &str, symbol: Range<u64>, offset: u64) -> Result<Place> {
    let elf = object.elf()?;
    let (start, size) = (symbol.start, symbol.end - symbol.start);
    if offset > 0 && size > 0 && offset >= size {
        let message = format!("{shown} has {size} bytes, of which {offset:#x} is none");
        return Err(Error::new(ErrorKind::Unprobeable, message)
            .hint("objdump -d shows at which offsets its instructions begin"));
    }
    let place = elf.code_offset(start).and_then(|_| {
        let address = start.checked_add(offset)?;
        Some((address, elf.code_offset(address)?))
    });
    let Some((address, place)) = place else {
        let message = format!("{shown} is not in the code of {}", escaped(object.path()));
        return Err(Error::new(ErrorKind::Unprobeable, message));
    };
    let code = function_at(object, start, size);
    if offset > 0 {
        let Some(code) = code.clone().filter(|code| code.contains(&address)) else {
            return Err(untold(&format!("{shown}+{offset:#x}")));
        };
        require_instruction(object, shown, &code, address)?;
    }
    Ok(Place {
        offset: place,
        function: code.filter(|code| code.start == address),
    })
}

/// Compilers make versions of a function for some of its callers: what is named may be one of them, or leave them out.
fn remark(functions: &Functions, asked: &[u8], found: &Function) -> Option<String> {
    let name = functions.name(found);
    let (shown, is) = (escaped(asked), escaped(name));
    if functions.is_clone(found) && name != asked {
        return Some(format!("{shown} is {is}, which the compiler made of it"));
    }
    let versions = functions.clones(name);
    let first = versions.first().filter(|_| !functions.is_clone(found))?;
    let first = escaped(functions.name(first));
    Some(format!(
        "calls that go to a version of {shown} are not seen: the compiler made {first} of it{}",
        match versions.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        }
    ))
}

/// Of a function that symbols have there, as of assembler's labels without a size.
fn function_at(object: &Object, address: u64, size: u64) -> Option<Range<u64>> {
    if size > 0 {
        return Some(address..address.checked_add(size)?);
    }
    let range = object.unwind_tables().ok()?.holding(address)?;
    Some(address..range.end)
}

fn locate_address(object: &Object, address: u64, is_return: bool) -> Result<Located> {
    let elf = object.elf()?;
    let shown = format!("{address:#x}");
    let offset = elf.code_offset(address).ok_or_else(|| {
        let message = format!("{shown} is not in the code of {}", escaped(object.path()));
        Error::new(ErrorKind::Unprobeable, message)
            .hint("an address is one that objdump -d shows for the file, wherever it is loaded")
    })?;
    let symbol = object.functions().ok().and_then(|functions| {
        let function = functions.holding(address)?;
        let range = function_at(object, function.address, function.bytes)?;
        Some((escaped(functions.name(function)), range))
    });
    // Where symbols are stripped, unwind tables still have where functions begin and end.
    let holding = match symbol {
        Some(found) => Some(found),
        None => {
            let range = object.unwind_tables()?.holding(address);
            range.map(|range| (format!("{:#x}", range.start), range))
        }
    };
    let Some((name, function)) = holding else {
        // Where all instructions are of one length, each place of theirs begins one.
        if !is_return && begins_anywhere(elf.machine, address) {
            return Ok(at_address(shown, offset, None));
        }
        return Err(untold(&shown));
    };
    let beyond = address - function.start;
    let is_part = || {
        object
            .unwind_tables()
            .is_ok_and(|tables| tables.heights(address).is_as_at_start(address) == Some(false))
    };
    if is_return && (beyond > 0 || is_part()) {
        let what = if beyond > 0 {
            format!("{name}+{beyond:#x}")
        } else {
            "a part of a function".to_owned()
        };
        let message = format!("{shown} is {what}, where no function begins");
        let error = Error::new(ErrorKind::Unprobeable, message);
        return Err(if beyond > 0 {
            error.hint(format!("{name} begins at {:#x}", function.start))
        } else {
            error
        });
    }
    if beyond > 0 {
        require_instruction(object, &name, &function, address)?;
    }
    let function = (beyond == 0).then_some(function);
    Ok(at_address(shown, offset, function))
}

fn at_address(shown: String, offset: u64, function: Option<Range<u64>>) -> Located {
    Located {
        shown,
        places: vec![Place { offset, function }],
        remark: None,
    }
}

/// At an address beyond the start of the function whose code that is.
fn require_instruction(
    object: &Object,
    name: &str,
    function: &Range<u64>,
    address: u64,
) -> Result<()> {
    let elf = object.elf()?;
    let shown = |address: u64| format!("{name}+{:#x}", address - function.start);
    let refused = |reason: String| Error::new(ErrorKind::Unprobeable, reason);
    match place::place(object, function.clone(), address) {
        place::Place::Begins => {}
        place::Place::Inside { offset, bytes } => {
            let begin = function.start + offset;
            return Err(refused(format!(
                "{} is inside of an instruction, where a breakpoint would break the program",
                shown(address)
            ))
            .hint(format!(
                "instructions begin at {} and {}",
                shown(begin),
                shown(begin + bytes)
            )));
        }
        place::Place::Unknown(why) => {
            return Err(refused(format!(
                "whether an instruction begins at {} cannot be told: {why}",
                shown(address)
            ))
            .hint("probe the function itself"));
        }
    }
    let offset = elf.code_offset(address);
    let offset = offset.ok_or_else(|| untold(&shown(address)))?;
    let code = object.bytes_at(offset, LONGEST_INSTRUCTION as usize)?;
    if becomes_call(elf.machine, &code) {
        return Err(refused(format!(
            "{} is a nop of five bytes, of which Linux 6.18 makes a call, which would overwrite what the function may keep below its stack",
            shown(address)
        ))
        .hint("give the instruction after it, or the function itself"));
    }
    Ok(())
}

/// At what the loader has chosen of an indirect function's implementations.
fn implementation(
    object: &Object,
    functions: &Functions,
    shown: &str,
    address: u64,
    is_return: bool,
) -> Result<Located> {
    let located = locate_address(object, address, is_return)?;
    let name = functions
        .holding(address)
        .filter(|function| function.address == address)
        .map_or(located.shown, |function| escaped(functions.name(function)));
    Ok(Located {
        shown: shown.to_owned(),
        remark: Some(format!(
            "{shown} is an indirect function: here it is {name}, which the loader has chosen for this processor"
        )),
        ..located
    })
}
