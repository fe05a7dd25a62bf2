use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::{CODE_LOAD, CODE_MOVE, JitDump, MAGIC};
use crate::mapped::memory_file;

fn header() -> Vec<u8> {
    let mut header = vec![0; 40];
    for (at, word) in [(0, MAGIC), (4, 1), (8, 40)] {
        header[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    header
}

fn record(kind: u32, numbers: &[u64], rest: &[u8]) -> Vec<u8> {
    let length = 24 + numbers.len() * 8 + rest.len();
    let head = [&kind.to_le_bytes()[..], &(length as u32).to_le_bytes()].concat();
    // When, and which process and thread.
    let mut record = [&head[..], &[0; 16]].concat();
    record.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    record.extend(rest);
    record
}

fn load(address: u64, bytes: u64, name: &str) -> Vec<u8> {
    let code = vec![0xcc; bytes as usize];
    let rest = [name.as_bytes(), &[0], &code].concat();
    record(CODE_LOAD, &[address, address, bytes, 7], &rest)
}

fn name(dump: &JitDump, address: u64) -> Option<String> {
    let (name, _) = dump.find(address)?;
    Some(String::from_utf8(name.to_vec()).unwrap())
}

#[test]
fn functions_as_they_are_made_and_moved_and_others_in_their_place() {
    let long = load(0x90_0000, 200_000, "long");
    let records = [
        load(0x1000, 0x40, "first"),
        // Lines, and what is not known.
        record(2, &[0x1000, 0], b""),
        record(99, &[], b"what"),
        long,
        load(0x1020, 0x20, "in its place"),
        record(CODE_MOVE, &[0, 0x1020, 0x2000, 0x20, 7], b""),
    ];
    let dump =
        JitDump::new(memory_file::with_bytes(&[header(), records.concat()].concat()).unwrap());
    assert_eq!(name(&dump, 0x1000), None);
    assert_eq!(name(&dump, 0x103f), None, "it was moved");
    assert_eq!(name(&dump, 0x201f).as_deref(), Some("in its place"));
    assert_eq!(name(&dump, 0x90_0000 + 199_999).as_deref(), Some("long"));
    assert_eq!(name(&dump, 0x2020), None);
}

#[test]
fn it_grows_and_its_last_record_may_not_be_whole() {
    let whole = [
        header(),
        load(0x1000, 0x10, "one"),
        load(0x2000, 0x10, "two"),
    ]
    .concat();
    for cut in 0..whole.len() {
        let mut file = memory_file::with_bytes(&whole[..cut]).unwrap();
        let read_only = File::open(format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&file)
        ));
        let mut dump = JitDump::new(read_only.unwrap());
        let is_there = name(&dump, 0x2000).is_some();
        // The rest is code.
        assert_eq!(is_there, cut >= whole.len() - 0x10, "{cut}");
        file.write_all(&whole[cut..]).unwrap();
        dump.read_on();
        assert_eq!(name(&dump, 0x1000).as_deref(), Some("one"), "{cut}");
        assert_eq!(name(&dump, 0x2000).as_deref(), Some("two"), "{cut}");
    }
}

#[test]
fn one_that_is_written_anew_is_read_anew() {
    let mut file = memory_file::with_bytes(&[header(), load(0x1000, 0x10, "old")].concat());
    let file = file.as_mut().unwrap();
    let mut dump = JitDump::new(file.try_clone().unwrap());
    let other = [header(), load(0x2000, 0x10, "shorter")].concat();
    // Shorter than what was read, and then with another header.
    file.set_len(0).unwrap();
    dump.look_again();
    assert_eq!(name(&dump, 0x1000), None);
    file.write_all_at(&other, 0).unwrap();
    dump.look_again();
    assert_eq!(name(&dump, 0x2000).as_deref(), Some("shorter"));
    let mut anew = [header(), load(0x3000, 0x100, "of another time")].concat();
    anew[24] = 1;
    file.write_all_at(&anew, 0).unwrap();
    dump.look_again();
    assert_eq!(name(&dump, 0x2000), None);
    assert_eq!(name(&dump, 0x3000).as_deref(), Some("of another time"));
}

#[test]
fn what_is_moved_and_was_not_known_has_no_name() {
    let moved = record(CODE_MOVE, &[0, 0x1000, 0x2000, 0x10, 7], b"");
    let dump = JitDump::new(memory_file::with_bytes(&[header(), moved].concat()).unwrap());
    assert_eq!(name(&dump, 0x2000), None);
}

#[test]
fn nonsense_ends_it() {
    for bytes in [
        b"JiTD".to_vec(),
        vec![0; 100],
        [header(), vec![0; 100]].concat(),
        [header(), vec![0xff; 100]].concat(),
    ] {
        let dump = JitDump::new(memory_file::with_bytes(&bytes).unwrap());
        assert_eq!(name(&dump, 0x1000), None);
    }
    let nameless = record(CODE_LOAD, &[0x1000, 0x1000, 0x10, 0], b"without an end");
    let dump = JitDump::new(memory_file::with_bytes(&[header(), nameless].concat()).unwrap());
    assert_eq!(name(&dump, 0x1000), None);
}
