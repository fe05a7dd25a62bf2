//! Where functions return, compared with what objdump shows of compiled and of installed programs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use probe_points::{Error, ErrorKind, Objects, Point, ReturnProbes, parse, resolve};
use support::{Folder, run};

/// What binutils say of a file.
struct Disassembled {
    /// By address.
    instructions: BTreeMap<u64, String>,
    /// Their lengths, by where they begin.
    functions: BTreeMap<u64, u64>,
    names: BTreeMap<String, u64>,
    /// Address, offset in the file, bytes.
    segments: Vec<(u64, u64, u64)>,
    stubs: Vec<(u64, u64)>,
}

fn hexadecimal(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

impl Disassembled {
    fn new(file: &Path) -> Self {
        let mut read = Self {
            instructions: BTreeMap::new(),
            functions: BTreeMap::new(),
            names: BTreeMap::new(),
            segments: Vec::new(),
            stubs: Vec::new(),
        };
        let text = run(Command::new("objdump")
            .args(["-d", "-w", "--no-show-raw-insn"])
            .arg(file));
        for line in text.lines() {
            if let Some((address, instruction)) = line.split_once(":\t")
                && let Ok(address) = u64::from_str_radix(address.trim(), 16)
            {
                read.instructions
                    .insert(address, instruction.trim().to_owned());
            }
        }
        let text = run(Command::new("readelf").args(["-W", "-s"]).arg(file));
        for line in text.lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [_, address, bytes, "FUNC", _, _, section, name, ..] = fields[..]
                && section != "UND"
            {
                let (address, bytes) = (hexadecimal(address), bytes.parse::<u64>().unwrap());
                let longest = read.functions.entry(address).or_insert(0);
                *longest = bytes.max(*longest);
                read.names.insert(name.to_owned(), address);
            }
        }
        let text = run(Command::new("readelf").args(["-W", "-l", "-S"]).arg(file));
        for line in text.lines() {
            let line = line.split_once("] ").map_or(line, |(_, rest)| rest);
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            match fields[..] {
                ["LOAD", offset, address, _, bytes, ..] => read.segments.push((
                    hexadecimal(address),
                    hexadecimal(offset),
                    hexadecimal(bytes),
                )),
                [name, "PROGBITS", address, _, bytes, ..] if name.starts_with(".plt") => {
                    read.stubs.push((hexadecimal(address), hexadecimal(bytes)));
                }
                _ => {}
            }
        }
        read
    }

    fn address(&self, offset: u64) -> u64 {
        let segment = self
            .segments
            .iter()
            .find(|(_, from, bytes)| (*from..from + bytes).contains(&offset));
        let (address, from, _) = segment.unwrap();
        offset - from + address
    }

    /// An instruction without its prefixes: the word, and where it jumps to.
    fn parts(&self, address: u64) -> (&str, Option<u64>) {
        let text = self.instructions.get(&address).map_or("", String::as_str);
        let mut words = text
            .split_ascii_whitespace()
            .skip_while(|word| ["bnd", "notrack", "rep", "repz", "cs"].contains(word));
        let name = words.next().unwrap_or_default();
        let to = words.next().and_then(|to| u64::from_str_radix(to, 16).ok());
        (name, to)
    }

    fn is_return(&self, address: u64) -> bool {
        self.parts(address).0.starts_with("ret")
    }

    /// The returns between its first and last byte, and what jumps from there to another function's start. `.cold` parts are none.
    fn least(&self, start: u64) -> BTreeSet<u64> {
        let is_part: HashSet<u64> = self
            .names
            .iter()
            .filter(|(name, _)| name.contains(".cold"))
            .map(|(_, address)| *address)
            .collect();
        let end = start + self.functions[&start];
        let ends = self.instructions.range(start..end).filter(|(at, _)| {
            let (name, to) = self.parts(**at);
            let leaves = |to: u64| {
                let is_stub = self
                    .stubs
                    .iter()
                    .any(|(from, bytes)| (*from..from + bytes).contains(&to));
                let is_function = self.functions.contains_key(&to) && !is_part.contains(&to);
                !(start..end).contains(&to) && (is_stub || is_function)
            };
            name.starts_with("ret") || (name.starts_with('j') && to.is_some_and(leaves))
        });
        ends.map(|(at, _)| *at).collect()
    }
}

fn ends(
    objects: &Objects,
    read: &Disassembled,
    path: &Path,
    start: u64,
) -> Result<BTreeSet<u64>, Error> {
    let trigger = format!("ur:{}:{start:#x}", path.display());
    let points = resolve(&parse(&trigger).unwrap(), objects, ReturnProbes::AtEnds)?;
    let offsets = points.iter().map(|point| match point {
        Point::User {
            offset,
            is_return: false,
            ..
        } => read.address(*offset),
        other => panic!("{other:?}"),
    });
    Ok(offsets.collect())
}

/// Of all functions; returns how many of them can be followed, and how many return and cannot.
fn check(path: &Path) -> (usize, usize) {
    let path = path.canonicalize().unwrap();
    let objects = Objects::of_command(&path, "/".as_ref()).unwrap();
    let read = Disassembled::new(&path);
    let (mut followed, mut refused) = (0, 0);
    for (&start, &bytes) in &read.functions {
        if bytes == 0 {
            continue;
        }
        let least = read.least(start);
        let found = match ends(&objects, &read, &path, start) {
            Ok(found) => found,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unprobeable, "{error}");
                refused += usize::from(!least.is_empty());
                continue;
            }
        };
        followed += 1;
        let missing: Vec<&u64> = least.difference(&found).collect();
        assert_eq!(missing, [&0; 0], "{start:#x} in {path:?}");
        for end in &found {
            let (name, _) = read.parts(*end);
            assert!(
                name.starts_with("ret") || name.starts_with('j'),
                "{start:#x} in {path:?} has {end:#x} {name}"
            );
            let is_inside = (start..start + bytes).contains(end);
            assert!(!is_inside || !read.is_return(*end) || least.contains(end));
        }
    }
    (followed, refused)
}

const C: &str = r#"
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) static int other(int x) { __asm__ volatile("" : "+r"(x)); return x * 3; }
__attribute__((noinline)) int leaf(int x) { return x + 1; }
__attribute__((noinline)) int early(int x) { if (x < 0) return -1; puts("x"); if (x == 7) return 3; return other(x) + 1; }
__attribute__((noinline)) int tail(int x) { return other(x + 1); }
__attribute__((noinline)) int library_tail(char const *s) { return puts(s); }
__attribute__((noinline)) int pointer_tail(int (*f)(int), int x) { return f(x + 1); }
struct object { int (*method)(struct object *, int); };
__attribute__((noinline)) int method_tail(struct object *o, int x) { return o->method(o, x); }
__attribute__((noinline)) int sparse(int x) {
    switch (x) { case 1: return 77; case 2: return other(5); case 3: puts("3"); break; case 4: return 12345; case 5: return x * x;
    case 6: return leaf(x); case 7: return -x; case 8: puts("8"); return 9; default: return 0; }
    return 11;
}
__attribute__((noinline)) int frameless(unsigned x, int y) {
    switch (x) { case 0: return y * 7; case 1: return y - 5; case 2: return y ^ 0x55; case 3: return y << 3; case 4: return y / 3;
    case 5: return y % 11; case 6: return ~y; default: return y; }
}
__attribute__((noinline)) int goes_to(int x) {
    static void *const places[] = {&&one, &&two, &&three};
    int sum = 0;
    for (int i = 0; i < x; i++) { goto *places[(unsigned)(x + i) % 3]; one: sum += other(i); continue; two: sum ^= leaf(i); continue; three: sum--; }
    return sum;
}
__attribute__((noinline)) int rarely(int x) { if (__builtin_expect(x == 12345, 0)) { puts("cold"); abort(); } return other(x) - 1; }
__attribute__((noinline)) void never(void) { puts("never"); exit(1); }
__attribute__((noinline)) int aligned(int n) { _Alignas(64) volatile char bytes[n + 100]; bytes[n] = 1; return other(bytes[n]) + 2; }
__attribute__((noinline)) int recursive(int n) { if (n == 0) return 1; int x = recursive(n - 1); __asm__ volatile("" : "+r"(x)); return x + n; }
static int called(struct object *o, int x) { return x + (o != 0); }
int main(int argc, char **argv) {
    struct object o = {called};
    int (*volatile f)(int) = leaf;
    printf("%d\n", leaf(1) + early(argc) + tail(2) + library_tail(argv[0]) + pointer_tail(f, 1) + method_tail(&o, 2) + sparse(argc)
        + frameless(argc, 3) + goes_to(argc) + rarely(argc) + aligned(argc) + recursive(4));
    if (argc == 99) never();
}
"#;

#[test]
fn each_end_of_compiled_c_is_found() {
    let folder = Folder::new();
    for (number, options) in [
        &["-O0"][..],
        &["-O1"],
        &["-O2"],
        &["-O3", "-fomit-frame-pointer"],
        &["-Os"],
        &["-O2", "-fcf-protection"],
        &["-O2", "-no-pie"],
        &["-O2", "-fno-plt"],
        &[
            "-O2",
            "-fno-omit-frame-pointer",
            "-freorder-blocks-and-partition",
        ],
        &[
            "-O2",
            "-fno-asynchronous-unwind-tables",
            "-fno-unwind-tables",
        ],
        &["-O2", "-m32"],
    ]
    .into_iter()
    .enumerate()
    {
        if options.contains(&"-m32")
            && !Path::new("/usr/include/x86_64-linux-gnu/gnu/stubs-32.h").exists()
        {
            continue;
        }
        let program = folder.compile("gcc", &format!("program{number}"), C, options);
        let (followed, refused) = check(&program);
        // Without them nothing tells the cases of a `switch`, which no way leads to, from data.
        let most_refused = 3 * usize::from(options.contains(&"-fno-unwind-tables"));
        assert!(followed >= 15 - most_refused, "{options:?}: {followed}");
        assert!(refused <= most_refused, "{options:?}: {refused}");
    }
}

const CPP: &str = r#"
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
struct Guard { std::string name; ~Guard() { std::puts(name.c_str()); } };
__attribute__((noinline)) int parse(int n) { Guard guard{"parse"}; if (n % 5 == 4) throw std::runtime_error("bad"); return n; }
__attribute__((noinline)) int request(int n) {
    try { Guard guard{"request"}; return parse(n) + 1; }
    catch (std::runtime_error const &error) { std::puts(error.what()); if (n > 50) throw; return -1; }
    catch (...) { return -2; }
}
struct Base { virtual ~Base() = default; virtual int value(int) = 0; };
struct Derived : Base { std::vector<int> numbers; int value(int x) override { numbers.push_back(x); return numbers.back(); } };
__attribute__((noinline)) int ask(Base *base, int x) { return base->value(x); }
int main(int argc, char **) {
    auto derived = std::make_unique<Derived>();
    try { return request(argc) + ask(derived.get(), argc); } catch (...) { return 1; }
}
"#;

#[test]
fn catch_blocks_are_followed() {
    let folder = Folder::new();
    for (number, options) in [&["-O0"][..], &["-O2"], &["-Os"], &["-O2", "-static"]]
        .into_iter()
        .enumerate()
    {
        let program = folder.compile("g++", &format!("program{number}"), CPP, options);
        let path = program.canonicalize().unwrap();
        let objects = Objects::of_command(&path, "/".as_ref()).unwrap();
        let read = Disassembled::new(&path);
        for name in ["_Z5parsei", "_Z7requesti", "_Z3askP4Basei"] {
            let start = read.names[name];
            let found = ends(&objects, &read, &path, start).unwrap();
            assert!(found.is_superset(&read.least(start)), "{options:?} {name}");
        }
        if !options.contains(&"-static") {
            assert_eq!(check(&program).1, 0, "{options:?}");
        }
    }
}

/// Of a file that has no symbols but those that it exports, the ends are those that it had before; but a part that compilers have
/// put elsewhere, and that neither leads back nor has a frame, counts as another function.
#[test]
fn without_symbols_the_ends_are_the_same() {
    let folder = Folder::new();
    let whole = folder.compile("gcc", "whole", C, &["-O2", "-rdynamic"]);
    let stripped = folder.join("stripped");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(&whole));
    let read = Disassembled::new(&whole);
    let mut same = 0;
    for (name, start) in &read.names {
        let found = |path: &PathBuf| {
            let objects = Objects::of_command(path, "/".as_ref()).unwrap();
            ends(&objects, &read, path, *start)
        };
        let (before, after) = (found(&whole), found(&stripped));
        match name.as_str() {
            "leaf" | "early" | "tail" | "library_tail" | "pointer_tail" | "method_tail"
            | "sparse" | "frameless" | "goes_to" | "rarely" | "aligned" | "recursive" => {
                let (before, after) = (before.unwrap(), after.unwrap());
                let cold = read.names.get(&format!("{name}.cold")).copied();
                let is_cold = |at: &u64| {
                    cold.is_some_and(|cold| (cold..cold + read.functions[&cold]).contains(at))
                };
                assert!(before.difference(&after).all(is_cold), "{name}");
                let to_cold = |at: &u64| read.parts(*at).1 == cold;
                assert!(after.difference(&before).all(to_cold), "{name}");
                same += 1;
            }
            _ => {}
        }
    }
    assert_eq!(same, 12);
}

#[test]
fn what_never_returns_has_no_end() {
    let folder = Folder::new();
    let program = folder.compile("gcc", "program", C, &["-O2"]);
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    let error = resolve(&parse("ur:never").unwrap(), &objects, ReturnProbes::AtEnds).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unprobeable);
    assert!(error.message.contains("it never returns"), "{error}");
}

const ASSEMBLER: &str = r#"
.text
.globl anywhere
.type anywhere,@function
anywhere: .cfi_startproc
 cmp $1, %edi
 je 1f
 jmp *%rsi
1: ret
.byte 0xb8
.cfi_endproc
.size anywhere,.-anywhere
.globl within
.type within,@function
within: jmp 2f
 .quad 0x1122c344c3c355c3
2: ret
.size within,.-within
.globl falls
.type falls,@function
falls: nop
.size falls,.-falls
.globl after
.type after,@function
after: ret
.size after,.-after
.globl main
.type main,@function
main: xor %eax,%eax
 ret
.size main,.-main
.section .note.GNU-stack,"",@progbits
"#;

#[test]
fn what_cannot_be_followed_is_refused_unless_a_uretprobe_is_allowed() {
    let folder = Folder::new();
    let source = folder.write("program.S", ASSEMBLER);
    let program = folder.join("program");
    run(Command::new("gcc").arg("-o").arg(&program).arg(source));
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    for (function, why) in [
        ("anywhere", "no way leads to"),
        ("within", "no way"),
        ("falls", "goes on into what follows it"),
    ] {
        let trigger = parse(&format!("ur:{function}")).unwrap();
        let error = resolve(&trigger, &objects, ReturnProbes::AtEnds).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unprobeable);
        assert!(error.message.contains(why), "{error}");
        assert!(error.hint.unwrap().contains("--allow-uretprobe"));
        let points = resolve(&trigger, &objects, ReturnProbes::OrUretprobe).unwrap();
        assert!(matches!(
            points[..],
            [Point::User {
                is_return: true,
                ..
            }]
        ));
    }
    let trigger = parse("ur:after").unwrap();
    let points = resolve(&trigger, &objects, ReturnProbes::OrUretprobe).unwrap();
    assert!(
        matches!(
            points[..],
            [Point::User {
                is_return: false,
                ..
            }]
        ),
        "it is not needed"
    );
}

/// What distributions compile, with whatever their compilers do.
#[test]
fn installed_programs_are_followed() {
    let postgres = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin/postgres")));
    let installed = [PathBuf::from("/usr/bin/python3")];
    let mut checked = 0;
    for program in postgres.chain(installed).filter(|program| program.exists()) {
        let (followed, refused) = check(&program);
        assert!(
            refused * 100 <= followed,
            "{program:?}: {refused} of {followed}"
        );
        checked += followed;
    }
    assert!(checked > 1000, "{checked}");
}
