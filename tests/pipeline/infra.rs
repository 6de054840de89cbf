//! What a trace ran on: a real process in a real container's control group sends a span, the real agent reads that group, and the trace shows both.
//!
//! On a host without containers the span says its host, and the host's lane alone is looked at. Where no control group can be made, that is all that is
//! seen, and the test says so.

mod group;

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use group::Group;
use harness::Tracewell;
use harness::process::binary;
use serde_json::Value;
use tokio::process::{Child, Command};

/// How long the process works, in s: several readings of a young container, which is read each second.
const WORK_S: u32 = 6;
/// CPUs that the container may use, of which the process wants a whole one.
const CPUS: f64 = 0.2;
const PATIENCE: Duration = Duration::from_secs(40);

/// Works, finds its container as SDKs do, and sends one span with it. Arguments: URL, trace id, seconds, and whether it is in one.
const PROGRAM: &str = r#"
import json, os, re, socket, sys, time, urllib.request
url, trace, work_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
began = time.time_ns()
while time.time_ns() - began < work_s * 1e9: sum(range(10_000))
keys = {"service.name": "checkout", "service.version": "1"}
found = sys.argv[4] == "contained" and re.search("[0-9a-f]{64}", open("/proc/self/cgroup").read())
keys |= {"container.id": found.group()} if found else {"host.name": socket.gethostname()}
attributes = [{"key": k, "value": {"stringValue": v}} for k, v in keys.items()]
attributes.append({"key": "process.pid", "value": {"intValue": str(os.getpid())}})
span = {"traceId": trace, "spanId": "0000000000000001", "name": "POST /pay", "kind": 2,
    "startTimeUnixNano": str(began), "endTimeUnixNano": str(time.time_ns())}
body = {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}]}
headers = {"content-type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url + "/v1/traces", json.dumps(body).encode(), headers)).read()
time.sleep(60)
"#;

fn agent(server: &Tracewell) -> Result<Child> {
    let endpoint = format!("agent.endpoint={}", server.grpc_url());
    let child = Command::new(binary()?)
        .args(["agent", "--set", &endpoint, "--set", "agent.interval=1s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// The program, in the group if there is one.
fn working(server: &Tracewell, group: Option<&Group>, trace: &str) -> Result<Child> {
    let enter = group.map_or_else(String::new, Group::enter_script);
    let place = group.map_or("alone", |_| "contained");
    let child = Command::new("sh")
        .args([
            "-c",
            &format!("{enter} exec python3 -c \"$0\" \"$@\""),
            PROGRAM,
        ])
        .args([&server.http_url(), trace, &WORK_S.to_string(), place])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Asks until the answer is there.
async fn until(server: &Tracewell, path: &str, is_there: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let asking = async {
        loop {
            let (status, body) = server.get(path).await?;
            if status == 200 && is_there(&body) {
                return Ok(body);
            }
            last = body;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let answered = tokio::time::timeout(PATIENCE, asking).await;
    answered.unwrap_or_else(|_| {
        anyhow::bail!("{path} had not what was looked for, but {last}");
    })
}

/// Values of a signal while the span ran, of the lane whose entity begins so.
fn during(body: &Value, entity: &str, signal: &str) -> Vec<f64> {
    let lanes = body["lanes"].as_array();
    let lane = lanes.and_then(|lanes| {
        let is = |lane: &&Value| {
            lane["entity"]
                .as_str()
                .is_some_and(|id| id.starts_with(entity))
        };
        lanes.iter().find(is)
    });
    let signals = lane.and_then(|lane| lane["signals"].as_array());
    let found = signals.and_then(|all| all.iter().find(|one| one["signal"] == signal));
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let duration: i64 = body["duration_ns"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    found.map_or_else(Vec::new, |found| {
        let (start, step) = (number(&found["start"]), number(&found["step"]));
        let values = found["values"]
            .as_array()
            .into_iter()
            .flatten()
            .zip(0_i64..);
        let within = values.filter(|(_, idx)| (0..=duration).contains(&(start + idx * step)));
        within.filter_map(|(value, _)| value.as_f64()).collect()
    })
}

#[tokio::test]
async fn the_container_of_a_process_is_shown_beside_the_span_that_it_sent() -> Result<()> {
    let group = match Group::make(CPUS) {
        Ok(group) => group,
        Err(error) => {
            harness::skipped("infra of a container", &format!("{error:#}"));
            return Ok(());
        }
    };
    shown_beside(Some(&group)).await
}

#[tokio::test]
async fn the_host_of_a_process_outside_containers_is_shown_beside_the_span_that_it_sent()
-> Result<()> {
    shown_beside(None).await
}

/// A process works in a group, or in none, and sends a span; the agent reads; the trace shows what it ran on.
async fn shown_beside(group: Option<&Group>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let mut agent = agent(&server)?;
    let trace = "00000000000000000000000000001fa5";
    let program = working(&server, group, trace)?;
    let path = format!("/api/tracewell/v1/traces/{trace}/infra");
    let wanted = match group {
        Some(_) => ("container:", "container.cpu"),
        None => ("host:", "host.cpu"),
    };
    let body = until(&server, &path, |body| {
        during(body, wanted.0, wanted.1).len() >= 3
    })
    .await?;
    ensure!(
        body["missing"] == serde_json::json!([]),
        "{}",
        body["missing"]
    );
    let host_cpu = during(&body, "host:", "host.cpu");
    ensure!(
        host_cpu.iter().all(|share| (0.0..=1.0).contains(share)),
        "{host_cpu:?}"
    );
    ensure!(host_cpu.iter().any(|share| *share > 0.0), "{host_cpu:?}");
    // what every host has, by conditions on what the agent really says
    for signal in ["steal", "load", "mem_free", "major_faults"] {
        let values = during(&body, "host:", &format!("host.{signal}"));
        ensure!(!values.is_empty(), "no host.{signal}: {body}");
    }
    if let Some(group) = group {
        contained(&server, group, &body).await?;
    }
    drop(program);
    stopped(&mut agent).await
}

/// The container's own figures: it was held back all the time, used what it may and not more, and had memory.
async fn contained(server: &Tracewell, group: &Group, body: &Value) -> Result<()> {
    let entity = format!("container:{}", group.id());
    let lane = |signal| during(body, &entity, signal);
    let (cpu, memory) = (lane("container.cpu"), lane("container.memory"));
    let peak = cpu.iter().copied().fold(0.0, f64::max);
    ensure!(peak > 0.25 * CPUS && peak < 2.0 * CPUS, "{cpu:?}");
    ensure!(memory.iter().any(|bytes| *bytes > 1e6), "{memory:?}");
    if group.is_limited() {
        let throttled = lane("container.throttled");
        ensure!(throttled.iter().any(|share| *share > 0.5), "{throttled:?}");
        let limit = lane("container.cpu_limit");
        ensure!(
            limit.iter().all(|cpus| (cpus - CPUS).abs() < 1e-9),
            "{limit:?}"
        );
    }
    let lane = body["lanes"]
        .as_array()
        .and_then(|lanes| lanes.iter().find(|lane| lane["entity"] == entity))
        .context("a lane")?;
    ensure!(lane["join"]["confidence"] == 1.0, "{}", lane["join"]);
    ensure!(
        lane["critical"][0]["span_id"] == "0000000000000001",
        "{}",
        lane["critical"]
    );

    // and from the service down: an epoch must end before an instance is known
    let path = "/api/tracewell/v1/entities/service:-/-/checkout/stack";
    let runs_on = |kind: &'static str| {
        move |body: &Value| {
            let items = body["items"].as_array().into_iter().flatten();
            items.filter(|item| item["kind"] == kind).count() == 1
        }
    };
    let stack = until(server, path, |body| {
        ["instance", "container", "host"]
            .into_iter()
            .all(|kind| runs_on(kind)(body))
    })
    .await?;
    ensure!(stack["items"][0]["id"] == "service:-/-/checkout", "{stack}");
    ensure!(stack.to_string().contains(&entity), "{stack}");
    Ok(())
}

/// Told to stop, it ends well.
async fn stopped(agent: &mut Child) -> Result<()> {
    let pid = agent.id().context("it runs")?.to_string();
    let told = Command::new("kill").arg(pid).status().await?;
    ensure!(told.success(), "kill failed");
    let ended = tokio::time::timeout(PATIENCE, agent.wait()).await??;
    ensure!(ended.code() == Some(0), "the agent ended with {ended}");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_cannot_be_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (setting, code, word) in [
        ("agent.endpoint=ftp://x", 64, "only http is supported"),
        ("agent.interval=10", 64, "has no unit"),
        ("agent.interval=1ms", 64, "from 1s to 1h"),
        ("agent.probes=[]", 64, "nothing to read"),
        ("agent.probes=[\"hosts\"]", 64, "unknown variant"),
        ("agent.endpiont=x", 64, "did you mean \"endpoint\"?"),
    ] {
        let output = Command::new(binary()?)
            .args(["agent", "--set", setting])
            .current_dir(folder.path())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await??;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(code), "{setting}: {told}");
        ensure!(told.contains(word), "{setting}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn top_shows_what_flows_through_the_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Tracewell::new(folder.path(), &[])?;
    server.start().await?;
    let top = server.verb(&["top", "--count", "2", "--interval", "1s"]);
    let sent = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now_ns = std::fs::metadata(folder.path())?
            .modified()?
            .duration_since(std::time::UNIX_EPOCH)?
            .as_nanos();
        let span = harness::otlp::span(1, 1, 0, u64::try_from(now_ns)?);
        let body = harness::otlp::body("shop", vec![span]);
        ensure!(server.export(body).await, "refused");
        Ok(())
    };
    let (top, sent) = tokio::join!(top, sent);
    sent?;
    let output = top?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}");
    let views: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(views.len() == 2, "{text}");
    let total: f64 = views
        .iter()
        .filter_map(|view| view["pipeline"]["spans_per_s"].as_f64())
        .sum();
    ensure!(total > 0.1 && views[0]["ready"] == true, "{text}");
    ensure!(views[1]["pipeline"]["alarms"] == 0.0, "{text}");
    ensure!(views[1]["services"][0]["name"] == "shop", "{text}");

    let shown = server.verb(&["top", "--count", "1", "--interval", "200ms", "-o", "table"]);
    let shown = shown.await?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(
        text.contains("trace store") && text.contains("shop"),
        "{text}"
    );
    ensure!(
        !text.contains('\u{1b}'),
        "no terminal, no escapes: {text:?}"
    );
    Ok(())
}
