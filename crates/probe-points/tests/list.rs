//! What is listed can be given back as a trigger.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop where tests would"
)]

mod support;

use std::collections::HashSet;
use std::path::Path;

use probe_points::{
    Entry, ErrorKind, Kernel, Listing, Objects, Pattern, Point, ReturnProbes, list, list_with,
    parse, resolve_with,
};
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Folder, Running, WAIT, refusal};

fn triggers(listing: &Listing) -> HashSet<&str> {
    listing
        .entries
        .iter()
        .map(|entry| entry.trigger.as_str())
        .collect()
}

fn check(kernel: &Kernel, objects: &Objects, entry: &Entry) {
    let trigger = parse(&entry.trigger).unwrap_or_else(|error| panic!("{entry:?}: {error}"));
    assert_eq!(trigger.to_string(), entry.trigger);
    let points = resolve_with(kernel, &trigger, objects, ReturnProbes::OrUretprobe)
        .unwrap_or_else(|error| panic!("{entry:?}: {error}"))
        .points;
    assert_eq!(points.len(), entry.locations as usize, "{entry:?}");
    let has_semaphore = points
        .iter()
        .any(|point| matches!(point, Point::User { ref_ctr_offset, .. } if *ref_ctr_offset != 0));
    assert_eq!(has_semaphore, entry.semaphore, "{entry:?}");
}

#[test]
fn a_program_s_names_are_listed_as_they_are_given() {
    let folder = Folder::new();
    folder.write(
        "other.c",
        "static int same(void) { return 2; }\nint other(void) { return same(); }",
    );
    let source = format!(
        "{WAIT}#include <sys/sdt.h>\nint other(void);\nstatic int same(void) {{ return 1; }}\n\
         int main(void) {{ DTRACE_PROBE(app, probe); same(); other(); wait_to_be_killed(); }}"
    );
    let program = folder.compile("gcc", "program", &source, &["{}/other.c"]);
    let running = Running::start(&program);
    let objects = running.objects();
    let listing = list(Some(&objects), None).unwrap();
    let all = triggers(&listing);
    for expected in [
        "up:main",
        "up:other",
        "u:app:probe",
        "up:libc.so.6:malloc",
        "t:sched:sched_switch",
    ] {
        assert!(all.contains(expected), "{expected}");
    }
    assert!(!all.contains("up:libc.so.6:memcpy"), "an indirect function");
    let same: Vec<&Entry> = listing
        .entries
        .iter()
        .filter(|entry| entry.demangled.as_deref() == Some("same"))
        .collect();
    assert_eq!(same.len(), 2);
    assert!(same.iter().all(|entry| entry.trigger.starts_with("up:0x")));
    let path = program.display().to_string();
    let main = listing
        .entries
        .iter()
        .find(|entry| entry.trigger == "up:main")
        .unwrap();
    assert_eq!((main.kind, main.object.as_ref()), ("uprobe", Some(&path)));
    let kernel = Kernel::running();
    for entry in listing
        .entries
        .iter()
        .filter(|entry| entry.object.as_ref() == Some(&path))
    {
        check(&kernel, &objects, entry);
    }
    if kernel.kprobe_pmu().is_err() {
        assert!(
            listing
                .problems
                .iter()
                .any(|problem| problem.contains("no kprobes"))
        );
    }
}

#[test]
fn a_filter_is_a_part_of_the_trigger_or_of_the_readable_name() {
    let folder = Folder::new();
    let source = format!(
        "{WAIT}namespace ns {{ int f(int x) {{ return x; }} }}\nint main() {{ ns::f(1); wait_to_be_killed(); }}"
    );
    let running = Running::start(&folder.compile("g++", "program", &source, &[]));
    let objects = running.objects();
    for filter in ["NS::F(", "up:_ZN2ns*", "_zn2ns1f"] {
        let listing = list(Some(&objects), Some(&Pattern::new(filter))).unwrap();
        assert_eq!(
            triggers(&listing),
            HashSet::from(["up:_ZN2ns1fEi"]),
            "{filter}"
        );
        assert_eq!(listing.entries[0].demangled.as_deref(), Some("ns::f(int)"));
    }
    let listing = list(None, Some(&Pattern::new("t:sched:*"))).unwrap();
    assert!(listing.entries.len() > 10);
    assert!(
        listing
            .entries
            .iter()
            .all(|entry| entry.kind == "tracepoint")
    );
}

#[test]
fn a_sample_of_what_this_process_and_python_have_can_be_resolved() {
    let kernel = Kernel::running();
    let own = Objects::of_process(std::process::id()).unwrap();
    let python = Objects::of_command(Path::new("/usr/bin/python3"), Path::new("/")).unwrap();
    for objects in [own, python] {
        let entries = list_with(&kernel, Some(&objects), None).unwrap().entries;
        assert!(entries.len() > 1000);
        for entry in entries
            .iter()
            .filter(|entry| entry.kind == "usdt" || entry.kind == "tracepoint")
        {
            check(&kernel, &objects, entry);
        }
        let config = ProptestConfig {
            cases: 500,
            ..ProptestConfig::default()
        };
        proptest!(config, |(index: Index)| check(&kernel, &objects, index.get(&entries)));
    }
}

/// A kernel with kprobes, as far as files go.
fn kernel_folder() -> Folder {
    let folder = Folder::new();
    for (path, text) in [
        ("sys/bus/event_source/devices/kprobe/type", "8\n"),
        (
            "sys/bus/event_source/devices/kprobe/format/retprobe",
            "config:0\n",
        ),
        ("sys/kernel/tracing/events/sched/sched_switch/id", "314\n"),
        ("sys/kernel/tracing/events/ftrace/print/id", "5\n"),
        (
            "sys/kernel/tracing/available_filter_functions",
            "vfs_read\nvfs_write\nnf_hook [nf]\ntwice\ntwice\nbad\n",
        ),
        ("sys/kernel/debug/kprobes/blacklist", "0x0-0x0\tbad\n"),
        (
            "proc/kallsyms",
            "0000000000000000 T vfs_read\n0000000000000000 T vfs_write\n0000000000000000 t nf_hook\t[nf]\n\
             0000000000000000 t twice\n0000000000000000 t twice\n0000000000000000 T bad\n\
             0000000000000000 D some_data\n0000000000000000 T notrace\n",
        ),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn functions_of_the_kernel_are_looked_up_before_they_are_asked_for() {
    let folder = kernel_folder();
    let kernel = Kernel::below(folder.path());
    let objects = Objects::of_process(std::process::id()).unwrap();
    let ask = |trigger: &str| {
        resolve_with(
            &kernel,
            &parse(trigger).unwrap(),
            &objects,
            ReturnProbes::AtEnds,
        )
        .map(|resolved| resolved.points)
    };
    let points = ask("k:vfs_read+0x10").unwrap();
    let [
        Point::Kernel {
            function,
            offset: 16,
            is_return: false,
        },
    ] = &points[..]
    else {
        panic!("{points:?}");
    };
    assert_eq!(function.as_c_str(), c"vfs_read");
    assert!(matches!(
        ask("kr:nf_hook").unwrap()[..],
        [Point::Kernel {
            is_return: true,
            ..
        }]
    ));
    assert!(matches!(
        ask("t:sched:sched_switch").unwrap()[..],
        [Point::Tracepoint { id: 314 }]
    ));
    for (trigger, kind, text) in [
        ("k:vfs_reed", ErrorKind::NotFound, "k:vfs_read"),
        ("kr:some_data", ErrorKind::NotFound, "no function"),
        ("k:twice", ErrorKind::Ambiguous, "2 functions"),
        ("k:bad", ErrorKind::Unprobeable, "blacklist"),
        ("k:notrace", ErrorKind::Unprobeable, "no probe"),
        (
            "t:sched:sched_swich",
            ErrorKind::NotFound,
            "t:sched:sched_switch",
        ),
        (
            "t:scheduler:sched_switch",
            ErrorKind::NotFound,
            "t:sched:sched_switch",
        ),
        ("t:ftrace:print", ErrorKind::Unprobeable, "internal"),
        ("up:main", ErrorKind::Unsupported, "no uprobes"),
        ("u:a:b", ErrorKind::Unsupported, "no uprobes"),
    ] {
        let error = ask(trigger).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let listing = list_with(&kernel, None, None).unwrap();
    assert_eq!(
        triggers(&listing),
        HashSet::from([
            "t:sched:sched_switch",
            "k:vfs_read",
            "k:vfs_write",
            "k:nf_hook"
        ])
    );
    assert!(listing.problems.is_empty());
}

#[test]
fn a_kernel_without_kprobes_says_so() {
    if Kernel::running().kprobe_pmu().is_ok() {
        return;
    }
    let objects = Objects::of_process(std::process::id()).unwrap();
    assert_eq!(refusal(&objects, "k:vfs_read").kind, ErrorKind::Unsupported);
}
