use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{Answer, Request, StackTable, Symbols};
use crate::calls::stack_table::Stack;
use crate::sample::Frame;

/// Of the calling thread alone, from now on.
fn refuse_to_start_threads() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let refused = libc::SECCOMP_RET_ERRNO | libc::EAGAIN as u32;
    // SAFETY: the first functions only put their arguments into a struct. The filter, which the kernel copies, outlives the calls;
    // the first word of what it is run on is the system call's number.
    unsafe {
        let mut filter = [
            libc::BPF_STMT(LOAD, 0),
            libc::BPF_JUMP(JUMP_IF, libc::SYS_clone3 as u32, 1, 0),
            libc::BPF_JUMP(JUMP_IF, libc::SYS_clone as u32, 0, 1),
            libc::BPF_STMT(RETURN, refused),
            libc::BPF_STMT(RETURN, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        let set = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        assert_eq!(set, 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        let set = libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program);
        assert_eq!(set, 0);
    }
}

fn table(stacks: &[Stack]) -> StackTable {
    let mut table = StackTable::default();
    table.stacks.extend_from_slice(stacks);
    table
}

fn addresses(stack: &[Frame]) -> Vec<&str> {
    stack.iter().map(|frame| frame.address.as_str()).collect()
}

#[test]
fn without_a_thread_that_names_them_stacks_are_told_by_their_addresses() {
    // Its thread has broken off.
    let symbols = Symbols::with(channel().0, None, HashSet::new());
    let table = table(&[Stack::Kernel(Arc::from([0x10, 0x20]))]);
    let name_without_threads = || {
        refuse_to_start_threads();
        assert!(std::thread::Builder::new().spawn(|| {}).is_err());
        [symbols.name(&table), symbols.name(&table)]
    };
    let attempts = std::thread::scope(|scope| scope.spawn(name_without_threads).join().unwrap());
    for named in attempts {
        assert_eq!(addresses(&named.stacks[0]), ["0x10", "0x20"]);
        assert_eq!(named.problems.len(), 1);
    }
    // Where one can be started it is for the next question.
    let nothing = StackTable::default();
    let ask = || symbols.ask(&nothing, Request::Missing, |_| {});
    assert!(ask().is_err());
    assert_eq!(ask(), Ok(None));
}

/// A file that takes for ever: its thread answers no more. What was named before is there, what was not is counted.
#[test]
fn whoever_does_not_want_to_wait_has_what_there_is() {
    let (requests, received) = channel();
    let symbols = Symbols::with(requests, None, HashSet::new());
    let stacks = [0x10, 0x20, 0x30].map(|address| Stack::Kernel(Arc::from([address])));
    let table = table(&stacks);
    let is_done = AtomicBool::new(false);
    let (symbols_of_ours, is_done_too) = (&symbols, &is_done);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let Ok(Request::Name(asked, reply)) = received.recv() else {
                panic!("not asked for names");
            };
            let frame = Frame {
                address: "0x20".to_owned(),
                symbol: Some("found".to_owned()),
                ..Frame::default()
            };
            reply.send(Answer::Stack(1, vec![frame])).unwrap();
            symbols_of_ours.set_hurried(true);
            while !is_done_too.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            // It is told so, and ends when it can.
            assert!(asked.is_ended.load(Ordering::Acquire));
        });
        let named = symbols.name(&table);
        is_done.store(true, Ordering::Release);
        assert_eq!(named.stacks[1][0].symbol.as_deref(), Some("found"));
        assert_eq!(addresses(&named.stacks[0]), ["0x10"]);
        assert_eq!(addresses(&named.stacks[2]), ["0x30"]);
        let said = "2 of 3 stacks have no names: the search for them was ended";
        assert_eq!(named.problems, [said]);
    });
    // The next sample has a thread of its own, and its time.
    symbols.set_hurried(false);
    let named = symbols.name(&table);
    assert_eq!(named.stacks.len(), 3);
    assert!(!named.problems.iter().any(|line| line.contains("ended")));
}
