//! Control flow of x86, by iced-x86's decoder.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register};

use crate::code::flow::{Condition, Flow, Step};

/// `None`: the bytes are no instruction.
pub fn decode(bits: u32, code: &[u8], address: u64) -> Option<Instruction> {
    let decoder = Decoder::with_ip(bits, code, address, DecoderOptions::NONE);
    decoder.into_iter().next().filter(|it| !it.is_invalid())
}

pub fn step(bits: u32, code: &[u8], address: u64) -> Option<Step> {
    let instruction = decode(bits, code, address)?;
    Some(Step {
        bytes: instruction.len() as u64,
        flow: flow(&instruction),
    })
}

/// Of a near conditional jump without prefixes: two of its code, four of the distance.
const NEAR_BYTES: usize = 6;

fn flow(instruction: &Instruction) -> Flow {
    match instruction.flow_control() {
        FlowControl::Return if is_near_return(instruction.code()) => Flow::Return,
        FlowControl::Return => Flow::Foreign,
        FlowControl::UnconditionalBranch if is_near(instruction) => {
            Flow::Jump(instruction.near_branch_target())
        }
        FlowControl::UnconditionalBranch => Flow::Foreign,
        FlowControl::ConditionalBranch => {
            // Of the others, the short ones, `loop` and `jrcxz`, the first byte says it.
            let condition = if instruction.is_jcc_near() && instruction.len() == NEAR_BYTES {
                Condition::Readable
            } else {
                Condition::Unreadable
            };
            Flow::Branch(instruction.near_branch_target(), condition)
        }
        FlowControl::IndirectBranch if instruction.is_jmp_far_indirect() => Flow::Foreign,
        FlowControl::IndirectBranch if is_pointer(instruction) => Flow::Pointer,
        FlowControl::IndirectBranch => Flow::Computed,
        FlowControl::Exception => Flow::Nowhere,
        FlowControl::Interrupt if instruction.code() == Code::Int3 => Flow::Nowhere,
        FlowControl::Next if instruction.code() == Code::Hlt => Flow::Nowhere,
        FlowControl::Call if is_near(instruction) => {
            Flow::Call(Some(instruction.near_branch_target()))
        }
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call(None),
        FlowControl::Next | FlowControl::Interrupt | FlowControl::XbeginXabortXend => Flow::Next,
    }
}

fn is_near_return(code: Code) -> bool {
    matches!(
        code,
        Code::Retnq | Code::Retnq_imm16 | Code::Retnd | Code::Retnd_imm16 | Code::Retnw
    )
}

fn is_near(instruction: &Instruction) -> bool {
    matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

/// The word at a fixed address that says where the jump leads which `code` begins with.
pub fn pointer(bits: u32, code: &[u8], address: u64) -> Option<u64> {
    let instruction = decode(bits, code, address)?;
    is_pointer(&instruction).then(|| instruction.memory_displacement64())
}

/// Whether it jumps to what a word at a fixed address says.
fn is_pointer(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::Memory
        && instruction.memory_index() == Register::None
        && matches!(
            instruction.memory_base(),
            Register::None | Register::RIP | Register::EIP
        )
        && matches!(
            instruction.segment_prefix(),
            Register::None | Register::CS | Register::DS
        )
}

#[cfg(test)]
mod tests {
    use super::step;
    use crate::code::flow::{Condition, Flow, Step};

    #[test]
    fn each_way_out_of_an_instruction_is_known() {
        for (code, flow) in [
            (&[0xc3][..], Flow::Return),
            (&[0xf3, 0xc3], Flow::Return),
            (&[0xc2, 8, 0], Flow::Return),
            (&[0xcb], Flow::Foreign),
            (&[0x48, 0xcf], Flow::Foreign),
            (&[0xeb, 0x10], Flow::Jump(0x1012)),
            (&[0xe9, 0xfb, 0xff, 0xff, 0xff], Flow::Jump(0x1000)),
            (&[0x74, 2], Flow::Branch(0x1004, Condition::Unreadable)),
            (
                &[0x0f, 0x8f, 0, 0, 0, 0],
                Flow::Branch(0x1006, Condition::Readable),
            ),
            (
                &[0x2e, 0x0f, 0x8f, 0, 0, 0, 0],
                Flow::Branch(0x1007, Condition::Unreadable),
            ),
            (&[0xe3, 0], Flow::Branch(0x1002, Condition::Unreadable)),
            (&[0xff, 0x25, 0, 0, 0, 0], Flow::Pointer),
            (&[0xff, 0x24, 0x25, 0, 0, 0, 0], Flow::Pointer),
            (&[0xff, 0xe0], Flow::Computed),
            (&[0x3e, 0xff, 0xe0], Flow::Computed),
            (&[0xff, 0x60, 0x18], Flow::Computed),
            (&[0xff, 0x24, 0xc5, 0, 0, 0, 0], Flow::Computed),
            (&[0x64, 0xff, 0x24, 0x25, 0, 0, 0, 0], Flow::Computed),
            (&[0xe8, 0, 0, 0, 0], Flow::Call(Some(0x1005))),
            (&[0xff, 0xd0], Flow::Call(None)),
            (&[0x0f, 0x05], Flow::Call(None)),
            (&[0x0f, 0x0b], Flow::Nowhere),
            (&[0xcc], Flow::Nowhere),
            (&[0xf4], Flow::Nowhere),
            (&[0x90], Flow::Next),
        ] {
            let bytes = code.len() as u64;
            assert_eq!(
                step(64, code, 0x1000),
                Some(Step { bytes, flow }),
                "{code:x?}"
            );
        }
        assert_eq!(step(64, &[0x06], 0), None);
        assert_eq!(step(64, &[0xe9, 0], 0), None);
    }
}
