//! Two open files by names that belong together: blazesym looks for the package of `NAME` in `NAME.dwp`.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use probe_points::detached_mount;
use probe_points::open::fd_path;

/// A file system in memory with two symbolic links. It is mounted nowhere, and goes with this: nothing is left behind, however
/// this program ends. It takes CAP_SYS_ADMIN.
#[derive(Debug)]
pub struct Pair(OwnedFd);

impl Pair {
    /// Both files have to stay open.
    pub fn new(file: &File, package: &File) -> io::Result<Self> {
        let folder = detached_mount(c"tmpfs")?;
        link(file, folder.as_raw_fd(), c"symbols")?;
        link(package, folder.as_raw_fd(), c"symbols.dwp")?;
        Ok(Self(folder))
    }

    pub fn path(&self) -> PathBuf {
        fd_path(&self.0).join("symbols")
    }
}

fn link(to: &File, folder: RawFd, name: &CStr) -> io::Result<()> {
    let target = CString::new(fd_path(to).as_os_str().as_bytes())?;
    // SAFETY: two terminated strings that are alive during the call, and an open folder.
    match unsafe { libc::symlinkat(target.as_ptr(), folder, name.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::Pair;
    use crate::mapped::memory_file::with_bytes;

    /// Needs root.
    #[test]
    fn both_are_found_by_name() {
        let (one, other) = (with_bytes(b"one").unwrap(), with_bytes(b"other").unwrap());
        let pair = Pair::new(&one, &other).unwrap();
        let path = pair.path();
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read(path.with_extension("dwp")).unwrap(), b"other");
        drop(pair);
        assert!(std::fs::read(&path).is_err());
    }
}
