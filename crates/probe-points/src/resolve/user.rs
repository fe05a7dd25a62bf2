//! Functions of a process.

use crate::code::ends::{End, Ends, ends};
use crate::error::{Error, ErrorKind, Result, escaped};
use crate::files::object::Object;
use crate::files::objects::Objects;
use crate::files::open::fd_path;
use crate::files::symbols::Functions;
use crate::resolve::locate::{self as located, Located, locate};
use crate::resolve::named::{listed, named, prefix, spelling, unread, with_object};
use crate::resolve::point::{MOST_POINTS, Point, Resolved, ReturnProbes};
use crate::resolve::suggest::{near_functions, with_suggestions};
use crate::trigger::syntax::{Location, Name, ObjectName};

pub fn function(
    process: &Objects,
    object: Option<&ObjectName>,
    location: &Location,
    returns: Option<ReturnProbes>,
) -> Result<Resolved> {
    let is_return = returns.is_some();
    if let Some(name) = object {
        let found = named(process, name)?;
        let located = locate(process, found.object(), Some(name), location, is_return)?;
        return resolved(process, found.object(), &located, returns);
    }
    let mut not_found = Error::new(ErrorKind::NotFound, "the process has no program");
    let mut others = process.iter();
    if let Some(program) = others.next() {
        match locate(process, program, None, location, is_return) {
            Ok(located) => return resolved(process, program, &located, returns),
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
        match locate(process, object, spelt.as_ref(), location, is_return) {
            Ok(located) => found.push((object, spelt, located)),
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
        [(object, _, located)] => resolved(process, object, located, returns),
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

/// The places themselves or, `returns` saying how, where the functions that begin there end.
fn resolved(
    process: &Objects,
    object: &Object,
    located: &Located,
    returns: Option<ReturnProbes>,
) -> Result<Resolved> {
    let mut resolved = Resolved::default();
    resolved.remarks.extend(located.remark.clone());
    for place in &located.places {
        require_from_file(process, object, &located.shown, place.offset)?;
        let bytes = place
            .function
            .as_ref()
            .map_or(0, |code| code.end - code.start);
        resolved.function_bytes = resolved.function_bytes.max(bytes);
        let Some(returns) = returns else {
            resolved.points.push(Place::at(place.offset).of(object));
            continue;
        };
        match ends_of(object, place) {
            Ok((ends, begins_again)) => {
                for (_, offset) in &ends {
                    require_from_file(process, object, &located.shown, *offset)?;
                }
                resolved.add_ends(object, &located.shown, &ends);
                let at = begins_again.map(|at| format!("{}{at}", located.shown));
                resolved.begins_again = resolved.begins_again.take().or(at);
            }
            Err(_) if returns == ReturnProbes::OrUretprobe => resolved.points.push(
                Place {
                    is_return: true,
                    ..Place::at(place.offset)
                }
                .of(object),
            ),
            Err(why) => {
                let message = format!("where {} returns cannot be told: {why}", located.shown);
                return Err(Error::new(ErrorKind::Unprobeable, message).hint(
                    "--allow-uretprobe puts another return address on the stack instead: Go programs abort of it, an exception that crosses the function ends the program, and stacks end there",
                ));
            }
        }
    }
    Ok(resolved)
}

/// A probe is attached to a file's page, fires where that is mapped, and runs what the file has there.
pub fn require_from_file(
    process: &Objects,
    object: &Object,
    shown: &str,
    offset: u64,
) -> Result<()> {
    let file = escaped(object.path());
    let (message, hint) = if !object.runs_from_file(offset) {
        (
            format!(
                "{shown} does not run from {file}: the process has moved its code to other memory, or may write to it, and no probe can be attached"
            ),
            "start it without large pages for its code, as Node.js without --use-largepages, or give another trigger",
        )
    } else if !process.has_as_in_file(object, offset) {
        (
            format!(
                "{shown} is not what {file} has: the process has patched its code, and a probe would run what was there before"
            ),
            "give another trigger, such as the function that runs instead",
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Unprobeable, message).hint(hint))
}

/// Ends with their offsets in the file.
type EndsInFile = Vec<(End, u64)>;

/// And where the function begins again; else why there are none.
fn ends_of(
    object: &Object,
    place: &located::Place,
) -> std::result::Result<(EndsInFile, Option<String>), String> {
    let function = place.function.clone();
    let function = function.ok_or_else(|| "how far it goes is not known".to_owned())?;
    let elf = object.elf().map_err(|error| error.message)?;
    let Ends {
        all: ends,
        begins_again,
    } = ends(object, function)?;
    if ends.len() > MOST_POINTS {
        let count = ends.len();
        return Err(format!(
            "it does so at {count} places, of which {MOST_POINTS} can be probed"
        ));
    }
    let in_file = ends.into_iter().map(|end| {
        let offset = elf.code_offset(end.address);
        let offset = offset.ok_or_else(|| "a part of it is not in the file".to_owned());
        Ok((end, offset?))
    });
    let in_file: std::result::Result<EndsInFile, String> = in_file.collect();
    Ok((in_file?, begins_again))
}

impl Resolved {
    fn add_ends(&mut self, object: &Object, shown: &str, ends: &[(End, u64)]) {
        self.points.extend(ends.iter().map(|(end, offset)| {
            let place = Place {
                is_conditional: end.is_conditional,
                ..Place::at(*offset)
            };
            place.of(object)
        }));
        let jumps = ends.iter().filter(|(end, _)| end.is_jump).count();
        if jumps > 0 {
            self.remarks.push(format!(
                "{shown} ends by a jump to another function at {jumps} of {} places: what that does is no part of it",
                ends.len()
            ));
        }
    }
}

/// What a point in user code is, but for its file.
#[derive(Clone, Copy, Default)]
pub struct Place {
    pub offset: u64,
    pub ref_ctr_offset: u64,
    pub is_conditional: bool,
    pub is_return: bool,
}

impl Place {
    pub fn at(offset: u64) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    pub fn of(self, object: &Object) -> Point {
        Point::User {
            file: object.file().clone(),
            path: fd_path(&**object.file()),
            offset: self.offset,
            ref_ctr_offset: self.ref_ctr_offset,
            is_conditional: self.is_conditional,
            is_return: self.is_return,
        }
    }
}
