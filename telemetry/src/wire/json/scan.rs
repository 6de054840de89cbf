//! A first look at JSON text: what the streaming reader would take but must not, and what would make it go too deep.

use super::{DEPTH_MAX, JsonError};

const BOM: &str = "\u{feff}";

/// The text without a byte order mark.
///
/// # Errors
/// When the bytes are no UTF-8, nest deeper than [`DEPTH_MAX`], or have an escape that is half a character.
pub(super) fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        JsonError::new(format!("invalid UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let text = text.strip_prefix(BOM).unwrap_or(text);
    check(text.as_bytes())?;
    Ok(text)
}

fn check(text: &[u8]) -> Result<(), JsonError> {
    let (mut depth, mut at) = (0_u32, 0_usize);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let told = format!("nested deeper than {DEPTH_MAX} levels at byte {}", at - 1);
                    return Err(JsonError::new(told));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Where the string ends whose text begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> Result<usize, JsonError> {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(next) = memchr::memchr2(b'"', b'\\', rest) else {
            return Ok(text.len());
        };
        at += next + 1;
        if rest.get(next) == Some(&b'"') {
            return Ok(at);
        }
        let (n_bytes, is_whole) = escape(text.get(at..).unwrap_or_default());
        if !is_whole {
            return Err(JsonError::new(format!(
                "a lone surrogate at byte {}",
                at - 1
            )));
        }
        at += n_bytes;
    }
}

/// Bytes of the escape that begins after a backslash, and whether it is a whole character.
fn escape(rest: &[u8]) -> (usize, bool) {
    match unit(rest) {
        None => (1, true),
        Some(0xd800..=0xdbff) => {
            let second = rest.get(5..).and_then(|rest| rest.strip_prefix(b"\\"));
            let is_pair = second
                .and_then(unit)
                .is_some_and(|unit| (0xdc00..=0xdfff).contains(&unit));
            (11, is_pair)
        }
        Some(unit) => (5, !(0xdc00..=0xdfff).contains(&unit)),
    }
}

/// The UTF-16 unit of `uXXXX`.
fn unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
