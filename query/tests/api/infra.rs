//! What runs below a trace: lanes, joins, and what is said where one fails. Metrics come as an agent sends them, through the log.

mod joins;
mod lagging;
mod reported;
mod signals;

use serde_json::{Value, json};

use crate::served::{Served, kept};
use reported::{Reported, trace};

/// When the traces begin: 16:40 of the fixtures' day, in s.
const AT_S: u64 = 1_485_448_800;
const A: &str = "3f2504e04f8911d39a0c0305e82c3301aabbccddeeff00112233445566778899";

/// Attributes of a resource, the codes that are told, and a part of a sentence.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

/// A container that is idle for an hour and throttled in the minute of the trace, on a host that is half busy.
fn an_hour() -> Reported {
    let mut reported = Reported::default();
    for s in (AT_S - 3_700..AT_S + 60).step_by(10) {
        let busy_s = s.saturating_sub(AT_S - 20).min(60) as f64;
        let passed_s = (s - (AT_S - 3_700)) as f64;
        let container = [
            ("host.id", "h1"),
            ("host.name", "node-1"),
            ("container.id", A),
        ];
        let own = |name, unit| (name, unit, [].as_slice());
        reported.counter(
            &container,
            own("container.cpu.time", "s"),
            s,
            passed_s * 0.1 + busy_s,
        );
        reported.counter(
            &container,
            own("container.cpu.throttling_data.periods", "{period}"),
            s,
            passed_s * 10.0,
        );
        reported.counter(
            &container,
            own(
                "container.cpu.throttling_data.throttled_periods",
                "{period}",
            ),
            s,
            busy_s * 5.0,
        );
        reported.gauge(
            &container,
            own("container.memory.working_set", "By"),
            s,
            1e9,
        );
        let host = [("host.id", "h1"), ("host.name", "node-1")];
        for (mode, share) in [("user", 0.5), ("idle", 0.5)] {
            let labels = [("cpu.mode", mode), ("cpu.logical_number", "0")];
            reported.counter(
                &host,
                ("system.cpu.time", "s", &labels),
                s,
                passed_s * share,
            );
        }
        for (disk, share) in [("sda", 0.2), ("sdb", 0.0)] {
            let labels = [("system.device", disk)];
            reported.counter(
                &host,
                ("system.disk.io_time", "s", &labels),
                s,
                passed_s * share,
            );
        }
    }
    reported
}

fn lane<'a>(body: &'a Value, entity: &str) -> &'a Value {
    let lanes = body["lanes"].as_array().expect("lanes");
    let found = lanes.iter().find(|lane| lane["entity"] == entity);
    found.unwrap_or_else(|| panic!("no lane of {entity}: {body}"))
}

fn signal<'a>(lane: &'a Value, name: &str, part: Option<&str>) -> &'a Value {
    let signals = lane["signals"].as_array().expect("signals");
    let is = |one: &&Value| one["signal"] == name && one["part"].as_str() == part;
    let found = signals.iter().find(is);
    found.unwrap_or_else(|| panic!("no {name} {part:?}: {lane}"))
}

/// The value of a signal at an offset from the start of the trace.
fn value_at(signal: &Value, offset_s: i64) -> f64 {
    let number = |key: &str| signal[key].as_i64().expect("a number");
    let idx = (offset_s * 1_000_000_000 - number("start")) / number("step");
    signal["values"][idx as usize].as_f64().unwrap_or(f64::NAN)
}

fn codes(body: &Value) -> Vec<&str> {
    let missing = body["missing"].as_array().expect("missing");
    missing
        .iter()
        .map(|one| one["code"].as_str().expect("a code"))
        .collect()
}

#[tokio::test]
async fn the_container_and_the_host_of_a_span_are_shown_beside_it() {
    let served = Served::start().await;
    an_hour().write(&served, 10).await;
    let spans = trace(
        1,
        AT_S,
        &[(
            "checkout",
            &[("container.id", A), ("service.version", "1")],
            0,
            30,
        )],
    );
    served.store(0, vec![kept(1, spans)]).await;
    let body = served.get("/api/tracewell/v1/traces/1/infra").await.json();
    assert_eq!(codes(&body), [""; 0], "{body}");
    assert_eq!(
        (
            &body["from"],
            &body["to"],
            &body["duration_ns"],
            &body["partial"]
        ),
        (
            &json!(-50_000_000_000_i64),
            &json!(80_000_000_000_i64),
            &json!("30000000000"),
            &json!(false)
        )
    );
    let container = lane(&body, &format!("container:{A}"));
    assert_eq!(
        container["join"],
        json!({"method": "container.id", "confidence": 1.0})
    );
    assert_eq!(
        container["critical"],
        json!([{"span_id": "0000000000000001", "from": 0, "to": 30_000_000_000_i64}])
    );
    let cpu = signal(container, "container.cpu", None);
    assert!((value_at(cpu, -40) - 0.1).abs() < 1e-6, "{cpu}");
    assert!((value_at(cpu, 30) - 1.1).abs() < 1e-6, "{cpu}");
    assert_eq!(cpu["unit"], "{cpu}");
    assert!(
        (cpu["high"][0].as_f64().expect("an hour is enough") - 0.3).abs() < 1e-6,
        "{cpu}"
    );
    assert_eq!(
        cpu["query"],
        format!("sum(rate(container_cpu_time_seconds_total{{container_id=\"{A}\"}}[30s]))")
    );
    let throttled = signal(container, "container.throttled", None);
    assert!((value_at(throttled, 30) - 0.5).abs() < 1e-6, "{throttled}");
    let abnormal = throttled["abnormal"].as_array().expect("ranges");
    let [from, to] = [&abnormal[0][0], &abnormal[0][1]].map(|ns| ns.as_i64().expect("ns"));
    assert!(from < 0 && to >= 30_000_000_000, "{abnormal:?}");
    let memory = signal(container, "container.memory", None);
    assert_eq!(
        (value_at(memory, 0), &memory["abnormal"]),
        (1e9, &json!([]))
    );

    let host = lane(&body, "host:h1");
    assert_eq!(host["label"], "node-1");
    assert!((value_at(signal(host, "host.cpu", None), 0) - 0.5).abs() < 1e-6);
    assert!((value_at(signal(host, "disk.busy", Some("disk=sda")), 0) - 0.2).abs() < 1e-6);
    assert!(value_at(signal(host, "disk.busy", Some("disk=sdb")), 0).abs() < 1e-6);
}

#[tokio::test]
async fn lanes_follow_the_critical_path_and_may_be_chosen() {
    let served = Served::start().await;
    an_hour().write(&served, 10).await;
    let spans = trace(
        1,
        AT_S,
        &[
            ("front", &[("host.name", "node-1")], 0, 10),
            ("checkout", &[("container.id", A)], 2, 9),
            ("aside", &[("host.name", "node-9")], 3, 4),
        ],
    );
    served.store(0, vec![kept(1, spans)]).await;
    let body = served
        .get("/api/tracewell/v1/traces/1/infra?pad=10s")
        .await
        .json();
    let lanes = body["lanes"].as_array().expect("lanes");
    let entities: Vec<&str> = lanes
        .iter()
        .map(|lane| lane["entity"].as_str().expect("an id"))
        .collect();
    // the host has all of the path, the container the middle of it; what ran beside the path has no lane
    assert_eq!(entities, ["host:h1", &format!("container:{A}")]);
    assert_eq!(lanes[0]["critical"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        lanes[1]["critical"],
        json!([{"span_id": "0000000000000002", "from": 2_000_000_000_i64, "to": 9_000_000_000_i64}])
    );
    assert_eq!(body["to"], 20_000_000_000_i64);

    let path = format!(
        "/api/tracewell/v1/traces/1/infra?entities=host:node-9,container:{}",
        &A[..12]
    );
    let body = served.get(&path).await.json();
    assert_eq!(lane(&body, "host:node-9")["signals"], json!([]));
    assert_eq!(
        lane(&body, &format!("container:{A}"))["join"]["confidence"],
        1.0
    );
    assert_eq!(body["lanes"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_is_not_joined_is_told_with_what_to_do() {
    let served = Served::start().await;
    an_hour().write(&served, 10).await;
    let other = "0".repeat(64);
    let cases: [Case<'_>; 4] = [
        (
            &[("container.id", &other)],
            &["TW3104", "TW3109"],
            "but nobody reports metrics of it: run `tracewell agent` on",
        ),
        (
            &[("host.id", "h7")],
            &["TW3104", "TW3109"],
            "`checkout` runs on host `h7`",
        ),
        (
            &[("service.version", "1")],
            &["TW3102"],
            "enable the host and container resource detectors",
        ),
        (
            &[("service.name", ""), ("host.id", "h1")],
            &["TW3101"],
            "set `OTEL_SERVICE_NAME`",
        ),
    ];
    for (idx, (resource, expected, sentence)) in cases.into_iter().enumerate() {
        let id = idx as u64 + 1;
        let spans = trace(id, AT_S, &[("checkout", resource, 0, 1)]);
        served.store(idx as u32, vec![kept(id, spans)]).await;
        let body = served
            .get(&format!("/api/tracewell/v1/traces/{id}/infra"))
            .await
            .json();
        assert_eq!(codes(&body), expected, "{body}");
        let told = body["missing"].to_string();
        assert!(told.contains(sentence), "{told}");
    }
    // the only host there is has a lane, and is said to be a guess
    let body = served.get("/api/tracewell/v1/traces/3/infra").await.json();
    assert_eq!(
        lane(&body, "host:h1")["join"],
        json!({"method": "only candidate", "confidence": 0.5})
    );
}

#[tokio::test]
async fn what_ended_before_the_trace_is_told() {
    let served = Served::start().await;
    an_hour().write(&served, 10).await;
    let spans = trace(
        1,
        AT_S + 600,
        &[(
            "checkout",
            &[("container.id", A), ("service.version", "1")],
            0,
            1,
        )],
    );
    served.store(0, vec![kept(1, spans)]).await;
    let body = served
        .get("/api/tracewell/v1/traces/1/infra?pad=10m")
        .await
        .json();
    let codes = codes(&body);
    assert!(
        codes.iter().all(|code| *code == "TW3108") && !codes.is_empty(),
        "{body}"
    );
    assert!(
        body["missing"]
            .to_string()
            .contains("ended at `2017-01-26T16:40:50.000Z`"),
        "{body}"
    );
}

#[tokio::test]
async fn an_entity_tells_what_runs_on_what() {
    let served = Served::start().await;
    an_hour().write(&served, 10).await;
    let base = "/api/tracewell/v1/entities";
    let range = format!("from={}&to={}", (AT_S - 600) * 1_000, (AT_S + 60) * 1_000);
    let body = served
        .get(&format!("{base}/host:node-1?{range}"))
        .await
        .json();
    assert_eq!(
        (&body["id"], &body["label"]),
        (&json!("host:h1"), &json!("node-1"))
    );
    let relation = &body["relations"][0];
    assert_eq!(
        (
            &relation["relation"],
            &relation["id"],
            &relation["join"]["confidence"]
        ),
        (
            &json!("runs"),
            &json!(format!("container:{A}")),
            &json!(1.0)
        )
    );
    let signals = body["signals"].as_array().expect("signals");
    assert!(
        signals
            .iter()
            .any(|one| one["signal"] == "host.cpu" && one["high"][0].is_number())
    );

    let body = served
        .get(&format!("{base}/container:{}/stack?{range}", &A[..12]))
        .await
        .json();
    let ids: Vec<&str> = body["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|one| one["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids, [&format!("container:{A}"), "host:h1"]);
    assert_eq!(body["items"][0]["runs_on"][0]["id"], "host:h1");

    for (path, status, code) in [
        (format!("{base}/host:nobody?{range}"), 404, "TW3002"),
        (format!("{base}/disk:x?{range}"), 400, "TW3001"),
        (format!("{base}/db:postgresql/x:1/y/stack"), 404, "TW3002"),
        (format!("{base}/host:h1?from=2&to=1"), 400, "TW3001"),
        ("/api/tracewell/v1/traces/9/infra".to_owned(), 404, "TW3002"),
        (
            "/api/tracewell/v1/traces/1/infra?pad=2h".to_owned(),
            400,
            "TW3001",
        ),
        (
            "/api/tracewell/v1/traces/1/infra?entities=x".to_owned(),
            400,
            "TW3001",
        ),
        (
            "/api/tracewell/v1/traces/1/infra?entities=pod:x".to_owned(),
            400,
            "TW3001",
        ),
    ] {
        let answer = served.get(&path).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{path}"
        );
    }
}
