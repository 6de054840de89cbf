//! The walk through attributes and values: most are plain and take one shape test and one ASCII test, all else the general way.

use super::super::entry::Marks;
use super::super::fault::{At, Faulty, Flaw};
use super::super::field::{any_value, key_value, list};
use super::super::limit::WalkLimits;
use super::super::proto::{Extent, Reader, is_ascii};

/// First bytes of the plain shapes: a key, then a value that is a text, number or truth.
const KEY: u8 = key_value::KEY as u8;
const VALUE: u8 = key_value::VALUE as u8;
const STRING: u8 = any_value::STRING as u8;
const BOOL: u8 = any_value::BOOL as u8;
const INT: u8 = any_value::INT as u8;
const DOUBLE: u8 = any_value::DOUBLE as u8;
/// A text in a plain shape is shorter than this: its length is one byte.
const PLAIN_BYTES_MAX: u32 = 0x7f;
/// Longest varint that needs no test of its last byte, in bytes.
const SAFE_VARINT_BYTES_MAX: usize = 9;

/// Walks attributes and gathers what is wrong with them.
pub(in super::super) struct ValueWalk<'l> {
    limits: &'l WalkLimits,
    /// Whether the limits let every plain shape through.
    plain_fits: bool,
    marks: Marks,
}

impl<'l> ValueWalk<'l> {
    pub(in super::super) fn new(limits: &'l WalkLimits) -> Self {
        let fits = |bytes_max: u32| bytes_max >= PLAIN_BYTES_MAX;
        Self {
            limits,
            plain_fits: fits(limits.key_bytes_max)
                && fits(limits.string_bytes_max)
                && fits(limits.long_string_bytes_max)
                && limits.nesting_max > 0,
            marks: Marks::default(),
        }
    }

    /// What was found since the last call.
    #[inline(always)]
    pub(in super::super) fn take_marks(&mut self) -> Marks {
        std::mem::take(&mut self.marks)
    }

    /// Reads the `KeyValue` that comes next in `reader`, whose message has `budget` levels left.
    #[inline(always)]
    pub(in super::super) fn attribute(
        &mut self,
        reader: &mut Reader<'_>,
        budget: u32,
    ) -> Faulty<()> {
        let start = *reader;
        let body = reader.delimited_bytes()?;
        if self.plain_fits && budget > 1 && is_plain(body) {
            return Ok(());
        }
        *reader = start;
        self.general_attribute(reader, budget)
    }

    /// Reads the body of a `KeyValue` that stands alone.
    pub(in super::super) fn body(&mut self, body: &[u8], budget: u32) -> Faulty<()> {
        self.key_value(Reader::new(body), budget, 0)
    }

    #[inline(never)]
    fn general_attribute(&mut self, reader: &mut Reader<'_>, budget: u32) -> Faulty<()> {
        let extent = reader.delimited()?;
        let (body, budget) = reader.enter(extent, budget)?;
        self.key_value(body, budget, 0)
    }

    fn key_value(&mut self, mut reader: Reader<'_>, budget: u32, depth: u32) -> Faulty<()> {
        let (mut n_keys, mut n_values) = (0_u32, 0_u32);
        let (mut key, mut value_bytes): (&[u8], u32) = (&[], 0);
        let whole = reader;
        while !reader.is_at_end() {
            match reader.varint()? {
                key_value::KEY => {
                    let extent = reader.string().at("key")?;
                    key = whole.bytes_at(extent);
                    n_keys += 1;
                }
                key_value::VALUE => {
                    let extent = reader.delimited().at("value")?;
                    let (body, budget) = reader.enter(extent, budget).at("value")?;
                    value_bytes = self.value(body, budget, depth + 1).at("value")?;
                    n_values += 1;
                }
                key_value::KEY_STRINDEX => reader.varint().at("key_strindex").map(drop)?,
                other => reader.skip_unknown(other, key_value::KNOWN, budget)?,
            }
        }
        if n_keys > 1 || n_values > 1 {
            self.marks.add(Marks::PIECES);
        }
        let fits = key.len() as u64 <= u64::from(self.limits.key_bytes_max)
            && value_bytes <= self.limits.value_bytes_max(key);
        if !fits {
            self.marks.add(Marks::OVER);
        }
        Ok(())
    }

    /// Returns the bytes of the text, or bytes value, that this is; 0 for others.
    fn value(&mut self, mut reader: Reader<'_>, budget: u32, depth: u32) -> Faulty<u32> {
        if depth > self.limits.nesting_max {
            self.marks.add(Marks::DEEP);
        }
        let (mut n_fields, mut n_bytes) = (0_u32, 0_u32);
        while !reader.is_at_end() {
            n_fields += 1;
            match reader.varint()? {
                any_value::STRING => n_bytes = reader.string().at("string_value")?.len(),
                any_value::BYTES => n_bytes = reader.delimited().at("bytes_value")?.len(),
                any_value::BOOL | any_value::INT | any_value::STRING_STRINDEX => {
                    reader.varint().map(drop)?
                }
                any_value::DOUBLE => reader.fixed64().at("double_value").map(drop)?,
                any_value::ARRAY => {
                    let list = reader.delimited().and_then(|it| reader.enter(it, budget));
                    self.array(list.at("array_value")?, depth)
                        .at("array_value")?;
                }
                any_value::KVLIST => {
                    let list = reader.delimited().and_then(|it| reader.enter(it, budget));
                    self.kvlist(list.at("kvlist_value")?, depth)
                        .at("kvlist_value")?;
                }
                other => {
                    reader.skip_unknown(other, any_value::KNOWN, budget)?;
                    n_fields -= 1;
                }
            }
        }
        if n_fields > 1 {
            self.marks.add(Marks::PIECES);
        }
        Ok(n_bytes)
    }

    fn array(&mut self, list: (Reader<'_>, u32), depth: u32) -> Faulty<()> {
        each_value(list, |reader, budget| {
            let n_bytes = self.value(reader, budget, depth + 1)?;
            if n_bytes > self.limits.string_bytes_max {
                self.marks.add(Marks::OVER);
            }
            Ok(())
        })
    }

    fn kvlist(&mut self, list: (Reader<'_>, u32), depth: u32) -> Faulty<()> {
        each_value(list, |reader, budget| self.key_value(reader, budget, depth))
    }
}

/// Walks the messages of an `ArrayValue` or a `KeyValueList`.
fn each_value<'a>(
    (mut reader, budget): (Reader<'a>, u32),
    mut walk: impl FnMut(Reader<'a>, u32) -> Faulty<()>,
) -> Faulty<()> {
    let mut idx = 0;
    while !reader.is_at_end() {
        match reader.varint()? {
            list::VALUES => {
                let extent = reader.delimited().at_item("values", idx)?;
                let (body, budget) = reader.enter(extent, budget).at_item("values", idx)?;
                walk(body, budget).at_item("values", idx)?;
                idx += 1;
            }
            other => reader.skip_unknown(other, list::KNOWN, budget)?,
        }
    }
    Ok(())
}

/// Whether a `KeyValue` is a key and a text, number or truth in the form that every encoder gives them, all short and ASCII.
#[inline(always)]
fn is_plain(body: &[u8]) -> bool {
    let [KEY, key_len, rest @ ..] = body else {
        return false;
    };
    let Some((key, value)) = rest.split_at_checked(usize::from(*key_len)) else {
        return false;
    };
    let [VALUE, value_len, kind, value @ ..] = value else {
        return false;
    };
    if usize::from(*value_len) != value.len() + 1 {
        return false;
    }
    match (kind, value) {
        (&STRING, [len, text @ ..]) => usize::from(*len) == text.len() && is_ascii(body),
        (&BOOL, [_]) => is_ascii(body),
        (&INT, [begin @ .., last]) => {
            value.len() <= SAFE_VARINT_BYTES_MAX
                && *last < 0x80
                && begin.iter().all(|&byte| byte >= 0x80)
                && *key_len < 0x80
                && is_ascii(key)
        }
        (&DOUBLE, bits) => bits.len() == 8 && *key_len < 0x80 && is_ascii(key),
        _ => false,
    }
}

impl Reader<'_> {
    /// Walks a plain text and tells whether it is longer than `bytes_max`.
    pub(super) fn limited_string(
        &mut self,
        bytes_max: u32,
        marks: &mut Marks,
    ) -> Result<Extent, Flaw> {
        let extent = self.string()?;
        if extent.len() > bytes_max {
            marks.add(Marks::OVER);
        }
        Ok(extent)
    }
}
