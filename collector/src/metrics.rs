//! What the collector tells of itself: names and labels of docs, "self-telemetry". Every label is a closed set but the tenant.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use telemetry::Tenant;

use crate::answer::{Accepted, Refusal, Refused};
use crate::arrival::{Protocol, Signal};

/// Counters and histograms of all receivers. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    spans_accepted: Family<TenantLabels, Counter>,
    spans_rejected: Family<RejectedLabels, Counter>,
    points_accepted: Family<TenantLabels, Counter>,
    points_rejected: Family<RejectedLabels, Counter>,
    attributes_dropped: Family<TenantLabels, Counter>,
    exemplars_dropped: Family<TenantLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    request_seconds: Histogram,
    request_bytes: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) connections_refused: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    protocol: &'static str,
    signal: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectedLabels {
    tenant: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            spans_accepted: Family::default(),
            spans_rejected: Family::default(),
            points_accepted: Family::default(),
            points_rejected: Family::default(),
            attributes_dropped: Family::default(),
            exemplars_dropped: Family::default(),
            refused: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            request_bytes: Histogram::new(exponential_buckets(256.0, 4.0, 10)),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        }
    }
}

impl Metrics {
    /// Puts all of them into `registry`, whose prefix is that of the process.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "collector_requests",
            "Requests answered, by protocol, signal and code; 499 or CANCELLED where the sender went away before",
            self.requests.clone(),
        );
        registry.register(
            "collector_spans_accepted",
            "Spans that are durable in the log",
            self.spans_accepted.clone(),
        );
        registry.register(
            "collector_spans_rejected",
            "Spans left out of a request that was otherwise accepted",
            self.spans_rejected.clone(),
        );
        registry.register(
            "collector_points_accepted",
            "Data points that are durable in the log",
            self.points_accepted.clone(),
        );
        registry.register(
            "collector_points_rejected",
            "Data points left out of a request that was otherwise accepted",
            self.points_rejected.clone(),
        );
        registry.register(
            "collector_attributes_dropped",
            "Attributes over a limit, left out of points that were accepted and of what they stand under",
            self.attributes_dropped.clone(),
        );
        registry.register(
            "collector_exemplars_dropped",
            "Exemplars over a limit, left out of points that were accepted",
            self.exemplars_dropped.clone(),
        );
        registry.register(
            "refused",
            "Requests of which nothing was taken, by reason",
            self.refused.clone(),
        );
        registry.register_with_unit(
            "collector_request",
            "Time from a request's header to its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register_with_unit(
            "collector_request",
            "Body of a request as sent",
            Unit::Bytes,
            self.request_bytes.clone(),
        );
        registry.register(
            "collector_connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "collector_connections_refused",
            "Connections closed at once, over limits.connections_max",
            self.connections_refused.clone(),
        );
    }

    /// A request was answered.
    pub(crate) fn answered(
        &self,
        protocol: Protocol,
        signal: Signal,
        outcome: &Result<Accepted, Refused>,
        took: Duration,
    ) {
        self.request_seconds.observe(took.as_secs_f64());
        let refusal = outcome.as_ref().err().map(|refused| &refused.refusal);
        let is_partial = outcome.as_ref().is_ok_and(|taken| taken.n_rejected > 0);
        let code = code_of(protocol, refusal, is_partial);
        self.count(protocol, signal.name(), code, refusal);
    }

    /// A request was refused before it came to anybody.
    pub(crate) fn turned_away(&self, protocol: Protocol, signal: &'static str, refusal: &Refusal) {
        let code = code_of(protocol, Some(refusal), false);
        self.count(protocol, signal, code, Some(refusal));
    }

    /// Whoever sent a request went away before it was answered. What it carried may be in the log all the same.
    pub(crate) fn canceled(&self, protocol: Protocol, signal: Signal) {
        let code = match protocol {
            Protocol::Grpc => "CANCELLED",
            Protocol::HttpProtobuf | Protocol::HttpJson | Protocol::RemoteWrite => "499",
        };
        self.count(protocol, signal.name(), code, None);
    }

    fn count(
        &self,
        protocol: Protocol,
        signal: &'static str,
        code: &'static str,
        refusal: Option<&Refusal>,
    ) {
        let labels = RequestLabels {
            protocol: protocol.name(),
            signal,
            code,
        };
        self.requests.get_or_create(&labels).inc();
        if let Some(refusal) = refusal {
            let reason = refusal.reason();
            self.refused.get_or_create(&ReasonLabels { reason }).inc();
        }
    }

    /// A body has arrived.
    pub(crate) fn arrived(&self, n_bytes: usize) {
        self.request_bytes.observe(n_bytes as f64);
    }

    /// Items of a request are durable, others were rejected for good.
    pub(crate) fn taken(&self, tenant: &Tenant, signal: Signal, accepted: &Accepted) {
        let (n_accepted, n_rejected) = match signal {
            Signal::Traces => (&self.spans_accepted, &self.spans_rejected),
            Signal::Metrics | Signal::RemoteWrite => (&self.points_accepted, &self.points_rejected),
        };
        let tenant = tenant.as_str().to_owned();
        if accepted.n_rejected > 0 {
            let labels = RejectedLabels {
                tenant: tenant.clone(),
                reason: "invalid",
            };
            n_rejected
                .get_or_create(&labels)
                .inc_by(accepted.n_rejected.into());
        }
        let labels = TenantLabels { tenant };
        let dropped = [
            (&self.attributes_dropped, accepted.n_attributes_dropped),
            (&self.exemplars_dropped, accepted.n_exemplars_dropped),
        ];
        for (counter, n_dropped) in dropped.into_iter().filter(|(_, n)| *n > 0) {
            counter.get_or_create(&labels).inc_by(n_dropped);
        }
        n_accepted
            .get_or_create(&labels)
            .inc_by(accepted.n_accepted);
    }
}

fn code_of(protocol: Protocol, refusal: Option<&Refusal>, is_partial: bool) -> &'static str {
    match (protocol, refusal) {
        (Protocol::Grpc, None) => "OK",
        (Protocol::RemoteWrite, None) if is_partial => "400",
        (Protocol::RemoteWrite, None) => "204",
        (_, None) => "200",
        (Protocol::Grpc, Some(refusal)) => refusal.grpc_name(),
        (_, Some(refusal)) => refusal.http_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Overload;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn the_names_are_those_of_the_docs() {
        let (metrics, mut registry) = (Metrics::default(), Registry::with_prefix("tracewell"));
        metrics.register(&mut registry);
        let refusal = Refusal::Overloaded(Overload::LogFull);
        metrics.turned_away(Protocol::HttpJson, "traces", &refusal);
        let ok = Ok(Accepted::default());
        metrics.answered(Protocol::Grpc, Signal::Traces, &ok, Duration::ZERO);
        let accepted = Accepted {
            n_accepted: 5,
            n_rejected: 2,
            ..Accepted::default()
        };
        let tenant = Tenant::default_tenant();
        metrics.taken(&tenant, Signal::Traces, &accepted);
        let accepted = Accepted {
            n_attributes_dropped: 3,
            ..accepted
        };
        metrics.taken(&tenant, Signal::Metrics, &accepted);
        metrics.arrived(1000);
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes all");
        for line in [
            r#"tracewell_collector_requests_total{protocol="http_json",signal="traces",code="503"} 1"#,
            r#"tracewell_collector_requests_total{protocol="grpc",signal="traces",code="OK"} 1"#,
            r#"tracewell_collector_spans_accepted_total{tenant="default"} 5"#,
            r#"tracewell_collector_spans_rejected_total{tenant="default",reason="invalid"} 2"#,
            r#"tracewell_collector_points_accepted_total{tenant="default"} 5"#,
            r#"tracewell_collector_points_rejected_total{tenant="default",reason="invalid"} 2"#,
            r#"tracewell_collector_attributes_dropped_total{tenant="default"} 3"#,
            r#"tracewell_refused_total{reason="log_full"} 1"#,
            "tracewell_collector_request_seconds_count 1",
            "tracewell_collector_request_bytes_sum 1000.0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
