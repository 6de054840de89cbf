//! Series of spans alike: one for each service, name, kind and status of an epoch.

use telemetry::Tenant;
use telemetry::derived::{DeltaValue, SeriesDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{SpanKind, SpanView, StatusCode};

use super::delta::{delta, kind_and_status};
use super::resource::Resources;
use super::table::Table;
use super::window::Windows;
use super::{OVERFLOW, SERIES_MAX, SPAN_DURATION, SPAN_SIZE, name};

/// A series of spans alike, and what is counted or chosen of them.
#[derive(Debug)]
pub(super) struct SpanSeries<T> {
    pub(super) service: u32,
    /// Without ids.
    name: Box<str>,
    kind: SpanKind,
    status: StatusCode,
    pub(super) of: T,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct SpanCounts {
    pub(super) durations: Windows<ExpHistogram>,
    pub(super) bytes: Windows<f64>,
}

#[derive(Debug, Default)]
pub(super) struct SpanTable<T> {
    table: Table<SpanSeries<T>>,
    /// A name without ids, while it is looked up.
    normal: String,
}

impl<T> SpanSeries<T> {
    /// In order of names.
    pub(super) fn labels(&self, resources: &Resources) -> Vec<(String, String)> {
        let mut labels = resources.service(self.service).labels();
        labels.push(("span_name".to_owned(), String::from(&*self.name)));
        labels.extend(kind_and_status(self.kind, self.status));
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
        let (name, kind, status) = (span.name(), span.kind(), span.status_code());
        // most names have no ids in them, and are found as they are
        if let Some(found) = self.find(service, name, kind, status) {
            return (found, false);
        }
        let mut normal = std::mem::take(&mut self.normal);
        name::write_normal(name, &mut normal);
        let found = self.find_or_add_normal(resources, service, &normal, kind, status);
        self.normal = normal;
        found
    }

    fn find_or_add_normal(
        &mut self,
        resources: &mut Resources,
        service: u32,
        name: &str,
        kind: SpanKind,
        status: StatusCode,
    ) -> (u32, bool) {
        if let Some(found) = self.find(service, name, kind, status) {
            return (found, false);
        }
        if self.table.len() < SERIES_MAX && resources.new_series(service) {
            return (self.add(service, name, kind, status), false);
        }
        let (kind, status) = (SpanKind::Unspecified, StatusCode::Unset);
        let overflow = self.find(service, OVERFLOW, kind, status);
        let overflow = overflow.unwrap_or_else(|| self.add(service, OVERFLOW, kind, status));
        (overflow, true)
    }

    fn find(&self, service: u32, name: &str, kind: SpanKind, status: StatusCode) -> Option<u32> {
        let hash = self.table.hash((service, kind, status, name));
        self.table.find(hash, |series| {
            series.service == service
                && series.kind == kind
                && series.status == status
                && *series.name == *name
        })
    }

    fn add(&mut self, service: u32, name: &str, kind: SpanKind, status: StatusCode) -> u32 {
        let hash = self.table.hash((service, kind, status, name));
        let series = SpanSeries {
            service,
            name: name.into(),
            kind,
            status,
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

impl SpanTable<SpanCounts> {
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
                let durations = &series.of.durations;
                let windows = durations.deltas(|h| DeltaValue::Histogram(h.clone()));
                let labels = series.labels(resources);
                into.push((tenant, delta(SPAN_DURATION, labels, windows)));
            }
            if wanted(tenant, SPAN_SIZE) {
                let windows = series.of.bytes.deltas(|n| DeltaValue::Count(*n));
                let labels = series.labels(resources);
                into.push((tenant, delta(SPAN_SIZE, labels, windows)));
            }
        }
    }
}
