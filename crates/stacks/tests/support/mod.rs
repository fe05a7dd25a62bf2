//! Programs compiled for a test, processes that run them until a thread of theirs waits, and what gdb says of it. Needs
//! root, gdb, gcc, g++ and rustc.
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod gdb;
mod mapped;
mod threads;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use stacks::{CopiedStack, End, Frame, Modules, ProcessMaps, SymbolFrame, Symbolizer, Unwinder};

pub use gdb::{TRAMPOLINE, plain};
pub use mapped::{Mapped, executable};
pub use threads::{Stopped, wait_until_blocked};

/// Four functions that call each other, the last of which waits; the stack is deeper than two pages.
pub const CHAIN: &str = r#"
#include <unistd.h>
volatile int sink;
__attribute__((noinline)) static int c(int x) { pause(); return x + sink; }
__attribute__((noinline)) static int b(int x) { volatile char room[8000]; room[x] = 1; return c(x + 2) + room[x]; }
__attribute__((noinline)) static int a(int x) { return b(x + 1) * 3; }
int main(int n, char **t) { sink = a(n); return sink; }
"#;
pub const PLAIN: [&str; 3] = ["-O2", "-g", "-fomit-frame-pointer"];
pub const OWN: [&str; 4] = ["c", "b", "a", "main"];

pub fn functions(frames: &[Frame]) -> Vec<String> {
    symbols(frames).iter().map(function).collect()
}

/// A folder that is removed with all it holds.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("stacks-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.join(name), text).unwrap();
        self.join(name)
    }

    pub fn compile(&self, compiler: &str, source: &str, options: &[&str]) -> PathBuf {
        let extension = match compiler {
            "g++" => "cc",
            "rustc" => "rs",
            _ => "c",
        };
        let source = self.write(&format!("program.{extension}"), source);
        let program = self.join("program");
        run(Command::new(compiler)
            .current_dir(&self.0)
            .arg(source)
            .arg("-o")
            .arg(&program)
            .args(options));
        program
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where a section is in a file: offset and length, from readelf.
pub fn section(program: &Path, name: &str) -> (usize, usize) {
    let text = run(Command::new("readelf").arg("-SW").arg(program));
    let line = text
        .lines()
        .find(|line| line.contains(&format!("] {name} ")));
    let (_, fields) = line.unwrap().split_once(name).unwrap();
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |text| usize::from_str_radix(text, 16).unwrap();
    (number(fields[2]), number(fields[3]))
}

/// A process whose main thread, or the one of that number, waits in a system call for good.
pub struct Running {
    child: Child,
    pub pid: u32,
}

impl Running {
    pub fn start(program: &Path) -> Self {
        Self::command(&mut Command::new(program))
    }

    pub fn command(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let running = Self {
            pid: child.id(),
            child,
        };
        wait_until_blocked(running.pid, running.pid);
        running
    }

    /// The program of that folder, with the folder as its root, and its own copy of the C library, in namespaces of its own.
    pub fn in_root(folder: &Folder) -> Self {
        let program = folder.join("program");
        let libraries = run(Command::new("ldd").arg(&program));
        for library in libraries
            .split_ascii_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            let to = folder.join(library.trim_start_matches('/'));
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(library, &to).unwrap();
        }
        run(Command::new("chmod").arg("755").arg(&program));
        let mut command = Command::new("unshare");
        // exec all the way: the process is the program.
        let script = "mount -t tmpfs none \"$0/tmp\" && mkdir \"$0/tmp/root\" && cp -a \"$0\"/[!t]* \"$0/tmp/root\" && exec chroot \"$0/tmp/root\" /program";
        std::fs::create_dir_all(folder.join("tmp")).unwrap();
        command.args(["-m", "sh", "-c", script]).arg(folder.path());
        let running = Self::command(&mut command);
        // The script waits, too.
        let begun = Instant::now();
        let comm = format!("/proc/{}/comm", running.pid);
        while std::fs::read_to_string(&comm).unwrap() != "program\n" {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
        wait_until_blocked(running.pid, running.pid);
        running
    }

    /// Thread ids, the main thread's first.
    pub fn threads(&self) -> Vec<u32> {
        let folder = format!("/proc/{}/task", self.pid);
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut ids: Vec<u32> = names
            .map(|n| n.to_str().unwrap().parse().unwrap())
            .collect();
        ids.sort();
        ids
    }

    pub fn maps(&self) -> ProcessMaps {
        ProcessMaps::open(self.pid, &Arc::new(Modules::default())).unwrap()
    }

    /// Gives it a byte to read, and waits until it waits again.
    pub fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().unwrap();
        std::io::Write::write_all(input, b"x").unwrap();
        wait_until_blocked(self.pid, self.pid);
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Of a thread: the frames, how the walk ended.
    pub fn walk(&self, thread: u32) -> (Vec<Frame>, End) {
        let stopped = Stopped::take(self.pid, thread);
        let walk = unwind(&mut self.maps(), &stopped, usize::MAX);
        (walk.0, walk.1)
    }

    /// The same of the main thread, with this part.
    pub fn assert_like_gdb_and(&self, wanted: &[&str]) {
        assert_chain(&self.assert_like_gdb(self.pid), wanted);
    }

    /// That the frames of a thread are those that gdb finds, with the same functions, up to the end; the functions.
    pub fn assert_like_gdb(&self, thread: u32) -> Vec<String> {
        let (frames, end) = self.walk(thread);
        let symbols = symbols(&frames);
        let ours: Vec<String> = symbols.iter().map(function).collect();
        let shown: Vec<String> = symbols.iter().map(ToString::to_string).collect();
        println!("{}", shown.join("\n"));
        let theirs = gdb::functions(&Folder::new(), self.pid, thread);
        // gdb makes full names of its own, for C++ functions that nobody can link to and for Rust.
        let last = |names: &[String]| -> Vec<String> {
            let names = plain(names).into_iter();
            let last = names.map(|name| name.rsplit("::").next().unwrap().to_owned());
            last.map(|name| name.trim_start_matches('_').to_owned())
                .collect()
        };
        assert_eq!(last(&ours), last(&theirs));
        assert_eq!(end, End::Complete);
        ours
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn unwind(maps: &mut ProcessMaps, stopped: &Stopped, most: usize) -> (Vec<Frame>, End) {
    let stack = CopiedStack {
        base: stopped.base,
        bytes: &stopped.bytes[..stopped.bytes.len().min(most)],
    };
    let walk = Unwinder::new().unwind(maps, &stopped.registers, stack);
    (walk.frames, walk.end)
}

/// With inlined ones, innermost first.
pub fn symbols(frames: &[Frame]) -> Vec<SymbolFrame> {
    let mut symbolizer = Symbolizer::new();
    let found = frames
        .iter()
        .flat_map(|frame| symbolizer.place(&frame.place, frame.pc).to_vec());
    found.collect()
}

pub fn function(frame: &SymbolFrame) -> String {
    frame.function.clone().unwrap_or_else(|| "??".to_owned())
}

/// That a stack holds these functions one after the other.
pub fn assert_chain(functions: &[String], wanted: &[&str]) {
    let functions = plain(functions);
    let is_there = functions
        .windows(wanted.len())
        .any(|part| part.iter().zip(wanted).all(|(a, b)| a == b));
    assert!(is_there, "{wanted:?} in {functions:?}");
}
