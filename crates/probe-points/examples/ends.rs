//! Where the functions of a program and its libraries return, one line each: `cargo run --example ends -- /path/to/program [object]`.

use std::path::Path;

use probe_points::{Objects, Point, ReturnProbes, parse, resolve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("a program's path is missing")?;
    let objects = Objects::of_command(Path::new(&program), Path::new("/"))?;
    let wanted = arguments.next();
    for object in objects.iter() {
        let name = String::from_utf8_lossy(object.base_name()).into_owned();
        if wanted.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let functions = object.functions()?;
        let mut addresses: Vec<u64> = functions
            .iter()
            .filter(|function| !function.is_indirect)
            .map(|function| function.address)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        for address in addresses {
            let path = String::from_utf8_lossy(object.path()).into_owned();
            let trigger = parse(&format!("ur:{path}:{address:#x}"))?;
            match resolve(&trigger, &objects, ReturnProbes::AtEnds) {
                Ok(points) => {
                    let offsets: Vec<String> = points
                        .iter()
                        .filter_map(|point| match point {
                            Point::User {
                                offset,
                                is_conditional,
                                ..
                            } => Some(match is_conditional {
                                true => format!("{offset:#x}?"),
                                false => format!("{offset:#x}"),
                            }),
                            _ => None,
                        })
                        .collect();
                    println!("{address:#x} {}", offsets.join(" "));
                }
                Err(error) => println!("{address:#x} refused: {}", error.message),
            }
        }
    }
    Ok(())
}
