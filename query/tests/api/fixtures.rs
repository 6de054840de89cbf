//! Jaeger's storage integration suite: 32 traces and 20 queries, over HTTP v1 and v3.

use std::collections::HashMap;
use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;
use telemetry::wire::json::decode_traces;
use telemetry::{TraceId, wire::TraceWriter};
use trace_store::KeptTrace;

use crate::served::{Served, sampling, walked};

/// The shared fixtures; none where this project stands alone.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/fixtures"
    ));
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
    {
        eprintln!("SKIPPED: no fixtures at {}", folder.display());
    }
    None
}

/// A fixture file by name: the ids of its traces, in order of appearance.
type Ids = HashMap<String, Vec<TraceId>>;

/// Stores all traces of the suite. A fixture may have several traces, and one trace may come in several files.
pub(crate) async fn stored(folder: &std::path::Path) -> (Served, Ids) {
    let served = Served::start().await;
    let (mut ids, mut traces) = (Ids::new(), Vec::<KeptTrace>::new());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("jaeger/traces"))
        .expect("traces")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    for file in files {
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let otlp = decode_traces(&std::fs::read(&file).expect("read")).expect("valid OTLP JSON");
        for (id, traces_data) in by_trace(&otlp) {
            ids.entry(name.clone()).or_default().push(id);
            traces.push(KeptTrace {
                id,
                traces_data: traces_data.into(),
                sampling: sampling("all", 0),
                late: false,
            });
        }
    }
    served.store(0, traces).await;
    (served, ids)
}

fn by_trace(otlp: &[u8]) -> Vec<(TraceId, Vec<u8>)> {
    walked(otlp, |view| {
        let mut ids: Vec<TraceId> = Vec::new();
        for span in view.spans() {
            if !ids.contains(&span.trace_id()) {
                ids.push(span.trace_id());
            }
        }
        let mut writer = TraceWriter::new();
        let mut of = |id: TraceId| {
            view.spans()
                .filter(|span| span.trace_id() == id)
                .for_each(|span| writer.push(&span));
            (id, writer.finish())
        };
        ids.into_iter().map(&mut of).collect()
    })
}

struct Case {
    caption: String,
    query: Value,
    expected: Vec<String>,
}

fn cases(folder: &std::path::Path, ids: &Ids) -> Vec<Case> {
    let text = std::fs::read_to_string(folder.join("jaeger/queries.json")).expect("queries");
    let queries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let case = |query: &Value| {
        let fixtures = query["ExpectedFixtures"].as_array().expect("fixtures");
        let mut expected: Vec<String> = fixtures
            .iter()
            .flat_map(|name| &ids[name.as_str().expect("a name")])
            .map(ToString::to_string)
            .collect();
        expected.sort();
        Case {
            caption: query["Caption"].as_str().expect("a caption").to_owned(),
            query: query["Query"].clone(),
            expected,
        }
    };
    queries.iter().map(case).collect()
}

impl Case {
    fn text(&self, name: &str) -> &str {
        self.query[name].as_str().unwrap_or("")
    }

    /// As Go writes it, so that the text is read and not a number.
    fn duration(&self, name: &str) -> String {
        let ns = self.query[name].as_u64().expect("ns");
        if ns == 0 {
            String::new()
        } else {
            format!("{}.{:03}us", ns / 1_000, ns % 1_000)
        }
    }

    /// `{"key":"text"}`, or empty.
    fn tags(&self) -> String {
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let tags = self.query["Tags"].as_object();
        let tags: Option<serde_json::Map<String, Value>> = tags.map(|tags| {
            tags.iter()
                .map(|(key, value)| (key.clone(), text(value).into()))
                .collect()
        });
        tags.map_or_else(String::new, |tags| Value::Object(tags).to_string())
    }

    fn us(&self, name: &str) -> String {
        let time: jiff::Timestamp = self.text(name).parse().expect("a time");
        time.as_microsecond().to_string()
    }
}

#[track_caller]
fn same(caption: &str, mut found: Vec<String>, expected: &[String]) {
    found.sort();
    assert_eq!(found, expected, "{caption}");
}

#[tokio::test]
async fn the_20_queries_find_their_traces_over_v1() {
    let Some(folder) = folder() else { return };
    let (served, ids) = stored(&folder).await;
    let cases = cases(&folder, &ids);
    assert_eq!((ids.len(), cases.len()), (32, 20));
    for case in &cases {
        let limit = case.query["NumTraces"].to_string();
        let parameters = [
            ("service", case.text("ServiceName")),
            ("operation", case.text("OperationName")),
            ("tags", &case.tags()),
            ("start", &case.us("StartTimeMin")),
            ("end", &case.us("StartTimeMax")),
            ("minDuration", &case.duration("DurationMin")),
            ("maxDuration", &case.duration("DurationMax")),
            ("limit", &limit),
        ];
        for mount in ["/api/traces", "/jaeger/api/traces"] {
            same(
                &case.caption,
                served.get_with(mount, &parameters).await.v1_ids(),
                &case.expected,
            );
        }
    }
}

#[tokio::test]
async fn the_20_queries_find_their_traces_over_v3() {
    let Some(folder) = folder() else { return };
    let (served, ids) = stored(&folder).await;
    for case in &cases(&folder, &ids) {
        let limit = case.query["NumTraces"].to_string();
        let parameters = [
            ("query.serviceName", case.text("ServiceName")),
            ("query.operationName", case.text("OperationName")),
            ("query.attributes", &case.tags()),
            ("query.startTimeMin", case.text("StartTimeMin")),
            ("query.startTimeMax", case.text("StartTimeMax")),
            ("query.durationMin", &case.duration("DurationMin")),
            ("query.durationMax", &case.duration("DurationMax")),
            ("query.searchDepth", &limit),
        ];
        let summaries = served
            .get_with("/api/v3/trace-summaries", &parameters)
            .await
            .json();
        let summaries = summaries["summaries"].as_array().expect("summaries").iter();
        same(
            &case.caption,
            summaries
                .map(|summary| summary["traceId"].as_str().expect("an id").to_owned())
                .collect(),
            &case.expected,
        );

        let traces = served.get_with("/api/v3/traces", &parameters).await.json();
        let spans = traces["result"]["resourceSpans"]
            .as_array()
            .expect("result")
            .iter();
        let spans = spans
            .flat_map(|resource| resource["scopeSpans"].as_array().expect("scopes"))
            .flat_map(|scope| scope["spans"].as_array().expect("spans"));
        let mut found: Vec<String> = spans
            .map(|span| span["traceId"].as_str().expect("an id").to_owned())
            .collect();
        found.sort();
        found.dedup();
        same(&case.caption, found, &case.expected);
    }
}

#[tokio::test]
async fn every_fixture_is_found_by_id_with_all_its_spans() {
    let Some(folder) = folder() else { return };
    let (served, ids) = stored(&folder).await;
    for id in ids.values().flatten() {
        let stored = served
            .store
            .find(&telemetry::Tenant::default_tenant(), *id)
            .await
            .expect("read")
            .expect("found");
        let n_spans = walked(&stored.traces_data, |view| view.n_spans());
        let v1 = served.get(&format!("/api/traces/{id}")).await.json();
        assert_eq!(
            v1["data"][0]["spans"].as_array().map(Vec::len),
            Some(n_spans),
            "{id}"
        );
        let raw = served
            .get(&format!("/api/v3/traces/{id}?rawTraces=true"))
            .await
            .json();
        let otlp = decode_traces(raw["result"].to_string().as_bytes()).expect("OTLP JSON");
        let spans = |bytes: &[u8]| {
            walked(bytes, |view| {
                view.spans()
                    // JSON has its own order of fields, so what is compared is what the bytes say.
                    .map(|span| Span::decode(span.bytes()).expect("a span"))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            spans(&otlp),
            spans(&stored.traces_data),
            "{id}: raw is as stored"
        );
    }
}
