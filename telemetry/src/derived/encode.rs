//! Writes a derived record.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::{DeltaValue, DerivedRecord, SeriesDelta, VERSION, WindowDelta};
use crate::histogram::{Counts, ExpHistogram};

impl DerivedRecord {
    /// Its bytes; equal content gives equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (texts, places) = self.texts();
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
        let mut out = Encoder { places, out };
        put(&mut out.out, self.tenants.len() as u64);
        for delta in &self.tenants {
            out.text(delta.tenant.as_str());
            put(&mut out.out, delta.series.len() as u64);
            delta.series.iter().for_each(|series| out.series(series));
        }
        out.out
    }

    /// Its texts in order, each once, and the place of each.
    fn texts(&self) -> (Vec<&str>, HashMap<&str, u64>) {
        let mut texts = Vec::new();
        let mut places = HashMap::new();
        let mut add = |text| {
            if let Entry::Vacant(unknown) = places.entry(text) {
                unknown.insert(0);
                texts.push(text);
            }
        };
        for delta in &self.tenants {
            add(delta.tenant.as_str());
            for series in &delta.series {
                add(&series.name);
                for (name, value) in &series.labels {
                    add(name);
                    add(value);
                }
            }
        }
        texts.sort_unstable();
        places.extend((0..).zip(&texts).map(|(place, text)| (*text, place)));
        (texts, places)
    }
}

struct Encoder<'a> {
    /// Places of texts; looked up, never gone through: its order is random.
    places: HashMap<&'a str, u64>,
    out: Vec<u8>,
}

impl Encoder<'_> {
    fn text(&mut self, text: &str) {
        let place = self.places.get(text);
        put(&mut self.out, *place.expect("all texts were gathered"));
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
        Counts::Small { zero, buckets } => {
            put(out, *zero);
            put(out, buckets.len() as u64);
            buckets.iter().for_each(|count| put(out, u64::from(*count)));
        }
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
