//! What the kernel can be asked for: tracepoints, its own functions, and the bits of a probe's configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::functions::KernelFunctions;
use crate::kernel::tracefs::Tracefs;

const PMUS: &str = "sys/bus/event_source/devices";

#[derive(Debug)]
pub struct Kernel {
    root: PathBuf,
    tracefs: OnceLock<Result<Tracefs>>,
    functions: OnceLock<Result<KernelFunctions>>,
}

/// How `perf_event_attr` asks for a kprobe or a uprobe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePmu {
    /// `perf_event_attr.type`
    pub kind: u32,
    /// The bit of `config` that makes it a return probe.
    pub return_bit: u32,
    /// Where in `config` the offset of a USDT semaphore begins; `None`: the kernel raises none (before 4.20).
    pub semaphore_shift: Option<u32>,
}

impl Kernel {
    pub fn running() -> Self {
        Self::below("/")
    }

    /// As its /proc and /sys below a folder describe it.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            tracefs: OnceLock::new(),
            functions: OnceLock::new(),
        }
    }

    pub fn uprobe_pmu(&self) -> Result<ProbePmu> {
        self.probe_pmu("uprobe").ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "the kernel has no uprobes")
                .hint("probes in processes need a kernel built with CONFIG_UPROBE_EVENTS=y")
        })
    }

    pub fn kprobe_pmu(&self) -> Result<ProbePmu> {
        self.probe_pmu("kprobe").ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "the kernel has no kprobes")
                .hint("probes in the kernel need one built with CONFIG_KPROBE_EVENTS=y; tracepoints (t:) do not")
        })
    }

    fn probe_pmu(&self, name: &str) -> Option<ProbePmu> {
        let folder = self.root.join(PMUS).join(name);
        let kind = fs::read_to_string(folder.join("type")).ok()?;
        let format =
            |name: &str| first_bit(&fs::read_to_string(folder.join("format").join(name)).ok()?);
        Some(ProbePmu {
            kind: kind.trim().parse().ok()?,
            return_bit: format("retprobe")?,
            semaphore_shift: format("ref_ctr_offset"),
        })
    }

    /// `perf_event_attr.config` of a tracepoint; `None`: there is no such one.
    pub fn tracepoint_id(&self, system: &str, event: &str) -> Result<Option<u64>> {
        self.tracefs()?.event_id(system, event)
    }

    pub(crate) fn tracefs(&self) -> Result<&Tracefs> {
        let tracefs = self
            .tracefs
            .get_or_init(|| match Tracefs::mounted(&self.root) {
                Some(tracefs) => Ok(tracefs),
                None if self.root == Path::new("/") => Tracefs::detached(),
                None => Err(Error::new(ErrorKind::Unsupported, "tracefs is not mounted")),
            });
        tracefs.as_ref().map_err(Error::clone)
    }

    /// Those of a kernel function's name: none, one, or several that the kernel cannot tell apart.
    pub(crate) fn functions_named(&self, name: &[u8]) -> Result<usize> {
        Ok(self.functions()?.count(name))
    }

    /// `false` also where the kernel does not tell: attaching will.
    pub(crate) fn is_blacklisted(&self, name: &[u8]) -> Result<bool> {
        Ok(self.functions()?.is_blacklisted(name))
    }

    /// Of the functions that can be probed: known by one name only, and on no blacklist.
    pub(crate) fn probeable_functions(&self) -> Result<impl Iterator<Item = &[u8]>> {
        Ok(self.functions()?.probeable())
    }

    fn functions(&self) -> Result<&KernelFunctions> {
        let read = || KernelFunctions::read(&self.root, self.tracefs().ok());
        let functions = self.functions.get_or_init(read);
        functions.as_ref().map_err(Error::clone)
    }
}

/// `config:0`, `config:32-63`
fn first_bit(format: &str) -> Option<u32> {
    let bits = format.trim().strip_prefix("config:")?;
    bits.split('-').next()?.parse().ok().filter(|&bit| bit < 64)
}

#[cfg(test)]
mod tests {
    use super::{Kernel, first_bit};
    use crate::error::ErrorKind;

    #[test]
    fn bits_are_where_the_kernel_says() {
        assert_eq!(first_bit("config:0\n"), Some(0));
        assert_eq!(first_bit("config:32-63\n"), Some(32));
        assert_eq!(first_bit("config1:0\n"), None);
        assert_eq!(first_bit("config:64\n"), None);
    }

    #[test]
    fn this_kernel_has_uprobes() {
        let pmu = Kernel::running().uprobe_pmu().unwrap();
        assert_eq!((pmu.return_bit, pmu.semaphore_shift), (0, Some(32)));
    }

    #[test]
    fn where_nothing_is_everything_is_unsupported() {
        let kernel = Kernel::below("/nonexistent");
        assert_eq!(
            kernel.uprobe_pmu().unwrap_err().kind,
            ErrorKind::Unsupported
        );
        assert_eq!(
            kernel.kprobe_pmu().unwrap_err().kind,
            ErrorKind::Unsupported
        );
        assert_eq!(kernel.tracefs().unwrap_err().kind, ErrorKind::Unsupported);
    }
}
