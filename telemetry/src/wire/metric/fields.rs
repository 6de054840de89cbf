//! Fields of a message that was checked, one by one. A flaw only ends the iterator.

use super::super::proto::{DEPTH_MAX, Extent, Reader};

/// Fields in the order they stand in; groups are left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
}

/// A field's value as its wire type tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Body(Extent),
}

/// A field: its number, its value, where its key begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldAt {
    pub(super) number: u64,
    pub(super) wire: Wire,
    pub(super) extent: Extent,
}

impl<'a> Fields<'a> {
    pub(super) fn within(bytes: &'a [u8], extent: Extent) -> Self {
        Self {
            reader: Reader::within(bytes, extent),
        }
    }

    #[inline(always)]
    fn read(&mut self) -> Option<Option<FieldAt>> {
        let start = self.reader.at();
        let key = self.reader.varint().ok()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.reader.varint().ok()?),
            1 => Wire::Fixed64(self.reader.fixed64().ok()?),
            2 => Wire::Body(self.reader.delimited().ok()?),
            5 => Wire::Fixed32(self.reader.fixed32().ok()?),
            _ => {
                self.reader.skip(key, DEPTH_MAX).ok()?;
                return Some(None);
            }
        };
        Some(Some(FieldAt {
            number: key >> 3,
            wire,
            extent: Extent {
                start,
                end: self.reader.at(),
            },
        }))
    }
}

impl Iterator for Fields<'_> {
    type Item = FieldAt;

    // the callers take a few fields of each kind: seen by the compiler, most of what is read is never put together
    #[inline(always)]
    fn next(&mut self) -> Option<FieldAt> {
        while !self.reader.is_at_end() {
            if let Some(field) = self.read()? {
                return Some(field);
            }
        }
        None
    }
}

/// Where the messages of one field lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bodies<'a> {
    fields: Fields<'a>,
    number: u64,
}

impl<'a> Bodies<'a> {
    pub(super) fn within(bytes: &'a [u8], extent: Extent, number: u64) -> Self {
        Self {
            fields: Fields::within(bytes, extent),
            number,
        }
    }
}

impl Iterator for Bodies<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let number = self.number;
        self.fields.find_map(|field| match field.wire {
            Wire::Body(body) if field.number == number => Some(body),
            _ => None,
        })
    }
}
