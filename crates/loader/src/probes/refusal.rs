//! Why a program is not in use.

use aya::programs::ProgramError;

use crate::error::Cause;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("not asked for")]
    NotAskedFor,
    #[error("the tracepoints' types could not be read")]
    NoTypes,
    #[error("not in the eBPF object")]
    NotInObject,
    #[error("{0}")]
    Program(#[from] ProgramError),
}

/// Why a probe is attached neither way.
#[derive(Debug, thiserror::Error)]
#[error("as tp_btf: {}; as raw_tp: {}", Cause::of(.btf), Cause::of(.raw))]
pub struct NeitherWay {
    pub btf: Refusal,
    pub raw: Refusal,
}

impl NeitherWay {
    /// The two as one, where they say the same. What no program could do without, privileges and descriptors, may be told of one
    /// alone, as the other met another obstacle before.
    pub fn cause(&self) -> Cause {
        let (btf, raw) = (Cause::of(&self.btf), Cause::of(&self.raw));
        let errno = [btf.errno, raw.errno]
            .into_iter()
            .flatten()
            .max_by_key(|&errno| match errno {
                libc::EPERM => 2,
                libc::EMFILE => 1,
                _ => 0,
            });
        let text = if raw.text == btf.text {
            raw.text
        } else {
            self.to_string()
        };
        Cause {
            text,
            errno,
            ..Cause::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use aya::programs::ProgramError;

    use super::{NeitherWay, Refusal};

    fn refused(errno: i32) -> Refusal {
        ProgramError::IOError(Error::from_raw_os_error(errno)).into()
    }

    #[test]
    fn what_both_say_is_said_once() {
        let (btf, raw) = (refused(libc::EINVAL), refused(libc::EINVAL));
        let cause = NeitherWay { btf, raw }.cause();
        assert_eq!(cause.text, "Invalid argument (os error 22)");
        assert_eq!(cause.errno, Some(libc::EINVAL));
    }

    #[test]
    fn what_each_says_is_said_of_each() {
        let (btf, raw) = (Refusal::NotAskedFor, refused(libc::EPERM));
        let cause = NeitherWay { btf, raw }.cause();
        assert_eq!(
            cause.text,
            "as tp_btf: not asked for; as raw_tp: Operation not permitted (os error 1)"
        );
        assert_eq!(cause.errno, Some(libc::EPERM));
    }

    #[test]
    fn the_number_is_that_of_what_no_program_can_do_without() {
        for (btf, raw, expected) in [
            (libc::EPERM, libc::EINVAL, libc::EPERM),
            (libc::EINVAL, libc::EPERM, libc::EPERM),
            (libc::EMFILE, libc::EINVAL, libc::EMFILE),
            (libc::EPERM, libc::EMFILE, libc::EPERM),
            (libc::EINVAL, libc::EACCES, libc::EACCES),
        ] {
            let (btf, raw) = (refused(btf), refused(raw));
            assert_eq!(NeitherWay { btf, raw }.cause().errno, Some(expected));
        }
    }
}
