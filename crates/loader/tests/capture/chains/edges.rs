//! Waits that are not what they seem: they go round in circles, come through somebody else, began before the window, or were ended from
//! outside of everything that is captured.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::processes::{Link, Means, Process, open, rest, shared, sleep};
use super::told::{INTERRUPT, Step, assert_waited, blocked, by, closed, seen, waited_ns};
use crate::MODES;
use crate::load::spin;
use crate::truth::{Did, LONG, Noted, attempt, is_unknown, long_ns, until, until_in_call};

fn links<const N: usize>() -> [Link; N] {
    [(); N].map(|()| Means::Pipe.link())
}

const TURNS: usize = 20;

#[derive(Default)]
struct Tokens {
    /// Of each turn: when its owner had the token, and gave it back.
    had: [[Noted; TURNS]; 2],
    gave: [[Noted; TURNS]; 2],
}

/// Two that wait for each other by turns: each has waited for the other's computing, never for itself.
#[test]
fn a_token_that_goes_to_and_fro_makes_no_circle() {
    for mode in MODES {
        attempt("both compute", || {
            let log = shared::<Tokens>();
            let [there, back, done] = links();
            let player = |who: usize, from: Link, to: Link| {
                Process::new(move || {
                    for turn in 0..TURNS {
                        assert!(from.take());
                        log.had[who][turn].now();
                        spin(LONG / TURNS as u32);
                        log.gave[who][turn].now();
                        if who == 1 && turn == TURNS - 1 {
                            done.give();
                        } else {
                            to.give();
                        }
                    }
                    rest();
                })
            };
            let players = [player(0, there, back), player(1, back, there)];
            let pids = [players[0].pid, players[1].pid];
            for pid in pids {
                until_in_call(pid, libc::SYS_read);
            }
            let session = open(mode, &pids);
            session.start(None).unwrap();
            there.give();
            done.await_given();
            let sample = closed(&session);
            let did = |who: usize, turn: usize| Did {
                from: log.had[who][turn].get(),
                to: log.gave[who][turn].get(),
            };
            let mut have_computed = true;
            for (who, &pid) in pids.iter().enumerate() {
                let other = 1 - who;
                let seen = seen(&sample, pid);
                let way = [blocked(pid, "read"), by(pids[other])];
                // While the other one has it, it need not sleep at once: it has given it, and may be on its way.
                let slept_from = |turn: usize| match (who, turn) {
                    (1, 0) => sample.start.at_ns,
                    _ => log.had[other][turn].get().at_ns,
                };
                let most_ns = sample.stop.at_ns - sample.start.at_ns;
                let computed = (0..TURNS).map(|turn| did(other, turn));
                let ran_ns: u64 = computed.map(|did| did.ran_ns()).sum();
                let first_ns = did(other, 0).to.at_ns - slept_from(0);
                let least_ns = if who == 1 { first_ns } else { 0 };
                assert_waited(seen, &way, least_ns..=most_ns);
                let running = [way[0], ("running", pids[other], None)];
                // On one CPU it need not sleep: it waits for its turn there.
                let its_turn = [("ready", pid, None), ("turn", pids[other], None)];
                let told_ns = waited_ns(seen, &running) + waited_ns(seen, &its_turn);
                assert!(
                    is_unknown() || (ran_ns as i64 / 2..=most_ns as i64).contains(&told_ns),
                    "{told_ns} of {ran_ns}, {:#?}",
                    seen.chains
                );
                have_computed &= ran_ns >= long_ns() / 10;
            }
            have_computed
        });
    }
}

const TICKS: usize = 3;

#[derive(Default)]
struct Relayed {
    tick: [(Noted, Noted); TICKS],
    slow: (Noted, Noted),
    /// The relay's last wait.
    relay: (Noted, Noted),
    over: Noted,
}

fn between((from, to): &(Noted, Noted)) -> Did {
    Did {
        from: from.get(),
        to: to.get(),
    }
}

fn note(times: &(Noted, Noted), work: impl FnOnce()) {
    times.0.now();
    work();
    times.1.now();
}

/// A relay is woken again and again by what does not concern the one that waits, and at last by what does: each part of the time is told
/// by what ended the relay's own waits.
#[test]
fn a_relay_is_looked_through_to_what_it_was_woken_by_each_time() {
    const EACH: Duration = Duration::from_millis(20);
    for mode in MODES {
        attempt("both that the relay waits for sleep", || {
            let log = shared::<Relayed>();
            let [to_relay, begin, end, passed_on, done] = links();
            let ticks = Process::new(move || {
                assert!(begin.take());
                for times in &log.tick {
                    note(times, || sleep(EACH));
                    to_relay.give();
                }
                end.give();
                rest();
            });
            let slow = Process::new(move || {
                assert!(end.take());
                note(&log.slow, || sleep(EACH));
                to_relay.give();
                rest();
            });
            let relay = Process::new(move || {
                for _ in 0..TICKS {
                    assert!(to_relay.take());
                }
                note(&log.relay, || assert!(to_relay.take()));
                passed_on.give();
                rest();
            });
            let waits = Process::new(move || {
                assert!(passed_on.take());
                log.over.now();
                done.give();
                rest();
            });
            let all = [&ticks, &slow, &relay, &waits].map(|process| process.pid);
            for pid in all {
                until_in_call(pid, libc::SYS_read);
            }
            let session = open(mode, &all);
            session.start(None).unwrap();
            begin.give();
            done.await_given();
            let sample = closed(&session);
            let seen = seen(&sample, waits.pid);
            let way = |last: &[Step<'static>]| {
                let mut way = vec![blocked(waits.pid, "read"), blocked(relay.pid, "read")];
                way.extend_from_slice(last);
                way
            };
            let (slept, last) = (between(&log.slow), between(&log.relay));
            let ticked: Vec<Did> = log.tick.iter().map(between).collect();
            let asleep = |pid| way(&[blocked(pid, "clock_nanosleep"), INTERRUPT]);
            // The first tick finds the relay asleep for certain, and it may be late to sleep after one; the last one's end is the slow one's.
            let first_ns = ticked[0].blocked_ns() / 2;
            let most_ns: u64 = ticked.iter().map(Did::wall_ns).sum();
            assert_waited(seen, &asleep(ticks.pid), first_ns..=most_ns);
            let since_last_tick_ns = log.over.get().at_ns - ticked[TICKS - 1].to.at_ns;
            let within = last.blocked_ns() / 2..=since_last_tick_ns;
            assert_waited(seen, &way(&[by(slow.pid)]), within);
            // As much of that as both must have slept at once.
            let both_ns =
                (last.blocked_ns() + slept.blocked_ns()).saturating_sub(since_last_tick_ns);
            assert_waited(seen, &asleep(slow.pid), both_ns / 2..=slept.wall_ns());
            both_ns >= EACH.as_nanos() as u64 / 2
        });
    }
}

#[derive(Default)]
struct Log {
    did: (Noted, Noted),
    over: Noted,
    pid: AtomicU32,
}

/// What was waited for before the window is not told; what was waited for in it is, by its call.
#[test]
fn a_wait_that_began_before_the_window_counts_from_its_beginning() {
    for mode in MODES {
        attempt("the other one computes on", || {
            let log = shared::<Log>();
            let [go, passed_on, done] = links();
            let stop = shared::<AtomicU32>();
            let gives = Process::new(move || {
                assert!(go.take());
                log.pid.store(1, Ordering::Release);
                note(&log.did, || {
                    while stop.load(Ordering::Acquire) == 0 {
                        std::hint::spin_loop();
                    }
                });
                passed_on.give();
                rest();
            });
            let waits = Process::new(move || {
                assert!(passed_on.take());
                log.over.now();
                done.give();
                rest();
            });
            until_in_call(waits.pid, libc::SYS_read);
            let session = open(mode, &[waits.pid]);
            go.give();
            until("the other one computes", || {
                log.pid.load(Ordering::Acquire) == 1
            });
            session.start(None).unwrap();
            std::thread::sleep(LONG);
            stop.store(1, Ordering::Release);
            done.await_given();
            let sample = closed(&session);
            let seen = seen(&sample, waits.pid);
            let did = between(&log.did);
            let whole_ns = log.over.get().at_ns - sample.start.at_ns;
            let least_ns = did.to.at_ns - sample.start.at_ns;
            let way = [blocked(waits.pid, "read"), by(gives.pid)];
            assert_waited(seen, &way, least_ns..=whole_ns);
            did.wall_ns() > least_ns && least_ns >= long_ns() / 2
        });
    }
}

/// Not captured, and with a pid namespace of its own: still it is told by its number here, but for its calls.
#[test]
fn who_wakes_from_another_pid_namespace_is_told_by_its_number_here() {
    for mode in MODES {
        attempt("the stranger sleeps", || {
            let log = shared::<Log>();
            let [go, passed_on, done] = links();
            let _outer = Process::new(move || {
                // SAFETY: no addresses; this process has one thread.
                assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
                let inner = Process::new(move || {
                    // SAFETY: no preconditions.
                    assert_eq!(unsafe { libc::getpid() }, 1);
                    assert!(go.take());
                    note(&log.did, || sleep(LONG));
                    passed_on.give();
                    rest();
                });
                log.pid.store(inner.pid, Ordering::Release);
                rest();
            });
            let waits = Process::new(move || {
                assert!(passed_on.take());
                log.over.now();
                done.give();
                rest();
            });
            until("the stranger is there", || {
                log.pid.load(Ordering::Acquire) != 0
            });
            let stranger = log.pid.load(Ordering::Acquire);
            until_in_call(stranger, libc::SYS_read);
            until_in_call(waits.pid, libc::SYS_read);
            let session = open(mode, &[waits.pid]);
            session.start(None).unwrap();
            go.give();
            done.await_given();
            let sample = closed(&session);
            let seen = seen(&sample, waits.pid);
            let did = between(&log.did);
            let whole_ns = log.over.get().at_ns - sample.start.at_ns;
            let whole = [blocked(waits.pid, "read"), by(stranger)];
            assert_waited(seen, &whole, did.wall_ns()..=whole_ns);
            let asleep = [whole[0], ("blocked", stranger, None), INTERRUPT];
            assert_waited(seen, &asleep, did.blocked_ns() / 2..=whole_ns);
            let below = seen.chains.iter().flatten().flat_map(|chain| &chain.below);
            let mut of_stranger = below.filter(|below| below.tid == stranger);
            assert!(is_unknown() || of_stranger.all(|below| below.pid == stranger));
            did.blocked_ns() >= long_ns() / 2
        });
    }
}
