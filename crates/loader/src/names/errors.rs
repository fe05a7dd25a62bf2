//! Names of errors.

use ::syscalls::Errno;

/// Results from here to -1 are errors (`MAX_ERRNO` in include/linux/err.h).
const LEAST_ERROR: i64 = -4095;

/// Of a result that is one. The kernel's own codes, by which it restarts calls that a signal interrupted, have no names in user
/// space.
pub fn errno_name(result: i64) -> Option<&'static str> {
    (LEAST_ERROR..0)
        .contains(&result)
        .then(|| Errno::new(-result as i32).name())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::errno_name;

    #[test]
    fn errors_have_their_names() {
        assert_eq!(errno_name(-11), Some("EAGAIN"));
        assert_eq!(errno_name(0), None);
        assert_eq!(errno_name(-4096), None);
        assert_eq!(errno_name(-4000), None);
    }
}
