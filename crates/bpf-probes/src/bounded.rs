//! Indexes whose bound the verifier must see.

/// `index`, which is known to be less than `LENGTH` (a power of two), masked where the verifier sees it. The compiler
/// drops an ordinary mask, because it knows the bound from an enum's variants; the verifier knows only the byte.
#[inline(always)]
pub fn bounded<const LENGTH: usize>(index: usize) -> usize {
    const { assert!(LENGTH.is_power_of_two()) };
    #[cfg(target_arch = "bpf")]
    {
        let mut masked = index;
        // SAFETY: one instruction on one register. (An empty block would do, but the kernel refuses the line
        // information that it leaves.)
        unsafe {
            core::arch::asm!("{0} &= {1}", inout(reg) masked, const LENGTH - 1, options(pure, nomem, nostack));
        }
        masked
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        index & (LENGTH - 1)
    }
}
