//! RED: what each span adds to the series of its service, before any decision.
//!
//! In: every span that was folded, in the order of the log. Out, at each seal: windows of 10 s of duration histograms, of bytes, and of instances that were
//! seen. Whoever reads the same records gets the same windows: labels and numbers come from the spans and their records alone.

mod name;
mod resource;
mod window;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use telemetry::derived::{DeltaValue, SeriesDelta, TenantDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{SpanKind, SpanView, StatusCode};
use telemetry::{RecordTime, Tenant};

use crate::policy::threshold::{OtState, UNIT};
use resource::Resources;
use window::{WINDOW_MS, Windows};

/// Series of one epoch that are counted by name; spans of further ones are counted under [`OVERFLOW`].
pub const SERIES_MAX: usize = 100_000;
/// Names of one service in one epoch that are counted by name.
pub const NAMES_MAX: u32 = 2_000;
/// The name under which spans count whose own series is one too many.
pub const OVERFLOW: &str = "__overflow__";

/// Durations of all spans, in s.
pub const SPAN_DURATION: &str = "tracewell_span_duration_seconds";
/// Bytes of all spans as they came.
pub const SPAN_SIZE: &str = "tracewell_span_size_bytes_total";
/// Durations of entry spans (server, consumer, root) by instance, in s.
pub const INSTANCE_DURATION: &str = "tracewell_instance_duration_seconds";
/// Which instance runs on what.
pub const INSTANCE_INFO: &str = "service_instance_info";

/// The epoch that is going on.
#[derive(Debug, Default)]
pub struct Red {
    resources: Resources,
    spans: Vec<SpanSeries>,
    instances: Vec<InstanceSeries>,
    /// Looked up, never gone through: its order is random.
    span_index: HashTable<u32>,
    instance_index: HashTable<u32>,
    hasher: RandomState,
    n_skewed: u64,
    n_overflowed: u64,
}

/// A series of spans alike.
#[derive(Debug)]
struct SpanSeries {
    service: u32,
    name: Box<str>,
    kind: SpanKind,
    status: StatusCode,
    durations: Windows<ExpHistogram>,
    bytes: Windows<f64>,
}

/// A series of an instance's entry spans.
#[derive(Debug)]
struct InstanceSeries {
    resource: u32,
    kind: SpanKind,
    status: StatusCode,
    durations: Windows<ExpHistogram>,
}

/// What an epoch adds to the series of every tenant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RedDeltas {
    /// In order of tenants.
    pub tenants: Vec<TenantDelta>,
    /// Spans whose end lay too far from the time of their record, and which count at that time.
    pub n_skewed: u64,
    /// Spans that count under [`OVERFLOW`].
    pub n_overflowed: u64,
}

impl Red {
    /// Forgets which resource came last: places mean another record from here on.
    pub fn begin_record(&mut self) {
        self.resources.begin_record();
    }

    /// Counts a span of a record that the log took at `t`.
    pub fn observe(&mut self, tenant: &Tenant, span: &SpanView<'_>, t: RecordTime, historic: bool) {
        let (resource, service) = self.resources.find_or_add(tenant, span);
        let (window_ms, skewed) = window::of_span(span.end_unix_ns(), t, historic);
        self.n_skewed += u64::from(skewed);
        let duration_s = span.duration_ns() as f64 / 1e9;
        let weight = weight(span.trace_state());
        let series = self.span_series(service, span);
        let series = self.spans.get_mut(series).expect("found or just added");
        observe(series.durations.at(window_ms), duration_s, weight);
        *series.bytes.at(window_ms) += span.bytes().len() as f64 * weight;
        self.resources.seen(resource, window::floor(t.unix_ms));
        let is_entry = matches!(span.kind(), SpanKind::Server | SpanKind::Consumer)
            || span.parent_span_id().is_none();
        if is_entry {
            let series = self.instance_series(resource, span);
            let series = self.instances.get_mut(series).expect("found or just added");
            observe(series.durations.at(window_ms), duration_s, weight);
        }
    }

    /// Place of the series that a span counts in.
    fn span_series(&mut self, service: u32, span: &SpanView<'_>) -> usize {
        let (name, kind, status) = (span.name(), span.kind(), span.status_code());
        let hash = self.hasher.hash_one((service, kind, status, name));
        let spans = &self.spans;
        let is = |&place: &u32| {
            spans.get(place as usize).is_some_and(|series| {
                series.service == service
                    && series.kind == kind
                    && series.status == status
                    && *series.name == *name
            })
        };
        if let Some(place) = self.span_index.find(hash, is) {
            return *place as usize;
        }
        let known = self.spans.len() < SERIES_MAX && self.resources.new_name(service);
        if !known && name != OVERFLOW {
            self.n_overflowed += 1;
            return self.overflow_series(service);
        }
        self.add_span_series(hash, service, name.into(), kind, status)
    }

    /// Where spans of a service count whose own series would be one too many.
    fn overflow_series(&mut self, service: u32) -> usize {
        let (kind, status) = (SpanKind::Unspecified, StatusCode::Unset);
        let hash = self.hasher.hash_one((service, kind, status, OVERFLOW));
        let spans = &self.spans;
        let is = |&place: &u32| {
            spans
                .get(place as usize)
                .is_some_and(|series| series.service == service && *series.name == *OVERFLOW)
        };
        match self.span_index.find(hash, is) {
            Some(place) => *place as usize,
            None => self.add_span_series(hash, service, OVERFLOW.into(), kind, status),
        }
    }

    fn add_span_series(
        &mut self,
        hash: u64,
        service: u32,
        name: Box<str>,
        kind: SpanKind,
        status: StatusCode,
    ) -> usize {
        let place = self.spans.len();
        self.spans.push(SpanSeries {
            service,
            name,
            kind,
            status,
            durations: Windows::default(),
            bytes: Windows::default(),
        });
        let (spans, hasher) = (&self.spans, &self.hasher);
        let hash_of = |&place: &u32| {
            spans.get(place as usize).map_or(0, |series| {
                hasher.hash_one((series.service, series.kind, series.status, &*series.name))
            })
        };
        self.span_index.insert_unique(hash, number(place), hash_of);
        place
    }

    fn instance_series(&mut self, resource: u32, span: &SpanView<'_>) -> usize {
        let key = (resource, span.kind(), span.status_code());
        let hash = self.hasher.hash_one(key);
        let instances = &self.instances;
        let key_of = |series: &InstanceSeries| (series.resource, series.kind, series.status);
        let is = |&place: &u32| {
            instances
                .get(place as usize)
                .is_some_and(|series| key_of(series) == key)
        };
        if let Some(place) = self.instance_index.find(hash, is) {
            return *place as usize;
        }
        let place = self.instances.len();
        self.instances.push(InstanceSeries {
            resource,
            kind: span.kind(),
            status: span.status_code(),
            durations: Windows::default(),
        });
        let (instances, hasher) = (&self.instances, &self.hasher);
        let hash_of = |&place: &u32| {
            instances
                .get(place as usize)
                .map_or(0, |series| hasher.hash_one(key_of(series)))
        };
        self.instance_index
            .insert_unique(hash, number(place), hash_of);
        place
    }

    /// What the epoch has added so far, canonical.
    #[must_use]
    pub fn deltas(&self) -> RedDeltas {
        let mut series: Vec<(&Tenant, SeriesDelta)> = Vec::new();
        for span in &self.spans {
            let service = self.resources.service(span.service);
            let mut labels = service.labels();
            labels.push(("span_name".to_owned(), name::normal(&span.name)));
            push_kind_and_status(&mut labels, span.kind, span.status);
            labels.sort_unstable();
            let durations = span.durations.deltas(|h| DeltaValue::Histogram(h.clone()));
            series.push((
                &service.tenant,
                delta(SPAN_DURATION, labels.clone(), durations),
            ));
            let bytes = span.bytes.deltas(|bytes| DeltaValue::Count(*bytes));
            series.push((&service.tenant, delta(SPAN_SIZE, labels, bytes)));
        }
        for instance in &self.instances {
            let resource = self.resources.get(instance.resource);
            let mut labels = resource.instance_labels();
            push_kind_and_status(&mut labels, instance.kind, instance.status);
            labels.sort_unstable();
            let durations = instance
                .durations
                .deltas(|h| DeltaValue::Histogram(h.clone()));
            series.push((
                &resource.tenant,
                delta(INSTANCE_DURATION, labels, durations),
            ));
        }
        for resource in self.resources.all() {
            let seen = resource.seen.iter().map(|&start_unix_ms| WindowDelta {
                start_unix_ms,
                end_unix_ms: start_unix_ms + WINDOW_MS,
                value: DeltaValue::Seen,
            });
            let labels = resource.info_labels(self.resources.service(resource.service_of()));
            series.push((
                &resource.tenant,
                delta(INSTANCE_INFO, labels, seen.collect()),
            ));
        }
        RedDeltas {
            tenants: by_tenant(series),
            n_skewed: self.n_skewed,
            n_overflowed: self.n_overflowed,
        }
    }

    /// Ends the epoch.
    pub fn take(&mut self) -> RedDeltas {
        let deltas = self.deltas();
        *self = Self::default();
        deltas
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("an epoch has fewer than 2^32 series")
}

/// How many spans a span stands for: the inverse of the probability with which its sender kept it (`ot=th`).
fn weight(trace_state: &str) -> f64 {
    if trace_state.is_empty() {
        return 1.0;
    }
    match OtState::parse(trace_state).threshold {
        Some(threshold) if threshold < UNIT => UNIT as f64 / (UNIT - threshold) as f64,
        _ => 1.0,
    }
}

fn observe(histogram: &mut ExpHistogram, value: f64, weight: f64) {
    if weight == 1.0 {
        histogram.observe(value);
    } else {
        histogram.observe_weighted(value, weight);
    }
}

fn push_kind_and_status(labels: &mut Vec<(String, String)>, kind: SpanKind, status: StatusCode) {
    labels.push(("span_kind".to_owned(), kind.protobuf_name().to_owned()));
    labels.push(("status_code".to_owned(), status.protobuf_name().to_owned()));
}

fn delta(name: &str, labels: Vec<(String, String)>, windows: Vec<WindowDelta>) -> SeriesDelta {
    SeriesDelta {
        name: name.to_owned(),
        labels,
        windows,
        exemplars: Vec::new(),
    }
}

/// Series of one identity (two resources may give one) are added up; tenants, series and windows stand in order.
fn by_tenant(mut series: Vec<(&Tenant, SeriesDelta)>) -> Vec<TenantDelta> {
    let key =
        |one: &(&Tenant, SeriesDelta)| (one.0.clone(), one.1.name.clone(), one.1.labels.clone());
    series.sort_by_cached_key(key); // stable: what is equal stays in the order of the log
    let mut tenants: Vec<TenantDelta> = Vec::new();
    for (tenant, delta) in series {
        if tenants.last().is_none_or(|last| last.tenant != *tenant) {
            tenants.push(TenantDelta {
                tenant: tenant.clone(),
                series: Vec::new(),
            });
        }
        let all = &mut tenants.last_mut().expect("just pushed").series;
        match all.last_mut() {
            Some(last) if last.name == delta.name && last.labels == delta.labels => {
                window::add_up(&mut last.windows, delta.windows);
            }
            _ => all.push(delta),
        }
    }
    tenants
}

#[cfg(test)]
mod tests;
