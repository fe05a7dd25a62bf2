use aya_obj::btf::BtfKind;

use super::{Btf, Bytes, KIND_INT, KIND_STRUCT, file};

/// A file with one structure `s { int a; struct { int b; }; }` and its types.
fn small() -> Vec<u8> {
    let strings = b"\0int\0s\0a\0b\0";
    let types = [
        &[1, KIND_INT << 24, 4, 32][..],
        &[0, KIND_STRUCT << 24 | 1, 4, 9, 1, 0],
        &[5, KIND_STRUCT << 24 | 2, 8, 7, 1, 0, 0, 2, 32],
    ];
    file(&types.concat(), strings)
}

#[test]
fn members_are_found_also_in_anonymous_structures() {
    let btf = Btf::parse(Bytes::Read(small())).unwrap();
    assert_eq!(btf.member_offset("s", "a"), Some(0));
    assert_eq!(btf.member_offset("s", "b"), Some(4));
    assert_eq!(btf.member_offset("s", "c"), None);
    assert_eq!(btf.member_offset("t", "a"), None);
}

#[test]
fn a_cut_or_flipped_file_is_an_error_or_an_absence_and_never_a_panic() {
    let whole = small();
    for length in 0..whole.len() {
        assert!(
            Btf::parse(Bytes::Read(whole[..length].to_vec())).is_err(),
            "{length} bytes"
        );
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(btf) = Btf::parse(Bytes::Read(flipped)) {
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

#[test]
fn the_excerpt_numbers_a_tracepoint_as_the_kernel_does() {
    let names = ["sys_enter", "no_such_tracepoint", "sched_switch"];
    let excerpt = Btf::of_running_kernel().unwrap().only_tracepoints(&names);
    let excerpt = aya::Btf::parse(&excerpt, aya::Endianness::default()).unwrap();
    let whole = aya::Btf::from_sys_fs().unwrap();
    for name in names {
        let id = |btf: &aya::Btf| {
            btf.id_by_type_name_kind(&format!("btf_trace_{name}"), BtfKind::Typedef)
                .ok()
        };
        assert_eq!(id(&excerpt), id(&whole), "{name}");
    }
}
