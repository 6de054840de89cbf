//! The head: what the open block has so far. In: series and points, in order of records. Out: points of a range for queries, and rows for the seal.
//!
//! Points lie in flat lists, each with the place of the one before it of its series, so that a sample costs 20 B and no allocation of its own.
//! Nothing here reads a clock, and no answer depends on a hash map's order.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;
use telemetry::Tenant;
use telemetry::wire::RunHash;

use crate::histogram::Histogram;
use crate::row::{Exemplar, Metadata, Row};
use crate::series::{Asked, Kind, NONE, SeriesId, SeriesTable};
use crate::window::collapse;
use crate::{Matcher, Value, Window};

/// What points count in the memory formula, in bytes; a histogram counts its buckets as well.
pub const SAMPLE_BYTES: u64 = 20;
pub const WINDOW_BYTES: u64 = 48;
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
#[derive(Debug, Default)]
pub struct TenantHead {
    series: SeriesTable,
    floats: Floats,
    histograms: Vec<Point<(i64, Arc<Histogram>)>>,
    windows: Vec<Point<Window>>,
    exemplars: Vec<Exemplar<SeriesId>>,
    metadata: BTreeMap<String, Metadata>,
    /// What was said of metrics, by its bytes.
    told: HashTable<RunHash>,
    /// Info series of resources, by the bytes of these.
    infos: HashTable<(RunHash, Vec<SeriesId>)>,
    bytes: u64,
}

/// Columns, so that a sample is 20 B and not 24.
#[derive(Debug, Default)]
struct Floats {
    times: Vec<i64>,
    values: Vec<f64>,
    previous: Vec<u32>,
}

/// A point and the place of the one before it of its series.
#[derive(Debug)]
struct Point<T> {
    previous: u32,
    what: T,
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

fn place(len: usize) -> u32 {
    u32::try_from(len).expect("a head is sealed before it has 2^32 points")
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

    pub fn push_float(&mut self, id: SeriesId, unix_ms: i64, value: f64) {
        let at = place(self.floats.times.len());
        let last = &mut self.series.last_mut(id).float;
        self.floats.previous.push(*last);
        *last = at;
        self.floats.times.push(unix_ms);
        self.floats.values.push(value);
        self.bytes += SAMPLE_BYTES;
    }

    pub fn push_histogram(&mut self, id: SeriesId, unix_ms: i64, value: Arc<Histogram>) {
        let at = place(self.histograms.len());
        self.bytes += histogram_bytes(&value);
        let last = &mut self.series.last_mut(id).histogram;
        self.histograms.push(Point {
            previous: *last,
            what: (unix_ms, value),
        });
        *last = at;
    }

    pub fn push_window(&mut self, id: SeriesId, window: Window) {
        let at = place(self.windows.len());
        self.bytes += WINDOW_BYTES;
        if let Value::Histogram(histogram) = &window.value {
            self.bytes += histogram_bytes(histogram);
        }
        let last = &mut self.series.last_mut(id).window;
        self.windows.push(Point {
            previous: *last,
            what: window,
        });
        *last = at;
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

    /// What a metric is, as it was said last.
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

    /// A series with its points in (from, to]: times ascend strictly, the last of equal ones counts, windows of one span are added.
    #[must_use]
    pub fn row(&self, id: SeriesId, from_unix_ms: i64, to_unix_ms: i64) -> Row {
        let last = self.series.last(id);
        let inside = |unix_ms: i64| from_unix_ms < unix_ms && unix_ms <= to_unix_ms;
        let floats = chain(last.float, |at| self.float_at(at));
        let floats = floats.filter(|(unix_ms, _)| inside(*unix_ms)).collect();
        self.row_with(id, floats, inside)
    }

    /// The row of a series with these floats, newest record first.
    fn row_with(
        &self,
        id: SeriesId,
        mut floats: Vec<(i64, f64)>,
        inside: impl Fn(i64) -> bool,
    ) -> Row {
        let last = self.series.last(id);
        let mut histograms: Vec<(i64, Arc<Histogram>)> = chain(last.histogram, |at| {
            let point = self.histograms.get(at as usize)?;
            Some((point.previous, &point.what))
        })
        .filter(|(unix_ms, _)| inside(*unix_ms))
        .cloned()
        .collect();
        let mut windows: Vec<Window> = chain(last.window, |at| {
            let point = self.windows.get(at as usize)?;
            Some((point.previous, &point.what))
        })
        .filter(|window| inside(window.end_unix_ms))
        .cloned()
        .collect();
        newest_of_each_time(&mut floats);
        newest_of_each_time(&mut histograms);
        windows.reverse(); // into the order of records
        collapse(&mut windows);
        Row {
            kind: self.series.kind(id),
            floats,
            histograms,
            windows,
        }
    }
}

/// Series whose points are gathered side by side.
const TOGETHER: usize = 32;

impl TenantHead {
    /// Every series in order of (labels, kind) with all its points, as [`TenantHead::row`] has them.
    pub fn rows(&self) -> impl Iterator<Item = (SeriesId, Row)> {
        let order = self.series.sorted();
        let groups: Vec<Vec<SeriesId>> = order.chunks(TOGETHER).map(<[_]>::to_vec).collect();
        groups.into_iter().flat_map(|ids| {
            let floats = self.floats_of(&ids);
            let row = |(id, floats)| (id, self.row_with(id, floats, |_| true));
            ids.into_iter().zip(floats).map(row).collect::<Vec<_>>()
        })
    }

    /// Floats of some series, newest record first. A chain is a wait for memory at each step, so several are followed at once.
    fn floats_of(&self, ids: &[SeriesId]) -> Vec<Vec<(i64, f64)>> {
        let mut found = vec![Vec::new(); ids.len()];
        let mut next: Vec<u32> = ids.iter().map(|id| self.series.last(*id).float).collect();
        let mut is_more = true;
        while is_more {
            is_more = false;
            for (next, found) in next.iter_mut().zip(&mut found) {
                if let Some((previous, point)) = self.float_at(*next) {
                    found.push(point);
                    *next = previous;
                    is_more = true;
                }
            }
        }
        found
    }

    /// A float and the place of the one before it; none at [`NONE`].
    fn float_at(&self, place: u32) -> Option<(u32, (i64, f64))> {
        let at = place as usize;
        let point = (*self.floats.times.get(at)?, *self.floats.values.get(at)?);
        Some((*self.floats.previous.get(at)?, point))
    }
}

/// Follows places from the newest point to the oldest.
fn chain<T>(last: u32, at: impl Fn(u32) -> Option<(u32, T)>) -> impl Iterator<Item = T> {
    let mut next = last;
    std::iter::from_fn(move || {
        if next == NONE {
            return None;
        }
        let (previous, what) = at(next)?;
        next = previous;
        Some(what)
    })
}

/// Points that come newest record first become ascending in time, the newest record's of each time.
fn newest_of_each_time<T>(points: &mut Vec<(i64, T)>) {
    if points.is_sorted_by(|(a, _), (b, _)| a > b) {
        points.reverse();
        return;
    }
    points.sort_by_key(|(unix_ms, _)| *unix_ms); // stable: the newest record stays first of its time
    points.dedup_by_key(|(unix_ms, _)| *unix_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

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
            head.push_window(windows, window(start, end, value));
        }
        let row = head.row(windows, 0, 99);
        assert_eq!(row.windows, [window(0, 10, 2.0), window(10, 20, 5.0)]);
        assert_eq!(head.row(windows, 10, 99).windows, [window(10, 20, 5.0)]);
    }

    #[test]
    fn rows_side_by_side_are_the_rows_one_by_one() {
        let mut head = TenantHead::default();
        let caps = Caps {
            series_max: 1_000,
            metric_series_max: 1_000,
        };
        for n in 0..2_000_i64 {
            let job = format!("{}", n * 7_919 % 90);
            let labels = [("__name__", "up"), ("job", job.as_str())];
            let id = head.series_of(&labels, Kind::Samples, caps).expect("room");
            head.push_float(id, n % 300, n as f64);
            if n % 5 == 0 {
                let id = head.series_of(&labels, Kind::Windows, caps).expect("room");
                head.push_window(id, window(n, n + 1, 1.0));
            }
        }
        let all: Vec<(SeriesId, Row)> = head.rows().collect();
        let ids = head.series().sorted().into_iter();
        let one_by_one: Vec<(SeriesId, Row)> = ids
            .map(|id| (id, head.row(id, i64::MIN, i64::MAX)))
            .collect();
        assert_eq!(all, one_by_one);
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
