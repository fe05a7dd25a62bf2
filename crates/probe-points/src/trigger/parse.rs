//! A trigger as the user spells it.
//!
//! ```text
//! u|usdt:[OBJECT:]PROVIDER:PROBE      up|uprobe:[OBJECT:]LOCATION
//! t|trace:SYSTEM:EVENT                ur|upr|uretprobe:[OBJECT:]LOCATION
//! k|kprobe:FUNCTION[+OFFSET]          kr|kretprobe:FUNCTION
//! ```
//!
//! LOCATION is a symbol, `symbol+0x10`, or an address such as `0x401136`: a virtual address as the ELF file's symbol
//! table and objdump show it, wherever the process has loaded the object. OBJECT is the base name of a mapped file
//! (`libc.so.6`), or an absolute path as the process sees it. `::` is never a separator, so that C++ and Rust names stand
//! as they are; any byte can be spelt `\xNN`.

use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::trigger::spelling;
use crate::trigger::syntax::{FunctionStart, LONGEST_TRIGGER, Location, Name, ObjectName, Trigger};

const KINDS: &str = "u:PROVIDER:PROBE, t:SYSTEM:EVENT, k:FUNCTION[+OFFSET], kr:FUNCTION, \
     up:[OBJECT:]LOCATION and ur:[OBJECT:]LOCATION";

pub fn parse(text: &str) -> Result<Trigger> {
    if text.len() > LONGEST_TRIGGER {
        let message = format!("a trigger of {} bytes", text.len());
        return Err(Error::new(ErrorKind::Malformed, message)
            .hint(format!("at most {LONGEST_TRIGGER} bytes")));
    }
    let shown = escaped(text.as_bytes());
    let malformed = |why: &str, hint: String| {
        Err(Error::new(ErrorKind::Malformed, format!("'{shown}': {why}")).hint(hint))
    };
    if text.chars().any(char::is_control) {
        return malformed(
            "control characters",
            "spell a byte of a name as \\xNN".to_owned(),
        );
    }
    let Some((kind, rest)) = text.split_once(':') else {
        return malformed("no kind before a colon", format!("triggers are {KINDS}"));
    };
    let (parsed, syntax) = match kind {
        "u" | "usdt" => (usdt(rest), "u:[OBJECT:]PROVIDER:PROBE"),
        "t" | "trace" => (tracepoint(rest), "t:SYSTEM:EVENT"),
        "k" | "kprobe" => (kprobe(rest), "k:FUNCTION[+OFFSET]"),
        "kr" | "kretprobe" => (kretprobe(rest), "kr:FUNCTION"),
        "up" | "uprobe" => (
            uprobe(rest),
            "up:[OBJECT:]SYMBOL[+OFFSET] or up:[OBJECT:]0xADDRESS",
        ),
        "ur" | "upr" | "uretprobe" => (uretprobe(rest), "ur:[OBJECT:]SYMBOL"),
        _ => {
            let why = format!("'{}' is no kind of trigger", escaped(kind.as_bytes()));
            return malformed(&why, format!("triggers are {KINDS}"));
        }
    };
    parsed.or_else(|why| malformed(why, format!("the syntax is {syntax}")))
}

type Parsed<T> = std::result::Result<T, &'static str>;

fn usdt(rest: &str) -> Parsed<Trigger> {
    let parts: Vec<&str> = rest.split(':').collect();
    let (object, provider, probe) = match parts[..] {
        [provider, probe] => (None, provider, probe),
        [object_part, provider, probe] => (Some(object(object_part)?), provider, probe),
        _ => return Err("a USDT probe has a provider and a name"),
    };
    Ok(Trigger::Usdt {
        object,
        provider: name(provider, "the provider is empty")?,
        probe: name(probe, "the probe's name is empty")?,
    })
}

fn tracepoint(rest: &str) -> Parsed<Trigger> {
    let Some((system, event)) = rest.split_once(':') else {
        return Err("a tracepoint has a system and an event");
    };
    Ok(Trigger::Tracepoint {
        system: kernel_name(system)?,
        event: kernel_name(event)?,
    })
}

fn kprobe(rest: &str) -> Parsed<Trigger> {
    let (function, offset) = split_offset(rest)?;
    Ok(Trigger::Kprobe {
        function: kernel_name(function)?,
        offset: offset.unwrap_or(0),
    })
}

fn kretprobe(rest: &str) -> Parsed<Trigger> {
    match split_offset(rest)? {
        (function, None) => Ok(Trigger::Kretprobe {
            function: kernel_name(function)?,
        }),
        _ => Err("a return probe takes no offset"),
    }
}

fn uprobe(rest: &str) -> Parsed<Trigger> {
    let (object, start, offset) = place(rest)?;
    let location = match (start, offset) {
        (FunctionStart::Symbol(name), offset) => Location::Symbol {
            name,
            offset: offset.unwrap_or(0),
        },
        (FunctionStart::Address(address), None) => Location::Address(address),
        (FunctionStart::Address(_), Some(_)) => return Err("an address takes no offset"),
    };
    Ok(Trigger::Uprobe { object, location })
}

fn uretprobe(rest: &str) -> Parsed<Trigger> {
    match place(rest)? {
        (object, start, None) => Ok(Trigger::Uretprobe { object, start }),
        _ => Err("a return probe takes no offset"),
    }
}

fn place(rest: &str) -> Parsed<(Option<ObjectName>, FunctionStart, Option<u64>)> {
    let (object, rest) = match separator(rest) {
        Some(at) => (Some(object(&rest[..at])?), &rest[at + 1..]),
        None => (None, rest),
    };
    let (symbol, offset) = split_offset(rest)?;
    let start = if symbol.starts_with("0x") || symbol.starts_with("0X") {
        FunctionStart::Address(number(symbol).ok_or("the address is no 64-bit number")?)
    } else {
        FunctionStart::Symbol(name(symbol, "the function's name is empty")?)
    };
    Ok((object, start, offset))
}

/// The first colon that stands alone, or begins a `:::`, where a `::` follows it.
fn separator(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|&&b| b == b':').count();
        if matches!(run, 1 | 3) {
            return Some(at);
        }
        at += run.max(1);
    }
    None
}

fn object(text: &str) -> Parsed<ObjectName> {
    let name = name(text, "the object's name is empty")?;
    ObjectName::new(name).ok_or("an object is a file name or a path")
}

fn name(text: &str, empty: &'static str) -> Parsed<Name> {
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err("a name begins or ends with a space");
    }
    Name::new(spelling::unescape(text)?).ok_or(empty)
}

/// The kernel's names become parts of paths and of lines.
fn kernel_name(text: &str) -> Parsed<Name> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$');
    if text.starts_with('.') && text.bytes().all(|b| b == b'.') || !text.bytes().all(plain) {
        return Err("the kernel's names hold only letters, digits, '_', '-', '.' and '$'");
    }
    Name::new(text).ok_or("a name is empty")
}

/// `+` begins an offset only before a digit: C++ has operators that are spelt with it.
fn split_offset(text: &str) -> Parsed<(&str, Option<u64>)> {
    match text.rsplit_once('+') {
        Some((symbol, digits)) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            let offset = number(digits).ok_or("the offset is no 64-bit number")?;
            Ok((symbol, Some(offset)))
        }
        _ => Ok((text, None)),
    }
}

fn number(text: &str) -> Option<u64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
    // `from_str_radix` takes a sign.
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

impl FromStr for Trigger {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text)
    }
}
