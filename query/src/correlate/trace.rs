//! What is read of a trace: who its spans are of, who called them at which address, and its critical path. In: a view. Out: facts that own what they say. Pure.

use std::collections::{BTreeSet, HashMap};

use telemetry::entity::{Identity, Peer};
use telemetry::wire::{SpanKind, SpanView, TracesView};

use super::critical::{Timed, path};
use super::lane::Under;
use crate::trace::{facts, tree};

/// Spans that begin further from the root than this say nothing of when the trace was: their clocks are wrong.
const APART_NS_MAX: u64 = 3_600_000_000_000;

/// What correlation knows of a trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) start_unix_ns: u64,
    pub(super) end_unix_ns: u64,
    pub(super) resources: Vec<Resource>,
    /// The critical path, each stretch with its resource.
    pub(super) critical: Vec<(usize, Under)>,
}

/// A resource of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Resource {
    pub(super) identity: Identity,
    /// Addresses at which callers reached its spans.
    pub(super) called_at: BTreeSet<String>,
}

impl Facts {
    /// None for a trace without a span.
    pub(super) fn of(view: &TracesView<'_>) -> Option<Self> {
        let links = facts::links(view);
        let places = tree::places(&links);
        let root = tree::root(&links, &places)?;
        let spans: Vec<SpanView<'_>> = view.spans().collect();
        let timed: Vec<Timed> = spans.iter().map(timed).collect();
        let (mut resources, of_span) = resources(&spans);
        for (idx, place) in places.iter().enumerate() {
            let tree::Place::Under(parent) = place else {
                continue;
            };
            let (Some(&own), Some(&callers), Some(caller)) =
                (of_span.get(idx), of_span.get(*parent), spans.get(*parent))
            else {
                continue;
            };
            if own != callers
                && let Some(address) = peer(caller).network_address()
                && let Some(resource) = resources.get_mut(own)
            {
                resource.called_at.insert(address.to_owned());
            }
        }
        let under = |span: usize, from_unix_ns: u64, to_unix_ns: u64| {
            let under = Under {
                span: spans.get(span)?.span_id(),
                from_unix_ns,
                to_unix_ns,
            };
            Some((*of_span.get(span)?, under))
        };
        let critical = path(&timed, &places, root).into_iter();
        let critical = critical
            .filter_map(|at| under(at.span, at.from_unix_ns, at.to_unix_ns))
            .collect();
        let (start_unix_ns, end_unix_ns) = extent(&timed, timed.get(root)?);
        Some(Self {
            start_unix_ns,
            end_unix_ns,
            resources,
            critical,
        })
    }
}

fn timed(span: &SpanView<'_>) -> Timed {
    Timed {
        start_unix_ns: span.start_unix_ns(),
        end_unix_ns: span.end_unix_ns().max(span.start_unix_ns()),
        is_detached: span.kind() == SpanKind::Consumer,
    }
}

fn peer(span: &SpanView<'_>) -> Peer {
    let pairs = span.attributes();
    Peer::of(pairs.map(|(key, value)| (key, value.text())))
}

/// Each resource once, and which is whose.
fn resources(spans: &[SpanView<'_>]) -> (Vec<Resource>, Vec<usize>) {
    let mut known: HashMap<Option<&[u8]>, usize> = HashMap::new();
    let mut resources = Vec::new();
    let mut of_span = Vec::with_capacity(spans.len());
    for span in spans {
        let resource = span.resource();
        let idx = *known.entry(resource.bytes()).or_insert_with(|| {
            let pairs = resource.attributes();
            resources.push(Resource {
                identity: Identity::of(pairs.map(|(key, value)| (key, value.text()))),
                called_at: BTreeSet::new(),
            });
            resources.len() - 1
        });
        of_span.push(idx);
    }
    (resources, of_span)
}

/// From the first start to the last end, of spans near the root.
fn extent(spans: &[Timed], root: &Timed) -> (u64, u64) {
    let near = |span: &&Timed| {
        span.start_unix_ns.abs_diff(root.start_unix_ns) <= APART_NS_MAX
            && span.end_unix_ns.saturating_sub(span.start_unix_ns) <= APART_NS_MAX
    };
    let near = spans.iter().filter(near);
    near.fold(
        (root.start_unix_ns, root.end_unix_ns),
        |(start, end), span| (start.min(span.start_unix_ns), end.max(span.end_unix_ns)),
    )
}
