//! Bad input through the public doors (B01–B12, B21): it gets its answer, loses nothing else, and nothing panics.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use harness::{Tracewell, otlp};
use serde_json::Value;

const START: u64 = 1_700_000_000_000_000_000;

async fn server(folder: &tempfile::TempDir) -> Result<Tracewell> {
    let keep_all = r#"sampler.rules=[{ name = "all", sampler = { type = "keep" } }]"#;
    let mut server = Tracewell::new(folder.path(), &[keep_all])?;
    server.start().await?;
    Ok(server)
}

/// Posts a body and gives the status and the answer.
async fn post(
    server: &Tracewell,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<(u16, Vec<u8>)> {
    let mut request = server
        .http_client()
        .post(format!("{}/v1/traces", server.http_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body).send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A request of one scope with `n` spans of no bytes.
fn empty_spans(n: usize) -> Vec<u8> {
    let spans = [0x12, 0].repeat(n);
    let field = |key: u8, body: Vec<u8>| {
        let mut out = vec![key];
        prost::encoding::encode_varint(body.len() as u64, &mut out);
        out.extend(body);
        out
    };
    field(0x0a, field(0x12, spans))
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[tokio::test]
async fn every_bad_request_gets_its_answer_and_good_ones_go_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = server(&folder).await?;
    let good = otlp::body("good", vec![otlp::span(1, 1, 0, START)]);
    let mut bad_crc = gzip(&good)?;
    let crc_at = bad_crc.len() - 8;
    bad_crc[crc_at] ^= 1;
    let invalid_utf8 = {
        let mut body = otlp::body("XYZZY", vec![otlp::span(2, 1, 0, START)]);
        let at = body
            .windows(5)
            .position(|w| w == b"XYZZY")
            .context("the name is in the body")?;
        body[at] = 0xff;
        body
    };
    let deep_json = format!("{{\"x\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(&str, u16, Vec<(&str, &str)>, Vec<u8>)> = vec![
        (
            "B01 gzip of 4 MiB of empty spans",
            413,
            vec![PROTOBUF, GZIP],
            gzip(&empty_spans(2 << 20))?,
        ),
        (
            "B02 gzip bomb",
            413,
            vec![PROTOBUF, GZIP],
            gzip(&vec![0; 256 << 20])?,
        ),
        ("B02 bad CRC", 400, vec![PROTOBUF, GZIP], bad_crc),
        (
            "B02 cut gzip",
            400,
            vec![PROTOBUF, GZIP],
            gzip(&good)?[..20].to_vec(),
        ),
        (
            "B03 unknown encoding",
            415,
            vec![PROTOBUF, ("content-encoding", "br")],
            good.clone(),
        ),
        (
            "B03 no zstd",
            400,
            vec![PROTOBUF, ("content-encoding", "zstd")],
            good.clone(),
        ),
        ("B05 101 groups", 400, vec![PROTOBUF], vec![0x0b; 101]),
        ("B06 deep JSON", 400, vec![JSON], deep_json.into_bytes()),
        (
            "B06 enum names",
            400,
            vec![JSON],
            br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_SERVER"}]}]}]}"#
                .to_vec(),
        ),
        ("B09 invalid UTF-8", 400, vec![PROTOBUF], invalid_utf8),
        (
            "unknown type",
            415,
            vec![("content-type", "text/plain")],
            good.clone(),
        ),
        ("empty request", 200, vec![PROTOBUF], Vec::new()),
        (
            "two gzip members",
            200,
            vec![PROTOBUF, GZIP],
            [
                gzip(&good)?,
                gzip(&otlp::body("good", vec![otlp::span(3, 1, 0, START)]))?,
            ]
            .concat(),
        ),
    ];
    for (case, expected, headers, body) in cases {
        let (status, answer) = post(&server, &headers, body).await.context(case)?;
        ensure!(
            status == expected,
            "{case}: {status}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    for trace in [1, 3] {
        ensure!(
            server
                .acknowledged_trace(&otlp::trace_hex(trace))
                .await?
                .is_some(),
            "a member of the gzip body is lost"
        );
    }
    ensure!(
        server.metric("tracewell_panics_total", &[]).await? == 0.0,
        "something panicked"
    );
    Ok(())
}

#[tokio::test]
async fn a_span_without_a_valid_id_is_rejected_and_the_rest_accepted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = server(&folder).await?;
    let mut spans: Vec<_> = (1..=5).map(|id| otlp::span(7, id, 0, START)).collect();
    spans[0].trace_id = Vec::new();
    spans[1].trace_id = vec![0; 16];
    spans[2].trace_id.push(1);
    spans[3].span_id = vec![0; 8];
    let body = serde_json::to_vec(&otlp_json(&spans))?;
    let (status, answer) = post(&server, &[JSON], body).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    ensure!(
        status == 200 && answer["partialSuccess"]["rejectedSpans"] == "4",
        "{status}: {answer}"
    );
    ensure!(
        answer["partialSuccess"]["errorMessage"]
            .as_str()
            .is_some_and(|m| m.contains("trace")),
        "{answer}"
    );
    let found = server
        .acknowledged_trace(&otlp::trace_hex(7))
        .await?
        .context("the valid span is found")?;
    ensure!(found.len() == 1, "{found:?}");
    Ok(())
}

fn otlp_json(spans: &[opentelemetry_proto::tonic::trace::v1::Span]) -> Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let span = |s: &opentelemetry_proto::tonic::trace::v1::Span| {
        serde_json::json!({"traceId": hex(&s.trace_id), "spanId": hex(&s.span_id), "name": s.name,
            "startTimeUnixNano": s.start_time_unix_nano.to_string(), "endTimeUnixNano": s.end_time_unix_nano})
    };
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans.iter().map(span).collect::<Vec<_>>()}]}]})
}

#[tokio::test]
async fn one_batch_a_thousand_times_is_one_row_and_variants_are_bounded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = server(&folder).await?;
    let batch = otlp::body("repeat", vec![otlp::span(1, 1, 0, START)]);
    for _ in 0..1_000 {
        ensure!(server.export(batch.clone()).await, "a repeat was refused");
    }
    for variant in 0..1_000 {
        let mut span = otlp::span(2, 1, 0, START);
        span.name = format!("variant-{variant}");
        ensure!(
            server.export(otlp::body("repeat", vec![span])).await,
            "a variant was refused"
        );
    }
    let found = server
        .acknowledged_trace(&otlp::trace_hex(1))
        .await?
        .context("found")?;
    ensure!(found.len() == 1, "{} rows of one batch", found.len());
    for _ in 0..300 {
        let duplicates = server
            .metric("tracewell_spans_total", &["state=\"duplicates\""])
            .await?;
        let stored = server
            .metric("tracewell_spans_total", &["state=\"stored\""])
            .await?;
        if stored + duplicates == 2_000.0 {
            ensure!(
                (stored, duplicates) == (9.0, 1_991.0),
                "stored {stored}, duplicates {duplicates}"
            );
            let found = server
                .acknowledged_trace(&otlp::trace_hex(2))
                .await?
                .context("found")?;
            ensure!(found.len() == 8, "{} variants", found.len());
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("not at rest after 30 s")
}

#[tokio::test]
async fn odd_shapes_and_hostile_names_are_stored_and_shown_as_they_are() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = server(&folder).await?;
    let hostile = "a\u{0}\u{1b}[31m\u{202e}\n{\"level\":\"error\"}";
    let mut spans = vec![
        otlp::span(9, 1, 1, START), // its own parent
        otlp::span(9, 2, 3, START), // a cycle of two
        otlp::span(9, 3, 2, START),
        otlp::span(9, 4, 0, START), // two roots
        otlp::span(9, 5, 0, START),
        otlp::span(9, 6, 4, START + 50), // ends before it starts
        otlp::span(9, 7, 4, 0),          // 1970
        otlp::span(9, 8, 4, START),      // the end of time
    ];
    spans[3].name = hostile.to_owned();
    spans[5].end_time_unix_nano = START;
    spans[6].end_time_unix_nano = 0;
    spans[7].end_time_unix_nano = u64::MAX;
    ensure!(
        server.export(otlp::body("../../etc", spans)).await,
        "refused"
    );
    let found = server
        .acknowledged_trace(&otlp::trace_hex(9))
        .await?
        .context("found")?;
    ensure!(found.len() == 8, "{} of 8 spans", found.len());
    let span = |id: u64| {
        found
            .iter()
            .find(|s| s["spanID"] == format!("{id:016x}"))
            .context("a span")
    };
    ensure!(span(4)?["operationName"] == hostile, "{}", span(4)?);
    ensure!(
        span(6)?["duration"] == 0 && !span(6)?["warnings"].is_null(),
        "{}",
        span(6)?
    );
    let (status, services) = server.get("/api/services").await?;
    ensure!(
        status == 200
            && services["data"]
                .as_array()
                .is_some_and(|s| s.contains(&"../../etc".into())),
        "{services}"
    );
    Ok(())
}

#[tokio::test]
async fn signals_that_nobody_keeps_are_not_answered_ok() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = server(&folder).await?;
    for path in ["/v1/logs", "/v1development/profiles"] {
        let request = server
            .http_client()
            .post(format!("{}{path}", server.http_url()))
            .header("content-type", "application/x-protobuf");
        let answer = request.body(Vec::new()).send().await?;
        ensure!(answer.status() == 404, "{path}: {}", answer.status());
    }
    Ok(())
}
