use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{finish, keep, keep_none};

/// There is one kept file in a process.
pub static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Without a name.
pub fn temporary() -> File {
    let path = format!(
        "/tmp/kdelay-kept-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let options = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    std::fs::remove_file(&path).unwrap();
    options.unwrap()
}

pub fn content(mut file: &File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// What is left of `abcdef`.
fn left_by(kept: &[(i64, &str)], is_given_up: bool) -> String {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    let file = temporary();
    let mut writer = File::from(file.as_fd().try_clone_to_owned().unwrap());
    writer.write_all(b"abcdef").unwrap();
    for &(length, end) in kept {
        keep(writer.as_raw_fd(), length, end.into()).unwrap();
    }
    if is_given_up {
        keep_none();
    }
    finish();
    finish();
    content(&file)
}

#[test]
fn the_file_is_cut_and_gets_its_end() {
    assert_eq!(left_by(&[(3, "]")], false), "abc]");
    assert_eq!(left_by(&[(0, "[]")], false), "[]");
    assert_eq!(left_by(&[(6, "")], false), "abcdef");
    assert_eq!(
        left_by(&[(6, " and much more")], false),
        "abcdef and much more"
    );
    assert_eq!(left_by(&[(1, "x"), (4, "y")], false), "abcdy");
    assert_eq!(left_by(&[], false), "abcdef");
    assert_eq!(left_by(&[(3, "]")], true), "abcdef");
}

#[test]
fn what_is_no_descriptor_is_refused_and_what_is_no_file_stays() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    assert!(keep(-1, 0, Vec::new()).is_err());
    let (_reader, writer) = std::io::pipe().unwrap();
    keep(writer.as_raw_fd(), 0, b"x".into()).unwrap();
    finish();
}

#[test]
fn nothing_that_another_thread_writes_meanwhile_stands_behind_the_end() {
    let _one = ONE_AT_A_TIME.lock().unwrap();
    for round in 0..50 {
        let file = temporary();
        let mut writer = File::from(file.as_fd().try_clone_to_owned().unwrap());
        writer.write_all(b"whole,").unwrap();
        keep(writer.as_raw_fd(), 6, b"end".into()).unwrap();
        let has_begun = AtomicBool::new(false);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let part = vec![b'x'; 100_000];
                while !is_over.load(Ordering::Relaxed) {
                    writer.write_all(&part).unwrap();
                    has_begun.store(true, Ordering::Relaxed);
                    if file.metadata().unwrap().len() > 50_000_000 {
                        break;
                    }
                }
            });
            while !has_begun.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            finish();
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(content(&file), "whole,end", "round {round}");
    }
}
