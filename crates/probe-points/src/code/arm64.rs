//! Control flow of arm64: each instruction is a word, and those that jump are few (Arm Architecture Reference Manual, C4.1,
//! "Branches, Exception Generating and System instructions").

use crate::code::flow::{Condition, Flow, Step};

pub const WORD_BYTES: u64 = 4;
pub const NOP: u32 = 0xd503_201f;

pub fn word(code: &[u8]) -> Option<u32> {
    code.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

pub fn step(code: &[u8], address: u64) -> Option<Step> {
    let word = word(code)?;
    Some(Step {
        bytes: WORD_BYTES,
        flow: flow(word, address),
    })
}

fn flow(word: u32, address: u64) -> Flow {
    let branch = |bits, from| {
        let to = address.wrapping_add_signed(i64::from(signed(word, bits, from)) * 4);
        Flow::Branch(to, Condition::Unreadable)
    };
    match word {
        _ if is_return(word) => Flow::Return,
        // b
        _ if word >> 26 == 0b00_0101 => {
            Flow::Jump(address.wrapping_add_signed(i64::from(signed(word, 26, 0)) * 4))
        }
        // b.cond, bc.cond; cbz, cbnz; tbz, tbnz; cb<cc>
        _ if word >> 24 == 0x54 => branch(19, 5),
        _ if word & 0x7e00_0000 == 0x3400_0000 => branch(19, 5),
        _ if word & 0x7e00_0000 == 0x3600_0000 => branch(14, 5),
        _ if word & 0x7e00_0000 == 0x7400_0000 => branch(9, 5),
        // bl
        _ if word >> 26 == 0b10_0101 => {
            let distance = i64::from(signed(word, 26, 0)) * 4;
            Flow::Call(Some(address.wrapping_add_signed(distance)))
        }
        // blr and its kin; svc: a process may end in one
        _ if word & 0xfeff_f000 == 0xd63f_0000 => Flow::Call(None),
        _ if word & 0xffe0_001f == 0xd400_0001 => Flow::Call(None),
        _ if jump_register(word).is_some() => Flow::Computed,
        // eret and its kin, drps
        _ if word & 0xffdf_f3ff == 0xd69f_03e0 || word & 0xffff_fbff == 0xd69f_0bff => {
            Flow::Foreign
        }
        // udf, brk, hlt
        _ if word >> 16 == 0 || word & 0xffe0_001f == 0xd420_0000 => Flow::Nowhere,
        _ if word & 0xffe0_001f == 0xd440_0000 => Flow::Nowhere,
        _ => Flow::Next,
    }
}

/// ret, retaa, retab.
fn is_return(word: u32) -> bool {
    word & 0xffff_fc1f == 0xd65f_0000 || word & 0xffff_fbff == 0xd65f_0bff
}

/// Of br, braaz, brabz, braa and brab.
pub fn jump_register(word: u32) -> Option<u32> {
    let jumps = word & 0xffff_fc1f == 0xd61f_0000
        || word & 0xffff_f81f == 0xd61f_081f
        || word & 0xffff_f800 == 0xd71f_0800;
    jumps.then_some(word >> 5 & 31)
}

/// Of a jump by a register, the place from which a distance is counted; `before`: the words before it, from it on, and where they are.
pub fn counted_from(jump: u32, before: &[(u64, u32)]) -> Option<u64> {
    let register = jump_register(jump)?;
    let base = before.iter().find_map(|(_, word)| {
        // add (extended or shifted register), 64 bits
        let adds = word & 0xff20_0000 == 0x8b20_0000 || word & 0xff20_0000 == 0x8b00_0000;
        (adds && word & 31 == register).then_some(word >> 5 & 31)
    })?;
    let (address, adr) = before
        .iter()
        .find(|(_, word)| word & 0x9f00_0000 == 0x1000_0000 && word & 31 == base)?;
    let distance = signed(*adr, 19, 5) << 2 | (adr >> 29 & 3) as i32;
    Some(address.wrapping_add_signed(i64::from(distance)))
}

/// The `bits` bits of a word from bit `from` on, as a signed number.
pub fn signed(word: u32, bits: u32, from: u32) -> i32 {
    ((word << (32 - bits - from)) as i32) >> (32 - bits)
}

#[cfg(test)]
mod tests {
    use super::{NOP, flow, step};
    use crate::code::flow::{Condition, Flow};

    /// As GNU as makes them for the address 0x1000.
    #[test]
    fn each_way_out_of_an_instruction_is_known() {
        let branch = |to| Flow::Branch(to, Condition::Unreadable);
        for (word, expected) in [
            (0xd65f_03c0, Flow::Return),             // ret
            (0xd65f_0040, Flow::Return),             // ret x2
            (0xd65f_0bff, Flow::Return),             // retaa
            (0xd65f_0fff, Flow::Return),             // retab
            (0x1400_0001, Flow::Jump(0x1004)),       // b .+4
            (0x17ff_ffff, Flow::Jump(0xffc)),        // b .-4
            (0x9400_0001, Flow::Call(Some(0x1004))), // bl .+4
            (0x5400_0040, branch(0x1008)),           // b.eq .+8
            (0x54ff_ffe1, branch(0xffc)),            // b.ne .-4
            (0xb400_0040, branch(0x1008)),           // cbz x0, .+8
            (0x35ff_ffe0, branch(0xffc)),            // cbnz w0, .-4
            (0x3600_0040, branch(0x1008)),           // tbz w0, #0, .+8
            (0xb707_ffe0, branch(0xffc)),            // tbnz x0, #32, .-4
            (0xd61f_0200, Flow::Computed),           // br x16
            (0xd61f_0a1f, Flow::Computed),           // braaz x16
            (0xd71f_0a11, Flow::Computed),           // braa x16, x17
            (0xd63f_0200, Flow::Call(None)),         // blr x16
            (0xd69f_03e0, Flow::Foreign),            // eret
            (0x0000_0000, Flow::Nowhere),            // udf #0
            (0xd420_0000, Flow::Nowhere),            // brk #0
            (0xd400_0001, Flow::Call(None)),         // svc #0
            (NOP, Flow::Next),                       // nop
            (0xa9bf_7bfd, Flow::Next),               // stp x29, x30, [sp, #-16]!
            (0xd503_233f, Flow::Next),               // paciasp
        ] {
            assert_eq!(flow(word, 0x1000), expected, "{word:#x}");
        }
        assert_eq!(step(&[0xc0, 3, 0x5f], 0), None);
    }
}
