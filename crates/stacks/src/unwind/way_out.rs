//! Functions without unwind tables, such as all of musl's: what their instructions do with the stack until they return.

use std::collections::HashSet;
use std::ops::Range;

use iced_x86::{
    Code as Encoding, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register as Named,
};

use crate::mapped::arch::Arch;
use crate::mapped::module::Module;
use crate::unwind::rules::Compact;
use crate::unwind::stack_state::{FramePointer, State, Sum, address_of, compact};
use crate::unwind::text::{Code, Text};

/// That are followed, on all ways together.
const MOST_INSTRUCTIONS: usize = 2000;
/// Branches left aside.
const MOST_WAYS: usize = 64;
const LONGEST_CALL: usize = 8;
/// musl's `__clone`, where a thread's first function has returned to it: `mov %eax, %edi`, `xor %eax, %eax`,
/// `mov $60, %al`, `syscall`, `hlt`.
const THREAD_EXIT: &[u8] = b"\x89\xc7\x31\xc0\xb0\x3c\x0f\x05\xf4";

/// What it takes to follow an instruction, and to read some more of them, in units of effort.
const INSTRUCTION_UNITS: u64 = 8;
const CHUNK_UNITS: u64 = 128;

/// What was found out of a function's code.
pub struct WayOut {
    /// To the caller. `None`: it does not return, or by ways that cannot be followed.
    pub rule: Option<Compact>,
    /// All that was looked at lies there.
    pub extent: Range<u64>,
}

/// From an instruction that runs next. `units`: what it took is added to them.
pub fn follow(arch: Arch, code: Code<'_>, address: u64, units: &mut u64) -> WayOut {
    match arch {
        Arch::X86_64 => Walk::new(code, address).until_return(address, units),
        // Its compilers keep frame pointers.
        Arch::Aarch64 => WayOut {
            rule: None,
            extent: address..address,
        },
    }
}

/// Whether an address is one that a call returns to: the instruction before it is a call.
pub fn is_after_call(arch: Arch, code: Code<'_>, address: u64) -> bool {
    let before = |bytes: usize| code.exactly(address.checked_sub(bytes as u64)?, bytes);
    match arch {
        Arch::X86_64 => {
            // Less may be there, at the beginning of all code.
            let there = (2..=LONGEST_CALL).rev().find_map(before);
            there.is_some_and(|code| {
                (2..=code.len()).any(|bytes| {
                    let code = &code[code.len() - bytes..];
                    let instruction = Decoder::new(64, code, DecoderOptions::NONE).decode();
                    instruction.mnemonic() == Mnemonic::Call && instruction.len() == bytes
                })
            })
        }
        // `bl` and `blr`.
        Arch::Aarch64 => before(4).is_some_and(|code| {
            let word = code
                .first_chunk()
                .map_or(0, |word| u32::from_le_bytes(*word));
            word >> 26 == 0x25 || word & 0xffff_fc1f == 0xd63f_0000
        }),
    }
}

/// How far code goes on, at most so many bytes, until an instruction after which it does not.
pub fn straight_bytes(arch: Arch, module: &Module, address: u64, most: u64) -> u64 {
    let code = Code::File(module);
    let code = code.bytes_at(address, most as usize).unwrap_or_default();
    match arch {
        Arch::X86_64 => {
            let mut decoder = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE);
            for instruction in &mut decoder {
                let goes_on = !matches!(
                    instruction.mnemonic(),
                    Mnemonic::Hlt | Mnemonic::Ud2 | Mnemonic::Int3 | Mnemonic::Ret | Mnemonic::Jmp
                );
                if !goes_on || instruction.is_invalid() {
                    return instruction.next_ip();
                }
            }
        }
        Arch::Aarch64 => {
            let (words, _) = code.as_chunks::<4>();
            let words = words.iter().map(|word| u32::from_le_bytes(*word));
            // `b`, `br`, `ret`, `brk` and `udf`.
            let ends = |word: u32| {
                word >> 26 == 0x05
                    || word & 0xff9f_fc1f == 0xd61f_0000
                    || word >> 21 == 0x6a1
                    || word >> 16 == 0
            };
            if let Some(last) = words.into_iter().position(ends) {
                return (last as u64 + 1) * 4;
            }
        }
    }
    code.len() as u64
}

/// Whether a thread that returns there ends.
pub fn is_thread_exit(arch: Arch, module: &Module, address: u64) -> bool {
    let is_there = |code: Vec<u8>| code == THREAD_EXIT;
    let code = Code::File(module);
    arch == Arch::X86_64
        && code
            .exactly(address, THREAD_EXIT.len())
            .is_some_and(is_there)
}

enum Next {
    On,
    /// And takes so many bytes of arguments off the stack.
    Returns(u16),
    /// It is a call instead of a return, or a jump inside of the function.
    Jumps,
    Ends,
}

struct Walk<'a> {
    text: Text<'a>,
    /// A jump to an address that is not told leaves the function. In generated code, as an interpreter's, it goes anywhere.
    jumps_leave: bool,
    extent: Range<u64>,
    aside: Vec<State>,
    /// Addresses, so that loops are left.
    seen: HashSet<u64>,
}

impl<'a> Walk<'a> {
    fn new(code: Code<'a>, address: u64) -> Self {
        Self {
            extent: address..address,
            jumps_leave: matches!(code, Code::File(_)),
            text: Text::new(code),
            aside: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn until_return(mut self, address: u64, units: &mut u64) -> WayOut {
        let rule = self.follow_all(address);
        *units += self.seen.len() as u64 * INSTRUCTION_UNITS;
        *units += self.text.chunks() as u64 * CHUNK_UNITS;
        WayOut {
            rule,
            extent: self.extent,
        }
    }

    fn follow_all(&mut self, address: u64) -> Option<Compact> {
        let at = |base| Sum { base, offset: 0 };
        let mut state = State {
            address,
            sp: at(Named::RSP),
            fp: FramePointer::Is(at(Named::RBP)),
        };
        let mut by_jump = None;
        for _ in 0..MOST_INSTRUCTIONS {
            let is_new = self.seen.insert(state.address);
            let next = match is_new
                .then(|| self.text.instruction(state.address))
                .flatten()
            {
                Some(instruction) => {
                    self.extent.start = self.extent.start.min(instruction.ip());
                    self.extent.end = self.extent.end.max(instruction.next_ip());
                    self.follow(&instruction, &mut state)
                }
                None => Next::Ends,
            };
            match next {
                Next::On => continue,
                Next::Returns(arguments) => {
                    if let Some(found) = compact(&state, arguments) {
                        return Some(found);
                    }
                }
                Next::Jumps => by_jump = by_jump.or_else(|| compact(&state, 0)),
                Next::Ends => {}
            }
            match self.aside.pop() {
                Some(other) => state = other,
                None => break,
            }
        }
        by_jump
    }

    fn follow(&mut self, instruction: &Instruction, state: &mut State) -> Next {
        const WORD: i64 = 8;
        state.address = instruction.next_ip();
        let immediate = || instruction.immediate(1) as i64;
        let address_of = |state: &State| address_of(instruction, state);
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        match instruction.mnemonic() {
            Mnemonic::Ret if instruction.op_count() == 0 => return Next::Returns(0),
            Mnemonic::Ret => return Next::Returns(instruction.immediate16()),
            Mnemonic::Jmp if is_branch(instruction) => {
                state.address = instruction.near_branch_target();
            }
            Mnemonic::Jmp if self.jumps_leave => return Next::Jumps,
            Mnemonic::Jmp => return Next::Ends,
            Mnemonic::Int3 | Mnemonic::Ud2 | Mnemonic::Hlt => return Next::Ends,
            Mnemonic::Call => {}
            _ if is_branch(instruction) => {
                let address = instruction.near_branch_target();
                if self.aside.len() < MOST_WAYS {
                    self.aside.push(State { address, ..*state });
                }
            }
            Mnemonic::Push if is_word(instruction) => state.sp = state.sp.plus(-WORD),
            Mnemonic::Pop if is_word(instruction) => {
                if to == Named::RBP {
                    state.fp = FramePointer::From(state.sp);
                }
                state.sp = state.sp.plus(WORD);
            }
            Mnemonic::Leave => match state.fp {
                FramePointer::Is(sum) => {
                    state.fp = FramePointer::From(sum);
                    state.sp = sum.plus(WORD);
                }
                _ => return Next::Ends,
            },
            Mnemonic::Add if to == Named::RSP && from == Named::None => {
                state.sp = state.sp.plus(immediate());
            }
            Mnemonic::Sub if to == Named::RSP && from == Named::None => {
                state.sp = state.sp.plus(immediate().wrapping_neg());
            }
            Mnemonic::Lea if to == Named::RSP => match address_of(state) {
                Some(sum) => state.sp = sum,
                None => return Next::Ends,
            },
            Mnemonic::Mov if to == Named::RSP && from == Named::RBP => match state.fp {
                FramePointer::Is(sum) => {
                    state.sp = sum;
                }
                _ => return Next::Ends,
            },
            Mnemonic::Mov if to == Named::RBP && from == Named::RSP => {
                state.fp = FramePointer::Is(state.sp);
            }
            Mnemonic::Mov if to == Named::RBP && instruction.op1_kind() == OpKind::Memory => {
                state.fp = address_of(state).map_or(FramePointer::Unknown, FramePointer::From);
            }
            Mnemonic::Cmp | Mnemonic::Test => {}
            Mnemonic::Xchg | Mnemonic::Xadd if is_sp(from) => return Next::Ends,
            _ if is_sp(to) => return Next::Ends,
            Mnemonic::Push
            | Mnemonic::Pop
            | Mnemonic::Pushfq
            | Mnemonic::Popfq
            | Mnemonic::Enter => {
                return Next::Ends;
            }
            Mnemonic::Xchg | Mnemonic::Xadd if is_fp(from) => {
                state.fp = FramePointer::Unknown;
            }
            _ if is_fp(to) => state.fp = FramePointer::Unknown,
            _ => {}
        }
        Next::On
    }
}

/// To an address that the instruction names.
fn is_branch(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::NearBranch64
}

fn is_word(instruction: &Instruction) -> bool {
    matches!(
        instruction.code(),
        Encoding::Push_r64
            | Encoding::Push_rm64
            | Encoding::Pushq_imm32
            | Encoding::Pushq_imm8
            | Encoding::Pop_r64
            | Encoding::Pop_rm64
    )
}

fn is_sp(register: Named) -> bool {
    [Named::RSP, Named::ESP, Named::SP, Named::SPL].contains(&register)
}

fn is_fp(register: Named) -> bool {
    [Named::RBP, Named::EBP, Named::BP, Named::BPL].contains(&register)
}
