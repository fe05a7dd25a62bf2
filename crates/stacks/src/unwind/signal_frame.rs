//! Signal trampolines without unwind information: musl's, Go's, and the kernel's own on AArch64. The interrupted
//! function's registers lie above the stack pointer.

use gimli::Register;

use crate::mapped::arch::{Arch, Registers};
use crate::unwind::copied_stack::CopiedStack;

/// `mov $15, %eax` or `%rax`, `syscall`.
const X86_64: [&[u8]; 2] = [
    b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05",
    b"\xb8\x0f\x00\x00\x00\x0f\x05",
];
/// `mov x8, #139`, `svc #0`.
const AARCH64: &[u8] = b"\x68\x11\x80\xd2\x01\x00\x00\xd4";
pub const LONGEST: usize = 9;

pub fn is_trampoline(arch: Arch, code: &[u8]) -> bool {
    match arch {
        Arch::X86_64 => X86_64.iter().any(|pattern| code.starts_with(pattern)),
        Arch::Aarch64 => code.starts_with(AARCH64),
    }
}

/// The interrupted function's registers; the address that cannot be read if the copy is too short.
pub fn interrupted(registers: &Registers, stack: &CopiedStack<'_>) -> Result<Registers, u64> {
    let mut found = registers.clone();
    let sp = registers.sp().unwrap_or_default();
    let read = |at: u64| {
        let address = sp.wrapping_add(at);
        stack.word(address).ok_or(address)
    };
    match registers.arch {
        Arch::X86_64 => {
            /// In `struct ucontext`, which the stack pointer leads to: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
            const REGISTERS: u64 = 40;
            const NUMBERS: [u16; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7];
            for (index, number) in (0u64..).zip(NUMBERS) {
                found.set(Register(number), Some(read(REGISTERS + index * 8)?));
            }
            found.pc = read(REGISTERS + 16 * 8)?;
        }
        Arch::Aarch64 => {
            /// In `struct rt_sigframe`, which the stack pointer leads to: x0 to x30, sp, pc.
            const REGISTERS: u64 = 312;
            for number in 0..32u16 {
                let value = read(REGISTERS + u64::from(number) * 8)?;
                found.set(Register(number), Some(value));
            }
            found.pc = registers.arch.code_address(read(REGISTERS + 32 * 8)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use gimli::Register;

    use super::{interrupted, is_trampoline};
    use crate::mapped::arch::{Arch, Registers};
    use crate::unwind::copied_stack::CopiedStack;

    /// Words with their own addresses as values.
    fn stack(base: u64, words: u64) -> Vec<u8> {
        let words = (0..words).map(|index| base + index * 8);
        words.flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn both_processors() {
        let base = 0x7f00_0000_1000;
        let bytes = stack(base, 100);
        let copy = CopiedStack {
            base,
            bytes: &bytes,
        };
        let found = interrupted(&Registers::x86_64(1, base, 2), &copy).unwrap();
        assert_eq!(found.pc, base + 40 + 128);
        assert_eq!(found.sp(), Some(base + 40 + 120));
        assert_eq!(found.get(Register(6)), Some(base + 40 + 80));
        let found = interrupted(&Registers::aarch64(1, base, 2, 3), &copy).unwrap();
        assert_eq!(found.pc, base + 312 + 256);
        assert_eq!(found.sp(), Some(base + 312 + 248));
        assert_eq!(found.get(Register(29)), Some(base + 312 + 232));
        let cut = CopiedStack {
            base,
            bytes: &bytes[..300],
        };
        assert!(interrupted(&Registers::aarch64(1, base, 2, 3), &cut).is_err());
    }

    #[test]
    fn trampolines_are_known_by_their_instructions() {
        assert!(is_trampoline(
            Arch::X86_64,
            b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05"
        ));
        assert!(!is_trampoline(
            Arch::X86_64,
            b"\x48\xc7\xc0\x10\0\0\0\x0f\x05"
        ));
        assert!(is_trampoline(
            Arch::Aarch64,
            b"\x68\x11\x80\xd2\x01\0\0\xd4\0"
        ));
        assert!(!is_trampoline(Arch::Aarch64, b"\x68"));
    }
}
