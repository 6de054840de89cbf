//! Strings, with the escapes of Go.

use super::{Mistake, TokenKind};

/// A string that begins with `quote`.
pub(super) fn read(rest: &str, quote: char) -> Result<(usize, TokenKind), Mistake> {
    let open = || Mistake::new(0, "unterminated quoted string");
    if quote == '`' {
        let body = rest.get(1..).unwrap_or("");
        let end = body.find('`').ok_or_else(open)?;
        let text = body.get(..end).unwrap_or("").to_owned();
        return Ok((end + 2, TokenKind::Text(text)));
    }
    let mut bytes = Vec::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => {
                let text = String::from_utf8(bytes);
                let text = text.map_err(|_| Mistake::new(0, "a string must be UTF-8"))?;
                return Ok((at + 1, TokenKind::Text(text)));
            }
            '\n' => return Err(open()),
            '\\' => {
                let escape = rest.get(at + 1..).unwrap_or("");
                let used = unescape(escape, quote, &mut bytes)
                    .ok_or_else(|| Mistake::new(at, "unknown escape sequence"))?;
                for _ in 0..used {
                    chars.next(); // an escape is ASCII
                }
            }
            _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(open())
}

/// Adds what the text behind a backslash stands for; how many characters it took.
fn unescape(escape: &str, quote: char, to: &mut Vec<u8>) -> Option<usize> {
    let first = escape.chars().next()?;
    let plain = match first {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '0'..='7' => {
            let value = u32::from_str_radix(escape.get(..3)?, 8).ok()?;
            to.push(u8::try_from(value).ok()?);
            return Some(3);
        }
        'x' => {
            let value = hex(escape, 2)?;
            to.push(u8::try_from(value).ok()?);
            return Some(3);
        }
        'u' | 'U' => {
            let n_digits = if first == 'u' { 4 } else { 8 };
            let c = char::from_u32(hex(escape, n_digits)?)?;
            to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(1 + n_digits);
        }
        _ if first == quote => u8::try_from(quote).ok()?,
        _ => return None,
    };
    to.push(plain);
    Some(1)
}

fn hex(escape: &str, n_digits: usize) -> Option<u32> {
    let digits = escape.get(1..=n_digits)?;
    let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}
