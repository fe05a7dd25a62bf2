//! Instructions of eBPF, for the few small programs that are made at run time.

use aya_obj::generated::bpf_func_id;

/// As it lies in memory, on machines that begin with the least byte.
pub const fn instruction(
    code: u8,
    destination: u8,
    source: u8,
    offset: i16,
    immediate: i32,
) -> u64 {
    code as u64
        | ((destination | source << 4) as u64) << 8
        | (offset as u16 as u64) << 16
        | (immediate as u32 as u64) << 32
}

pub const fn set(register: u8, immediate: i32) -> u64 {
    instruction(0xb7, register, 0, 0, immediate)
}

pub const fn copy(to: u8, from: u8) -> u64 {
    instruction(0xbf, to, from, 0, 0)
}

pub const fn add(register: u8, immediate: i32) -> u64 {
    instruction(0x07, register, 0, 0, immediate)
}

pub const fn shift_right(register: u8, bits: i32) -> u64 {
    instruction(0x77, register, 0, 0, bits)
}

pub const fn load_u32(to: u8, address: u8, offset: i16) -> u64 {
    instruction(0x61, to, address, offset, 0)
}

pub const fn load_u64(to: u8, address: u8, offset: i16) -> u64 {
    instruction(0x79, to, address, offset, 0)
}

pub const fn store_u32(address: u8, offset: i16, from: u8) -> u64 {
    instruction(0x63, address, from, offset, 0)
}

/// Over so many instructions if the register is zero.
pub const fn skip_if_zero(register: u8, instructions: i16) -> u64 {
    instruction(0x15, register, 0, instructions, 0)
}

pub const fn call(helper: bpf_func_id) -> u64 {
    instruction(0x85, 0, 0, 0, helper as i32)
}

pub const EXIT: u64 = instruction(0x95, 0, 0, 0, 0);
