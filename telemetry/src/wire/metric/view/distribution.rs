//! Points that are distributions: histograms with bounds, exponential histograms, summaries.

use super::super::super::proto::Extent;
use super::super::super::value::Attributes;
use super::super::fields::{Bodies, Fields, Wire};
use super::number::{ExemplarView, NumbersView, exemplars};
use super::points::ReadAt;
use super::{attributes, zigzag};

/// One `HistogramDataPoint`.
#[derive(Debug, Clone, Copy)]
pub struct HistogramPointView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub start_unix_ns: u64,
    pub unix_ns: u64,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub flags: u32,
}

/// One `ExponentialHistogramDataPoint`.
#[derive(Debug, Clone, Copy)]
pub struct ExpHistogramPointView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub start_unix_ns: u64,
    pub unix_ns: u64,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub flags: u32,
    pub positive: Option<BucketsView<'a>>,
    pub negative: Option<BucketsView<'a>>,
}

/// `Buckets` of one side.
#[derive(Debug, Clone, Copy)]
pub struct BucketsView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub offset: i32,
}

/// One `SummaryDataPoint`.
#[derive(Debug, Clone, Copy)]
pub struct SummaryPointView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub start_unix_ns: u64,
    pub unix_ns: u64,
    pub count: u64,
    pub sum: f64,
    pub flags: u32,
}

/// One `ValueAtQuantile`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QuantileView {
    pub quantile: f64,
    pub value: f64,
}

impl<'a> ReadAt<'a> for HistogramPointView<'a> {
    fn read_at(bytes: &'a [u8], extent: Extent) -> Self {
        let mut point = Self {
            bytes,
            extent,
            start_unix_ns: 0,
            unix_ns: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            flags: 0,
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (2, Wire::Fixed64(time)) => point.start_unix_ns = time,
                (3, Wire::Fixed64(time)) => point.unix_ns = time,
                (4, Wire::Fixed64(count)) => point.count = count,
                (5, Wire::Fixed64(bits)) => point.sum = Some(f64::from_bits(bits)),
                (10, Wire::Varint(flags)) => point.flags = flags as u32,
                (11, Wire::Fixed64(bits)) => point.min = Some(f64::from_bits(bits)),
                (12, Wire::Fixed64(bits)) => point.max = Some(f64::from_bits(bits)),
                _ => {}
            }
        }
        point
    }
}

impl<'a> HistogramPointView<'a> {
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.extent, 9)
    }

    /// One more than bounds, or none.
    #[must_use]
    pub fn bucket_counts(&self) -> NumbersView<'a> {
        NumbersView::fixed(self.bytes, self.extent, 6)
    }

    pub fn explicit_bounds(&self) -> impl Iterator<Item = f64> + use<'a> {
        NumbersView::fixed(self.bytes, self.extent, 7).map(f64::from_bits)
    }

    pub fn exemplars(&self) -> impl Iterator<Item = ExemplarView<'a>> + use<'a> {
        exemplars(self.bytes, self.extent, 8)
    }
}

impl<'a> ReadAt<'a> for ExpHistogramPointView<'a> {
    fn read_at(bytes: &'a [u8], extent: Extent) -> Self {
        let mut point = Self {
            bytes,
            extent,
            start_unix_ns: 0,
            unix_ns: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            scale: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            flags: 0,
            positive: None,
            negative: None,
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (2, Wire::Fixed64(time)) => point.start_unix_ns = time,
                (3, Wire::Fixed64(time)) => point.unix_ns = time,
                (4, Wire::Fixed64(count)) => point.count = count,
                (5, Wire::Fixed64(bits)) => point.sum = Some(f64::from_bits(bits)),
                (6, Wire::Varint(scale)) => point.scale = zigzag(scale),
                (7, Wire::Fixed64(count)) => point.zero_count = count,
                (8, Wire::Body(side)) => point.positive = Some(BucketsView::read(bytes, side)),
                (9, Wire::Body(side)) => point.negative = Some(BucketsView::read(bytes, side)),
                (10, Wire::Varint(flags)) => point.flags = flags as u32,
                (12, Wire::Fixed64(bits)) => point.min = Some(f64::from_bits(bits)),
                (13, Wire::Fixed64(bits)) => point.max = Some(f64::from_bits(bits)),
                (14, Wire::Fixed64(bits)) => point.zero_threshold = f64::from_bits(bits),
                _ => {}
            }
        }
        point
    }
}

impl<'a> ExpHistogramPointView<'a> {
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.extent, 1)
    }

    pub fn exemplars(&self) -> impl Iterator<Item = ExemplarView<'a>> + use<'a> {
        exemplars(self.bytes, self.extent, 11)
    }
}

impl<'a> BucketsView<'a> {
    fn read(bytes: &'a [u8], extent: Extent) -> Self {
        let offset = Fields::within(bytes, extent).filter_map(|field| match field.wire {
            Wire::Varint(offset) if field.number == 1 => Some(zigzag(offset)),
            _ => None,
        });
        Self {
            bytes,
            extent,
            offset: offset.last().unwrap_or(0),
        }
    }

    /// Counts of consecutive buckets from `offset` on.
    #[must_use]
    pub fn counts(&self) -> NumbersView<'a> {
        NumbersView::varints(self.bytes, self.extent, 2)
    }
}

impl<'a> ReadAt<'a> for SummaryPointView<'a> {
    fn read_at(bytes: &'a [u8], extent: Extent) -> Self {
        let mut point = Self {
            bytes,
            extent,
            start_unix_ns: 0,
            unix_ns: 0,
            count: 0,
            sum: 0.0,
            flags: 0,
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (2, Wire::Fixed64(time)) => point.start_unix_ns = time,
                (3, Wire::Fixed64(time)) => point.unix_ns = time,
                (4, Wire::Fixed64(count)) => point.count = count,
                (5, Wire::Fixed64(bits)) => point.sum = f64::from_bits(bits),
                (8, Wire::Varint(flags)) => point.flags = flags as u32,
                _ => {}
            }
        }
        point
    }
}

impl<'a> SummaryPointView<'a> {
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.bytes, self.extent, 7)
    }

    pub fn quantiles(&self) -> impl Iterator<Item = QuantileView> + use<'a> {
        let bytes = self.bytes;
        Bodies::within(bytes, self.extent, 6).map(move |extent| {
            let mut view = QuantileView::default();
            for field in Fields::within(bytes, extent) {
                match (field.number, field.wire) {
                    (1, Wire::Fixed64(bits)) => view.quantile = f64::from_bits(bits),
                    (2, Wire::Fixed64(bits)) => view.value = f64::from_bits(bits),
                    _ => {}
                }
            }
            view
        })
    }
}
