//! Signal trampolines without unwind information: musl's, Go's, and the kernel's own on AArch64. The interrupted
//! function's registers lie above the stack pointer.

use gimli::Register;

use crate::arch::{Arch, Registers};
use crate::copied_stack::CopiedStack;

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
