//! The views there are.

use super::{Part, View, ViewLabels};

const SPANS: &str = "tracewell_span_duration_seconds";
const INSTANCES: &str = "service_instance_info";
const SIZES: &str = "tracewell_span_size_bytes_total";

/// Grafana Tempo's metrics generator.
const TEMPO: ViewLabels = ViewLabels::Renamed {
    pairs: &[
        ("service", "service_name"),
        ("span_name", "span_name"),
        ("span_kind", "span_kind"),
        ("status_code", "status_code"),
    ],
    overflow: "metric_overflow",
};

/// The OpenTelemetry Collector's span metrics connector.
const COLLECTOR: ViewLabels = ViewLabels::Renamed {
    pairs: &[
        ("service_name", "service_name"),
        ("span_name", "span_name"),
        ("span_kind", "span_kind"),
        ("status_code", "status_code"),
    ],
    overflow: "otel_metric_overflow",
};

/// 0.002 · 2^k, k 0 to 13, in s.
const TEMPO_BOUNDS: &[f64] = &[
    0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192,
    16.384,
];

const COLLECTOR_BOUNDS_MS: &[f64] = &[
    2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1_000.0, 1_400.0, 2_000.0, 5_000.0,
    10_000.0, 15_000.0,
];

const COLLECTOR_BOUNDS: &[f64] = &[
    0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0,
];

/// 0.1 · 2^k, k 0 to 7, and those of the Collector.
const EDGE_BOUNDS: &[f64] = &[
    0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 1.6, 2.0, 3.2, 5.0, 6.4,
    10.0, 12.8, 15.0,
];

const SECONDS: f64 = 1.0;
const MILLISECONDS: f64 = 1_000.0;

const fn view(name: &'static str, source: &'static str, part: Part, labels: ViewLabels) -> View {
    View {
        name,
        source,
        part,
        labels,
    }
}

const fn buckets(bounds: &'static [f64], per_second: f64) -> Part {
    Part::Buckets { bounds, per_second }
}

const fn sum(per_second: f64) -> Part {
    Part::Sum { per_second }
}

/// Every view.
pub const VIEWS: &[View] = &[
    view("traces_spanmetrics_calls_total", SPANS, Part::Count, TEMPO),
    view("traces_spanmetrics_latency", SPANS, Part::Whole, TEMPO),
    view(
        "traces_spanmetrics_latency_bucket",
        SPANS,
        buckets(TEMPO_BOUNDS, SECONDS),
        TEMPO,
    ),
    view(
        "traces_spanmetrics_latency_count",
        SPANS,
        Part::Count,
        TEMPO,
    ),
    view("traces_spanmetrics_latency_sum", SPANS, sum(SECONDS), TEMPO),
    view("traces_spanmetrics_size_total", SIZES, Part::Whole, TEMPO),
    view(
        "traces_span_metrics_calls_total",
        SPANS,
        Part::Count,
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_milliseconds_bucket",
        SPANS,
        buckets(COLLECTOR_BOUNDS_MS, MILLISECONDS),
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_milliseconds_count",
        SPANS,
        Part::Count,
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_milliseconds_sum",
        SPANS,
        sum(MILLISECONDS),
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_seconds",
        SPANS,
        Part::Whole,
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_seconds_bucket",
        SPANS,
        buckets(COLLECTOR_BOUNDS, SECONDS),
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_seconds_count",
        SPANS,
        Part::Count,
        COLLECTOR,
    ),
    view(
        "traces_span_metrics_duration_seconds_sum",
        SPANS,
        sum(SECONDS),
        COLLECTOR,
    ),
    view("target_info", INSTANCES, Part::Seen, ViewLabels::Target),
    view(
        "traces_target_info",
        INSTANCES,
        Part::Seen,
        ViewLabels::Target,
    ),
    view("traces_host_info", INSTANCES, Part::Seen, ViewLabels::Host),
    edge(
        "traces_service_graph_request_server_seconds_bucket",
        SERVER,
        EDGE_BUCKETS,
    ),
    edge(
        "traces_service_graph_request_server_seconds_count",
        SERVER,
        Part::Count,
    ),
    edge(
        "traces_service_graph_request_server_seconds_sum",
        SERVER,
        sum(SECONDS),
    ),
    edge(
        "traces_service_graph_request_client_seconds_bucket",
        CLIENT,
        EDGE_BUCKETS,
    ),
    edge(
        "traces_service_graph_request_client_seconds_count",
        CLIENT,
        Part::Count,
    ),
    edge(
        "traces_service_graph_request_client_seconds_sum",
        CLIENT,
        sum(SECONDS),
    ),
    edge(
        "traces_service_graph_request_messaging_system_seconds_bucket",
        QUEUE,
        EDGE_BUCKETS,
    ),
    edge(
        "traces_service_graph_request_messaging_system_seconds_count",
        QUEUE,
        Part::Count,
    ),
    edge(
        "traces_service_graph_request_messaging_system_seconds_sum",
        QUEUE,
        sum(SECONDS),
    ),
];

const SERVER: &str = "traces_service_graph_request_server_seconds";
const CLIENT: &str = "traces_service_graph_request_client_seconds";
const QUEUE: &str = "traces_service_graph_request_messaging_system_seconds";
const EDGE_BUCKETS: Part = buckets(EDGE_BOUNDS, SECONDS);

const fn edge(name: &'static str, source: &'static str, part: Part) -> View {
    view(name, source, part, ViewLabels::All)
}
