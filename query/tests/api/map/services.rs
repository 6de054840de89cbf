//! Services and what lies under one.

use serde_json::{Value, json};

use super::{find, names, shop};

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
    let group = served
        .get("/api/tracewell/v1/services/cart/operations?group=instance")
        .await;
    assert_eq!(group.status, 400);
}
