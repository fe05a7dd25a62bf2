//! Tracepoints, and functions of the kernel's own.

use std::ffi::CString;

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::kernel::probing::Kernel;
use crate::resolve::point::Point;
use crate::resolve::suggest::{near, with_suggestions};
use crate::trigger::syntax::Name;

pub fn tracepoint(kernel: &Kernel, system: &[u8], event: &[u8]) -> Result<u64> {
    let tracefs = kernel.tracefs()?;
    let shown = format!("{}:{}", escaped(system), escaped(event));
    if system == b"ftrace" {
        let message = format!("t:{shown} is internal to ftrace");
        return Err(Error::new(ErrorKind::Unprobeable, message));
    }
    let (Ok(system), Ok(event)) = (str::from_utf8(system), str::from_utf8(event)) else {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("no tracepoint {shown}"),
        ));
    };
    if let Some(id) = tracefs.event_id(system, event)? {
        return Ok(id);
    }
    let error = Error::new(ErrorKind::NotFound, format!("no tracepoint {shown}"));
    let all: Vec<String> = tracefs
        .events()?
        .into_iter()
        .filter(|(system, _)| system != "ftrace")
        .map(|(system, event)| format!("{system}:{event}"))
        .collect();
    let names = all.iter().map(String::as_bytes);
    let mut found = near(shown.as_bytes(), names.clone());
    if found.is_empty() {
        // The event may be of another system.
        found = near(event.as_bytes(), names);
    }
    Err(with_suggestions(error, "t:", &found))
}

pub fn function(kernel: &Kernel, name: &Name, offset: u64, is_return: bool) -> Result<Vec<Point>> {
    kernel.kprobe_pmu()?;
    let bytes = name.as_bytes();
    let shown = escaped(bytes);
    match kernel.functions_named(bytes)? {
        0 => {
            let error = Error::new(
                ErrorKind::NotFound,
                format!("the kernel has no function {shown}"),
            );
            let prefix = if is_return { "kr:" } else { "k:" };
            return Err(with_suggestions(
                error,
                prefix,
                &near(bytes, kernel.probeable_functions()?),
            ));
        }
        1 => {}
        count => {
            let message = format!("the kernel has {count} functions of the name {shown}");
            return Err(Error::new(ErrorKind::Ambiguous, message)
                .hint("the kernel refuses such a name: probe a function that calls it"));
        }
    }
    if kernel.is_blacklisted(bytes)? {
        let message = format!("the kernel lets no probe be put on {shown}");
        return Err(Error::new(ErrorKind::Unprobeable, message)
            .hint("it is on the blacklist of kprobes, or excluded from tracing: probe a function that calls it"));
    }
    let function = CString::new(bytes)
        .map_err(|_| Error::new(ErrorKind::Malformed, format!("{shown} holds a NUL byte")))?;
    Ok(vec![Point::Kernel {
        function,
        offset,
        is_return,
    }])
}
