//! A thread that waits for a lock, whose holder does this or that meanwhile: what is told of it is what the holder knows of itself.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loader::kernel::clock::monotonic_ns;
use loader::options::AttachMode;
use loader::sample::Thread;

use super::told::{INTERRUPT, assert_waited, blocked, by, closed, seen, waited_ns};
use crate::load::{pin_to, spin, spin_on};
use crate::support::SetOnDrop;
use crate::truth::{Did, LONG, attempt, is_unknown, long_ns, run_ns_of, until, until_in_call};
use crate::worker::Worker;
use crate::{MODES, open};

const LOCK: &str = "futex";

/// What came of a lock that one thread held while another one waited for it.
struct Held {
    victim: Thread,
    holder: u32,
    /// While the victim slept, all the time.
    did: Did,
    /// From before the victim asked for the lock until it had it.
    asked_ns: u64,
}

/// Asks for a lock, and says that it is about to.
fn ask(lock: &Mutex<()>, asked: &AtomicBool) -> u64 {
    let before_ns = monotonic_ns();
    asked.store(true, Ordering::Release);
    drop(lock.lock().unwrap());
    monotonic_ns() - before_ns
}

fn held(mode: AttachMode, while_held: impl FnOnce() + Send + 'static) -> Held {
    let session = open(mode);
    let lock = Arc::new(Mutex::new(()));
    let asked = Arc::new(AtomicBool::new(false));
    let (say_locked, is_locked) = channel();
    let (say_asked_ns, asked_ns) = channel();
    let (say_did, did) = channel();
    let victim = Worker::new({
        let (lock, asked) = (Arc::clone(&lock), Arc::clone(&asked));
        move || say_asked_ns.send(ask(&lock, &asked)).unwrap()
    });
    let victim_tid = victim.tid;
    let holder = Worker::new(move || {
        let held = lock.lock().unwrap();
        say_locked.send(()).unwrap();
        until("the victim asks", || asked.load(Ordering::Acquire));
        until_in_call(victim_tid, libc::SYS_futex);
        let did = Did::of(while_held);
        drop(held);
        say_did.send(did).unwrap();
    });
    session.start(None).unwrap();
    holder.go.send(()).unwrap();
    is_locked.recv().unwrap();
    victim.go.send(()).unwrap();
    let (did, asked_ns) = (did.recv().unwrap(), asked_ns.recv().unwrap());
    holder.done.recv().unwrap();
    victim.done.recv().unwrap();
    let sample = closed(&session);
    let held = Held {
        victim: seen(&sample, victim.tid).clone(),
        holder: holder.tid,
        did,
        asked_ns,
    };
    victim.end();
    holder.end();
    // It slept from before the holder did that until the holder let it go on.
    let way = [blocked(held.victim.tid, LOCK), by(held.holder)];
    assert_waited(&held.victim, &way, did.wall_ns()..=asked_ns);
    held
}

#[test]
fn a_holder_that_sleeps_is_told_to_sleep_until_its_timer() {
    for mode in MODES {
        attempt("a holder sleeps", || {
            let Held {
                victim,
                holder,
                did,
                ..
            } = held(mode, || std::thread::sleep(LONG));
            let way = [
                blocked(victim.tid, LOCK),
                blocked(holder, "clock_nanosleep"),
                INTERRUPT,
            ];
            assert_waited(&victim, &way, did.blocked_ns() / 2..=did.wall_ns());
            did.blocked_ns() >= long_ns() / 2
        });
    }
}

#[test]
fn a_holder_that_computes_is_told_to_run_and_to_be_ready_as_it_was() {
    for mode in MODES {
        attempt("a holder computes", || {
            let Held {
                victim,
                holder,
                did,
                asked_ns,
            } = held(mode, || spin(LONG));
            let way = |what| [blocked(victim.tid, LOCK), (what, holder, None)];
            assert_waited(&victim, &way("running"), did.ran_ns() / 2..=asked_ns);
            assert_waited(&victim, &way("ready"), did.ready_ns() / 2..=asked_ns);
            did.ran_ns() >= long_ns() / 10
        });
    }
}

#[test]
fn a_holder_that_works_in_a_call_is_told_to_run_in_that() {
    for mode in MODES {
        attempt("a holder works in the kernel", || {
            let mut random = File::open("/dev/urandom").unwrap();
            let mut bytes = vec![0; 16 << 20];
            let Held {
                victim,
                holder,
                did,
                asked_ns,
            } = held(mode, move || random.read_exact(&mut bytes).unwrap());
            let way = [blocked(victim.tid, LOCK), ("running", holder, Some("read"))];
            assert_waited(&victim, &way, did.ran_ns() / 2..=asked_ns);
            did.ran_ns() >= long_ns() / 10
        });
    }
}

/// Two others compute on the holder's CPU: it waits for its turn, and they have had theirs meanwhile.
#[test]
fn a_holder_that_is_preempted_is_told_to_be_ready_and_whose_turn_it_was() {
    const PREEMPTED: Duration = Duration::from_millis(150);
    // The last one: other tests are about what happens on the first.
    let cpu = std::thread::available_parallelism().unwrap().get() - 1;
    for mode in MODES {
        attempt("a holder is preempted", || {
            let stop = Arc::new(AtomicBool::new(false));
            let _stop = SetOnDrop(&stop);
            let spinner = || {
                let stop = Arc::clone(&stop);
                Worker::new(move || spin_on(cpu, &stop))
            };
            let spinners = [spinner(), spinner()];
            let tids = [spinners[0].tid, spinners[1].tid];
            let run_ns = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
            for spinner in &spinners {
                spinner.go.send(()).unwrap();
            }
            let Held {
                victim,
                holder,
                did,
                asked_ns,
            } = held(mode, {
                let run_ns = Arc::clone(&run_ns);
                move || {
                    pin_to(cpu);
                    let before = tids.map(run_ns_of);
                    spin(PREEMPTED);
                    for (place, (tid, before_ns)) in run_ns.iter().zip(tids.iter().zip(before)) {
                        place.store(run_ns_of(*tid) - before_ns, Ordering::Release);
                    }
                }
            });
            let ready = [blocked(victim.tid, LOCK), ("ready", holder, None)];
            assert_waited(&victim, &ready, did.ready_ns() / 2..=asked_ns);
            // What they ran there while the holder wanted to run, they ran instead of it.
            let ran = [0, 1].map(|who: usize| run_ns[who].load(Ordering::Acquire));
            for (tid, ran_ns) in tids.into_iter().zip(ran) {
                let way = [ready[0], ready[1], ("turn", tid, None)];
                assert_waited(&victim, &way, ran_ns / 2..=asked_ns);
            }
            let own = [ready[0], ready[1], ("turn", holder, None)];
            assert_waited(&victim, &own, 0..=0);
            stop.store(true, Ordering::Release);
            spinners.into_iter().for_each(Worker::end);
            did.ready_ns() >= long_ns() / 2 && ran.iter().all(|&ns| ns >= long_ns() / 10)
        });
    }
}

/// A file of the test's own on a disk, if that is one: not in memory, and not another machine's.
fn file_on_a_disk() -> Option<File> {
    let path = std::env::current_dir()
        .unwrap()
        .join(format!("kdelay-disk-{}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path)
        .ok()?;
    std::fs::remove_file(&path).unwrap();
    let number = file.metadata().unwrap().dev();
    let is_block_device = format!(
        "/sys/dev/block/{}:{}",
        libc::major(number),
        libc::minor(number)
    );
    std::path::Path::new(&is_block_device)
        .exists()
        .then_some(file)
}

/// Where it may be given directly to a disk.
#[repr(align(4096))]
struct Block([u8; 4096]);

/// Until it has waited for that as long as is asked for, or that often.
fn write_and_sync(mut file: &File) {
    const MOST: usize = 2000;
    let block = Block([7; 4096]);
    let mut waited_ns = 0;
    for _ in 0..MOST {
        let did = Did::of(|| {
            file.write_all(&block.0).unwrap();
            file.sync_all().unwrap();
        });
        waited_ns += did.blocked_ns();
        if waited_ns >= long_ns() {
            break;
        }
    }
}

#[test]
fn a_holder_that_waits_for_a_disk_is_told_to_be_in_the_calls_that_do() {
    for mode in MODES {
        attempt("a holder waits for a disk", || {
            let Some(file) = file_on_a_disk() else {
                eprintln!("not run: this folder is on no disk");
                return true;
            };
            let Held {
                victim,
                holder,
                did,
                ..
            } = held(mode, move || write_and_sync(&file));
            let its = |call| [blocked(victim.tid, LOCK), blocked(holder, call)];
            let waited: Vec<i64> = ["write", "fsync"]
                .map(|call| waited_ns(&victim, &its(call)))
                .into();
            let disk_ns = waited.iter().sum::<i64>() as u64;
            let within = did.blocked_ns() / 2..=did.wall_ns();
            assert!(
                is_unknown() || within.contains(&disk_ns),
                "{disk_ns}, not {within:?}: {:#?}",
                victim.chains
            );
            // No thread of this process ended that: an interrupt did, or a thread of the kernel's did that waited for one.
            for call in ["write", "fsync"] {
                let [lock, disk] = its(call);
                for tid in [victim.tid, holder] {
                    assert_waited(&victim, &[lock, disk, by(tid)], 0..=0);
                }
            }
            did.blocked_ns() >= long_ns() / 4
        });
    }
}

#[test]
fn a_holder_that_waits_for_another_lock_leads_to_that_ones_holder() {
    for mode in MODES {
        attempt("the last holder sleeps", || {
            let inner = Arc::new(Mutex::new(()));
            let (say_locked, is_locked) = channel();
            let (say_inner_did, inner_did) = channel();
            let asked = Arc::new(AtomicBool::new(false));
            let (say_middle, middle) = channel::<u32>();
            let innermost = Worker::new({
                let (inner, asked) = (Arc::clone(&inner), Arc::clone(&asked));
                move || {
                    let held = inner.lock().unwrap();
                    say_locked.send(()).unwrap();
                    let middle: u32 = middle.recv().unwrap();
                    until("the other holder asks", || asked.load(Ordering::Acquire));
                    until_in_call(middle, libc::SYS_futex);
                    let did = Did::of(|| std::thread::sleep(LONG));
                    drop(held);
                    say_inner_did.send(did).unwrap();
                }
            });
            innermost.go.send(()).unwrap();
            is_locked.recv().unwrap();
            let Held {
                victim,
                holder,
                did,
                ..
            } = held(mode, move || {
                say_middle
                    .send(loader::kernel::own_thread::own_tid())
                    .unwrap();
                ask(&inner, &asked);
            });
            let inner_did = inner_did.recv().unwrap();
            let way = [blocked(victim.tid, LOCK), blocked(holder, LOCK)];
            let whole = [way[0], way[1], by(innermost.tid)];
            assert_waited(&victim, &whole, inner_did.wall_ns()..=did.wall_ns());
            let asleep = blocked(innermost.tid, "clock_nanosleep");
            let asleep = [way[0], way[1], asleep, INTERRUPT];
            let within = inner_did.blocked_ns() / 2..=inner_did.wall_ns();
            assert_waited(&victim, &asleep, within);
            innermost.end();
            inner_did.blocked_ns() >= long_ns() / 2
        });
    }
}
