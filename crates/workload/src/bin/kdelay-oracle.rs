//! Does exactly what its mode says, and states it. `kdelay-oracle --help` lists the modes.

use std::process::ExitCode;

use workload::arena::Arena;
use workload::{arguments, modes};

#[global_allocator]
static ARENA: Arena = Arena::new();

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{}", arguments::USAGE);
        return ExitCode::SUCCESS;
    }
    match arguments::parse(&words).and_then(modes::run) {
        // Straight out: joining or dropping anything would add calls after the truth was told.
        Ok(()) => workload::tally::exit_process(0),
        Err(error) => {
            eprintln!("kdelay-oracle: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
