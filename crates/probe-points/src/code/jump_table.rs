//! Whether a computed jump goes by a table of places within its function, as compilers make them of a `switch`.
//!
//! A tail call by a table of functions looks alike: what tells is where the table's first entry leads.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use object::elf::{EM_386, EM_AARCH64, EM_X86_64};

use crate::code::{arm64, x86};

/// What tells is close by, but for the table's address, which may be loaded ahead of a loop.
const MOST_BEFORE: usize = 16;

/// Addresses that are loaded into the register in question, of those nearest to the jump.
const MOST_LOADED: usize = 64;

/// A function's instructions, by address, and what else its file holds.
pub struct Code<'a> {
    pub machine: u16,
    pub instructions: Vec<(u64, &'a [u8])>,
    /// So many bytes at an address of the file.
    pub read: &'a dyn Fn(u64, usize) -> Option<Vec<u8>>,
    pub is_inside: &'a dyn Fn(u64) -> bool,
}

/// Which addresses a function loads into which registers, by the index of the instruction that does.
#[derive(Default)]
pub struct Loaded(Vec<(usize, Register, u64)>);

impl Loaded {
    pub fn of(code: &Code<'_>) -> Self {
        let Some(bits) = x86_bits(code.machine) else {
            return Self::default();
        };
        let instructions = code.instructions.iter().enumerate();
        let loads = instructions.filter_map(|(index, (address, bytes))| {
            let it = x86::decode(bits, bytes, *address)?;
            let loads = it.mnemonic() == Mnemonic::Lea && it.is_ip_rel_memory_operand();
            let register = it.op0_register().full_register();
            loads.then(|| (index, register, it.memory_displacement64()))
        });
        Self(loads.collect())
    }

    fn near(&self, index: usize, register: Register) -> impl Iterator<Item = u64> {
        let register = register.full_register();
        let after = self.0.partition_point(|(other, ..)| *other < index);
        let (before, after) = self.0.split_at(after);
        let mine = move |(_, other, address): &(usize, Register, u64)| {
            (*other == register).then_some(*address)
        };
        let before = before.iter().rev().filter_map(mine).take(MOST_LOADED);
        before.chain(after.iter().filter_map(mine).take(MOST_LOADED))
    }
}

fn x86_bits(machine: u16) -> Option<u32> {
    match machine {
        EM_X86_64 => Some(64),
        EM_386 => Some(32),
        _ => None,
    }
}

/// Of the jump that is the instruction of that index.
pub fn leads_inside(code: &Code<'_>, loaded: &Loaded, jump: usize) -> bool {
    let found = match (x86_bits(code.machine), code.machine) {
        (Some(bits), _) => x86_leads_inside(code, loaded, bits, jump),
        (None, EM_AARCH64) => arm64_leads_inside(code, jump),
        _ => None,
    };
    found.unwrap_or(false)
}

fn x86_leads_inside(code: &Code<'_>, loaded: &Loaded, bits: u32, jump: usize) -> Option<bool> {
    let decode = |index: usize| {
        let (address, bytes) = code.instructions.get(index)?;
        x86::decode(bits, bytes, *address)
    };
    let before = |index: usize| (index.saturating_sub(MOST_BEFORE)..index).rev();
    let writes = |it: &Instruction, register: Register| {
        it.op0_kind() == OpKind::Register
            && it.op0_register().full_register() == register.full_register()
            && !matches!(it.mnemonic(), Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Bt)
    };
    let tables = |it: &Instruction| -> Vec<(u64, u64)> {
        let displacement = it.memory_displacement64();
        match it.memory_base() {
            Register::None => vec![(0, displacement)],
            base => loaded
                .near(jump, base)
                .map(|address| (address, address.wrapping_add(displacement)))
                .collect(),
        }
    };
    let word_bytes = bits / 8;
    // `jmp *table(,%rax,8)`, or the same by way of a register.
    let by_address = |it: &Instruction| {
        it.memory_index() != Register::None
            && it.memory_index_scale() == word_bytes
            && tables(it).into_iter().any(|(_, table)| {
                let entry = (code.read)(table, word_bytes as usize);
                entry.is_some_and(|entry| (code.is_inside)(unsigned(&entry)))
            })
    };
    let jump_itself = decode(jump)?;
    if jump_itself.op0_kind() == OpKind::Memory {
        return Some(by_address(&jump_itself));
    }
    let register = jump_itself.op0_register();
    let last = |from: usize, register: Register| {
        before(from).find_map(|index| {
            let it = decode(index)?;
            writes(&it, register).then_some((index, it))
        })
    };
    let (at, it) = last(jump, register)?;
    if it.mnemonic() == Mnemonic::Mov && it.op1_kind() == OpKind::Memory {
        return Some(by_address(&it));
    }
    // `movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax`: of four bytes, from the table on.
    if it.mnemonic() != Mnemonic::Add || it.op1_kind() != OpKind::Register {
        return Some(false);
    }
    let by_distance = |register: Register| {
        let Some((_, it)) = last(at, register) else {
            return false;
        };
        let reads_table = matches!(it.mnemonic(), Mnemonic::Movsxd | Mnemonic::Mov)
            && it.op1_kind() == OpKind::Memory
            && it.memory_index() != Register::None
            && it.memory_index_scale() == 4;
        reads_table
            && tables(&it).into_iter().any(|(base, table)| {
                let Some(entry) = (code.read)(table, 4) else {
                    return false;
                };
                let distance = i64::from(unsigned(&entry) as i32);
                (code.is_inside)(base.wrapping_add_signed(distance))
            })
    };
    Some(by_distance(register) || by_distance(it.op1_register()))
}

fn unsigned(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    u64::from_le_bytes(word)
}

/// `adr x1, place; add x0, x1, w0, sxth #2; br x0`: the distance is counted from a place of the function.
fn arm64_leads_inside(code: &Code<'_>, jump: usize) -> Option<bool> {
    let word = |index: usize| {
        let (address, bytes) = code.instructions.get(index)?;
        Some((*address, arm64::word(bytes)?))
    };
    let register = arm64::jump_register(word(jump)?.1)?;
    let before = (jump.saturating_sub(MOST_BEFORE)..jump).rev();
    let base = before.clone().filter_map(word).find_map(|(_, word)| {
        // add (extended or shifted register), 64 bits
        let adds = word & 0xff20_0000 == 0x8b20_0000 || word & 0xff20_0000 == 0x8b00_0000;
        (adds && word & 31 == register).then_some(word >> 5 & 31)
    })?;
    let (address, adr) = before
        .filter_map(word)
        .find(|(_, word)| word & 0x9f00_0000 == 0x1000_0000 && word & 31 == base)?;
    let distance = arm64::signed(adr, 19, 5) << 2 | (adr >> 29 & 3) as i32;
    Some((code.is_inside)(
        address.wrapping_add_signed(i64::from(distance)),
    ))
}
