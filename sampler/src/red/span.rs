//! Series of spans alike: one for each service, name, kind and status of an epoch.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use telemetry::derived::{DeltaValue, SeriesDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{SpanKind, SpanView, StatusCode};
use telemetry::{Tenant, span_name};

use super::delta::{delta, kind_and_status};
use super::dimension::Dimensions;
use super::resource::Resources;
use super::table::Table;
use super::window::Windows;
use super::{OVERFLOW, SERIES_MAX, SPAN_DURATION, SPAN_SIZE};

/// A series of spans alike, and what is counted or chosen of them.
#[derive(Debug)]
pub(super) struct SpanSeries<T> {
    pub(super) service: u32,
    /// Without ids.
    name: Box<str>,
    kind: SpanKind,
    status: StatusCode,
    /// Of each dimension; none for what is too much.
    values: Box<[String]>,
    pub(super) of: T,
}

/// What spans of one series have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Like<'a> {
    service: u32,
    kind: SpanKind,
    status: StatusCode,
    /// As bytes: a span's own is not read as text to be looked up.
    name: &'a [u8],
    values: &'a [String],
}

/// What is small in one number: hashing costs by the piece.
impl Hash for Like<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let small = (self.kind as u64) << 4 | self.status as u64;
        state.write_u64(u64::from(self.service) << 8 | small);
        state.write(self.name);
        self.values.iter().for_each(|value| value.hash(state));
    }
}

impl<T> SpanSeries<T> {
    fn like(&self) -> Like<'_> {
        Like {
            service: self.service,
            kind: self.kind,
            status: self.status,
            name: self.name.as_bytes(),
            values: &self.values,
        }
    }
}

/// What is counted in a window.
#[derive(Debug, Default)]
pub(super) struct SpanCounts {
    pub(super) durations: ExpHistogram,
    pub(super) bytes: f64,
}

#[derive(Debug, Default)]
pub(super) struct SpanTable<T> {
    table: Table<SpanSeries<T>>,
    /// A name without ids, while it is looked up.
    normal: String,
    dimensions: Arc<Dimensions>,
    /// Their values, while they are looked up.
    values: Vec<String>,
}

impl<T> SpanTable<T> {
    /// Spans are told apart by these dimensions too.
    pub(super) fn by(dimensions: Arc<Dimensions>) -> Self {
        Self {
            table: Table::default(),
            normal: String::new(),
            dimensions,
            values: Vec::new(),
        }
    }

    pub(super) fn dimensions(&self) -> &Arc<Dimensions> {
        &self.dimensions
    }

    /// Labels of one of its series, in order of names.
    pub(super) fn labels(
        &self,
        series: &SpanSeries<T>,
        resources: &Resources,
    ) -> Vec<(String, String)> {
        let mut labels = resources.service(series.service).labels();
        labels.push(("span_name".to_owned(), String::from(&*series.name)));
        labels.extend(kind_and_status(series.kind, series.status));
        labels.extend(self.dimensions.labels(&series.values));
        labels.sort_unstable();
        labels
    }
}

impl<T: Default> SpanTable<T> {
    /// Number of the series that a span is of, and whether that is the one for what is too much.
    pub(super) fn find_or_add(
        &mut self,
        resources: &mut Resources,
        service: u32,
        span: &SpanView<'_>,
    ) -> (u32, bool) {
        let (kind, status) = (span.kind(), span.status_code());
        let mut values = std::mem::take(&mut self.values);
        if !self.dimensions.is_empty() {
            self.dimensions.read(span, &mut values);
        }
        let like = Like {
            service,
            name: span.name_bytes(),
            kind,
            status,
            values: &values,
        };
        // most names have no ids in them, and are found as they are
        let known = self.find(&like);
        let found = known.map(|found| (found, false)).unwrap_or_else(|| {
            let mut normal = std::mem::take(&mut self.normal);
            span_name::write_normal(span.name(), &mut normal);
            let normalised = Like {
                name: normal.as_bytes(),
                ..like
            };
            let found = self.find_or_add_normal(resources, &normalised);
            self.normal = normal;
            found
        });
        self.values = values;
        found
    }

    fn find_or_add_normal(&mut self, resources: &mut Resources, like: &Like<'_>) -> (u32, bool) {
        if let Some(found) = self.find(like) {
            return (found, false);
        }
        if self.table.len() < SERIES_MAX
            && resources.new_series(like.service, self.dimensions.series_max)
        {
            return (self.add(like), false);
        }
        let beyond = Like {
            service: like.service,
            name: OVERFLOW.as_bytes(),
            kind: SpanKind::Unspecified,
            status: StatusCode::Unset,
            values: &[],
        };
        let overflow = self.find(&beyond);
        (overflow.unwrap_or_else(|| self.add(&beyond)), true)
    }

    fn find(&self, like: &Like<'_>) -> Option<u32> {
        let hash = self.table.hash(like);
        self.table.find(hash, |series| series.like() == *like)
    }

    fn add(&mut self, like: &Like<'_>) -> u32 {
        let hash = self.table.hash(like);
        let series = SpanSeries {
            service: like.service,
            name: String::from_utf8_lossy(like.name).into(),
            kind: like.kind,
            status: like.status,
            values: like.values.into(),
            of: T::default(),
        };
        self.table.add(hash, series)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        &mut self.table.get_mut(number).of
    }

    /// In the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SpanSeries<T>> {
        self.table.iter()
    }
}

impl SpanTable<Windows<SpanCounts>> {
    /// What the epoch has added to those that are wanted, by tenant, in the order in which they came.
    pub(super) fn deltas<'a>(
        &'a self,
        resources: &'a Resources,
        wanted: &dyn Fn(&Tenant, &str) -> bool,
        into: &mut Vec<(&'a Tenant, SeriesDelta)>,
    ) {
        for series in self.table.iter() {
            let tenant = &resources.service(series.service).tenant;
            if wanted(tenant, SPAN_DURATION) {
                let histogram = |of: &SpanCounts| DeltaValue::Histogram(of.durations.clone());
                let windows = series.of.deltas(histogram);
                let labels = self.labels(series, resources);
                into.push((tenant, delta(SPAN_DURATION, labels, windows)));
            }
            if wanted(tenant, SPAN_SIZE) {
                let windows = series.of.deltas(|of| DeltaValue::Count(of.bytes));
                let labels = self.labels(series, resources);
                into.push((tenant, delta(SPAN_SIZE, labels, windows)));
            }
        }
    }
}
