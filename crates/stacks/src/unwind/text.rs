//! Code to be followed instruction by instruction: of a file, or as it was generated in a process's memory.

use iced_x86::{Decoder, DecoderOptions, Instruction};

use crate::mapped::generated::GeneratedCode;
use crate::mapped::module::Module;

/// Read at a time, and how often.
const CHUNK: usize = 4096;
const MOST_CHUNKS: usize = 64;
/// Of it before the instruction: loops go back.
const BEFORE: u64 = 1024;
/// Of an instruction.
const LONGEST: usize = 15;

/// Addresses are the file's own, or the process's.
#[derive(Clone, Copy)]
pub enum Code<'a> {
    File(&'a Module),
    Memory(GeneratedCode<'a>),
}

impl Code<'_> {
    /// Up to so many bytes from there on. `None`: no code is there, or it cannot be read.
    pub fn bytes_at(&self, address: u64, most: usize) -> Option<Vec<u8>> {
        match self {
            Self::File(module) => {
                let offset = module.object().elf().ok()?.code_offset(address)?;
                module.object().bytes_at(offset, most).ok()
            }
            Self::Memory(code) => code.bytes_at(address, most),
        }
    }

    pub fn exactly(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        let code = self.bytes_at(address, bytes)?;
        (code.len() == bytes).then_some(code)
    }
}

/// What has been read of it last is kept.
pub struct Text<'a> {
    code: Code<'a>,
    start: u64,
    chunk: Vec<u8>,
    chunks: usize,
}

impl<'a> Text<'a> {
    pub fn new(code: Code<'a>) -> Self {
        Self {
            code,
            start: 0,
            chunk: Vec::new(),
            chunks: 0,
        }
    }

    /// How many were read.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    pub fn instruction(&mut self, address: u64) -> Option<Instruction> {
        let within = |text: &Self| {
            let from = usize::try_from(address.checked_sub(text.start)?).ok()?;
            (from + LONGEST <= text.chunk.len()).then_some(from)
        };
        if within(self).is_none() {
            self.chunks += 1;
            if self.chunks > MOST_CHUNKS {
                return None;
            }
            let starts = [address.saturating_sub(BEFORE), address];
            let (start, chunk) = starts
                .into_iter()
                .find_map(|start| Some((start, self.code.bytes_at(start, CHUNK)?)))?;
            (self.start, self.chunk) = (start, chunk);
        }
        let from = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let code = self.chunk.get(from..)?;
        let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
        (!instruction.is_invalid()).then_some(instruction)
    }
}
