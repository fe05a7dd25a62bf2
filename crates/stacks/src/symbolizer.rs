//! The names of frames. What was found is kept: to look a name up again costs nothing.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use blazesym::symbolize::source::{Elf, Source as BlazeSource};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer as Blazesym};

use crate::extract::Extract;
use crate::kernel::KernelSymbols;
use crate::module::Module;
use crate::process_maps::Place;
use crate::sources::sources;
use crate::symbol_frame::{ModuleName, Source, SymbolFrame, function_name, text};

/// Looked-up addresses kept. Beyond that, all are looked up again.
const MOST_KEPT: usize = 1 << 18;
/// Copies of symbols kept, of all modules together.
const MOST_BYTES: u64 = 1 << 30;
const MOST_INLINED: usize = 256;

struct Panicked;

struct Known {
    name: Arc<ModuleName>,
    sources: Vec<Extract>,
}

/// It cannot move to another thread: make it in the one that uses it. The first address of a large module takes up to a
/// second, further ones microseconds.
pub struct Symbolizer {
    blazesym: Blazesym,
    modules: HashMap<u64, Known>,
    bytes: u64,
    kept: HashMap<(u64, u64), Arc<[SymbolFrame]>>,
    kernel: Option<KernelSymbols>,
    has_tried_kernel: bool,
    problems: Vec<String>,
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
            problems: Vec::new(),
        }
    }
}

impl Symbolizer {
    pub fn new() -> Self {
        Self::default()
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
                Err(error) => self.problems.push(format!("kernel symbols: {error}")),
            }
        }
        match &self.kernel {
            Some(symbols) => symbols.find(address),
            None => KernelSymbols::unnamed(address),
        }
    }

    /// What is missing, one line each, each once.
    pub fn take_problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    fn look_up(&mut self, module: &Module, address: u64) -> Arc<[SymbolFrame]> {
        self.load(module);
        let Some(known) = self.modules.get(&module.id()) else {
            return Arc::new([SymbolFrame::unnamed(None, address)]);
        };
        match self.find(known, address) {
            Ok(frames) => frames,
            Err(Panicked) => {
                self.distrust(module);
                self.look_up(module, address)
            }
        }
    }

    fn find(&self, known: &Known, address: u64) -> Result<Arc<[SymbolFrame]>, Panicked> {
        let find = || {
            let mut sources = known.sources.iter();
            sources.find_map(|source| named(&self.blazesym, source, address, &known.name))
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
            .push(format!("{}: its {what} is not intact", known.name.path));
    }

    fn load(&mut self, module: &Module) {
        if self.modules.contains_key(&module.id()) {
            return;
        }
        let sources = sources(module);
        let bytes: u64 = sources.iter().map(|source| source.bytes).sum();
        if self.bytes + bytes > MOST_BYTES {
            self.reset();
        }
        self.bytes += bytes;
        let name = Arc::new(ModuleName {
            path: text(module.path()),
            build_id: module.build_id().map(str::to_owned),
        });
        self.modules.insert(module.id(), Known { name, sources });
    }

    /// Lets go of all copies, and keeps the names.
    fn reset(&mut self) {
        self.modules.clear();
        self.blazesym = blazesym();
        self.bytes = 0;
    }
}

fn blazesym() -> Blazesym {
    Blazesym::builder()
        .enable_auto_reload(false)
        .enable_code_info(true)
        .enable_inlined_fns(true)
        .enable_demangling(false)
        // Other files are found, copied and looked at here.
        .set_debug_dirs(Some(std::iter::empty::<&str>()))
        .build()
}

fn named(
    blazesym: &Blazesym,
    source: &Extract,
    address: u64,
    module: &Arc<ModuleName>,
) -> Option<Vec<SymbolFrame>> {
    let find = |debug_syms| {
        let mut elf = Elf::new(source.path());
        elf.debug_syms = debug_syms;
        let input = Input::VirtOffset(address);
        match blazesym.symbolize_single(&BlazeSource::Elf(elf), input) {
            Ok(Symbolized::Sym(symbol)) if !symbol.name.is_empty() => Some(symbol),
            _ => None,
        }
    };
    let symbol = source.has_debug_info.then(|| find(true)).flatten();
    // Debug information may give functions in several parts the address of another part.
    let plain = find(false);
    let offset = plain.as_ref().or(symbol.as_ref())?.offset as u64;
    Some(frames(&symbol.or(plain)?, offset, address, module))
}

fn frames(
    symbol: &Sym<'_>,
    offset: u64,
    address: u64,
    module: &Arc<ModuleName>,
) -> Vec<SymbolFrame> {
    let frame = |name: &str, is_inlined, source: Option<&CodeInfo<'_>>| SymbolFrame {
        function: Some(function_name(name.as_bytes())),
        offset,
        is_inlined,
        source: source.map(|info| Source {
            file: text(info.to_path().as_os_str().as_encoded_bytes()),
            line: info.line,
        }),
        module: Some(module.clone()),
        address,
    };
    let inlined = symbol.inlined.iter().rev().take(MOST_INLINED);
    let inlined = inlined.map(|call| frame(&call.name, true, call.code_info.as_ref()));
    let holder = frame(&symbol.name, false, symbol.code_info.as_deref());
    inlined.chain([holder]).collect()
}
