//! The eBPF programs. Each probe exists twice: as `tp_btf`, which reads kernel memory directly, and as `raw_tp` for
//! kernels that refuse the first. The loader attaches one of the two; both share everything else.
//!
//! A program filters first (is it the monitored process? is the window open?) and only then looks for the thread's
//! record, so that every other process on the machine pays for the dispatch alone.
#![no_std]
// `AtomicU64::fetch_add` does not exist for this target; the intrinsic does.
#![feature(core_intrinsics)]
// What the loader puts into an instruction stands in it as a placeholder.
#![feature(asm_experimental_arch)]
#![allow(internal_features, reason = "see above")]
#![no_main]

mod arguments;
mod calls;
mod event;
mod kernel;
mod losses;
mod maps;
mod off_cpu;
mod programs;
mod record;
mod recorder;
mod rows;
mod stacks;
mod targets;
mod window;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: unreachable: the programs are built without a panicking path, and the verifier would refuse an endless one.
    unsafe { core::hint::unreachable_unchecked() }
}

/// Some helpers are for programs under the GPL only. This crate is offered under MIT or GPL-2.0.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
