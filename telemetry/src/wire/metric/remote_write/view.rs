//! Series, samples and native histograms read in place. What is read here was checked before: a flaw only ends an iterator.

use xxhash_rust::xxh3::xxh3_64;

use super::super::super::proto::Extent;
use super::super::fields::{Bodies, Fields, Wire};
use super::super::runs::{Run, RunHash};
use super::super::view::{NumbersView, zigzag, zigzag64};

/// Field numbers of `TimeSeries`.
pub(super) const LABELS: u64 = 1;
pub(super) const SAMPLES: u64 = 2;
pub(super) const EXEMPLARS: u64 = 3;
pub(super) const HISTOGRAMS: u64 = 4;

/// One `TimeSeries`.
#[derive(Debug, Clone, Copy)]
pub struct SeriesView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    /// Labels that it begins with.
    run: Option<Run>,
}

/// One `Label`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// How many a series has of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeriesContent {
    pub n_samples: u32,
    pub n_exemplars: u32,
    pub n_histograms: u32,
    /// Labels behind those that it begins with.
    pub n_labels: u32,
}

/// One `Sample`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SampleView {
    pub value: f64,
    pub unix_ms: i64,
}

/// One `Exemplar`.
#[derive(Debug, Clone, Copy)]
pub struct WriteExemplarView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    pub value: f64,
    pub unix_ms: i64,
}

/// One `Histogram`.
#[derive(Debug, Clone, Copy)]
pub struct NativeHistogramView<'a> {
    bytes: &'a [u8],
    extent: Extent,
    /// As the sender says it, whole or not.
    pub count: f64,
    /// Buckets come as counts, not as differences of whole ones.
    pub is_float: bool,
    pub sum: f64,
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub reset_hint: i32,
    pub unix_ms: i64,
}

/// One side of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistogramSide {
    Negative,
    Positive,
}

/// One `BucketSpan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanOfBuckets {
    pub offset: i32,
    pub length: u32,
}

/// One `MetricMetadata`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetadataView<'a> {
    pub kind: i32,
    pub metric: &'a str,
    pub help: &'a str,
    pub unit: &'a str,
}

fn labels<'a>(
    bytes: &'a [u8],
    extent: Extent,
) -> impl Iterator<Item = Label<'a>> + use<'a> + Clone {
    Bodies::within(bytes, extent, LABELS).map(move |extent| label(bytes, extent))
}

fn label(bytes: &[u8], extent: Extent) -> Label<'_> {
    let mut label = Label::default();
    for field in Fields::within(bytes, extent) {
        match (field.number, field.wire) {
            (1, Wire::Body(name)) => label.name = name.text(bytes),
            (2, Wire::Body(value)) => label.value = value.text(bytes),
            _ => {}
        }
    }
    label
}

fn bodies(bytes: &[u8], extent: Extent) -> impl Iterator<Item = (u64, Extent)> + use<'_> {
    Fields::within(bytes, extent).filter_map(|field| match field.wire {
        Wire::Body(body) => Some((field.number, body)),
        _ => None,
    })
}

impl SeriesContent {
    fn count(&mut self, number: u64) {
        let n = match number {
            LABELS => &mut self.n_labels,
            SAMPLES => &mut self.n_samples,
            EXEMPLARS => &mut self.n_exemplars,
            HISTOGRAMS => &mut self.n_histograms,
            _ => return,
        };
        *n = n.saturating_add(1);
    }
}

impl<'a> SeriesView<'a> {
    pub(super) fn new(bytes: &'a [u8], extent: Extent, run: Option<Run>) -> Self {
        Self { bytes, extent, run }
    }

    pub(super) fn extent(&self) -> Extent {
        self.extent
    }

    pub(super) fn run(&self) -> Option<Run> {
        self.run
    }

    /// Hash of the bytes of the labels that it begins with. Where others come behind them, it says nothing of those.
    #[must_use]
    pub fn labels_hash(&self) -> Option<RunHash> {
        self.run.map(|run| run.hash)
    }

    /// What lies behind the labels that it begins with.
    fn rest(&self) -> Extent {
        let start = self.run.map_or(self.extent.start, |run| run.extent.end);
        Extent {
            start,
            end: self.extent.end,
        }
    }

    /// What there is behind the labels that it begins with.
    #[must_use]
    pub fn content(&self) -> SeriesContent {
        let mut content = SeriesContent::default();
        for (number, _) in self.bodies_behind() {
            content.count(number);
        }
        content
    }

    /// In the order they were sent.
    pub fn labels(&self) -> impl Iterator<Item = Label<'a>> + use<'a> + Clone {
        labels(self.bytes, self.extent)
    }

    pub fn samples(&self) -> impl Iterator<Item = SampleView> + use<'a> {
        let bytes = self.bytes;
        Bodies::within(bytes, self.rest(), SAMPLES).map(move |extent| {
            let mut sample = SampleView::default();
            for field in Fields::within(bytes, extent) {
                match (field.number, field.wire) {
                    (1, Wire::Fixed64(bits)) => sample.value = f64::from_bits(bits),
                    (2, Wire::Varint(time)) => sample.unix_ms = time as i64,
                    _ => {}
                }
            }
            sample
        })
    }

    pub fn exemplars(&self) -> impl Iterator<Item = WriteExemplarView<'a>> + use<'a> {
        let bytes = self.bytes;
        let bodies = Bodies::within(bytes, self.rest(), EXEMPLARS);
        bodies.map(move |extent| WriteExemplarView::read(bytes, extent))
    }

    pub fn histograms(&self) -> impl Iterator<Item = NativeHistogramView<'a>> + use<'a> {
        let bytes = self.bytes;
        let bodies = Bodies::within(bytes, self.rest(), HISTOGRAMS);
        bodies.map(move |extent| NativeHistogramView::read(bytes, extent))
    }

    /// Its messages by the number of their field.
    pub(super) fn bodies(&self) -> impl Iterator<Item = (u64, Extent)> + use<'a> {
        bodies(self.bytes, self.extent)
    }

    /// Those that lie behind the labels that it begins with.
    pub(super) fn bodies_behind(&self) -> impl Iterator<Item = (u64, Extent)> + use<'a> {
        bodies(self.bytes, self.rest())
    }

    /// Name and value of a label, not looked at as text.
    pub(super) fn label_bytes(&self, label: Extent) -> (&'a [u8], &'a [u8]) {
        let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
        for field in Fields::within(self.bytes, label) {
            match (field.number, field.wire) {
                (1, Wire::Body(body)) => name = body.of(self.bytes),
                (2, Wire::Body(body)) => value = body.of(self.bytes),
                _ => {}
            }
        }
        (name, value)
    }
}

impl<'a> WriteExemplarView<'a> {
    fn read(bytes: &'a [u8], extent: Extent) -> Self {
        let mut exemplar = Self {
            bytes,
            extent,
            value: 0.0,
            unix_ms: 0,
        };
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (2, Wire::Fixed64(bits)) => exemplar.value = f64::from_bits(bits),
                (3, Wire::Varint(time)) => exemplar.unix_ms = time as i64,
                _ => {}
            }
        }
        exemplar
    }

    pub fn labels(&self) -> impl Iterator<Item = Label<'a>> + use<'a> + Clone {
        labels(self.bytes, self.extent)
    }
}

impl<'a> NativeHistogramView<'a> {
    fn read(bytes: &'a [u8], extent: Extent) -> Self {
        let mut histogram = Self {
            bytes,
            extent,
            count: 0.0,
            is_float: false,
            sum: 0.0,
            schema: 0,
            zero_threshold: 0.0,
            zero_count: 0.0,
            reset_hint: 0,
            unix_ms: 0,
        };
        for field in Fields::within(bytes, extent) {
            histogram.take(field.number, field.wire);
        }
        histogram
    }

    fn take(&mut self, number: u64, wire: Wire) {
        match (number, wire) {
            (1, Wire::Varint(count)) => (self.count, self.is_float) = (count as f64, false),
            (2, Wire::Fixed64(bits)) => {
                (self.count, self.is_float) = (f64::from_bits(bits), true);
            }
            (3, Wire::Fixed64(bits)) => self.sum = f64::from_bits(bits),
            (4, Wire::Varint(schema)) => self.schema = zigzag(schema),
            (5, Wire::Fixed64(bits)) => self.zero_threshold = f64::from_bits(bits),
            (6, Wire::Varint(count)) => self.zero_count = count as f64,
            (7, Wire::Fixed64(bits)) => self.zero_count = f64::from_bits(bits),
            (14, Wire::Varint(hint)) => self.reset_hint = hint as i32,
            (15, Wire::Varint(time)) => self.unix_ms = time as i64,
            _ => {}
        }
    }

    /// Runs of buckets of one side.
    pub fn spans(&self, side: HistogramSide) -> impl Iterator<Item = SpanOfBuckets> + use<'a> {
        let number = match side {
            HistogramSide::Negative => 8,
            HistogramSide::Positive => 11,
        };
        let bytes = self.bytes;
        Bodies::within(bytes, self.extent, number).map(move |extent| {
            let mut span = SpanOfBuckets::default();
            for field in Fields::within(bytes, extent) {
                match (field.number, field.wire) {
                    (1, Wire::Varint(offset)) => span.offset = zigzag(offset),
                    (2, Wire::Varint(length)) => span.length = length as u32,
                    _ => {}
                }
            }
            span
        })
    }

    /// Counts of whole buckets, each as its difference to the one before.
    pub fn deltas(&self, side: HistogramSide) -> impl Iterator<Item = i64> + use<'a> {
        let number = match side {
            HistogramSide::Negative => 9,
            HistogramSide::Positive => 12,
        };
        NumbersView::varints(self.bytes, self.extent, number).map(zigzag64)
    }

    /// Counts of buckets that are not whole.
    pub fn counts(&self, side: HistogramSide) -> impl Iterator<Item = f64> + use<'a> {
        let number = match side {
            HistogramSide::Negative => 10,
            HistogramSide::Positive => 13,
        };
        NumbersView::fixed(self.bytes, self.extent, number).map(f64::from_bits)
    }

    /// Upper bounds of custom buckets.
    pub fn custom_values(&self) -> impl Iterator<Item = f64> + use<'a> {
        NumbersView::fixed(self.bytes, self.extent, 16).map(f64::from_bits)
    }
}

impl<'a> MetadataView<'a> {
    pub(super) fn read(bytes: &'a [u8], extent: Extent) -> Self {
        let mut metadata = Self::default();
        for field in Fields::within(bytes, extent) {
            match (field.number, field.wire) {
                (1, Wire::Varint(kind)) => metadata.kind = kind as i32,
                (2, Wire::Body(name)) => metadata.metric = name.text(bytes),
                (4, Wire::Body(help)) => metadata.help = help.text(bytes),
                (5, Wire::Body(unit)) => metadata.unit = unit.text(bytes),
                _ => {}
            }
        }
        metadata
    }

    pub(super) fn identity(&self) -> u64 {
        xxh3_64(self.metric.as_bytes())
    }
}
