//! Checks the stated counts against a second witness.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, process};

use crate::support::{self, Oracle};
use serde_json::Value;

/// Calls by name, of each thread.
type Counts = BTreeMap<u64, BTreeMap<String, u64>>;

struct Traced {
    truth: Value,
    /// What strace saw begin and end between `go` and the truth.
    seen: Counts,
}

/// `None` where there is no strace, which the caller says instead of passing silently.
fn trace(arguments: &str) -> Option<Traced> {
    let name = arguments.replace(' ', "-");
    let file: PathBuf = env::temp_dir().join(format!("kdelay-strace-{}-{name}", process::id()));
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("not checked: strace is not installed");
        return None;
    }
    let mut command = Command::new("strace");
    command
        .args(["-f", "-s", "16", "-o"])
        .arg(&file)
        .arg(support::ORACLE);
    command.args(arguments.split_whitespace());
    let mut oracle = Oracle::start_command(command);
    let truth = oracle.go();
    assert_eq!(oracle.end(), Some(0), "{arguments}");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    Some(Traced {
        truth,
        seen: calls_between_go_and_truth(&text),
    })
}

///     12 read(0, "go\n", 128) = 3          begins the span; an interrupted line counts when it is resumed
///     13 futex(0x…, FUTEX_WAIT… <unfinished ...>
///     13 <... futex resumed>) = 0
///     12 write(1, "{\"…", 300) = 300        ends it
fn calls_between_go_and_truth(text: &str) -> Counts {
    let mut counts = Counts::new();
    let mut begun_inside: BTreeMap<u64, bool> = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        let (tid, event) = line.split_once(' ').unwrap();
        let tid: u64 = tid.parse().unwrap();
        let event = event.trim_start();
        if !inside {
            inside = event.contains("\"go\\n\"");
            begun_inside.insert(tid, false);
            continue;
        }
        if event.starts_with("write(1,") {
            // Also where the line is cut: whoever has read the truth may go on before the write is seen to return.
            count(&mut counts, tid, "write");
            return counts;
        }
        if let Some(resumed) = event.strip_prefix("<... ") {
            if begun_inside.remove(&tid) == Some(true) {
                count(&mut counts, tid, resumed.split(' ').next().unwrap());
            }
        } else if event.ends_with("<unfinished ...>") {
            begun_inside.insert(tid, true);
        } else if let Some((name, _)) = event.split_once('(') {
            count(&mut counts, tid, name);
        }
    }
    panic!("the truth was never written:\n{text}");
}

fn count(counts: &mut Counts, tid: u64, name: &str) {
    *counts
        .entry(tid)
        .or_default()
        .entry(name.to_owned())
        .or_default() += 1;
}

fn stated(entry: &Value) -> BTreeMap<String, u64> {
    let syscalls = support::syscalls(entry);
    syscalls
        .iter()
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .collect()
}

/// Every thread that the truth lists made exactly the calls it states.
fn check(arguments: &str) -> Option<Traced> {
    let traced = trace(arguments)?;
    for entry in traced.truth["threads"].as_array().unwrap() {
        let tid = entry["tid"].as_u64().unwrap();
        let seen = traced.seen.get(&tid).cloned().unwrap_or_default();
        assert_eq!(seen, stated(entry), "{arguments}: {entry}");
    }
    Some(traced)
}

#[test]
fn counts_are_what_strace_sees() {
    check("counts 40");
}

#[test]
fn handoffs_are_what_strace_sees() {
    check("handoff 40");
    check("handoff 40 --cpu 0");
    check("pairs 2 40 --pause 1000");
}

#[test]
fn sleeps_and_spins_are_what_strace_sees() {
    check("sleep 2 5");
    check("spin 20");
    check("spinkernel 20");
    check("contend 40");
}

#[test]
fn renaming_and_blocking_are_what_strace_sees() {
    check("rename");
    check("stdin-block");
    check("sleepers 5");
}

#[test]
fn short_threads_make_the_calls_stated() {
    for arguments in ["threads 12 --batch 4", "threads 12 --batch 4 --calls 22"] {
        let Some(traced) = check(arguments) else {
            return;
        };
        let short_lived = &traced.truth["shortLived"];
        let others = short_lived["onceByEach"].as_array().unwrap();
        let mut made: Vec<&str> = others.iter().filter_map(Value::as_str).collect();
        made.push("prctl");
        for tid in short_lived["tids"].as_array().unwrap() {
            let seen = &traced.seen[&tid.as_u64().unwrap()];
            assert!(made.iter().all(|&name| seen[name] == 1), "{seen:?}");
            let rest: Vec<&String> = seen
                .keys()
                .filter(|name| !made.contains(&name.as_str()))
                .collect();
            assert!(rest.is_empty() || rest == ["exit"], "{seen:?}");
        }
    }
}

#[test]
fn short_children_make_the_calls_stated() {
    let Some(traced) = check("forkbomb 12") else {
        return;
    };
    for pid in traced.truth["children"]["pids"].as_array().unwrap() {
        let seen = &traced.seen[&pid.as_u64().unwrap()];
        assert_eq!(seen["getppid"], 1, "{seen:?}");
        assert!(
            seen.keys()
                .all(|name| name == "getppid" || name == "exit_group"),
            "{seen:?}"
        );
    }
}

#[test]
fn a_reused_tid_carries_the_calls_of_both_generations() {
    let Some(traced) = check("reuse") else {
        return;
    };
    let Some(tid) = traced.truth["reusedTid"].as_u64() else {
        return;
    };
    assert_eq!(traced.seen[&tid]["getppid"], 30);
}

#[test]
fn exec_has_the_calls_of_both_programs() {
    let Some(traced) = trace("exec") else {
        return;
    };
    let pid = traced.truth["pid"].as_u64().unwrap();
    assert_eq!(traced.seen[&pid]["getppid"], 150);
    assert_eq!(traced.seen[&pid]["execve"], 1);
}
