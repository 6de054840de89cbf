//! Attributes and their values, read in place. What is read here was walked before: a flaw only ends an iterator.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use super::field::{any_value, key_value, list};
use super::proto::{DEPTH_MAX, Reader, text};

/// Attributes of a span, event, link, scope, resource or of a key-value list, in the order they were sent. A key may occur twice.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    reader: Reader<'a>,
    /// Key of the field that is an attribute in the message read here.
    key: u64,
}

/// Values of an array, in order.
#[derive(Debug, Clone)]
pub struct ArrayView<'a> {
    reader: Reader<'a>,
}

/// A value of an attribute (OpenTelemetry `AnyValue`). An absent one is `Empty`.
#[derive(Debug, Clone)]
pub enum ValueView<'a> {
    Empty,
    Str(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Array(ArrayView<'a>),
    KvList(Attributes<'a>),
}

/// A value that is not read yet.
#[derive(Debug, Clone, Copy)]
pub struct UnreadValue<'a>(&'a [u8]);

impl<'a> UnreadValue<'a> {
    #[must_use]
    pub fn read(self) -> ValueView<'a> {
        ValueView::read(self.0)
    }

    /// Appends the value as text: what [`ValueView::text`] says of it.
    #[inline]
    pub fn put_text(self, out: &mut Vec<u8>) {
        match plain_text(self.0) {
            Some(text) => out.extend_from_slice(text),
            None => self.put_any_text(out),
        }
    }

    fn put_any_text(self, out: &mut Vec<u8>) {
        match self.read() {
            ValueView::Int(number) => write!(out, "{number}").expect("a Vec takes all bytes"),
            value => out.extend_from_slice(value.text().as_bytes()),
        }
    }
}

/// The text that a value is, if it is one shorter than 128 B and nothing else.
#[inline]
fn plain_text(body: &[u8]) -> Option<&[u8]> {
    const STRING: u8 = any_value::STRING as u8;
    let (&[STRING, len], text) = body.split_first_chunk()? else {
        return None;
    };
    (len < 0x80 && text.len() == usize::from(len)).then_some(text)
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(reader: Reader<'a>, key: u64) -> Self {
        Self { reader, key }
    }

    /// The same with keys as bytes and values that are not read yet: for a look at a few among many.
    #[inline]
    pub fn unread(self) -> impl Iterator<Item = (&'a [u8], UnreadValue<'a>)> {
        let (mut rest, field) = (self.reader.rest(), self.key);
        std::iter::from_fn(move || {
            if let Some((key, value, behind)) = plain_attribute(rest, field) {
                rest = behind;
                return Some((key, UnreadValue(value)));
            }
            let mut reader = Reader::new(rest);
            let (key, value) = parts(next_field(&mut reader, field)?);
            rest = reader.rest();
            Some((key, UnreadValue(value)))
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, ValueView<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        next_field(&mut self.reader, self.key).map(key_and_value)
    }
}

impl<'a> Iterator for ArrayView<'a> {
    type Item = ValueView<'a>;

    fn next(&mut self) -> Option<ValueView<'a>> {
        next_field(&mut self.reader, list::VALUES).map(ValueView::read)
    }
}

/// The body of the next field with this key.
#[inline]
pub(crate) fn next_field<'a>(reader: &mut Reader<'a>, key: u64) -> Option<&'a [u8]> {
    while !reader.is_at_end() {
        let found = reader.varint().ok()?;
        if found == key {
            return reader.delimited_bytes().ok();
        }
        reader.skip(found, DEPTH_MAX).ok()?;
    }
    None
}

fn key_and_value(body: &[u8]) -> (&str, ValueView<'_>) {
    let (key, value) = parts(body);
    (text(key), ValueView::read(value))
}

/// Bodies of the key and of the value; empty where there is none, which reads as what is absent does.
#[inline]
fn parts(body: &[u8]) -> (&[u8], &[u8]) {
    plain_parts(body).unwrap_or_else(|| general_parts(body))
}

/// The same of what most are: a key, a value, each shorter than 128 B, and nothing else.
#[inline]
fn plain_parts(body: &[u8]) -> Option<(&[u8], &[u8])> {
    const KEY: u8 = key_value::KEY as u8;
    const VALUE: u8 = key_value::VALUE as u8;
    let (&[KEY, key_len], rest) = body.split_first_chunk()? else {
        return None;
    };
    let (key, rest) = rest.split_at_checked(key_len.into())?;
    let (&[VALUE, value_len], value) = rest.split_first_chunk()? else {
        return None;
    };
    let is_plain = key_len < 0x80 && value_len < 0x80 && value.len() == usize::from(value_len);
    is_plain.then_some((key, value))
}

/// Key and value of an attribute that comes right here, is shorter than 128 B and has nothing else; and what lies behind it.
#[inline]
fn plain_attribute(rest: &[u8], field: u64) -> Option<(&[u8], &[u8], &[u8])> {
    const KEY: u8 = key_value::KEY as u8;
    const VALUE: u8 = key_value::VALUE as u8;
    const N_HEADS: usize = 4;
    let (&[found, len, KEY, key_len], rest) = rest.split_first_chunk()? else {
        return None;
    };
    let (key, rest) = rest.split_at_checked(key_len.into())?;
    let (&[VALUE, value_len], rest) = rest.split_first_chunk()? else {
        return None;
    };
    let (value, behind) = rest.split_at_checked(value_len.into())?;
    let fills = usize::from(len) == N_HEADS + key.len() + value.len();
    (u64::from(found) == field && len < 0x80 && fills).then_some((key, value, behind))
}

fn general_parts(body: &[u8]) -> (&[u8], &[u8]) {
    let mut reader = Reader::new(body);
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    while let Ok(key) = reader.varint() {
        let read = match key {
            key_value::KEY => reader.delimited_bytes().map(|bytes| name = bytes),
            key_value::VALUE => reader.delimited_bytes().map(|bytes| value = bytes),
            _ => reader.skip(key, DEPTH_MAX),
        };
        if read.is_err() {
            break;
        }
    }
    (name, value)
}

impl<'a> ValueView<'a> {
    /// Reads an `AnyValue`. It has one known field at most: the walk sees to that.
    pub(crate) fn read(body: &'a [u8]) -> Self {
        let mut reader = Reader::new(body);
        while let Ok(key) = reader.varint() {
            let value = match key {
                any_value::STRING => reader.delimited_bytes().map(|bytes| Self::Str(text(bytes))),
                any_value::BOOL => reader.varint().map(|value| Self::Bool(value != 0)),
                any_value::INT => reader.varint().map(|value| Self::Int(value as i64)),
                any_value::DOUBLE => reader
                    .fixed64()
                    .map(|bits| Self::Double(f64::from_bits(bits))),
                any_value::ARRAY => reader.delimited_bytes().map(|bytes| {
                    Self::Array(ArrayView {
                        reader: Reader::new(bytes),
                    })
                }),
                any_value::KVLIST => reader
                    .delimited_bytes()
                    .map(|bytes| Self::KvList(Attributes::new(Reader::new(bytes), list::VALUES))),
                any_value::BYTES => reader.delimited_bytes().map(Self::Bytes),
                _ => match reader.skip(key, DEPTH_MAX) {
                    Ok(()) => continue,
                    Err(flaw) => Err(flaw),
                },
            };
            return value.unwrap_or(Self::Empty);
        }
        Self::Empty
    }

    /// The value as text, which is how tags compare: numbers in decimal, doubles as Rust writes them (`NaN`, `inf`, `0.5`), bytes as
    /// lower-case hex, arrays and lists as JSON.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Str(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Double(value) => Cow::Owned(value.to_string()),
            Self::Bytes(bytes) => Cow::Owned(hex(bytes)),
            Self::Array(_) | Self::KvList(_) => {
                let mut out = String::new();
                write_json(self, &mut out, TEXT_DEPTH_MAX);
                Cow::Owned(out)
            }
        }
    }
}

/// How deep [`ValueView::text`] looks into a value: as deep as prost takes one.
const TEXT_DEPTH_MAX: u32 = DEPTH_MAX;

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
            write!(out, "{byte:02x}").expect("a String takes all text");
            out
        })
}

/// A string as JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is always JSON")
}

fn write_json(value: &ValueView<'_>, out: &mut String, depth_left: u32) {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        out.push_str("null");
        return;
    };
    match value {
        ValueView::Empty => out.push_str("null"),
        ValueView::Bool(_) | ValueView::Int(_) => out.push_str(&value.text()),
        ValueView::Double(number) if number.is_finite() => out.push_str(&value.text()),
        ValueView::Str(_) | ValueView::Double(_) | ValueView::Bytes(_) => {
            out.push_str(&quoted(&value.text()));
        }
        ValueView::Array(values) => {
            out.push('[');
            for (i, value) in values.clone().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                write_json(&value, out, depth_left);
            }
            out.push(']');
        }
        ValueView::KvList(attributes) => {
            out.push('{');
            for (i, (key, value)) in attributes.clone().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                out.push_str(&quoted(key));
                out.push(':');
                write_json(&value, out, depth_left);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;
    use prost::Message;

    use super::super::field::span;
    use super::*;

    fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
        let value = prop_oneof![
            "[a-zé]{0,140}".prop_map(Value::StringValue),
            any::<i64>().prop_map(Value::IntValue),
            any::<f64>().prop_map(Value::DoubleValue),
        ];
        let attribute = ("[a-zé.]{0,140}", prop::option::of(value));
        let attribute = attribute.prop_map(|(key, value)| KeyValue {
            key,
            value: Some(AnyValue { value }),
            ..KeyValue::default()
        });
        prop::collection::vec(attribute, 0..8)
    }

    proptest! {
        #[test]
        fn what_is_not_read_yet_is_what_is_read(first in attributes(), second in attributes()) {
            // another field lies between the two
            let span = |attributes| Span { attributes, name: "between".to_owned(), ..Span::default() };
            let bytes = [span(first).encode_to_vec(), span(second).encode_to_vec()].concat();
            let attributes = Attributes::new(Reader::new(&bytes), span::ATTRIBUTES);
            let read = attributes.clone().map(|(key, value)| (key.as_bytes(), value.text()));
            let unread = attributes.unread().map(|(key, value)| (key, value.read().text()));
            prop_assert_eq!(unread.collect::<Vec<_>>(), read.collect::<Vec<_>>());
        }
    }
}
