//! How long it takes to walk a stack, and to name addresses.
//!
//! `measure walk PID`: walks one stack of the main thread many times. `measure names FILE [COUNT]`: names distinct addresses
//! all over a program, and says how much memory that took.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use probe_points::open::Root;
use stacks::{Arch, CopiedStack, Modules, ProcessMaps, Registers, Symbolizer, Unwinder};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["walk", pid] => walk(pid.parse()?),
        ["names", file] => names(file, 10_000),
        ["names", file, count] => names(file, count.parse()?),
        _ => Err("usage: measure walk PID | measure names FILE [COUNT]".into()),
    }
}

fn walk(pid: u32) -> Result<(), Box<dyn Error>> {
    const TIMES: u32 = 100_000;
    // The last two numbers are the stack pointer and the program counter. Without the frame pointer, some stacks are cut.
    let text = std::fs::read_to_string(format!("/proc/{pid}/syscall"))?;
    let numbers: Vec<u64> = text
        .split_ascii_whitespace()
        .filter_map(|number| u64::from_str_radix(number.strip_prefix("0x")?, 16).ok())
        .collect();
    let [.., sp, pc] = numbers[..] else {
        return Err("the main thread is in no system call".into());
    };
    let mut bytes = vec![0; 64 << 10];
    let count = File::open(format!("/proc/{pid}/mem"))?.read_at(&mut bytes, sp)?;
    let stack = CopiedStack {
        base: sp,
        bytes: &bytes[..count],
    };
    let registers = match Arch::ours() {
        Some(Arch::Aarch64) => Registers::aarch64(pc, sp, 0, 0),
        _ => Registers::x86_64(pc, sp, 0),
    };
    let begin = Instant::now();
    let mut maps = ProcessMaps::open(pid, &Arc::new(Modules::default()))?;
    println!("maps and files: {:?}", begin.elapsed());
    let mut unwinder = Unwinder::new();
    let begin = Instant::now();
    let first = unwinder.unwind(&mut maps, &registers, stack);
    println!("first walk: {:?}", begin.elapsed());
    let begin = Instant::now();
    for _ in 0..TIMES {
        black_box(unwinder.unwind(&mut maps, black_box(&registers), stack));
    }
    let frames = first.frames.len();
    let each = begin.elapsed() / TIMES;
    println!(
        "{frames} frames, {:?}: {each:?} per walk, {} ns per frame",
        first.end,
        each.as_nanos() / frames as u128
    );
    let mut symbolizer = Symbolizer::new();
    for round in ["first", "again"] {
        let begin = Instant::now();
        for frame in &first.frames {
            black_box(symbolizer.place(&frame.place, frame.pc));
        }
        println!("names, {round}: {:?}", begin.elapsed());
    }
    let begin = Instant::now();
    black_box(symbolizer.kernel(u64::MAX));
    println!("kernel symbols: {:?}", begin.elapsed());
    memory()
}

fn names(path: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let root = Arc::new(Root::open(Path::new("/"))?);
    let path = std::path::absolute(path)?;
    let name = path.as_os_str().as_bytes().to_vec();
    let module = Modules::default().of_file(name, File::open(&path)?, &root)?;
    let addresses = addresses(&module, count)?;
    memory()?;
    let mut symbolizer = Symbolizer::new();
    let begin = Instant::now();
    let (mut functions, mut lines, mut slowest) = (0, 0, Duration::ZERO);
    for (index, address) in addresses.iter().enumerate() {
        let one = Instant::now();
        let frames = symbolizer.module(&module, *address);
        match index {
            0 => println!("first: {:?}", one.elapsed()),
            _ => slowest = slowest.max(one.elapsed()),
        }
        functions += frames.iter().filter(|f| f.function.is_some()).count();
        lines += usize::from(frames.iter().any(|frame| frame.source.is_some()));
    }
    let took = begin.elapsed();
    println!(
        "{} addresses: {took:?}, {functions} functions",
        addresses.len()
    );
    println!("{lines} with lines, the slowest but the first {slowest:?}");
    memory()
}

/// In the middle of functions and, if there are not enough, all over them. Their tables are not kept.
fn addresses(module: &stacks::Module, count: usize) -> Result<Vec<u64>, Box<dyn Error>> {
    let file = Arc::clone(module.object().file());
    let object = probe_points::Object::new(Vec::new(), file.try_clone()?, module.object().root())?;
    let functions = object.functions()?;
    let mut found: Vec<u64> = functions.iter().map(|f| f.address + f.bytes / 2).collect();
    found.sort();
    found.dedup();
    let mut part = 1;
    while found.len() < count && part < 64 {
        found.extend(functions.iter().map(|f| f.address + f.bytes * part / 64));
        found.sort();
        found.dedup();
        part += 2;
    }
    let step = (found.len() / count).max(1);
    Ok(found.into_iter().step_by(step).take(count).collect())
}

fn memory() -> Result<(), Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| {
        let wanted = ["VmHWM", "RssAnon", "RssFile", "RssShmem"];
        wanted.iter().any(|name| line.starts_with(name))
    });
    let text: Vec<String> = lines.map(|line| line.replace('\t', " ")).collect();
    println!("{}", text.join(", "));
    Ok(())
}
