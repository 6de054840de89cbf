//! What samplers tell the metrics of an epoch, as a test says.

use std::time::Duration;

use bus::{Draft, Header, Kind, Log, Partition, RequestHash, Topic, TopicPartition};
use query::LiveEpoch;
use telemetry::derived::{DeltaValue, DerivedRecord, SeriesDelta, TenantDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;
use telemetry::{RecordTime, Tenant};

use crate::served::{NOW_UNIX_MS, Served};

/// A window that began half a minute before the tests' now, in ms.
pub(super) const BEGIN_MS: i64 = (NOW_UNIX_MS - 30_000) / 10_000 * 10_000;

/// Series of one epoch.
#[derive(Default)]
pub(crate) struct Epoch(Vec<SeriesDelta>);

impl Epoch {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], begin_ms: i64, value: DeltaValue) {
        let mut labels: Vec<(String, String)> = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        labels.sort_unstable();
        self.0.push(SeriesDelta {
            name: name.to_owned(),
            labels,
            windows: vec![WindowDelta {
                start_unix_ms: begin_ms,
                end_unix_ms: begin_ms + 10_000,
                value,
            }],
            exemplars: Vec::new(),
        });
    }

    /// Calls of an edge: `client>server:connection_type:virtual_node`, each of so many s.
    pub(super) fn calls(&mut self, edge: &str, begin_ms: i64, (n, failed): (u32, u32), s: f64) {
        let mut parts = edge.split([':', '>']);
        let mut next = || parts.next().unwrap_or_default();
        let labels = [
            ("client", next()),
            ("server", next()),
            ("connection_type", next()),
            ("virtual_node", next()),
        ];
        let mut add = |name: &str, value| {
            self.add(
                &format!("traces_service_graph_request_{name}"),
                &labels,
                begin_ms,
                value,
            );
        };
        add("total", DeltaValue::Count(f64::from(n)));
        if failed > 0 {
            add("failed_total", DeltaValue::Count(f64::from(failed)));
        }
        add("client_seconds", durations(n, s * 1.5));
        if labels[3].1 != "server" && labels[2].1 != "database" {
            add("server_seconds", durations(n, s));
        }
    }

    /// Requests that an instance `service/instance` answered, and what it is.
    pub(super) fn requests(
        &mut self,
        instance: &str,
        begin_ms: i64,
        (n, failed): (u32, u32),
        s: f64,
        facts: &[(&str, &str)],
    ) {
        let (service, id) = instance.split_once('/').expect("service/instance");
        let of = [("service_name", service), ("service_instance_id", id)];
        for (n, status) in [(n - failed, "UNSET"), (failed, "ERROR")] {
            let status = format!("STATUS_CODE_{status}");
            let more = [("span_kind", "SPAN_KIND_SERVER"), ("status_code", &*status)];
            if n > 0 {
                let labels = [of, more].concat();
                self.add(
                    "tracewell_instance_duration_seconds",
                    &labels,
                    begin_ms,
                    durations(n, s),
                );
                let span = [("service_name", service), ("span_name", "GET /")];
                let labels = [span, more].concat();
                self.add(
                    "tracewell_span_duration_seconds",
                    &labels,
                    begin_ms,
                    durations(n, s),
                );
            }
        }
        let labels = [&of, facts].concat();
        self.add("service_instance_info", &labels, begin_ms, DeltaValue::Seen);
    }

    /// The same as what a sampler tells before the metrics have it; without an end it is the epoch that goes on.
    pub(super) fn live(mut self, end: Option<u64>) -> LiveEpoch {
        self.settle();
        LiveEpoch {
            partition: 0,
            end,
            series: self.0,
        }
    }

    /// In order, each series once.
    fn settle(&mut self) {
        self.0
            .sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        self.0.dedup_by(|later, kept| {
            let same = (&later.name, &later.labels) == (&kept.name, &kept.labels);
            if same {
                kept.windows.append(&mut later.windows);
                kept.windows.sort_by_key(|window| window.start_unix_ms);
            }
            same
        });
    }

    /// Hands them to the metrics as the epoch after `previous`, and waits until they are there.
    pub(crate) async fn write(mut self, served: &Served, previous: u64) {
        self.settle();
        let complete_to = RecordTime {
            unix_ms: NOW_UNIX_MS + previous as i64,
        };
        let record = DerivedRecord {
            source_partition: 0,
            previous_end: previous,
            end: previous + 1,
            part: 0,
            is_last: true,
            complete_to,
            tenants: vec![TenantDelta {
                tenant: Tenant::default_tenant(),
                series: self.0,
            }],
        };
        let draft = Draft {
            to: TopicPartition {
                topic: Topic::Points,
                partition: Partition(0),
            },
            header: Header {
                tenant: Tenant::default_tenant(),
                kind: Kind::Derived,
                accepted_at: RecordTime::default(),
                n_items: 1,
                request_hash: RequestHash(1_000 + u128::from(previous)),
                part: 0,
                historic: false,
            },
            payload: record.encode().into(),
        };
        served.log.append(vec![draft]).await.expect("appended");
        while served.series.complete_to() != Some(complete_to) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn durations(n: u32, s: f64) -> DeltaValue {
    let mut histogram = ExpHistogram::new();
    (0..n).for_each(|_| histogram.observe(s));
    DeltaValue::Histogram(histogram)
}
