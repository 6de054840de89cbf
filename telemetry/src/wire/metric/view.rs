//! Metrics read in place. What is read here was checked before, and its pieces were joined: a flaw only ends an iterator.

use super::super::proto::Reader;
use super::super::proto::{Extent, delimited_key};
use super::super::value::Attributes;
use super::entry::Head;
use super::fields::{Bodies, Fields, Wire};

mod distribution;
mod number;
mod points;

pub use distribution::{
    BucketsView, ExpHistogramPointView, HistogramPointView, QuantileView, SummaryPointView,
};
pub use number::{ExemplarView, Number, NumberPointView, NumbersView};
pub use points::{DataView, PointsView, Temporality};

/// Attributes with this field number in the message at `extent`.
fn attributes(bytes: &[u8], extent: Extent, number: u64) -> Attributes<'_> {
    Attributes::new(Reader::within(bytes, extent), delimited_key(number))
}

/// A number of the wire as `sint32` means it.
pub(super) fn zigzag(value: u64) -> i32 {
    zigzag64(u64::from(value as u32)) as i32
}

/// A number of the wire as `sint64` means it.
pub(super) fn zigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// One `ResourceMetrics`.
#[derive(Debug, Clone, Copy)]
pub struct ResourceMetricsView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    head: Head,
}

/// One `ScopeMetrics`.
#[derive(Debug, Clone, Copy)]
pub struct ScopeMetricsView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    head: Head,
}

/// One `Metric`.
#[derive(Debug, Clone, Copy)]
pub struct MetricView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub name: &'a str,
    pub description: &'a str,
    pub unit: &'a str,
    /// Number of the field that has the data, and its body.
    data: Option<(u64, Extent)>,
}

/// Resource or scope, and schema URL, of the message at `extent`.
pub(super) fn head(bytes: &[u8], extent: Extent) -> Head {
    let mut head = Head::default();
    for field in Fields::within(bytes, extent) {
        match (field.number, field.wire) {
            (1, Wire::Body(body)) => head.body = Some(body),
            (3, Wire::Body(url)) => head.schema_url = url,
            _ => {}
        }
    }
    head
}

/// The last number that a field has in the message at `extent`.
fn count(bytes: &[u8], extent: Extent, number: u64) -> u32 {
    let counts = Fields::within(bytes, extent).filter_map(|field| match field.wire {
        Wire::Varint(count) if field.number == number => Some(count as u32),
        _ => None,
    });
    counts.last().unwrap_or(0)
}

impl<'a> ResourceMetricsView<'a> {
    pub(super) fn read(bytes: &'a [u8], extent: Extent) -> Self {
        Self {
            bytes,
            extent,
            head: head(bytes, extent),
        }
    }

    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Whether the sender gave a resource.
    #[must_use]
    pub fn has_resource(&self) -> bool {
        self.head.body.is_some()
    }

    /// Attributes of the resource.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.head.body.unwrap_or_default(), 1)
    }

    /// The bytes of the resource.
    #[must_use]
    pub fn resource_bytes(&self) -> &'a [u8] {
        self.head.body.unwrap_or_default().of(self.bytes)
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        count(self.bytes, self.head.body.unwrap_or_default(), 2)
    }

    #[must_use]
    pub fn schema_url(&self) -> &'a str {
        self.head.schema_url.text(self.bytes)
    }

    pub fn scopes(&self) -> impl Iterator<Item = ScopeMetricsView<'a>> + use<'a> {
        let bytes = self.bytes;
        Bodies::within(bytes, self.extent, 2).map(move |extent| ScopeMetricsView {
            bytes,
            extent,
            head: head(bytes, extent),
        })
    }
}

impl<'a> ScopeMetricsView<'a> {
    pub(super) fn head(&self) -> Head {
        self.head
    }

    fn scope(&self) -> Extent {
        self.head.body.unwrap_or_default()
    }

    fn text(&self, number: u64) -> &'a str {
        let texts = Bodies::within(self.bytes, self.scope(), number);
        texts.last().unwrap_or_default().text(self.bytes)
    }

    /// Whether the sender gave a scope.
    #[must_use]
    pub fn has_scope(&self) -> bool {
        self.head.body.is_some()
    }

    #[must_use]
    pub fn name(&self) -> &'a str {
        self.text(1)
    }

    #[must_use]
    pub fn version(&self) -> &'a str {
        self.text(2)
    }

    /// Attributes of the scope.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.scope(), 3)
    }

    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        count(self.bytes, self.scope(), 4)
    }

    #[must_use]
    pub fn schema_url(&self) -> &'a str {
        self.head.schema_url.text(self.bytes)
    }

    pub fn metrics(&self) -> impl Iterator<Item = MetricView<'a>> + use<'a> {
        let bytes = self.bytes;
        Bodies::within(bytes, self.extent, 2).map(move |extent| MetricView::read(bytes, extent))
    }
}

/// Numbers of the fields of `Metric` that are its data.
pub(super) const DATA: [u64; 5] = [5, 7, 9, 10, 11];

impl<'a> MetricView<'a> {
    fn read(bytes: &'a [u8], extent: Extent) -> Self {
        let mut view = Self {
            bytes,
            extent,
            name: "",
            description: "",
            unit: "",
            data: None,
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (1, Wire::Body(name)) => view.name = name.text(bytes),
                (2, Wire::Body(text)) => view.description = text.text(bytes),
                (3, Wire::Body(unit)) => view.unit = unit.text(bytes),
                (number, Wire::Body(data)) if DATA.contains(&number) => {
                    view.data = Some((number, data));
                }
                _ => {}
            }
        }
        view
    }

    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    pub(super) fn data_at(&self) -> Option<(u64, Extent)> {
        self.data
    }

    /// What kind of metric it is, with its points.
    #[must_use]
    pub fn data(&self) -> Option<DataView<'a>> {
        let (number, extent) = self.data?;
        DataView::read(self.bytes, number, extent)
    }

    /// Attributes of the metric itself.
    #[must_use]
    pub fn metadata(&self) -> Attributes<'a> {
        attributes(self.bytes, self.extent, 12)
    }
}
