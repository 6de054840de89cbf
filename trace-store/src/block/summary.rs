//! A trace looked through once: everything that its row says of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashSet;
use telemetry::wire::{SpanView, StatusCode, TraceWalker, TracesView, WalkError, WalkLimits};

use super::draft::{Draft, Spans, flags};
use super::filter_bits::{self, Hashes};
use super::index::Row;
use super::names::NamedOperation;
use super::usage::Usage;
use crate::KeptTrace;
use crate::filter::service_of;
use crate::tags::{self, Level, TagValue};

/// Makes rows of traces. Reuses its memory, and strings that many traces have.
pub(crate) struct Summarizer {
    walker: TraceWalker,
    strings: HashSet<Arc<str>>,
    hashes: Hashes,
    /// A tag, while its hash is taken.
    buffer: Vec<u8>,
}

impl Summarizer {
    pub(crate) fn new() -> Self {
        Self {
            walker: TraceWalker::new(),
            strings: HashSet::new(),
            hashes: Hashes::default(),
            buffer: Vec::new(),
        }
    }

    pub(crate) fn draft(&mut self, trace: &KeptTrace) -> Result<Draft, WalkError> {
        self.draft_seen(trace, |_| {})
    }

    /// Makes the row of a trace, and shows its spans to `see` on the way.
    pub(crate) fn draft_seen(
        &mut self,
        trace: &KeptTrace,
        see: impl FnOnce(&TracesView<'_>),
    ) -> Result<Draft, WalkError> {
        let Self {
            walker,
            strings,
            hashes,
            buffer,
        } = self;
        let view = walker.walk(&trace.traces_data, &WalkLimits::trusted())?;
        see(&view);
        let mut shared = |text: &str| match strings.get(text) {
            Some(string) => Arc::clone(string),
            None => {
                let string: Arc<str> = text.into();
                strings.insert(Arc::clone(&string));
                string
            }
        };
        let mut usages: BTreeMap<(&str, &str, u8), Usage> = BTreeMap::new();
        let mut service = (None, "");
        for span in view.spans() {
            let resource = Some(span.place().resource_spans_start);
            if service.0 != resource {
                service = (resource, service_of(&span));
            }
            let usage = Usage::of(span.duration_ns(), span.status_code());
            let operation = (service.1, span.name(), span.kind() as u8);
            usages
                .entry(operation)
                .and_modify(|known| known.add(usage))
                .or_insert(usage);
        }
        let named = |((service, name, kind), usage)| {
            (
                NamedOperation {
                    service: shared(service),
                    name: shared(name),
                    kind,
                },
                usage,
            )
        };
        let operations = usages.into_iter().map(named).collect();
        hash_tags(&view, hashes, buffer);
        Ok(Draft {
            row: Row {
                id: trace.id,
                threshold: trace.sampling.threshold,
                threshold_in: trace.sampling.threshold_in,
                flags: flags(&trace.sampling, trace.late),
                ..row_of(&view)
            },
            rule: Arc::clone(&trace.sampling.rule),
            root: root_of(&view).map(|root| (shared(service_of(&root)), shared(root.name()))),
            operations,
            filter: filter_bits::build(hashes).into(),
            spans: Spans::Raw(trace.traces_data.clone()),
        })
    }
}

fn row_of(view: &TracesView<'_>) -> Row {
    let mut row = Row {
        start_unix_ns: u64::MAX,
        span_min_ns: u64::MAX,
        ..Row::default()
    };
    for span in view.spans() {
        let duration_ns = span.duration_ns();
        row.start_unix_ns = row.start_unix_ns.min(span.start_unix_ns());
        row.start_last_unix_ns = row.start_last_unix_ns.max(span.start_unix_ns());
        row.end_last_unix_ns = row.end_last_unix_ns.max(span.end_unix_ns());
        row.span_min_ns = row.span_min_ns.min(duration_ns);
        row.span_max_ns = row.span_max_ns.max(duration_ns);
        row.n_spans = row.n_spans.saturating_add(1);
        row.n_errors = row
            .n_errors
            .saturating_add((span.status_code() == StatusCode::Error).into());
        row.kinds |= 1 << span.kind() as u8;
        row.statuses |= 1 << span.status_code() as u8;
    }
    if row.n_spans == 0 {
        (row.start_unix_ns, row.span_min_ns) = (0, 0);
    }
    row
}

/// The earliest span without a parent; of equal ones the first.
fn root_of<'a>(view: &TracesView<'a>) -> Option<SpanView<'a>> {
    view.spans()
        .filter(|span| span.parent_span_id().is_none())
        .min_by_key(SpanView::start_unix_ns)
}

/// Hashes of all tags. Those of a resource or scope are taken once for the spans that follow each other in it.
fn hash_tags(view: &TracesView<'_>, hashes: &mut Hashes, buffer: &mut Vec<u8>) {
    hashes.clear();
    let mut before = None;
    for span in view.spans() {
        let place = span.place();
        let mut add = |key: &[u8], value: TagValue<'_>| {
            hashes.add(tags::hash(key, value, buffer));
            ControlFlow::Continue(())
        };
        let here = (place.resource_spans_start, place.scope_spans_start);
        let levels: &[Level] = match before {
            Some(there) if there == here => &[Level::Span],
            Some((resource, _)) if resource == here.0 => &[Level::Span, Level::Scope],
            _ => &[Level::Span, Level::Scope, Level::Resource],
        };
        let added = levels
            .iter()
            .try_for_each(|level| tags::each_of(*level, &span, &mut add));
        debug_assert!(added.is_continue(), "adding never breaks");
        before = Some(here);
    }
}
