//! Edges, worked out from the log by another way than the shard's: every trace is kept, so that it is known which spans were there when it was decided, and
//! who belongs to whom is looked for span by span.

use std::collections::BTreeMap;

use bus::machine::Machine;
use bus::{Kind, Offset, Record};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use sampler::control::Control;
use sampler::{SealedEpoch, Shard};
use telemetry::wire::{SpanView, span_at};

use crate::red::{attribute, duration_ns, number, service_of, weight, window_of};
use crate::told::{Key, Said, Told, labels};

/// Series that this tells of. Not of late ends: they are in no trace that was decided.
pub(crate) fn is_edge(name: &str) -> bool {
    name.starts_with("traces_service_graph_") && name != "traces_service_graph_dropped_spans_total"
}

/// Whether the edges of a run are what the traces of the same log say when everything is kept.
pub(crate) fn check_edges(log: &[Record], told: &Told, mut keeping: Shard) -> Result<(), String> {
    let log: Vec<Record> = log.iter().map(all_kept).collect();
    let mut kept = Vec::new();
    for record in &log {
        kept.extend(keeping.apply(record).map_err(|error| error.to_string())?);
    }
    let mut said = Said::default();
    say(&log, &kept, &mut said)?;
    told.of(is_edge).is_what(&said)
}

/// A policy of the same limits that keeps everything.
fn all_kept(record: &Record) -> Record {
    let mut record = record.clone();
    if record.header.kind == Kind::Control
        && let Ok(Control::Policy { revision, text }) = Control::decode(&record.payload)
    {
        let (limits, _) = text.split_once("rules = [").expect("the traffic's policy");
        let limits = limits.replace("unmatched = \"drop\"", "unmatched = \"keep\"");
        let text = &format!("{limits}rules = []");
        record.payload = Control::Policy { revision, text }.encode();
    }
    record
}

/// What every trace says that was decided, of a log whose traces are all kept.
pub(crate) fn say(log: &[Record], kept: &[SealedEpoch], said: &mut Said) -> Result<(), String> {
    let records: BTreeMap<Offset, &Record> =
        log.iter().map(|record| (record.offset, record)).collect();
    for trace in kept.iter().flat_map(|epoch| &epoch.kept) {
        if trace.late {
            continue;
        }
        let mut ends = Vec::new();
        for at in trace.spans.iter() {
            let record = records.get(&at.offset).ok_or("no such record")?;
            let found = span_at(&record.payload, at.place).map_err(|error| error.to_string())?;
            ends.push(End::of(record, &found.view())?);
        }
        say_trace(&trace.tenant.to_string(), &ends, said);
    }
    Ok(())
}

/// A span, who sent it, and the window it counts in.
struct End {
    span: Span,
    service: String,
    window_ms: i64,
}

impl End {
    fn of(record: &Record, view: &SpanView<'_>) -> Result<Self, String> {
        let span = Span::decode(view.bytes()).map_err(|error| error.to_string())?;
        let resource = view.resource().bytes().unwrap_or_default();
        let resource = Resource::decode(resource).map_err(|error| error.to_string())?;
        Ok(Self {
            window_ms: window_of(record, &span),
            service: service_of(&resource).to_owned(),
            span,
        })
    }

    fn is_client(&self) -> bool {
        self.span.kind == 3
    }

    fn is_producer(&self) -> bool {
        self.span.kind == 4
    }

    fn is_consumer(&self) -> bool {
        self.span.kind == 5
    }

    fn weight(&self) -> f64 {
        weight(&self.span.trace_state)
    }

    fn text(&self, key: &str) -> &str {
        attribute(&self.span.attributes, key)
    }

    fn queue(&self) -> &str {
        self.text("messaging.destination.name")
    }

    /// An error, or to a client that says nothing of itself an answer of HTTP that is one.
    fn has_failed(&self) -> bool {
        let code = self.span.status.as_ref().map_or(0, |status| status.code);
        let http = number(&self.span.attributes, "http.response.status_code");
        code == 2 || (code == 0 && self.is_client() && http >= Some(400))
    }

    /// The node of the database that a client names.
    fn database(&self) -> Option<String> {
        let system = self.text("db.system.name");
        let names = [
            self.text("peer.service"),
            self.text("server.address"),
            system,
        ];
        let name = names.into_iter().find(|name| !name.is_empty())?;
        (!system.is_empty()).then(|| name.to_owned())
    }

    /// Who else a client names.
    fn other(&self) -> Option<String> {
        let port = number(&self.span.attributes, "server.port");
        let address = match (self.text("server.address"), port) {
            ("", _) => String::new(),
            (address, Some(port)) => format!("{address}:{port}"),
            (address, None) => address.to_owned(),
        };
        let host = self.text("url.full").split('/').nth(2).unwrap_or_default();
        let names = [
            self.text("peer.service"),
            &address,
            host,
            self.text("network.peer.address"),
        ];
        let name = names.into_iter().find(|name| !name.is_empty());
        name.map(str::to_owned)
    }
}

struct Saying<'a> {
    tenant: &'a str,
    said: &'a mut Said,
}

impl Saying<'_> {
    fn key(&self, name: &str, labels: &str, window_ms: i64) -> Key {
        Key {
            tenant: self.tenant.to_owned(),
            name: format!("traces_service_graph_{name}"),
            labels: labels.to_owned(),
            window_ms,
        }
    }

    /// A request that was seen from these sides.
    fn request(&mut self, of: &[(&str, &str)], client: Option<&End>, server: Option<&End>) {
        let of = labels(of);
        let ends = || client.into_iter().chain(server);
        let weight = ends().map(End::weight).fold(0.0, f64::max);
        let Some(first) = ends().next() else { return };
        let key = |saying: &Self, name: &str| saying.key(name, &of, first.window_ms);
        self.said.see(key(self, "connection_info"));
        self.said.count(key(self, "request_total"), weight);
        if ends().any(End::has_failed) {
            self.said.count(key(self, "request_failed_total"), weight);
        }
        for (name, end) in [
            ("request_client_seconds", client),
            ("request_server_seconds", server),
        ] {
            if let Some(end) = end {
                let key = key(self, name);
                self.said.observe(key, duration_ns(&end.span), weight);
            }
        }
        if let (Some(client), Some(server)) = (client, server)
            && let Some(waited_ns) = waited_ns(client, server)
        {
            let key = key(self, "request_messaging_system_seconds");
            self.said.observe(key, waited_ns, weight);
        }
    }

    fn unpaired(&mut self, side: &str, end: &End) {
        let of = labels(&[(side, &end.service)]);
        let key = self.key("unpaired_spans_total", &of, end.window_ms);
        self.said.count(key, end.weight());
    }

    fn answer(&mut self, answer: &End, caller: Option<&End>) {
        let service = answer.service.as_str();
        if let Some(caller) = caller {
            let is_message = answer.is_consumer() || caller.is_producer();
            let kind = if is_message { "messaging_system" } else { "" };
            let of = [
                ("client", caller.service.as_str()),
                ("connection_type", kind),
                ("server", service),
            ];
            self.request(&of, Some(caller), Some(answer));
        }
        let sent_to = caller.map_or("", End::queue);
        let queue = match answer.queue() {
            "" => sent_to,
            queue => queue,
        };
        if answer.is_consumer() && !queue.is_empty() {
            let of = [
                ("client", queue),
                ("connection_type", "messaging_system"),
                ("messaging_destination_name", queue),
                ("server", service),
                ("virtual_node", "client"),
            ];
            self.request(&of, None, Some(answer));
        } else if caller.is_some() {
        } else if !answer.is_consumer() && answer.span.parent_span_id.is_empty() {
            let of = [
                ("client", "user"),
                ("connection_type", "virtual_node"),
                ("server", service),
                ("virtual_node", "client"),
            ];
            self.request(&of, None, Some(answer));
        } else {
            self.unpaired("server", answer);
        }
    }

    fn caller(&mut self, caller: &End, is_answered: bool) {
        let service = caller.service.as_str();
        let database = caller.database().filter(|_| caller.is_client());
        let other = caller.other().filter(|_| caller.is_client());
        let queue = caller.queue();
        if database.is_none() && !queue.is_empty() && (caller.is_producer() || !is_answered) {
            let of = [
                ("client", service),
                ("connection_type", "messaging_system"),
                ("messaging_destination_name", queue),
                ("server", queue),
                ("virtual_node", "server"),
            ];
            self.request(&of, Some(caller), None);
        } else if is_answered {
        } else if let Some(database) = database {
            let of = [
                ("client", service),
                ("connection_type", "database"),
                ("server", &database),
            ];
            self.database(&of, caller);
        } else if let Some(other) = other {
            let of = [
                ("client", service),
                ("connection_type", "virtual_node"),
                ("server", &other),
                ("virtual_node", "server"),
            ];
            self.request(&of, Some(caller), None);
        } else {
            self.unpaired("client", caller);
        }
    }

    /// A client is all that is ever seen of a database.
    fn database(&mut self, of: &[(&str, &str)], caller: &End) {
        self.request(of, Some(caller), Some(caller));
    }
}

/// What a message lay in its queue, in ns.
fn waited_ns(producer: &End, consumer: &End) -> Option<u64> {
    let is_message = producer.is_producer() && consumer.is_consumer();
    let began_ns = consumer.span.end_time_unix_nano - duration_ns(&consumer.span);
    let waited_ns = began_ns.checked_sub(producer.span.end_time_unix_nano);
    waited_ns.filter(|_| is_message)
}

fn say_trace(tenant: &str, ends: &[End], said: &mut Said) {
    let mut saying = Saying { tenant, said };
    let mut callers: Vec<&End> = Vec::new();
    for end in ends.iter().filter(|end| matches!(end.span.kind, 3 | 4)) {
        if callers
            .iter()
            .all(|other| other.span.span_id != end.span.span_id)
        {
            callers.push(end);
        }
    }
    let mut answers: Vec<&End> = Vec::new();
    for end in ends.iter().filter(|end| matches!(end.span.kind, 2 | 5)) {
        let key = |end: &End| {
            let span = &end.span;
            (span.parent_span_id.clone(), span.span_id.clone(), span.kind)
        };
        if answers.iter().all(|other| key(other) != key(end)) {
            answers.push(end);
        }
    }
    let calls = |caller: &End, answer: &End| caller.span.span_id == answer.span.parent_span_id;
    for answer in &answers {
        let caller = callers.iter().find(|caller| calls(caller, answer));
        saying.answer(answer, caller.copied());
    }
    for caller in &callers {
        let is_answered = answers.iter().any(|answer| calls(caller, answer));
        saying.caller(caller, is_answered);
    }
}
