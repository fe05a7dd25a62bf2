use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::{Request, Stack, StackTable, Symbols};

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

#[test]
fn without_a_thread_that_names_them_stacks_are_told_by_their_addresses() {
    let symbols = Symbols {
        // Its thread has broken off.
        requests: Mutex::new(channel().0),
        debug_cache: None,
    };
    let mut table = StackTable::default();
    table.stacks.push(Stack::Kernel(Arc::from([0x10, 0x20])));
    let name_without_threads = || {
        refuse_to_start_threads();
        assert!(std::thread::Builder::new().spawn(|| {}).is_err());
        [symbols.name(&table), symbols.name(&table)]
    };
    let attempts = std::thread::scope(|scope| scope.spawn(name_without_threads).join().unwrap());
    for named in attempts {
        let addresses = named.stacks[0].iter().map(|frame| frame.address.as_str());
        assert_eq!(addresses.collect::<Vec<_>>(), ["0x10", "0x20"]);
        assert_eq!(named.problems.len(), 1);
    }
    // Where one can be started it is for the next question.
    let ask = || symbols.ask(|reply| Request::Missing(Vec::new(), reply));
    assert!(ask().is_err());
    assert_eq!(ask(), Ok(Vec::new()));
}
