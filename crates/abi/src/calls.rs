//! Calls of the function whose entry opens windows and whose return closes them: which call is the outermost one on its stack,
//! and whose return is whose.
//!
//! A call is known by its frame: how high on its stack the stack pointer is at the function's first instruction. Stacks grow
//! downwards, so calls within it have lower ones. A call may also be left without a return: by an exception, by longjmp, by a
//! panic that is recovered, or by another stack that the thread goes on with. Nothing tells of that but what comes later.

/// `Config::pair`: the triggers are no such pair.
pub const NO_PAIR: u32 = 0;
/// A function of a process.
pub const OF_THREADS: u32 = 1;
/// A function of the kernel.
pub const OF_KERNEL: u32 = 2;
/// A function of a Go program, or of one among others.
pub const OF_GOROUTINES: u32 = 3;

/// `Config::replaced`: return addresses stay as they are.
pub const NEVER_REPLACED: u64 = 0;
/// A page's begin takes their place: where uretprobes have their trampoline.
pub const BY_PAGE: u64 = 1;
/// Not known, or return addresses are not on the stack.
pub const UNKNOWN: u64 = u64::MAX;

/// Whose a stack is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StackKey {
    /// Of a goroutine its address, of the kernel's stacks where they are, of a thread's own 0.
    pub place: u64,
    /// The kernel's process id, and in the lower half the thread's; of a goroutine 0 there: it goes from thread to thread.
    pub task: u64,
}

/// The outermost call on a stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// From `base`; it wraps.
    pub frame: u64,
    /// What frames are counted from: of a goroutine the upper end of its stack, which is moved as it grows; elsewhere 0.
    pub base: u64,
    /// The word at its frame; 0: unknown.
    pub return_address: u64,
    /// When it began; 0: there is none.
    pub since_ns: u64,
}

/// The call whose window is open.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub key: StackKey,
    pub frame: u64,
}

/// The function is at its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub frame: u64,
    pub base: u64,
    pub return_address: u64,
    /// Where it begins.
    pub pc: u64,
}

/// How much is known of the words on stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// As `Config::replaced`.
    pub replaced: u64,
    /// Of a function that may begin twice, its length: Go's call for a larger stack, or let another goroutine run, and then begin
    /// again. Else 0.
    pub again_within: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Whatever was known of this stack was left without a return.
    Outermost,
    /// A part of the known call.
    Nested,
    /// It is the known call.
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The known call has returned.
    Outermost,
    /// One within it has.
    Nested,
    /// One further out has: the known call was left without a return.
    Left,
}

const WORD: u64 = size_of::<u64>() as u64;

impl Words {
    #[inline(always)]
    fn is_return_address(self, word: u64, of: u64) -> bool {
        match self.replaced {
            BY_PAGE => word == of || (word != 0 && word & 0xfff == 0),
            other => word == of || word == other,
        }
    }
}

impl Call {
    pub const NONE: Self = Self {
        frame: 0,
        base: 0,
        return_address: 0,
        since_ns: 0,
    };

    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.since_ns == 0
    }

    /// What an entry on the stack of this call is. `word` reads the stacks' memory; `None`: it cannot be read now, as of a page that
    /// is not there.
    #[inline(always)]
    pub fn entered(
        &self,
        entry: &Entry,
        words: Words,
        word: impl Fn(u64) -> Option<u64>,
    ) -> Entered {
        if entry.frame > self.frame {
            return Entered::Outermost;
        }
        if entry.frame == self.frame {
            return if words.again_within > 0 && self.begins_again(entry, words, word) {
                Entered::Again
            } else {
                Entered::Outermost
            };
        }
        if self.return_address == 0 || words.replaced == UNKNOWN {
            return Entered::Nested;
        }
        match word(entry.base.wrapping_add(self.frame)) {
            Some(word) if !words.is_return_address(word, self.return_address) => Entered::Outermost,
            _ => Entered::Nested,
        }
    }

    /// Whether the function had come no further than to its call for a larger stack: the address to which that was to return is
    /// below its frame, where else the function saves a register. On the stack that it had then. Nobody else's is: of other functions
    /// the addresses are outside of this one.
    #[inline(always)]
    fn begins_again(&self, entry: &Entry, words: Words, word: impl Fn(u64) -> Option<u64>) -> bool {
        if entry.return_address != self.return_address {
            return false;
        }
        let below = self.base.wrapping_add(self.frame).wrapping_sub(WORD);
        word(below).is_some_and(|word| word.wrapping_sub(entry.pc) < words.again_within)
    }

    /// What a return on the stack of this call is, by the frame at the return instruction or right after it.
    #[inline(always)]
    pub fn returned(&self, frame: u64) -> Returned {
        returned(self.frame, frame)
    }
}

impl Owner {
    #[inline(always)]
    pub fn returned(&self, frame: u64) -> Returned {
        returned(self.frame, frame)
    }
}

/// Exactly this call's, not any above: calls that began before the probes were there return as well, from further up. After the
/// return instruction of x86 the stack pointer is a word higher than at the entry, where another call cannot be.
#[inline(always)]
fn returned(of: u64, frame: u64) -> Returned {
    if frame < of {
        Returned::Nested
    } else if frame - of <= WORD {
        Returned::Outermost
    } else {
        Returned::Left
    }
}

const _: () =
    assert!(size_of::<StackKey>() == 16 && size_of::<Call>() == 32 && size_of::<Owner>() == 24);

#[cfg(test)]
mod tests;
