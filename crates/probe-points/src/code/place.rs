//! Where instructions begin. A breakpoint inside of one would make another one of it, and the kernel does not look.

use iced_x86::{Decoder, DecoderOptions};
use object::elf::{EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64};

/// The longest of x86, in bytes.
pub const LONGEST_INSTRUCTION: u64 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Begins,
    /// Of the instruction that it is in.
    Inside {
        offset: u64,
        bytes: u64,
    },
    /// What is before it is no code.
    Unknown,
}

/// What a machine's code, which begins with an instruction, has at that offset.
pub fn place(machine: u16, code: &[u8], wanted: u64) -> Place {
    let bits = match machine {
        EM_X86_64 => 64,
        EM_386 => 32,
        EM_AARCH64 => return aligned(wanted, 4),
        EM_ARM | EM_RISCV => return aligned(wanted, 2),
        _ => return Place::Unknown,
    };
    let mut decoder = Decoder::new(bits, code, DecoderOptions::NONE);
    loop {
        let offset = decoder.position() as u64;
        if offset == wanted {
            return Place::Begins;
        }
        if !decoder.can_decode() {
            return Place::Unknown;
        }
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Place::Unknown;
        }
        let bytes = instruction.len() as u64;
        if offset + bytes > wanted {
            return Place::Inside { offset, bytes };
        }
    }
}

/// Whether an instruction begins there, whatever is around it.
pub fn begins_anywhere(machine: u16, address: u64) -> bool {
    machine == EM_AARCH64 && aligned(address, 4) == Place::Begins
}

fn aligned(wanted: u64, bytes: u64) -> Place {
    match wanted % bytes {
        0 => Place::Begins,
        beyond => Place::Inside {
            offset: wanted - beyond,
            bytes,
        },
    }
}

#[cfg(test)]
mod tests {
    use object::elf::{EM_386, EM_AARCH64, EM_S390, EM_X86_64};

    use super::{Place, place};

    /// endbr64; push %rbp; mov %rsp,%rbp; (invalid in 64 bits)
    const CODE: [u8; 9] = [0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x06];

    #[test]
    fn only_the_first_byte_of_an_instruction_begins_it() {
        for begin in [0, 4, 5, 8] {
            assert_eq!(place(EM_X86_64, &CODE, begin), Place::Begins);
        }
        let inside = |offset, bytes| Place::Inside { offset, bytes };
        for middle in 1..4 {
            assert_eq!(place(EM_X86_64, &CODE, middle), inside(0, 4));
        }
        assert_eq!(place(EM_X86_64, &CODE, 6), inside(5, 3));
        assert_eq!(place(EM_X86_64, &CODE, 9), Place::Unknown);
        assert_eq!(place(EM_X86_64, &CODE, 100), Place::Unknown);
    }

    #[test]
    fn the_machine_says_what_the_bytes_mean() {
        // dec %eax; mov %esp,%ebp; push %es
        assert_eq!(place(EM_386, &CODE, 6), Place::Begins);
        assert_eq!(place(EM_386, &CODE, 9), Place::Begins);
        assert_eq!(place(EM_AARCH64, &CODE, 8), Place::Begins);
        assert_eq!(
            place(EM_AARCH64, &CODE, 6),
            Place::Inside {
                offset: 4,
                bytes: 4
            }
        );
        assert_eq!(place(EM_S390, &CODE, 2), Place::Unknown);
    }
}
