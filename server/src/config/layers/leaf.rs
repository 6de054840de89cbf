//! Settings as text has them: the leaves of a file with their places, and what plain text from the environment or a flag may mean.

use toml::Value;
use toml::de::{DeTable, DeValue};

/// A setting as a file has it: its path, its value if it can be told, and the byte where it stands.
pub(super) type Leaf = (Vec<String>, Option<Value>, usize);

/// Collects the leaves of `table`: what `reference` has as a table is a section, all else a value.
pub(super) fn flatten(
    table: &DeTable<'_>,
    reference: &toml::Table,
    path: &mut Vec<String>,
    leaves: &mut Vec<Leaf>,
) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match (value.get_ref(), reference.get(key.get_ref().as_ref())) {
            (DeValue::Table(inner), Some(Value::Table(known))) => {
                flatten(inner, known, path, leaves)
            }
            (found, _) => leaves.push((path.clone(), owned(found), key.span().start)),
        }
        path.pop();
    }
}

/// The value of a parsed node. Numbers and dates go through TOML again, which has checked them already.
fn owned(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| owned(item.get_ref()))
                .collect::<Option<_>>()?,
        ),
        DeValue::Table(table) => {
            let entry = |(key, value): (&_, &toml::Spanned<DeValue<'_>>)| {
                let key: &toml::Spanned<toml::de::DeString<'_>> = key;
                Some((key.get_ref().to_string(), owned(value.get_ref())?))
            };
            Value::Table(table.iter().map(entry).collect::<Option<_>>()?)
        }
    })
}

/// What plain text from the environment or a flag may mean: a TOML value if it is one, else, or if that does not fit, a string.
pub(super) fn readings(text: &str) -> Vec<Value> {
    let as_toml = format!("v = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("v"));
    as_toml
        .into_iter()
        .chain([Value::String(text.to_owned())])
        .collect()
}

/// Lines are counted from 1.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}
