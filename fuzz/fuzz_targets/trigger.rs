//! Any text parses to a trigger whose canonical spelling parses to the same, or is an error of one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use probe_points::{LONGEST_TRIGGER, parse};

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(trigger) => {
            let spelt = trigger.to_string();
            // Escapes take more room than what they stand for.
            if spelt.len() <= LONGEST_TRIGGER {
                assert_eq!(parse(&spelt), Ok(trigger));
            }
        }
        Err(error) => assert!(!error.message.chars().any(char::is_control)),
    }
});
