//! Opening files that the traced process has a say in: only regular ones, and never outside of its root.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A process's root folder, or another.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    /// As the kernel tells it to us: after `chroot` it is where the folder is. Empty: that of a whole mount namespace.
    path: Vec<u8>,
}

impl Root {
    pub fn open(path: &Path) -> io::Result<Self> {
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(path)?;
        let path = std::fs::read_link(fd_path(&folder))?;
        let path = path.as_os_str().as_bytes();
        Ok(Self {
            path: path.strip_suffix(b"/").unwrap_or(path).to_vec(),
            folder: folder.into(),
        })
    }

    /// A path that the kernel told us, as it is in this root.
    pub(crate) fn inside<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        let rest = path.strip_prefix(&self.path[..]);
        rest.filter(|rest| rest.starts_with(b"/")).unwrap_or(path)
    }

    /// A regular file. Absolute symbolic links lead into this root, and `..` not out of it.
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        regular(&self.open_path(path)?)
    }

    /// The same, if it is one itself, and no symbolic link to one. (Folders on the way may be links.)
    pub fn open_file_itself(&self, path: &Path) -> io::Result<File> {
        regular(&self.open_path_as(path, libc::O_NOFOLLOW)?)
    }

    pub fn read_folder(&self, path: &Path) -> io::Result<std::fs::ReadDir> {
        std::fs::read_dir(fd_path(&self.open_path(path)?))
    }

    fn open_path(&self, path: &Path) -> io::Result<File> {
        self.open_path_as(path, 0)
    }

    fn open_path_as(&self, path: &Path, flags: i32) -> io::Result<File> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: a structure of integers, for which zero is valid.
        let mut how: libc::open_how = unsafe { std::mem::zeroed() };
        how.flags = (libc::O_PATH | libc::O_CLOEXEC | flags) as u64;
        how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
        // SAFETY: a terminated string and a structure of the size given, both alive during the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                self.folder.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made it for us alone.
        Ok(unsafe { File::from_raw_fd(fd as i32) })
    }
}

/// A regular file by a path of ours, magic links of /proc included.
pub fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path)?;
    regular(&file)
}

/// The path that names an open file for as long as it is open, whatever its own path has become.
pub fn fd_path(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens for reading what was opened as a mere path. To open a device or a pipe would have effects of its own.
fn regular(file: &File) -> io::Result<File> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(fd_path(file))
}
