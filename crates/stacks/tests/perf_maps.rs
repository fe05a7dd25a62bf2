//! `/tmp/perf-PID.map` as runtimes write it, and as others would have it. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probe_points::open::Root;
use stacks::GeneratedNames;

const USER: u32 = 1000;
const OTHER: u32 = 1001;

/// A process of an ordinary user, and where its map would be.
struct Process {
    child: Child,
    path: String,
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        let child = command.arg("1000").uid(USER).gid(USER).spawn().unwrap();
        let path = format!("/tmp/perf-{}.map", child.id());
        Self { child, path }
    }

    fn write(&self, text: &str, owner: u32) {
        let _ = fs::remove_file(&self.path);
        fs::write(&self.path, text).unwrap();
        chown(&self.path, Some(owner), Some(owner)).unwrap();
    }

    fn map(&self) -> GeneratedNames {
        let root = Arc::new(Root::open(Path::new("/")).unwrap());
        GeneratedNames::of_process(self.child.id(), &root)
    }

    /// The name of the code there, or why there is none.
    fn name(&self) -> Result<String, String> {
        let map = self.map();
        name_at(&map, 0x1000).ok_or_else(|| map.problem().unwrap_or("no name").to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn name_at(map: &GeneratedNames, address: u64) -> Option<String> {
    let (name, _) = map.find(address)?;
    Some(String::from_utf8(name.to_vec()).unwrap())
}

#[test]
fn one_of_the_process_s_user_or_of_root_is_read() {
    let process = Process::start();
    for owner in [USER, 0] {
        process.write("1000 10 named\n", owner);
        assert_eq!(process.name(), Ok("named".to_owned()));
    }
}

#[test]
fn one_of_another_user_is_not() {
    let process = Process::start();
    process.write("1000 10 planted\n", OTHER);
    let why = format!(
        "{} is not used: it belongs to the user {OTHER}, who is neither the process's nor root",
        process.path
    );
    assert_eq!(process.name(), Err(why));
}

#[test]
fn what_the_name_leads_to_is_not_read() {
    let process = Process::start();
    let secret = format!("/tmp/kdelay-test-secret-{}", process.child.id());
    fs::write(&secret, "1000 10 secret\n").unwrap();
    for target in [&secret[..], "/proc/kmsg"] {
        let _ = fs::remove_file(&process.path);
        symlink(target, &process.path).unwrap();
        assert!(process.name().unwrap_err().ends_with("not a regular file"));
    }
    // Another name of the same file, and one that only root may read.
    fs::remove_file(&process.path).unwrap();
    fs::hard_link(&secret, &process.path).unwrap();
    let is_for_root = |why: String| why.ends_with("it is root's, and not for all to read");
    assert!(is_for_root(process.name().unwrap_err()));
    fs::remove_file(&secret).unwrap();
    assert_eq!(process.name(), Ok("secret".to_owned()));
    run(Command::new("chmod").args(["600", &process.path]));
    assert!(is_for_root(process.name().unwrap_err()));
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success());
}

#[test]
fn one_that_is_older_than_the_process_is_another_s() {
    let process = Process::start();
    process.write("1000 10 old\n", USER);
    let set_age = |age: Duration| {
        let file = File::options().write(true).open(&process.path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    set_age(Duration::from_secs(3600));
    assert!(
        process
            .name()
            .unwrap_err()
            .contains("older than the process")
    );
    set_age(Duration::ZERO);
    assert_eq!(process.name(), Ok("old".to_owned()));
}

#[test]
fn one_that_grows_is_read_on() {
    let process = Process::start();
    process.write("1000 10 first\n20", USER);
    let mut map = process.map();
    let mut file = File::options().append(true).open(&process.path).unwrap();
    file.write_all(b"00 10 second\n1000 10 last\n").unwrap();
    map.be_current(1);
    assert_eq!(name_at(&map, 0x2000).as_deref(), Some("second"));
    assert_eq!(name_at(&map, 0x1000).as_deref(), Some("last"));
    // Not looked at again as of the same time.
    file.write_all(b"1000 10 later\n").unwrap();
    map.be_current(1);
    assert_eq!(name_at(&map, 0x1000).as_deref(), Some("last"));
    map.be_current(2);
    assert_eq!(name_at(&map, 0x1000).as_deref(), Some("later"));
}

#[test]
fn one_that_is_written_anew_is_read_anew() {
    let process = Process::start();
    process.write("1000 10 first\n2000 10 gone\n", USER);
    let mut map = process.map();
    assert_eq!(name_at(&map, 0x2000).as_deref(), Some("gone"));
    let lines = "3000 10 more\n".repeat(100);
    for (as_of, text) in [
        // As it is, shorter, and longer than what was there.
        (1, "1000 10 short\n".to_owned()),
        (2, format!("1000 10 longer\n{lines}")),
        // Where it begins and how long it is may be the same.
        (
            3,
            format!("1000 10 longer\n{}", lines.replace("more", "else")),
        ),
    ] {
        fs::write(&process.path, &text).unwrap();
        map.be_current(as_of);
        let expected = text.split_ascii_whitespace().nth(2);
        assert_eq!(name_at(&map, 0x1000).as_deref(), expected);
        assert_eq!(name_at(&map, 0x2000), None);
    }
    assert_eq!(name_at(&map, 0x3000).as_deref(), Some("else"));
    // Another file in its place, with what is there now and more.
    let text = fs::read_to_string(&process.path).unwrap();
    process.write(&format!("{text}4000 10 replaced\n"), USER);
    map.be_current(4);
    assert_eq!(name_at(&map, 0x4000).as_deref(), Some("replaced"));
}

#[test]
fn what_is_known_stays_when_the_file_has_gone() {
    let process = Process::start();
    process.write("1000 10 known\n", USER);
    let mut map = process.map();
    fs::remove_file(&process.path).unwrap();
    map.be_current(1);
    assert_eq!(name_at(&map, 0x1000).as_deref(), Some("known"));
}
