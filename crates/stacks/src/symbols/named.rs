//! One address in one file: what blazesym says of it.

use std::sync::Arc;

use blazesym::symbolize::source::{Elf, Source as BlazeSource};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer as Blazesym};

use crate::symbols::extract::Extract;
use crate::symbols::symbol_frame::{ModuleName, Source, SymbolFrame, function_name, text};

const MOST_INLINED: usize = 256;

pub fn blazesym() -> Blazesym {
    Blazesym::builder()
        .enable_auto_reload(false)
        .enable_code_info(true)
        .enable_inlined_fns(true)
        .enable_demangling(false)
        // Other files are found, copied and looked at here.
        .set_debug_dirs(Some(std::iter::empty::<&str>()))
        .build()
}

/// The functions there, innermost first. `failure`: why there may be less than the debug information has.
pub fn named(
    blazesym: &Blazesym,
    source: &Extract,
    address: u64,
    module: &Arc<ModuleName>,
    failure: &mut Option<String>,
) -> Option<Vec<SymbolFrame>> {
    let mut find = |debug_syms| {
        let mut elf = Elf::new(source.path());
        elf.debug_syms = debug_syms;
        let input = Input::VirtOffset(address);
        match blazesym.symbolize_single(&BlazeSource::Elf(elf), input) {
            Ok(Symbolized::Sym(symbol)) if !symbol.name.is_empty() => Some(symbol),
            Err(error) if debug_syms => {
                *failure = Some(error.to_string());
                None
            }
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
