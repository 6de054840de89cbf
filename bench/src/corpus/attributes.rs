//! What the shop's spans and resources say of themselves: OpenTelemetry semantic conventions, about 12 attributes a span.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::shop::{Database, SERVICES, Service, USER_AGENTS};
use crate::rng::Rng;

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: u64) -> KeyValue {
    pair(key, Value::IntValue(value as i64))
}

/// What an SDK with detectors for process, container, host and cloud says of one instance.
pub(crate) fn resource(service_idx: usize, instance: usize, seed: u64) -> Resource {
    let service = &SERVICES[service_idx];
    let mut rng = Rng::new(seed ^ (service_idx * 97 + instance) as u64);
    let container_id = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
    let host = format!("node-{}", rng.below(8));
    let attributes = vec![
        text("service.name", service.name),
        text("service.namespace", "shop"),
        text(
            "service.version",
            format!("2.{}.{}", service_idx, rng.below(10)),
        ),
        text("service.instance.id", format!("{:016x}", rng.next_u64())),
        text("telemetry.sdk.name", "opentelemetry"),
        text("telemetry.sdk.language", service.language),
        text("telemetry.sdk.version", "1.42.0"),
        text("host.name", host.clone()),
        text("host.id", format!("{host}-{:08x}", rng.below(1 << 32))),
        text("container.id", container_id),
        text(
            "k8s.pod.name",
            format!("{}-{:05x}", service.name, rng.below(1 << 20)),
        ),
        text("k8s.namespace.name", "shop"),
        text(
            "cloud.availability_zone",
            format!("eu-central-1{}", ["a", "b", "c"][instance % 3]),
        ),
        int("process.pid", 1 + rng.below(30_000)),
    ];
    Resource {
        attributes,
        ..Resource::default()
    }
}

/// A request that `service` answers.
pub(crate) fn server(
    rng: &mut Rng,
    service: &Service,
    route: (&str, &str),
    status: u64,
) -> Vec<KeyValue> {
    let path = route
        .1
        .replace("{id}", &format!("{:06}", rng.below(40_000)));
    let path = path.replace("{user}", &format!("u-{:06}", rng.below(90_000)));
    vec![
        text("http.request.method", route.0),
        text("http.route", route.1),
        text("url.path", path),
        text("url.scheme", "http"),
        int("http.response.status_code", status),
        text(
            "server.address",
            format!("{}.shop.svc.cluster.local", service.name),
        ),
        int("server.port", 8080),
        text("network.protocol.version", "1.1"),
        text("network.peer.address", address(rng)),
        int("network.peer.port", 32_768 + rng.below(28_000)),
        text("user_agent.original", *rng.pick(USER_AGENTS)),
        text("client.address", address(rng)),
        int("thread.id", 1 + rng.below(64)),
    ]
}

/// A call that goes to `callee`.
pub(crate) fn client(
    rng: &mut Rng,
    callee: &Service,
    route: (&str, &str),
    status: u64,
) -> Vec<KeyValue> {
    let path = route
        .1
        .replace("{id}", &format!("{:06}", rng.below(40_000)));
    let path = path.replace("{user}", &format!("u-{:06}", rng.below(90_000)));
    let thread = 1 + rng.below(64);
    vec![
        text("http.request.method", route.0),
        text(
            "url.full",
            format!("http://{}.shop.svc.cluster.local:8080{path}", callee.name),
        ),
        text(
            "server.address",
            format!("{}.shop.svc.cluster.local", callee.name),
        ),
        int("server.port", 8080),
        int("http.response.status_code", status),
        text("network.protocol.name", "http"),
        text("network.protocol.version", "1.1"),
        text("network.peer.address", address(rng)),
        int("network.peer.port", 8080),
        int("http.request.body.size", rng.below(4_000)),
        int("thread.id", thread),
        text("thread.name", format!("worker-{thread}")),
    ]
}

/// A statement that goes to a database.
pub(crate) fn database(
    rng: &mut Rng,
    database: &Database,
    table: &str,
    verb: &str,
) -> Vec<KeyValue> {
    let thread = 1 + rng.below(64);
    let statement = match verb {
        "INSERT" => {
            format!(
                "INSERT INTO {table} (id, tenant_id, body, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)"
            )
        }
        "UPDATE" => format!(
            "UPDATE {table} SET body = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2"
        ),
        _ => format!(
            "SELECT id, tenant_id, body, created_at, updated_at FROM {table} WHERE tenant_id = $1 AND id = $2 LIMIT $3"
        ),
    };
    vec![
        text("db.system.name", database.system),
        text("db.namespace", database.namespace),
        text("db.collection.name", table),
        text("db.operation.name", verb),
        text("db.query.text", statement),
        text("db.query.summary", format!("{verb} {table}")),
        int("db.response.returned_rows", rng.below(50)),
        text(
            "server.address",
            format!("{}.db.shop.svc.cluster.local", database.namespace),
        ),
        int(
            "server.port",
            if database.system == "mysql" {
                3306
            } else {
                5432
            },
        ),
        text("network.peer.address", address(rng)),
        text("network.transport", "tcp"),
        int("thread.id", thread),
        text("thread.name", format!("worker-{thread}")),
    ]
}

/// Work within a service.
pub(crate) fn internal(rng: &mut Rng, service: &Service, function: &str) -> Vec<KeyValue> {
    let thread = 1 + rng.below(64);
    vec![
        text("code.function.name", function),
        text(
            "code.file.path",
            format!(
                "/srv/{}/src/main/handlers/{}_handler.src",
                service.name, service.name
            ),
        ),
        int("code.line.number", 20 + rng.below(400)),
        int("thread.id", thread),
        text("thread.name", format!("worker-{thread}")),
        text("app.user.id", format!("u-{:06}", rng.below(90_000))),
        text("app.session.id", format!("{:016x}", rng.next_u64())),
        text(
            "app.feature.flag",
            [
                "new-checkout/variant-b",
                "new-checkout/control",
                "dark-launch/all",
            ][rng.index(3)],
        ),
        int("app.items", rng.below(12)),
        pair(
            "app.total",
            Value::DoubleValue(rng.below(100_000) as f64 / 100.0),
        ),
        pair("app.cached", Value::BoolValue(rng.percent(70))),
    ]
}

/// What an SDK records of an exception.
pub(crate) fn exception(service: &Service) -> Vec<KeyValue> {
    vec![
        text("exception.type", "UpstreamTimeout"),
        text(
            "exception.message",
            format!("{}: no answer within 2000 ms", service.name),
        ),
        text(
            "exception.stacktrace",
            "at call (client:211)\nat retry (policy:48)\nat handle (router:97)\nat main (server:12)",
        ),
    ]
}

fn address(rng: &mut Rng) -> String {
    format!("10.4.{}.{}", rng.below(16), 1 + rng.below(250))
}
