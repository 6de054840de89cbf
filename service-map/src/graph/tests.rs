use proptest::prelude::*;

use super::*;
use crate::graph::state::State;

fn calls(calls: f64, failed: f64) -> Measure {
    Measure {
        calls,
        failed,
        ..Measure::default()
    }
}

/// `client>server:connection:virtual_node`.
fn row(text: &str) -> EdgeRow {
    let mut parts = text.split([':', '>']);
    let mut next = || parts.next().unwrap_or_default().to_owned();
    EdgeRow {
        client: next(),
        server: next(),
        connection: next(),
        virtual_node: next(),
        now: calls(1.0, 0.0),
        ..EdgeRow::default()
    }
}

#[track_caller]
fn check(rows: &[&str], expected: &[&str]) {
    let rows: Vec<EdgeRow> = rows.iter().map(|text| row(text)).collect();
    let graph = Graph::build(&rows, &[]);
    let shown = graph
        .edges()
        .map(|(from, to, edge)| format!("{} {} {}", from.entity, to.entity, edge.now.calls));
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

#[test]
fn rows_become_edges_between_entities() {
    check(&["a>b"], &["service:a service:b 1"]);
    check(&["a>b", "a>b"], &["service:a service:b 2"]);
    check(&["a>pg:database"], &["service:a db:pg 1"]);
    check(
        &["user>a:virtual_node:client", "user>b"],
        &["service:user service:b 1", "user:user service:a 1"],
    );
    check(
        &["a>api.x:virtual_node:server"],
        &["service:a external:api.x 1"],
    );
    // what is known to be a service is no external peer
    check(
        &["a>b:virtual_node:server", "b>c"],
        &["service:a service:b 1", "service:b service:c 1"],
    );
    check(&[">b", "a>"], &[]);
}

#[test]
fn half_edges_meet_at_their_queue_and_the_direct_edge_is_not_drawn() {
    check(
        &[
            "p>q:messaging_system:server",
            "q>c:messaging_system:client",
            "p>c:messaging_system",
        ],
        &["service:p queue:q 1", "queue:q service:c 1"],
    );
}

#[test]
fn a_service_is_what_it_says_of_itself_and_others_what_callers_say() {
    let service = ServiceRow {
        name: "b".to_owned(),
        namespace: "shop".to_owned(),
        versions: ["2".to_owned()].into(),
        versions_before: ["1".to_owned()].into(),
        hosts: [("h2".to_owned(), 2), ("h1".to_owned(), 1)].into(),
        now: calls(40.0, 30.0),
        ..ServiceRow::default()
    };
    let graph = Graph::build(&[row("a>b"), row("b>pg:database")], &[service]);
    let of = |text: &str| {
        let at = graph.find_named(&Named::parse(text)).expect("it is there");
        graph.node(at).expect("it is there").clone()
    };
    let b = of("b");
    assert_eq!((b.now.calls, b.verdict.state), (40.0, State::Bad));
    assert_eq!((&*b.namespace, &*b.host), ("shop", "h2"));
    assert!(b.is_deployed && !b.is_inferred);
    assert!(of("db:pg").is_inferred);
    assert_eq!(of("db:pg").now.calls, 1.0);
    assert!(!of("a").is_inferred);
}

#[test]
fn what_is_too_much_is_counted() {
    let name = |n: usize| format!("s{n:06}");
    let rows: Vec<EdgeRow> = (0..NODES_MAX)
        .map(|n| row(&format!("{}>{}", name(n), name(n + 1))))
        .collect();
    let graph = Graph::build(&rows, &[]);
    assert_eq!(graph.n_nodes(), NODES_MAX);
    assert_eq!(graph.n_refused(), 1);
}

proptest! {
    #[test]
    fn the_order_of_rows_makes_no_difference(
        mut rows in proptest::collection::vec((0u8..6, 0u8..6, 0u8..3), 0..40),
        seed in any::<u64>(),
    ) {
        let of = |rows: &[(u8, u8, u8)]| {
            let rows: Vec<EdgeRow> = rows
                .iter()
                .map(|(a, b, kind)| {
                    let kind = ["", "database", "virtual_node:server"][usize::from(*kind)];
                    row(&format!("s{a}>s{b}:{kind}"))
                })
                .collect();
            let graph = Graph::build(&rows, &[]);
            format!("{:?}", graph.inner())
        };
        let first = of(&rows);
        rows.sort_by_key(|row| (u64::from(row.0) * 31 + u64::from(row.1) * 7 + u64::from(row.2)).wrapping_mul(seed | 1));
        prop_assert_eq!(first, of(&rows));
    }
}
