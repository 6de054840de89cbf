//! Numbers and durations.

use super::{Mistake, TokenKind};

/// Units of a duration, the longest first, in ms.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A number, decimal or hexadecimal, or a duration such as `1h30m`.
pub(super) fn read(rest: &str) -> Result<(usize, TokenKind), Mistake> {
    let len = length(rest);
    let word = rest.get(..len).unwrap_or("");
    let bad = || Mistake::new(0, format!("bad number or duration syntax: {word:?}"));
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        let value = u64::from_str_radix(hex, 16).map_err(|_| bad())?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of PromQL are floats")]
        return Ok((len, TokenKind::Number(value as f64)));
    }
    if let Some(ms) = duration_ms(word) {
        return Ok((len, TokenKind::Duration(ms)));
    }
    let value: f64 = word.parse().map_err(|_| bad())?;
    Ok((len, TokenKind::Number(value)))
}

/// Bytes up to what cannot belong to a number: a sign belongs to it behind an exponent only.
fn length(rest: &str) -> usize {
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        let is_exponent_sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !is_hex;
        if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || is_exponent_sign) {
            return at;
        }
        before = c;
    }
    rest.len()
}

/// A duration in ms: each unit at most once, the longer before the shorter. None if it is none, or too long for an i64.
pub(in crate::promql) fn duration_ms(word: &str) -> Option<i64> {
    let mut rest = word;
    let mut units = UNITS.iter();
    let mut sum = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: i64 = rest.get(..digits)?.parse().ok()?;
        let tail = rest.get(digits..)?;
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let unit = tail.get(..letters)?;
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(amount.checked_mul(*unit_ms)?)?;
        rest = tail.get(letters..)?;
    }
    (!word.is_empty()).then_some(sum)
}
