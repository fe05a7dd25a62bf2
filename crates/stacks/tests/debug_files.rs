//! Programs whose symbols or debug information are elsewhere, or nowhere. Needs root, binutils and xz-utils.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::process::Command;

use stacks::End;
use support::{
    CHAIN, Folder, OWN, PLAIN, Running, assert_chain, function, functions, run, symbols,
};

#[test]
fn a_stripped_program_is_named_by_address_and_build_id() {
    let folder = Folder::new();
    let program = folder.compile("gcc", CHAIN, &PLAIN);
    let whole = folder.join("whole");
    std::fs::copy(&program, &whole).unwrap();
    run(Command::new("strip").arg(&program));
    let running = Running::start(&program);
    let (frames, end) = running.walk(running.pid);
    assert_eq!(end, End::Complete);
    let symbols = symbols(&frames);
    let own: Vec<_> = symbols
        .iter()
        .filter(|frame| {
            frame
                .module
                .as_ref()
                .is_some_and(|m| m.base_name() == "program")
        })
        .collect();
    assert_eq!(own.len(), OWN.len() + 1);
    let id = run(Command::new("file").arg(&whole));
    for (frame, wanted) in own.iter().zip(OWN) {
        assert_eq!(frame.to_string(), format!("program+{:#x}", frame.address));
        let module = frame.module.as_ref().unwrap();
        assert!(id.contains(module.build_id.as_ref().unwrap()), "{id}");
        // The whole file names it.
        let address = format!("{:#x}", frame.address);
        let mut tool = Command::new("addr2line");
        let named = run(tool.arg("-fe").arg(&whole).arg(address));
        assert_eq!(named.lines().next(), Some(wanted));
    }
}

#[test]
fn debug_files_by_link_and_by_build_id() {
    let folder = Folder::new();
    let program = folder.compile(
        "gcc",
        CHAIN,
        &[
            &PLAIN[..],
            &["-Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567"],
        ]
        .concat(),
    );
    let debug = folder.join("program.debug");
    let mut copy = Command::new("objcopy");
    run(copy.arg("--only-keep-debug").arg(&program).arg(&debug));
    run(Command::new("strip").arg(&program));
    let stripped = std::fs::read(&program).unwrap();
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run(Command::new("objcopy")
        .current_dir(folder.path())
        .arg(link)
        .arg(&program));
    let own = |running: &Running| {
        let (frames, _) = running.walk(running.pid);
        symbols(&frames)
    };
    let linked = own(&Running::start(&program));
    assert_chain(&linked.iter().map(function).collect::<Vec<_>>(), &OWN);
    assert_eq!(linked[1].source.as_ref().unwrap().line, Some(4));

    // In a root of its own, by build id.
    let other = Folder::new();
    std::fs::write(other.join("program"), stripped).unwrap();
    let at = other.join("usr/lib/debug/.build-id/01");
    std::fs::create_dir_all(&at).unwrap();
    std::fs::rename(
        &debug,
        at.join("23456789abcdef0123456789abcdef01234567.debug"),
    )
    .unwrap();
    let running = Running::in_root(&other);
    let found = own(&running);
    assert_chain(&found.iter().map(function).collect::<Vec<_>>(), &OWN);
    assert_eq!(found[1].source.as_ref().unwrap().line, Some(4));
}

#[test]
fn symbols_packed_inside() {
    let folder = Folder::new();
    let program = folder.compile("gcc", CHAIN, &PLAIN);
    let script = "objcopy --strip-debug program small && xz -q small && strip program && \
        objcopy --add-section .gnu_debugdata=small.xz program";
    run(Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", script]));
    let running = Running::start(&program);
    let (frames, end) = running.walk(running.pid);
    assert_eq!(end, End::Complete);
    assert_chain(&functions(&frames), &OWN);
}

/// What two programs have in common is in a third file. Only where dwz is installed.
#[test]
fn debug_information_in_common() {
    if Command::new("dwz").arg("--version").output().is_err() {
        println!("not tested: there is no dwz");
        return;
    }
    let folder = Folder::new();
    let program = folder.compile("gcc", CHAIN, &PLAIN);
    std::fs::rename(&program, folder.join("other")).unwrap();
    // Long strings that both have are worth moving.
    let program = folder.compile("gcc", CHAIN, &PLAIN);
    let mut dwz = Command::new("dwz");
    dwz.current_dir(folder.path());
    run(dwz.args(["-m", "common.debug", "program", "other"]));
    let sections = run(Command::new("readelf").arg("-SW").arg(&program));
    assert!(sections.contains(".gnu_debugaltlink"), "{sections}");
    let running = Running::start(&program);
    let (frames, end) = running.walk(running.pid);
    assert_eq!(end, End::Complete);
    let symbols = symbols(&frames);
    assert_chain(&symbols.iter().map(function).collect::<Vec<_>>(), &OWN);
    assert_eq!(symbols[1].source.as_ref().unwrap().line, Some(4));
}
