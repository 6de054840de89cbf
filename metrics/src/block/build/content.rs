//! What a block holds beside chunks, and the bytes of a row that its content hash is taken over: values as they are, whatever their chunks do with them.

use std::collections::BTreeMap;

use super::{EXEMPLARS_MAX, METADATA_MAX};
use crate::Value;
use crate::chunk::bytes::{put_bytes, put_varint, put_zigzag};
use crate::histogram::Histogram;
use crate::row::{Exemplar, Metadata, Row};

pub(super) fn put_row<'a>(
    out: &mut Vec<u8>,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    row: &Row,
) {
    out.push(row.kind as u8);
    for (name, value) in labels {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
    put_varint(out, row.n_points() as u64);
    for (unix_ms, value) in &row.floats {
        out.extend(unix_ms.to_le_bytes());
        out.extend(value.to_bits().to_le_bytes());
    }
    for (unix_ms, histogram) in &row.histograms {
        out.extend(unix_ms.to_le_bytes());
        put_histogram(out, histogram);
    }
    for window in &row.windows {
        out.extend(window.start_unix_ms.to_le_bytes());
        out.extend(window.end_unix_ms.to_le_bytes());
        match &window.value {
            Value::Float(value) => out.extend(value.to_bits().to_le_bytes()),
            Value::Histogram(histogram) => put_histogram(out, histogram),
        }
    }
}

fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    put_zigzag(out, i64::from(histogram.schema));
    out.push(histogram.reset_hint as u8);
    for value in [
        histogram.zero_threshold,
        histogram.zero_count,
        histogram.count,
        histogram.sum,
    ] {
        out.extend(value.to_bits().to_le_bytes());
    }
    for side in [&histogram.positive, &histogram.negative] {
        put_zigzag(out, i64::from(side.offset));
        put_varint(out, side.counts.len() as u64);
        out.extend(side.counts.iter().flat_map(|c| c.to_bits().to_le_bytes()));
    }
    put_varint(out, histogram.custom_bounds.len() as u64);
    let bounds = histogram.custom_bounds.iter();
    out.extend(bounds.flat_map(|bound| bound.to_bits().to_le_bytes()));
}

pub(super) fn encode_exemplars(exemplars: &mut Vec<Exemplar<u32>>) -> Vec<u8> {
    let key = |e: &Exemplar<u32>| (e.series, e.unix_ms, e.value.to_bits());
    exemplars.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels)));
    exemplars.dedup_by(|a, b| key(a) == key(b) && a.labels == b.labels);
    exemplars.truncate(EXEMPLARS_MAX);
    let mut out = Vec::new();
    put_varint(&mut out, exemplars.len() as u64);
    for exemplar in exemplars.iter() {
        put_varint(&mut out, u64::from(exemplar.series));
        put_zigzag(&mut out, exemplar.unix_ms);
        out.extend(exemplar.value.to_bits().to_le_bytes());
        put_varint(&mut out, exemplar.labels.len() as u64);
        for (name, value) in &exemplar.labels {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value.as_bytes());
        }
    }
    out
}

pub(super) fn encode_metadata(metadata: &BTreeMap<String, Metadata>) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, metadata.len().min(METADATA_MAX) as u64);
    for (metric, about) in metadata.iter().take(METADATA_MAX) {
        put_bytes(&mut out, metric.as_bytes());
        out.push(about.kind.number());
        put_bytes(&mut out, about.unit.as_bytes());
        put_bytes(&mut out, about.help.as_bytes());
    }
    out
}
