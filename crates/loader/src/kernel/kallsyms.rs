//! Addresses of the kernel's own functions.

use std::fs::File;
use std::io::{BufRead, BufReader};

/// Of each of these names the first symbol's. `None`: there is none, or this process is not told where (`kptr_restrict`).
pub fn addresses<const NAMES: usize>(names: [&[u8]; NAMES]) -> [Option<u64>; NAMES] {
    match File::open("/proc/kallsyms") {
        Ok(file) => found(BufReader::new(file), names),
        Err(_) => [None; NAMES],
    }
}

/// `ffffffff81000000 T name`, and of modules `[module]` behind it.
fn found<const NAMES: usize>(
    mut lines: impl BufRead,
    names: [&[u8]; NAMES],
) -> [Option<u64>; NAMES] {
    let mut addresses = [None; NAMES];
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .is_ok_and(|bytes| bytes > 0)
    {
        let mut words = line.split(u8::is_ascii_whitespace);
        let address = words.next().and_then(hexadecimal).filter(|&it| it != 0);
        if let Some(name) = words.nth(1) {
            for (wanted, place) in names.iter().zip(&mut addresses) {
                if *wanted == name {
                    *place = place.or(address);
                }
            }
        }
        line.clear();
    }
    addresses
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn a_symbol_is_found_by_its_whole_name() {
        let text = b"0000000000000000 A fixed\n\
            ffffffff81000010 T vfs_read\n\
            ffffffff81000020 t vfs_read.cold\n\
            ffffffffc0000030 t of_module\t[module]\n\
            nonsense\n";
        let names: [&[u8]; 5] = [b"of_module", b"vfs_read", b"vfs", b"fixed", b"none"];
        let addresses = found(&text[..], names);
        let expected = [
            Some(0xffff_ffff_c000_0030),
            Some(0xffff_ffff_8100_0010),
            None,
            None,
            None,
        ];
        assert_eq!(addresses, expected);
    }
}
