//! What a function's instructions do: where they begin, where control goes from them, and where the function ends.

pub mod arm64;
pub mod by_address;
pub mod by_table;
pub mod computed;
pub mod definitions;
pub mod ends;
pub mod flow;
pub mod jump_table;
pub mod leads;
pub mod machine;
pub mod nop_of_five;
pub mod others;
pub mod place;
pub mod sweep;
pub mod thunk;
pub mod unprobeable;
pub mod walk;
pub mod x86;
