//! What the programs' instructions hold where a field of the configuration belongs, until user space puts it there and hands them
//! to the kernel. A constant that stands in the instruction costs nothing but itself; from a frozen map it costs a load.

use crate::config::Config;

/// In the upper half of a 64-bit constant: that no program has one like it is ensured by its letters.
const MARK: u64 = (u32::from_be_bytes(*b"kdel") as u64) << 32;

const BYTES_SHIFT: u32 = 16;

/// The constant that stands for the field of so many bytes in that place of [`Config`].
pub const fn constant(place: usize, bytes: usize) -> u64 {
    MARK | (bytes as u64) << BYTES_SHIFT | place as u64
}

/// The place, and the bytes.
pub fn field_of(constant: u64) -> Option<(usize, usize)> {
    let place = constant as u16;
    let bytes = (constant >> BYTES_SHIFT) as u16;
    let is_one = constant == self::constant(place.into(), bytes.into());
    is_one.then_some((place.into(), bytes.into()))
}

/// What stands in a load for the offset that is in that place: below whatever an object of the programs' own reaches down to, as
/// their stack is of 512 bytes.
pub const fn offset(place: usize) -> i16 {
    i16::MIN + (place / OFFSET_BYTES) as i16
}

const OFFSET_BYTES: usize = size_of::<u32>();

/// The place.
pub fn place_of(offset: i16) -> Option<usize> {
    let place = (i32::from(offset) - i32::from(i16::MIN)) as usize * OFFSET_BYTES;
    (place < size_of::<Config>()).then_some(place)
}

const _: () = assert!(size_of::<Config>() <= u16::MAX as usize);

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn a_field_is_found_again() {
        let place = offset_of!(Config, pid_namespace);
        assert_eq!(field_of(constant(place, 8)), Some((place, 8)));
        assert_eq!(field_of(constant(place, 4)), Some((place, 4)));
        let place = offset_of!(Config, offsets.pid_numbers);
        assert_eq!(place_of(offset(place)), Some(place));
        assert_eq!(place_of(offset(0)), Some(0));
    }

    #[test]
    fn what_a_program_may_hold_is_none() {
        for constant in [0, 1, u64::MAX, MARK >> 32, MARK | 1 << 32, MARK ^ 1 << 63] {
            assert_eq!(field_of(constant), None, "{constant:#x}");
        }
        let last = offset(size_of::<Config>() - OFFSET_BYTES);
        for offset in [last + 1, -512, -1, 0, 8, i16::MAX] {
            assert_eq!(place_of(offset), None, "{offset}");
        }
    }
}
