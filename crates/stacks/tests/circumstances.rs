//! Programs whose files are stripped, deleted, elsewhere or gone, and generated code. Needs root, python3 and node.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stacks::{End, IsThere, Modules, Place, ProcessMaps, Symbolizer};
use support::{CHAIN, Folder, OWN, PLAIN, Running, Stopped, assert_chain, functions, run, unwind};

#[test]
fn python() {
    let mut command = Command::new("/usr/bin/python3");
    let text = "import threading\ndef f():\n  threading.Event().wait()\nf()";
    let running = Running::command(command.args(["-c", text]));
    let functions = running.assert_like_gdb(running.pid);
    assert!(functions.len() > 10);
    assert_eq!(functions.last().map(String::as_str), Some("_start"));
}

#[test]
fn node_with_generated_code() {
    let folder = Folder::new();
    let source = "function innermost(x, n) { return Atomics.wait(x, 0, n); }\n\
        function middle(x, n) { let s = 0; for (let i = 0; i < 10; i++) s += i; return innermost(x, n) + s; }\n\
        const x = new Int32Array(new SharedArrayBuffer(4));\n\
        for (let i = 0; i < 20000; i++) middle(x, 1);\n\
        setTimeout(() => middle(x, 0), 300);";
    let script = folder.write("wait.js", source);
    let mut command = Command::new("node");
    // With interpreted functions, which otherwise are frames of one and the same function.
    let options = [
        "--perf-basic-prof",
        "--interpreted-frames-native-stack",
        "--no-opt",
    ];
    // V8 writes a log where it is started.
    command.current_dir(folder.path()).args(options).arg(script);
    let running = Running::command(&mut command);
    // Until it is no longer the event loop that waits.
    let waits = |call: &str| call.starts_with(&format!("{} ", libc::SYS_futex));
    let path = format!("/proc/{}/syscall", running.pid);
    for _ in 0..100 {
        if waits(&std::fs::read_to_string(&path).unwrap()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    support::wait_until_blocked(running.pid, running.pid);
    let (frames, end) = running.walk(running.pid);
    let functions = functions(&frames);
    println!("{functions:#?}");
    assert_eq!(end, End::Complete);
    assert_eq!(functions.last().map(String::as_str), Some("_start"));
    let has = |part: &str| functions.iter().any(|name| name.contains(part));
    assert!(has("innermost") && has("middle"), "{functions:?}");
    let is_generated = |frame: &stacks::Frame| matches!(frame.place, Place::Generated { .. });
    assert!(frames.iter().any(is_generated));
    let _ = std::fs::remove_file(format!("/tmp/perf-{}.map", running.pid));
}

#[test]
fn in_another_mount_namespace_and_gone() {
    let folder = Folder::new();
    folder.compile("gcc", CHAIN, &PLAIN);
    let mut running = Running::in_root(&folder);
    let (frames, end) = running.walk(running.pid);
    running.kill();
    // What was mounted there has gone, too.
    assert_eq!(end, End::Complete);
    let functions = functions(&frames);
    assert_chain(&functions, &OWN);
    assert_eq!(functions.last().map(String::as_str), Some("_start"));
}

#[test]
fn deleted_and_replaced_and_gone() {
    let folder = Folder::new();
    let program = folder.compile("gcc", CHAIN, &PLAIN);
    let mut running = Running::start(&program);
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "another").unwrap();
    let (frames, end) = running.walk(running.pid);
    running.kill();
    drop(running);
    assert_eq!(end, End::Complete);
    assert_chain(&functions(&frames), &OWN);
    let Place::Module { module, .. } = &frames[1].place else {
        panic!("{frames:?}");
    };
    assert_eq!(module.path(), program.as_os_str().as_encoded_bytes());
}

#[test]
fn a_file_that_is_cut_meanwhile() {
    let folder = Folder::new();
    let program = folder.compile("gcc", CHAIN, &PLAIN);
    // A running program cannot be written to; a library can.
    let library = folder.join("copy.so");
    std::fs::copy(&program, &library).unwrap();
    let running = Running::start(&program);
    let (frames, _) = running.walk(running.pid);
    let mut symbolizer = Symbolizer::new();
    let before = symbolizer.place(&frames[1].place, 0);
    assert_eq!(before[0].function.as_deref(), Some("c"));
    drop(running);
    // Gone: nothing keeps it from being cut. The names that were not looked up yet are still there.
    std::fs::File::options()
        .write(true)
        .open(&program)
        .unwrap()
        .set_len(100)
        .unwrap();
    let after = symbolizer.place(&frames[2].place, 0);
    assert_eq!(after[0].function.as_deref(), Some("b"));
    // And a look at what is left finds nothing, without harm.
    let fresh = Symbolizer::new().place(&frames[2].place, 0);
    assert_eq!(fresh[0].function, None);
}

#[test]
fn a_copy_that_is_too_short() {
    let folder = Folder::new();
    let running = Running::start(&folder.compile("gcc", CHAIN, &PLAIN));
    let stopped = Stopped::take(running.pid, running.pid);
    let mut maps = running.maps();
    let whole = unwind(&mut maps, &stopped, usize::MAX).0;
    for most in [0, 1, 8, 16, 100, 4096, 8000] {
        let (frames, end) = unwind(&mut maps, &stopped, most);
        assert_eq!(end, End::CutStack, "{most}");
        let pcs = |frames: &[stacks::Frame]| -> Vec<u64> { frames.iter().map(|f| f.pc).collect() };
        assert_eq!(pcs(&frames), pcs(&whole[..frames.len()]));
        assert!(frames.len() < whole.len());
    }
}

#[test]
fn a_library_loaded_later() {
    const SOURCE: &str = r#"
#include <dlfcn.h>
#include <unistd.h>
int main(int n, char **t) {
    char byte;
    read(0, &byte, 1);
    void *library = dlopen("./later.so", RTLD_NOW);
    return ((int (*)(void))dlsym(library, "in_library"))();
}
"#;
    let folder = Folder::new();
    folder.write(
        "later.c",
        "#include <unistd.h>\nvolatile int x; int in_library(void) { pause(); return x; }",
    );
    let mut gcc = Command::new("gcc");
    gcc.current_dir(folder.path());
    run(gcc.args(["-shared", "-fPIC", "-O2", "-o", "later.so", "later.c"]));
    let program = folder.compile("gcc", SOURCE, &PLAIN);
    let mut running = Running::command(Command::new(program).current_dir(folder.path()));
    let mut maps = running.maps();
    running.go_on();
    let stopped = Stopped::take(running.pid, running.pid);
    // The maps are not read again all the time: on a slow machine not for seconds.
    let begun = Instant::now();
    let (frames, end) = loop {
        let (frames, end) = unwind(&mut maps, &stopped, usize::MAX);
        if end == End::Complete || begun.elapsed() > Duration::from_secs(60) {
            break (frames, end);
        }
    };
    assert_eq!(end, End::Complete);
    assert_chain(&functions(&frames), &["in_library", "main"]);
}

#[test]
fn the_vdso_and_the_kernel() {
    let folder = Folder::new();
    let running = Running::start(&folder.compile("gcc", CHAIN, &PLAIN));
    let maps = running.maps();
    let vdso = maps.modules().find(|module| module.path() == b"[vdso]");
    let functions = vdso.unwrap().object().functions().unwrap();
    let name: &[u8] = match std::env::consts::ARCH {
        "aarch64" => b"__kernel_gettimeofday",
        _ => b"__vdso_gettimeofday",
    };
    let function = functions.named(name)[0];
    let mut symbolizer = Symbolizer::new();
    let found = symbolizer.module(vdso.unwrap(), function.address);
    let name = found[0].function.as_deref().unwrap();
    assert!(name.contains("gettimeofday"), "{name}");

    let text = std::fs::read_to_string("/proc/kallsyms").unwrap();
    let line = text.lines().find(|line| line.ends_with(" T vfs_read"));
    let address = u64::from_str_radix(&line.unwrap()[..16], 16).unwrap();
    let found = symbolizer.kernel(address + 5);
    assert_eq!(found.to_string(), "vfs_read+0x5");
    assert_eq!(found.module.unwrap().path, "[kernel]");
    assert_eq!(symbolizer.take_problems(), Vec::<String>::new());
}

#[test]
fn frames_go_from_the_thread_that_walks_to_the_one_that_names() {
    fn can_be_sent<T: Send>() {}
    can_be_sent::<stacks::Walk>();
    can_be_sent::<stacks::Unwinder>();
    can_be_sent::<ProcessMaps>();
    can_be_sent::<stacks::SymbolFrame>();
}

#[test]
fn what_is_read_by_a_pid_that_another_process_has_by_then_is_dropped() {
    let modules = Arc::new(Modules::default());
    let is_itself = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_itself);
    let is_there = IsThere::new(move || asked.load(Ordering::Relaxed));
    let (pid, address) = (std::process::id(), run as *const () as u64);
    let mut maps = ProcessMaps::open_while(is_there.clone(), pid, &modules).unwrap();
    maps.refresh().unwrap();
    is_itself.store(false, Ordering::Relaxed);
    assert!(maps.refresh().is_err());
    assert!(
        maps.find(address).module().is_some(),
        "what was known stays"
    );
    assert!(ProcessMaps::open_while(is_there, pid, &modules).is_err());
}
