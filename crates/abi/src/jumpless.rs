//! Single instructions that the compiler must not turn into something else. eBPF has no instruction that makes a number of a
//! comparison, so what the compiler thinks cheaper is often a jump; and the verifier follows every way through jumps.

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

/// 1 if `value` is above `limit`, else 0; both are below 2^63. The sign of their difference.
#[inline(always)]
pub fn exceeds(value: u64, limit: u64) -> u64 {
    let difference = limit.wrapping_sub(value);
    #[cfg(target_arch = "bpf")]
    {
        let mut sign = difference;
        // SAFETY: one instruction on one register.
        unsafe {
            core::arch::asm!("{0} >>= 63", inout(reg) sign, options(pure, nomem, nostack));
        }
        sign
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        difference >> 63
    }
}
