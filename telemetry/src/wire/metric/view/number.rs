//! Points that are one number, exemplars, and lists of numbers.

use super::super::super::proto::{Extent, Reader};
use super::super::super::value::Attributes;
use super::super::fields::{Bodies, Fields, Wire};
use super::attributes;
use super::points::ReadAt;

/// A value as it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Double(f64),
    Int(i64),
}

impl Number {
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Double(value) => value,
            Self::Int(value) => value as f64,
        }
    }
}

/// One `NumberDataPoint`.
#[derive(Debug, Clone, Copy)]
pub struct NumberPointView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub start_unix_ns: u64,
    pub unix_ns: u64,
    pub value: Option<Number>,
    pub flags: u32,
    /// From the first to the last attribute.
    attributes_at: Extent,
    /// Other fields lie between.
    is_scattered: bool,
    has_exemplars: bool,
}

/// One `Exemplar`.
#[derive(Debug, Clone, Copy)]
pub struct ExemplarView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub unix_ns: u64,
    pub value: Option<Number>,
    pub span_id: &'a [u8],
    pub trace_id: &'a [u8],
}

impl<'a> ReadAt<'a> for NumberPointView<'a> {
    fn read_at(bytes: &'a [u8], extent: Extent) -> Self {
        let mut point = Self {
            bytes,
            extent,
            start_unix_ns: 0,
            unix_ns: 0,
            value: None,
            flags: 0,
            attributes_at: Extent::default(),
            is_scattered: false,
            has_exemplars: false,
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (2, Wire::Fixed64(time)) => point.start_unix_ns = time,
                (3, Wire::Fixed64(time)) => point.unix_ns = time,
                (4, Wire::Fixed64(bits)) => {
                    point.value = Some(Number::Double(f64::from_bits(bits)));
                }
                (6, Wire::Fixed64(bits)) => point.value = Some(Number::Int(bits as i64)),
                (8, Wire::Varint(flags)) => point.flags = flags as u32,
                (7, Wire::Body(_)) => {
                    let before = point.attributes_at;
                    point.is_scattered |= before.end != 0 && before.end != field.extent.start;
                    point.attributes_at = before.up_to(field.extent);
                }
                (5, Wire::Body(_)) => point.has_exemplars = true,
                _ => {}
            }
        }
        point
    }
}

impl<'a> NumberPointView<'a> {
    /// The bytes of all its attributes, if they lie side by side.
    #[must_use]
    pub fn attribute_bytes(&self) -> Option<&'a [u8]> {
        (!self.is_scattered).then(|| self.attributes_at.of(self.bytes))
    }

    #[must_use]
    pub fn has_exemplars(&self) -> bool {
        self.has_exemplars
    }

    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.extent, 7)
    }

    pub fn exemplars(&self) -> impl Iterator<Item = ExemplarView<'a>> + use<'a> {
        exemplars(self.bytes, self.extent, 5)
    }
}

/// Exemplars with this field number in the point at `extent`.
pub(super) fn exemplars<'a>(
    bytes: &'a [u8],
    extent: Extent,
    number: u64,
) -> impl Iterator<Item = ExemplarView<'a>> + use<'a> {
    let bodies = Bodies::within(bytes, extent, number);
    bodies.map(move |extent| ExemplarView::read(bytes, extent))
}

impl<'a> ExemplarView<'a> {
    fn read(bytes: &'a [u8], extent: Extent) -> Self {
        let mut exemplar = Self {
            bytes,
            extent,
            unix_ns: 0,
            value: None,
            span_id: &[],
            trace_id: &[],
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (2, Wire::Fixed64(time)) => exemplar.unix_ns = time,
                (3, Wire::Fixed64(bits)) => {
                    exemplar.value = Some(Number::Double(f64::from_bits(bits)));
                }
                (6, Wire::Fixed64(bits)) => exemplar.value = Some(Number::Int(bits as i64)),
                (4, Wire::Body(id)) => exemplar.span_id = id.of(bytes),
                (5, Wire::Body(id)) => exemplar.trace_id = id.of(bytes),
                _ => {}
            }
        }
        exemplar
    }

    /// Attributes that the aggregation has taken away.
    #[must_use]
    pub fn filtered_attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.extent, 7)
    }
}

/// A repeated number, packed or not, as its bits.
#[derive(Debug, Clone, Copy)]
pub struct NumbersView<'a> {
    bytes: &'a [u8],
    fields: Fields<'a>,
    number: u64,
    /// What is left of a packed run.
    packed: Reader<'a>,
    is_varint: bool,
}

impl<'a> NumbersView<'a> {
    pub(in super::super) fn fixed(bytes: &'a [u8], extent: Extent, number: u64) -> Self {
        Self {
            bytes,
            fields: Fields::within(bytes, extent),
            number,
            packed: Reader::new(&[]),
            is_varint: false,
        }
    }

    pub(in super::super) fn varints(bytes: &'a [u8], extent: Extent, number: u64) -> Self {
        Self {
            is_varint: true,
            ..Self::fixed(bytes, extent, number)
        }
    }
}

impl Iterator for NumbersView<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        while self.packed.is_at_end() {
            let number = self.number;
            let field = self.fields.find(|field| field.number == number)?;
            match field.wire {
                Wire::Varint(value) | Wire::Fixed64(value) => return Some(value),
                Wire::Body(run) => self.packed = Reader::within(self.bytes, run),
                Wire::Fixed32(_) => {}
            }
        }
        let next = if self.is_varint {
            self.packed.varint()
        } else {
            self.packed.fixed64()
        };
        next.ok()
    }
}
