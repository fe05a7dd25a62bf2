//! The names of frames. What was found is kept: to look a name up again costs nothing.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use blazesym::symbolize::Symbolizer as Blazesym;

use probe_points::hexadecimal;

use crate::mapped::module::Module;
use crate::mapped::process_maps::Place;
use crate::symbols::kernel::KernelSymbols;
use crate::symbols::known::Known;
use crate::symbols::named::{blazesym, named};
use crate::symbols::problems::Problems;
use crate::symbols::sources::{Sources, sources};
use crate::symbols::symbol_frame::{ModuleName, SymbolFrame, text};

/// Looked-up addresses kept. Beyond that, all are looked up again.
const MOST_KEPT: usize = 1 << 18;
/// Copies of symbols kept, of all modules together.
const MOST_BYTES: u64 = 1 << 30;

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

    /// Of a frame's place: the functions there, innermost first, all but the last inlined. Always one at least, be it
    /// without a name.
    pub fn place(&mut self, place: &Place, pc: u64) -> Arc<[SymbolFrame]> {
        match place {
            Place::Module { module, address } => self.module(module, *address),
            Place::Generated { address, names } => {
                let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
                if names.find(*address).is_none() {
                    names.read_on();
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
            return frames.clone();
        }
        let frames = self.look_up(module, address);
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
        let Sources { extracts, problems } = sources(module, self.debug_cache.as_deref());
        problems.iter().for_each(|line| self.problems.tell(line));
        let bytes: u64 = extracts.iter().map(|source| source.bytes).sum();
        if !extracts.iter().any(|source| source.has_debug_info) {
            return;
        }
        // Those before stay open: blazesym knows them by their descriptors, which must not become another file's.
        known.sources.splice(0..0, extracts);
        self.bytes += bytes;
        self.kept.retain(|(id, _), _| *id != module.id());
    }

    fn look_up(&mut self, module: &Module, address: u64) -> Arc<[SymbolFrame]> {
        self.load(module);
        let Some(known) = self.modules.get(&module.id()) else {
            return Arc::new([SymbolFrame::unnamed(None, address)]);
        };
        let mut failure = None;
        let found = self.find(known, address, &mut failure);
        if let Some(why) = failure {
            let why = text(why.as_bytes());
            let path = &known.name.path;
            self.problems.tell(&format!(
                "{path}: its debug information cannot be read: {why}"
            ));
        }
        match found {
            Ok(frames) => frames,
            Err(Panicked) => {
                self.distrust(module);
                self.look_up(module, address)
            }
        }
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
    fn distrust(&mut self, module: &Module) {
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
            .tell(&format!("{}: its {what} is not intact", known.name.path));
    }

    fn load(&mut self, module: &Module) {
        if self.modules.contains_key(&module.id()) {
            return;
        }
        let Sources { extracts, problems } = sources(module, self.debug_cache.as_deref());
        problems.iter().for_each(|line| self.problems.tell(line));
        let bytes: u64 = extracts.iter().map(|source| source.bytes).sum();
        if self.bytes + bytes > MOST_BYTES {
            self.reset();
        }
        self.bytes += bytes;
        let name = Arc::new(ModuleName {
            path: text(module.path()),
            build_id: module.build_id().map(hexadecimal),
        });
        let known = Known {
            name,
            sources: extracts,
        };
        self.modules.insert(module.id(), known);
    }

    /// Lets go of all copies, and keeps the names.
    fn reset(&mut self) {
        self.modules.clear();
        self.blazesym = blazesym();
        self.bytes = 0;
    }
}
