//! What the acknowledged spans add up to, and whether PromQL says the same: counts, sums and buckets of durations by operation, and requests of edges.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::Tracewell;
use serde_json::Value;

/// Within which what was acknowledged is counted: an epoch ends every 10 s; the rest is slack for a slow machine.
const REST_MAX: Duration = Duration::from_secs(30);
/// Sums of f64 depend on their order.
const NEAR: f64 = 1e-9;
const SECONDS_OF_EDGES: &str = "traces_service_graph_request";

/// Acknowledged spans by service and number in their trace; the number is the span's duration in ms.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<(&'static str, u64), u64>);

/// Values by labels as text.
type Values = BTreeMap<String, f64>;

impl Ledger {
    pub(super) fn add(&mut self, service: &'static str, id: u64) {
        *self.0.entry((service, id)).or_default() += 1;
    }

    pub(super) fn n_spans(&self) -> u64 {
        self.0.values().sum()
    }

    fn n(&self, service: &'static str, id: u64) -> f64 {
        self.0.get(&(service, id)).copied().unwrap_or(0) as f64
    }

    /// A value of each operation, of the spans it has and their duration in ms.
    fn by_operation(&self, value: impl Fn(f64, f64) -> f64) -> Values {
        let all = self.0.iter().map(|((service, id), n)| {
            let of = format!("{service} operation-{id}");
            (of, value(*n as f64, *id as f64))
        });
        all.collect()
    }

    /// Every span counts once, in its series, with its duration.
    pub(super) async fn is_in_red(&self, server: &Tracewell) -> Result<()> {
        let calls = "sum by (service, span_name) (traces_spanmetrics_calls_total)";
        settles_at(server, calls, &self.by_operation(|n, _| n)).await?;
        let ms = "traces_span_metrics_duration_milliseconds";
        let of = |part: &str| format!("sum by (service_name, span_name) ({ms}_{part})");
        settles_at(server, &of("count"), &self.by_operation(|n, _| n)).await?;
        settles_at(server, &of("sum"), &self.by_operation(|n, ms| n * ms)).await?;
        self.is_in_buckets(server).await
    }

    /// All spans of an operation last equally long: one bucket has them all, and it is the one of that duration.
    async fn is_in_buckets(&self, server: &Tracewell) -> Result<()> {
        let query = "sum by (service_name, span_name) (tracewell_span_duration_seconds)";
        let found = ask(server, query).await?;
        ensure!(found.len() == self.0.len(), "{query}: {found:?}");
        for one in &found {
            let id = one["metric"]["span_name"].as_str().context("a name")?;
            let s = number(&Value::from(id.trim_start_matches("operation-")))? / 1_000.0;
            let expected = self.by_operation(|n, _| n);
            let expected = expected.get(&labels(one)).context("who is this?")?;
            let histogram = &one["histogram"][1];
            let buckets = histogram["buckets"].as_array().context("buckets")?;
            let [bucket] = buckets.as_slice() else {
                anyhow::bail!("{one} has several buckets");
            };
            let (low, high) = (number(&bucket[1])?, number(&bucket[2])?);
            ensure!(low < s && s <= high, "{s} is not in {one}");
            for count in [&bucket[3], &histogram["count"]] {
                ensure!(number(count)? == *expected, "{one}, not {expected}");
            }
        }
        Ok(())
    }

    /// Every call whose trace came whole is a request of its edge, and no end of the others is lost.
    pub(super) async fn is_in_edges(&self, server: &Tracewell) -> Result<()> {
        let calls = self.calls();
        let requests = r#"traces_service_graph_request_total{server!="kill"}"#;
        let n = calls.iter().map(|(edge, n, _)| ((*edge).to_owned(), *n));
        settles_at(server, requests, &n.collect()).await?;
        for side in 0..2 {
            let name = ["client", "server"][side];
            let seen = calls.iter().filter_map(|(edge, n, ms)| {
                let seconds = ms[side]? / 1_000.0;
                Some(((*edge).to_owned(), (*n, n * seconds)))
            });
            let seen: BTreeMap<String, (f64, f64)> = seen.collect();
            let of = |part: &str| {
                format!(r#"{SECONDS_OF_EDGES}_{name}_seconds_{part}{{server!="kill"}}"#)
            };
            let counts = seen.iter().map(|(edge, (n, _))| (edge.clone(), *n));
            settles_at(server, &of("count"), &counts.collect()).await?;
            let sums = seen.iter().map(|(edge, (_, sum))| (edge.clone(), *sum));
            settles_at(server, &of("sum"), &sums.collect()).await?;
        }
        self.has_every_end(server).await
    }

    /// Edges of whole traces: their requests, and how long their client and server say they took, in ms.
    fn calls(&self) -> [(&'static str, f64, [Option<f64>; 2]); 3] {
        let n = |id: u64| match id {
            1 | 2 => self.n("front", id),
            _ => self.n("back", id),
        };
        [
            ("user front virtual_node client", n(1), [None, Some(1.0)]),
            ("front back", n(2), [Some(2.0), Some(3.0)]),
            (
                "back api.example.com:443 virtual_node server",
                n(4),
                [Some(4.0), None],
            ),
        ]
    }

    /// Of a trace in two halves one may come when it was decided: then the ends of its call are unpaired or late, each counted as what it is.
    async fn has_every_end(&self, server: &Tracewell) -> Result<()> {
        let n = |metric: &str, of: &str| format!("(sum({metric}{{{of}}}) or vector(0))");
        let requests = "traces_service_graph_request_total";
        let unpaired = "traces_service_graph_unpaired_spans_total";
        let dropped = "traces_service_graph_dropped_spans_total";
        let client = r#"client="kill""#;
        let served = r#"server="kill""#;
        let callers = [n(requests, client), n(unpaired, client), n(dropped, client)];
        let answers = [n(requests, served), n(unpaired, served), n(dropped, served)];
        for (ends, expected) in [
            (callers, self.n("kill", 3)),
            (answers, self.n("kill", 1) + self.n("kill", 4)),
        ] {
            let all = [(String::new(), expected)].into();
            settles_at(server, &ends.join(" + "), &all).await?;
        }
        Ok(())
    }
}

/// Asks until the values are these; then they are for good.
async fn settles_at(server: &Tracewell, query: &str, expected: &Values) -> Result<()> {
    let mut found = Values::new();
    for _ in 0..REST_MAX.as_millis() / 100 {
        found = values(server, query).await?;
        let is_one = |(key, n): (&String, &f64)| {
            let found = found.get(key);
            found.is_some_and(|found| (found - n).abs() <= NEAR * n.abs())
        };
        if found.len() == expected.len() && expected.iter().all(is_one) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{query}: {found:?}, but {expected:?} was acknowledged")
}

async fn values(server: &Tracewell, query: &str) -> Result<Values> {
    let mut values = Values::new();
    for one in ask(server, query).await? {
        let value = number(&one["value"][1])?;
        ensure!(values.insert(labels(&one), value).is_none(), "{one} twice");
    }
    Ok(values)
}

async fn ask(server: &Tracewell, query: &str) -> Result<Vec<Value>> {
    let url = format!("{}/api/v1/query", server.query_url());
    let request = server.http_client().get(url).query(&[("query", query)]);
    let mut body: Value = request.send().await?.json().await?;
    ensure!(body["status"] == "success", "{query}: {body}");
    match body["data"]["result"].take() {
        Value::Array(result) => Ok(result),
        _ => anyhow::bail!("{query} is no vector"),
    }
}

/// A service and its operation, or an edge.
fn labels(one: &Value) -> String {
    let names = [
        "service",
        "service_name",
        "span_name",
        "client",
        "server",
        "connection_type",
        "virtual_node",
    ];
    let values = names
        .iter()
        .filter_map(|name| one["metric"][*name].as_str());
    values.collect::<Vec<_>>().join(" ")
}

fn number(value: &Value) -> Result<f64> {
    let text = value.as_str().with_context(|| format!("{value}"))?;
    Ok(text.parse()?)
}
