//! The file of a time line, opened before anything is captured. What it held stays there until there is something to write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::options::TimelineTo;

pub struct OpenedFile {
    pub name: String,
    file: File,
    /// It was made here, and goes again if nothing is written.
    created: Option<PathBuf>,
    is_regular: bool,
    has_begun: bool,
}

impl OpenedFile {
    pub fn open(to: &TimelineTo) -> Result<Self> {
        match to {
            TimelineTo::File(path) => {
                let name = path.display().to_string();
                let (file, is_new) = open(path).map_err(|error| failed(&name, &error))?;
                let created = is_new.then(|| path.clone());
                Self::of(name, file, created, true)
            }
            TimelineTo::Descriptor(fd) => {
                let name = name_of(*fd);
                let file = duplicate(*fd).map_err(|error| failed(&name, &error))?;
                Self::of(name, file, None, false)
            }
        }
    }

    /// `is_own`: and so is its position, and what it held.
    fn of(name: String, file: File, created: Option<PathBuf>, is_own: bool) -> Result<Self> {
        if io::IsTerminal::is_terminal(&file) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{name}: a time line is no text, and this is a terminal"),
            )
            .hint("write it to a file, or to a program that reads it"));
        }
        let status = file.metadata().map_err(|error| failed(&name, &error))?;
        Ok(Self {
            name,
            file,
            created,
            is_regular: is_own && status.is_file(),
            has_begun: false,
        })
    }
}

fn failed(name: &str, error: &io::Error) -> Error {
    Error::io(format!("{name}: the time line"), error)
        .hint("choose a file that can be written, and check that the disk has room")
}

fn name_of(fd: RawFd) -> String {
    if fd == libc::STDOUT_FILENO {
        "standard output".to_owned()
    } else {
        format!("descriptor {fd}")
    }
}

/// As the report's file is: whoever may write in the folder may have put something there.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok((options.create(true).truncate(false).open(path)?, false))
        }
        Err(error) => Err(error),
    }
}

fn duplicate(fd: RawFd) -> io::Result<File> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: not -1. Whoever gave it has it open meanwhile; of a number that is no descriptor the call only says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(File::from(borrowed.try_clone_to_owned()?))
}

impl Write for OpenedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.has_begun, true) && self.is_regular {
            self.file.set_len(0)?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OpenedFile {
    fn drop(&mut self) {
        if let Some(path) = self.created.take().filter(|_| !self.has_begun) {
            // That it stays is no harm.
            drop(fs::remove_file(path));
        }
    }
}
