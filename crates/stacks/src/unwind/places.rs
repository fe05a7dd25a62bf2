//! What is known of places in code, in bounded memory.

/// A stack of a large program needs some tens, all of its stacks some 10,000.
const SLOTS: usize = 1 << 14;

/// Keyed by a module's id and an address in its own terms. A collision drops what is older.
#[derive(Debug)]
pub struct Places<T>(Box<[Option<(u64, u64, T)>]>);

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self(std::iter::repeat_with(|| None).take(SLOTS).collect())
    }
}

impl<T> Places<T> {
    /// `make`: `None` if it could not be found out now, which is not kept.
    pub fn get_or(
        &mut self,
        module: u64,
        address: u64,
        make: impl FnOnce() -> Option<T>,
    ) -> Option<&T> {
        self.get_current(module, address, |_| true, make)
    }

    /// The same, of what may change.
    pub fn get_current(
        &mut self,
        module: u64,
        address: u64,
        is_current: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Option<T>,
    ) -> Option<&T> {
        let hash = (address ^ module << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &mut self.0[hash as usize >> (usize::BITS - SLOTS.ilog2())];
        let known = slot
            .as_ref()
            .filter(|(id, at, _)| (*id, *at) == (module, address));
        if !known.is_some_and(|(.., known)| is_current(known)) {
            *slot = Some((module, address, make()?));
        }
        slot.as_ref().map(|(.., known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn what_is_known_is_not_made_again_and_what_was_not_found_out_is() {
        let mut places = Places::default();
        assert_eq!(places.get_or(1, 2, || None), None);
        assert_eq!(places.get_or(1, 2, || Some(3)), Some(&3));
        assert_eq!(places.get_or(1, 2, || Some(4)), Some(&3));
        assert_eq!(places.get_or(2, 2, || Some(5)), Some(&5));
        let is_odd = |known: &i32| known % 2 == 1;
        assert_eq!(places.get_current(2, 2, is_odd, || Some(6)), Some(&5));
        assert_eq!(
            places.get_current(1, 2, |known| *known == 4, || Some(6)),
            Some(&6)
        );
    }
}
