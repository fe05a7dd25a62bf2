//! How names are spelt in a trigger: any byte can be given as `\xNN`, so that whatever stands in a file can be named.

/// What in a name has a meaning in the syntax and is escaped for that reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An object, a provider or a probe: no colon at all.
    Part,
    /// A symbol: `::` is no separator; `+16` and `0x…` would be an offset and an address.
    Symbol,
}

/// What the escapes stand for, or why the text is malformed.
pub fn unescape(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = text.as_bytes();
    let mut name = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'\\' {
            name.push(byte);
            at += 1;
            continue;
        }
        let value = bytes
            .get(at + 1..at + 4)
            .and_then(|escape| escape.strip_prefix(b"x"))
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or("a backslash begins an escape such as \\x3a")?;
        if value == 0 {
            return Err("a name holds no NUL byte");
        }
        name.push(value);
        at += 4;
    }
    Ok(name)
}

/// The canonical spelling, which `unescape` and the parser take back.
pub fn escape(name: &[u8], place: Place) -> String {
    let mut text = String::with_capacity(name.len());
    let mut position = 0;
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_plain(name, position, letter, place) {
                text.push(letter);
            } else {
                let mut buffer = [0; 4];
                push_hex(&mut text, letter.encode_utf8(&mut buffer).as_bytes());
            }
            position += letter.len_utf8();
        }
        push_hex(&mut text, chunk.invalid());
        position += chunk.invalid().len();
    }
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

fn is_plain(name: &[u8], position: usize, letter: char, place: Place) -> bool {
    let next = name.get(position + letter.len_utf8());
    match letter {
        '\\' => false,
        ' ' => position != 0 && next.is_some(),
        ':' => matches!(place, Place::Symbol) && colons_around(name, position) == 2,
        '+' => matches!(place, Place::Part) || !next.is_some_and(u8::is_ascii_digit),
        '0' => matches!(place, Place::Part) || position != 0 || !matches!(next, Some(b'x' | b'X')),
        letter => is_printable(letter),
    }
}

/// The length of the run of colons that this one is part of.
fn colons_around(name: &[u8], position: usize) -> usize {
    let before = name[..position].iter().rev().take_while(|&&b| b == b':');
    let from_here = name[position..].iter().take_while(|&&b| b == b':');
    before.count() + from_here.count()
}

/// Neither a control character nor one that is invisible or turns the text around.
pub fn is_printable(letter: char) -> bool {
    letter == '\'' || letter == '"' || letter == '\\' || letter.escape_debug().len() == 1
}
