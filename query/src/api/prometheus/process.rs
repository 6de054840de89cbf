//! What this process says of itself in Prometheus' words. Where a Prometheus tells of Go, what comes closest is told.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use futures::FutureExt;
use serde_json::json;
use telemetry::RecordTime;

use super::envelope::Answer;
use crate::Query;
use crate::read::time::rfc3339;
use crate::refusal::Refusal;
use crate::trace::found::Marks;

/// The version of Prometheus whose API and language are spoken: clients turn features on by it.
const VERSION: &str = "3.8.0";
const CONFIG: &str = "# Tracewell scrapes nothing and has no configuration of Prometheus: its own is told by `tracewell config print`\n";

pub(super) async fn buildinfo(State(query): State<Query>) -> Result<Response, Refusal> {
    let data = json!({
        "version": VERSION,
        "application": "tracewell",
        "revision": concat!("tracewell-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    });
    Answer::of(&data)?.sent(&query, &Marks::default())
}

pub(super) async fn runtimeinfo(State(query): State<Query>) -> Result<Response, Refusal> {
    let began = rfc3339(RecordTime {
        unix_ms: query.0.requests.began_unix_ms(),
    });
    let folder = std::env::current_dir().unwrap_or_default();
    let hostname = tokio::fs::read_to_string("/proc/sys/kernel/hostname").await;
    let n_threads = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let n_tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    let store = &query.0.series;
    let data = json!({
        "startTime": began,
        "CWD": folder.to_string_lossy(),
        "hostname": hostname.unwrap_or_default().trim(),
        "serverTime": rfc3339(query.0.clock.wall()),
        "reloadConfigSuccess": true,
        "lastConfigTime": began,
        "corruptionCount": store.metrics().damaged_blocks.get(),
        "goroutineCount": n_tasks,
        "GOMAXPROCS": n_threads,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": duration(store.config().retention),
    });
    Answer::of(&data)?.sent(&query, &Marks::default())
}

/// The settings that a Prometheus has as flags.
pub(super) async fn flags(State(query): State<Query>) -> Result<Response, Refusal> {
    let (engine, config) = (query.0.promql.config(), &query.0.config);
    let store = query.0.series.config();
    let data = json!({
        "query.lookback-delta": duration(engine.lookback),
        "query.max-concurrency": config.running_max.to_string(),
        "query.max-samples": engine.samples_max.to_string(),
        "query.timeout": duration(engine.timeout),
        "enable-feature": config.promql_features.names().join(","),
        "storage.tsdb.retention.time": duration(store.retention),
        "storage.tsdb.retention.size": format!("{}B", store.bytes_max),
        "web.listen-address": config.listen.to_string(),
    });
    Answer::of(&data)?.sent(&query, &Marks::default())
}

pub(super) async fn config(State(query): State<Query>) -> Result<Response, Refusal> {
    Answer::of(&json!({ "yaml": CONFIG }))?.sent(&query, &Marks::default())
}

/// Whether the log is read again as far as it was at the start.
pub(super) async fn walreplay(State(query): State<Query>) -> Result<Response, Refusal> {
    let is_read = query.0.series.all_caught_up().now_or_never().is_some();
    let data = json!({ "min": 0, "max": 1, "current": u8::from(is_read) });
    Answer::of(&data)?.sent(&query, &Marks::default())
}

/// Whole units as Prometheus writes them: the largest that divides it.
fn duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let ms = duration.as_millis();
    let unit = UNITS
        .iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    unit.map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", ms / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_whole_units() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1_500, "1500ms"),
            (30_000, "30s"),
            (300_000, "5m"),
            (90 * 86_400_000, "90d"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }
}
