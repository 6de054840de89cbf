use super::*;
use crate::graph::rows::{EdgeRow, ServiceRow};

fn choice(group: Group, nodes_max: usize) -> Choice {
    Choice::everything(group, nodes_max, 300.0)
}

fn edge(client: &str, server: &str, calls: f64, failed: f64) -> EdgeRow {
    EdgeRow {
        client: client.to_owned(),
        server: server.to_owned(),
        now: Measure {
            calls,
            failed,
            ..Measure::default()
        },
        ..EdgeRow::default()
    }
}

/// Two triangles a and b joined by one call, of namespaces by their letter.
fn graph() -> Graph {
    let mut edges = Vec::new();
    for letter in ["a", "b"] {
        let name = |n: u8| format!("{letter}{n}");
        for (from, to) in [(1, 2), (2, 3), (1, 3)] {
            edges.push(edge(&name(from), &name(to), 900.0, 0.0));
        }
    }
    edges.push(edge("a1", "b1", 30.0, 0.0));
    let service = |name: String| ServiceRow {
        namespace: name.chars().take(1).collect(),
        hosts: [(format!("h{}", name.chars().last().unwrap()), 1)].into(),
        name,
        ..ServiceRow::default()
    };
    let names = ["a1", "a2", "a3", "b1", "b2", "b3"].map(str::to_owned);
    Graph::build(&edges, &names.map(service))
}

fn ids(picture: &Picture) -> Vec<String> {
    let node = |drawn: &Drawn| format!("{}/{}", drawn.id, drawn.n);
    picture.nodes.iter().map(node).collect()
}

#[test]
fn a_map_that_fits_is_drawn_as_it_is() {
    let picture = picture(&graph(), &choice(Group::Service, 6));
    assert_eq!((picture.nodes.len(), picture.edges.len()), (6, 7));
    assert_eq!((picture.n_clustered, picture.clusters.len()), (0, 0));
}

#[test]
fn the_dullest_group_folds_first() {
    // b has fewer requests into it than a … they are equal inside, and b has the call from a beside
    let picture = picture(&graph(), &choice(Group::Service, 5));
    assert_eq!(
        ids(&picture),
        [
            "namespace:a/3",
            "service:b1/1",
            "service:b2/1",
            "service:b3/1"
        ]
    );
    assert_eq!(picture.n_clustered, 3);
    let told: Vec<_> = picture
        .clusters
        .iter()
        .map(|c| (&*c.id, &*c.label, c.n, c.is_folded))
        .collect();
    assert_eq!(
        told,
        [
            ("namespace:a", "a", 3, true),
            ("namespace:b", "b", 3, false)
        ]
    );
}

/// Groups `a` to `d` of 50 services each, that get so many calls a service.
fn groups(calls: [f64; 4]) -> Graph {
    let mut edges = Vec::new();
    for (letter, calls) in ["a", "b", "c", "d"].into_iter().zip(calls) {
        let name = |n: usize| format!("{letter}{n:02}");
        edges.extend((1..50).map(|n| edge(&name(0), &name(n), calls, 0.0)));
    }
    let names: BTreeSet<&str> = edges.iter().map(|row| &*row.server).collect();
    let first = ["a00", "b00", "c00", "d00"];
    let service = |name: &str| ServiceRow {
        name: name.to_owned(),
        namespace: name.chars().take(1).collect(),
        ..ServiceRow::default()
    };
    let services: Vec<ServiceRow> = names.into_iter().chain(first).map(service).collect();
    Graph::build(&edges, &services)
}

#[test]
fn what_was_folded_stays_so_while_there_is_little_room() {
    let mut known = Communities::default();
    #[track_caller]
    fn check(known: &mut Communities, graph: &Graph, nodes_max: usize, expected: &str) {
        let choice = choice(Group::Service, nodes_max);
        let plan = Plan::of(graph, &choice, known.clone());
        let picture = plan.draw(graph);
        assert!(picture.nodes.len() <= nodes_max);
        let folded = picture.clusters.iter().filter(|cluster| cluster.is_folded);
        let ids: Vec<&str> = folded.map(|cluster| &*cluster.label).collect();
        assert_eq!(ids.join(" "), expected);
        *known = plan.communities().clone();
    }
    let usual = groups([10.0, 20.0, 30.0, 40.0]);
    check(&mut known, &usual, 160, "a");
    // another is the dullest now
    check(&mut known, &groups([40.0, 20.0, 30.0, 10.0]), 160, "a");
    // one node too many: the dullest of those that are open
    check(&mut known, &usual, 150, "a b");
    // with b open there would be 151
    check(&mut known, &usual, 160, "a b");
    check(&mut known, &usual, 168, "a");
    check(&mut known, &usual, 200, "");
}

#[test]
fn groupings_that_are_asked_for_fold_and_open() {
    let graph = graph();
    let shown = |group| ids(&picture(&graph, &choice(group, 300)));
    assert_eq!(shown(Group::Namespace), ["namespace:a/3", "namespace:b/3"]);
    assert_eq!(
        shown(Group::Community),
        ["community:a3/3", "community:b3/3"]
    );
    assert_eq!(shown(Group::Host), ["host:h1/2", "host:h2/2", "host:h3/2"]);
    assert_eq!(shown(Group::None).len(), 6);
    let mut open = choice(Group::Namespace, 300);
    open.expand.insert("namespace:b".to_owned());
    assert_eq!(
        ids(&picture(&graph, &open)),
        [
            "namespace:a/3",
            "service:b1/1",
            "service:b2/1",
            "service:b3/1"
        ]
    );
    let host = picture(&graph, &choice(Group::Host, 300));
    assert!(host.nodes.iter().all(|node| node.kind == Kind::Host));
}

#[test]
fn edges_between_clusters_add_up_and_those_inside_are_not_drawn() {
    let picture = picture(&graph(), &choice(Group::Namespace, 300));
    let edges: Vec<_> = picture
        .edges
        .iter()
        .map(|edge| (edge.from, edge.to, edge.now.calls))
        .collect();
    assert_eq!(edges, [(0, 1, 30.0)]);
}

#[test]
fn problems_stay_out_of_clusters_and_filters_count_what_they_hide() {
    let mut edges = vec![edge("a", "b", 100.0, 50.0), edge("b", "c", 100.0, 0.0)];
    edges.push(edge("c", "d", 100.0, 0.0));
    let graph = Graph::build(&edges, &[]);
    let mut choice = choice(Group::None, 2);
    assert_eq!(ids(&picture(&graph, &choice)), ["rest/3", "service:b/1"]);
    choice.nodes_max = 300;
    choice.only = Only::Problems;
    let problems = picture(&graph, &choice);
    assert_eq!(ids(&problems), ["service:a/1", "service:b/1"]);
    assert_eq!(problems.n_filtered, 2);
    choice.only = Only::All;
    choice.q = "SERVICE:C".to_owned();
    assert_eq!(ids(&picture(&graph, &choice)).len(), 3);
    choice.q.clear();
    choice.focus = vec![Named::parse("d")];
    assert_eq!(
        ids(&picture(&graph, &choice)),
        ["service:c/1", "service:d/1"]
    );
    choice.focus = vec![Named::parse("nobody")];
    assert_eq!(picture(&graph, &choice).n_filtered, 4);
}

/// `a` and `b` of production call `pg`, `c` of a test calls it too and `b` besides; `d` says nothing of where it is.
fn environments() -> Graph {
    let mut edges = vec![edge("a", "b", 100.0, 0.0), edge("c", "b", 100.0, 0.0)];
    edges.push(edge("a", "d", 100.0, 50.0));
    for client in ["b", "c"] {
        let connection = "database".to_owned();
        edges.push(EdgeRow {
            connection,
            ..edge(client, "pg", 100.0, 0.0)
        });
    }
    edges.push(EdgeRow {
        virtual_node: "client".to_owned(),
        connection: "virtual_node".to_owned(),
        ..edge("user", "c", 100.0, 0.0)
    });
    let service = |name: &str, environments: &[&str], team: &str, namespace: &str| ServiceRow {
        name: name.to_owned(),
        environments: environments.iter().map(ToString::to_string).collect(),
        team: team.to_owned(),
        namespace: namespace.to_owned(),
        ..ServiceRow::default()
    };
    let services = [
        service("a", &["prod"], "blue", "shop"),
        service("b", &["prod", "test"], "blue", "other"),
        service("c", &["test"], "", "shop"),
        service("d", &[], "", "shop"),
    ];
    Graph::build(&edges, &services)
}

#[test]
fn an_environment_has_its_services_and_what_they_call() {
    let graph = environments();
    #[track_caller]
    fn check(graph: &Graph, env: &str, expected: &[&str], change: impl FnOnce(&mut Choice)) {
        let mut choice = choice(Group::None, 300);
        choice.env = Some(env.to_owned());
        change(&mut choice);
        let found = ids(&picture(graph, &choice)).join(" ").replace("/1", "");
        assert_eq!(found, expected.join(" "), "{choice:?}");
    }
    let prod = ["db:pg", "service:a", "service:b"];
    check(&graph, "prod", &prod, |_| {});
    let test = ["db:pg", "service:b", "service:c", "user:user"];
    check(&graph, "test", &test, |_| {});
    check(&graph, "staging", &[], |_| {});
    let named = |text: &str| vec![Named::parse(text)];
    check(&graph, "prod", &["service:a", "service:b"], |choice| {
        choice.focus = named("a");
    });
    check(&graph, "prod", &prod, |choice| {
        choice.focus = named("service:prod/shop/a");
        choice.hops = 2;
    });
    check(&graph, "test", &[], |choice| choice.focus = named("a"));
    check(&graph, "prod", &["db:pg", "service:b"], |choice| {
        choice.q = "PG".to_owned();
    });
    check(&graph, "prod", &["service:a"], |choice| {
        choice.only = Only::Problems
    });
    check(&graph, "test", &[], |choice| choice.only = Only::Problems);
    check(&graph, "prod", &["db:pg", "service:b"], |choice| {
        choice.focus = named("db:postgresql/pg:5432/shop");
    });
}

#[test]
fn teams_own_services_and_namespaces_what_nobody_is_said_to_own() {
    let mut choice = choice(Group::Team, 300);
    let folded = ids(&picture(&environments(), &choice));
    let expected = [
        "db:pg/1",
        "namespace:shop/1",
        "service:d/1",
        "team:blue/2",
        "user:user/1",
    ];
    assert_eq!(folded, expected);
    choice.expand = ["team:blue".to_owned()].into();
    choice.env = Some("prod".to_owned());
    let open = ids(&picture(&environments(), &choice));
    assert_eq!(open, ["db:pg/1", "service:a/1", "service:b/1"]);
}

#[test]
fn never_more_nodes_than_may_be() {
    let edges: Vec<EdgeRow> = (0..500)
        .map(|n| edge(&format!("s{n}"), &format!("s{}", n * 7 % 501), 50.0, 25.0))
        .collect();
    let graph = Graph::build(&edges, &[]);
    for group in [Group::Service, Group::Community, Group::None] {
        for nodes_max in [1, 2, 10, 300] {
            let picture = picture(&graph, &choice(group, nodes_max));
            assert!(picture.nodes.len() <= nodes_max, "{group:?} {nodes_max}");
            let n: usize = picture.nodes.iter().map(|node| node.n).sum();
            assert_eq!(n, graph.n_nodes());
        }
    }
}
