//! Whether a conditional jump of x86 is taken (Intel SDM, volume 1, appendix B, "EFLAGS condition codes").

const CARRY: u64 = 1 << 0;
const PARITY: u64 = 1 << 2;
const ZERO: u64 = 1 << 6;
const SIGN: u64 = 1 << 7;
const OVERFLOW: u64 = 1 << 11;

/// By the lower four bits of its code, of which the last one turns the condition round.
#[inline(always)]
pub fn is_taken(code: u8, flags: u64) -> bool {
    let is = |flag: u64| flags & flag != 0;
    let holds = match code >> 1 & 7 {
        0 => is(OVERFLOW),
        1 => is(CARRY),
        2 => is(ZERO),
        3 => is(CARRY | ZERO),
        4 => is(SIGN),
        5 => is(PARITY),
        6 => is(SIGN) != is(OVERFLOW),
        _ => is(ZERO) || is(SIGN) != is(OVERFLOW),
    };
    holds != (code & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::is_taken;

    /// What `cmp a, b` leaves in the flags, and which jumps are taken after it.
    #[test]
    fn jumps_after_a_comparison_compare() {
        let numbers = [i64::MIN, -5, -1, 0, 1, 2, 77, i64::MAX];
        for a in numbers {
            for b in numbers {
                let (difference, overflow) = a.overflowing_sub(b);
                let carry = (a as u64) < b as u64;
                let parity = (difference as u8).count_ones().is_multiple_of(2);
                let flags = u64::from(carry)
                    | u64::from(parity) << 2
                    | u64::from(difference == 0) << 6
                    | u64::from(difference < 0) << 7
                    | u64::from(overflow) << 11
                    // always 1, and the interrupt flag
                    | 0x202;
                let (unsigned_a, unsigned_b) = (a as u64, b as u64);
                for (code, expected) in [
                    (0x80, overflow),
                    (0x81, !overflow),
                    (0x82, unsigned_a < unsigned_b),
                    (0x83, unsigned_a >= unsigned_b),
                    (0x84, a == b),
                    (0x85, a != b),
                    (0x86, unsigned_a <= unsigned_b),
                    (0x87, unsigned_a > unsigned_b),
                    (0x88, difference < 0),
                    (0x89, difference >= 0),
                    (0x8a, parity),
                    (0x8b, !parity),
                    (0x8c, a < b),
                    (0x8d, a >= b),
                    (0x8e, a <= b),
                    (0x8f, a > b),
                ] {
                    assert_eq!(is_taken(code, flags), expected, "{code:x} {a} {b}");
                }
            }
        }
    }
}
