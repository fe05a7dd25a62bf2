//! A copy of the part of a stack that was in use.

/// Bytes from `base` on. It begins at or below the stack pointer.
#[derive(Clone, Copy, Debug)]
pub struct CopiedStack<'a> {
    pub base: u64,
    pub bytes: &'a [u8],
}

impl CopiedStack<'_> {
    /// The little-endian number of up to eight bytes there.
    pub(crate) fn read(&self, address: u64, size: u8) -> Option<u64> {
        let from = usize::try_from(address.checked_sub(self.base)?).ok()?;
        let bytes = self.bytes.get(from..)?;
        if size == 8 {
            return Some(u64::from_le_bytes(*bytes.first_chunk()?));
        }
        let mut number = [0; 8];
        let size = usize::from(size).min(8);
        number[..size].copy_from_slice(bytes.get(..size)?);
        Some(u64::from_le_bytes(number))
    }

    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        self.read(address, 8)
    }

    /// Whether a stack goes on there, as far as can be told: the address may be garbage.
    pub(crate) fn is_cut_at(&self, address: u64) -> bool {
        const LONGEST_STACK: u64 = 1 << 30;
        let end = self.base.saturating_add(self.bytes.len() as u64);
        address.saturating_add(8) > end && address < end.saturating_add(LONGEST_STACK)
    }
}

#[cfg(test)]
mod tests {
    use super::CopiedStack;

    #[test]
    fn nothing_is_read_outside() {
        let bytes: Vec<u8> = (0..16).collect();
        let stack = CopiedStack {
            base: 0x1000,
            bytes: &bytes,
        };
        assert_eq!(stack.word(0x1000), Some(0x0706050403020100));
        assert_eq!(stack.word(0x1009), None);
        assert_eq!(stack.word(0xfff), None);
        assert_eq!(stack.read(0x100e, 2), Some(0x0f0e));
        assert_eq!(stack.read(0x100f, 2), None);
        assert_eq!(stack.word(u64::MAX), None);
        assert!(stack.is_cut_at(0x1009) && !stack.is_cut_at(0x1000) && !stack.is_cut_at(8));
    }
}
