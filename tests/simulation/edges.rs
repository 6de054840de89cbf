//! Edges, worked out from the log by another way than the shard's: every trace is kept, so that it is known which spans were there when it was decided, and
//! who belongs to whom is looked for span by span.

use std::collections::BTreeMap;

use bus::machine::Machine;
use bus::{Kind, Offset, Record};
use sampler::control::Control;
use sampler::{SealedEpoch, Shard};
use service_map::edge::{CONNECTION_INFO, DROPPED};
use telemetry::derived::{DeltaValue, TenantDelta};
use telemetry::wire::{FoundSpan, SpanKind, SpanView, StatusCode, ValueView, span_at};

use crate::check::weight;

/// Tenant, labels as text.
type Key = (String, String);
/// What each metric of the service graph comes to, and how often histograms counted.
type Told = BTreeMap<(String, Key), f64>;

/// Whether the edges of a run are those of the same log when everything is kept, and those are what its traces say.
pub(crate) fn check_edges(
    log: &[Record],
    sealed: &[SealedEpoch],
    shard: &Shard,
    mut keeping: Shard,
) -> Result<(), String> {
    let found = told(sealed, shard);
    let log: Vec<Record> = log.iter().map(all_kept).collect();
    let mut kept = Vec::new();
    for record in &log {
        kept.extend(keeping.apply(record).map_err(|error| error.to_string())?);
    }
    let without_drops = told(&kept, &keeping);
    same("with and without drops", &found, &without_drops)?;
    same("found and said by spans", &found, &said(&log, &kept)?)
}

fn same(what: &str, a: &Told, b: &Told) -> Result<(), String> {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    let differs = |(key, n): &(&_, &f64)| b.get(*key).is_none_or(|other| !near(**n, *other));
    if let Some((key, n)) = a.iter().find(differs) {
        return Err(format!("edges, {what}: {key:?} {n}, {:?}", b.get(key)));
    }
    match b.keys().find(|key| !a.contains_key(*key)) {
        Some(missing) => Err(format!("edges, {what}: {missing:?} is not there")),
        None => Ok(()),
    }
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

fn told(sealed: &[SealedEpoch], shard: &Shard) -> Told {
    let open = shard.red().deltas();
    let mut told = Told::new();
    for delta in sealed
        .iter()
        .flat_map(|epoch| &epoch.red.tenants)
        .chain(&open.tenants)
    {
        tell(delta, &mut told);
    }
    told
}

fn tell(delta: &TenantDelta, told: &mut Told) {
    // late spans are in no trace that was decided, and what was merely there has no number
    let edges = |name: &str| {
        name.starts_with("traces_service_graph_") && name != DROPPED && name != CONNECTION_INFO
    };
    for series in delta.series.iter().filter(|series| edges(&series.name)) {
        let labels = series.labels.iter().map(|(n, v)| format!("{n}={v}"));
        let labels: Vec<String> = labels.collect();
        let key = (delta.tenant.to_string(), labels.join(","));
        for window in &series.windows {
            match &window.value {
                DeltaValue::Count(n) => add(told, &series.name, &key, *n),
                DeltaValue::Histogram(h) => {
                    add(told, &format!("{} count", series.name), &key, h.count());
                    add(told, &format!("{} sum", series.name), &key, h.sum());
                }
                DeltaValue::Seen => add(told, &series.name, &key, f64::NAN),
            }
        }
    }
}

fn add(told: &mut Told, name: &str, key: &Key, n: f64) {
    let told = told.entry((name.to_owned(), key.clone())).or_default();
    *told += n;
}

/// What every decided trace says.
fn said(log: &[Record], kept: &[SealedEpoch]) -> Result<Told, String> {
    let records: BTreeMap<Offset, &Record> =
        log.iter().map(|record| (record.offset, record)).collect();
    let mut told = Told::new();
    for trace in kept.iter().flat_map(|epoch| &epoch.kept) {
        if trace.late {
            continue;
        }
        let mut found = Vec::new();
        for at in trace.spans.iter() {
            let record = records.get(&at.offset).ok_or("no such record")?;
            found.push(span_at(&record.payload, at.place).map_err(|error| error.to_string())?);
        }
        let spans: Vec<_> = found.iter().map(FoundSpan::view).collect();
        say(&trace.tenant.to_string(), &spans, &mut told);
    }
    Ok(told)
}

struct Saying<'a> {
    tenant: &'a str,
    told: &'a mut Told,
}

impl Saying<'_> {
    fn request(
        &mut self,
        labels: &[(&str, &str)],
        ends: &[&SpanView<'_>],
        [client, server]: [Option<&SpanView<'_>>; 2],
    ) {
        let labels = labels.iter().filter(|(_, value)| !value.is_empty());
        let labels: Vec<String> = labels.map(|(n, v)| format!("{n}={v}")).collect();
        let key = (self.tenant.to_owned(), labels.join(","));
        let weights = ends.iter().map(|span| weight(span.trace_state()));
        let weight = weights.fold(0.0, f64::max);
        let mut add = |name: &str, n: f64| {
            add(self.told, &format!("traces_service_graph_{name}"), &key, n);
        };
        add("request_total", weight);
        if ends.iter().any(|span| has_failed(span)) {
            add("request_failed_total", weight);
        }
        for (side, span) in [("client", client), ("server", server)] {
            if let Some(span) = span {
                add(&format!("request_{side}_seconds count"), weight);
                let seconds = span.duration_ns() as f64 / 1e9;
                add(&format!("request_{side}_seconds sum"), seconds * weight);
            }
        }
        if let [a, b] = ends
            && (a.kind(), b.kind()) == (SpanKind::Producer, SpanKind::Consumer)
        {
            let started_ns = b.end_unix_ns() - b.duration_ns();
            if started_ns >= a.end_unix_ns() {
                let waited_s = (started_ns - a.end_unix_ns()) as f64 / 1e9;
                add("request_messaging_system_seconds count", weight);
                add("request_messaging_system_seconds sum", waited_s * weight);
            }
        }
    }

    fn unpaired(&mut self, side: &str, span: &SpanView<'_>) {
        let key = (self.tenant.to_owned(), format!("{side}={}", service(span)));
        let name = "traces_service_graph_unpaired_spans_total";
        add(self.told, name, &key, weight(span.trace_state()));
    }
}

fn service<'a>(span: &SpanView<'a>) -> &'a str {
    span.resource().service_name().unwrap_or("unknown_service")
}

fn attribute<'a>(span: &SpanView<'a>, wanted: &str) -> &'a str {
    let found = span.attributes().find(|(key, _)| *key == wanted);
    match found {
        Some((_, ValueView::Str(text))) => text,
        _ => "",
    }
}

fn has_failed(span: &SpanView<'_>) -> bool {
    span.status_code() == StatusCode::Error
}

fn say(tenant: &str, spans: &[SpanView<'_>], told: &mut Told) {
    let mut saying = Saying { tenant, told };
    let is_caller =
        |span: &&SpanView<'_>| matches!(span.kind(), SpanKind::Client | SpanKind::Producer);
    let mut callers: Vec<&SpanView<'_>> = Vec::new();
    for span in spans.iter().filter(is_caller) {
        if callers
            .iter()
            .all(|other| other.span_id() != span.span_id())
        {
            callers.push(span);
        }
    }
    let mut answers: Vec<&SpanView<'_>> = Vec::new();
    for span in spans
        .iter()
        .filter(|span| matches!(span.kind(), SpanKind::Server | SpanKind::Consumer))
    {
        let key = |span: &SpanView<'_>| (span.parent_span_id(), span.span_id(), span.kind());
        if answers.iter().all(|other| key(other) != key(span)) {
            answers.push(span);
        }
    }
    for answer in &answers {
        let parent = answer.parent_span_id();
        let caller = callers
            .iter()
            .find(|caller| Some(caller.span_id()) == parent);
        let is_consumer = answer.kind() == SpanKind::Consumer;
        if let Some(caller) = caller {
            let is_message = is_consumer || caller.kind() == SpanKind::Producer;
            let kind = if is_message { "messaging_system" } else { "" };
            let labels = [
                ("client", service(caller)),
                ("connection_type", kind),
                ("server", service(answer)),
            ];
            saying.request(&labels, &[caller, answer], [Some(caller), Some(answer)]);
        }
        let queue = attribute(answer, "messaging.destination.name");
        let sent_to = caller.map_or("", |caller| attribute(caller, "messaging.destination.name"));
        let queue = if queue.is_empty() { sent_to } else { queue };
        if is_consumer && !queue.is_empty() {
            let labels = [
                ("client", queue),
                ("connection_type", "messaging_system"),
                ("messaging_destination_name", queue),
                ("server", service(answer)),
                ("virtual_node", "client"),
            ];
            saying.request(&labels, &[answer], [None, Some(answer)]);
        } else if caller.is_none() && !is_consumer && parent.is_none() {
            let labels = [
                ("client", "user"),
                ("connection_type", "virtual_node"),
                ("server", service(answer)),
                ("virtual_node", "client"),
            ];
            saying.request(&labels, &[answer], [None, Some(answer)]);
        } else if caller.is_none() {
            saying.unpaired("server", answer);
        }
    }
    for caller in &callers {
        let is_answered = answers
            .iter()
            .any(|answer| answer.parent_span_id() == Some(caller.span_id()));
        let queue = attribute(caller, "messaging.destination.name");
        let database = attribute(caller, "db.system.name");
        let is_producer = caller.kind() == SpanKind::Producer;
        if is_producer && !queue.is_empty() {
            let labels = [
                ("client", service(caller)),
                ("connection_type", "messaging_system"),
                ("messaging_destination_name", queue),
                ("server", queue),
                ("virtual_node", "server"),
            ];
            saying.request(&labels, &[caller], [Some(caller), None]);
        } else if is_answered {
        } else if !is_producer && !database.is_empty() {
            let labels = [
                ("client", service(caller)),
                ("connection_type", "database"),
                ("server", database),
            ];
            saying.request(&labels, &[caller], [Some(caller), Some(caller)]);
        } else {
            saying.unpaired("client", caller);
        }
    }
}
