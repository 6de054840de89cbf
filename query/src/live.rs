//! What is not in a block yet: open, undecided and unsealed traces. `server` implements this over the samplers that own them, in this
//! process or on other nodes; `query` itself knows nothing of samplers (decision 004).

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use telemetry::derived::SeriesDelta;
use telemetry::{RecordTime, Tenant, TraceId};
use trace_store::{Filter, Operation, Sampling};

/// Answers from memory for what the log has and no block has. Every method is cancel-safe: it only reads.
pub trait Live: Send + Sync {
    /// The parts of one trace, in no order; none if the trace is not live.
    fn find<'a>(
        &'a self,
        tenant: &'a Tenant,
        id: TraceId,
    ) -> BoxFuture<'a, Result<Vec<LiveTrace>, LiveError>>;

    /// The `limit` newest live traces that match, by start descending, then id; each with all its live parts.
    fn search<'a>(
        &'a self,
        tenant: &'a Tenant,
        filter: &'a Filter,
        limit: usize,
    ) -> BoxFuture<'a, Result<LivePage, LiveError>>;

    /// Names of services with live spans.
    fn services<'a>(&'a self, tenant: &'a Tenant) -> BoxFuture<'a, Result<Vec<String>, LiveError>>;

    /// Span names of live spans with their kinds; of one service, or of all.
    fn operations<'a>(
        &'a self,
        tenant: &'a Tenant,
        service: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Operation>, LiveError>>;

    /// What spans have added to series of these names and the metrics store may not have yet. A `Live` that counts nothing has nothing to add.
    fn counts<'a>(
        &'a self,
        tenant: &'a Tenant,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<LiveCounts, LiveError>> {
        let _ = (tenant, names);
        std::future::ready(Ok(LiveCounts::default())).boxed()
    }
}

/// What spans have added to series, in epochs that are open or not stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveCounts {
    pub epochs: Vec<LiveEpoch>,
    /// Why something may be missing; none if nothing is.
    pub partial: Option<LivePartial>,
    /// Record time up to which everything accepted is counted here or in derived records; none if not known.
    pub complete_to: Option<RecordTime>,
}

/// What one epoch of a partition of `spans` adds.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveEpoch {
    pub partition: u32,
    /// Where it ended: a store that has applied the partition up to here has all of this. None of the epoch that is going on.
    pub end: Option<u64>,
    /// In order of name, then labels.
    pub series: Vec<SeriesDelta>,
}

impl LiveCounts {
    /// The series that a store lacks which has applied each partition of `spans` up to the offset that `applied` tells.
    pub fn beyond(
        &self,
        applied: impl Fn(u32) -> Option<u64>,
    ) -> impl Iterator<Item = &SeriesDelta> {
        let lacks = move |epoch: &&LiveEpoch| {
            let applied = applied(epoch.partition);
            epoch
                .end
                .is_none_or(|end| applied.is_none_or(|applied| applied < end))
        };
        self.epochs
            .iter()
            .filter(lacks)
            .flat_map(|epoch| &epoch.series)
    }
}

/// One trace, or a late part of one, that is in no block yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveTrace {
    pub id: TraceId,
    /// OTLP `TracesData` with this trace's spans only.
    pub traces_data: Bytes,
    /// Spans that came after the decision.
    pub late: bool,
    pub state: LiveState,
}

/// How far a live trace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveState {
    Undecided,
    /// Decided, and in a block within seconds.
    Kept(Sampling),
    /// Sampled out by this rule; remembered for late spans.
    Dropped(Arc<str>),
}

/// What a live search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LivePage {
    pub traces: Vec<LiveTrace>,
    /// Why something may be missing; none if nothing is.
    pub partial: Option<LivePartial>,
    /// Record time up to which everything accepted is in this answer or in blocks; none if not known.
    pub complete_to: Option<RecordTime>,
}

/// Why a live answer may lack traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LivePartial {
    /// A shard still reads what it must know.
    Lag,
    /// The owner of a partition does not answer.
    Shard,
    /// More than the limit of one look was to be looked at.
    Limit,
}

impl LivePartial {
    /// The word of `X-Tracewell-Partial`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lag => "lag",
            Self::Shard => "shard",
            Self::Limit => "limit",
        }
    }
}

/// Why nothing live can be told. The answer is then a refusal: one may not show half a trace as a whole one.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error("the sampler does not answer: {0}")]
    Unavailable(String),
    #[error("a live trace cannot be read: {0}")]
    Damaged(String),
}
