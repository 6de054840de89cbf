//! Exemplars: kept spans that stand for values of the series of durations.
//!
//! In: the spans of what an epoch kept. Out: for each series and octave of durations the span whose trace has the largest randomness, so that who reads the
//! same records chooses the same, and each leads to a trace that is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::derived::{DeltaValue, Exemplar, SeriesDelta, TenantDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{SpanView, TracesView};
use telemetry::{RecordTime, Tenant};

use super::delta::delta;
use super::dimension::Dimensions;
use super::resource::Resources;
use super::span::{SpanSeries, SpanTable};
use super::window::{self, Windows};
use super::{OVERFLOW, SPAN_DURATION, seconds};
use crate::policy::threshold::OtState;

/// Exemplars of one series in one epoch; of more octaves the slowest have one.
pub const EXEMPLARS_OF_SERIES_MAX: usize = 10;

/// The exemplars of an epoch, while its kept traces are read.
#[derive(Debug, Default)]
pub struct Exemplars {
    resources: Resources,
    chosen: SpanTable<Chosen>,
}

/// By octave of the duration in ns.
#[derive(Debug, Default)]
struct Chosen(BTreeMap<u32, (u64, Exemplar)>);

/// Exemplars of one series, and whose it is.
type OfSeries = (Tenant, Vec<(String, String)>, Vec<Exemplar>);

impl Exemplars {
    /// Of an epoch in which spans were told apart by these dimensions too.
    #[must_use]
    pub fn by(dimensions: Arc<Dimensions>) -> Self {
        Self {
            resources: Resources::default(),
            chosen: SpanTable::by(dimensions),
        }
    }

    /// Looks at the spans of a kept trace.
    pub fn see(&mut self, tenant: &Tenant, trace: &TracesView<'_>) {
        self.resources.begin_record();
        for span in trace.spans() {
            let service = self.resources.find_or_add(tenant, &span).service;
            let (series, overflowed) = self.chosen.find_or_add(&mut self.resources, service, &span);
            if !overflowed {
                self.chosen.get_mut(series).see(&span);
            }
        }
    }

    /// Adds them to what an epoch counted, whose records reach to `t`. A series that the epoch did not count, since its spans came in an earlier one, is
    /// there without a count; unless its service has more series than are told apart.
    #[must_use]
    pub fn join(self, tenants: &[TenantDelta], t: RecordTime) -> ExemplarsOfEpoch {
        let mut of_counted: BTreeMap<(usize, usize), Vec<Exemplar>> = BTreeMap::new();
        let mut alone = Vec::new();
        for (tenant, labels, exemplars) in self.by_series() {
            let found = tenants.binary_search_by(|delta| delta.tenant.cmp(&tenant));
            let series = found.ok().and_then(|place| tenants.get(place));
            let series = series.map_or(&[][..], |delta| &delta.series);
            let place = series.binary_search_by(|one| order(one).cmp(&(SPAN_DURATION, &labels)));
            match (found, place) {
                (Ok(tenant), Ok(place)) => {
                    of_counted.insert((tenant, place), exemplars);
                }
                _ if has_overflow(series, &labels) => {}
                _ => alone.push((tenant, without_counts(labels, exemplars, t))),
            }
        }
        ExemplarsOfEpoch { of_counted, alone }
    }

    /// In order of tenants, then labels.
    fn by_series(self) -> Vec<OfSeries> {
        let resources = &self.resources;
        let of = |series: &SpanSeries<Chosen>| {
            let tenant = resources.service(series.service).tenant.clone();
            let labels = self.chosen.labels(series, resources);
            (tenant, labels, series.of.exemplars())
        };
        let mut all: Vec<OfSeries> = self.chosen.iter().map(of).collect();
        all.retain(|(.., exemplars)| !exemplars.is_empty());
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        all
    }
}

/// The exemplars of an epoch, beside what it counted.
#[derive(Debug, Default, PartialEq)]
pub struct ExemplarsOfEpoch {
    /// By place of the tenant and of its series.
    of_counted: BTreeMap<(usize, usize), Vec<Exemplar>>,
    /// Series that were counted in an earlier epoch.
    alone: Vec<(Tenant, SeriesDelta)>,
}

impl ExemplarsOfEpoch {
    /// Those of the series at a place.
    #[must_use]
    pub fn of(&self, tenant: usize, series: usize) -> &[Exemplar] {
        self.of_counted
            .get(&(tenant, series))
            .map_or(&[], Vec::as_slice)
    }

    /// Series that have exemplars and no counts in this epoch, by tenant, in order.
    pub fn alone(&self) -> impl Iterator<Item = (&Tenant, &SeriesDelta)> {
        self.alone.iter().map(|(tenant, series)| (tenant, series))
    }

    #[must_use]
    pub fn n_exemplars(&self) -> usize {
        let of_counted = self.of_counted.values().map(Vec::len);
        let alone = self.alone.iter().map(|(_, series)| series.exemplars.len());
        of_counted.chain(alone).sum()
    }
}

impl Chosen {
    fn see(&mut self, span: &SpanView<'_>) {
        let own = OtState::parse(span.trace_state()).randomness;
        let randomness = own.unwrap_or_else(|| span.trace_id().randomness_56());
        let octave = u64::BITS - span.duration_ns().leading_zeros();
        let ids = (span.trace_id(), span.span_id());
        let is_better = self.0.get(&octave).is_none_or(|(other, exemplar)| {
            let theirs = (exemplar.trace_id, exemplar.span_id);
            randomness > *other || randomness == *other && ids < theirs
        });
        if is_better {
            let exemplar = Exemplar {
                unix_ms: i64::try_from(span.end_unix_ns() / 1_000_000).unwrap_or(i64::MAX),
                value: seconds(span.duration_ns()),
                trace_id: ids.0,
                span_id: ids.1,
            };
            self.0.insert(octave, (randomness, exemplar));
        }
    }

    /// The slowest first.
    fn exemplars(&self) -> Vec<Exemplar> {
        let slowest = self.0.values().rev().take(EXEMPLARS_OF_SERIES_MAX);
        slowest.map(|(_, exemplar)| exemplar.clone()).collect()
    }
}

fn order(series: &SeriesDelta) -> (&str, &Vec<(String, String)>) {
    (&series.name, &series.labels)
}

/// Whether the service of a series has some that are counted together.
fn has_overflow(series: &[SeriesDelta], labels: &[(String, String)]) -> bool {
    let is_own = |(name, _): &&(String, String)| {
        matches!(
            name.as_str(),
            "deployment_environment" | "service_name" | "service_namespace" | "service_version"
        )
    };
    let service: Vec<_> = labels.iter().filter(is_own).collect();
    series.iter().any(|one| {
        let is_overflow =
            |(name, value): &(String, String)| name == "span_name" && value == OVERFLOW;
        one.name == SPAN_DURATION
            && one.labels.iter().any(is_overflow)
            && one.labels.iter().filter(is_own).eq(service.iter().copied())
    })
}

/// A series with an empty window, in which an exemplar's value was counted by an earlier epoch.
fn without_counts(
    labels: Vec<(String, String)>,
    exemplars: Vec<Exemplar>,
    t: RecordTime,
) -> SeriesDelta {
    let mut windows: Windows<ExpHistogram> = Windows::default();
    for exemplar in &exemplars {
        let end_unix_ms = u64::try_from(exemplar.unix_ms).unwrap_or(0);
        let (window_ms, _) = window::of_span(end_unix_ms.saturating_mul(1_000_000), t, false);
        windows.at(window_ms, &mut 0);
    }
    let windows = windows.deltas(|empty| DeltaValue::Histogram(empty.clone()));
    SeriesDelta {
        exemplars,
        ..delta(SPAN_DURATION, labels, windows)
    }
}
