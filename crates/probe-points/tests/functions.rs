//! Functions of real programs, compared with what binutils say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::path::Path;
use std::process::Command;

use probe_points::{ErrorKind, Kernel, Objects, Point, ReturnProbes, parse, resolve_with};
use support::{Folder, Running, WAIT, file_offset, nm, object, offset, points, refusal, run};

const PROGRAM: &str = r#"
extern int shared(int);
__attribute__((noinline)) int twice(int x) { return x * 2 + 1; }
static int hidden(int x) { return x + 7; }
int (*volatile keep)(int) = hidden;
int main(void) { twice(shared(keep(1))); wait_to_be_killed(); }
"#;

fn linked() -> (Folder, Running) {
    let folder = Folder::new();
    folder.compile(
        "gcc",
        "libshared.so",
        "int shared(int x) { return x + 3; }\nint twice(int x) { return x; }",
        &["-shared", "-fPIC"],
    );
    let source = format!("{WAIT}{PROGRAM}");
    folder.compile(
        "gcc",
        "program",
        &source,
        &["-L{}", "-lshared", "-Wl,-rpath,{}"],
    );
    let running = Running::start(&folder.join("program"));
    (folder, running)
}

#[test]
fn symbols_are_where_nm_shows_them() {
    let (folder, running) = linked();
    let objects = running.objects();
    assert_eq!(objects.problems(), [""; 0]);
    let program = folder.join("program");
    for name in ["main", "twice", "hidden"] {
        let address = nm(&program, name)[0];
        let expected = file_offset(&program, address);
        assert_eq!(offset(&objects, &format!("up:{name}")), expected);
        assert_eq!(offset(&objects, &format!("up:program:{name}")), expected);
        assert_eq!(offset(&objects, &format!("up:{address:#x}")), expected);
        let path = program.display();
        assert_eq!(offset(&objects, &format!("up:{path}:{name}")), expected);
    }
    let library = folder.join("libshared.so");
    let expected = file_offset(&library, nm(&library, "shared")[0]);
    assert_eq!(offset(&objects, "up:shared"), expected);
    assert_eq!(offset(&objects, "up:libshared.so:shared"), expected);
}

/// Where objdump shows a function's instructions, from its start.
fn instructions(file: &Path, function: &str) -> Vec<u64> {
    let disassembled = run(Command::new("objdump")
        .arg(format!("--disassemble={function}"))
        .args(["--no-show-raw-insn", "--wide"])
        .arg(file));
    let address = nm(file, function)[0];
    disassembled
        .lines()
        .filter_map(|line| line.split_once(":\t"))
        .filter_map(|(address, _)| u64::from_str_radix(address.trim(), 16).ok())
        .map(|at| at - address)
        .collect()
}

#[test]
fn a_place_inside_of_an_instruction_is_refused() {
    let folder = Folder::new();
    let source = format!("{WAIT}{}", PROGRAM.replace("shared(keep(1))", "keep(1)"));
    let program = folder.compile(
        "gcc",
        "program",
        &source.replace("extern int shared(int);", ""),
        &["-O2", "-fcf-protection"],
    );
    let running = Running::start(&program);
    let objects = running.objects();
    for function in ["main", "twice", "hidden"] {
        let begins = instructions(&program, function);
        let (address, end) = (nm(&program, function)[0], *begins.last().unwrap());
        assert!(begins.len() > 2 && end as usize >= begins.len());
        let start = file_offset(&program, address);
        for at in 0..=end {
            for trigger in [
                format!("up:{function}+{at}"),
                format!("up:{:#x}", address + at),
            ] {
                if begins.contains(&at) {
                    assert_eq!(offset(&objects, &trigger), start + at, "{trigger}");
                } else {
                    let error = refusal(&objects, &trigger);
                    assert_eq!(error.kind, ErrorKind::Unprobeable, "{error}");
                    let before = begins.iter().rfind(|&&begin| begin < at).unwrap();
                    let hint = error.hint.unwrap();
                    assert!(hint.contains(&format!("{function}+{before:#x} ")), "{hint}");
                }
            }
            // The return of what is no function would be put on a word that is no return address.
            let returning = format!("ur:{:#x}", address + at);
            if at == 0 && function != "main" {
                assert!(points(&objects, &returning).is_ok());
            } else {
                assert_eq!(refusal(&objects, &returning).kind, ErrorKind::Unprobeable);
            }
        }
    }
}

#[test]
fn a_program_at_fixed_addresses_is_no_different() {
    let folder = Folder::new();
    let source = format!("{WAIT}int main(void) {{ wait_to_be_killed(); }}");
    for options in [
        &["-no-pie"][..],
        &["-static"],
        &["-static-pie"],
        &["-Wl,-z,noseparate-code"],
    ] {
        let program = folder.compile("gcc", "fixed", &source, options);
        let running = Running::start(&program);
        let address = nm(&program, "main")[0];
        let expected = file_offset(&program, address);
        assert_eq!(
            offset(&running.objects(), "up:main"),
            expected,
            "{options:?}"
        );
        assert_eq!(
            offset(&running.objects(), &format!("up:{address:#x}")),
            expected
        );
        drop(running);
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is_near() {
    let (_folder, running) = linked();
    let objects = running.objects();
    let hint = |trigger: &str, kind: ErrorKind| {
        let error = refusal(&objects, trigger);
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.message.contains('\n'));
        error.hint.unwrap()
    };
    assert!(hint("up:twise", ErrorKind::NotFound).contains("up:twice"));
    assert!(hint("up:SHARED", ErrorKind::NotFound).contains("up:shared"));
    let near = hint("ur:libshared.so:shard", ErrorKind::NotFound);
    assert!(near.contains("ur:libshared.so:shared"), "{near}");
    assert!(hint("up:libshard.so:shared", ErrorKind::NotFound).contains("libshared.so"));
    assert!(hint("up:0x10", ErrorKind::Unprobeable).contains("objdump"));
    assert!(hint("up:main+0x4000", ErrorKind::Unprobeable).contains("objdump"));
    assert_eq!(
        refusal(&objects, "up:/no/such/file:f").kind,
        ErrorKind::NotFound
    );
}

#[test]
fn functions_of_one_name_are_told_apart_by_address() {
    let folder = Folder::new();
    folder.write(
        "other.c",
        "static int same(int x) { return x * 5; }\nint other(int x) { return same(x); }",
    );
    let source = format!(
        "{WAIT}int other(int);\nstatic int same(int x) {{ return x - 1; }}\n\
         int main(void) {{ same(other(1)); wait_to_be_killed(); }}"
    );
    let program = folder.compile("gcc", "program", &source, &["{}/other.c"]);
    let running = Running::start(&program);
    let objects = running.objects();
    let error = refusal(&objects, "up:same");
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let addresses = nm(&program, "same");
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        let trigger = format!("up:{address:#x}");
        assert!(error.hint.as_ref().unwrap().contains(&trigger), "{error}");
        assert_eq!(offset(&objects, &trigger), file_offset(&program, address));
    }
}

#[test]
fn cpp_functions_have_readable_names() {
    let folder = Folder::new();
    let source = format!(
        "{WAIT}#include <string>\nnamespace ns {{ int f(int x) {{ return x; }}\nint f(int x, char const *) {{ return x + 1; }}\n\
         struct Class {{ int method(std::string s); }};\nint Class::method(std::string s) {{ return s.size(); }}\n\
         int operator+(Class, int x) {{ return x; }} }}\n\
         template <typename T> T largest(T a, T b) {{ return a < b ? b : a; }}\n\
         int main() {{ ns::f(ns::f(1), \"\"); largest(1, 2); ns::Class().method(\"\"); wait_to_be_killed(); }}"
    );
    let program = folder.compile("g++", "program", &source, &[]);
    let running = Running::start(&program);
    let objects = running.objects();
    for (trigger, mangled) in [
        ("up:ns::f(int)", "_ZN2ns1fEi"),
        ("up:ns::f(int, char const*)", "_ZN2ns1fEiPKc"),
        ("up:program:ns::f(int,char const*)", "_ZN2ns1fEiPKc"),
        ("up:_ZN2ns1fEi", "_ZN2ns1fEi"),
        ("up:largest<int>", "_Z7largestIiET_S0_S0_"),
        ("up:ns::operator+(ns::Class, int)", "_ZN2nsplENS_5ClassEi"),
        ("up:ns::operator+", "_ZN2nsplENS_5ClassEi"),
        (
            "up:ns::Class::method",
            "_ZN2ns5Class6methodENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
        ),
    ] {
        let address = nm(&program, mangled)[0];
        assert_eq!(
            offset(&objects, trigger),
            file_offset(&program, address),
            "{trigger}"
        );
    }
    let error = refusal(&objects, "ur:ns::f");
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let hint = error.hint.unwrap();
    assert!(hint.contains("ur:_ZN2ns1fEi (ns::f(int))"), "{hint}");
    assert!(hint.contains("ns::f(int, char const*)"), "{hint}");
}

#[inline(never)]
fn a_function_of_this_test(x: u64) -> u64 {
    std::hint::black_box(x) + 1
}

#[test]
fn rust_functions_have_their_paths() {
    assert_eq!(a_function_of_this_test(1), 2);
    let objects = Objects::of_process(std::process::id()).unwrap();
    let found = offset(&objects, "up:functions::a_function_of_this_test");
    let program = std::env::current_exe().unwrap();
    let text = run(Command::new("nm").arg(&program));
    let line = text
        .lines()
        .find(|line| line.contains("a_function_of_this_test"))
        .unwrap();
    let address = u64::from_str_radix(&line[..16], 16).unwrap();
    assert_eq!(found, file_offset(&program, address));
}

#[test]
fn a_function_of_several_libraries_must_be_told_which() {
    let folder = Folder::new();
    folder.compile(
        "gcc",
        "liba.so",
        "int both(void) { return 1; }",
        &["-shared", "-fPIC"],
    );
    folder.compile(
        "gcc",
        "libb.so",
        "int both(void) { return 2; }",
        &["-shared", "-fPIC"],
    );
    let source = format!("{WAIT}int main(void) {{ wait_to_be_killed(); }}");
    let program = folder.compile(
        "gcc",
        "program",
        &source,
        &["-Wl,--no-as-needed", "-L{}", "-la", "-lb", "-Wl,-rpath,{}"],
    );
    let running = Running::start(&program);
    let error = refusal(&running.objects(), "ur:both");
    assert_eq!(error.kind, ErrorKind::Ambiguous);
    let hint = error.hint.unwrap();
    assert!(
        hint.contains("ur:liba.so:both") && hint.contains("ur:libb.so:both"),
        "{hint}"
    );
    let objects = running.objects();
    assert!(points(&objects, "up:libb.so:both").is_ok());
}

/// Which implementations the loader has chosen, as it says itself.
const CHOSEN: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
extern int two(void);
int chosen_one(void) { return 1; }
int chosen_other(void) { return 2; }
static void *choose(void) { return chosen_other; }
int own(void) __attribute__((ifunc("choose")));
int (*volatile keep)(void);
int main(int n, char **t) {
    FILE *out = fopen(t[1], "w");
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    fprintf(out, "%ld\n", (char *)dlsym(libc, "memcpy") - (char *)dlsym(libc, "getpid"));
    fclose(out);
    keep = own;
    keep();
    wait_to_be_killed();
}
"#;

#[test]
fn an_indirect_function_is_what_the_loader_has_chosen() {
    let folder = Folder::new();
    let source = format!("{WAIT}{CHOSEN}");
    for flags in [&["-O1"][..], &["-O1", "-static", "-no-pie"]] {
        let program = folder.compile("gcc", "program", &source, flags);
        let said = folder.join("said");
        let running = Running::command(Command::new(&program).arg(&said));
        let objects = running.objects();
        let other = file_offset(&program, nm(&program, "chosen_other")[0]);
        assert_eq!(offset(&objects, "up:program:own"), other, "{flags:?}");
        let resolved = resolve_with(
            &Kernel::running(),
            &parse("ur:program:own").unwrap(),
            &objects,
            ReturnProbes::AtEnds,
        );
        let resolved = resolved.unwrap();
        assert!(
            resolved.remarks[0].contains("here it is chosen_other"),
            "{:?}",
            resolved.remarks
        );
        assert!(resolved.function_bytes > 0);
        if flags.contains(&"-static") {
            continue;
        }
        let libc = String::from_utf8(object(&objects, "libc.so.6").path().to_vec()).unwrap();
        let text = run(Command::new("nm").args(["-D", &libc]));
        let line = text.lines().find(|line| line.contains(" getpid@")).unwrap();
        let getpid = u64::from_str_radix(&line[..16], 16).unwrap();
        let distance: i64 = std::fs::read_to_string(&said)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let memcpy = getpid.wrapping_add_signed(distance);
        assert_eq!(
            offset(&objects, "up:libc.so.6:memcpy"),
            file_offset(libc.as_ref(), memcpy)
        );
        // Some way into it is nobody's business: the implementation is another on another machine.
        assert_eq!(
            refusal(&objects, "up:memcpy+4").kind,
            ErrorKind::Unprobeable
        );
    }
}

#[test]
fn an_indirect_function_of_several_versions_is_the_one_that_is_named() {
    let folder = Folder::new();
    folder.write(
        "versions",
        "V1 { global: pick; local: *; };\nV2 { global: pick; } V1;\n",
    );
    let library = r#"
static int one(void) { return 1; }
static int two(void) { return 2; }
static void *choose_one(void) { return one; }
static void *choose_two(void) { return two; }
int pick_1(void) __attribute__((ifunc("choose_one")));
int pick_2(void) __attribute__((ifunc("choose_two")));
__asm__(".symver pick_1,pick@V1\n.symver pick_2,pick@@V2");
"#;
    let versions = format!("-Wl,--version-script={}", folder.join("versions").display());
    let flags = ["-O1", "-shared", "-fPIC", "-Wl,-z,now", &versions];
    folder.compile("gcc", "libversions.so", library, &flags);
    let source =
        format!("{WAIT}extern int pick(void); int main(void) {{ pick(); wait_to_be_killed(); }}");
    let flags = ["-L{}", "-lversions", "-Wl,-rpath,{}", "-Wl,-z,now"];
    folder.compile("gcc", "program", &source, &flags);
    let running = Running::start(&folder.join("program"));
    let objects = running.objects();
    let file = folder.join("libversions.so");
    let two = file_offset(&file, nm(&file, "two")[0]);
    let one = file_offset(&file, nm(&file, "one")[0]);
    // The library does not call it, and so has not noted which it is: the program has, but not of which version.
    for (trigger, right, wrong) in [
        ("up:libversions.so:pick@@V2", two, one),
        ("up:libversions.so:pick@V1", one, two),
    ] {
        match points(&objects, trigger) {
            Ok(_) => {
                let found = offset(&objects, trigger);
                assert!(found == right && found != wrong, "{trigger}");
            }
            Err(error) => assert!(error.message.contains("indirect"), "{error}"),
        }
    }
}

#[test]
fn an_indirect_function_of_a_program_that_has_not_begun_is_not_known() {
    let objects = Objects::of_command(Path::new("/usr/bin/env"), Path::new("/")).unwrap();
    let error = refusal(&objects, "up:libc.so.6:memcpy");
    assert_eq!(error.kind, ErrorKind::Unprobeable);
    assert!(error.message.contains("indirect") && error.hint.is_some());
}

#[test]
fn a_symbol_of_several_versions_is_the_current_one() {
    let (_folder, running) = linked();
    // As many of libc's symbols, with several versions.
    let objects = running.objects();
    let current = offset(&objects, "up:libc.so.6:pthread_cond_wait");
    let libc = String::from_utf8(object(&objects, "libc.so.6").path().to_vec()).unwrap();
    let text = run(Command::new("nm").arg("-D").arg(&libc));
    let line = text
        .lines()
        .find(|line| line.contains(" pthread_cond_wait@@"))
        .unwrap();
    let address = u64::from_str_radix(&line[..16], 16).unwrap();
    assert_eq!(current, file_offset(libc.as_ref(), address));
}

#[test]
fn a_command_that_has_not_begun_has_its_libraries() {
    let (folder, running) = linked();
    let before = Objects::of_command(&folder.join("program"), "/".as_ref()).unwrap();
    assert_eq!(before.problems(), [""; 0]);
    let names = |objects: &Objects| {
        let mut names: Vec<Vec<u8>> = objects.iter().map(|o| o.base_name().to_vec()).collect();
        names.sort();
        names
    };
    let now = running.objects();
    assert_eq!(names(&before), names(&now));
    for trigger in ["up:main", "up:shared", "up:libc.so.6:malloc"] {
        assert_eq!(
            points(&before, trigger)
                .unwrap()
                .iter()
                .map(place)
                .collect::<Vec<_>>(),
            points(&now, trigger)
                .unwrap()
                .iter()
                .map(place)
                .collect::<Vec<_>>(),
            "{trigger}"
        );
    }
    let script = folder.write("script", "#!/bin/sh\nexit 0\n");
    let error = Objects::of_command(&script, "/".as_ref()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unprobeable);
    assert!(error.hint.unwrap().contains("interpreter"));
}

fn place(point: &Point) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    match point {
        Point::User { file, offset, .. } => (file.metadata().unwrap().ino(), *offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn versions_that_a_compiler_made_are_found_by_the_plain_name_and_told() {
    let folder = Folder::new();
    let source = format!(
        "{WAIT}#include <stdio.h>\n#include <stdlib.h>\nstruct s {{ int a, b; }};\n\
         static __attribute__((noinline)) int helper(struct s *p, int k) {{ if (p->a > 1000) {{ fprintf(stderr, \"%d\", k); abort(); }} __asm__ volatile(\"\"); return p->a + k; }}\n\
         __attribute__((noinline)) int both(int a, int b) {{ __asm__ volatile(\"\" : \"+r\"(a)); return a * b; }}\n\
         __asm__(\".type both.constprop.0,@function\\nboth.constprop.0: ret\\n.size both.constprop.0,.-both.constprop.0\");\n\
         int main(int n, char **t) {{ struct s x = {{n, 2}}; int sum = helper(&x, 3); sum += both(n, 7) + both(sum, 7); if (sum < 9) wait_to_be_killed(); return sum; }}"
    );
    let program = folder.compile("gcc", "program", &source, &["-O2"]);
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    let text = run(Command::new("nm").arg(&program));
    let symbol = |start: &str| {
        let named = |line: &&str| {
            let name = line.split_ascii_whitespace().nth(2).unwrap_or_default();
            name.starts_with(start) && !name.contains(".cold")
        };
        let found: Vec<&str> = text.lines().filter(named).collect();
        let fields: Vec<&str> = found[0].split_ascii_whitespace().collect();
        (
            u64::from_str_radix(fields[0], 16).unwrap(),
            fields[2].to_owned(),
        )
    };
    let resolved = |trigger: &str| {
        let trigger = parse(trigger).unwrap();
        resolve_with(&Kernel::running(), &trigger, &objects, ReturnProbes::AtEnds).unwrap()
    };
    let (address, name) = symbol("helper.");
    assert_eq!(
        offset(&objects, "up:helper"),
        file_offset(&program, address)
    );
    assert_eq!(
        offset(&objects, &format!("up:{name}")),
        file_offset(&program, address)
    );
    assert!(resolved("up:helper").remarks[0].contains(&format!("helper is {name}")));
    assert!(resolved(&format!("up:{name}")).remarks.is_empty());
    let (_, name) = symbol("both.constprop");
    assert_eq!(
        offset(&objects, "up:both"),
        file_offset(&program, nm(&program, "both")[0])
    );
    assert!(resolved("up:both").remarks[0].contains(&name));
    assert!(resolved("up:main").remarks.is_empty());
}

#[test]
fn cold_parts_are_no_functions_and_constructors_are_one() {
    let folder = Folder::new();
    let source = format!(
        "{WAIT}#include <stdexcept>\n#include <string>\nnamespace ns {{ struct Base {{ virtual ~Base(); int x; Base(int); }};\n\
         Base::Base(int k) : x(k) {{ asm volatile(\"\"); }}\nBase::~Base() {{ asm volatile(\"\"); }}\n\
         struct Derived : virtual Base {{ __attribute__((noinline)) Derived(int k); ~Derived(); int run(std::string const &s) const; }};\n\
         __attribute__((noinline)) Derived::Derived(int k) : Base(k) {{ asm volatile(\"\"); }}\n\
         __attribute__((noinline)) Derived::~Derived() {{ asm volatile(\"\"); }}\n\
         __attribute__((noinline)) int Derived::run(std::string const &s) const {{ if (s.size() > 100) throw std::runtime_error(\"x\" + s); asm volatile(\"\"); return s.size(); }} }}\n\
         struct Last : ns::Derived {{ Last() : ns::Base(1), ns::Derived(2) {{}} }};\n\
         int main(int n, char **t) {{ ns::Derived d(n); Last last; if (d.run(t[0]) + last.x < 0) return 1; wait_to_be_killed(); }}"
    );
    let program = folder.compile("g++", "program", &source, &["-O2"]);
    let objects = Objects::of_command(&program, "/".as_ref()).unwrap();
    let run = "_ZNK2ns7Derived3runERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE";
    assert_eq!(
        offset(&objects, "up:ns::Derived::run"),
        file_offset(&program, nm(&program, run)[0])
    );
    let both: Vec<u64> = ["_ZN2ns7DerivedC1Ei", "_ZN2ns7DerivedC2Ei"]
        .iter()
        .map(|name| file_offset(&program, nm(&program, name)[0]))
        .collect();
    let mut found: Vec<u64> = points(&objects, "up:ns::Derived::Derived")
        .unwrap()
        .iter()
        .map(|point| place(point).1)
        .collect();
    found.sort_unstable();
    let mut expected = both.clone();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let ends = points(&objects, "ur:ns::Derived::Derived").unwrap();
    assert!(ends.len() >= 2);
    let error = refusal(&objects, "up:ns::Derived::Derived+1");
    assert_eq!(error.kind, ErrorKind::Ambiguous);
}

#[test]
fn versions_sonames_and_paths_from_here_name_what_they_should() {
    let (_folder, running) = linked();
    let objects = running.objects();
    let libc = object(&objects, "libc.so.6");
    let text = run(Command::new("nm")
        .arg("-D")
        .arg(std::str::from_utf8(libc.path()).unwrap()));
    let mut checked = 0;
    for line in text
        .lines()
        .filter(|line| line.contains(" T pthread_cond_wait@"))
    {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = u64::from_str_radix(fields[0], 16).unwrap();
        let expected = file_offset(std::str::from_utf8(libc.path()).unwrap().as_ref(), address);
        assert_eq!(
            offset(&objects, &format!("up:libc.so.6:{}", fields[2])),
            expected
        );
        checked += 1;
    }
    assert!(checked >= 2, "{text}");
    let error = refusal(&objects, "up:libc.so.6:malloc@@GLIBC_9.9");
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(
        offset(&objects, "up:libc.so.6:malloc@@GLIBC_2.2.5"),
        offset(&objects, "up:libc.so.6:malloc")
    );
    // A library is mapped by the name of the file that its own name leads to.
    let folder = Folder::new();
    folder.compile(
        "gcc",
        "libmine.so.1.2.3",
        "int mine(int x) { return x + 3; }",
        &["-shared", "-fPIC", "-Wl,-soname,libmine.so.1"],
    );
    std::os::unix::fs::symlink("libmine.so.1.2.3", folder.join("libmine.so.1")).unwrap();
    let source =
        format!("{WAIT}int mine(int);\nint main(void) {{ mine(1); wait_to_be_killed(); }}");
    let program = folder.compile(
        "gcc",
        "program",
        &source,
        &["{}/libmine.so.1.2.3", "-Wl,-rpath,{}"],
    );
    let running = Running::start(&program);
    let objects = running.objects();
    let expected = offset(&objects, "up:libmine.so.1.2.3:mine");
    assert_eq!(offset(&objects, "up:libmine.so.1:mine"), expected);
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let path = folder.join("libmine.so.1.2.3");
    assert_eq!(
        offset(
            &objects,
            &format!("up:{up}{}:mine", &path.display().to_string()[1..])
        ),
        expected
    );
}
