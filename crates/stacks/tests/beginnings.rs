//! Where a walk ends, and whether it is whole: what looks like a thread's first function, and is none. Needs root and gcc.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use stacks::End;
use support::{Folder, PLAIN, Running, Stopped, assert_chain, functions, run, unwind};

/// Calls through a pointer to nowhere; the handler of the signal waits, as crash reporters do.
const CALL_TO_NOWHERE: &str = r#"
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>
volatile int sink;
static void handler(int signal) { pause(); sink++; }
static void (*volatile nowhere)(void);
__attribute__((noinline)) static void culprit(void) { nowhere(); sink++; }
__attribute__((noinline)) static void outer(void) { culprit(); sink++; }
int main(int n, char **t) {
    if (n > 1) nowhere = (void (*)(void))mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, handler);
    outer();
    return 0;
}
"#;

#[test]
fn a_call_to_nowhere_has_its_callers() {
    let folder = Folder::new();
    let program = folder.compile("gcc", CALL_TO_NOWHERE, &PLAIN);
    for arguments in [&[][..], &["somewhere"]] {
        let running = Running::command(Command::new(&program).args(arguments));
        let (frames, end) = running.walk(running.pid);
        let found = functions(&frames);
        assert_chain(&found, &["culprit", "outer", "main"]);
        assert!(found.iter().any(|name| name == "handler"), "{found:?}");
        assert_eq!(end, End::Complete, "{found:?}");
    }
}

/// Without a C library, without unwind tables, and all of it close to where it begins.
#[cfg(target_arch = "x86_64")]
const SMALL: &str = r#"
__asm__(".text\n.globl _start\n.type _start,@function\n_start: xor %ebp,%ebp\n call main\n hlt\n.size _start,.-_start\n");
volatile long sink;
__attribute__((noinline)) void nap(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(34L) : "rcx", "r11", "memory");
    sink = result;
}
__attribute__((noinline)) void middle(void) { nap(); sink++; }
__attribute__((noinline)) int outer(void) { middle(); return sink + 1; }
int main(void) { return outer() + 1; }
"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn what_follows_where_a_program_begins_is_not_its_beginning() {
    let folder = Folder::new();
    let flags = ["-O1", "-nostdlib", "-static", "-fno-toplevel-reorder"];
    let flags = [&flags[..], &["-fno-asynchronous-unwind-tables"]].concat();
    let running = Running::start(&folder.compile("gcc", SMALL, &flags));
    let (frames, end) = running.walk(running.pid);
    let found = functions(&frames);
    assert_chain(&found, &["nap", "middle", "outer", "main", "start"]);
    assert_eq!(end, End::Complete);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_library_that_says_where_it_begins_does_not_begin_there() {
    let folder = Folder::new();
    let nap = SMALL.split_once("volatile long sink;").unwrap().1;
    let nap = nap
        .split_once("__attribute__((noinline)) int outer")
        .unwrap()
        .0;
    folder.write("library.c", &format!("volatile long sink;{nap}"));
    let mut gcc = Command::new("gcc");
    gcc.current_dir(folder.path());
    gcc.args(["-O1", "-shared", "-fPIC", "-nostdlib", "-Wl,-e,nap"]);
    run(gcc.args([
        "-fno-asynchronous-unwind-tables",
        "-o",
        "library.so",
        "library.c",
    ]));
    let source = "void middle(void); volatile int sink;\n\
        __attribute__((noinline)) static void outer(void) { middle(); sink++; }\n\
        int main(void) { outer(); return sink; }";
    let library = folder.join("library.so");
    let flags = [&PLAIN[..], &[library.to_str().unwrap()]].concat();
    let running = Running::start(&folder.compile("gcc", source, &flags));
    let (frames, end) = running.walk(running.pid);
    assert_chain(&functions(&frames), &["nap", "middle", "outer", "main"]);
    assert_eq!(end, End::Complete);
}

/// A function in assembler that leaves a return address where its instructions, followed past a call that never returns, seem to return.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_zero_where_a_wrong_way_has_led_is_no_end() {
    let folder = Folder::new();
    let source = r#"
#include <stdlib.h>
#include <unistd.h>
int noting(int);
volatile int sink;
__attribute__((noinline)) int nap(void) { pause(); sink++; return 1; }
void finish(void) { exit(1); }
__attribute__((noinline)) int middle(int n) { volatile char room[200] = { 0 }; room[n] = 0; int r = noting(n); return r + room[n]; }
__attribute__((noinline)) int outer(int n) { int r = middle(n); sink++; return r; }
int main(int n, char **t) { sink = outer(n); return 0; }
__asm__(".text\n.type noting,@function\nnoting: sub $24,%rsp\n mov 24(%rsp),%rax\n mov %rax,(%rsp)\n call nap\n"
    " test %eax,%eax\n jne 1f\n call finish\n.size noting,.-noting\n"
    ".type other,@function\nother: mov %edi,%eax\n ret\n.size other,.-other\n1: add $24,%rsp\n ret\n");
"#;
    let running = Running::start(&folder.compile("gcc", source, &["-O1"]));
    let (frames, end) = running.walk(running.pid);
    let found = functions(&frames);
    let is_whole = ["middle", "outer", "main"]
        .iter()
        .all(|name| found.iter().any(|function| function == name));
    assert_eq!(end == End::Complete, is_whole, "{end:?} {found:?}");
}

/// Functions without frame pointers and unwind tables, the first of which never returns, called by one that has both.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_frame_pointer_of_a_function_further_up_leaves_frames_out() {
    let folder = Folder::new();
    let inner = r#"
#include <unistd.h>
#define APART __attribute__((noinline))
volatile int sink;
APART void nap(void) { pause(); sink++; }
APART void loop(int n) { volatile int room[3] = { n }; for (;;) { room[0]++; nap(); } }
APART void b(int n) { loop(n); sink++; }
APART void a(int n) { b(n + 1); sink++; }
"#;
    folder.write("inner.c", inner);
    let mut gcc = Command::new("gcc");
    gcc.current_dir(folder.path());
    gcc.args(["-O1", "-fomit-frame-pointer", "-c", "inner.c"]);
    run(gcc.args(["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]));
    let outer = r#"
#include <pthread.h>
void a(int);
static void *thread(void *x) { char room[32]; __asm__ volatile("" :: "r"(room) : "memory"); a(3); return room == x ? x : 0; }
int main(void) { pthread_t other; pthread_create(&other, 0, thread, 0); pthread_join(other, 0); return 0; }
"#;
    let object = folder.join("inner.o");
    let flags = [
        "-O1",
        "-fno-omit-frame-pointer",
        "-pthread",
        object.to_str().unwrap(),
    ];
    let running = Running::start(&folder.compile("gcc", outer, &flags));
    let other = running.threads()[1];
    support::wait_until_blocked(running.pid, other);
    let (frames, end) = running.walk(other);
    let found = functions(&frames);
    let is_whole = ["nap", "loop", "b", "a", "thread"]
        .iter()
        .all(|name| found.iter().any(|function| function == name));
    assert_eq!(end == End::Complete, is_whole, "{end:?} {found:?}");
}

#[test]
fn a_library_in_the_place_of_one_that_was_closed() {
    let folder = Folder::new();
    for name in ["red", "blue"] {
        folder.write(
            "place.c",
            &format!(
                "#include <unistd.h>\nvolatile int x; int {name}(void) {{ pause(); return x; }}"
            ),
        );
        let mut gcc = Command::new("gcc");
        gcc.current_dir(folder.path());
        run(gcc.args([
            "-shared",
            "-fPIC",
            "-O2",
            "-o",
            &format!("{name}.so"),
            "place.c",
        ]));
    }
    let source = r#"
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>
static void go_on(int signal) {}
int main(void) {
    signal(SIGUSR1, go_on);
    for (int other = 0;; other = !other) {
        void *library = dlopen(other ? "./blue.so" : "./red.so", RTLD_NOW);
        ((int (*)(void))dlsym(library, other ? "blue" : "red"))();
        dlclose(library);
    }
}
"#;
    let program = folder.compile("gcc", source, &PLAIN);
    let running = Running::command(Command::new(program).current_dir(folder.path()));
    let mut maps = running.maps();
    let mut look = |wanted: &str| {
        support::wait_until_blocked(running.pid, running.pid);
        let stopped = Stopped::take(running.pid, running.pid);
        let begun = Instant::now();
        loop {
            maps.refresh_if_old();
            let found = functions(&unwind(&mut maps, &stopped, usize::MAX).0);
            // They are not read again all the time.
            if found.iter().any(|name| name == wanted) || begun.elapsed() > Duration::from_secs(60)
            {
                return (found, maps.generation());
            }
        }
    };
    let (found, before) = look("red");
    assert_chain(&found, &["red", "main"]);
    run(Command::new("kill").args(["-USR1", &running.pid.to_string()]));
    let (found, after) = look("blue");
    assert_chain(&found, &["blue", "main"]);
    assert_ne!(before, after);
}
