//! How many spans and calls a server has counted, and how many were sent.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use super::super::metrics::escaped;
use crate::corpus::Corpus;
use crate::product::Product;

/// The callee of every call to a database: servers name them differently.
const DATABASE: &str = "a database";
const OURS_SPANS: &str = "sum(increase(traces_span_metrics_calls_total[1h]))";
const OURS_CALLS: &str =
    "sum by (client, server, connection_type) (increase(traces_service_graph_request_total[1h]))";
/// The peer says a counter's first value one flush later than the count of its histogram.
const PEERS_SPANS: &str = "traces_span_metrics_duration_milliseconds_count{";
const PEERS_CALLS: &str = "traces_service_graph_request_total{";

/// Spans, and calls by caller and callee.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Counted {
    pub(super) n_spans: u64,
    pub(super) calls: BTreeMap<(String, String), u64>,
}

impl Counted {
    /// What is in a corpus that was sent so often, each time with trace ids of its own.
    pub(super) fn sent(corpus: &Corpus, n_times: u64) -> anyhow::Result<Self> {
        let (mut callers, mut answers) = (HashMap::new(), Vec::new());
        let mut sent = Self::default();
        for request in &corpus.requests {
            let request = ExportTraceServiceRequest::decode(request.bytes.as_slice())?;
            for of_resource in request.resource_spans {
                let resource = of_resource.resource.unwrap_or_default();
                let service = text(&resource.attributes, "service.name").unwrap_or_default();
                for span in of_resource.scope_spans.into_iter().flat_map(|of| of.spans) {
                    sent.n_spans += n_times;
                    let is_database = text(&span.attributes, "db.namespace").is_some();
                    match span.kind() {
                        SpanKind::Client if is_database => {
                            sent.add(service.clone(), DATABASE, n_times);
                        }
                        SpanKind::Client => {
                            callers.insert((span.trace_id, span.span_id), service.clone());
                        }
                        SpanKind::Server => {
                            answers.push(((span.trace_id, span.parent_span_id), service.clone()));
                        }
                        _ => {}
                    }
                }
            }
        }
        for (caller, callee) in answers {
            if let Some(caller) = callers.get(&caller) {
                sent.add(caller.clone(), &callee, n_times);
            }
        }
        Ok(sent)
    }

    /// What a scrape of the Collector's exporter says.
    pub(super) fn of_exporter(text: &str) -> Self {
        let mut counted = Self::default();
        for line in text.lines() {
            let value = line.rsplit(' ').next().and_then(|value| value.parse().ok());
            let Some(value) = value.map(|value: f64| value as u64) else {
                continue;
            };
            if line.starts_with(PEERS_SPANS) {
                counted.n_spans += value;
            } else if line.starts_with(PEERS_CALLS) {
                let [client, server, kind] =
                    ["client", "server", "connection_type"].map(|name| label(line, name));
                counted.call(client, server, kind, value);
            }
        }
        counted
    }

    /// What Tracewell answers to PromQL.
    pub(super) fn of_tracewell(product: &Product) -> anyhow::Result<Self> {
        let mut counted = Self::default();
        for (_, value) in answer(product, OURS_SPANS)? {
            counted.n_spans += value;
        }
        for (labels, value) in answer(product, OURS_CALLS)? {
            let [client, server, kind] = ["client", "server", "connection_type"]
                .map(|name| labels[name].as_str().unwrap_or_default());
            counted.call(client, server, kind, value);
        }
        Ok(counted)
    }

    fn call(&mut self, client: &str, server: &str, kind: &str, n: u64) {
        match kind {
            "" => self.add(client.to_owned(), server, n),
            "database" => self.add(client.to_owned(), DATABASE, n),
            _ => {} // the other end was never seen: servers guess differently
        }
    }

    fn add(&mut self, client: String, server: &str, n: u64) {
        *self.calls.entry((client, server.to_owned())).or_default() += n;
    }

    pub(super) fn n_calls(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Callers and callees that have the same number here and there.
    pub(super) fn n_equal(&self, other: &Self) -> usize {
        let here = self.calls.iter();
        here.filter(|(between, n)| other.calls.get(between) == Some(n))
            .count()
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|pair| pair.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// The value of a label of a line of the text format; empty without it. The labels asked for have nothing to escape.
fn label<'a>(line: &'a str, name: &str) -> &'a str {
    let begin = ["{", ","]
        .iter()
        .find_map(|before| line.split_once(&format!("{before}{name}=\"")));
    let value = begin.and_then(|(_, rest)| rest.split('"').next());
    value.unwrap_or_default()
}

/// Labels and value of each series of an answer, to the next whole number.
fn answer(product: &Product, query: &str) -> anyhow::Result<Vec<(serde_json::Value, u64)>> {
    let query: String = query.bytes().map(escaped).collect();
    let (status, answer) = product.get(&format!("/api/v1/query?query={query}"))?;
    ensure!(status == 200, "{query}: {status}, {answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let series = answer["data"]["result"].as_array();
    let series = series.context("an answer has a result")?;
    series
        .iter()
        .map(|one| {
            let value = one["value"][1].as_str().context("a value is a string")?;
            let value: f64 = value.parse()?;
            Ok((one["metric"].clone(), value.round() as u64))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Spec;

    #[test]
    fn a_scrape_gives_spans_and_calls_of_two_seen_ends() {
        let scrape = "# TYPE x counter\n\
            traces_span_metrics_duration_milliseconds_count{service_name=\"a b\",span_name=\"x\"} 3\n\
            traces_span_metrics_duration_milliseconds_count{service_name=\"b\"} 1e+06\n\
            traces_service_graph_request_total{client=\"a\",connection_type=\"\",failed=\"true\",server=\"b\"} 2\n\
            traces_service_graph_request_total{client=\"a\",connection_type=\"\",failed=\"false\",server=\"b\"} 5\n\
            traces_service_graph_request_total{client=\"a\",connection_type=\"database\",server=\"0\"} 4\n\
            traces_service_graph_request_total{client=\"user\",connection_type=\"virtual_node\",server=\"a\"} 9\n";
        let counted = Counted::of_exporter(scrape);
        assert_eq!((counted.n_spans, counted.n_calls()), (1_000_003, 11));
        let between = ("a".to_owned(), "b".to_owned());
        assert_eq!(counted.calls.get(&between), Some(&7));
        assert_eq!(counted.n_equal(&Counted::default()), 0);
        assert_eq!(counted.n_equal(&counted), 2);
    }

    #[test]
    fn a_corpus_has_calls_between_services_and_to_databases() {
        let corpus = Corpus::of_whole_traces(Spec::shop(64), 5_000);
        let sent = Counted::sent(&corpus, 2).expect("the corpus is OTLP");
        assert_eq!(sent.n_spans, 2 * corpus.n_spans);
        let to = |callee: &str| sent.calls.keys().any(|(_, server)| server == callee);
        assert!(to("cart") && to(DATABASE) && !to("frontend"));
    }
}
