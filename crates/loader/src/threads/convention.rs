//! By which convention a process's calls are numbered, each looked at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use abi::syscall::SyscallKey;

use crate::targets::process;

pub struct Conventions {
    uses_32_bit_calls: HashMap<u32, bool>,
    look: fn(u32) -> bool,
}

impl Conventions {
    pub fn new() -> Self {
        Self {
            uses_32_bit_calls: HashMap::new(),
            look: process::uses_32_bit_calls,
        }
    }

    /// The call that a thread of this process is in, by its number.
    pub fn call(&mut self, pid: u32, number: u64) -> SyscallKey {
        let is_compat = match self.uses_32_bit_calls.entry(pid) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert((self.look)(pid)),
        };
        SyscallKey::new(number, is_compat)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use abi::syscall::{Abi, SyscallKey};

    use super::Conventions;

    #[test]
    fn a_process_is_looked_at_once_however_many_threads_it_has() {
        static LOOKS: AtomicU32 = AtomicU32::new(0);
        let mut conventions = Conventions {
            look: |pid| {
                LOOKS.fetch_add(1, Ordering::Relaxed);
                pid == 32
            },
            ..Conventions::new()
        };
        for number in 0..100 {
            let native = conventions.call(64, number);
            assert_eq!(native, SyscallKey::new(number, false));
            assert_eq!(conventions.call(32, number).abi(), Abi::Compat);
        }
        assert_eq!(LOOKS.load(Ordering::Relaxed), 2);
    }
}
