//! Services and what lies under one.

use serde_json::{Value, json};

use super::{find, names, shop};
use crate::served::Served;

#[tokio::test]
async fn services_are_listed_with_their_numbers() {
    let served = shop().await;
    let body = served
        .get("/api/tracewell/v1/services?from=now-5m")
        .await
        .json();
    assert_eq!(names(&body["items"], "name"), ["cart", "web"]);
    let cart = find(&body["items"], "name", "cart");
    assert_eq!(cart["namespace"], "shop");
    assert_eq!(cart["envs"], json!(["prod"]));
    assert_eq!(cart["versions"], json!(["2"]));
    assert_eq!(
        (&cart["rate"], &cart["error_ratio"]),
        (&json!(0.2), &json!(0.5))
    );
    assert_eq!(
        (&cart["state"], &cart["instances"]),
        (&json!("bad"), &json!(1))
    );
    assert!(
        body["queries"][0]["q"]
            .as_str()
            .expect("a query")
            .contains("increase(")
    );
    let only = async |query: &str| {
        let path = format!("/api/tracewell/v1/services?{query}");
        names(&served.get(&path).await.json()["items"], "name").join(" ")
    };
    assert_eq!(only("q=WE").await, "web");
    assert_eq!(only("env=prod").await, "cart");
    assert_eq!(only("sort=state").await, "cart web");
    assert_eq!(only("limit=1&cursor=1").await, "web");
    let first = served
        .get("/api/tracewell/v1/services?limit=1")
        .await
        .json();
    assert_eq!(
        (&first["next_cursor"], &first["total"]),
        (&json!("1"), &json!(2))
    );
}

#[tokio::test]
async fn one_service_is_told_from_all_sides() {
    let served = shop().await;
    let get = async |what: &str| -> Value {
        served
            .get(&format!(
                "/api/tracewell/v1/services/cart{what}?from=now-5m"
            ))
            .await
            .json()
    };
    let one = get("").await;
    assert_eq!(
        [&one["callers"], &one["callees"], &one["blast_radius"]],
        [1, 2, 2]
    );
    let operations = get("/operations").await;
    let item = &operations["items"][0];
    assert_eq!(
        (&item["operation"], &item["kind"]),
        (&json!("GET /"), &json!("server"))
    );
    assert_eq!(item["change"], Value::Null);
    let dependencies = get("/dependencies").await;
    assert_eq!(
        names(&dependencies["items"], "id"),
        ["db:pg", "service:web", "queue:orders"]
    );
    let web = find(&dependencies["items"], "id", "service:web");
    assert_eq!(web["direction"], "caller");
    let gap_s = web["gap_s"].as_f64().expect("a gap");
    assert!((gap_s - 0.05).abs() < 1e-6, "{gap_s}");
    assert_eq!(names(&get("/databases").await["items"], "name"), ["pg"]);
    let instances = get("/instances").await;
    assert_eq!(names(&instances["items"], "instance"), ["c1"]);
    assert_eq!(names(&instances["items"], "host"), ["h1"]);
    assert_eq!(names(&get("/deployments").await["items"], "version"), ["2"]);
    let path = "/api/tracewell/v1/services/cart/deployments?from=now-1h";
    let both = served.get(path).await.json();
    assert_eq!(names(&both["items"], "version"), ["2", "1"]);
}

/// Sums of a PromQL query of an answer, by a label.
async fn asked(served: &Served, answer: &Value, at: usize, label: &str) -> Vec<(String, f64)> {
    let q = answer["queries"][at]["q"].as_str().expect("a query");
    let body = served
        .get_with("/api/v1/query", &[("query", q)])
        .await
        .json();
    let found = body["data"]["result"].as_array().expect("a vector");
    let mut sums: Vec<(String, f64)> = Vec::new();
    for one in found {
        let name = one["metric"][label].as_str().unwrap_or_default().to_owned();
        let value = one["value"][1].as_str().expect("a number").parse::<f64>();
        let value = value.expect("a number");
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += value,
            None => sums.push((name, value)),
        }
    }
    sums.sort_by(|a, b| a.0.cmp(&b.0));
    sums
}

#[tokio::test]
async fn the_queries_of_an_answer_give_its_numbers() {
    let served = shop().await;
    let get = async |what: &str| -> Value {
        let path = format!("/api/tracewell/v1/services{what}?from=now-5m");
        served.get(&path).await.json()
    };
    let of = |name: &str, n: f64| (name.to_owned(), n);
    let services = get("").await;
    assert_eq!(
        asked(&served, &services, 0, "service_name").await,
        [of("cart", 60.0), of("web", 60.0)]
    );
    let p95 = asked(&served, &services, 1, "service_name").await;
    let cart = find(&services["items"], "name", "cart")["p95"].as_f64();
    assert!(
        (p95[0].1 - cart.expect("s")).abs() < 0.01,
        "{p95:?} {cart:?}"
    );
    for (what, label, expected) in [
        ("", "service_name", vec![of("cart", 60.0)]),
        ("/operations", "span_name", vec![of("GET /", 60.0)]),
        ("/errors", "span_name", vec![of("GET /", 60.0)]),
        ("/instances", "service_instance_id", vec![of("c1", 60.0)]),
        ("/deployments", "service_version", vec![of("2", 1.0)]),
        (
            "/dependencies",
            "server",
            vec![
                of("cart", 60.0),
                of("mail", 30.0),
                of("orders", 30.0),
                of("pg", 120.0),
            ],
        ),
    ] {
        let body = get(&format!("/cart{what}")).await;
        assert_eq!(asked(&served, &body, 0, label).await, expected, "{what}");
    }
}

#[tokio::test]
async fn who_is_not_there_is_said_to_be_so() {
    let served = shop().await;
    for what in [
        "",
        "/dependencies",
        "/instances",
        "/deployments",
        "/errors",
        "/examples",
    ] {
        let answer = served
            .get(&format!("/api/tracewell/v1/services/nobody{what}"))
            .await;
        assert_eq!(answer.status, 404, "{what}");
        assert!(answer.text.contains("no service"), "{}", answer.text);
    }
    let operations = "/api/tracewell/v1/services/cart/operations?group=x";
    assert_eq!(served.get(operations).await.status, 400);
    let instances = async |env: &str| {
        let path = format!("/api/tracewell/v1/services/cart/instances?from=now-5m&env={env}");
        served.get(&path).await.status
    };
    assert_eq!(
        (instances("prod").await, instances("test").await),
        (200, 404)
    );
}

#[tokio::test]
async fn a_service_is_told_in_the_environment_that_is_asked_for() {
    let served = shop().await;
    let get = async |path: &str| {
        let path = format!("/api/tracewell/v1/services/{path}&from=now-5m");
        served.get(&path).await
    };
    let list = async |path: &str| names(&get(path).await.json()["items"], "id").join(" ");
    // `cart` ran in `prod`; `web`, which calls it, says nothing of where it ran
    let cart = get("cart?env=prod").await.json();
    assert_eq!(cart["envs"], json!(["prod"]), "{cart}");
    let around = ["callers", "callees", "blast_radius"];
    assert_eq!(around.map(|what| &cart[what]), [0, 2, 0], "{cart}");
    let next_to = list("cart/dependencies?env=prod").await;
    assert_eq!(next_to, "db:pg queue:orders");
    assert_eq!(list("cart/databases?env=prod").await, "db:pg");
    for path in ["cart", "cart/dependencies", "cart/databases"] {
        let nowhere = get(&format!("{path}?env=test")).await;
        assert_eq!(nowhere.status, 404, "{path}");
        let told = "no service \\\"cart\\\" was heard of in this range in environment \\\"test\\\"";
        assert!(nowhere.text.contains(told), "{}", nowhere.text);
    }
    assert_eq!(get("web?env=prod").await.status, 404);
}
