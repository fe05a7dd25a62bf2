//! Runs every mode through the protocol and checks that its truth holds together.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{self, Oracle, ns, syscalls, thread};
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

/// Runs a mode to its end, which must be a good one.
fn truth_of(arguments: &str) -> Value {
    let mut oracle = Oracle::start(arguments);
    let truth = oracle.go();
    assert_eq!(oracle.end(), Some(0), "{arguments}");
    truth
}

#[test]
fn counts_states_ten_calls_of_each_and_the_wake_that_ends_it() {
    let truth = truth_of("counts 25");
    let worker = thread(&truth, "worker");
    let expected = json!({
        "clock_nanosleep": 25, "fstat": 25, "futex": 26, "getppid": 25, "getrandom": 25,
        "getuid": 25, "lseek": 25, "read": 25, "sched_yield": 25, "write": 25,
    });
    assert_eq!(worker["syscalls"], expected);
    assert_eq!(worker["failedCalls"], 0);
    assert_eq!(worker["insideAtGo"], "futex");
    assert_eq!(worker["insideAtEnd"], "futex");
    let main = thread(&truth, "main");
    assert_eq!(main["insideAtGo"], "read");
    assert_eq!(syscalls(main)["write"], 1);
}

#[test]
fn sleep_lasts_at_least_as_long_as_asked() {
    let truth = truth_of("sleep 5 4");
    let measured = &thread(&truth, "sleeper")["measured"];
    assert!(ns(&measured["minNs"]) >= 5 * MS);
    assert!(ns(&measured["totalNs"]) >= 4 * ns(&measured["minNs"]));
    assert!(ns(&truth["wallNs"]) >= ns(&measured["totalNs"]));
    assert_eq!(truth["requestedTotalNs"], 20 * MS);
    assert_eq!(syscalls(thread(&truth, "sleeper"))["clock_nanosleep"], 4);
}

#[test]
fn handoff_counts_waits_and_wakes_of_both_sides() {
    for arguments in ["handoff 200", "handoff 200 --cpu 0"] {
        let truth = truth_of(arguments);
        for name in ["ping", "pong"] {
            let player = thread(&truth, name);
            let futexes = ns(&player["waits"]) + ns(&player["wakes"]) + 1;
            assert_eq!(player["wakes"], 200);
            assert_eq!(syscalls(player)["futex"], futexes);
            let waits = ns(&player["waitsSlept"]) + ns(&player["waitsRefused"]);
            assert_eq!(player["waits"], waits);
        }
    }
}

#[test]
fn contend_shares_one_cpu_between_two_threads() {
    let truth = truth_of("contend 200");
    let rivals = ["rival-a", "rival-b"].map(|name| thread(&truth, name));
    let cpu_ns: u64 = rivals.iter().map(|rival| ns(&rival["cpuNs"])).sum();
    assert!(
        cpu_ns <= ns(&truth["wallNs"]),
        "one CPU has no more than its wall time"
    );
    for rival in rivals {
        assert!(ns(&rival["begunNs"]) + ns(&rival["spunNs"]) >= 200 * MS);
        assert_eq!(syscalls(rival)["clock_gettime"], 2);
        let Some(schedstat) = rival["schedstat"].as_object() else {
            continue;
        };
        assert!(ns(&schedstat["runNs"]) >= ns(&rival["cpuNs"]));
        assert!(
            ns(&schedstat["readyNs"]) > 20 * MS,
            "it had to wait for the other"
        );
        // Beside others that want that CPU, its turns are few.
        assert!(ns(&schedstat["slices"]) > 0);
    }
}

#[test]
fn spin_makes_no_call_but_the_wake_that_ends_it() {
    let truth = truth_of("spin 30");
    let spinner = thread(&truth, "spinner");
    assert_eq!(spinner["syscalls"], json!({ "futex": 1 }));
    assert!(ns(&truth["wallNs"]) >= 30 * MS);
}

#[test]
fn spinkernel_spends_its_time_inside_one_call() {
    let truth = truth_of("spinkernel 50");
    let burner = thread(&truth, "burner");
    assert_eq!(burner["syscalls"], json!({ "futex": 1, "readv": 1 }));
    assert_eq!(burner["bytes"], truth["bytesAsked"]);
    assert!(ns(&burner["callNs"]) > 5 * MS, "about 50 ms were asked for");
}

#[test]
fn threads_are_all_born_and_all_gone() {
    for arguments in ["threads 20", "threads 20 --batch 6"] {
        let mut oracle = Oracle::start(arguments);
        let truth = oracle.go();
        assert_eq!(truth["born"], 20);
        assert_eq!(truth["exited"], 20);
        assert_eq!(truth["shortLived"]["syscallsOfAll"], json!({ "prctl": 20 }));
        assert_eq!(syscalls(thread(&truth, "main"))["clone"], 20);
        assert_eq!(truth["shortLived"]["tids"].as_array().unwrap().len(), 20);
        assert_eq!(task_count(oracle.pid()), 1);
        assert_eq!(oracle.end(), Some(0));
    }
}

#[test]
fn sleepers_are_all_there_and_all_asleep() {
    let mut oracle = Oracle::start("sleepers 200");
    assert_eq!(oracle.ready["tids"].as_object().unwrap().len(), 201);
    let truth = oracle.go();
    assert_eq!(truth["sleepers"]["count"], 200);
    assert_eq!(task_count(oracle.pid()), 201);
    assert_eq!(comm(oracle.pid(), oracle.tid("s7")), b"s7\n");
    assert_eq!(state(oracle.pid(), oracle.tid("s7")), 'S');
    assert_eq!(oracle.end(), Some(0));
}

#[test]
fn pairs_hand_over_and_back() {
    let truth = truth_of("pairs 3 50 --pause 1000");
    for pair in 0..3 {
        let [ping, pong] = ["ping", "pong"].map(|name| thread(&truth, &format!("{name}{pair}")));
        assert!(ping["rounds"].as_u64() > Some(0), "{ping}");
        assert_eq!(ping["rounds"], pong["rounds"]);
    }
}

#[test]
fn forkbomb_collects_every_child() {
    let truth = truth_of("forkbomb 20");
    assert_eq!(truth["born"], 20);
    assert_eq!(truth["exited"], 20);
    let main = thread(&truth, "main");
    assert_eq!(
        main["syscalls"],
        json!({ "clone": 20, "wait4": 20, "write": 1 })
    );
}

#[test]
fn exec_keeps_the_pid() {
    let truth = truth_of("exec");
    assert_eq!(truth["execve"]["enteredAsTid"], truth["pid"]);
    assert_eq!(truth["threadsAfter"][0]["syscalls"]["getppid"], 100);
}

#[test]
fn exec_from_another_thread_moves_it_to_the_pid() {
    let mut oracle = Oracle::start("execthread");
    let truth = oracle.go();
    assert_eq!(truth["execve"]["enteredAsTid"], oracle.tid("execer"));
    assert_eq!(truth["execve"]["returnedAsTid"], oracle.pid());
    assert_eq!(task_count(oracle.pid()), 1);
    assert_eq!(oracle.end(), Some(0));
}

#[test]
fn stop_lasts_at_least_as_long_as_asked() {
    let truth = truth_of("stop 40");
    assert!(ns(&truth["stoppedAtLeastNs"]) >= 40 * MS);
    assert!(ns(&truth["stoppedAtMostNs"]) >= ns(&truth["stoppedAtLeastNs"]));
    assert!(ns(&truth["wallNs"]) >= ns(&truth["stoppedAtMostNs"]));
}

#[test]
fn rename_ends_under_the_second_name() {
    let mut oracle = Oracle::start("rename");
    let (pid, tid) = (oracle.pid(), oracle.tid("plain"));
    assert_eq!(comm(pid, tid), b"plain\n");
    let truth = oracle.go();
    assert_eq!(comm(pid, tid), b"\x1b[31mred\n\x07end\n");
    assert_eq!(truth["secondName"], "\u{1b}[31mred\n\u{7}end");
    assert_eq!(syscalls(thread(&truth, "plain"))["getppid"], 20);
    assert_eq!(oracle.end(), Some(0));
}

#[test]
fn reuse_gives_one_tid_to_two_threads_or_says_why_not() {
    let truth = truth_of("reuse");
    let generations = truth["generations"].as_array().unwrap();
    assert_eq!(generations[0]["syscalls"]["getppid"], 10);
    if truth["reusedTid"].is_null() {
        assert!(truth["reason"].is_string());
        assert_eq!(generations.len(), 1);
    } else {
        assert!(truth["reason"].is_null());
        assert_eq!(generations[1]["syscalls"]["getppid"], 20);
        assert_eq!(generations[0]["tid"], generations[1]["tid"]);
    }
}

#[test]
fn stdin_block_is_asleep_all_along() {
    let mut oracle = Oracle::start("stdin-block");
    let truth = oracle.go();
    assert_eq!(thread(&truth, "main")["syscalls"], json!({ "write": 1 }));
    assert_eq!(oracle.end(), Some(0));
}

#[test]
fn ia32_is_answered_every_time_where_the_kernel_has_it() {
    let truth = truth_of("ia32 30");
    let compat = thread(&truth, "compat");
    let calls = if truth["supported"] == true { 30 } else { 0 };
    assert_eq!(truth["reason"].is_null(), calls == 30);
    assert_eq!(compat["ia32Syscalls"]["getppid"], calls);
    assert_eq!(compat["answered"], calls);
}

#[test]
fn selfexit_ends_without_being_told() {
    let mut oracle = Oracle::start("selfexit 20");
    let truth = oracle.go();
    assert!(ns(&truth["wallNs"]) >= 20 * MS);
    assert_eq!(oracle.wait(), Some(0));
}

#[test]
fn loop_answers_slice_after_slice() {
    for (body, call, calls_per_op) in [("getppid", "getppid", 1), ("read0", "read", 1)] {
        let mut oracle = Oracle::start(&format!("loop {body}"));
        for _ in 0..2 {
            oracle.send("slice 10");
            let slice = oracle.answer();
            assert!(ns(&slice["ops"]) > 0);
            assert_eq!(
                slice["syscalls"],
                json!({ call: ns(&slice["ops"]) * calls_per_op })
            );
            assert!(slice["p10NsPerOp"].as_f64() <= slice["medianNsPerOp"].as_f64());
        }
        assert_eq!(oracle.end(), Some(0));
    }
}

#[test]
fn loop_futexpp_wakes_once_per_round_trip() {
    let mut oracle = Oracle::start("loop futexpp --cpu 0");
    oracle.send("slice 20");
    let slice = oracle.answer();
    assert!(ns(&slice["syscalls"]["futex"]) >= ns(&slice["ops"]));
    assert_eq!(oracle.wait(), Some(0));
}

#[test]
fn a_bad_command_line_is_one_line_and_64() {
    let output = Command::new(support::ORACLE).arg("dance").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(output.stderr, b"kdelay-oracle: unknown mode \"dance\"\n");
    assert!(output.stdout.is_empty());
}

#[test]
fn stdin_that_ends_before_go_is_an_error() {
    assert_eq!(Oracle::start("counts 1").wait(), Some(76));
}

fn task_count(pid: u64) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

fn comm(pid: u64, tid: u64) -> Vec<u8> {
    fs::read(Path::new("/proc").join(format!("{pid}/task/{tid}/comm"))).unwrap()
}

fn state(pid: u64, tid: u64) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().chars().next().unwrap()
}
