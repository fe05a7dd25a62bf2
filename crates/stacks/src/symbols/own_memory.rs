//! How much memory this process takes: what a library makes of a file is not known before it has made it.

/// Bytes of its own, without files and what is shared; `None`: /proc does not say.
pub fn own_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1);
    let resident: u64 = pages.next()?.parse().ok()?;
    let shared: u64 = pages.next()?.parse().ok()?;
    // SAFETY: it only asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(resident.saturating_sub(shared) * u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    use super::own_memory;

    #[test]
    fn what_is_written_counts() {
        let before = own_memory().unwrap();
        let bytes = vec![1u8; 64 << 20];
        let after = own_memory().unwrap();
        assert!(after > before + (32 << 20), "{before} {after}");
        drop(bytes);
    }
}
