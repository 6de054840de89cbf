//! Spans of a service as kept and open traces have them: what counts stand for. In: a search. Out: spans with what tells them apart, a bounded number of them.

use telemetry::entity::Identity;
use telemetry::semconv::{SERVICE_INSTANCE_ID, SERVICE_VERSION, UNKNOWN_SERVICE};
use telemetry::wire::{SpanView, StatusCode};
use telemetry::{SpanId, Tenant, TraceId, span_name};
use trace_store::Filter;
use trace_store::filter::{NO_SERVICE_NAME, service_of};

use super::fault::Fault;
use crate::Query;
use crate::api::own::Sampled;
use crate::map::range::Range;
use crate::map::spans::By;
use crate::refusal::{Kind, Refusal};
use crate::trace::facts;
use crate::trace::found::{Found, Marks, State, with_view};
use crate::work::off_thread;

/// Traces that one search looks at; fewer where they are too large to be read together.
const TRACES: [usize; 3] = [300, 60, 12];
/// Spans of one trace that are looked at, in its order.
const SPANS_OF_TRACE_MAX: usize = 1_000;

/// By what spans are put together: operation, kind, and what was asked for.
pub(super) type Key = Vec<String>;

/// One span of the service.
#[derive(Debug)]
pub(super) struct Seen {
    /// As in the series of spans: the name without ids.
    pub(super) key: Key,
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) start_unix_ns: u64,
    pub(super) end_unix_ns: u64,
    pub(super) duration_s: f64,
    pub(super) fault: Option<Fault>,
    /// How many spans it stands for.
    pub(super) weight: f64,
    /// What sampling says of its trace.
    pub(super) sampled: Sampled,
}

/// What a search is for.
pub(super) struct Wanted<'a> {
    pub(super) service: &'a str,
    /// None for every one.
    pub(super) env: Option<&'a str>,
    pub(super) by: By,
    pub(super) range: Range,
    pub(super) status: Option<StatusCode>,
    pub(super) duration_min_ns: Option<u64>,
}

impl Wanted<'_> {
    fn filter(&self) -> Filter {
        let ns = |ms: i64| u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000);
        let service = match self.service {
            UNKNOWN_SERVICE => NO_SERVICE_NAME,
            named => named,
        };
        Filter {
            service: Some(service.to_owned()),
            start_min_unix_ns: Some(ns(self.range.from_ms)),
            start_max_unix_ns: Some(ns(self.range.to_ms).saturating_sub(1)),
            status: self.status,
            duration_min_ns: self.duration_min_ns,
            ..Filter::default()
        }
    }
}

/// Every span that is wanted in the newest traces that have one; true if there are more traces than were looked at.
pub(super) async fn seen(
    query: &Query,
    tenant: &Tenant,
    wanted: &Wanted<'_>,
    marks: &mut Marks,
) -> Result<(Vec<Seen>, bool), Refusal> {
    let filter = wanted.filter();
    let mut too_large = None;
    for limit in TRACES {
        let page = match query.0.sources.search(tenant, &filter, limit).await {
            Err(refusal) if refusal.kind == Kind::TooLarge => {
                too_large = Some(refusal);
                continue;
            }
            found => found?,
        };
        marks.join(&page.marks);
        let has_more = page.traces.len() >= limit;
        let (by, env) = (wanted.by, wanted.env.map(str::to_owned));
        let spans = off_thread(move || {
            let mut spans = Vec::new();
            for trace in &page.traces {
                add_spans(trace, &filter, env.as_deref(), by, &mut spans)?;
            }
            Ok(spans)
        })
        .await?;
        return Ok((spans, has_more));
    }
    Err(too_large.unwrap_or_else(|| Refusal::new(Kind::TooLarge, "traces are too large")))
}

fn add_spans(
    trace: &Found,
    filter: &Filter,
    env: Option<&str>,
    by: By,
    into: &mut Vec<Seen>,
) -> Result<(), Refusal> {
    let weight = match &trace.state {
        State::Kept(sampling) => facts::adjusted_count(sampling),
        State::Undecided | State::Dropped(_) => 1.0,
    };
    with_view(trace, |view| {
        let is_there = |span: &SpanView<'_>| env.is_none_or(|env| environment(span) == env);
        let spans = view.spans().filter(|span| filter.matches_span(span));
        let spans = spans.filter(is_there);
        for span in spans.take(SPANS_OF_TRACE_MAX) {
            into.push(Seen::of(trace, &span, weight, by));
        }
    })
}

impl Seen {
    fn of(trace: &Found, span: &SpanView<'_>, weight: f64, by: By) -> Self {
        Self {
            key: by.iter().map(|label| value_of(span, label)).collect(),
            trace: trace.id,
            span: span.span_id(),
            start_unix_ns: span.start_unix_ns(),
            end_unix_ns: span.end_unix_ns(),
            duration_s: span.duration_ns() as f64 / 1e9,
            fault: (span.status_code() == StatusCode::Error).then(|| Fault::of(span)),
            weight,
            sampled: Sampled::of(trace),
        }
    }
}

fn environment(span: &SpanView<'_>) -> String {
    let resource = span.resource();
    let pairs = resource
        .attributes()
        .map(|(key, value)| (key, value.text()));
    Identity::of(pairs).environment().to_owned()
}

/// What a series of spans has as a label.
fn value_of(span: &SpanView<'_>, label: &str) -> String {
    let of_resource = |attribute: &str| {
        let found = span
            .resource()
            .attributes()
            .find(|(key, _)| *key == attribute);
        found.map_or_else(String::new, |(_, value)| value.text().into_owned())
    };
    match label {
        "span_name" => {
            let mut normal = String::new();
            span_name::write_normal(span.name(), &mut normal);
            normal
        }
        "span_kind" => span.kind().protobuf_name().to_owned(),
        "service_version" => of_resource(SERVICE_VERSION),
        "service_instance_id" => of_resource(SERVICE_INSTANCE_ID),
        "deployment_environment" => environment(span),
        "service_name" => service_of(span).to_owned(),
        _ => String::new(),
    }
}
