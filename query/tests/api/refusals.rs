//! Every refusal has the shape that the clients of its API read, and comes before any work.

use std::time::Duration;

use query::Config;
use serde_json::json;

use crate::served::{Served, kept, span};

#[tokio::test]
async fn jaeger_v1_refuses_in_its_envelope() {
    let served = Served::start().await;
    let long = format!("/api/traces?service={}", "a".repeat(33_000));
    for (path, code, part) in [
        ("/api/traces/1", 404, "trace not found"),
        ("/api/traces/xyz", 400, "a trace id is"),
        ("/api/traces?limit=10001", 400, "'limit' is 1 to 10000"),
        ("/api/traces?limit=-1", 400, "'limit'"),
        (
            "/api/traces?start=0&end=1485452791639875",
            400,
            "at most 744",
        ),
        ("/api/traces?minDuration=1", 400, "'minDuration'"),
        (
            "/api/traces?minDuration=2s&maxDuration=1s",
            400,
            "'maxDuration' should be greater than 'minDuration'",
        ),
        (
            "/api/traces?tag=x",
            400,
            "malformed 'tag' parameter, expecting key:value, received: x",
        ),
        ("/api/traces?tags=x", 400, "malformed 'tags' parameter"),
        ("/api/traces?traceID=x", 400, "cannot parse traceID param"),
        (
            "/api/traces?operation=unavailable",
            503,
            "the sampler does not answer: the test says so",
        ),
        ("/api/operations?spanKind=x", 400, "'spanKind'"),
        (&long, 400, "at most 32768"),
        ("/api/dependencies?endTs=x", 400, "'endTs'"),
        (
            "/jaeger/api/dependencies?endTs=9999999999&lookback=9999999999",
            400,
            "at most 744",
        ),
        ("/api/deep-dependencies", 404, "later piece"),
        ("/api/metrics/calls", 404, "metrics piece"),
        ("/api/nothing", 404, "there is no /api/nothing"),
        (
            "/jaeger/api/nothing",
            404,
            "there is no /jaeger/api/nothing",
        ),
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.status, code, "{path}: {}", answer.text);
        let body = answer.json();
        let told = body["errors"][0]["msg"].as_str().unwrap_or_default();
        assert!(told.contains(part), "{path}: {told}");
        let expected = json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{ "code": code, "msg": told }] });
        assert_eq!(body, expected, "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    }
}

#[tokio::test]
async fn unknown_ids_beside_known_ones_are_listed() {
    let served = Served::start().await;
    served
        .store(0, vec![kept(1, span(1, 1, None, "a", 10))])
        .await;
    let answer = served.get("/api/traces?traceID=1&traceID=2").await;
    assert_eq!(answer.v1_ids().len(), 1);
    let expected = json!([{ "code": 404, "msg": "trace not found", "traceID": "00000000000000000000000000000002" }]);
    assert_eq!(answer.json()["errors"], expected);
}

#[tokio::test]
async fn jaeger_v3_refuses_in_its_shape() {
    let served = Served::start().await;
    let range = "query.startTimeMin=2017-01-26T15:46:31Z&query.startTimeMax=2017-01-26T17:46:31Z";
    for (path, code, part) in [
        ("/api/v3/traces/1", 404, "trace not found"),
        ("/api/v3/traces/x", 400, "a trace id is"),
        ("/api/v3/traces/1?startTime=x", 400, "'startTime'"),
        ("/api/v3/traces", 400, "query.startTimeMin is required"),
        (&format!("/api/v3/traces?{range}"), 404, "No traces found"),
        (
            &format!("/api/v3/traces?{range}&query.searchDepth=10001"),
            400,
            "'query.searchDepth' is 1 to 10000",
        ),
        (
            &format!("/api/v3/trace-summaries?{range}&query.filter=%7B%7D"),
            400,
            "later piece",
        ),
        ("/api/v3/dependencies", 400, "startTime"),
        ("/jaeger/api/v3/nothing", 404, "there is no"),
    ] {
        let answer = served.get(path).await;
        let body = answer.json();
        let told = body["error"]["message"].as_str().unwrap_or_default();
        assert!(told.contains(part), "{path}: {told}");
        assert_eq!(
            (answer.status, &body),
            (
                code,
                &json!({ "error": { "httpCode": code, "message": told } })
            ),
            "{path}"
        );
    }
    let answer = served
        .post("/api/v3/traces", "{\"query\":{}}".to_owned())
        .await;
    assert_eq!(
        (answer.status, answer.json()["error"]["message"].as_str()),
        (400, Some("startTimeMin is required"))
    );
    assert_eq!(
        served
            .post("/api/v3/traces", "x".repeat(40_000))
            .await
            .status,
        400
    );
    let none = served
        .get(&format!("/api/v3/trace-summaries?{range}"))
        .await;
    assert_eq!(
        (none.status, none.json()),
        (200, json!({ "summaries": [] }))
    );
}

#[tokio::test]
async fn our_api_refuses_with_problems() {
    let served = Served::start().await;
    for (path, status, code, title) in [
        ("/api/tracewell/v1/traces/1", 404, "TW3002", "Not found"),
        (
            "/api/tracewell/v1/traces?q=%7B%7D",
            400,
            "TW3001",
            "The request is not valid",
        ),
        (
            "/api/tracewell/v1/tail?limit=1&q=x",
            400,
            "TW3001",
            "The request is not valid",
        ),
        (
            "/api/tracewell/v1/map?hops=9",
            400,
            "TW3001",
            "The request is not valid",
        ),
        (
            "/api/tracewell/v1/services/x/errors",
            404,
            "TW3002",
            "Not found",
        ),
        ("/api/tracewell/v1/receipts", 404, "TW3003", "Not served"),
    ] {
        let answer = served.get(path).await;
        let body = answer.json();
        let expected = json!({
            "type": format!("/docs/codes/{code}"), "title": title, "status": status, "code": code, "detail": body["detail"],
            "instance": path.split('?').next(), "request_id": answer.header("x-request-id"),
        });
        assert_eq!((answer.status, &body), (status, &expected), "{path}");
        assert!(
            body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty()),
            "{path}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
}

#[tokio::test]
async fn apis_that_are_not_there_say_so_in_their_own_style() {
    let served = Served::start().await;
    for path in [
        "/api/search",
        "/tempo/api/search",
        "/api/v2/traces/1",
        "/api/echo",
    ] {
        let answer = served.get(path).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (
                404,
                "the Tempo API and TraceQL are a later piece and are not served yet\n"
            ),
            "{path}"
        );
    }
    for path in ["/api/v1/read", "/prometheus/api/v1/admin/tsdb/snapshot"] {
        let expected = json!({ "status": "error", "errorType": "not_found", "error": "of the Prometheus API this server has queries, names and status: it scrapes nothing, and is not read or administered by this API" });
        assert_eq!(served.get(path).await.json(), expected, "{path}");
    }
}

#[tokio::test]
async fn too_many_and_too_large_answers_are_refused() {
    let busy = Served::with(Config {
        running_max: 0,
        queue_wait: Duration::ZERO,
        ..Config::default()
    })
    .await;
    let answer = busy.get("/api/services").await;
    assert_eq!(
        (answer.status, answer.json()["errors"][0]["code"].as_u64()),
        (429, Some(429))
    );
    let small = Served::with(Config {
        answer_bytes_max: 100,
        ..Config::default()
    })
    .await;
    small
        .store(
            0,
            (1..9)
                .map(|trace| kept(trace, span(trace, 1, None, "a", 10)))
                .collect(),
        )
        .await;
    assert_eq!(small.get("/api/traces").await.status, 422);
    assert_eq!(small.get("/api/traces?limit=1").await.status, 200);
    let tails = Served::with(Config {
        tails_max: 0,
        ..Config::default()
    })
    .await;
    assert_eq!(tails.get("/api/tracewell/v1/tail").await.status, 429);
}
