//! Names that the kernel keeps as bytes, as text.

pub fn name_of(bytes: &[u8]) -> String {
    printable(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// Bytes as text; what is not UTF-8 is spelled `\xNN`. Control characters stay: formats make them visible.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        assert_eq!(printable(b"a\xff\xc3\xa4\n"), "a\\xff\u{e4}\n");
    }
}
