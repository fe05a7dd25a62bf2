//! Debug information that is packed, or not intact. Needs root, gcc, binutils and LLVM's objcopy.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use stacks::{End, SymbolFrame, Symbolizer};
use support::{Folder, Running, assert_chain, function, run, section};

/// As the one of the other tests, with a function that is inlined.
const SOURCE: &str = r#"
#include <unistd.h>
volatile int sink;
static inline __attribute__((always_inline)) int d(int x) { pause(); return x * sink; }
__attribute__((noinline)) static int c(int x) { return d(x) + sink; }
int main(int n, char **t) { sink = c(n); return sink; }
"#;
const OPTIONS: [&str; 3] = ["-O2", "-g", "-Wl,--build-id=sha1"];

/// The program's frames, and what was wrong.
fn named(program: &Path) -> (Vec<SymbolFrame>, Vec<String>) {
    let running = Running::start(program);
    let (frames, end) = running.walk(running.pid);
    assert_eq!(end, End::Complete);
    let mut symbolizer = Symbolizer::new();
    let names = frames
        .iter()
        .flat_map(|frame| symbolizer.place(&frame.place, frame.pc).to_vec());
    let names = names.collect();
    (names, symbolizer.take_problems())
}

fn assert_inlined_with_lines(frames: &[SymbolFrame]) {
    let names: Vec<String> = frames.iter().map(function).collect();
    assert_chain(&names, &["d", "c", "main"]);
    let at = names.iter().position(|name| name == "d").unwrap();
    assert!(frames[at].is_inlined);
    let line = |frame: &SymbolFrame| frame.source.as_ref().unwrap().line;
    assert_eq!(
        (line(&frames[at]), line(&frames[at + 1])),
        (Some(4), Some(5))
    );
}

fn packed(folder: &Folder, kind: &str) -> PathBuf {
    let program = folder.compile("gcc", SOURCE, &OPTIONS);
    let option = format!("--compress-debug-sections={kind}");
    let mut objcopy = Command::new("/usr/lib/llvm-22/bin/llvm-objcopy");
    run(objcopy.arg(option).arg(&program));
    program
}

#[test]
fn debug_sections_that_are_packed() {
    for (kind, number) in [("zlib", 1), ("zstd", 2)] {
        let folder = Folder::new();
        let program = packed(&folder, kind);
        let (offset, _) = section(&program, ".debug_info");
        let header = &std::fs::read(&program).unwrap()[offset..];
        assert_eq!(header[..4], [number, 0, 0, 0]);
        let (frames, problems) = named(&program);
        assert_inlined_with_lines(&frames);
        assert!(problems.is_empty(), "{problems:?}");
    }
}

/// Names still come from the symbol table.
#[test]
fn a_packed_size_that_is_a_lie() {
    let folder = Folder::new();
    for (kind, size) in [("zlib", u64::MAX), ("zstd", 700 << 20), ("zstd", 0)] {
        let program = packed(&folder, kind);
        let (offset, _) = section(&program, ".debug_info");
        let mut bytes = std::fs::read(&program).unwrap();
        bytes[offset + 8..offset + 16].copy_from_slice(&size.to_le_bytes());
        std::fs::remove_file(&program).unwrap();
        std::fs::write(&program, bytes).unwrap();
        run(Command::new("chmod").arg("755").arg(&program));
        let (frames, problems) = named(&program);
        let names: Vec<String> = frames.iter().map(function).collect();
        assert_chain(&names, &["c", "main"]);
        assert!(frames.iter().all(|frame| !function(frame).eq("d")));
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        let name = program.display();
        let begin = format!("{name}: its debug information is left out: ");
        assert!(problem.starts_with(&begin), "{problem}");
    }
}

/// It is cut off, or overwritten: names come from elsewhere, and somebody hears of it.
#[test]
fn a_debug_file_that_is_not_intact() {
    let folder = Folder::new();
    let program = folder.compile("gcc", SOURCE, &OPTIONS);
    let (offset, bytes) = section(&program, ".debug_info");
    let mut contents = std::fs::read(&program).unwrap();
    contents[offset + 12..offset + bytes].fill(0xff);
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, contents).unwrap();
    run(Command::new("chmod").arg("755").arg(&program));
    let (frames, problems) = named(&program);
    let names: Vec<String> = frames.iter().map(function).collect();
    assert_chain(&names, &["c", "main"]);
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert!(problem.contains("debug information"), "{problem}");
}

/// Debug files that are fetched while the names are already asked for, as debuginfod's clients keep them.
#[test]
fn a_folder_of_fetched_debug_files() {
    let folder = Folder::new();
    let program = folder.compile("gcc", SOURCE, &OPTIONS);
    let debug = folder.join("debug");
    run(Command::new("objcopy")
        .arg("--only-keep-debug")
        .arg(&program)
        .arg(&debug));
    run(Command::new("strip").arg(&program));
    let running = Running::start(&program);
    let (frames, _) = running.walk(running.pid);
    let cache = folder.join("cache");
    let mut symbolizer = Symbolizer::with_debug_cache(cache.clone());
    let modules: Vec<_> = frames
        .iter()
        .filter_map(|frame| frame.place.module())
        .collect();
    let own = modules
        .iter()
        .find(|module| module.path().ends_with(b"/program"))
        .unwrap();
    let id = probe_points::hexadecimal(own.build_id().unwrap());
    let name = |symbolizer: &mut Symbolizer| -> Vec<SymbolFrame> {
        let named = frames
            .iter()
            .flat_map(|frame| symbolizer.place(&frame.place, frame.pc).to_vec());
        named.collect()
    };
    assert_eq!(symbolizer.missing(own), Some(id.clone()));
    assert!(
        name(&mut symbolizer)
            .iter()
            .all(|frame| function(frame) != "c")
    );

    // Another program's is none.
    std::fs::create_dir_all(cache.join(&id)).unwrap();
    let at = cache.join(&id).join("debuginfo");
    std::fs::copy("/proc/self/exe", &at).unwrap();
    symbolizer.look_again(own);
    assert!(
        name(&mut symbolizer)
            .iter()
            .all(|frame| function(frame) != "c")
    );

    std::fs::rename(&debug, &at).unwrap();
    symbolizer.look_again(own);
    assert_inlined_with_lines(&name(&mut symbolizer));
    // It is not asked for again.
    assert_eq!(symbolizer.missing(own), None);
    let mut other = Symbolizer::with_debug_cache(cache);
    assert_eq!(other.missing(own), None);
    assert_inlined_with_lines(&name(&mut other));
    // Without such a folder nothing is.
    assert_eq!(Symbolizer::new().missing(own), None);
}

/// Where they were compiled, next to the program in one package, or nowhere; of both forms that there are.
#[test]
fn split_debug_information() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let folder = Folder::new();
        let options = [&OPTIONS[..], &[version, "-gsplit-dwarf"]].concat();
        let program = folder.compile("gcc", SOURCE, &options);
        let dwo = folder.join("program.dwo");
        assert!(dwo.exists());
        let (frames, problems) = named(&program);
        assert_inlined_with_lines(&frames);
        assert!(problems.is_empty(), "{problems:?}");

        let has_package = put_together(&folder, version);
        std::fs::remove_file(&dwo).unwrap();
        if has_package {
            let (frames, problems) = named(&program);
            assert_inlined_with_lines(&frames);
            assert!(problems.is_empty(), "{problems:?}");
            // A broken one is as none.
            let package = std::fs::read(folder.join("program.dwp")).unwrap();
            for cut in [0, 100, package.len() / 2] {
                std::fs::write(folder.join("program.dwp"), &package[..cut]).unwrap();
                assert_plain_with_lines(&program);
            }
            std::fs::remove_file(folder.join("program.dwp")).unwrap();
        }
        assert_plain_with_lines(&program);
    }
}

/// binutils' tool does not know DWARF 5, and LLVM's does not end with what gcc writes of it: those are found one by one only.
fn put_together(folder: &Folder, version: &str) -> bool {
    let is_known = version == "-gdwarf-4";
    if is_known {
        let mut dwp = Command::new("dwp");
        dwp.current_dir(folder.path());
        run(dwp.args(["-e", "program", "-o", "program.dwp"]));
    }
    is_known
}

/// Functions from the symbol table, with lines, and what is missing is told.
fn assert_plain_with_lines(program: &Path) {
    let (frames, problems) = named(program);
    let names: Vec<String> = frames.iter().map(function).collect();
    assert_chain(&names, &["c", "main"]);
    let at = names.iter().position(|name| name == "c").unwrap();
    assert_eq!(frames[at].source.as_ref().unwrap().line, Some(4));
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert!(
        problem.contains("inlined functions are unknown: "),
        "{problem}"
    );
}

/// Of several units each has its own strings.
#[test]
fn several_split_units() {
    let folder = Folder::new();
    let source = |wait: &str, own: &str, other: &str| {
        format!(
            "#include <unistd.h>\nextern volatile int sink; int {other}(int);\n\
            static inline __attribute__((always_inline)) int in_{own}(int x) {{ {wait}; return x * sink; }}\n\
            __attribute__((noinline)) int {own}(int x) {{ return in_{own}(x) + sink; }}\n"
        )
    };
    folder.write("one.c", &source("pause()", "one", "two"));
    folder.write("two.c", &source("sink++; sink = one(x)", "two", "one"));
    let main = "volatile int sink; int two(int); int main(int n, char **t) { sink = two(n); return sink; }";
    folder.write("one_more.c", main);
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let mut gcc = Command::new("gcc");
        gcc.current_dir(folder.path())
            .args(OPTIONS)
            .args([version, "-gsplit-dwarf"]);
        run(gcc.args(["-o", "program", "one.c", "two.c", "one_more.c"]));
        let check = || {
            let (frames, problems) = named(&folder.join("program"));
            assert!(problems.is_empty(), "{problems:?}");
            let names: Vec<String> = frames.iter().map(function).collect();
            // As of DWARF 4, gcc says of the call that it is in no inlined function.
            match version {
                "-gdwarf-4" => assert_chain(&names, &["in_one", "one", "two", "main"]),
                _ => assert_chain(&names, &["in_one", "one", "in_two", "two", "main"]),
            }
        };
        check();
        let has_package = put_together(&folder, version);
        for unit in ["one", "two", "one_more"] {
            std::fs::remove_file(folder.join(&format!("program-{unit}.dwo"))).unwrap();
        }
        if has_package {
            check();
            std::fs::remove_file(folder.join("program.dwp")).unwrap();
        }
    }
}
