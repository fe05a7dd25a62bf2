//! Builds the eBPF object that `probes.rs` embeds.

use std::env;
use std::error::Error;

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
    #[cfg(feature = "node")]
    napi_build::setup();
    Ok(())
}
