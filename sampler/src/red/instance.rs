//! Series of an instance's entry spans (server, consumer, root), and the series that tell what each instance runs on.

use telemetry::Tenant;
use telemetry::derived::{DeltaValue, SeriesDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::wire::{SpanKind, StatusCode};

use super::delta::{delta, kind_and_status};
use super::resource::Resources;
use super::table::Table;
use super::window::{WINDOW_MS, Windows};
use super::{INSTANCE_DURATION, INSTANCE_INFO};

#[derive(Debug)]
pub(super) struct InstanceSeries {
    resource: u32,
    kind: SpanKind,
    status: StatusCode,
    pub(super) durations: Windows<ExpHistogram>,
}

#[derive(Debug, Default)]
pub(super) struct InstanceTable(Table<InstanceSeries>);

impl InstanceTable {
    pub(super) fn find_or_add(
        &mut self,
        resource: u32,
        kind: SpanKind,
        status: StatusCode,
    ) -> &mut InstanceSeries {
        let key = (resource, kind, status);
        // one number: hashing costs by the piece
        let hash = self
            .0
            .hash(u64::from(resource) << 8 | (kind as u64) << 4 | status as u64);
        let is = |series: &InstanceSeries| (series.resource, series.kind, series.status) == key;
        let found = self.0.find(hash, is);
        let number = found.unwrap_or_else(|| {
            let durations = Windows::default();
            self.0.add(
                hash,
                InstanceSeries {
                    resource,
                    kind,
                    status,
                    durations,
                },
            )
        });
        self.0.get_mut(number)
    }

    /// What the epoch has added to those that are wanted, by tenant, in the order in which they came.
    pub(super) fn deltas<'a>(
        &'a self,
        resources: &'a Resources,
        wanted: &dyn Fn(&Tenant, &str) -> bool,
        into: &mut Vec<(&'a Tenant, SeriesDelta)>,
    ) {
        for series in self.0.iter() {
            let resource = resources.get(series.resource);
            if !wanted(&resource.tenant, INSTANCE_DURATION) {
                continue;
            }
            let mut labels = resource.instance_labels();
            labels.extend(kind_and_status(series.kind, series.status));
            labels.sort_unstable();
            let windows = series
                .durations
                .deltas(|h| DeltaValue::Histogram(h.clone()));
            into.push((&resource.tenant, delta(INSTANCE_DURATION, labels, windows)));
        }
    }
}

/// That the epoch's resources were there, for those that are wanted.
pub(super) fn info<'a>(
    resources: &'a Resources,
    wanted: &dyn Fn(&Tenant, &str) -> bool,
    into: &mut Vec<(&'a Tenant, SeriesDelta)>,
) {
    for resource in resources.all() {
        if !wanted(&resource.tenant, INSTANCE_INFO) {
            continue;
        }
        let seen = resource.seen.iter().map(|&start_unix_ms| WindowDelta {
            start_unix_ms,
            end_unix_ms: start_unix_ms.saturating_add(WINDOW_MS),
            value: DeltaValue::Seen,
        });
        let labels = resource.info_labels(resources.service(resource.service_of()));
        let info = delta(INSTANCE_INFO, labels, seen.collect());
        into.push((&resource.tenant, info));
    }
}
