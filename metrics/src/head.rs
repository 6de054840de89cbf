//! The head: what the open block has so far. In: series and points, in order of records. Out: points of a range for queries, and rows for the seal.
//!
//! Points of all series lie in few lists, a sample in 3 B or so, and none has an allocation of its own.
//! Nothing here reads a clock, and no answer depends on a hash map's order.

mod chunks;
mod floats;
mod packed;
mod pages;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;
use telemetry::Tenant;
use telemetry::wire::RunHash;

use crate::histogram::Histogram;
use crate::row::{Exemplar, Metadata};
use crate::series::{Asked, Kind, SeriesId, SeriesTable};
use crate::{Matcher, Window};

use floats::Floats;
use packed::Packed;
use pages::Pages;

/// What room for points counts in the memory formula, in bytes; a histogram counts itself and its buckets as well, in a window as they are packed.
const HISTOGRAM_SAMPLE_BYTES: u64 = 16;
const WINDOW_BYTES: u64 = size_of::<Packed>() as u64;
pub const HISTOGRAM_BYTES: u64 = 160;
pub const BUCKET_BYTES: u64 = 8;
pub const EXEMPLAR_BYTES: u64 = 96;
pub const METADATA_BYTES: u64 = 96;

/// What the hash of a telling or of a resource counts.
pub const TOLD_BYTES: u64 = 48;

/// Exemplars of a tenant in one block; more are dropped, the later ones.
pub const EXEMPLARS_MAX: usize = 65_536;
/// Metrics of a tenant whose metadata one block keeps.
pub const METADATA_MAX: usize = 16_384;
/// Tellings of metrics, and resources, of a tenant that are known by the hash of their bytes; others are read each time.
pub const TOLD_MAX: usize = 65_536;

/// Metrics of a tenant that one head names as being beyond a cap; the rest is one without a name.
pub const BEYOND_MAX: usize = 64;

/// How many series there may be; from the limits in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    pub series_max: usize,
    pub metric_series_max: usize,
}

/// What a head holds, in bytes by formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadBytes {
    /// Labels, and how series are found.
    pub series: u64,
    /// Samples, windows, exemplars, metadata.
    pub points: u64,
}

impl HeadBytes {
    #[must_use]
    pub fn all(self) -> u64 {
        self.series + self.points
    }
}

/// What the open block of a partition has of every tenant.
#[derive(Debug, Default)]
pub struct Head {
    tenants: BTreeMap<Tenant, TenantHead>,
}

/// What it has of one tenant.
#[derive(Debug)]
pub struct TenantHead {
    series: SeriesTable,
    floats: Floats,
    histograms: Pages<(i64, Arc<Histogram>)>,
    windows: Pages<Packed>,
    exemplars: Vec<Exemplar<SeriesId>>,
    metadata: BTreeMap<String, Metadata>,
    /// What was said of metrics, by its bytes.
    told: HashTable<RunHash>,
    /// Info series of resources, by the bytes of these.
    infos: HashTable<(RunHash, Vec<SeriesId>)>,
    /// Points that a cap allowed no series of their own, by metric.
    beyond: BTreeMap<Box<str>, u64>,
    bytes: u64,
}

impl Default for TenantHead {
    fn default() -> Self {
        Self {
            series: SeriesTable::default(),
            floats: Floats::default(),
            histograms: Pages::new(HISTOGRAM_SAMPLE_BYTES),
            windows: Pages::new(WINDOW_BYTES),
            exemplars: Vec::new(),
            metadata: BTreeMap::new(),
            told: HashTable::new(),
            infos: HashTable::new(),
            beyond: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl Head {
    /// Memory of everything, by formula.
    #[must_use]
    pub fn held(&self) -> HeadBytes {
        let mut held = HeadBytes::default();
        for tenant in self.tenants.values().map(TenantHead::held) {
            held.series += tenant.series;
            held.points += tenant.points;
        }
        held
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.values().all(TenantHead::is_empty)
    }

    #[must_use]
    pub fn get(&self, tenant: &Tenant) -> Option<&TenantHead> {
        self.tenants.get(tenant)
    }

    pub fn get_mut(&mut self, tenant: &Tenant) -> &mut TenantHead {
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), TenantHead::default());
        }
        self.tenants
            .get_mut(tenant)
            .expect("inserted if it was not there")
    }

    /// Tenants that have something, in order of name.
    pub fn tenants(&self) -> impl Iterator<Item = (&Tenant, &TenantHead)> {
        self.tenants.iter().filter(|(_, head)| !head.is_empty())
    }
}

fn histogram_bytes(histogram: &Histogram) -> u64 {
    let n_buckets = histogram.positive.counts.len()
        + histogram.negative.counts.len()
        + histogram.custom_bounds.len();
    HISTOGRAM_BYTES + BUCKET_BYTES * n_buckets as u64
}

impl TenantHead {
    /// Memory of everything, by formula.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.held().all()
    }

    #[must_use]
    pub fn held(&self) -> HeadBytes {
        HeadBytes {
            series: self.series.bytes(),
            points: self.bytes,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.metadata.is_empty()
    }

    #[must_use]
    pub fn n_series(&self) -> usize {
        self.series.len()
    }

    #[must_use]
    pub fn series(&self) -> &SeriesTable {
        &self.series
    }

    /// The series that came with these bytes before.
    pub fn known(&mut self, run: RunHash) -> Option<SeriesId> {
        self.series.known(run)
    }

    /// Notes which series came with bytes that none came with before.
    pub fn note(&mut self, run: RunHash, id: SeriesId) {
        self.series.note(run, id);
    }

    /// The series with these labels (sorted, no value empty); none if a cap does not allow a new one.
    pub fn series_of(
        &mut self,
        labels: &[(&str, &str)],
        kind: Kind,
        caps: Caps,
    ) -> Option<SeriesId> {
        let allowed = |all, of_metric| all < caps.series_max && of_metric < caps.metric_series_max;
        match self.series.ask(labels, kind, allowed) {
            Asked::Known(id) | Asked::New(id) => Some(id),
            Asked::Full => None,
        }
    }

    /// The same without a cap: for the overflow series, of which a metric has one.
    pub fn series_beyond(&mut self, labels: &[(&str, &str)], kind: Kind) -> Option<SeriesId> {
        let caps = Caps {
            series_max: usize::MAX,
            metric_series_max: usize::MAX,
        };
        self.series_of(labels, kind, caps)
    }

    /// Notes that a point of a metric was allowed no series of its own.
    pub fn note_beyond(&mut self, metric: &str) {
        if let Some(n) = self.beyond.get_mut(metric) {
            *n += 1;
        } else if self.beyond.len() < BEYOND_MAX {
            self.beyond.insert(metric.into(), 1);
        } else {
            *self.beyond.entry("".into()).or_default() += 1;
        }
    }

    /// Metrics with points that a cap allowed no series of their own, and how many, in order of name.
    pub fn beyond(&self) -> impl Iterator<Item = (&str, u64)> {
        self.beyond.iter().map(|(metric, n)| (&**metric, *n))
    }

    pub fn push_float(&mut self, id: SeriesId, unix_ms: i64, value: f64) {
        let last = &mut self.series.last_mut(id).float;
        self.bytes += self.floats.push(last, (unix_ms, value));
    }

    pub fn push_histogram(&mut self, id: SeriesId, unix_ms: i64, value: Arc<Histogram>) {
        self.bytes += histogram_bytes(&value);
        let last = &mut self.series.last_mut(id).histogram;
        self.bytes += self.histograms.push(last, (unix_ms, value));
    }

    /// A window of the same span of time as the one before it is added to that: under load a span of time comes in many records.
    pub fn push_window(&mut self, id: SeriesId, window: &Window) {
        let last = &mut self.series.last_mut(id).window;
        if let Some(newest) = self.windows.newest_mut(*last) {
            let bytes_before = newest.bytes();
            if newest.add(window) {
                self.bytes = self.bytes - bytes_before + newest.bytes();
                return;
            }
        }
        let packed = Packed::new(window);
        self.bytes += packed.bytes() + self.windows.push(last, packed);
    }

    /// False if there are too many already.
    pub fn push_exemplar(&mut self, exemplar: Exemplar<SeriesId>) -> bool {
        if self.exemplars.len() >= EXEMPLARS_MAX {
            return false;
        }
        self.bytes += EXEMPLAR_BYTES + exemplar.text_bytes();
        self.exemplars.push(exemplar);
        true
    }

    /// The info series of a resource that came with these bytes before.
    #[must_use]
    pub fn infos(&self, resource: RunHash) -> Option<&[SeriesId]> {
        let found = self
            .infos
            .find(resource.place(), |(known, _)| *known == resource);
        found.map(|(_, infos)| infos.as_slice())
    }

    /// Notes all info series of a resource that is new.
    pub fn note_infos(&mut self, resource: RunHash, infos: Vec<SeriesId>) {
        if self.infos.len() < TOLD_MAX {
            self.bytes += TOLD_BYTES + 4 * infos.len() as u64;
            let place = |(known, _): &(RunHash, Vec<SeriesId>)| known.place();
            (self.infos).insert_unique(resource.place(), (resource, infos), place);
        }
    }

    /// Whether the same was said of a metric before.
    #[must_use]
    pub fn is_told(&self, telling: RunHash) -> bool {
        let found = self.told.find(telling.place(), |known| *known == telling);
        found.is_some()
    }

    /// Notes that something was said of a metric for the first time.
    pub fn note_told(&mut self, telling: RunHash) {
        if self.told.len() < TOLD_MAX {
            self.bytes += TOLD_BYTES;
            let place = |known: &RunHash| known.place();
            self.told.insert_unique(telling.place(), telling, place);
        }
    }

    /// What a metric is: of several that were said in this head, the one that was new last.
    pub fn put_metadata(&mut self, metric: &str, metadata: Metadata) {
        if let Some(known) = self.metadata.get_mut(metric) {
            if *known != metadata {
                *known = metadata;
            }
        } else if self.metadata.len() < METADATA_MAX {
            self.bytes += METADATA_BYTES + (metric.len() + metadata.help.len()) as u64;
            self.metadata.insert(metric.to_owned(), metadata);
        }
    }

    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Metadata> {
        &self.metadata
    }

    #[must_use]
    pub fn exemplars(&self) -> &[Exemplar<SeriesId>] {
        &self.exemplars
    }

    /// Series that all matchers agree with.
    #[must_use]
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        self.series.select(matchers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    const CAPS: Caps = Caps {
        series_max: 3,
        metric_series_max: 2,
    };

    fn window(start: i64, end: i64, value: f64) -> Window {
        Window {
            start_unix_ms: start,
            end_unix_ms: end,
            value: Value::Float(value),
        }
    }

    #[test]
    fn points_come_back_in_order_of_time_and_the_newest_record_counts() {
        let mut head = TenantHead::default();
        let labels = [("__name__", "up")];
        let id = head.series_of(&labels, Kind::Samples, CAPS).expect("room");
        for (unix_ms, value) in [(30, 3.0), (10, 1.0), (20, 2.0), (10, 1.5), (30, 3.5)] {
            head.push_float(id, unix_ms, value);
        }
        assert_eq!(
            head.row(id, 0, 99).floats,
            [(10, 1.5), (20, 2.0), (30, 3.5)]
        );
        assert_eq!(head.row(id, 10, 20).floats, [(20, 2.0)]);
        let windows = head.series_of(&labels, Kind::Windows, CAPS).expect("room");
        for (start, end, value) in [(10, 20, 1.0), (0, 10, 2.0), (10, 20, 4.0)] {
            head.push_window(windows, &window(start, end, value));
        }
        let row = head.row(windows, 0, 99);
        assert_eq!(row.windows, [window(0, 10, 2.0), window(10, 20, 5.0)]);
        assert_eq!(head.row(windows, 10, 99).windows, [window(10, 20, 5.0)]);
    }

    #[test]
    fn caps_stop_new_series_and_not_known_ones() {
        let mut head = TenantHead::default();
        let mut ask = |metric: &str, job: &str| {
            let labels = [("__name__", metric), ("job", job)];
            head.series_of(&labels, Kind::Samples, CAPS).map(|id| id.0)
        };
        assert_eq!(ask("a", "1"), Some(0));
        assert_eq!(ask("a", "2"), Some(1));
        assert_eq!(ask("a", "3"), None, "two series a metric");
        assert_eq!(ask("b", "1"), Some(2));
        assert_eq!(ask("c", "1"), None, "three series in all");
        assert_eq!(ask("a", "1"), Some(0));
    }
}
