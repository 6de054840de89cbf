//! What queries see of traces that are in no block, from the shards in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bus::Bus;
use futures::FutureExt;
use futures::future::BoxFuture;
use query::{Live, LiveCounts, LiveEpoch, LiveError, LivePage, LivePartial, LiveState, LiveTrace};
use sampler::run::AssembleError;
use sampler::shard::LiveState as ShardState;
use sampler::{LiveCounted, LiveLook, LivePart, LiveShards};
use telemetry::semconv::UNKNOWN_SERVICE;
use telemetry::wire::{SpanKind, TraceWalker, TracesView, WalkLimits};
use telemetry::{Tenant, TraceId};
use trace_store::{Filter, Operation};

/// The shards of this process.
#[derive(Clone)]
pub(crate) struct LocalLive(pub(crate) LiveShards<Bus>);

impl Live for LocalLive {
    fn find<'a>(
        &'a self,
        tenant: &'a Tenant,
        id: TraceId,
    ) -> BoxFuture<'a, Result<Vec<LiveTrace>, LiveError>> {
        async move {
            let look = self.0.find(tenant, id).await.map_err(refused)?;
            if look.lagging {
                return Err(LiveError::Unavailable(
                    "the partition of this trace is being taken over".to_owned(),
                ));
            }
            Ok(look.parts.into_iter().map(trace).collect())
        }
        .boxed()
    }

    fn search<'a>(
        &'a self,
        tenant: &'a Tenant,
        filter: &'a Filter,
        limit: usize,
    ) -> BoxFuture<'a, Result<LivePage, LiveError>> {
        async move {
            let (from, to) = (
                filter.start_min_unix_ns.unwrap_or(0),
                filter.start_max_unix_ns.unwrap_or(u64::MAX),
            );
            let look = self.0.look(tenant, from, to).await.map_err(refused)?;
            let filter = filter.clone();
            off_thread(move || newest_matching(look, &filter, limit)).await
        }
        .boxed()
    }

    fn services<'a>(&'a self, tenant: &'a Tenant) -> BoxFuture<'a, Result<Vec<String>, LiveError>> {
        async move {
            let look = self.0.look(tenant, 0, u64::MAX).await.map_err(refused)?;
            off_thread(move || {
                let mut services = BTreeSet::new();
                each_span(&look.parts, |service, _, _| {
                    services.extend([service.to_owned()])
                })?;
                Ok(services.into_iter().collect())
            })
            .await
        }
        .boxed()
    }

    fn operations<'a>(
        &'a self,
        tenant: &'a Tenant,
        service: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Operation>, LiveError>> {
        async move {
            let look = self.0.look(tenant, 0, u64::MAX).await.map_err(refused)?;
            let wanted = service.map(str::to_owned);
            off_thread(move || {
                let mut operations: BTreeMap<(String, u32), SpanKind> = BTreeMap::new();
                each_span(&look.parts, |service, name, kind| {
                    if wanted.as_deref().is_none_or(|wanted| wanted == service) {
                        operations.insert((name.to_owned(), kind as u32), kind);
                    }
                })?;
                Ok(operations
                    .into_iter()
                    .map(|((name, _), kind)| Operation { name, kind })
                    .collect())
            })
            .await
        }
        .boxed()
    }

    fn counts<'a>(
        &'a self,
        tenant: &'a Tenant,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<LiveCounts, LiveError>> {
        let (shards, tenant) = (self.0.clone(), tenant.clone());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        off_thread(move || {
            let is_wanted = |name: &str| names.iter().any(|wanted| wanted == name);
            Ok(counts(shards.counts(&tenant, &is_wanted)))
        })
        .boxed()
    }
}

fn counts(counted: LiveCounted) -> LiveCounts {
    let epochs = counted.epochs.into_iter().map(|epoch| LiveEpoch {
        partition: epoch.partition.0,
        end: epoch.end.map(|end| end.0),
        series: epoch.series,
    });
    LiveCounts {
        epochs: epochs.collect(),
        partial: counted.lagging.then_some(LivePartial::Lag),
        complete_to: counted.complete_to,
    }
}

/// Walking many traces takes longer than an async thread may be held.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LiveError> + Send + 'static,
) -> Result<T, LiveError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| LiveError::Unavailable(error.to_string()))?
}

fn refused(error: AssembleError) -> LiveError {
    match error {
        AssembleError::NoSpan { .. } => LiveError::Damaged(error.to_string()),
        AssembleError::Log(_) | AssembleError::Task(_) => LiveError::Unavailable(error.to_string()),
    }
}

fn trace(part: LivePart) -> LiveTrace {
    let state = match part.state {
        ShardState::Undecided => LiveState::Undecided,
        ShardState::Kept(sampling) => LiveState::Kept(sampling),
    };
    LiveTrace {
        id: part.id,
        traces_data: part.traces_data,
        late: part.late,
        state,
    }
}

fn walked<'a>(
    walker: &'a mut TraceWalker,
    part: &'a LivePart,
) -> Result<TracesView<'a>, LiveError> {
    walker
        .walk(&part.traces_data, &WalkLimits::trusted())
        .map_err(|error| LiveError::Damaged(error.to_string()))
}

/// The newest `limit` traces of which one part matches, with all their parts.
fn newest_matching(look: LiveLook, filter: &Filter, limit: usize) -> Result<LivePage, LiveError> {
    let mut walker = TraceWalker::new();
    let mut found: BTreeMap<TraceId, (bool, u64, Vec<LivePart>)> = BTreeMap::new();
    for part in look.parts {
        let view = walked(&mut walker, &part)?;
        let start_unix_ns = view
            .spans()
            .map(|span| span.start_unix_ns())
            .min()
            .unwrap_or(u64::MAX);
        let matches = filter.matches(&view);
        let trace = found
            .entry(part.id)
            .or_insert((false, u64::MAX, Vec::new()));
        trace.0 |= matches;
        trace.1 = trace.1.min(start_unix_ns);
        trace.2.push(part);
    }
    let mut matching: Vec<_> = found
        .into_iter()
        .filter(|(_, (matches, ..))| *matches)
        .collect();
    matching.sort_by(|(a_id, (_, a, _)), (b_id, (_, b, _))| b.cmp(a).then(a_id.cmp(b_id)));
    matching.truncate(limit);
    let partial = match (look.lagging, look.cut) {
        (true, _) => Some(LivePartial::Lag),
        (false, true) => Some(LivePartial::Limit),
        (false, false) => None,
    };
    let traces = matching
        .into_iter()
        .flat_map(|(_, (.., parts))| parts)
        .map(trace)
        .collect();
    Ok(LivePage {
        traces,
        partial,
        complete_to: look.complete_to,
    })
}

/// Calls `see` with service, name and kind of every span.
fn each_span(
    parts: &[LivePart],
    mut see: impl FnMut(&str, &str, SpanKind),
) -> Result<(), LiveError> {
    let mut walker = TraceWalker::new();
    for part in parts {
        for span in walked(&mut walker, part)?.spans() {
            see(
                span.resource().service_name().unwrap_or(UNKNOWN_SERVICE),
                span.name(),
                span.kind(),
            );
        }
    }
    Ok(())
}

/// A `Live` is shared by all queries.
impl LocalLive {
    pub(crate) fn shared(&self) -> Arc<dyn Live> {
        Arc::new(self.clone())
    }
}
