//! The kernel's tracepoints, through tracefs wherever it is mounted, or a mount of our own that nobody else sees.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::files::open::fd_path;
use crate::kernel::detached::detached_mount;

const PLACES: [&str; 2] = ["sys/kernel/tracing", "sys/kernel/debug/tracing"];

/// Unless told otherwise the kernel mounts it so that only root may look into it.
const CLOSED_HINT: &str = "run as root, or with CAP_DAC_READ_SEARCH; docs/privileges.md says how";

#[derive(Debug)]
pub struct Tracefs {
    folder: PathBuf,
    /// A detached mount lives as long as its descriptor.
    _mount: Option<OwnedFd>,
}

impl Tracefs {
    /// Where it is mounted below a root folder.
    pub fn mounted(root: &Path) -> Option<Self> {
        PLACES
            .iter()
            .map(|place| root.join(place))
            .find(|folder| folder.join("events").is_dir())
            .map(|folder| Self {
                folder,
                _mount: None,
            })
    }

    /// Mounts it nowhere: reachable through a descriptor only.
    pub fn detached() -> Result<Self> {
        let mount = detached_mount(c"tracefs").map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied if is_closed(Path::new("/")) => Error::new(
                ErrorKind::NotPermitted,
                "tracefs is closed to this user: Permission denied",
            )
            .hint(CLOSED_HINT)
            .of(&error),
            io::ErrorKind::PermissionDenied => Error::new(
                ErrorKind::NotPermitted,
                format!("tracefs is not mounted, and cannot be: {error}"),
            )
            .hint(
                "run as root, or have root mount it (mount -t tracefs none /sys/kernel/tracing), and read it with \
                 CAP_DAC_READ_SEARCH",
            )
            .of(&error),
            _ => Error::new(
                ErrorKind::Unsupported,
                format!("tracefs cannot be mounted: {error}"),
            )
            .hint("tracepoints need a kernel built with CONFIG_TRACING=y")
            .of(&error),
        })?;
        Ok(Self {
            folder: fd_path(&mount),
            _mount: Some(mount),
        })
    }

    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(path))
    }

    /// `None`: there is no such event.
    pub fn event_id(&self, system: &str, event: &str) -> Result<Option<u64>> {
        let path = format!("events/{system}/{event}/id");
        let text = match fs::read_to_string(self.folder.join(&path)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, &error)),
        };
        let id = text.trim().parse();
        id.map(Some)
            .map_err(|_| Error::new(ErrorKind::Io, format!("{path} holds no number")))
    }

    /// System and event, in the order of the alphabet.
    pub fn events(&self) -> Result<Vec<(String, String)>> {
        let failed = |error: io::Error| failed("tracefs events", &error);
        let mut events = Vec::new();
        let folder = self.folder.join("events");
        for system in names(&folder).map_err(failed)? {
            let folder = folder.join(&system);
            if !folder.is_dir() {
                continue;
            }
            for event in names(&folder).map_err(failed)? {
                if folder.join(&event).join("id").exists() {
                    events.push((system.clone(), event));
                }
            }
        }
        events.sort();
        Ok(events)
    }
}

/// Whether it is mounted, where this process may not look into it.
fn is_closed(root: &Path) -> bool {
    PLACES.iter().any(|place| {
        fs::metadata(root.join(place).join("events"))
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    })
}

fn failed(what: impl std::fmt::Display, error: &io::Error) -> Error {
    let is_closed = error.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::io(what, error);
    if is_closed {
        error.hint(CLOSED_HINT)
    } else {
        error
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Tracefs;

    #[test]
    fn a_detached_mount_has_events_and_leaves_nothing_mounted() {
        let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let before = mounts();
        let tracefs = Tracefs::detached().unwrap();
        assert_eq!(mounts(), before);
        let id = tracefs.event_id("sched", "sched_switch").unwrap();
        assert!(id.is_some_and(|id| id > 0));
        assert_eq!(tracefs.event_id("sched", "no_such").unwrap(), None);
        let events = tracefs.events().unwrap();
        assert!(events.contains(&("sched".to_owned(), "sched_switch".to_owned())));
    }

    #[test]
    fn where_nothing_is_mounted_nothing_is_found() {
        assert!(Tracefs::mounted(Path::new("/nonexistent")).is_none());
    }
}
