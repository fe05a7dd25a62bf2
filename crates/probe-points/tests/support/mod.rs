//! Programs compiled for a test, and processes that run them. Needs Debian's gcc, g++, binutils, systemtap-sdt-dev, xz-utils and
//! util-linux.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use probe_points::{Error, Object, Objects, Point, ReturnProbes, parse, resolve};

/// A folder that is removed with all it holds.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("probe-points-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.join(name), text).unwrap();
        self.join(name)
    }

    /// Compiles a source; `{}` in the options stands for this folder.
    pub fn compile(&self, compiler: &str, name: &str, source: &str, options: &[&str]) -> PathBuf {
        let extension = if compiler == "g++" { "cc" } else { "c" };
        let source = self.write(&format!("{name}.{extension}"), source);
        let folder = self.0.display().to_string();
        run(Command::new(compiler)
            .arg("-o")
            .arg(self.join(name))
            .arg(source)
            .args(options.iter().map(|option| option.replace("{}", &folder))));
        self.join(name)
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
    String::from_utf8(output.stdout).unwrap()
}

/// A program that has begun: what it was to load before `main` is mapped.
pub struct Running(Child);

/// For the sources: says that `main` runs, then waits to be killed.
pub const WAIT: &str = r#"
#include <unistd.h>
static void wait_to_be_killed(void) { write(1, "x", 1); for (;;) pause(); }
"#;

impl Running {
    pub fn start(program: &Path) -> Self {
        Self::command(&mut Command::new(program))
    }

    pub fn command(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn objects(&self) -> Objects {
        Objects::of_process(self.pid()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn points(objects: &Objects, trigger: &str) -> Result<Vec<Point>, Error> {
    resolve(&parse(trigger).unwrap(), objects, ReturnProbes::AtEnds)
}

/// Where in the file: of a trigger that has one location.
pub fn offset(objects: &Objects, trigger: &str) -> u64 {
    let points = points(objects, trigger).unwrap_or_else(|error| panic!("{trigger}: {error}"));
    match &points[..] {
        [Point::User { offset, .. }] => *offset,
        other => panic!("{trigger}: {other:?}"),
    }
}

pub fn refusal(objects: &Objects, trigger: &str) -> Error {
    match points(objects, trigger) {
        Ok(points) => panic!("{trigger}: {points:?}"),
        Err(error) => error,
    }
}

pub fn object<'a>(objects: &'a Objects, base: &str) -> &'a Object {
    objects
        .iter()
        .find(|object| object.base_name() == base.as_bytes())
        .unwrap()
}

/// As `nm` shows it.
pub fn nm(file: &Path, name: &str) -> Vec<u64> {
    let text = run(Command::new("nm").arg(file));
    text.lines()
        .filter(|line| line.split_ascii_whitespace().nth(2) == Some(name))
        .map(|line| u64::from_str_radix(&line[..16], 16).unwrap())
        .collect()
}

/// Through the program headers as `readelf` shows them.
pub fn file_offset(file: &Path, address: u64) -> u64 {
    let text = run(Command::new("readelf").arg("-lW").arg(file));
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    text.lines()
        .filter(|line| line.trim_start().starts_with("LOAD"))
        .find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (offset, start, bytes) = (number(fields[1]), number(fields[2]), number(fields[4]));
            (start..start + bytes)
                .contains(&address)
                .then(|| address - start + offset)
        })
        .unwrap()
}

/// The bytes there, in the file that a point holds open.
pub fn bytes_at(point: &Point, length: usize) -> Vec<u8> {
    let Point::User {
        path, offset, file, ..
    } = point
    else {
        panic!("{point:?}");
    };
    assert_eq!(
        *path,
        PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
    );
    let mut bytes = vec![0; length];
    let opened = File::open(path).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&opened, &mut bytes, *offset).unwrap();
    bytes
}
