//! The names of frames. What was found is kept: to look a name up again costs nothing.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use blazesym::symbolize::Symbolizer as Blazesym;

use crate::mapped::cpu_time::cpu_time;
use crate::mapped::module::Module;
use crate::mapped::process_maps::Place;
use crate::symbols::grant::Allotment;
use crate::symbols::kernel::KernelSymbols;
use crate::symbols::known::Known;
use crate::symbols::named::{blazesym, named};
use crate::symbols::own_memory::own_memory;
use crate::symbols::problems::Problems;
use crate::symbols::sources::{Sources, sources};
use crate::symbols::symbol_frame::{SymbolFrame, text};

/// Looked-up addresses kept. Beyond that, all are looked up again.
const MOST_KEPT: usize = 1 << 18;
/// Copies of symbols kept, of all modules together.
const MOST_BYTES: u64 = 1 << 30;
/// By which this process may grow while the frames of a sample are named. A line of debug information takes up to sixteen times as
/// much in memory, and which ones are read, blazesym alone knows.
const MOST_MEMORY: u64 = 1 << 30;
/// What takes less has not read much.
const LONG: Duration = Duration::from_millis(5);

struct Panicked;

/// It cannot move to another thread: make it in the one that uses it. The first address of a large module takes up to a
/// second, further ones microseconds.
pub struct Symbolizer {
    blazesym: Blazesym,
    modules: HashMap<u64, Known>,
    bytes: u64,
    kept: HashMap<(u64, u64), Arc<[SymbolFrame]>>,
    kernel: Option<KernelSymbols>,
    has_tried_kernel: bool,
    problems: Problems,
    debug_cache: Option<PathBuf>,
    /// Build ids that [`Self::missing`] has told.
    asked: HashSet<String>,
    /// For what is named now.
    allotment: Allotment,
    /// What it is not enough for is tried again: that is not told.
    is_tried_again: bool,
    /// Something was cut by it since that was asked last.
    was_cut: bool,
    /// As the sample began.
    memory_before: Option<u64>,
    samples: u64,
}

impl Default for Symbolizer {
    fn default() -> Self {
        Self {
            blazesym: blazesym(),
            modules: HashMap::new(),
            bytes: 0,
            kept: HashMap::new(),
            kernel: None,
            has_tried_kernel: false,
            problems: Problems::default(),
            debug_cache: None,
            asked: HashSet::new(),
            allotment: Allotment::unlimited(),
            is_tried_again: false,
            was_cut: false,
            memory_before: own_memory(),
            samples: 1,
        }
    }
}

impl Symbolizer {
    pub fn new() -> Self {
        Self::default()
    }

    /// `folder`: debug files that were fetched, as the clients of debuginfod keep them, are looked for there, too.
    pub fn with_debug_cache(folder: PathBuf) -> Self {
        Self {
            debug_cache: Some(folder),
            ..Self::default()
        }
    }

    /// Another sample begins: files for which there was no room in the one before are tried again.
    pub fn begin_sample(&mut self) {
        self.memory_before = own_memory();
        self.samples += 1;
        self.try_again(false);
    }

    /// What was cut may be asked for again. `and_again`: what is cut from now on will be, too.
    pub fn try_again(&mut self, and_again: bool) {
        self.is_tried_again = and_again;
        self.was_cut = false;
        self.modules.values_mut().for_each(Known::begin_sample);
        let modules = &self.modules;
        let is_refused = |id: &u64| modules.get(id).is_some_and(|known| known.is_refused);
        // Their names may be less than what they will be.
        self.kept.retain(|(id, _), _| !is_refused(id));
    }

    /// What may be taken from now on, and what is left of what might be before. Without any, there is no limit.
    pub fn allot(&mut self, allotment: Allotment) -> Allotment {
        std::mem::replace(&mut self.allotment, allotment)
    }

    /// Whether, since this was asked last, there was more to be found than what is allotted is enough for.
    pub fn was_cut(&mut self) -> bool {
        std::mem::take(&mut self.was_cut)
    }

    /// Of a frame's place: the functions there, innermost first, all but the last inlined. Always one at least, be it
    /// without a name.
    pub fn place(&mut self, place: &Place, pc: u64) -> Arc<[SymbolFrame]> {
        match place {
            Place::Module { module, address } => self.module(module, *address),
            Place::Generated { address, names } => {
                let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
                if !self.allotment.is_over() {
                    let before = cpu_time();
                    names.be_current(self.samples);
                    if names.find(*address).is_none() {
                        names.read_on();
                    }
                    self.allotment.spend(cpu_time().saturating_sub(before));
                }
                if let Some(problem) = names.problem() {
                    self.problems.tell(problem);
                }
                let mut frame = SymbolFrame::unnamed(None, *address);
                if let Some((name, start)) = names.find(*address) {
                    frame.function = Some(text(name));
                    frame.offset = address - start;
                }
                Arc::new([frame])
            }
            Place::Unknown => Arc::new([SymbolFrame::unnamed(None, pc)]),
        }
    }

    /// Of an address in a module's own terms.
    pub fn module(&mut self, module: &Module, address: u64) -> Arc<[SymbolFrame]> {
        let key = (module.id(), address);
        if let Some(frames) = self.kept.get(&key) {
            if self.is_tried_again {
                let known = self.modules.get(&module.id());
                self.was_cut |= known.is_some_and(|known| known.is_refused);
            }
            return frames.clone();
        }
        let Some(frames) = self.look_up(module, address) else {
            let known = self.modules.get(&module.id());
            let name = known.map(|known| known.name.clone());
            return Arc::new([SymbolFrame::unnamed(name, address)]);
        };
        if self.kept.len() >= MOST_KEPT {
            self.kept.clear();
        }
        self.kept.insert(key, frames.clone());
        frames
    }

    /// Of the kernel's. If its symbols are hidden, that is a problem, and addresses have no names.
    pub fn kernel(&mut self, address: u64) -> SymbolFrame {
        if !self.has_tried_kernel {
            self.has_tried_kernel = true;
            match KernelSymbols::read() {
                Ok(symbols) => self.kernel = Some(symbols),
                Err(error) => self.problems.tell(&format!("kernel symbols: {error}")),
            }
        }
        match &self.kernel {
            Some(symbols) => symbols.find(address),
            None => KernelSymbols::unnamed(address),
        }
    }

    /// What is missing, one line each, each once.
    pub fn take_problems(&mut self) -> Vec<String> {
        for known in self.modules.values_mut() {
            let count = std::mem::take(&mut known.left_out);
            if count > 0 {
                self.problems.tell(&format!(
                    "{}: {count} frames have no names: to find them takes longer than is left for this sample",
                    known.name.path
                ));
            }
        }
        self.problems.take()
    }

    /// The build id, in hexadecimal, of a debug file that this module lacks. Each is told once: whoever finds the file puts it
    /// into the folder of such files, and calls [`Self::look_again`].
    pub fn missing(&mut self, module: &Module) -> Option<String> {
        self.debug_cache.as_ref()?;
        self.load(module);
        let known = self.modules.get(&module.id())?;
        let id = known.missing(module)?;
        self.asked.insert(id.clone()).then_some(id)
    }

    /// Whether there are better symbols by now for a module that lacked some.
    pub fn look_again(&mut self, module: &Module) {
        let Some(known) = self.modules.get_mut(&module.id()) else {
            return;
        };
        let before = known.missing(module);
        if !before.is_some_and(|id| self.asked.contains(&id)) {
            return;
        }
        self.load_better(module);
    }

    /// Looks for symbols that are better than those that there are.
    fn load_better(&mut self, module: &Module) {
        let mut grant = self.allotment.grant();
        let found = sources(module, self.debug_cache.as_deref(), &mut grant);
        self.allotment.settle(&grant);
        let Sources {
            extracts,
            problems,
            is_refused,
        } = found;
        // Else some of them are of what was not enough, or of what was broken off.
        if !is_refused || !(self.is_tried_again || self.allotment.is_ended()) {
            problems.iter().for_each(|line| self.problems.tell(line));
        }
        let bytes: u64 = extracts.iter().map(|source| source.bytes).sum();
        let is_first = |known: &Known| known.sources.is_empty();
        if self.bytes + bytes > MOST_BYTES && self.modules.get(&module.id()).is_none_or(is_first) {
            self.reset();
        }
        let known = self.modules.entry(module.id());
        let known = known.or_insert_with(|| Known::new(module));
        known.is_refused = is_refused;
        known.time_left = Some(grant.time());
        if !is_first(known) && !extracts.iter().any(|source| source.has_debug_info) {
            return;
        }
        // Those before stay open: blazesym knows them by their descriptors, which must not become another file's.
        known.sources.splice(0..0, extracts);
        self.bytes += bytes;
        self.kept.retain(|(id, _), _| *id != module.id());
    }

    /// `None`: there is no time for it.
    fn look_up(&mut self, module: &Module, address: u64) -> Option<Arc<[SymbolFrame]>> {
        self.load(module);
        let is_over = self.allotment.is_over();
        let known = self.modules.get_mut(&module.id())?;
        if is_over || known.time_left.is_some_and(|left| left.is_zero()) {
            // That somebody does not want to wait is not told for each file.
            known.left_out += u64::from(!self.allotment.is_ended());
            self.was_cut = true;
            return None;
        }
        self.was_cut |= known.is_refused;
        let before = cpu_time();
        let mut failure = None;
        let known = self.modules.get(&module.id())?;
        let found = self.find(known, address, &mut failure);
        if let Some(why) = failure {
            let why = text(why.as_bytes());
            let path = &known.name.path;
            self.problems.tell(&format!(
                "{path}: its debug information cannot be read: {why}"
            ));
        }
        let took = cpu_time().saturating_sub(before);
        self.allotment.spend(took);
        if let Some(left) =
            (self.modules.get_mut(&module.id())).and_then(|it| it.time_left.as_mut())
        {
            *left = left.saturating_sub(took);
        }
        match found {
            Ok(frames) => {
                if took > LONG && self.has_grown() {
                    self.distrust(module, "takes too much memory");
                }
                Some(frames)
            }
            Err(Panicked) => {
                self.distrust(module, "is not intact");
                self.look_up(module, address)
            }
        }
    }

    fn has_grown(&self) -> bool {
        let grown = own_memory().zip(self.memory_before);
        grown.is_some_and(|(now, before)| now.saturating_sub(before) > MOST_MEMORY)
    }

    /// `failure`: why there may be less than the debug information has.
    fn find(
        &self,
        known: &Known,
        address: u64,
        failure: &mut Option<String>,
    ) -> Result<Arc<[SymbolFrame]>, Panicked> {
        let find = || {
            let mut sources = known.sources.iter();
            sources.find_map(|source| named(&self.blazesym, source, address, &known.name, failure))
        };
        // blazesym takes it for granted that lines and files are consistent.
        let found = catch_unwind(AssertUnwindSafe(find)).map_err(|_| Panicked)?;
        let unnamed = || vec![SymbolFrame::unnamed(Some(known.name.clone()), address)];
        Ok(found.unwrap_or_else(unnamed).into())
    }

    /// Makes do without a module's debug information or, if that was not it, without its symbols.
    fn distrust(&mut self, module: &Module, why: &str) {
        self.blazesym = blazesym();
        let Some(known) = self.modules.get_mut(&module.id()) else {
            return;
        };
        let mut had_debug_info = false;
        for source in &mut known.sources {
            had_debug_info |= std::mem::take(&mut source.has_debug_info);
        }
        let what = match had_debug_info {
            true => "debug information",
            false => "symbols",
        };
        if !had_debug_info {
            known.sources.clear();
        }
        self.problems
            .tell(&format!("{}: its {what} {why}", known.name.path));
    }

    /// Once; what was refused, once in each sample.
    fn load(&mut self, module: &Module) {
        let time = self.allotment.of_one();
        if let Some(known) = self.modules.get_mut(&module.id()) {
            let was_asked = known.time_left.replace(known.time_left.unwrap_or(time));
            if !known.is_refused || was_asked.is_some() {
                return;
            }
        }
        if self.allotment.is_over() {
            let known = self.modules.entry(module.id());
            known.or_insert_with(|| Known::new(module)).time_left = None;
            return;
        }
        self.load_better(module);
    }

    /// Lets go of all copies, and keeps the names.
    fn reset(&mut self) {
        self.modules.clear();
        self.blazesym = blazesym();
        self.bytes = 0;
    }
}
