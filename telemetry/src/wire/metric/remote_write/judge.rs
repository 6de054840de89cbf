//! Which series no store can use: left out one by one, each with the reason.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::super::super::proto::Extent;
use super::super::limit::MetricLimits;
use super::super::runs::Run;
use super::view::{
    HistogramSide, LABELS, Label, MetadataView, NativeHistogramView, SeriesContent, SeriesView,
};

/// Label that is the metric's name.
const NAME: &str = "__name__";
/// Schemas of exponential buckets, and that of custom ones.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
const CUSTOM_SCHEMA: i32 = -53;
/// A side may have so many times as many empty buckets between its spans as it may have buckets.
const GAP_FACTOR: u64 = 16;
/// Longest name that a message repeats, in bytes.
const TOLD_BYTES_MAX: usize = 64;

pub(super) type Judged = Result<(), &'static str>;

/// The metric of a series, for messages.
pub(super) fn named(series: &SeriesView<'_>) -> String {
    let name = series.labels().find(|label| label.name == NAME);
    let name = name.map_or("", |label| label.value);
    let is_short = !name.is_empty() && name.len() <= TOLD_BYTES_MAX;
    if is_short {
        format!(" ({name:?})")
    } else {
        String::new()
    }
}

/// What one pass over a series finds: most have nothing but labels and a sample, and are read once.
#[derive(Debug, Default)]
pub(super) struct Looked {
    content: SeriesContent,
    n_labels: u32,
    /// Its labels were judged before.
    is_known: bool,
    /// What is wrong with the first label that cannot be used.
    flaw: Option<&'static str>,
    /// Length of the metric's name.
    name_bytes: Option<usize>,
    is_unsorted: bool,
    identity: u64,
}

impl Looked {
    pub(super) fn at(series: &SeriesView<'_>, limits: &MetricLimits) -> Self {
        let mut looked = Self {
            content: series.content(),
            ..Self::default()
        };
        if let Some(identity) = series.run().and_then(|run| run.identity)
            && looked.content.n_labels == 0
        {
            looked.identity = identity;
            looked.is_known = true;
            return looked;
        }
        let mut last: &[u8] = &[];
        for (number, body) in series.bodies() {
            if number == LABELS && looked.flaw.is_none() {
                let (name, value) = series.label_bytes(body);
                looked.label(name, value, last, limits);
                last = name;
            }
        }
        looked
    }

    /// Samples and histograms.
    pub(super) fn n_points(&self) -> u32 {
        let SeriesContent {
            n_samples,
            n_histograms,
            ..
        } = self.content;
        n_samples.saturating_add(n_histograms)
    }

    /// The run that all its labels are, if they were judged for the first time.
    pub(super) fn judged_run(&self, series: &SeriesView<'_>) -> Option<Run> {
        let is_whole = self.content.n_labels == 0;
        series.run().filter(|_| is_whole && !self.is_known)
    }

    /// Hash of the labels, whatever their order. Empty ones are none.
    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    fn label(&mut self, name: &[u8], value: &[u8], last: &[u8], limits: &MetricLimits) {
        self.n_labels = self.n_labels.saturating_add(1);
        self.flaw = flaw(self.n_labels, name.len(), value.len(), limits);
        self.is_unsorted |= self.n_labels > 1 && last >= name;
        if name == NAME.as_bytes() && self.name_bytes.is_none() {
            self.name_bytes = Some(value.len());
        }
        if !value.is_empty() {
            self.identity = self.identity.wrapping_add(label_hash(name, value));
        }
    }
}

/// Bytes of a label that are hashed in one go: nearly all are shorter.
const SHORT_BYTES: usize = 128;

/// Hash of name, 0, value.
fn label_hash(name: &[u8], value: &[u8]) -> u64 {
    let mut buffer = [0; SHORT_BYTES];
    let n_bytes = name.len() + 1 + value.len();
    if let Some(short) = buffer.get_mut(..n_bytes)
        && let Some((name_at, rest)) = short.split_at_mut_checked(name.len())
        && let Some((_, value_at)) = rest.split_first_mut()
    {
        name_at.copy_from_slice(name);
        value_at.copy_from_slice(value);
        return xxh3_64(short);
    }
    let mut hash = Xxh3Default::new();
    hash.update(name);
    hash.update(b"\0");
    hash.update(value);
    hash.digest()
}

pub(super) fn series(series: &SeriesView<'_>, looked: &Looked, limits: &MetricLimits) -> Judged {
    labels(series, looked, limits)?;
    if looked.content.n_exemplars > limits.exemplars_max {
        return Err("more than 128 exemplars");
    }
    if looked.content.n_exemplars > 0 {
        for exemplar in series.exemplars() {
            limited(exemplar.labels(), limits)?;
        }
    }
    if looked.content.n_histograms == 0 {
        return Ok(());
    }
    series
        .histograms()
        .try_for_each(|point| histogram(&point, limits))
}

fn labels(series: &SeriesView<'_>, looked: &Looked, limits: &MetricLimits) -> Judged {
    if looked.is_known {
        return Ok(());
    }
    if let Some(flaw) = looked.flaw {
        return Err(flaw);
    }
    let name_bytes = looked.name_bytes.unwrap_or(0);
    if name_bytes == 0 {
        return Err("no label __name__");
    }
    if name_bytes > limits.name_bytes_max as usize {
        return Err("the metric's name is longer than 256 bytes");
    }
    if looked.is_unsorted && has_twice(series) {
        return Err("a label comes twice");
    }
    Ok(())
}

/// What is wrong with the `n_labels`-th label.
fn flaw(
    n_labels: u32,
    name_bytes: usize,
    value_bytes: usize,
    limits: &MetricLimits,
) -> Option<&'static str> {
    if n_labels > limits.labels_max {
        Some("more than 40 labels")
    } else if name_bytes == 0 {
        Some("a label without a name")
    } else if name_bytes > limits.key_bytes_max as usize {
        Some("a label's name is longer than 256 bytes")
    } else if value_bytes > limits.value_bytes_max as usize {
        Some("a label's value is longer than 4 KiB")
    } else {
        None
    }
}

fn limited<'a>(labels: impl Iterator<Item = Label<'a>>, limits: &MetricLimits) -> Judged {
    let mut n_labels = 0_u32;
    for label in labels {
        n_labels = n_labels.saturating_add(1);
        let flaw = flaw(n_labels, label.name.len(), label.value.len(), limits);
        flaw.map_or(Ok(()), Err)?;
    }
    Ok(())
}
/// Names are told apart by their hashes; only where two are equal, or there are more than usual, each is compared with all others.
fn has_twice(series: &SeriesView<'_>) -> bool {
    let mut hashes = [0; HASHES_MAX];
    let mut n_labels = 0;
    for (label, place) in series.labels().zip(&mut hashes) {
        *place = xxh3_64(label.name.as_bytes());
        n_labels += 1;
    }
    let hashes = hashes.get_mut(..n_labels).unwrap_or_default();
    hashes.sort_unstable();
    let has_equal = hashes.array_windows().any(|[a, b]| a == b);
    if !has_equal && n_labels < HASHES_MAX {
        return false;
    }
    let mut labels = series.labels();
    while let Some(label) = labels.next() {
        if labels.clone().any(|later| later.name == label.name) {
            return true;
        }
    }
    false
}

/// Labels of a series that are compared by their hashes.
const HASHES_MAX: usize = 64;

fn histogram(point: &NativeHistogramView<'_>, limits: &MetricLimits) -> Judged {
    // a stale marker says nothing else
    if point.sum.to_bits() == STALE_BITS {
        return Ok(());
    }
    let is_count = |count: f64| count.is_finite() && count >= 0.0;
    if !SCHEMAS.contains(&point.schema) && point.schema != CUSTOM_SCHEMA {
        return Err("a histogram of an unknown schema");
    }
    if !is_count(point.count) || !is_count(point.zero_count) || !is_count(point.zero_threshold) {
        return Err("a histogram whose count or zero bucket is negative or no number");
    }
    bounds(point, limits)?;
    side(point, HistogramSide::Negative, limits)?;
    side(point, HistogramSide::Positive, limits)
}

/// The NaN that says that a series ended.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

fn bounds(point: &NativeHistogramView<'_>, limits: &MetricLimits) -> Judged {
    let (mut last, mut n_bounds) = (f64::NEG_INFINITY, 0_u32);
    for bound in point.custom_values() {
        if bound <= last || bound.is_nan() {
            return Err("a histogram whose custom bounds do not ascend");
        }
        (last, n_bounds) = (bound, n_bounds.saturating_add(1));
    }
    if n_bounds > limits.buckets_max {
        return Err("a histogram of more than 1024 buckets");
    }
    Ok(())
}

fn side(point: &NativeHistogramView<'_>, side: HistogramSide, limits: &MetricLimits) -> Judged {
    let (mut n_buckets, mut n_gaps) = (0_u64, 0_u64);
    for (n, span) in point.spans(side).enumerate() {
        n_buckets = n_buckets.saturating_add(span.length.into());
        if n > 0 {
            let gap = u64::try_from(span.offset).map_err(|_| "a histogram whose spans overlap")?;
            n_gaps = n_gaps.saturating_add(gap);
        }
    }
    let buckets_max = u64::from(limits.buckets_max);
    if n_buckets > buckets_max || n_gaps > buckets_max.saturating_mul(GAP_FACTOR) {
        return Err("a histogram of more than 1024 buckets");
    }
    let n_counts = if point.is_float {
        counts(point.counts(side))?
    } else {
        deltas(point.deltas(side))?
    };
    if n_counts != n_buckets {
        return Err("a histogram whose spans and buckets differ in number");
    }
    Ok(())
}

fn counts(counts: impl Iterator<Item = f64>) -> Result<u64, &'static str> {
    let mut n = 0;
    for count in counts {
        if !count.is_finite() || count < 0.0 {
            return Err("a histogram with a negative bucket");
        }
        n += 1;
    }
    Ok(n)
}

fn deltas(deltas: impl Iterator<Item = i64>) -> Result<u64, &'static str> {
    let (mut n, mut count) = (0, 0_i64);
    for delta in deltas {
        count = count.checked_add(delta).unwrap_or(-1);
        if count < 0 {
            return Err("a histogram with a negative bucket");
        }
        n += 1;
    }
    Ok(n)
}

/// Metadata is advice: what is too large, or of no metric, is left out.
pub(super) fn is_kept(metadata: &MetadataView<'_>, extent: Extent, limits: &MetricLimits) -> bool {
    !metadata.metric.is_empty()
        && metadata.metric.len() <= limits.name_bytes_max as usize
        && extent.len() <= limits.item_bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_one_hash_however_long_it_is() {
        for n_bytes in [0, 1, 7, 63, 64, 125, 126, 127, 128, 4_096] {
            let (name, value) = (vec![b'n'; 3], vec![b'v'; n_bytes]);
            let whole = [&name[..], b"\0", &value].concat();
            assert_eq!(label_hash(&name, &value), xxh3_64(&whole), "{n_bytes}");
            assert_eq!(
                label_hash(&value, b""),
                xxh3_64(&[&value[..], b"\0"].concat())
            );
        }
    }
}
