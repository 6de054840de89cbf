//! Texts, numbers and truths of JSON as protobuf fields. `Err(())`: the field is not written so.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::super::proto::{fixed32_key, fixed64_key, put_delimited, put_varint, varint_key};
use super::super::super::schema::{Field, Kind, Role};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Whole numbers up to this are exact as doubles: 2^53.
const WHOLE_DOUBLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a field of this kind looks like.
pub(super) fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Id => "hex digits, two a byte",
        Kind::Bytes => "base64",
        Kind::Bool => "true or false",
        Kind::Uint32 | Kind::Fixed32 => "a whole number of 32 bits",
        Kind::Sint32 => "a whole number of 32 bits with sign",
        Kind::Fixed64 => "a whole number of 64 bits",
        Kind::Int64 | Kind::Sfixed64 => "a whole number of 64 bits with sign",
        Kind::Enum => "the number of an enum value",
        Kind::Double => r#"a number, "NaN", "Infinity" or "-Infinity""#,
        Kind::One(_) => "an object",
        Kind::Many(_) => "an array of objects",
        Kind::Texts => "an array of strings",
        Kind::Uint64s | Kind::Fixed64s | Kind::Doubles => "an array of numbers",
        Kind::Unread => "nothing",
    }
}

pub(super) fn is_repeated(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Many(_) | Kind::Texts | Kind::Uint64s | Kind::Fixed64s | Kind::Doubles
    )
}

/// What an item of a repeated field looks like.
pub(super) fn expected_item(kind: Kind) -> &'static str {
    match kind {
        Kind::Many(_) => "an object",
        Kind::Texts => "a string",
        Kind::Doubles => expected(Kind::Double),
        Kind::Uint64s | Kind::Fixed64s => expected(Kind::Fixed64),
        kind => expected(kind),
    }
}

/// The field as one item of a repeated number writes it, unpacked; none for other fields.
pub(super) fn item(field: &Field) -> Option<Field> {
    let kind = match field.kind {
        Kind::Uint64s => Kind::Uint64s,
        Kind::Fixed64s => Kind::Fixed64,
        Kind::Doubles => Kind::Double,
        _ => return None,
    };
    Some(Field {
        name: field.name,
        number: field.number,
        kind,
        role: Role::Plain,
        is_usual: None,
    })
}

pub(super) fn put_text(field: &Field, text: &str, out: &mut Vec<u8>) -> Result<(), ()> {
    match field.kind {
        Kind::Text => put_delimited(out, field.number, text.as_bytes()),
        Kind::Id => put_delimited(out, field.number, &hex(text)?),
        Kind::Bytes => put_delimited(out, field.number, &base64(text)?),
        Kind::Double => put_double(field, double(text)?, out)?,
        Kind::Uint32
        | Kind::Sint32
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed64
        | Kind::Int64
        | Kind::Uint64s => put_integer(field, text.parse().map_err(drop)?, out)?,
        Kind::Texts
        | Kind::Bool
        | Kind::Enum
        | Kind::One(_)
        | Kind::Many(_)
        | Kind::Fixed64s
        | Kind::Doubles
        | Kind::Unread => return Err(()),
    }
    Ok(())
}

pub(super) fn put_bool(field: &Field, value: bool, out: &mut Vec<u8>) -> Result<(), ()> {
    if !matches!(field.kind, Kind::Bool) {
        return Err(());
    }
    put_varint(out, varint_key(field.number));
    put_varint(out, u64::from(value));
    Ok(())
}

pub(super) fn put_integer(field: &Field, value: i128, out: &mut Vec<u8>) -> Result<(), ()> {
    let number = field.number;
    match field.kind {
        Kind::Uint32 => put_number(number, u64::from(u32::try_from(value).map_err(drop)?), out),
        Kind::Enum => put_number(
            number,
            i64::from(i32::try_from(value).map_err(drop)?) as u64,
            out,
        ),
        Kind::Int64 => put_number(number, i64::try_from(value).map_err(drop)? as u64, out),
        Kind::Uint64s => put_number(number, u64::try_from(value).map_err(drop)?, out),
        Kind::Sint32 => put_number(number, zigzag(i32::try_from(value).map_err(drop)?), out),
        Kind::Fixed32 => {
            let value = u32::try_from(value).map_err(drop)?;
            put_varint(out, fixed32_key(number));
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Fixed64 => {
            let value = u64::try_from(value).map_err(drop)?;
            put_varint(out, fixed64_key(number));
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Sfixed64 => {
            let value = i64::try_from(value).map_err(drop)?;
            put_varint(out, fixed64_key(number));
            out.extend_from_slice(&value.to_le_bytes());
        }
        Kind::Double => put_double(field, value as f64, out)?,
        _ => return Err(()),
    }
    Ok(())
}

/// A signed number as `sint32` writes it.
fn zigzag(value: i32) -> u64 {
    u64::from((value << 1 ^ value >> 31) as u32)
}

fn put_number(number: u64, value: u64, out: &mut Vec<u8>) {
    put_varint(out, varint_key(number));
    put_varint(out, value);
}

/// Writes a double, or a whole number that was written as one (`1.0`, `1e3`).
pub(super) fn put_double(field: &Field, value: f64, out: &mut Vec<u8>) -> Result<(), ()> {
    if matches!(field.kind, Kind::Double) {
        put_varint(out, fixed64_key(field.number));
        out.extend_from_slice(&value.to_le_bytes());
        return Ok(());
    }
    if value.fract() != 0.0 || value.abs() > WHOLE_DOUBLE_MAX {
        return Err(());
    }
    put_integer(field, value as i128, out)
}

/// A double that was written as text.
fn double(text: &str) -> Result<f64, ()> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => {
            let is_number =
                |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
            let number = text.bytes().all(is_number).then(|| text.parse::<f64>());
            number
                .and_then(Result::ok)
                .filter(|number| number.is_finite())
                .ok_or(())
        }
    }
}

fn hex(text: &str) -> Result<Vec<u8>, ()> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(());
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs
        .iter()
        .map(|&[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8))
        .collect::<Option<_>>()
        .ok_or(())
}

fn base64(text: &str) -> Result<Vec<u8>, ()> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .map_err(drop)
}
