//! `.eh_frame_hdr`: where the entries of `.eh_frame` are, by function. In the one form that linkers write; gimli's reader
//! of all forms overflows on wrong numbers.

/// Version 1, `.eh_frame` relative to here, a plain count, a table relative to the section, all in four bytes.
const FORM: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
const TABLE: usize = 12;
const ROW: usize = 8;

#[derive(Clone, Copy, Debug)]
pub struct EhFrameHeader<'a> {
    rows: &'a [u8],
    address: u64,
    /// Where `.eh_frame` is.
    pub eh_frame: u64,
}

impl<'a> EhFrameHeader<'a> {
    /// `None`: it is of another form, or has no table.
    pub fn new(bytes: &'a [u8], address: u64) -> Option<Self> {
        let number = |at: usize| Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if bytes.first_chunk() != Some(&FORM) {
            return None;
        }
        let eh_frame = address
            .wrapping_add(4)
            .wrapping_add_signed(number(4)?.into());
        let rows = bytes.get(TABLE..)?;
        let count = (number(8)? as u32 as usize).min(rows.len() / ROW);
        (count > 0).then_some(Self {
            rows: &rows[..count * ROW],
            address,
            eh_frame,
        })
    }

    /// Whether the rows are in the order that a search takes for granted. Those of lld 14 are not, where code is on both sides of the section.
    pub fn is_in_order(&self) -> bool {
        let starts = || (0..self.rows.len() / ROW).map(|row| self.number(row * ROW));
        starts()
            .zip(starts().skip(1))
            .all(|(one, next)| one <= next)
    }

    /// The address of the entry of the last function that begins at or before an address: it may end before, too.
    pub fn entry(&self, address: u64) -> Option<u64> {
        let (mut first, mut end) = (0, self.rows.len() / ROW);
        while first < end {
            let middle = first.midpoint(end);
            match self.number(middle * ROW)? <= address {
                true => first = middle + 1,
                false => end = middle,
            }
        }
        self.number(first.checked_sub(1)? * ROW + ROW / 2)
    }

    fn number(&self, at: usize) -> Option<u64> {
        let number = i32::from_le_bytes(*self.rows.get(at..)?.first_chunk()?);
        Some(self.address.wrapping_add_signed(number.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::EhFrameHeader;

    #[test]
    fn the_last_function_that_begins_before() {
        let numbers = [-0x100, 3, -0x1000, 0x10, -0x800, 0x20, 0x40, 0x30];
        let numbers = numbers.iter().flat_map(|number: &i32| number.to_le_bytes());
        let bytes: Vec<u8> = super::FORM.into_iter().chain(numbers).collect();
        let header = EhFrameHeader::new(&bytes, 0x2000).unwrap();
        assert_eq!(header.eh_frame, 0x1f04);
        let found = [0xfff, 0x1000, 0x17ff, 0x1800, 0x203f, 0x9000].map(|at| header.entry(at));
        let at = |address| Some(address);
        let wanted = [
            None,
            at(0x2010),
            at(0x2010),
            at(0x2020),
            at(0x2020),
            at(0x2030),
        ];
        assert_eq!(found, wanted);
        assert!(header.is_in_order());
        let turned = [&bytes[..12], &bytes[20..], &bytes[12..20]].concat();
        assert!(!EhFrameHeader::new(&turned, 0x2000).unwrap().is_in_order());
        assert!(EhFrameHeader::new(&bytes[..12], 0).is_none());
        assert!(EhFrameHeader::new(&[1, 0x1b, 0x03, 0x1b, 0, 0, 0, 0, 1, 0, 0, 0], 0).is_none());
    }
}
