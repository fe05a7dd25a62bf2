//! Where the start trigger is a function's entry and the stop trigger its return: the outermost call on a stack owns the window
//! that it opens, and closes it as it returns. What each event means is said in `abi::calls`.

use abi::calls::{
    Call, Entered, Entry, NO_PAIR, OF_GOROUTINES, OF_KERNEL, Owner, Returned, StackKey, UNKNOWN,
    Words,
};
use abi::control::EdgeKind;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_probe_read_kernel, bpf_probe_read_user};
use aya_ebpf::programs::ProbeContext;

use crate::kernel::{Probed, Task, probed_register};
use crate::losses::lose;
use crate::maps::{CALLS, config};
use crate::window;
use crate::window::triggers::{self, End};

/// Whether the triggers are such a pair: else nothing here runs.
#[inline(always)]
pub fn are_told_apart() -> bool {
    config!(pair) != NO_PAIR
}

/// The stack that a probe has hit on.
struct Stack {
    key: StackKey,
    /// See [`Call`].
    base: u64,
    frame: u64,
}

impl Stack {
    #[inline(always)]
    fn of(ctx: &ProbeContext) -> Self {
        let sp = probed_register!(ctx, regs_sp);
        let task = bpf_get_current_pid_tgid();
        if config!(pair) == OF_KERNEL {
            // Soft interrupts have stacks of their own, and the idle tasks of all CPUs the same pid.
            let place = sp >> config!(stack_shift);
            return Self::counted_from(0, StackKey { place, task }, sp);
        }
        if config!(pair) == OF_GOROUTINES {
            let g = probed_register!(ctx, regs_g);
            // `struct g { stack struct { lo, hi uintptr }; … }`. In C, and in what Go has of assembly, the register may hold anything.
            // SAFETY: the helper checks the address.
            let ends = unsafe { bpf_probe_read_user(g as *const [u64; 2]) };
            if let Ok([low, high]) = ends
                && low < sp
                && sp < high
            {
                let task = task & !u64::from(u32::MAX);
                return Self::counted_from(high, StackKey { place: g, task }, sp);
            }
        }
        Self::counted_from(0, StackKey { place: 0, task }, sp)
    }

    #[inline(always)]
    fn counted_from(base: u64, key: StackKey, sp: u64) -> Self {
        Self {
            key,
            base,
            frame: sp.wrapping_sub(base),
        }
    }

    /// The call that is known to be the outermost one; [`Call::NONE`]: there is none. A copy: its entry may be given to another stack
    /// meanwhile. (No `Option`: what one does not hold would be read all the same, which the verifier refused before Linux 6.3.)
    #[inline(always)]
    fn known(&self) -> Call {
        // SAFETY: integers alone, so that whatever is there is a call.
        match unsafe { CALLS.get(&self.key) } {
            Some(call) => *call,
            None => Call::NONE,
        }
    }
}

#[inline(always)]
fn word(address: u64) -> Option<u64> {
    let from = address as *const u64;
    if config!(pair) == OF_KERNEL {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(from) }.ok()
    } else {
        // SAFETY: as above.
        unsafe { bpf_probe_read_user(from) }.ok()
    }
}

/// The function is entered.
#[inline(always)]
pub fn entered(ctx: &ProbeContext) {
    let now_ns = window::clock();
    let stack = Stack::of(ctx);
    let replaced = config!(replaced);
    let return_address = if replaced == UNKNOWN {
        0
    } else {
        word(stack.base.wrapping_add(stack.frame)).unwrap_or(0)
    };
    let entry = Entry {
        frame: stack.frame,
        base: stack.base,
        return_address,
        pc: probed_register!(ctx, regs_pc),
    };
    let words = Words {
        replaced,
        again_within: if config!(pair) == OF_GOROUTINES && stack.base != 0 {
            config!(function_bytes)
        } else {
            0
        },
    };
    let known = stack.known();
    let entered = if known.is_none() {
        Entered::Outermost
    } else {
        known.entered(&entry, words, word)
    };
    let since_ns = match entered {
        Entered::Nested => return,
        Entered::Again => known.since_ns,
        Entered::Outermost => now_ns,
    };
    let call = Call {
        frame: stack.frame,
        base: stack.base,
        return_address,
        since_ns,
    };
    let is_noted = CALLS.insert(&stack.key, &call, 0).is_ok();
    if matches!(entered, Entered::Again) {
        return;
    }
    if !is_noted {
        // It would be taken for the one that was left, or nobody would know which of its returns closes the window.
        return lose!(triggers);
    }
    let owner = Owner {
        key: stack.key,
        frame: stack.frame,
    };
    triggers::call_begun(&owner, now_ns);
}

/// The function returns.
#[inline(always)]
pub fn returned(ctx: &ProbeContext) {
    let now_ns = window::clock();
    let stack = Stack::of(ctx);
    let known = stack.known();
    if !known.is_none() {
        if matches!(known.returned(stack.frame), Returned::Nested) {
            return;
        }
        let _ = CALLS.remove(&stack.key);
    }
    let end = Return {
        key: stack.key,
        frame: stack.frame,
        since_ns: known.since_ns,
    };
    triggers::call_ended(&end, now_ns);
}

struct Return {
    key: StackKey,
    frame: u64,
    /// When the call began that was known to be the outermost one; 0: none was.
    since_ns: u64,
}

impl End for Return {
    #[inline(always)]
    fn closes(&self, owner: &Owner, start_ns: u64) -> Option<EdgeKind> {
        if owner.key != self.key {
            return None;
        }
        // Else the window's call was left, and another has begun since.
        let is_owners = self.since_ns == 0 || self.since_ns == start_ns;
        match owner.returned(self.frame) {
            Returned::Outermost if is_owners => Some(EdgeKind::Closed),
            Returned::Nested if is_owners => None,
            _ => Some(EdgeKind::Left),
        }
    }
}

/// The current thread ends, and with it the call that it is in.
#[inline(always)]
pub fn thread_ends() {
    if config!(pair) == NO_PAIR {
        return;
    }
    let task = bpf_get_current_pid_tgid();
    if config!(pair) != OF_KERNEL {
        let _ = CALLS.remove(&StackKey { place: 0, task });
    }
    triggers::call_ended(&ThreadEnds { task }, window::clock());
}

struct ThreadEnds {
    task: u64,
}

impl End for ThreadEnds {
    #[inline(always)]
    fn closes(&self, owner: &Owner, _: u64) -> Option<EdgeKind> {
        let of_goroutine = is_goroutine(owner);
        if of_goroutine && owner.key.task >> 32 != self.task >> 32 {
            return None;
        }
        if !of_goroutine && owner.key.task != self.task {
            return None;
        }
        let process_ends = Task::<Probed>::current().process_ends();
        if of_goroutine && !process_ends {
            return None;
        }
        // The sample of a program that ends in the call says so.
        let is_only_target = self.task >> 32 == u64::from(config!(target_tgid));
        Some(if is_only_target && process_ends {
            EdgeKind::Ended
        } else {
            EdgeKind::Left
        })
    }
}

/// The current thread, which had this id, executes another program.
#[inline(always)]
pub fn executes(old_tid: u32) {
    if config!(pair) == NO_PAIR {
        return;
    }
    let now = bpf_get_current_pid_tgid();
    let before = now & !u64::from(u32::MAX) | u64::from(old_tid);
    if config!(pair) == OF_KERNEL {
        // It goes on, on the kernel's stack; but by another id its return is not known for this call's.
        if now == before {
            return;
        }
    } else {
        let _ = CALLS.remove(&StackKey {
            place: 0,
            task: before,
        });
    }
    triggers::call_ended(&Executes { task: before }, window::clock());
}

struct Executes {
    /// As it was before.
    task: u64,
}

impl End for Executes {
    #[inline(always)]
    fn closes(&self, owner: &Owner, _: u64) -> Option<EdgeKind> {
        let is_its = if is_goroutine(owner) {
            owner.key.task >> 32 == self.task >> 32
        } else {
            owner.key.task == self.task
        };
        is_its.then_some(EdgeKind::Left)
    }
}

#[inline(always)]
fn is_goroutine(owner: &Owner) -> bool {
    config!(pair) == OF_GOROUTINES && owner.key.place != 0
}
