//! Live and stored parts answer as one: each trace once and whole, in the total order.

use query::{LivePartial, LiveState, LiveTrace};

use crate::served::{Served, kept, live, mark, sampling, span};

#[tokio::test]
async fn what_is_live_and_what_is_stored_are_one_list_in_order() {
    let served = Served::start().await;
    served
        .store(
            0,
            vec![
                kept(1, span(1, 1, None, "a", 10)),
                kept(2, span(2, 1, None, "a", 30)),
            ],
        )
        .await;
    served
        .live
        .add(live(3, span(3, 1, None, "a", 20), LiveState::Undecided));
    served.live.add(live(
        4,
        span(4, 1, None, "a", 30),
        LiveState::Kept(sampling("slow", 0)),
    ));
    served
        .live
        .add(live(5, span(5, 1, None, "b", 40), LiveState::Undecided));
    let ids = |answer: crate::served::Answer| {
        answer
            .v1_ids()
            .iter()
            .map(|id| id[31..].to_owned())
            .collect::<Vec<_>>()
            .join("")
    };
    assert_eq!(
        ids(served.get("/api/traces?service=a").await),
        "2431",
        "start descending, equal starts by id"
    );
    assert_eq!(ids(served.get("/api/traces?service=a&limit=2").await), "24");
    assert_eq!(ids(served.get("/api/traces").await), "52431");
    assert_eq!(
        ids(served.get("/api/traces?traceID=3&traceID=1").await),
        "31"
    );
}

#[tokio::test]
async fn parts_of_one_trace_are_joined_and_equal_spans_are_one() {
    let served = Served::start().await;
    served
        .store(0, vec![kept(1, span(1, 1, None, "a", 10))])
        .await;
    served.live.add(live(
        1,
        span(1, 1, None, "a", 10),
        LiveState::Kept(sampling("all", 0)),
    ));
    served.live.add(live(
        1,
        span(1, 2, Some(1), "b", 11),
        LiveState::Kept(sampling("all", 0)),
    ));
    for path in [
        "/api/traces/1",
        "/jaeger/api/traces/00000000000000000000000000000001",
        "/api/traces?traceID=1",
    ] {
        let trace = served.get(path).await.json();
        assert_eq!(trace["data"].as_array().map(Vec::len), Some(1), "{path}");
        let spans = trace["data"][0]["spans"].as_array().expect("spans").iter();
        let mut ids: Vec<&str> = spans
            .map(|span| span["spanID"].as_str().expect("id"))
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, ["0000000000000001", "0000000000000002"], "{path}");
    }
}

#[tokio::test]
async fn a_late_part_brings_its_trace_with_it() {
    let served = Served::start().await;
    served
        .store(0, vec![kept(1, span(1, 1, None, "a", 10))])
        .await;
    let late = LiveTrace {
        late: true,
        ..live(
            1,
            span(1, 2, Some(1), "b", 11),
            LiveState::Kept(sampling("all", 0)),
        )
    };
    served.live.add(late);
    let trace = served.get("/api/traces?service=b").await.json();
    assert_eq!(trace["data"][0]["spans"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_was_sampled_out_is_not_found_but_our_api_tells_by_which_rule() {
    let served = Served::start().await;
    served.live.add(live(
        1,
        span(1, 1, None, "a", 10),
        LiveState::Dropped("noise".into()),
    ));
    assert_eq!(served.get("/api/traces/1").await.status, 404);
    assert_eq!(served.get("/api/v3/traces/1").await.status, 404);
    assert!(served.get("/api/traces").await.v1_ids().is_empty());
    let trace = served.get("/api/tracewell/v1/traces/1").await.json();
    assert_eq!(
        (trace["state"].as_str(), trace["rule"].as_str()),
        (Some("dropped"), Some("noise"))
    );
}

#[tokio::test]
async fn an_answer_says_how_complete_it_is() {
    let served = Served::start().await;
    let whole = served.get("/api/traces").await;
    assert_eq!(
        (
            whole.header("x-tracewell-partial"),
            whole.header("x-tracewell-complete-to")
        ),
        (None, None)
    );
    assert!(
        whole
            .header("x-request-id")
            .is_some_and(|id| !id.is_empty())
    );
    mark(
        &served.live,
        Some(LivePartial::Lag),
        Some(1_485_449_191_639),
    );
    for path in [
        "/api/traces",
        "/api/v3/trace-summaries?query.startTimeMin=2017-01-26T15:46:31Z&query.startTimeMax=2017-01-26T17:46:31Z",
        "/api/tracewell/v1/traces",
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.header("x-tracewell-partial"), Some("lag"), "{path}");
        assert_eq!(
            answer.header("x-tracewell-complete-to"),
            Some("2017-01-26T16:46:31.639Z"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn services_and_operations_are_of_both_sides() {
    let served = Served::start().await;
    served
        .store(
            0,
            vec![
                kept(1, span(1, 1, None, "b", 10)),
                kept(2, span(2, 2, None, "b", 10)),
            ],
        )
        .await;
    served
        .live
        .add(live(3, span(3, 3, None, "a", 20), LiveState::Undecided));
    served
        .live
        .add(live(4, span(4, 1, None, "b", 20), LiveState::Undecided));
    let data = async |path: &str| served.get(path).await.json()["data"].clone();
    assert_eq!(data("/api/services").await, serde_json::json!(["a", "b"]));
    assert_eq!(
        data("/api/services/b/operations").await,
        serde_json::json!(["op1", "op2"])
    );
    let operation = |name: &str| serde_json::json!({ "name": name, "spanKind": "server" });
    assert_eq!(
        data("/api/operations?service=b").await,
        serde_json::json!([operation("op1"), operation("op2")])
    );
    assert_eq!(
        data("/api/operations?service=b&spanKind=client").await,
        serde_json::json!([])
    );
    let v3 = served.get("/api/v3/operations?service=a").await.json();
    assert_eq!(v3, serde_json::json!({ "operations": [operation("op3")] }));
}
