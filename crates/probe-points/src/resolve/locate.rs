//! Where in a file the code of a function is, and whether it can be probed there.

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::demangle::demangled;
use crate::files::instructions::{LONGEST_INSTRUCTION, Place, place};
use crate::files::object::Object;
use crate::files::symbols::{Function, Functions};
use crate::resolve::named::{listed, prefix, with_object};
use crate::resolve::suggest::{near_functions, with_suggestions};
use crate::trigger::syntax::{Location, Name, ObjectName};

/// Where in the object's file.
pub fn locate(
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
