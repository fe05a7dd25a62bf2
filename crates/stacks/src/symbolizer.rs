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
        let blazesym = &self.blazesym;
        let find = || {
            let mut sources = known.sources.iter();
            sources.find_map(|source| named(blazesym, source, address, &known.name))
        };
        // Its own code holds in spite of what a file says, as far as is known; should it not, this file has no names.
        match catch_unwind(AssertUnwindSafe(find)) {
            Ok(Some(frames)) => frames.into(),
            Ok(None) => Arc::new([SymbolFrame::unnamed(Some(known.name.clone()), address)]),
            Err(_) => {
                let name = known.name.clone();
                self.problems
                    .push(format!("{}: corrupt symbols", name.path));
                self.reset();
                let sources = Vec::new();
                let frame = SymbolFrame::unnamed(Some(name.clone()), address);
                self.modules.insert(module.id(), Known { name, sources });
                Arc::new([frame])
            }
        }
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
        self.modules.retain(|_, known| known.sources.is_empty());
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
