use super::{Btf, KIND_INT, KIND_STRUCT, MAGIC};

/// A file with one structure `s { int a; struct { int b; }; }` and its types.
fn small() -> Vec<u8> {
    let strings = b"\0int\0s\0a\0b\0";
    let mut types = Vec::new();
    let mut put = |words: &[u32]| {
        words
            .iter()
            .for_each(|word| types.extend(word.to_le_bytes()))
    };
    put(&[1, KIND_INT << 24, 4, 32]);
    put(&[0, KIND_STRUCT << 24 | 1, 4, 9, 1, 0]);
    put(&[5, KIND_STRUCT << 24 | 2, 8, 7, 1, 0, 0, 2, 32]);
    let mut file = Vec::new();
    file.extend(MAGIC.to_le_bytes());
    file.extend([1, 0]);
    for word in [
        24,
        0,
        types.len() as u32,
        types.len() as u32,
        strings.len() as u32,
    ] {
        file.extend(word.to_le_bytes());
    }
    file.extend(types);
    file.extend(strings);
    file
}

#[test]
fn members_are_found_also_in_anonymous_structures() {
    let btf = Btf::parse(&small()).unwrap();
    assert_eq!(btf.member_offset("s", "a"), Some(0));
    assert_eq!(btf.member_offset("s", "b"), Some(4));
    assert_eq!(btf.member_offset("s", "c"), None);
    assert_eq!(btf.member_offset("t", "a"), None);
}

#[test]
fn a_cut_or_flipped_file_is_an_error_or_an_absence_and_never_a_panic() {
    let whole = small();
    for length in 0..whole.len() {
        assert!(Btf::parse(&whole[..length]).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(btf) = Btf::parse(&flipped) {
                btf.member_offset("s", "b");
                btf.tracepoint_arguments("sched_switch");
            }
        }
    }
}

#[test]
fn the_running_kernel_has_what_every_kernel_has() {
    let btf = Btf::of_running_kernel().unwrap();
    assert!(btf.member_offset("task_struct", "pid").is_some());
    assert!(
        btf.member_offset("task_struct", "thread_info.flags")
            .is_some()
    );
    assert!(btf.member_offset("task_struct", "no_such_member").is_none());
    assert!(
        btf.tracepoint_arguments("sched_switch")
            .is_some_and(|arguments| arguments >= 3)
    );
    assert!(btf.has_enumerator("bpf_func_id", "BPF_FUNC_map_lookup_elem"));
    assert!(!btf.has_enumerator("bpf_func_id", "BPF_FUNC_no_such_helper"));
    assert_eq!(btf.tracepoint_arguments("no_such_tracepoint"), None);
}
