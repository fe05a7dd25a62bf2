//! How user stacks are taken.

use abi::stack::FRAME_POINTER_BYTES;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserStacks {
    #[default]
    None,
    /// So many bytes are copied, and walked by unwind tables: a power of two of 4096, up to 65536.
    Copied { bytes: u32 },
    /// By the kernel. Functions that have none, and often their callers, are left out.
    ByFramePointer,
}

impl UserStacks {
    /// `bytes`: 0 for none.
    pub fn copied(bytes: u32) -> Self {
        match bytes {
            0 => Self::None,
            bytes => Self::Copied { bytes },
        }
    }

    /// As the programs are told.
    pub fn bytes(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Copied { bytes } => bytes,
            Self::ByFramePointer => FRAME_POINTER_BYTES as u32,
        }
    }
}
