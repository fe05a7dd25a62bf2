//! What the tests call and put triggers on.

use std::time::Duration;

use loader::kernel::clock::monotonic_ns;

/// A function that does nothing and is still called.
macro_rules! trigger_function {
    ($name:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $name(value: u64) -> u64 {
            std::hint::black_box(value)
        }
    };
}

trigger_function!(kdelay_test_begin);
trigger_function!(kdelay_test_end);
trigger_function!(kdelay_test_storm);
trigger_function!(kdelay_test_never);
trigger_function!(kdelay_test_race);
trigger_function!(kdelay_test_relay);

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn kdelay_test_sleep(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn kdelay_test_recursion(depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    std::hint::black_box(kdelay_test_recursion(depth - 1)) + 1
}

/// What a call reads of the clock as the first and as the last thing that it does.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Inside {
    pub first_ns: u64,
    pub last_ns: u64,
}

/// Calls itself so often, and sleeps before and after.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn kdelay_test_walk(depth: u64, milliseconds: u64, inside: &mut Inside) -> u64 {
    inside.first_ns = monotonic_ns();
    std::thread::sleep(Duration::from_millis(milliseconds));
    let mut within = Inside::default();
    let below = match depth {
        0 => 0,
        _ => kdelay_test_walk(depth - 1, milliseconds, &mut within),
    };
    std::thread::sleep(Duration::from_millis(milliseconds));
    inside.last_ns = monotonic_ns();
    std::hint::black_box(below) + 1
}

/// Does not return if `leave` does not.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn kdelay_test_leave(leave: extern "C" fn()) -> u64 {
    leave();
    std::hint::black_box(1)
}
