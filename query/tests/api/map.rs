//! The map, the services and Jaeger's dependencies, over what samplers tell the metrics.

pub(crate) mod derived;
mod evidence;
mod large;
mod services;

use serde_json::{Value, json};

use crate::fixtures::folder;
use crate::schema::Schemas;
use crate::served::{NOW_UNIX_MS, Served};
use derived::{BEGIN_MS, Epoch};

/// A shop: a user, three services, a database, a queue and a peer outside. `cart` fails, and was well an hour ago.
pub(crate) async fn shop() -> Served {
    let served = Served::start().await;
    let mut before = Epoch::default();
    let hour_ago = BEGIN_MS - 2_700_000;
    before.calls("web>cart", hour_ago, (100, 0), 0.1);
    before.calls("web>old", hour_ago, (50, 0), 0.1);
    before.requests(
        "cart/c1",
        hour_ago,
        (100, 0),
        0.1,
        &[("service_version", "1")],
    );
    before.write(&served, 0).await;
    let mut now = Epoch::default();
    now.calls("user>web:virtual_node:client", BEGIN_MS, (60, 0), 0.2);
    now.calls("web>cart", BEGIN_MS, (60, 30), 0.1);
    now.calls("cart>pg:database", BEGIN_MS, (120, 0), 0.01);
    now.calls(
        "cart>orders:messaging_system:server",
        BEGIN_MS,
        (30, 0),
        0.01,
    );
    now.calls(
        "orders>mail:messaging_system:client",
        BEGIN_MS,
        (30, 0),
        0.01,
    );
    now.calls("cart>mail:messaging_system", BEGIN_MS, (30, 0), 0.01);
    now.calls(
        "mail>smtp.example.com:virtual_node:server",
        BEGIN_MS,
        (30, 0),
        0.3,
    );
    let facts = [
        ("service_version", "2"),
        ("service_namespace", "shop"),
        ("deployment_environment", "prod"),
        ("host_name", "h1"),
        ("team", "buy"),
    ];
    now.requests("cart/c1", BEGIN_MS, (60, 30), 0.1, &facts);
    now.requests("web/w1", BEGIN_MS, (60, 0), 0.2, &[("host_name", "h1")]);
    now.write(&served, 1).await;
    served
}

fn find<'a>(list: &'a Value, name: &str, value: &str) -> &'a Value {
    let items = list.as_array().expect("a list");
    let found = items.iter().find(|item| item[name] == value);
    found.unwrap_or_else(|| panic!("no {value} in {list}"))
}

fn names(list: &Value, name: &str) -> Vec<String> {
    let items = list.as_array().expect("a list");
    let text = |item: &Value| item[name].as_str().unwrap_or_default().to_owned();
    items.iter().map(text).collect()
}

#[tokio::test]
async fn the_map_shows_who_calls_whom_and_how_that_goes() {
    let served = shop().await;
    let body = served.get("/api/tracewell/v1/map").await.json();
    assert_eq!(
        names(&body["nodes"], "id"),
        [
            "db:pg",
            "external:smtp.example.com",
            "queue:orders",
            "service:cart",
            "service:mail",
            "service:web",
            "user:user"
        ]
    );
    let edges: Vec<String> = body["edges"]
        .as_array()
        .expect("edges")
        .iter()
        .map(|edge| format!("{} {} {}", edge["from"], edge["to"], edge["async"]).replace('"', ""))
        .collect();
    assert_eq!(
        edges,
        [
            "queue:orders service:mail true",
            "service:cart db:pg false",
            "service:cart queue:orders true",
            "service:mail external:smtp.example.com false",
            "service:web service:cart false",
            "user:user service:web false"
        ]
    );
    let cart = find(&body["nodes"], "id", "service:cart");
    assert_eq!(
        (&cart["rate"], &cart["error_ratio"], &cart["state"]),
        (&json!(0.2), &json!(0.5), &json!("bad"))
    );
    assert_eq!(cart["badges"], json!(["deploy"]));
    assert!(
        cart["state_rule"]
            .as_str()
            .expect("a rule")
            .starts_with("errors")
    );
    let p95 = cart["p95_base"].as_f64().expect("a baseline");
    assert!((p95 - 0.1).abs() < 0.01, "{p95}");
    let call = find(&body["edges"], "to", "service:cart");
    let gap = call["client_p95"].as_f64().expect("s") / call["server_p95"].as_f64().expect("s");
    assert!((gap - 1.5).abs() < 0.15, "{gap}");
    assert_eq!(call["points"].as_array().expect("points").len(), 2);
    assert_eq!(find(&body["nodes"], "id", "db:pg")["inferred"], true);
    assert_eq!(body["hidden"], json!({ "filter": 0, "clustered": 0 }));
    // callers stand left of callees
    let x = |id: &str| {
        find(&body["nodes"], "id", id)["x"]
            .as_i64()
            .expect("a place")
    };
    assert!(x("user:user") < x("service:web") && x("service:web") < x("service:cart"));
    assert!(x("service:cart") < x("queue:orders") && x("queue:orders") < x("service:mail"));
}

#[tokio::test]
async fn the_same_question_has_the_same_bytes_and_its_tag_is_known() {
    let served = shop().await;
    let path = format!("/api/tracewell/v1/map?at={NOW_UNIX_MS}");
    let first = served.get(&path).await;
    let again = served.get(&path).await;
    assert_eq!(first.text, again.text);
    let tag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(
        format!("{:?}", first.json()["version"].as_str().expect("a version")),
        tag
    );
    let client = reqwest::Client::new();
    let request = client.get(served.url(&path)).header("if-none-match", &tag);
    let known = request.send().await.expect("an answer");
    assert_eq!(
        (
            known.status().as_u16(),
            known.headers()["etag"].to_str().expect("text")
        ),
        (304, &*tag)
    );
    assert_eq!(known.text().await.expect("none"), "");
    // positions are kept beside the blocks: a map of another filter and then this one again
    served.get(&format!("{path}&q=cart")).await.json();
    assert_eq!(served.get(&path).await.text, first.text);
    assert!(first.header("x-tracewell-complete-to").is_some());
}

#[tokio::test]
async fn what_is_wanted_of_a_map_is_understood() {
    let served = shop().await;
    let ids = async |query: &str| {
        let body = served
            .get(&format!("/api/tracewell/v1/map?{query}"))
            .await
            .json();
        names(&body["nodes"], "id").join(" ")
    };
    assert_eq!(ids("only=problems").await, "service:cart service:web");
    assert_eq!(
        ids("focus=mail").await,
        "external:smtp.example.com queue:orders service:mail"
    );
    assert_eq!(
        ids("q=SMTP").await,
        "external:smtp.example.com service:mail"
    );
    assert_eq!(
        ids("group=host").await,
        "db:pg external:smtp.example.com host:h1 queue:orders service:cart service:mail user:user"
    );
    let plain = served
        .get("/api/tracewell/v1/map?layout=false")
        .await
        .json();
    assert!(plain["w"].is_null() && plain["nodes"][0]["x"].is_null());
    assert!(plain["edges"][0]["points"].is_null());
    // `web` is of no environment, and `cart` alone of a team
    assert_eq!(ids("env=prod").await, "db:pg queue:orders service:cart");
    assert_eq!(ids("env=prod&focus=db:pg").await, "db:pg service:cart");
    assert_eq!(ids("env=prod&focus=web").await, "");
    assert_eq!(ids("env=test").await, "");
    assert_eq!(
        ids("env=prod&only=problems&q=cart&hops=2").await,
        "service:cart"
    );
    assert_eq!(
        ids("group=team").await,
        "external:smtp.example.com service:cart service:mail service:web team:buy user:user"
    );
    assert_eq!(
        ids("group=team&expand=team:buy&focus=service:prod/shop/cart").await,
        "db:pg queue:orders service:cart service:web"
    );
    let unknown = served.get("/api/tracewell/v1/map?group=x").await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn every_node_is_an_entity_and_leads_back_to_the_map() {
    let served = shop().await;
    let mut odd = Epoch::default();
    odd.calls("web>a/b ü:database", BEGIN_MS, (10, 0), 0.1);
    odd.calls("shop/odd name>web", BEGIN_MS, (10, 0), 0.1);
    odd.write(&served, 2).await;
    let range = "from=now-5m";
    let map = served.get(&format!("/api/tracewell/v1/map?{range}")).await;
    let map = map.json();
    let nodes = map["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 9);
    for node in nodes {
        let id = node["id"].as_str().expect("an id");
        let segment: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        for path in [id, &segment] {
            let answer = served
                .get(&format!("/api/tracewell/v1/entities/{path}?{range}"))
                .await;
            let body = answer.json();
            assert_eq!(answer.status, 200, "{path}: {body}");
            assert_eq!(body["red"]["rate"], node["rate"], "{body}");
            assert_eq!(body["red"]["state"], node["state"], "{body}");
            assert_eq!(body["kind"], node["kind"], "{body}");
            // relations are the edges of the map
            let is_at = |edge: &&Value| edge["from"] == id || edge["to"] == id;
            let edges = map["edges"].as_array().expect("edges");
            let relations = body["relations"].as_array().expect("relations");
            let of_calls = relations.iter().filter(|one| one["rate"].is_number());
            assert_eq!(of_calls.count(), edges.iter().filter(is_at).count());
            // and the way back
            let ui = body["ui"].as_str().expect("a link");
            let (_, focus) = ui.split_once("&focus=").expect("a focus");
            let back = served
                .get(&format!("/api/tracewell/v1/map?{range}&focus={focus}&q="))
                .await
                .json();
            find(&back["nodes"], "id", id);
        }
    }
    let cart = served.get("/api/tracewell/v1/entities/service:cart?from=now-5m");
    let cart = cart.await.json();
    assert_eq!(cart["id"], "service:prod/shop/cart");
    let relations: Vec<String> = cart["relations"]
        .as_array()
        .expect("relations")
        .iter()
        .map(|one| format!("{} {}", one["relation"], one["id"]).replace('"', ""))
        .collect();
    assert_eq!(
        relations,
        [
            "calls db:pg",
            "calls queue:orders",
            "called_by service:web",
            "runs_on instance:prod/shop/cart/c1"
        ]
    );
    let known = async |path: &str| {
        let path = format!("/api/tracewell/v1/entities/{path}?from=now-5m");
        served.get(&path).await.status
    };
    assert_eq!(known("db:postgresql/pg:5432/shop").await, 200);
    assert_eq!(known("service:prod/shop/cart").await, 200);
    assert_eq!(known("service:test/shop/cart").await, 404);
    assert_eq!(known("queue:nothing").await, 404);
    // a host is one by what services say of it, agent or not
    let hosts = served.get("/api/tracewell/v1/map?group=host&from=now-5m");
    assert_eq!(find(&hosts.await.json()["nodes"], "id", "host:h1")["n"], 1);
    let host = served.get("/api/tracewell/v1/entities/host:h1?from=now-5m");
    let host = host.await.json();
    assert_eq!(
        names(&host["relations"], "relation"),
        ["runs", "runs"],
        "{host}"
    );
    let stack = served.get("/api/tracewell/v1/entities/db:pg/stack?from=now-5m");
    let stack = stack.await.json();
    assert_eq!(names(&stack["items"], "id"), ["db:pg"]);
    assert!(
        stack["why_empty"].to_string().contains("no probe"),
        "{stack}"
    );
}

#[tokio::test]
async fn settings_say_how_a_map_is_drawn() {
    let settings = service_map::Config {
        max_nodes: 10,
        group: service_map::graph::cluster::Group::Namespace,
    };
    let served = Served::drawing(settings).await;
    let mut epoch = Epoch::default();
    for n in 0..30 {
        let edge = format!("s{n:02}>t{n:02}");
        epoch.calls(&edge, BEGIN_MS, (30, 0), 0.1);
    }
    epoch.write(&served, 0).await;
    let map = served.get("/api/tracewell/v1/map").await.json();
    assert_eq!(map["nodes"].as_array().expect("nodes").len(), 10);
    assert!(
        map["ui"]
            .as_str()
            .expect("a link")
            .ends_with("group=namespace"),
        "{}",
        map["ui"]
    );
}

#[tokio::test]
async fn nothing_is_seen_in_the_future() {
    let served = Served::start().await;
    let mut epoch = Epoch::default();
    // the window goes on after the tests' now
    let begin_ms = NOW_UNIX_MS / 10_000 * 10_000;
    epoch.calls("a>b", begin_ms, (30, 0), 0.1);
    epoch.requests("b/1", begin_ms, (30, 0), 0.1, &[("service_version", "1")]);
    epoch.write(&served, 0).await;
    let now = "2017-01-26T17:46:31.639Z";
    let get = async |path: &str| {
        let path = format!("/api/tracewell/v1/{path}");
        served.get(&path).await.json()
    };
    assert_eq!(get("services").await["items"][0]["last_seen"], now);
    let instances = get("services/b/instances").await;
    assert_eq!(instances["items"][0]["last_seen"], now);
    let deployments = get("services/b/deployments").await;
    assert_eq!(deployments["items"][0]["first_seen"], now);
    let dependencies = get("services/b/dependencies").await;
    assert_eq!(dependencies["items"][0]["first_seen"], now);
    assert_eq!(get("map").await["edges"][0]["first_seen"], now);
}

#[tokio::test]
async fn an_empty_map_says_why() {
    let served = Served::start().await;
    let why = async |served: &Served, query: &str| {
        let body = served
            .get(&format!("/api/tracewell/v1/map?{query}"))
            .await
            .json();
        assert_eq!(body["nodes"], json!([]));
        body["why_empty"].as_str().expect("a sentence").to_owned()
    };
    assert!(why(&served, "").await.contains("send spans"));
    let served = shop().await;
    let later = NOW_UNIX_MS + 7_200_000;
    assert!(
        why(&served, &format!("at={later}"))
            .await
            .contains("the last one was at 2017-01-26T")
    );
    assert!(
        why(&served, "q=nobody")
            .await
            .contains("all 7 entities are hidden")
    );
}

#[tokio::test]
async fn two_times_are_compared() {
    let served = shop().await;
    let path = "/api/tracewell/v1/map/diff?a=now-50m..now-40m&b=now";
    let body = served.get(path).await.json();
    let ends = |list: &str| {
        let changes = body[list].as_array().expect("a list");
        let ends = changes
            .iter()
            .map(|one| format!("{}>{}", one["from"], one["to"]));
        ends.collect::<Vec<_>>()
            .join(" ")
            .replace("\"", "")
            .replace("service:", "")
    };
    assert_eq!(ends("removed"), "web>old");
    let of_prod = served.get(&format!("{path}&env=prod")).await.json();
    assert_eq!(of_prod["removed"], json!([]));
    assert!(of_prod["added"].to_string().contains("db:pg"));
    assert_eq!(ends("changed"), "web>cart");
    assert!(ends("added").contains("cart>db:pg"));
    assert_eq!(body["changed"][0]["error_ratio"], json!([0.0, 0.5]));
    assert!(body["changed"][0]["z"].as_f64().expect("a number") > 4.0);
    let refused = served.get("/api/tracewell/v1/map/diff").await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn a_range_is_a_film() {
    let served = shop().await;
    let (from, to) = (BEGIN_MS - 60_000, BEGIN_MS + 60_000);
    let path = format!("/api/tracewell/v1/map/frames?from={from}&to={to}&step=60s");
    let body = served.get(&path).await.json();
    assert_eq!(body["frames"].as_array().expect("frames").len(), 2);
    let call = find(&body["edges"], "to", "service:cart");
    assert_eq!(call["rate"], json!([0.0, 1.0]));
    assert_eq!(call["error_ratio"], json!([null, 0.5]));
    assert_eq!(call["state"], json!(["unknown", "bad"]));
    let many = served
        .get("/api/tracewell/v1/map/frames?from=now-31d&step=10s")
        .await;
    assert_eq!(many.status, 400);
}

#[tokio::test]
async fn what_is_live_counts_once() {
    let served = Served::start().await;
    let epoch = |n: u32| {
        let mut epoch = Epoch::default();
        epoch.calls("a>b", BEGIN_MS, (n, 0), 0.1);
        epoch.requests("b/1", BEGIN_MS, (n, 0), 0.1, &[("service_version", "1")]);
        epoch
    };
    epoch(1).write(&served, 0).await;
    {
        let mut live = served.live.1.lock();
        // the first is stored already
        live.epochs = vec![
            epoch(1).live(Some(1)),
            epoch(10).live(Some(2)),
            epoch(100).live(None),
        ];
        live.partial = Some(query::LivePartial::Lag);
    }
    let answer = served.get("/api/tracewell/v1/map").await;
    let body = answer.json();
    let calls = body["edges"][0]["rate"].as_f64().expect("a rate") * 300.0;
    assert!((calls - 111.0).abs() < 1e-6, "{calls}");
    assert_eq!(answer.header("x-tracewell-partial"), Some("lag"));
    assert_eq!(body["partial_reasons"], json!(["lag"]));
    let one = served
        .get("/api/tracewell/v1/services/b?from=now-5m")
        .await
        .json();
    let requests = one["rate"].as_f64().expect("a rate") * 300.0;
    assert!((requests - 111.0).abs() < 1e-6, "{requests}");
    let pairs = served.get("/api/dependencies").await.json();
    assert_eq!(pairs["data"][0]["callCount"], 111);
}

#[tokio::test]
async fn jaeger_is_told_pairs_of_services() {
    let served = shop().await;
    let expected = json!([
        { "parent": "cart", "child": "mail", "callCount": 30 },
        { "parent": "web", "child": "cart", "callCount": 160 },
        { "parent": "web", "child": "old", "callCount": 50 },
    ]);
    let body = served.get("/api/dependencies").await.json();
    assert_eq!((&body["data"], &body["total"]), (&expected, &json!(3)));
    let path = format!("/jaeger/api/dependencies?endTs={NOW_UNIX_MS}&lookback=300000&service=web");
    let body = served.get(&path).await.json();
    assert_eq!(
        body["data"],
        json!([{ "parent": "web", "child": "cart", "callCount": 60 }])
    );
    let path = "/api/v3/dependencies?startTime=2017-01-26T17:00:00Z&endTime=2017-01-26T19:00:00Z";
    let body = served.get(path).await.json();
    let first = json!({ "parent": "cart", "child": "mail", "callCount": "30" });
    assert_eq!(body["dependencies"][0], first);
    if let Some(folder) = folder() {
        let document = std::fs::read_to_string(folder.join("openapi/jaeger-api-v3.yaml"));
        let document = serde_yaml_ng::from_str(&document.expect("the document"));
        let schemas = Schemas(document.expect("YAML"));
        let schema = schemas.of_answer("/api/v3/dependencies");
        assert!(schema.is_object());
        assert_eq!(schemas.fault(&schema, &body, "body"), None);
    }
    assert_eq!(served.get("/api/v3/dependencies").await.status, 400);
}
