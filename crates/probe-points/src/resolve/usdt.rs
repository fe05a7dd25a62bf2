//! USDT probes of a process.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::elf::Elf;
use crate::files::object::Object;
use crate::files::objects::Objects;
use crate::files::usdt::Note;
use crate::resolve::named::{named, unread};
use crate::resolve::point::Point;
use crate::resolve::suggest::{near, with_suggestions};
use crate::resolve::user::{Place, require_from_file};
use crate::trigger::syntax::{Name, ObjectName};

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
    let shown = format!(
        "{}:{}",
        escaped(provider.as_bytes()),
        escaped(probe.as_bytes())
    );
    let mut points = Vec::new();
    let mut refused = None;
    let mut moved = None;
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
                    if let Err(error) = require_from_file(process, object, &shown, offsets.0) {
                        moved = Some(error);
                        continue;
                    }
                    let place = Place {
                        ref_ctr_offset: offsets.1,
                        ..Place::at(offsets.0)
                    };
                    points.push(place.of(object));
                }
                Ok(_) => {}
                Err(why) => refused = Some(format!("{}: {why}", escaped(object.path()))),
            }
        }
    }
    if !points.is_empty() {
        return Ok(points);
    }
    if let Some(error) = moved {
        return Err(error);
    }
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
