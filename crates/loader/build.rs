//! Builds the eBPF object that `probes.rs` embeds.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

/// Where rustup runs cargo, the toolchain of this name brings the sources of `core` (see CONTRIBUTING.md).
const TOOLCHAIN: &str = "debian";

fn main() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")? + "/../bpf-probes";
    let package = aya_build::Package {
        name: "bpf-probes",
        root_dir: &root,
        no_default_features: false,
        features: &["kernel"],
    };
    aya_build::build_ebpf([package], aya_build::Toolchain::Custom(TOOLCHAIN))?;
    strip_dwarf(
        Path::new(&env::var("OUT_DIR")?)
            .join("kdelay-probes")
            .as_path(),
    )?;
    #[cfg(feature = "node")]
    napi_build::setup();
    Ok(())
}

/// DWARF is what BTF was made of, three quarters of the object, and holds the paths of the machine that built it. The BTF stays:
/// with it the verifier's log names lines of the source.
fn strip_dwarf(path: &Path) -> Result<(), Box<dyn Error>> {
    let object = fs::read(path)?;
    let mut builder = Builder::read(object.as_slice())?;
    let is_dwarf = |name: &[u8]| name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    for section in &mut builder.sections {
        section.delete = is_dwarf(section.name.as_slice());
    }
    // LLVM keeps the sections' names among those of the symbols, which this writer does not.
    let names = builder.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    fs::write(path, stripped)?;
    Ok(())
}
