//! One trace of the shop: a tree of exactly as many spans as asked for, each with the instance that reports it.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::attributes;
use super::shop::{ENTRY, INSTANCES, SERVICES};
use crate::rng::Rng;

/// A span and who reports it.
pub(crate) struct Reported {
    /// `service * INSTANCES + instance`.
    pub(crate) reporter: usize,
    pub(crate) span: Span,
}

/// An interval of time, in ns.
#[derive(Clone, Copy)]
struct Interval {
    start_ns: u64,
    end_ns: u64,
}

struct Tree<'a> {
    rng: &'a mut Rng,
    trace_id: [u8; 16],
    /// Which instance of each service takes part.
    instance: usize,
    failed: bool,
    spans: Vec<Reported>,
}

/// Makes a trace of `n_spans` (at least 1) that begins at `start_unix_ns`. Its spans are in the order in which they begin.
pub(crate) fn grow(rng: &mut Rng, start_unix_ns: u64, n_spans: usize) -> Vec<Reported> {
    let duration_ns = 2_000_000 + rng.below(60_000_000) * n_spans as u64 / 8;
    let trace_id = rng.id_16();
    let instance = rng.index(INSTANCES);
    let failed = rng.percent(3);
    let mut tree = Tree {
        rng,
        trace_id,
        instance,
        failed,
        spans: Vec::with_capacity(n_spans),
    };
    let whole = Interval {
        start_ns: start_unix_ns,
        end_ns: start_unix_ns + duration_ns,
    };
    let route = *tree.rng.pick(SERVICES[ENTRY].routes);
    tree.serve(ENTRY, route, None, whole, n_spans);
    tree.spans
}

impl Tree<'_> {
    /// `service` answers a request with `budget` spans, its own among them.
    fn serve(
        &mut self,
        service_idx: usize,
        route: (&str, &str),
        parent: Option<[u8; 8]>,
        during: Interval,
        budget: usize,
    ) {
        let service = &SERVICES[service_idx];
        let failed = self.failed && (parent.is_none() || self.rng.percent(20));
        let status = if failed { 500 } else { 200 };
        let attributes = attributes::server(self.rng, service, route, status);
        let name = format!("{} {}", route.0, route.1);
        let id = self.report(
            service_idx,
            name,
            SpanKind::Server,
            parent,
            during,
            attributes,
            failed,
        );

        let mut left = budget - 1;
        let mut cursor = during;
        while left > 0 {
            let within = self.part_of(&mut cursor, left);
            left -= self.work(service_idx, id, within, left);
        }
    }

    /// One step of a service's work, of at most `budget` spans. Says how many it took.
    fn work(
        &mut self,
        service_idx: usize,
        parent: [u8; 8],
        during: Interval,
        budget: usize,
    ) -> usize {
        let service = &SERVICES[service_idx];
        let roll = self.rng.below(100);
        if roll < 55 && budget >= 2 && !service.calls.is_empty() {
            let share = 2 + self.rng.index(budget - 1);
            let callee_idx = *self.rng.pick(service.calls);
            self.call(service_idx, callee_idx, parent, during, share);
            return share;
        }
        match &service.database {
            Some(database) if roll < 75 => {
                let table = *self.rng.pick(database.tables);
                let verb = *self
                    .rng
                    .pick(&["SELECT", "SELECT", "SELECT", "INSERT", "UPDATE"]);
                let attributes = attributes::database(self.rng, database, table, verb);
                let name = format!("{verb} {}.{table}", database.namespace);
                self.report(
                    service_idx,
                    name,
                    SpanKind::Client,
                    Some(parent),
                    during,
                    attributes,
                    false,
                );
            }
            _ => {
                let function = *self.rng.pick(service.functions);
                let attributes = attributes::internal(self.rng, service, function);
                self.report(
                    service_idx,
                    function.to_owned(),
                    SpanKind::Internal,
                    Some(parent),
                    during,
                    attributes,
                    false,
                );
            }
        }
        1
    }

    /// A call from one service to another: `budget` (at least 2) spans, that of the caller among them.
    fn call(
        &mut self,
        service_idx: usize,
        callee_idx: usize,
        parent: [u8; 8],
        during: Interval,
        budget: usize,
    ) {
        let callee = &SERVICES[callee_idx];
        let route = *self.rng.pick(callee.routes);
        let attributes = attributes::client(self.rng, callee, route, 200);
        let id = self.report(
            service_idx,
            route.0.to_owned(),
            SpanKind::Client,
            Some(parent),
            during,
            attributes,
            false,
        );
        let wire_ns = (during.end_ns - during.start_ns) / 16;
        let inner = Interval {
            start_ns: during.start_ns + wire_ns,
            end_ns: during.end_ns - wire_ns,
        };
        self.serve(callee_idx, route, Some(id), inner, budget - 1);
    }

    /// The next part of what is left of `cursor`, which `n_left` spans still share.
    fn part_of(&mut self, cursor: &mut Interval, n_left: usize) -> Interval {
        let free_ns = cursor.end_ns - cursor.start_ns;
        let gap_ns = self.rng.below(free_ns / 16 + 1);
        let length_ns = self.rng.below(2 * free_ns / (n_left as u64 + 2) + 1);
        let start_ns = cursor.start_ns + gap_ns;
        let end_ns = (start_ns + length_ns).min(cursor.end_ns);
        cursor.start_ns = end_ns;
        Interval { start_ns, end_ns }
    }

    #[expect(clippy::too_many_arguments, reason = "what a span is made of")]
    fn report(
        &mut self,
        service_idx: usize,
        name: String,
        kind: SpanKind,
        parent: Option<[u8; 8]>,
        during: Interval,
        attributes: Vec<KeyValue>,
        failed: bool,
    ) -> [u8; 8] {
        let span_id = self.rng.id_8();
        let service = &SERVICES[service_idx];
        let event = || Event {
            time_unix_nano: during.end_ns,
            name: "exception".to_owned(),
            attributes: attributes::exception(service),
            ..Event::default()
        };
        let span = Span {
            trace_id: self.trace_id.to_vec(),
            span_id: span_id.to_vec(),
            parent_span_id: parent.map(|id| id.to_vec()).unwrap_or_default(),
            flags: 0x101,
            name,
            kind: kind.into(),
            start_time_unix_nano: during.start_ns,
            end_time_unix_nano: during.end_ns,
            attributes,
            events: failed.then(event).into_iter().collect(),
            status: failed.then(|| Status {
                code: StatusCode::Error.into(),
                message: "upstream timeout".to_owned(),
            }),
            ..Span::default()
        };
        self.spans.push(Reported {
            reporter: service_idx * INSTANCES + self.instance,
            span,
        });
        span_id
    }
}
