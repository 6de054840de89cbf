//! Questions to a store of a million spans: by id and by search, on epoch blocks and on merged ones.

use hdrhistogram::Histogram;
use telemetry::wire::StatusCode;
use telemetry::{Clock, Tenant, TraceId};
use trace_store::{Filter, SearchQuery, TraceStore};

use super::Settings;
use crate::rng::Rng;
use crate::stored::{self, Stored};
use crate::table::Table;

const N_SPANS: u64 = 1_000_000;
const N_BY_ID: usize = 4_000;
/// More than a hundred, so that the p99 is not the first, which finds nothing cached and stands beside it.
const N_SEARCHES: usize = 200;
const LIMIT: usize = 20;
const LATENCY_NS_MAX: u64 = 60_000_000_000;

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(settings.scaled(N_SPANS)))
}

async fn measure(n_spans: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stored = stored::fill(folder.path(), n_spans).await?;
    let what = format!("{} spans of {} traces", stored.n_spans, stored.ids.len());
    ask_all(&stored, &format!("query: epoch blocks, {what}")).await?;
    stored.compact().await?;
    ask_all(&stored, &format!("query: merged blocks, {what}")).await
}

/// Latencies of one kind of question.
struct Asked {
    first_ms: f64,
    latency_ns: Histogram<u64>,
    n_traces: usize,
    n_partial: usize,
}

async fn ask_all(stored: &Stored, title: &str) -> anyhow::Result<()> {
    let tenant = &stored.tenant;
    // Opened anew: nothing is cached by the store; the operating system's cache is warm.
    let store = stored.opened_anew().await?;
    let mut table = Table::new(
        title,
        &[
            "",
            "p50 ms",
            "p99 ms",
            "first ms",
            "traces found",
            "partial answers",
        ],
    );
    table.row(cells(
        "by id, one that is there",
        &by_id(&store, tenant, &stored.ids).await?,
    ));
    table.row(cells(
        "by id, one that is not",
        &by_id(&store, tenant, &unknown_ids()).await?,
    ));
    for (name, filter) in searches() {
        let store = stored.opened_anew().await?;
        table.row(cells(name, &search(&store, tenant, filter).await?));
    }
    table.note(format!("in the store, without HTTP; searches: limit {LIMIT}, newest first, {N_SEARCHES} times; by id {N_BY_ID} times; wall time, one client"));
    table.print()?;
    Ok(())
}

fn unknown_ids() -> Vec<TraceId> {
    let mut rng = Rng::new(1);
    (0..N_BY_ID).map(|_| TraceId(rng.id_16())).collect()
}

fn tag(key: &str, value: &str) -> Filter {
    Filter {
        tags: vec![(key.to_owned(), value.to_owned())],
        ..Filter::default()
    }
}

fn searches() -> Vec<(&'static str, Filter)> {
    let operation = Filter {
        service: Some("payment".to_owned()),
        operation: Some("POST /v1/charges".to_owned()),
        ..Filter::default()
    };
    vec![
        (
            "service",
            Filter {
                service: Some("checkout".to_owned()),
                ..Filter::default()
            },
        ),
        ("service and operation", operation),
        (
            "duration over 300 ms",
            Filter {
                duration_min_ns: Some(300_000_000),
                ..Filter::default()
            },
        ),
        (
            "duration over 1 h: none",
            Filter {
                duration_min_ns: Some(3_600_000_000_000),
                ..Filter::default()
            },
        ),
        (
            "errors",
            Filter {
                status: Some(StatusCode::Error),
                ..Filter::default()
            },
        ),
        ("common attribute", tag("http.response.status_code", "200")),
        ("rare attribute", tag("app.user.id", "u-000042")),
        ("attribute that is nowhere", tag("app.user.id", "nobody")),
    ]
}

async fn by_id(store: &TraceStore, tenant: &Tenant, ids: &[TraceId]) -> anyhow::Result<Asked> {
    let mut rng = Rng::new(2);
    let mut asked = Asked::new()?;
    for _ in 0..N_BY_ID {
        let id = *rng.pick(ids);
        let begun = Clock::host().monotonic();
        let found = store.find(tenant, id).await?;
        asked.record(begun.elapsed(), usize::from(found.is_some()), false)?;
    }
    Ok(asked)
}

async fn search(store: &TraceStore, tenant: &Tenant, filter: Filter) -> anyhow::Result<Asked> {
    let query = SearchQuery {
        filter,
        limit: LIMIT,
        cursor: None,
    };
    let mut asked = Asked::new()?;
    for _ in 0..N_SEARCHES {
        let begun = Clock::host().monotonic();
        let page = store.search(tenant, &query).await?;
        asked.record(begun.elapsed(), page.traces.len(), page.partial.is_some())?;
    }
    Ok(asked)
}

impl Asked {
    fn new() -> anyhow::Result<Self> {
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?;
        Ok(Self {
            first_ms: 0.0,
            latency_ns,
            n_traces: 0,
            n_partial: 0,
        })
    }

    fn record(
        &mut self,
        latency: std::time::Duration,
        n_traces: usize,
        is_partial: bool,
    ) -> anyhow::Result<()> {
        if self.latency_ns.is_empty() {
            self.first_ms = latency.as_secs_f64() * 1e3;
        }
        self.latency_ns.record(latency.as_nanos() as u64)?;
        self.n_traces += n_traces;
        self.n_partial += usize::from(is_partial);
        Ok(())
    }
}

fn cells(name: &str, asked: &Asked) -> [String; 6] {
    let at = |quantile| {
        format!(
            "{:.2}",
            asked.latency_ns.value_at_quantile(quantile) as f64 / 1e6
        )
    };
    [
        name.to_owned(),
        at(0.50),
        at(0.99),
        format!("{:.2}", asked.first_ms),
        format!(
            "{:.1}",
            asked.n_traces as f64 / asked.latency_ns.len() as f64
        ),
        asked.n_partial.to_string(),
    ]
}
