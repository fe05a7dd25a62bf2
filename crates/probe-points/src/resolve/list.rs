//! What can be probed in a process and in the kernel, each in the syntax that a trigger is given in.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::error::{Result, escaped};
use crate::files::demangle::{MOST_BYTES, all_demangled};
use crate::files::elf::Elf;
use crate::files::object::Object;
use crate::files::objects::Objects;
use crate::files::symbols::{Function, Functions};
use crate::kernel::probing::Kernel;
use crate::resolve::named::spelling;
use crate::resolve::pattern::Pattern;
use crate::resolve::point::MOST_POINTS;
use crate::resolve::usdt::offsets;
use crate::trigger::syntax::{LONGEST_TRIGGER, Location, Name, ObjectName, Trigger};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Parses, and resolves to as many points as there are locations.
    pub trigger: String,
    /// `usdt`, `tracepoint`, `kprobe` or `uprobe`.
    pub kind: &'static str,
    /// Path of the object that has it, escaped; `None`: the kernel, or several.
    pub object: Option<String>,
    /// The name as people read it, where the trigger has it mangled, or an address.
    pub demangled: Option<String>,
    pub locations: u32,
    /// The program does part of the work only while somebody listens.
    pub semaphore: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// USDT probes, functions of the process, tracepoints, functions of the kernel.
    pub entries: Vec<Entry>,
    /// What could not be looked into, one line each.
    pub problems: Vec<String>,
}

pub fn list(process: Option<&Objects>, filter: Option<&Pattern>) -> Result<Listing> {
    list_with(&Kernel::running(), process, filter)
}

pub fn list_with(
    kernel: &Kernel,
    process: Option<&Objects>,
    filter: Option<&Pattern>,
) -> Result<Listing> {
    let mut list = List {
        listing: Listing::default(),
        filter,
        too_long: 0,
        demangled: 0,
    };
    if let Some(process) = process {
        list.listing.problems.extend_from_slice(process.problems());
        match kernel.uprobe_pmu() {
            Ok(_) => list.add_process(process),
            Err(error) => list.listing.problems.push(error.message),
        }
    }
    list.add_tracepoints(kernel);
    list.add_kernel_functions(kernel);
    if list.too_long > 0 {
        let problem = format!("{} names are too long for a trigger", list.too_long);
        list.listing.problems.push(problem);
    }
    if list.demangled > MOST_BYTES {
        let problem = "too many names to make them all readable".to_owned();
        list.listing.problems.push(problem);
    }
    Ok(list.listing)
}

struct List<'a> {
    listing: Listing,
    filter: Option<&'a Pattern>,
    too_long: usize,
    /// Bytes of names.
    demangled: usize,
}

#[derive(Default)]
struct Probe<'a> {
    objects: Vec<&'a Object>,
    /// Index of the object, offsets in its file.
    locations: BTreeSet<(usize, (u64, u64))>,
    semaphore: bool,
}

impl List<'_> {
    fn add(&mut self, trigger: &Trigger, entry: Entry) {
        let entry = Entry {
            trigger: trigger.to_string(),
            ..entry
        };
        let matches = |text: &str| {
            self.filter
                .is_none_or(|filter| filter.matches(text.as_bytes()))
        };
        if !matches(&entry.trigger) && !entry.demangled.as_deref().is_some_and(matches) {
            return;
        }
        if entry.trigger.len() > LONGEST_TRIGGER {
            self.too_long += 1;
            return;
        }
        self.listing.entries.push(entry);
    }

    fn add_process(&mut self, process: &Objects) {
        let mut readable = Vec::new();
        for object in process.iter() {
            match object.elf() {
                Ok(elf) => readable.push((object, elf)),
                Err(error) => self.listing.problems.push(error.message),
            }
        }
        self.add_usdt(&readable);
        for (index, (object, elf)) in readable.into_iter().enumerate() {
            let is_program =
                index == 0 && process.program().is_some_and(|p| std::ptr::eq(p, object));
            match object.functions() {
                Err(error) => self.listing.problems.push(error.message),
                Ok(_) if !is_program && spelling(process, object).is_none() => {
                    let path = escaped(object.path());
                    self.listing
                        .problems
                        .push(format!("{path}: another object hides its name"));
                }
                Ok(functions) => {
                    let spelt = if is_program {
                        None
                    } else {
                        spelling(process, object)
                    };
                    self.add_functions(object, elf, functions, spelt.as_ref());
                }
            }
        }
    }

    fn add_usdt<'a>(&mut self, readable: &[(&'a Object, &Elf)]) {
        let mut probes: BTreeMap<(&[u8], &[u8]), Probe<'a>> = BTreeMap::new();
        for (index, &(object, elf)) in readable.iter().enumerate() {
            let notes = match object.usdt_notes() {
                Ok(notes) => notes,
                Err(error) => {
                    self.listing.problems.push(error.message);
                    continue;
                }
            };
            for note in notes {
                let Ok(at) = offsets(elf, note) else {
                    continue;
                };
                let probe = probes.entry((&note.provider, &note.probe)).or_default();
                if !probe
                    .objects
                    .iter()
                    .any(|other| std::ptr::eq(*other, object))
                {
                    probe.objects.push(object);
                }
                probe.locations.insert((index, at));
                probe.semaphore |= note.semaphore.is_some();
            }
        }
        for ((provider, name), probe) in probes {
            let (Some(provider), Some(name)) = (Name::new(provider), Name::new(name)) else {
                continue;
            };
            let trigger = Trigger::Usdt {
                object: None,
                provider,
                probe: name,
            };
            if probe.locations.len() > MOST_POINTS {
                self.listing.problems.push(format!(
                    "{trigger}: {} locations are too many",
                    probe.locations.len()
                ));
                continue;
            }
            let object = match probe.objects[..] {
                [object] => Some(escaped(object.path())),
                _ => None,
            };
            self.add(
                &trigger,
                Entry {
                    object,
                    locations: probe.locations.len() as u32,
                    semaphore: probe.semaphore,
                    ..entry("usdt")
                },
            );
        }
    }

    fn add_functions(
        &mut self,
        object: &Object,
        elf: &Elf,
        functions: &Functions,
        spelt: Option<&ObjectName>,
    ) {
        let path = escaped(object.path());
        let groups: Vec<&[Function]> = functions.by_name().collect();
        let names: Vec<&[u8]> = groups
            .iter()
            .filter_map(|same| Some(functions.name(same.first()?)))
            .collect();
        // Beyond it, names stay as they are.
        let within = names.iter().take_while(|name| {
            self.demangled += name.len();
            self.demangled <= MOST_BYTES
        });
        let readable = all_demangled(&names[..within.count()]);
        let readable = readable.into_iter().chain(std::iter::repeat(None));
        for ((same, name), readable) in groups.into_iter().zip(names).zip(readable) {
            let current = functions.current_of(same);
            let by_name = current
                .first()
                .filter(|first| current.iter().all(|other| other.address == first.address));
            let mut seen = HashSet::new();
            for function in same {
                let is_usable =
                    !function.is_indirect && elf.code_offset(function.address).is_some();
                if !is_usable || same.len() > 1 && !seen.insert(function.address) {
                    continue;
                }
                let is_named = by_name.is_some_and(|first| first.address == function.address);
                let Some(location) = location(name, function, is_named) else {
                    continue;
                };
                let trigger = Trigger::Uprobe {
                    object: spelt.cloned(),
                    location,
                };
                self.add(
                    &trigger,
                    Entry {
                        object: Some(path.clone()),
                        demangled: readable
                            .clone()
                            .or_else(|| (!is_named).then(|| escaped(name))),
                        ..entry("uprobe")
                    },
                );
            }
        }
    }

    fn add_tracepoints(&mut self, kernel: &Kernel) {
        let events = match kernel.tracefs().and_then(|tracefs| tracefs.events()) {
            Ok(events) => events,
            Err(error) => return self.listing.problems.push(error.message),
        };
        for (system, event) in events.into_iter().filter(|(system, _)| system != "ftrace") {
            if let (Some(system), Some(event)) = (Name::new(system), Name::new(event)) {
                self.add(&Trigger::Tracepoint { system, event }, entry("tracepoint"));
            }
        }
    }

    fn add_kernel_functions(&mut self, kernel: &Kernel) {
        let functions = kernel
            .kprobe_pmu()
            .and_then(|_| kernel.probeable_functions());
        match functions {
            Err(error) => self.listing.problems.push(error.message),
            Ok(functions) => {
                for function in functions.filter_map(Name::new) {
                    let trigger = Trigger::Kprobe {
                        function,
                        offset: 0,
                    };
                    // Compilers make names that the syntax has no room for.
                    if trigger.to_string().parse() == Ok(trigger.clone()) {
                        self.add(&trigger, entry("kprobe"));
                    }
                }
            }
        }
    }
}

fn location(name: &[u8], function: &Function, is_named: bool) -> Option<Location> {
    if !is_named {
        return Some(Location::Address(function.address));
    }
    let name = Name::new(name)?;
    Some(Location::Symbol { name, offset: 0 })
}

fn entry(kind: &'static str) -> Entry {
    Entry {
        trigger: String::new(),
        kind,
        object: None,
        demangled: None,
        locations: 1,
        semaphore: false,
    }
}
