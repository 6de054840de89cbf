//! A store with traces, a live side, and the router on a real port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use blocks::Blocks;
use bus::local::disk::Disk;
use bus::testing::SimDisk;
use bus::{Consumer, Fetched, Local, Log, Partition, Start, Topic, TopicPartition};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::{MetricsRunner, MetricsStore};
use parking_lot::Mutex;
use query::{
    Config, Live, LiveCounts, LiveError, LivePage, LivePartial, LiveState, LiveTrace, Metrics,
    Query,
};
use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{Clock, RecordTime, ShardTime, Tenant, TraceId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trace_store::{EpochName, Filter, KeptTrace, Operation, Sampling, TraceStore};

/// When the tests' clock stands: an hour after the fixtures.
pub(crate) const NOW_UNIX_MS: i64 = 1_485_452_791_639;

/// What is live, as a test says.
#[derive(Clone, Default)]
pub(crate) struct Alive(
    pub(crate) Arc<Mutex<LivePage>>,
    pub(crate) Arc<Mutex<LiveCounts>>,
);

impl Alive {
    pub(crate) fn add(&self, trace: LiveTrace) {
        self.0.lock().traces.push(trace);
    }

    fn matching(&self, matches: impl Fn(&LiveTrace) -> bool) -> LivePage {
        let mut page = self.0.lock().clone();
        page.traces.retain(matches);
        page
    }
}

pub(crate) fn walked<T>(
    traces_data: &[u8],
    read: impl FnOnce(&telemetry::wire::TracesView<'_>) -> T,
) -> T {
    let mut walker = TraceWalker::new();
    let view = walker
        .walk(traces_data, &WalkLimits::trusted())
        .expect("valid OTLP");
    read(&view)
}

impl Live for Alive {
    fn find<'a>(
        &'a self,
        _: &'a Tenant,
        id: TraceId,
    ) -> BoxFuture<'a, Result<Vec<LiveTrace>, LiveError>> {
        async move { Ok(self.matching(|trace| trace.id == id).traces) }.boxed()
    }

    fn search<'a>(
        &'a self,
        _: &'a Tenant,
        filter: &'a Filter,
        limit: usize,
    ) -> BoxFuture<'a, Result<LivePage, LiveError>> {
        async move {
            if filter.operation.as_deref() == Some("unavailable") {
                return Err(LiveError::Unavailable("the test says so".to_owned()));
            }
            let mut page =
                self.matching(|trace| walked(&trace.traces_data, |view| filter.matches(view)));
            page.traces.truncate(limit);
            Ok(page)
        }
        .boxed()
    }

    fn services<'a>(&'a self, _: &'a Tenant) -> BoxFuture<'a, Result<Vec<String>, LiveError>> {
        async move {
            let named = |trace: &LiveTrace| {
                walked(&trace.traces_data, |view| {
                    view.spans()
                        .map(|span| trace_store::filter::service_of(&span).to_owned())
                        .collect::<Vec<_>>()
                })
            };
            Ok(self.0.lock().traces.iter().flat_map(named).collect())
        }
        .boxed()
    }

    fn operations<'a>(
        &'a self,
        _: &'a Tenant,
        service: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Operation>, LiveError>> {
        async move {
            let of_trace = |trace: &LiveTrace| {
                walked(&trace.traces_data, |view| {
                    let wanted = view.spans().filter(|span| {
                        service
                            .is_none_or(|service| service == trace_store::filter::service_of(span))
                    });
                    wanted
                        .map(|span| Operation {
                            name: span.name().to_owned(),
                            kind: span.kind(),
                        })
                        .collect::<Vec<_>>()
                })
            };
            Ok(self.0.lock().traces.iter().flat_map(of_trace).collect())
        }
        .boxed()
    }

    fn counts<'a>(
        &'a self,
        _: &'a Tenant,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<LiveCounts, LiveError>> {
        async move {
            let mut counts = self.1.lock().clone();
            for epoch in &mut counts.epochs {
                epoch.series.retain(|one| names.contains(&&*one.name));
            }
            Ok(counts)
        }
        .boxed()
    }
}

/// Puts the tenant into the request as the layer of `server` does, here from a header.
async fn with_tenant(mut request: Request, next: Next) -> Response {
    let told = request.headers().get("x-scope-orgid");
    if let Some(tenant) = told.and_then(|value| value.to_str().ok()) {
        let tenant: Tenant = tenant.parse().expect("a tenant");
        request.extensions_mut().insert(tenant);
    }
    next.run(request).await
}

/// A running server. It stops when it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) live: Alive,
    pub(crate) store: TraceStore,
    client: reqwest::Client,
    server: JoinHandle<()>,
    running: JoinHandle<()>,
    pub(crate) log: Local,
    pub(crate) series: MetricsStore,
    _dir: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
        self.running.abort();
    }
}

/// Waits until the owner's limits are in the log: what comes from here on is taken under them.
async fn limits_are_said(log: &Local) {
    let points = TopicPartition {
        topic: Topic::Points,
        partition: Partition(0),
    };
    let consumer = log.consume(points, Start::Earliest).await;
    let mut consumer = consumer.expect("a consumer");
    while let Fetched::End = consumer.next().await.expect("it reads") {}
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::reading(config, true).await
    }

    /// Whose maps are drawn so.
    pub(crate) async fn drawing(map: service_map::Config) -> Self {
        Self::made(Config::default(), map, true).await
    }

    /// Whose store of metrics reads the log, or is as one that has not come to its end yet.
    pub(crate) async fn reading(config: Config, reads: bool) -> Self {
        Self::made(config, service_map::Config::default(), reads).await
    }

    async fn made(config: Config, map: service_map::Config, reads: bool) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(NOW_UNIX_MS);
        let local = blocks::local::Local::open(
            dir.path().to_owned(),
            blocks::Config::default(),
            clock.clone(),
            blocks::Metrics::default(),
        );
        let blocks = Blocks::Local(local.await.expect("a store"));
        let store = TraceStore::open(
            blocks.clone(),
            trace_store::Config::default(),
            clock.clone(),
        )
        .await
        .expect("a store");
        let log = Local::open_inline(
            Disk::Sim(SimDisk::new(1)),
            // The disk is in memory, and writes a segment as a whole.
            &bus::Config {
                segment_bytes_max: 4 << 20,
                ..bus::Config::default()
            },
            1,
            clock.clone(),
            bus::Metrics::default(),
        )
        .expect("a log");
        let runner = MetricsRunner::new(
            &metrics::Config {
                out_of_order: Duration::from_hours(24 * 36_500),
                ..metrics::Config::default()
            },
            log.clone(),
            blocks,
            clock.clone(),
            metrics::Metrics::default(),
        )
        .await
        .expect("a runner");
        let series = runner.store();
        #[expect(clippy::disallowed_methods, reason = "a test owns its server")]
        let running = tokio::spawn(async move {
            if reads {
                let ended = runner.run(CancellationToken::new()).await;
                ended.expect("the machine runs");
            }
        });
        if reads {
            series.all_caught_up().await;
            limits_are_said(&log).await;
        }
        let live = Alive::default();
        let query = Query::new(
            config,
            map,
            store.clone(),
            series.clone(),
            Arc::new(live.clone()),
            clock,
            Metrics::default(),
        );
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        #[expect(clippy::disallowed_methods, reason = "a test owns its server")]
        let server = tokio::spawn(async move {
            axum::serve(listener, query::router(query).layer(from_fn(with_tenant)))
                .await
                .expect("serves")
        });
        Self {
            address,
            live,
            store,
            log,
            series,
            running,
            client: reqwest::Client::new(),
            server,
            _dir: dir,
        }
    }

    /// Writes kept traces as one epoch of partition `partition`.
    pub(crate) async fn store(&self, partition: u32, traces: Vec<KeptTrace>) {
        let epoch = EpochName {
            partition,
            end_offset: 1,
            part: 0,
            sealed_at: ShardTime::from_s(10),
        };
        self.store
            .write_epoch(&Tenant::default_tenant(), epoch, traces)
            .await
            .expect("written");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(
            self.client
                .get(self.url(path))
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> Answer {
        Answer::of(
            self.client
                .post(self.url(path))
                .body(body)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    /// A form, asked on behalf of a tenant.
    pub(crate) async fn post_form(
        &self,
        path: &str,
        tenant: &Tenant,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let request = self.client.post(self.url(path)).body(form);
        let request = request
            .header("x-scope-orgid", tenant.as_str())
            .header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get_with(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        self.get(&format!("{path}?{query}")).await
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.expect("text"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The ids of an answer of `/api/traces`, in its order.
    #[track_caller]
    pub(crate) fn v1_ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text);
        let json = self.json();
        let traces = json["data"].as_array().expect("data");
        traces
            .iter()
            .map(|trace| trace["traceID"].as_str().expect("an id").to_owned())
            .collect()
    }
}

pub(crate) fn sampling(rule: &str, threshold: u64) -> Sampling {
    Sampling {
        rule: rule.into(),
        threshold,
        threshold_in: 0,
        p_unknown: false,
        p_estimated: false,
    }
}

/// One span as OTLP: id of the trace, of the span, of its parent, service, start in s after 16:00 of the fixtures' day.
pub(crate) fn span(trace: u64, id: u64, parent: Option<u64>, service: &str, start_s: u64) -> Bytes {
    let start = 1_485_446_400_000_000_000 + start_s * 1_000_000_000;
    let json = serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
        "scopeSpans": [{ "spans": [{
            "traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "name": format!("op{id}"), "kind": 2,
            "parentSpanId": parent.map_or_else(String::new, |parent| format!("{parent:016x}")),
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000).to_string(),
        }] }],
    }] });
    telemetry::wire::json::decode_traces(json.to_string().as_bytes())
        .expect("valid")
        .into()
}

pub(crate) fn trace_id(trace: u64) -> TraceId {
    TraceId(u128::from(trace).to_be_bytes())
}

pub(crate) fn kept(trace: u64, traces_data: Bytes) -> KeptTrace {
    KeptTrace {
        id: trace_id(trace),
        traces_data,
        sampling: sampling("all", 0),
        late: false,
    }
}

pub(crate) fn live(trace: u64, traces_data: Bytes, state: LiveState) -> LiveTrace {
    LiveTrace {
        id: trace_id(trace),
        traces_data,
        late: false,
        state,
    }
}

/// Marks what is live as incomplete and says up to when it is complete.
pub(crate) fn mark(live: &Alive, partial: Option<LivePartial>, complete_to_unix_ms: Option<i64>) {
    let mut page = live.0.lock();
    page.partial = partial;
    page.complete_to = complete_to_unix_ms.map(|unix_ms| RecordTime { unix_ms });
}
