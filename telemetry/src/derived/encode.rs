//! Writes a derived record.

use std::collections::BTreeSet;

use super::{DeltaValue, DerivedRecord, SeriesDelta, VERSION, WindowDelta};
use crate::histogram::{Counts, ExpHistogram};

impl DerivedRecord {
    /// Its bytes; equal content gives equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let texts: Vec<&str> = self.texts().into_iter().collect();
        let mut out = vec![VERSION];
        put(&mut out, u64::from(self.source_partition));
        put(&mut out, self.previous_end);
        put(&mut out, self.end);
        put(&mut out, u64::from(self.part));
        out.push(u8::from(self.is_last));
        put_signed(&mut out, self.complete_to.unix_ms);
        put(&mut out, texts.len() as u64);
        for text in &texts {
            put(&mut out, text.len() as u64);
            out.extend(text.as_bytes());
        }
        let mut out = Encoder { texts, out };
        put(&mut out.out, self.tenants.len() as u64);
        for delta in &self.tenants {
            out.text(delta.tenant.as_str());
            put(&mut out.out, delta.series.len() as u64);
            delta.series.iter().for_each(|series| out.series(series));
        }
        out.out
    }

    fn texts(&self) -> BTreeSet<&str> {
        let mut texts = BTreeSet::new();
        for delta in &self.tenants {
            texts.insert(delta.tenant.as_str());
            for series in &delta.series {
                texts.insert(&series.name);
                for (name, value) in &series.labels {
                    texts.extend([name.as_str(), value]);
                }
            }
        }
        texts
    }
}

struct Encoder<'a> {
    /// Sorted.
    texts: Vec<&'a str>,
    out: Vec<u8>,
}

impl Encoder<'_> {
    fn text(&mut self, text: &str) {
        let place = self.texts.binary_search(&text);
        put(
            &mut self.out,
            place.expect("all texts were gathered") as u64,
        );
    }

    fn series(&mut self, series: &SeriesDelta) {
        self.text(&series.name);
        put(&mut self.out, series.labels.len() as u64);
        for (name, value) in &series.labels {
            self.text(name);
            self.text(value);
        }
        put(&mut self.out, series.windows.len() as u64);
        let mut before: i64 = 0;
        for window in &series.windows {
            put_signed(&mut self.out, window.start_unix_ms.wrapping_sub(before));
            before = window.start_unix_ms;
            put_window(&mut self.out, window);
        }
        put(&mut self.out, series.exemplars.len() as u64);
        for exemplar in &series.exemplars {
            put_signed(&mut self.out, exemplar.unix_ms);
            self.out.extend(exemplar.value.to_le_bytes());
            self.out.extend(exemplar.trace_id.0);
            self.out.extend(exemplar.span_id.0);
        }
    }
}

fn put_window(out: &mut Vec<u8>, window: &WindowDelta) {
    let length_ms = window.end_unix_ms.wrapping_sub(window.start_unix_ms);
    put(out, length_ms as u64);
    match &window.value {
        DeltaValue::Seen => out.push(0),
        DeltaValue::Count(count) => {
            out.push(1);
            out.extend(count.to_le_bytes());
        }
        DeltaValue::Histogram(histogram) => put_histogram(out, histogram),
    }
}

fn put_histogram(out: &mut Vec<u8>, histogram: &ExpHistogram) {
    out.push(if histogram.is_whole() { 2 } else { 3 });
    out.push(histogram.scale() as u8);
    put_signed(out, i64::from(histogram.offset()));
    out.extend(histogram.sum().to_le_bytes());
    match histogram.counts() {
        Counts::Whole { zero, buckets } => {
            put(out, *zero);
            put(out, buckets.len() as u64);
            buckets.iter().for_each(|count| put(out, *count));
        }
        Counts::Weighted { zero, buckets } => {
            out.extend(zero.to_le_bytes());
            put(out, buckets.len() as u64);
            buckets
                .iter()
                .for_each(|count| out.extend(count.to_le_bytes()));
        }
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}
