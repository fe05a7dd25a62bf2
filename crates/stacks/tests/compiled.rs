//! Programs whose functions are known, against gdb's opinion, frame by frame. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use stacks::FoundBy;
use support::{Folder, Running, TRAMPOLINE, assert_chain};

const CHAIN: &str = r#"
#include <pthread.h>
#include <unistd.h>
#include <stdlib.h>
volatile int sink;
__attribute__((noinline)) int c(int x) { pause(); return x + sink; }
static inline __attribute__((always_inline)) int inlined(int x) { int y = c(x + 1); sink = y; return y + sink; }
__attribute__((noinline)) int b(int x) { volatile char room[300]; room[x] = 1; return inlined(x + 2) + room[x]; }
__attribute__((noinline)) int a(int x) { return b(x + 1) * 3; }
void *run(void *x) { sink = a(1); return x; }
int main(int n, char **t) {
    pthread_t thread;
    pthread_create(&thread, 0, run, 0);
    sink = a(2);
    return sink;
}
"#;

const PLAIN: [&str; 3] = ["-O2", "-g", "-fomit-frame-pointer"];

#[test]
fn a_chain_in_c_in_both_threads() {
    let folder = Folder::new();
    let running = Running::start(&folder.compile("gcc", CHAIN, &PLAIN));
    let threads = running.threads();
    assert_eq!(threads.len(), 2);
    let main = running.assert_like_gdb(threads[0]);
    assert_chain(&main, &["c", "inlined", "b", "a", "main"]);
    assert_eq!(main.last().map(String::as_str), Some("_start"));
    let other = running.assert_like_gdb(threads[1]);
    assert_chain(&other, &["c", "inlined", "b", "a", "run"]);
}

/// The chain compiled that way, as gdb has it.
fn chain_like_gdb(folder: &Folder, options: &[&str]) -> Running {
    let running = Running::start(&folder.compile("gcc", CHAIN, options));
    let main = running.assert_like_gdb(running.pid);
    assert_chain(&main, &["c", "inlined", "b", "a", "main"]);
    running
}

#[test]
fn a_static_program() {
    let folder = Folder::new();
    let options = ["-O2", "-g", "-fomit-frame-pointer", "-static"];
    chain_like_gdb(&folder, &options);
}

#[test]
fn packed_debug_information() {
    let folder = Folder::new();
    let options = [
        "-O2",
        "-g",
        "-gz=zlib",
        "-Wl,--compress-debug-sections=zlib",
    ];
    chain_like_gdb(&folder, &options);
}

#[test]
fn only_debug_frame() {
    let folder = Folder::new();
    let options = [
        "-O2",
        "-g",
        "-fomit-frame-pointer",
        "-fno-asynchronous-unwind-tables",
    ];
    chain_like_gdb(&folder, &options);
}

#[test]
fn packed_debug_frame() {
    let folder = Folder::new();
    let options = [
        "-O2",
        "-g",
        "-gz=zlib",
        "-Wl,--compress-debug-sections=zlib",
        "-fomit-frame-pointer",
        "-fno-asynchronous-unwind-tables",
    ];
    let running = chain_like_gdb(&folder, &options);
    let frames = running.walk(running.pid).0;
    let is_by_tables = |frame: &stacks::Frame| frame.found_by == FoundBy::UnwindInfo;
    assert!(frames[1..].iter().all(is_by_tables));
}

/// By what the instructions do until they return.
#[test]
fn no_unwind_tables_at_all() {
    let folder = Folder::new();
    for level in ["-O0", "-O1", "-O2", "-Os", "-O3"] {
        for frame_pointer in ["-fomit-frame-pointer", "-fno-omit-frame-pointer"] {
            let options = [
                level,
                frame_pointer,
                "-fno-asynchronous-unwind-tables",
                "-fno-unwind-tables",
            ];
            let program = folder.compile("gcc", CHAIN, &options);
            let running = Running::start(&program);
            for thread in running.threads() {
                let (frames, end) = running.walk(thread);
                assert_eq!(end, stacks::End::Complete, "{options:?}");
                let first = match thread == running.pid {
                    true => "main",
                    false => "run",
                };
                let functions: Vec<_> = support::symbols(&frames)
                    .iter()
                    .map(support::function)
                    .filter(|name| name != "inlined")
                    .collect();
                assert_chain(&functions, &["c", "b", "a", first]);
            }
        }
    }
}

#[test]
fn in_a_signal_handler() {
    const SOURCE: &str = r#"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
volatile int sink, *nowhere;
__attribute__((noinline)) void wait_here(void) { pause(); sink++; }
void handler(int signal) { wait_here(); sink += signal; }
__attribute__((noinline)) int faulty(int x) { sink = x; return *nowhere + x; }
int main(int n, char **t) {
    stack_t other = { .ss_sp = malloc(65536), .ss_size = 65536 };
    struct sigaction action = { .sa_handler = handler };
    if (n > 1) { sigaltstack(&other, 0); action.sa_flags = SA_ONSTACK; }
    sigaction(SIGSEGV, &action, 0);
    sink = faulty(n);
    return sink;
}
"#;
    let folder = Folder::new();
    let program = folder.compile("gcc", SOURCE, &PLAIN);
    let running = Running::start(&program);
    let main = running.assert_like_gdb(running.pid);
    let trampoline = TRAMPOLINE.trim_start_matches('_');
    assert_chain(
        &main,
        &["wait_here", "handler", trampoline, "faulty", "main"],
    );
    // On a stack of its own, the interrupted one is not in the copy.
    let mut command = std::process::Command::new(program);
    let running = Running::command(command.arg("x"));
    let (frames, end) = running.walk(running.pid);
    let functions: Vec<_> = support::symbols(&frames)
        .iter()
        .map(support::function)
        .collect();
    assert_chain(&functions, &["wait_here", "handler", trampoline, "faulty"]);
    assert_eq!(end, stacks::End::CutStack);
}

#[test]
fn a_stack_that_is_aligned_anew() {
    const SOURCE: &str = r#"
#include <alloca.h>
#include <string.h>
#include <unistd.h>
volatile int sink;
__attribute__((noinline)) int wait_here(char *x) { pause(); return x[0] + sink; }
__attribute__((noinline)) int aligned(int n) {
    _Alignas(64) char room[128];
    char *more = alloca(n * 16);
    memset(room, n, sizeof room); memset(more, n, n);
    int result = wait_here(room) + wait_here(more);
    return result + room[n] + more[0];
}
__attribute__((noinline)) int before(int n) { return aligned(n + 3) + 1; }
int main(int n, char **t) { sink = before(n); return sink; }
"#;
    let folder = Folder::new();
    let running = Running::start(&folder.compile("gcc", SOURCE, &PLAIN));
    let main = running.assert_like_gdb(running.pid);
    assert_chain(&main, &["wait_here", "aligned", "before", "main"]);
}

#[test]
fn cpp_functions_and_comparators() {
    const SOURCE: &str = r#"
#include <algorithm>
#include <functional>
#include <stdexcept>
#include <vector>
#include <unistd.h>
volatile int sink;
namespace app {
__attribute__((noinline)) bool less(int a, int b) { pause(); sink++; return a < b; }
struct Waits { __attribute__((noinline)) ~Waits() { std::vector<int> v(40, 1); std::sort(v.begin(), v.end(), less); sink++; } };
__attribute__((noinline)) int throws(int x) { Waits w; sink++; if (x) throw std::runtime_error("x"); return x; }
__attribute__((noinline)) int catches(int x) { try { return throws(x); } catch (std::exception &) { return sink + 1; } }
}
int main(int n, char **) {
    std::function<int(int)> f = [](int x) { return app::catches(x) + sink; };
    sink = f(n);
    return sink;
}
"#;
    let folder = Folder::new();
    let running = Running::start(&folder.compile("g++", SOURCE, &PLAIN));
    let main = running.assert_like_gdb(running.pid);
    let has = |part: &str| {
        assert!(
            main.iter().any(|name| name.contains(part)),
            "{part}: {main:?}"
        )
    };
    has("app::less(int, int)");
    has("app::Waits::~Waits()");
    has("app::throws(int)");
    has("app::catches(int)");
    has("std::function<int (int)>::operator()(int) const");
}

#[test]
fn a_rust_program() {
    const SOURCE: &str = r#"
use std::hint::black_box;
mod app {
    #[inline(never)]
    pub fn wait_here(x: &dyn Fn(u32) -> u32) -> u32 { x(3) + 1 }
    pub struct Tree<T>(pub T);
    impl<T: Copy + Into<u64>> Tree<T> {
        #[inline(never)]
        pub fn depth(&self) -> u64 { super::black_box(super::middle(self.0.into() as u32)) as u64 + 1 }
    }
}
#[inline(never)]
fn middle(x: u32) -> u32 {
    app::wait_here(&move |y| { let mut line = String::new(); std::io::stdin().read_line(&mut line).unwrap(); x + y + line.len() as u32 }) + 1
}
fn main() {
    let thread = std::thread::spawn(|| black_box(app::Tree(3u32).depth()));
    println!("{}", thread.join().unwrap());
}
"#;
    let folder = Folder::new();
    let running = Running::start(&folder.compile("rustc", SOURCE, &["-O", "-g"]));
    let threads = running.threads();
    let main = running.assert_like_gdb(threads[0]);
    assert!(main.iter().any(|name| name == "program::main"), "{main:?}");
    let other = running.assert_like_gdb(threads[1]);
    let has = |part: &str| {
        assert!(
            other.iter().any(|name| name.contains(part)),
            "{part}: {other:?}"
        )
    };
    has("program::middle::{closure#0}");
    has("program::app::wait_here");
    has("Tree<u32>>::depth");
}
