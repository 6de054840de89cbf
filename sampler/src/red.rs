//! RED: what each span adds to the series of its service, before any decision; and edges: what each decided trace adds to who calls whom.
//!
//! In: every span that was folded, in the order of the log, and the ends of calls of every decided trace. Out, at each seal: windows of 10 s of duration
//! histograms, of bytes, of edges, and of instances that were seen. Whoever reads the same records gets the same windows: labels and numbers come from the
//! spans and their records alone.

mod delta;
mod dimension;
mod edge;
mod exemplar;
mod instance;
mod quota;
mod resource;
mod span;
mod table;
mod window;

use std::sync::Arc;

use service_map::edge::{Counted, Role, Unpaired};
use telemetry::derived::TenantDelta;
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{SpanKind, SpanView};
use telemetry::{RecordTime, Tenant};

use crate::policy::threshold::{OtState, UNIT};
use edge::EdgeTable;
use instance::InstanceTable;
use resource::Resources;
use span::{SpanCounts, SpanTable};
use window::Windows;

pub use dimension::{DIMENSIONS_MAX, DimensionError, Dimensions};
pub use exemplar::{EXEMPLARS_OF_SERIES_MAX, Exemplars, ExemplarsOfEpoch};
pub use quota::SeriesMax;

/// Series of spans of one tenant in one epoch that are counted by name, unless a policy says fewer; its spans of further ones are counted under [`OVERFLOW`].
pub const SERIES_OF_TENANT_MAX: u32 = 100_000;
/// The same of one service in one version and environment. A name has a series for each kind and status.
pub const SERIES_OF_SERVICE_MAX: u32 = 2_000;
/// The same of all tenants together: memory is bounded, and no tenant alone can take all of it. A shard is seldom near, since it ends an epoch that counts
/// half as much as one tenant may with the next second.
pub const SERIES_MAX: usize = 2 * SERIES_OF_TENANT_MAX as usize;
/// The name under which spans count whose own series is one too many.
pub const OVERFLOW: &str = "__overflow__";
/// Edges of one tenant in one epoch that are counted by name; its requests of further ones are counted between two nodes called [`OVERFLOW`].
pub const EDGES_OF_TENANT_MAX: u32 = 10_000;
/// The same of all tenants together.
pub const EDGES_MAX: usize = 5 * EDGES_OF_TENANT_MAX as usize;

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
    spans: SpanTable<Windows<SpanCounts>>,
    instances: InstanceTable,
    edges: EdgeTable,
    n_windows: u64,
    n_skewed: u64,
    n_overflowed: u64,
    n_edges_overflowed: u64,
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
    /// Requests and unpaired ends that count under [`OVERFLOW`].
    pub n_edges_overflowed: u64,
    /// What spans were told apart by.
    pub dimensions: Arc<Dimensions>,
}

impl Red {
    /// Forgets which resource came last: places, and the time, mean another record from here on.
    pub fn begin_record(&mut self) {
        self.resources.begin_record();
    }

    /// Counts a span of a record that the log took at `t`.
    pub fn observe(&mut self, tenant: &Tenant, span: &SpanView<'_>, t: RecordTime, historic: bool) {
        let found = self.resources.find_or_add(tenant, span);
        if found.is_first {
            let seen_ms = window::floor(t.unix_ms);
            self.resources
                .seen(found.resource, seen_ms, &mut self.n_windows);
        }
        let (window_ms, skewed) = window::of_span(span.end_unix_ns(), t, historic);
        self.n_skewed += u64::from(skewed);
        let duration_s = seconds(span.duration_ns());
        let weight = weight(span.trace_state());
        let (kind, status) = (span.kind(), span.status_code());
        let (series, overflowed) = self
            .spans
            .find_or_add(&mut self.resources, found.service, span);
        self.n_overflowed += u64::from(overflowed);
        let windows = self.spans.get_mut(series);
        let counts = windows.at(window_ms, &mut self.n_windows);
        observe(&mut counts.durations, duration_s, weight);
        counts.bytes += span.bytes().len() as f64 * weight;
        let is_entry = matches!(kind, SpanKind::Server | SpanKind::Consumer)
            || span.parent_span_id().is_none();
        if is_entry {
            let series = self.instances.find_or_add(found.resource, kind, status);
            let durations = series.durations.at(window_ms, &mut self.n_windows);
            observe(durations, duration_s, weight);
        }
    }

    /// Counts what an end of a call in a decided trace of a tenant counts for.
    pub fn count(&mut self, tenant: &Tenant, counted: Counted<'_>) {
        let overflowed = self.edges.count(tenant, counted, &mut self.n_windows);
        self.n_edges_overflowed += u64::from(overflowed);
    }

    /// Counts an end of a call that came when its trace was decided already.
    pub fn count_late(
        &mut self,
        tenant: &Tenant,
        span: &SpanView<'_>,
        t: RecordTime,
        historic: bool,
    ) {
        let Some(role) = Role::of(span.kind()) else {
            return;
        };
        let end = Unpaired {
            side: role.side(),
            service: resource::service_name(&span.resource()),
            weight: weight(span.trace_state()),
            window_ms: window_of(span, t, historic),
        };
        let overflowed = self.edges.late(tenant, &end, &mut self.n_windows);
        self.n_edges_overflowed += u64::from(overflowed);
    }

    /// How much the epoch has counted apart: resources and windows of series.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.resources.all().len() as u64 + self.n_windows
    }

    /// What the epoch has added so far, canonical.
    #[must_use]
    pub fn deltas(&self) -> RedDeltas {
        RedDeltas {
            tenants: self.deltas_of(&|_, _| true),
            n_skewed: self.n_skewed,
            n_overflowed: self.n_overflowed,
            n_edges_overflowed: self.n_edges_overflowed,
            dimensions: self.spans.dimensions().clone(),
        }
    }

    /// The same of those series alone whose tenant and name are wanted.
    #[must_use]
    pub fn deltas_of(&self, wanted: &dyn Fn(&Tenant, &str) -> bool) -> Vec<TenantDelta> {
        let mut series = Vec::new();
        self.spans.deltas(&self.resources, wanted, &mut series);
        self.instances.deltas(&self.resources, wanted, &mut series);
        instance::info(&self.resources, wanted, &mut series);
        self.edges.deltas(wanted, &mut series);
        delta::by_tenant(series)
    }

    /// Ends the epoch. In the next one spans are told apart by these dimensions too.
    pub fn take(&mut self, next: Arc<Dimensions>) -> RedDeltas {
        let deltas = self.deltas();
        *self = Self::by(next);
        deltas
    }

    /// An epoch that begins, in which spans are told apart by these dimensions too.
    #[must_use]
    pub fn by(dimensions: Arc<Dimensions>) -> Self {
        Self {
            spans: SpanTable::by(dimensions),
            ..Self::default()
        }
    }
}

/// The name of a span's service, as the label that it counts under; as bytes, which are enough to look it up.
pub(crate) fn service_of<'a>(span: &SpanView<'a>) -> &'a [u8] {
    resource::service_name_bytes(&span.resource())
}

/// Beginning of the window that a span of a record taken at `t` counts in.
pub(crate) fn window_of(span: &SpanView<'_>, t: RecordTime, historic: bool) -> i64 {
    window::of_span(span.end_unix_ns(), t, historic).0
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// How many spans a span stands for: the inverse of the probability with which its sender kept it (`ot=th`).
pub(crate) fn weight(trace_state: &str) -> f64 {
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

#[cfg(test)]
mod tests;
