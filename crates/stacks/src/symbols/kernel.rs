//! The kernel's symbols, as `/proc/kallsyms` had them when they were read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use crate::symbols::symbol_frame::{ModuleName, SymbolFrame, text};

/// Kernels have some 200,000 symbols, in 10 MB.
const MOST_BYTES: u64 = 256 << 20;
const MOST_MODULES: usize = u16::MAX as usize;
/// The last function of all, and modules' functions after which something else comes, end somewhere.
const LONGEST_FUNCTION: u64 = 1 << 20;

struct Symbol {
    address: u64,
    name: u32,
    name_bytes: u16,
    module: u16,
}

/// Of functions, by address.
pub struct KernelSymbols {
    items: Vec<Symbol>,
    names: Vec<u8>,
    modules: Vec<Arc<ModuleName>>,
}

impl KernelSymbols {
    /// Takes some 50 ms. Fails if the kernel hides them, which it does without an error of its own.
    pub fn read() -> io::Result<Self> {
        let symbols = Self::parse(File::open("/proc/kallsyms")?)?;
        if symbols.items.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "/proc/kallsyms has no addresses: it takes CAP_SYSLOG, and kernel.kptr_restrict below 2",
            ));
        }
        Ok(symbols)
    }

    fn parse(text: impl Read) -> io::Result<Self> {
        let mut symbols = Self {
            items: Vec::new(),
            names: Vec::new(),
            modules: vec![kernel()],
        };
        let mut reader = BufReader::with_capacity(1 << 16, text.take(MOST_BYTES));
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            symbols.add(line.trim_ascii_end());
            line.clear();
        }
        symbols.items.sort_by_key(|symbol| symbol.address);
        Ok(symbols)
    }

    /// `ADDRESS KIND NAME`, and `\t[MODULE]` if it is in one.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let mut fields = line.splitn(3, |&byte| byte == b' ');
        let address = std::str::from_utf8(fields.next()?).ok()?;
        let address = u64::from_str_radix(address, 16).ok()?;
        if address == 0 || !matches!(fields.next()?, b"t" | b"T" | b"w" | b"W") {
            return None;
        }
        let rest = fields.next()?;
        let (name, module) = match rest.iter().position(|&byte| byte == b'\t') {
            Some(at) => (&rest[..at], self.module(&rest[at + 1..])),
            None => (rest, 0),
        };
        self.items.push(Symbol {
            address,
            name: u32::try_from(self.names.len()).ok()?,
            name_bytes: u16::try_from(name.len()).ok()?,
            module,
        });
        self.names.extend_from_slice(name);
        Some(())
    }

    /// They stand together.
    fn module(&mut self, name: &[u8]) -> u16 {
        let name = text(name);
        let last = self.modules.len() - 1;
        if self.modules[last].path != name && last + 1 < MOST_MODULES {
            self.modules.push(named(name));
        }
        (self.modules.len() - 1) as u16
    }

    /// An address that nothing is known of.
    pub fn unnamed(address: u64) -> SymbolFrame {
        SymbolFrame::unnamed(Some(kernel()), address)
    }

    pub fn find(&self, address: u64) -> SymbolFrame {
        let after = self.items.partition_point(|s| s.address <= address);
        let symbol = after.checked_sub(1).and_then(|at| self.items.get(at));
        let symbol = symbol.filter(|symbol| address - symbol.address < LONGEST_FUNCTION);
        let Some(symbol) = symbol else {
            return Self::unnamed(address);
        };
        // Of names for one address, the first one.
        let first = self.items.partition_point(|s| s.address < symbol.address);
        let symbol = self.items.get(first).unwrap_or(symbol);
        let from = symbol.name as usize;
        let name = self.names.get(from..from + usize::from(symbol.name_bytes));
        SymbolFrame {
            function: name.map(text),
            offset: address - symbol.address,
            ..SymbolFrame::unnamed(
                self.modules.get(usize::from(symbol.module)).cloned(),
                address,
            )
        }
    }
}

fn kernel() -> Arc<ModuleName> {
    named("[kernel]".to_owned())
}

fn named(path: String) -> Arc<ModuleName> {
    Arc::new(ModuleName {
        path,
        build_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::KernelSymbols;

    #[test]
    fn functions_of_the_kernel_and_its_modules() {
        let text = "ffffffff81000000 T _text\n\
            ffffffff81000010 t do_it\n\
            ffffffff81000010 t do_it_too\n\
            ffffffff81000018 d variable\n\
            nonsense\n\
            ffffffffc0000000 t probe\t[ext4]\n\
            ffffffffc0000100 t bpf_prog_1\t[bpf]\n";
        let symbols = KernelSymbols::parse(text.as_bytes()).unwrap();
        let shown = |address| {
            let frame = symbols.find(address);
            (frame.to_string(), frame.module.unwrap().path.clone())
        };
        let pair = |name: &str, module: &str| (name.to_owned(), module.to_owned());
        assert_eq!(shown(0xffffffff81000020), pair("do_it+0x10", "[kernel]"));
        assert_eq!(shown(0xffffffffc0000001), pair("probe+0x1", "[ext4]"));
        assert_eq!(shown(0xffffffffc0000100), pair("bpf_prog_1+0x0", "[bpf]"));
        assert_eq!(shown(0x1000), pair("[kernel]+0x1000", "[kernel]"));
        assert!(
            KernelSymbols::parse(&b"0 T a\n"[..])
                .unwrap()
                .items
                .is_empty()
        );
    }
}
