//! Traces by id and by search, live and stored parts joined. In: a tenant and what is asked. Out: whole traces with their state, in the
//! total order of every answer: start descending, then trace id.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use telemetry::wire::{SpanKind, TraceWalker, TracesView, WalkLimits};
use telemetry::{RecordTime, Tenant, TraceId};
use trace_store::{Filter, Operation, Sampling, SearchQuery, StoredTrace, TraceStore};

use crate::live::{Live, LiveError, LiveState, LiveTrace};
use crate::refusal::{Kind, Refusal};
use crate::work::off_thread;

/// Where traces are read from: what is live, and what is in blocks.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) live: Arc<dyn Live>,
    pub(crate) store: TraceStore,
    /// Bytes of OTLP that one answer may be made of.
    pub(crate) answer_bytes_max: u64,
}

/// One trace as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: TraceId,
    /// OTLP `TracesData`, as it was sent.
    pub(crate) traces_data: Bytes,
    pub(crate) state: State,
    /// Whether a part came after the decision.
    pub(crate) late: bool,
}

/// How far a trace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Undecided,
    Kept(Sampling),
    Dropped(Arc<str>),
}

impl From<LiveState> for State {
    fn from(state: LiveState) -> Self {
        match state {
            LiveState::Undecided => Self::Undecided,
            LiveState::Kept(sampling) => Self::Kept(sampling),
            LiveState::Dropped(rule) => Self::Dropped(rule),
        }
    }
}

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) traces: Vec<Found>,
    pub(crate) marks: Marks,
}

/// What an answer says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Why something may be missing: `lag`, `shard`, `limit`; empty if nothing is.
    pub(crate) partial: Vec<&'static str>,
    /// Record time up to which the answer has everything accepted; none if not known.
    pub(crate) complete_to: Option<RecordTime>,
}

impl Marks {
    /// Those of two parts of one answer.
    pub(crate) fn join(&mut self, other: &Self) {
        let new = other
            .partial
            .iter()
            .filter(|why| !self.partial.contains(why));
        let new: Vec<&'static str> = new.copied().collect();
        self.partial.extend(new);
        self.complete_to = match (self.complete_to, other.complete_to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Whether something that was accepted is not read yet.
    pub(crate) fn is_lagging(&self) -> bool {
        self.partial.contains(&"lag")
    }

    /// Notes that something was left out because it is too much, if that is so.
    pub(crate) fn limited(&mut self, is_limited: bool) {
        if is_limited && !self.partial.contains(&"limit") {
            self.partial.push("limit");
        }
    }
}

impl Sources {
    /// One trace with all its parts. A trace that was sampled out and is still remembered is found as [`State::Dropped`].
    pub(crate) async fn find(
        &self,
        tenant: &Tenant,
        id: TraceId,
    ) -> Result<Option<Found>, Refusal> {
        // Live first: a trace that is written in between is then found twice, which merging mends, and never not at all.
        let live = self.live.find(tenant, id).await?;
        let stored = self.store.find(tenant, id).await.map_err(unreadable)?;
        self.check_size(
            live.iter()
                .map(|part| &part.traces_data)
                .chain(stored.iter().map(|part| &part.traces_data)),
        )?;
        let tenant = tenant.clone();
        off_thread(move || Ok(join(&tenant, live, stored))).await
    }

    /// The newest traces of which one span meets `filter`. Traces that were sampled out are not among them.
    pub(crate) async fn search(
        &self,
        tenant: &Tenant,
        filter: &Filter,
        limit: usize,
    ) -> Result<Page, Refusal> {
        let live = self.live.search(tenant, filter, limit).await?;
        let query = SearchQuery {
            filter: filter.clone(),
            limit,
            cursor: None,
        };
        let stored = self
            .store
            .search(tenant, &query)
            .await
            .map_err(unreadable)?;
        let mut marks = Marks {
            partial: live.partial.iter().map(|why| why.word()).collect(),
            complete_to: live.complete_to,
        };
        marks
            .partial
            .extend(stored.partial.into_iter().flat_map(words));
        marks.partial.sort_unstable();
        marks.partial.dedup();
        let traces = self
            .joined(tenant, live.traces, stored.traces, limit)
            .await?;
        self.check_size(traces.iter().map(|trace| &trace.traces_data))?;
        Ok(Page { traces, marks })
    }

    /// Groups parts by trace, completes those of which only a late part was met, and puts them in order.
    async fn joined(
        &self,
        tenant: &Tenant,
        live: Vec<LiveTrace>,
        stored: Vec<StoredTrace>,
        limit: usize,
    ) -> Result<Vec<Found>, Refusal> {
        let mut parts: BTreeMap<TraceId, Parts> = BTreeMap::new();
        for part in live {
            parts.entry(part.id).or_default().live.push(part);
        }
        for part in stored {
            let of_trace = parts.entry(part.id).or_default();
            of_trace.stored = Some(part);
        }
        for (id, of_trace) in &mut parts {
            // A late part says that the trace itself is older: in a block by now, where the filter may not have met it.
            if of_trace.stored.is_none() && of_trace.live.iter().any(|part| part.late) {
                of_trace.stored = self.store.find(tenant, *id).await.map_err(unreadable)?;
            }
        }
        let tenant = tenant.clone();
        off_thread(move || in_order(&tenant, parts, limit)).await
    }

    fn check_size<'a>(&self, parts: impl Iterator<Item = &'a Bytes>) -> Result<(), Refusal> {
        let bytes: u64 = parts.map(|part| part.len() as u64).sum();
        let max = self.answer_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::TooLarge,
            format!(
                "the answer is made of {bytes} bytes of spans, at most {max} are read; lower the limit"
            ),
        ))
    }

    /// Names of all services, sorted.
    pub(crate) async fn services(&self, tenant: &Tenant) -> Result<Vec<String>, Refusal> {
        let mut services = self.live.services(tenant).await?;
        services.extend(self.store.services(tenant).await.map_err(unreadable)?);
        services.sort_unstable();
        services.dedup();
        Ok(services)
    }

    /// Span names with their kinds, sorted by name; of one service or all, of one kind or all.
    pub(crate) async fn operations(
        &self,
        tenant: &Tenant,
        service: Option<&str>,
        kind: Option<SpanKind>,
    ) -> Result<Vec<Operation>, Refusal> {
        let mut operations = self.live.operations(tenant, service).await?;
        operations.retain(|operation| kind.is_none_or(|kind| operation.kind == kind));
        operations.extend(
            self.store
                .operations(tenant, service, kind)
                .await
                .map_err(unreadable)?,
        );
        operations.sort_by(|a, b| {
            a.name
                .cmp(&b.name)
                .then((a.kind as u32).cmp(&(b.kind as u32)))
        });
        operations.dedup();
        Ok(operations)
    }
}

/// What was met of one trace.
#[derive(Default)]
struct Parts {
    live: Vec<LiveTrace>,
    stored: Option<StoredTrace>,
}

/// The traces whole, start descending, then id; without those that were sampled out.
fn in_order(
    tenant: &Tenant,
    parts: BTreeMap<TraceId, Parts>,
    limit: usize,
) -> Result<Vec<Found>, Refusal> {
    let mut keyed = Vec::with_capacity(parts.len());
    for Parts { live, stored } in parts.into_values() {
        if let Some(found) =
            join(tenant, live, stored).filter(|found| !matches!(found.state, State::Dropped(_)))
        {
            keyed.push((Reverse(start_unix_ns(&found)?), found.id, found));
        }
    }
    keyed.sort_unstable_by_key(|(start, id, _)| (*start, *id));
    keyed.truncate(limit);
    Ok(keyed.into_iter().map(|(_, _, found)| found).collect())
}

/// All parts of one trace as one. Once a trace is kept, parts of it that were dropped (another policy, a rewind) do not come back.
fn join(tenant: &Tenant, live: Vec<LiveTrace>, stored: Option<StoredTrace>) -> Option<Found> {
    let kept = stored
        .iter()
        .map(|part| &part.sampling)
        .chain(live.iter().filter_map(|part| match &part.state {
            LiveState::Kept(sampling) => Some(sampling),
            _ => None,
        }));
    let state = kept
        .cloned()
        .map(State::Kept)
        .next()
        .or_else(|| unkept(&live))?;
    let only_dropped = matches!(state, State::Dropped(_));
    let shown = live
        .into_iter()
        .filter(|part| only_dropped || !matches!(part.state, LiveState::Dropped(_)));
    let parts = stored
        .into_iter()
        .chain(shown.map(|part| as_stored(tenant, part)))
        .collect();
    let merged = trace_store::trace::merge_parts(parts)?;
    Some(Found {
        id: merged.id,
        traces_data: merged.traces_data,
        state,
        late: merged.late,
    })
}

/// Undecided as long as one part is.
fn unkept(live: &[LiveTrace]) -> Option<State> {
    let dropped = live.iter().find_map(|part| match &part.state {
        LiveState::Dropped(rule) => Some(State::Dropped(rule.clone())),
        _ => None,
    });
    if live.iter().any(|part| part.state == LiveState::Undecided) {
        Some(State::Undecided)
    } else {
        dropped
    }
}

fn as_stored(tenant: &Tenant, part: LiveTrace) -> StoredTrace {
    let sampling = match part.state {
        LiveState::Kept(sampling) => sampling,
        // Only for the merge: what is shown comes from `State`.
        LiveState::Undecided | LiveState::Dropped(_) => Sampling {
            rule: Arc::from(""),
            threshold: 0,
            threshold_in: 0,
            p_unknown: false,
            p_estimated: false,
        },
    };
    StoredTrace {
        tenant: tenant.clone(),
        id: part.id,
        traces_data: part.traces_data,
        sampling,
        late: part.late,
    }
}

/// Start of the trace's earliest span; 0 if it has none.
fn start_unix_ns(found: &Found) -> Result<u64, Refusal> {
    with_view(found, |view| {
        view.spans()
            .map(|span| span.start_unix_ns())
            .min()
            .unwrap_or(0)
    })
}

/// Reads the spans of a found trace.
pub(crate) fn with_view<T>(
    found: &Found,
    read: impl FnOnce(&TracesView<'_>) -> T,
) -> Result<T, Refusal> {
    walked(&found.traces_data, read).map_err(|error| {
        Refusal::new(
            Kind::Internal,
            format!("trace {} cannot be read: {error}", found.id),
        )
    })
}

/// Reads the spans of encoded traces that this server made or checked.
pub(crate) fn walked<T>(
    traces_data: &[u8],
    read: impl FnOnce(&TracesView<'_>) -> T,
) -> Result<T, telemetry::wire::WalkError> {
    let mut walker = TraceWalker::new();
    walker
        .walk(traces_data, &WalkLimits::trusted())
        .map(|view| read(&view))
}

/// Why blocks may have more, in the words of `X-Tracewell-Partial`.
fn words(partial: trace_store::Partial) -> impl Iterator<Item = &'static str> {
    partial
        .limit
        .then_some("limit")
        .into_iter()
        .chain((partial.n_damaged > 0).then_some("shard"))
}

fn unreadable(error: impl std::error::Error) -> Refusal {
    tracing::error!(code = "TW3008", "the trace store cannot be read: {error}");
    Refusal::new(
        Kind::Internal,
        format!("the trace store cannot be read: {error}"),
    )
}

impl From<LiveError> for Refusal {
    fn from(error: LiveError) -> Self {
        let kind = match error {
            LiveError::Unavailable(_) => Kind::Unavailable,
            LiveError::Damaged(_) => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
