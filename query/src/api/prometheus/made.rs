//! What the metrics are that Tracewell makes of spans itself, and the names under which other tools know them. Nobody sends words about them.

use ::metrics::row::{Metadata, MetricKind};
use MetricKind::{Counter, Gauge, Histogram};

const SPANS: &str = "Durations of spans, all of them counted before any is sampled out";
const CALLS: &str = "Spans, all of them counted before any is sampled out";
const SIZES: &str = "Bytes of spans as they came";
const EDGE: &str = "Durations of calls between two services";

/// Name, kind, unit, description.
type Made = (&'static str, MetricKind, &'static str, &'static str);

#[rustfmt::skip]
const MADE: [Made; 20] = [
    ("target_info", Gauge, "", "Attributes of a resource"),
    ("traces_host_info", Gauge, "", "Hosts on which services run"),
    ("traces_service_graph_connection_info", Gauge, "", "Kinds of connections between services"),
    ("traces_service_graph_dropped_spans_total", Counter, "", "Spans that could not be held for an edge"),
    ("traces_service_graph_request_client_seconds", Histogram, "seconds", EDGE),
    ("traces_service_graph_request_failed_total", Counter, "", "Calls between two services that failed"),
    ("traces_service_graph_request_messaging_system_seconds", Histogram, "seconds", "Times from a message's producer to its consumer"),
    ("traces_service_graph_request_server_seconds", Histogram, "seconds", EDGE),
    ("traces_service_graph_request_total", Counter, "", "Calls between two services"),
    ("traces_service_graph_unpaired_spans_total", Counter, "", "Spans whose other side was not seen"),
    ("traces_span_metrics_calls_total", Counter, "", CALLS),
    ("traces_span_metrics_duration_milliseconds", Histogram, "milliseconds", SPANS),
    ("traces_span_metrics_duration_seconds", Histogram, "seconds", SPANS),
    ("traces_spanmetrics_calls_total", Counter, "", CALLS),
    ("traces_spanmetrics_latency", Histogram, "seconds", SPANS),
    ("traces_spanmetrics_size_total", Counter, "bytes", SIZES),
    ("traces_target_info", Gauge, "", "Attributes of a resource that sends spans"),
    ("tracewell_instance_duration_seconds", Histogram, "seconds", "Durations of entry spans by instance of a service"),
    ("tracewell_span_duration_seconds", Histogram, "seconds", SPANS),
    ("tracewell_span_size_bytes_total", Counter, "bytes", SIZES),
];

/// Those of which there is a series, by the names of all metrics, which are sorted.
pub(super) fn among(names: &[String]) -> impl Iterator<Item = (&'static str, Metadata)> {
    let is_there = |name: &str| names.binary_search_by(|at| at.as_str().cmp(name)).is_ok();
    MADE.iter()
        .filter(move |(name, ..)| is_there(name) || is_there(&format!("{name}_bucket")))
        .map(|(name, kind, unit, help)| {
            let metadata = Metadata {
                kind: *kind,
                unit: (*unit).to_owned(),
                help: (*help).to_owned(),
            };
            (*name, metadata)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told() {
        let names = [
            "traces_spanmetrics_latency_bucket",
            "tracewell_span_duration_seconds",
            "up",
        ];
        let names = names.map(str::to_owned);
        let told: Vec<_> = among(&names)
            .map(|(name, metadata)| (name, metadata.kind))
            .collect();
        let expected = [
            ("traces_spanmetrics_latency", Histogram),
            ("tracewell_span_duration_seconds", Histogram),
        ];
        assert_eq!(told, expected);
        assert!(MADE.is_sorted_by_key(|(name, ..)| name));
    }
}
