//! A trace in a few numbers, as lists of traces show it.

use std::collections::BTreeMap;

use telemetry::TraceId;
use telemetry::wire::{StatusCode, TracesView};
use trace_store::filter::service_of;

use super::{facts, tree};

/// What a list shows of one trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) id: TraceId,
    /// Service and name of the root span; of the earliest span that hangs below nothing if there is no true root.
    pub(crate) root_service: String,
    pub(crate) root_operation: String,
    /// Start of the earliest span and end of the latest.
    pub(crate) start_unix_ns: u64,
    pub(crate) end_unix_ns: u64,
    pub(crate) n_spans: u32,
    pub(crate) n_errors: u32,
    /// Spans whose parent is not in the trace.
    pub(crate) n_orphans: u32,
    /// By name.
    pub(crate) services: BTreeMap<String, OfService>,
}

/// The spans of one service in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OfService {
    pub(crate) n_spans: u32,
    pub(crate) n_errors: u32,
}

impl Summary {
    pub(crate) fn of(id: TraceId, view: &TracesView<'_>) -> Self {
        let links = facts::links(view);
        let places = tree::places(&links);
        let root = tree::root(&links, &places).map(|index| view.span(index));
        let mut summary = Self {
            id,
            root_service: root
                .as_ref()
                .map_or_else(String::new, |root| service_of(root).to_owned()),
            root_operation: root
                .as_ref()
                .map_or_else(String::new, |root| root.name().to_owned()),
            start_unix_ns: links
                .iter()
                .map(|link| link.start_unix_ns)
                .min()
                .unwrap_or(0),
            end_unix_ns: 0,
            n_spans: links.len() as u32,
            n_errors: 0,
            n_orphans: places
                .iter()
                .filter(|place| **place == tree::Place::Orphan)
                .count() as u32,
            services: BTreeMap::new(),
        };
        for span in view.spans() {
            let n_errors = u32::from(span.status_code() == StatusCode::Error);
            let end = span.end_unix_ns().max(span.start_unix_ns());
            summary.end_unix_ns = summary.end_unix_ns.max(end);
            summary.n_errors += n_errors;
            let service = summary
                .services
                .entry(service_of(&span).to_owned())
                .or_default();
            service.n_spans += 1;
            service.n_errors += n_errors;
        }
        summary
    }
}
