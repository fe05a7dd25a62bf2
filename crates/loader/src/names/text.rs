//! Names that the kernel keeps as bytes, as text.

pub fn name_of(bytes: &[u8]) -> String {
    printable(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// Bytes as text; what is not UTF-8 is spelled `\xNN`, and the backslash of text that reads so already `\x5c`: no two names are one.
/// Control characters stay: formats make them visible.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        push_told_apart(&mut text, chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn push_told_apart(text: &mut String, valid: &str) {
    let mut rest = valid;
    while let Some(at) = rest.find("\\x") {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let digits = after.as_bytes().get(1..3);
        let reads_as_byte = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        text.push_str(before);
        text.push_str(if reads_as_byte { "\\x5c" } else { "\\" });
        rest = after;
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::printable;

    /// The bytes that a text stands for.
    fn bytes_of(text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let is_hexadecimal = |digits: &&str| digits.bytes().all(|it| it.is_ascii_hexdigit());
            let spelled = text
                .get(at + 2..at + 4)
                .filter(|_| bytes[at..].starts_with(b"\\x"))
                .filter(is_hexadecimal);
            match spelled.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    found.push(byte);
                    at += 4;
                }
                None => {
                    found.push(bytes[at]);
                    at += 1;
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn each_text_stands_for_its_bytes_and_no_others(
            parts in prop::collection::vec(
                prop_oneof![
                    Just(b"\\".to_vec()),
                    Just(b"\\x".to_vec()),
                    Just(b"\\xff".to_vec()),
                    Just(b"\xff".to_vec()),
                    Just("\u{e4}".as_bytes().to_vec()),
                    prop::collection::vec(any::<u8>(), 0..3),
                    "[0-9a-f]".prop_map(String::into_bytes),
                ],
                0..8,
            )
        ) {
            let bytes = parts.concat();
            prop_assert_eq!(bytes_of(&printable(&bytes)), bytes);
        }
    }

    #[test]
    fn text_that_reads_as_a_byte_is_told_from_it() {
        assert_eq!(printable(b"a\\xff"), "a\\x5cxff");
        assert_eq!(printable(b"a\xff"), "a\\xff");
        for plain in ["a\\b", "\\x", "\\xf", "\\xfg", "C:\\xy"] {
            assert_eq!(printable(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        assert_eq!(printable(b"a\xff\xc3\xa4\n"), "a\\xff\u{e4}\n");
    }
}
