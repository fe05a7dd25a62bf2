//! What differs between processors. Data, not `cfg`: the code for each is compiled and tested on all.

use gimli::{Register, Vendor};
use object::elf::{EM_AARCH64, EM_X86_64};

/// DWARF numbers of the registers that a walk keeps.
pub(crate) const MOST_REGISTERS: usize = 33;
/// Addresses of user space are below; on AArch64 the bits above may sign a return address.
const AARCH64_ADDRESS: u64 = (1 << 48) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// `None`: stacks of such programs cannot be walked.
    pub fn of_machine(machine: u16) -> Option<Self> {
        match machine {
            EM_X86_64 => Some(Self::X86_64),
            EM_AARCH64 => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// The one that this code runs on.
    pub fn ours() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    pub(crate) fn vendor(self) -> Vendor {
        match self {
            Self::X86_64 => Vendor::Default,
            Self::Aarch64 => Vendor::AArch64,
        }
    }

    pub(crate) fn sp(self) -> Register {
        match self {
            Self::X86_64 => Register(7),
            Self::Aarch64 => Register(31),
        }
    }

    pub(crate) fn fp(self) -> Register {
        match self {
            Self::X86_64 => Register(6),
            Self::Aarch64 => Register(29),
        }
    }

    /// Which a function may return to without having saved it.
    pub(crate) fn link(self) -> Option<Register> {
        match self {
            Self::X86_64 => None,
            Self::Aarch64 => Some(Register(30)),
        }
    }

    /// The address that a return goes to: a signature is taken off.
    pub(crate) fn code_address(self, value: u64) -> u64 {
        match self {
            Self::X86_64 => value,
            Self::Aarch64 => value & AARCH64_ADDRESS,
        }
    }
}

/// A thread's registers, those that are known: at least the program counter and the stack pointer.
#[derive(Clone, Debug)]
pub struct Registers {
    pub(crate) arch: Arch,
    pub(crate) pc: u64,
    values: [u64; MOST_REGISTERS],
    known: u64,
    /// The stack pointer is this or higher: found by a frame pointer that leads to the lower end of a frame.
    is_sp_least: bool,
}

impl Registers {
    /// `rip`, `rsp`, `rbp`.
    pub fn x86_64(pc: u64, sp: u64, fp: u64) -> Self {
        Self::new(Arch::X86_64, pc, sp, fp)
    }

    /// `pc`, `sp`, `x29`, `x30`.
    pub fn aarch64(pc: u64, sp: u64, fp: u64, lr: u64) -> Self {
        Self::new(Arch::Aarch64, pc, sp, fp).with(30, lr)
    }

    fn new(arch: Arch, pc: u64, sp: u64, fp: u64) -> Self {
        let registers = Self {
            arch,
            pc: arch.code_address(pc),
            values: [0; MOST_REGISTERS],
            known: 0,
            is_sp_least: false,
        };
        registers.with(arch.sp().0, sp).with(arch.fp().0, fp)
    }

    /// One more that is known, by its DWARF number. Few functions need any.
    pub fn with(mut self, number: u16, value: u64) -> Self {
        self.set(Register(number), Some(value));
        self
    }

    pub fn arch(&self) -> Arch {
        self.arch
    }

    pub(crate) fn get(&self, register: Register) -> Option<u64> {
        let value = self.values.get(usize::from(register.0))?;
        (self.known >> register.0 & 1 == 1).then_some(*value)
    }

    /// Registers that a walk does not keep are let go.
    pub(crate) fn set(&mut self, register: Register, value: Option<u64>) {
        self.is_sp_least &= register != self.arch.sp();
        if let Some(place) = self.values.get_mut(usize::from(register.0)) {
            *place = value.unwrap_or_default();
            self.known &= !(1 << register.0);
            self.known |= u64::from(value.is_some()) << register.0;
        }
    }

    pub(crate) fn sp(&self) -> Option<u64> {
        self.get(self.arch.sp())
    }

    /// The caller's, of a function that keeps its frame pointer, where that leads to.
    pub(crate) fn set_sp_above_record(&mut self, record: u64) {
        self.set(self.arch.sp(), Some(record.wrapping_add(16)));
        // On AArch64 it is saved below what else the function saves.
        self.is_sp_least = self.arch.link().is_some();
        if let Some(link) = self.arch.link() {
            self.set(link, None);
        }
    }

    /// A register's value and an offset. `record`: the offset from there to where the function saves the frame pointer, and above it
    /// the link register: the frame pointer then leads there, and tells what the stack pointer cannot.
    pub(crate) fn cfa(&self, register: Register, offset: i64, record: Option<i64>) -> Option<u64> {
        if self.is_sp_least
            && register == self.arch.sp()
            && let (Some(record), Some(fp)) = (record, self.get(self.arch.fp()))
            && self.sp() <= Some(fp)
            && fp % 8 == 0
        {
            return Some(fp.wrapping_sub(record as u64));
        }
        Some(self.get(register)?.wrapping_add_signed(offset))
    }

    /// See [`Self::cfa`]; `saved`: the offset of a register that the function saves.
    pub(crate) fn record(&self, saved: impl Fn(Register) -> Option<i64>) -> Option<i64> {
        if !self.is_sp_least {
            return None;
        }
        let record = saved(self.arch.fp())?;
        (saved(self.arch.link()?)? == record.checked_add(8)?).then_some(record)
    }
}
