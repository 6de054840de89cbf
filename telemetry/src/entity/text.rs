//! Parts of an id as text: percent-encoded but for unreserved characters (RFC 3986), `:`, `+` and `,`; an absent part is `-`. Pure.

use std::fmt::{self, Write};

/// What stands for an absent part.
const ABSENT: &str = "-";

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:+,".contains(&byte)
}

pub(super) fn encoded(part: &str, out: &mut impl Write) -> fmt::Result {
    match part {
        "" => return out.write_str(ABSENT),
        // a part that is the sign itself
        ABSENT => return out.write_str("%2D"),
        _ => {}
    }
    for byte in part.bytes() {
        if is_plain(byte) {
            out.write_char(char::from(byte))?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// None if it is no encoded text.
pub(super) fn decoded(text: &str) -> Option<String> {
    if text == ABSENT {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            // from_str_radix alone would take a sign
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            bytes.push(u8::from_str_radix(is_hex.then_some(digits)?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
