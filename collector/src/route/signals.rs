//! What differs from signal to signal: how a request is walked, and by what it is routed.

use bus::Partition;
use telemetry::wire::{
    MetricLimits, MetricRegroup, MetricsWalker, Regroup, RejectedPoints, TraceWalker, WalkError,
    WalkLimits, WriteRegroup, WriteWalker,
};
use telemetry::{Tenant, partition_of, partition_of_hash};

use super::RECORD_BYTES_MAX;
use super::records::Records;
use crate::admit::Reserved;
use crate::answer::{Accepted, Refusal};

/// Walkers and regroupers, used again from request to request.
#[derive(Default)]
pub(super) struct Signals {
    traces: TraceWalker,
    regroup: Regroup,
    metrics: MetricsWalker,
    regroup_metrics: MetricRegroup,
    writes: WriteWalker,
    regroup_writes: WriteRegroup,
}

/// Where the records of a request go.
pub(super) struct Out<'r> {
    pub(super) tenant: &'r Tenant,
    pub(super) n_partitions: u32,
    pub(super) records: &'r mut Records,
    pub(super) reserved: &'r mut Reserved,
}

impl Signals {
    /// Spans, by trace id.
    pub(super) fn traces(
        &mut self,
        bytes: &[u8],
        limits: &WalkLimits,
        out: Out<'_>,
    ) -> Result<Accepted, Refusal> {
        let view = self
            .traces
            .walk(bytes, limits)
            .map_err(|error| refused_by_walk(error, "spans, or messages around them"))?;
        self.regroup.regroup(
            &view,
            out.n_partitions,
            |span| partition_of(out.tenant, span.trace_id(), out.n_partitions),
            RECORD_BYTES_MAX,
            |partition, n_spans, payload| {
                out.records
                    .push(Partition(partition), n_spans, payload, out.reserved);
            },
        );
        Ok(Accepted {
            n_accepted: out.records.n_items(),
            n_rejected: view.rejected().n_spans,
            message: view.rejected().reason.clone(),
            ..Accepted::default()
        })
    }

    /// Points, by what tells their resource from others.
    pub(super) fn metrics(
        &mut self,
        bytes: &[u8],
        limits: &MetricLimits,
        out: Out<'_>,
    ) -> Result<Accepted, Refusal> {
        let view = self
            .metrics
            .walk(bytes, limits)
            .map_err(|error| refused_by_walk(error, "data points, or messages around them"))?;
        self.regroup_metrics.regroup(
            &view,
            |identity| partition_of_hash(out.tenant, identity, out.n_partitions),
            RECORD_BYTES_MAX,
            |partition, n_points, payload| {
                out.records
                    .push(Partition(partition), n_points, payload, out.reserved);
            },
        );
        Ok(accepted(out.records, view.rejected()))
    }

    /// Samples of remote write, by their series.
    pub(super) fn remote_write(
        &mut self,
        bytes: &[u8],
        limits: &MetricLimits,
        out: Out<'_>,
    ) -> Result<Accepted, Refusal> {
        let view = self
            .writes
            .walk(bytes, limits)
            .map_err(|error| refused_by_walk(error, "samples, or series around them"))?;
        self.regroup_writes.regroup(
            &view,
            |identity| partition_of_hash(out.tenant, identity, out.n_partitions),
            RECORD_BYTES_MAX,
            |partition, n_points, payload| {
                out.records
                    .push(Partition(partition), n_points, payload, out.reserved);
            },
        );
        Ok(accepted(out.records, view.rejected()))
    }
}

fn accepted(records: &Records, rejected: &RejectedPoints) -> Accepted {
    Accepted {
        n_accepted: records.n_items(),
        n_rejected: rejected.n_points(),
        message: rejected.reason().to_owned(),
        n_attributes_dropped: rejected.n_attributes,
        n_exemplars_dropped: rejected.n_exemplars,
    }
}

fn refused_by_walk(error: WalkError, items: &'static str) -> Refusal {
    match error {
        WalkError::Malformed(text) => malformed_at(text),
        WalkError::TooManyItems { spans_max } => Refusal::TooLarge {
            what: items,
            amount: u64::from(spans_max) + 1,
            limit: "limits.items_max",
            max: spans_max.into(),
        },
        WalkError::TooLarge { n_bytes } => Refusal::TooLarge {
            what: "body once decompressed in bytes",
            amount: n_bytes as u64,
            limit: "of 32-bit positions",
            max: u32::MAX.into(),
        },
    }
}

/// Takes the path of the field and the problem apart.
pub(super) fn malformed_at(text: String) -> Refusal {
    match text.rsplit_once(": ") {
        Some((path, problem)) => Refusal::malformed(path.to_owned(), problem),
        None => Refusal::malformed("body", text),
    }
}
