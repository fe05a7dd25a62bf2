//! What can go wrong, as a kind that callers act on, one line that says what happened, and a hint that says what to do.

use std::fmt;
use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The trigger's text is not of the syntax.
    Malformed,
    /// No such probe, function, object or tracepoint.
    NotFound,
    /// The name stands for several functions.
    Ambiguous,
    /// It is there, but no probe can be put on it.
    Unprobeable,
    /// The kernel lacks what this kind of probe needs.
    Unsupported,
    NotPermitted,
    Io,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: ErrorKind,
    /// One line: names from the process are escaped in it.
    pub message: String,
    pub hint: Option<String>,
    /// The number of the system call's error that it came of.
    pub errno: Option<i32>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            errno: None,
        }
    }

    /// What it came of.
    pub fn of(mut self, error: &io::Error) -> Self {
        self.errno = error.raw_os_error();
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error of the system's.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{what}: {error}")).of(error)
    }

    /// A file that cannot be understood.
    pub fn corrupt(what: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Unprobeable,
            format!("not an intact ELF file: {what}"),
        )
    }

    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// A name inside a message of one line, cut if it is long.
pub fn escaped(name: &[u8]) -> String {
    escaped_within(name, 200)
}

/// The same, cut to a number of bytes before it is escaped.
pub fn escaped_within(name: &[u8], longest: usize) -> String {
    let mut text = String::new();
    for chunk in name[..name.len().min(longest)].utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(escape));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if name.len() > longest {
        text.push('…');
    }
    text
}

/// Quotes stay as they are: these are names, not literals.
fn escape(letter: char) -> impl Iterator<Item = char> {
    let plain = matches!(letter, '\'' | '"' | '\\');
    let spelled = (!plain).then(|| letter.escape_debug());
    plain
        .then_some(letter)
        .into_iter()
        .chain(spelled.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(escaped(b"a\n\x1b[2J\xffb'"), "a\\n\\u{1b}[2J\\xffb'");
        assert_eq!(escaped(&[b'a'; 500]).chars().count(), 201);
        assert_eq!(escaped("\u{202e}x".as_bytes()), "\\u{202e}x");
    }
}
