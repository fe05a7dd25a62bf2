//! `list PROGRAM [FILTER]`: what can be probed in a program, and how long it took to find out.
//! `list PROGRAM -t TRIGGER`: where a trigger is.

use std::path::Path;
use std::time::Instant;

use probe_points::{Error, Objects, Pattern, ReturnProbes, list, parse, resolve};

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (program, rest) = match arguments[..] {
        [program, ref rest @ ..] => (program, rest),
        [] => ("/proc/self/exe", &[][..]),
    };
    let begun = Instant::now();
    let objects = match program.parse() {
        Ok(pid) => Objects::of_process(pid)?,
        Err(_) => Objects::of_command(Path::new(program), Path::new("/"))?,
    };
    if let [_, trigger] = rest {
        let points = resolve(&parse(trigger)?, &objects, ReturnProbes::AtEnds);
        println!("{points:#?}");
    } else {
        let filter = rest.first().map(|text| Pattern::new(text));
        let listing = list(Some(&objects), filter.as_ref())?;
        let took = begun.elapsed();
        for entry in &listing.entries {
            let readable = entry.demangled.as_deref().unwrap_or_default();
            println!("{} {readable}", entry.trigger);
        }
        for problem in listing.problems {
            eprintln!("{problem}");
        }
        eprintln!("{} entries in {took:?}", listing.entries.len());
        return Ok(());
    }
    eprintln!("{:?}", begun.elapsed());
    Ok(())
}
