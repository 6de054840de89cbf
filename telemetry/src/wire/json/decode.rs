//! JSON in: a reader that writes protobuf while it reads, field by field after the tables of [`super::super::schema`].

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

use super::super::proto::{delimited_key, insert_len, put_delimited};
use super::super::schema::{Field, Kind, METRICS_DATA, Message, TRACES_DATA};
use super::{JsonError, scan};

mod decoder;
mod scalar;

use decoder::{Decoder, Step};

/// Reads OTLP JSON (`TracesData` or `ExportTraceServiceRequest`) into the same as protobuf.
///
/// # Errors
/// When the text is no JSON, or a field is not written as OTLP JSON writes it. Unknown fields are left out.
pub fn decode_traces(text: &[u8]) -> Result<Vec<u8>, JsonError> {
    decode(text, TRACES_DATA, &mut |_| true)
}

/// The same for metrics (`MetricsData` or `ExportMetricsServiceRequest`). A count of a bucket that takes two bytes here takes nine there, so `grow` is
/// asked, each time before that, whether so many bytes more than the text has may be taken.
///
/// # Errors
/// As [`decode_traces`], or when `grow` says no.
pub fn decode_metrics(
    text: &[u8],
    grow: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, JsonError> {
    decode(text, METRICS_DATA, grow)
}

fn decode(
    text: &[u8],
    message: Message,
    grow: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, JsonError> {
    let text = scan::text(text)?;
    let mut decoder = Decoder::new(text.len(), grow);
    let mut json = serde_json::Deserializer::from_str(text);
    let read = MessageSeed {
        decoder: &mut decoder,
        message,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    match read {
        Ok(()) => Ok(decoder.out),
        Err(error) => Err(decoder.error(&error)),
    }
}

/// Reads an object as a message and writes its body.
struct MessageSeed<'d, 'g> {
    decoder: &'d mut Decoder<'g>,
    message: Message,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { decoder, message } = self;
        let mut written = Written::default();
        while let Some(field) = map.next_key_seed(FieldSeed { message })? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            written.take_back(field.number, &mut decoder.out);
            let start = decoder.out.len();
            decoder.path.push(Step::Field(field.name));
            map.next_value_seed(ValueSeed { decoder, field })?;
            if !decoder.has_room() {
                return Err(A::Error::custom("no memory for it"));
            }
            decoder.path.pop();
            written.note(field.number, start..decoder.out.len());
        }
        Ok(())
    }
}

/// What each field of an object wrote, so that the last of two with one name counts.
#[derive(Default)]
struct Written(Vec<(u64, std::ops::Range<usize>)>);

impl Written {
    fn note(&mut self, number: u64, range: std::ops::Range<usize>) {
        self.0.push((number, range));
    }

    /// Removes what the field wrote before. Each other field moves forward once at most, because what is written next stands behind it.
    fn take_back(&mut self, number: u64, out: &mut Vec<u8>) {
        let Some(idx) = self.0.iter().position(|(noted, _)| *noted == number) else {
            return;
        };
        let (_, range) = self.0.remove(idx);
        let n_bytes = range.len();
        out.drain(range.clone());
        for (_, later) in &mut self.0 {
            if later.start >= range.end {
                *later = later.start - n_bytes..later.end - n_bytes;
            }
        }
    }
}

/// Reads a key: the field with this name, if the message has one.
struct FieldSeed {
    message: Message,
}

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldSeed {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let is_read = |field: &&Field| field.name == name && !matches!(field.kind, Kind::Unread);
        Ok(self.message.iter().find(is_read))
    }
}

/// Reads the value of a field and writes the field, or nothing for `null`.
struct ValueSeed<'d, 'g> {
    decoder: &'d mut Decoder<'g>,
    field: &'static Field,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(scalar::expected(self.field.kind))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::One(message) = self.field.kind else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        let Self { decoder, field } = self;
        decoder.put_key(delimited_key(field.number));
        let start = decoder.out.len();
        let message = message();
        MessageSeed { decoder, message }.visit_map(map)?;
        insert_len(&mut decoder.out, start);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if !scalar::is_repeated(self.field.kind) {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let Self { decoder, field } = self;
        decoder.path.push(Step::Item(0));
        while seq
            .next_element_seed(ItemSeed { decoder, field })?
            .is_some()
        {
            if let Some(Step::Item(idx)) = decoder.path.last_mut() {
                *idx += 1;
            }
            if !decoder.has_room() {
                return Err(A::Error::custom("no memory for it"));
            }
        }
        decoder.path.pop();
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match scalar::put_text(self.field, text, &mut self.decoder.out) {
            Ok(()) => Ok(()),
            Err(()) => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        match scalar::put_bool(self.field, value, &mut self.decoder.out) {
            Ok(()) => Ok(()),
            Err(()) => Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match scalar::put_integer(self.field, i128::from(value), &mut self.decoder.out) {
            Ok(()) => Ok(()),
            Err(()) => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        match scalar::put_integer(self.field, i128::from(value), &mut self.decoder.out) {
            Ok(()) => Ok(()),
            Err(()) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        match scalar::put_double(self.field, value, &mut self.decoder.out) {
            Ok(()) => Ok(()),
            Err(()) => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }
}

/// Reads one item of an array. `null` is an empty one.
struct ItemSeed<'d, 'g> {
    decoder: &'d mut Decoder<'g>,
    field: &'static Field,
}

impl<'de> DeserializeSeed<'de> for ItemSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(scalar::expected_item(self.field.kind))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if scalar::item(self.field).is_some() {
            return Err(E::invalid_type(Unexpected::Unit, &self));
        }
        put_delimited(&mut self.decoder.out, self.field.number, &[]);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::Many(message) = self.field.kind else {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        };
        let Self { decoder, field } = self;
        decoder.put_key(delimited_key(field.number));
        let start = decoder.out.len();
        let message = message();
        MessageSeed { decoder, message }.visit_map(map)?;
        insert_len(&mut decoder.out, start);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let out = &mut self.decoder.out;
        let put = match scalar::item(self.field) {
            Some(item) => scalar::put_text(&item, text, out),
            None if matches!(self.field.kind, Kind::Texts) => {
                put_delimited(out, self.field.number, text.as_bytes());
                Ok(())
            }
            None => Err(()),
        };
        put.map_err(|()| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        self.number(i128::from(value))
            .map_err(|()| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        self.number(i128::from(value))
            .map_err(|()| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let item = scalar::item(self.field).ok_or(());
        let out = &mut self.decoder.out;
        let put = item.and_then(|item| scalar::put_double(&item, value, out));
        put.map_err(|()| E::invalid_value(Unexpected::Float(value), &self))
    }
}

impl ItemSeed<'_, '_> {
    fn number(&mut self, value: i128) -> Result<(), ()> {
        let item = scalar::item(self.field).ok_or(())?;
        scalar::put_integer(&item, value, &mut self.decoder.out)
    }
}
