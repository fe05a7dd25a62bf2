//! What the tests call and put triggers on.

use std::time::Duration;

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
