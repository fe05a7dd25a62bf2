//! `/proc/PID/maps`: what a process has mapped.

/// One mapping, of a file or for execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// `START-END`, as in `/proc/PID/map_files`.
    pub range: String,
    /// The first address, and the one after the last.
    pub start: u64,
    pub end: u64,
    pub is_executable: bool,
    /// The kernel puts probes there: it is neither writable nor shared.
    pub takes_probes: bool,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Major and minor number, and inode, as the text has them.
    pub identity: (u32, u32, u64),
    /// As the kernel writes it; empty if it has none: line ends as `\012`, and ` (deleted)` behind it if so.
    pub path: Vec<u8>,
}

impl Mapping {
    pub fn is_file(&self) -> bool {
        self.identity.2 != 0 && self.path.starts_with(b"/")
    }
}

/// Those of files, and those that are executable. Lines that are not understood are left out: the kernel writes them, and only the path
/// is anybody else's.
pub fn mappings(maps: &[u8]) -> impl Iterator<Item = Mapping> {
    maps.split(|&byte| byte == b'\n').filter_map(mapping)
}

fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let end = rest.iter().position(|&byte| byte == b' ')?;
        let field = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 1..];
        Some(field)
    };
    let (range, permissions, offset) = (field()?, field()?, field()?);
    let (major, minor) = field()?.split_once(':')?;
    let inode: u64 = field()?.parse().ok()?;
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end, offset) = (number(start)?, number(end)?, number(offset)?);
    let device = |text| u32::from_str_radix(text, 16).ok();
    let (major, minor) = (device(major)?, device(minor)?);
    let from = rest.iter().position(|&byte| byte != b' ');
    let path = &rest[from.unwrap_or(rest.len())..];
    let permissions = permissions.as_bytes();
    let is_executable = permissions.get(2) == Some(&b'x');
    let takes_probes =
        is_executable && permissions.get(1) == Some(&b'-') && permissions.get(3) == Some(&b'p');
    (is_executable || inode != 0).then(|| Mapping {
        // map_files has them without leading zeros.
        range: format!("{start:x}-{end:x}"),
        start,
        end,
        is_executable,
        takes_probes,
        offset,
        identity: (major, minor, inode),
        path: path.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Mapping, mappings};

    fn executable_files(maps: &[u8]) -> Vec<Mapping> {
        let all = mappings(maps);
        all.filter(|mapping| mapping.is_executable && mapping.is_file())
            .collect()
    }

    #[test]
    fn only_executable_files_count() {
        let maps = b"55d0c0000000-55d0c0001000 r--p 00000000 08:01 12         /bin/a\n\
            00400000-00401000 r-xp 00001000 fe:00 12         /bin/a b (deleted)\n\
            7f0000000000-7f0000001000 r-xp 00000000 00:05 9  /memfd:jit (deleted)\n\
            7f0000002000-7f0000003000 r-xp 00000000 00:00 0 \n\
            7f0000004000-7f0000005000 r-xp 00000000 00:00 0  [vdso]\n\
            7f0000006000-7f0000007000 rwxp 00000000 00:0c 7  anon_inode:[x]\n\
            7f0000008000-7f0000009000 r-xp 00000000 08:01 13 /a\\012b 12-34 r-xp 0 08:01 9 /c\n";
        let found = executable_files(maps);
        let paths: Vec<&[u8]> = found.iter().map(|mapping| &mapping.path[..]).collect();
        assert_eq!(
            paths,
            [
                &b"/bin/a b (deleted)"[..],
                b"/memfd:jit (deleted)",
                b"/a\\012b 12-34 r-xp 0 08:01 9 /c"
            ]
        );
        assert_eq!(found[0].range, "400000-401000");
        assert_eq!(found[0].identity, (0xfe, 0, 12));
    }

    #[test]
    fn a_strange_line_is_nothing() {
        for line in [
            "",
            "x",
            "1-2 r-xp",
            "1-2 r-xp 0 8:1 z /a",
            "g-h r-xp 0 8:1 1 /a",
            "   ",
        ] {
            assert!(executable_files(line.as_bytes()).is_empty(), "{line:?}");
        }
    }
}
