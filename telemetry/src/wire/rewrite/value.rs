//! Attributes written anew: pieces joined, long texts cut where a character ends.

use super::super::field::{any_value, key_value, list};
use super::super::limit::WalkLimits;
use super::super::proto::{DEPTH_MAX, Reader, put_delimited, put_message, put_varint};
use super::super::value::next_field;

/// As much of `text` as has `bytes_max` bytes and ends where a character ends, and whether that is less than all.
pub(super) fn cut(text: &[u8], bytes_max: u32) -> (&[u8], bool) {
    let bytes_max = bytes_max as usize;
    if text.len() <= bytes_max {
        return (text, false);
    }
    let is_inside = |&end: &usize| text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80);
    let end = (0..=bytes_max)
        .rev()
        .find(|end| !is_inside(end))
        .unwrap_or(0);
    (text.get(..end).unwrap_or_default(), true)
}

/// Appends the body of an attribute. Returns its key if it was cut.
pub(super) fn put_key_value(body: &[u8], limits: &WalkLimits, out: &mut Vec<u8>) -> Option<String> {
    let mut reader = Reader::new(body);
    let mut key: &[u8] = &[];
    let mut values = Vec::new();
    while !reader.is_at_end() {
        let start = reader.at();
        match reader.varint().ok()? {
            key_value::KEY => key = reader.delimited_bytes().ok()?,
            key_value::VALUE => values.push(reader.delimited_bytes().ok()?),
            other => {
                reader.skip(other, DEPTH_MAX).ok()?;
                out.extend_from_slice(reader.since(start));
            }
        }
    }
    let (short_key, mut is_cut) = cut(key, limits.key_bytes_max);
    if !short_key.is_empty() {
        put_delimited(out, key_value::KEY >> 3, short_key);
    }
    if !values.is_empty() {
        let bytes_max = limits.value_bytes_max(key);
        put_message(out, key_value::VALUE >> 3, |out| {
            is_cut |= put_value(&values, bytes_max, limits, out);
        });
    }
    is_cut.then(|| String::from_utf8_lossy(short_key).into_owned())
}

/// What the pieces of an `AnyValue` come to: the last kind wins, and pieces of one list are one list.
enum Joined<'a> {
    Empty,
    Plain(&'a [u8]),
    Text { key: u64, body: &'a [u8] },
    Array(Vec<&'a [u8]>),
    KvList(Vec<&'a [u8]>),
}

impl<'a> Joined<'a> {
    fn of(pieces: &[&'a [u8]]) -> Self {
        let mut joined = Self::Empty;
        for piece in pieces {
            let mut reader = Reader::new(piece);
            while !reader.is_at_end() && joined.take(&mut reader).is_some() {}
        }
        joined
    }

    fn take(&mut self, reader: &mut Reader<'a>) -> Option<()> {
        let start = reader.at();
        let key = reader.varint().ok()?;
        match (key, &mut *self) {
            (any_value::ARRAY, Self::Array(pieces)) | (any_value::KVLIST, Self::KvList(pieces)) => {
                pieces.push(reader.delimited_bytes().ok()?);
            }
            (any_value::ARRAY, _) => *self = Self::Array(vec![reader.delimited_bytes().ok()?]),
            (any_value::KVLIST, _) => *self = Self::KvList(vec![reader.delimited_bytes().ok()?]),
            (any_value::STRING | any_value::BYTES, _) => {
                let body = reader.delimited_bytes().ok()?;
                *self = Self::Text { key, body };
            }
            _ => {
                reader.skip(key, DEPTH_MAX).ok()?;
                if key >> 3 <= any_value::STRING_STRINDEX >> 3 {
                    *self = Self::Plain(reader.since(start));
                }
            }
        }
        Some(())
    }
}

/// Appends the body of a value. Returns whether something in it was cut. It goes as deep as the walk let it: prost's 100 levels.
fn put_value(pieces: &[&[u8]], bytes_max: u32, limits: &WalkLimits, out: &mut Vec<u8>) -> bool {
    let mut is_cut = false;
    match Joined::of(pieces) {
        Joined::Empty => {}
        Joined::Plain(field) => out.extend_from_slice(field),
        Joined::Text { key, body } => {
            let (text, is_text_cut) = if key == any_value::STRING {
                cut(body, bytes_max)
            } else {
                let short = body.get(..bytes_max as usize);
                (
                    short.unwrap_or(body),
                    short.is_some_and(|short| short.len() < body.len()),
                )
            };
            is_cut = is_text_cut;
            put_delimited(out, key >> 3, text);
        }
        Joined::Array(pieces) => put_message(out, any_value::ARRAY >> 3, |out| {
            for body in values(&pieces) {
                put_message(out, list::VALUES >> 3, |out| {
                    is_cut |= put_value(&[body], limits.string_bytes_max, limits, out);
                });
            }
        }),
        Joined::KvList(pieces) => put_message(out, any_value::KVLIST >> 3, |out| {
            for body in values(&pieces) {
                put_message(out, list::VALUES >> 3, |out| {
                    is_cut |= put_key_value(body, limits, out).is_some();
                });
            }
        }),
    }
    is_cut
}

/// All values of a list that came in pieces.
fn values<'a>(pieces: &[&'a [u8]]) -> impl Iterator<Item = &'a [u8]> {
    pieces.iter().flat_map(|piece| {
        let mut reader = Reader::new(piece);
        std::iter::from_fn(move || next_field(&mut reader, list::VALUES))
    })
}

/// Appends the body of an attribute that is an array of texts.
pub(super) fn put_texts(key: &str, texts: &[String], out: &mut Vec<u8>) {
    put_delimited(out, key_value::KEY >> 3, key.as_bytes());
    put_message(out, key_value::VALUE >> 3, |out| {
        put_message(out, any_value::ARRAY >> 3, |out| {
            for text in texts {
                put_message(out, list::VALUES >> 3, |out| {
                    put_varint(out, any_value::STRING);
                    put_varint(out, text.len() as u64);
                    out.extend_from_slice(text.as_bytes());
                });
            }
        });
    });
}
