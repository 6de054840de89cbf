use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

const C: &str = "3f2504e04f8911d39a0c0305e82c3301aabbccddeeff00112233445566778899";

/// `key=value` with spaces between.
fn pairs(text: &str) -> Vec<(&str, Cow<'_, str>)> {
    let pair = |word: &'_ str| -> (usize, usize) { (word.find('=').expect("a pair"), word.len()) };
    text.split_whitespace()
        .map(|word| {
            let (at, end) = pair(word);
            (&word[..at], Cow::Borrowed(&word[at + 1..end]))
        })
        .collect()
}

fn of(text: &str) -> Identity {
    let text = text.replace("#C", C);
    Identity::of(pairs(&text))
}

#[track_caller]
fn check(found: Option<EntityId>, expected: &str) {
    let found = found.map_or_else(|| "none".to_owned(), |id| id.to_string());
    assert_eq!(found, expected.replace("#C", C));
}

#[test]
fn services_are_known_by_environment_namespace_and_name() {
    let cases = [
        ("service.name=a", "service:-/-/a"),
        (
            "service.name=a service.namespace=shop deployment.environment.name=prod deployment.environment=old",
            "service:prod/shop/a",
        ),
        (
            "service.name=a deployment.environment=old",
            "service:old/-/a",
        ),
        (
            "service.name=a/b service.namespace=-",
            "service:-/%2D/a%2Fb",
        ),
        (
            "service.name=unknown_service:java",
            "service:-/-/unknown_service:java",
        ),
        ("service_name=a service_namespace=shop", "service:-/shop/a"),
        ("host.name=a", "none"),
    ];
    for (resource, expected) in cases {
        check(of(resource).service(), expected);
    }
    check(
        Some(of("host.name=a").service_of_span()),
        "service:-/-/unknown_service",
    );
}

#[test]
fn an_instance_is_known_by_the_first_key_that_is_there() {
    let cases = [
        (
            "service.instance.id=i k8s.pod.uid=u k8s.container.name=c container.id=#C",
            "i",
        ),
        (
            "k8s.pod.uid=u k8s.container.name=c container.id=#C",
            "u%2Fc",
        ),
        (
            "k8s.pod.uid=u container.id=#C host.id=h process.pid=1",
            "#C",
        ),
        ("host.id=h host.name=n process.pid=7", "h%2F7"),
        ("host.name=n process.pid=7", "n%2F7"),
        ("host.name=n", "n"),
    ];
    for (resource, expected) in cases {
        let resource = format!("service.name=a {resource}");
        check(
            of(&resource).instance(),
            &format!("instance:-/-/a/{expected}"),
        );
    }
    check(of("service.name=a").instance(), "none");
}

#[test]
fn a_pid_in_a_container_is_not_the_hosts() {
    let cases = [
        (
            "host.id=h process.pid=7 process.creation.time=2023-11-21T09:25:34.853Z",
            "process:h/7@2023-11-21T09:25:34.853Z",
        ),
        ("host.id=h process.pid=7", "process:h/7@-"),
        (
            "service.name=a host.id=h container.id=#C process.pid=1",
            "none",
        ),
        (
            "host.id=h container.id=#C process.pid=71 process.vpid=1",
            "process:h/71@-",
        ),
        ("process.pid=7", "none"),
    ];
    for (resource, expected) in cases {
        check(of(resource).process(), expected);
    }
}

#[test]
fn containers_pods_and_hosts_are_known_by_their_keys() {
    let upper = format!("container.id={}", C.to_ascii_uppercase());
    check(of(&upper).container(), "container:#C");
    check(of("container.id=3f2504e04f89").container(), "none");
    assert_eq!(
        of("container.id=3F2504E04F89")
            .short_container_id()
            .as_deref(),
        Some("3f2504e04f89")
    );
    assert_eq!(
        of("host.name=3f2504e04f89").short_container_id().as_deref(),
        Some("3f2504e04f89")
    );
    assert_eq!(of("host.name=deadbeefdeadbeef").short_container_id(), None);
    check(of("container.id=task-1").container(), "container:task-1");
    check(of("k8s.pod.uid=U-1 k8s.pod.name=p").pod(), "pod:u-1");
    check(of("k8s.pod.name=p k8s.namespace.name=n").pod(), "pod:-/n/p");
    check(of("k8s.pod.name=p").pod(), "none");
    let hosts = [
        ("host.id=h host.name=n", "host:h"),
        ("host.name=N.example.", "host:n.example"),
        ("k8s.cluster.name=c k8s.node.name=n", "host:c/n"),
        ("k8s.node.name=n", "host:-/n"),
        ("service.name=a container.id=#C host.name=n", "none"),
        (
            "service.name=a k8s.pod.name=p host.name=p k8s.node.name=n",
            "host:-/n",
        ),
        (
            "service.name=a container.id=#C host.name=n host.id=h",
            "host:h",
        ),
        ("service.name=a host.name=3f2504e04f89", "none"),
        ("container.id=#C host.name=n", "host:n"),
        ("service.name=a", "none"),
    ];
    for (resource, expected) in hosts {
        check(of(resource).host().map(|host| host.entity()), expected);
    }
}

#[test]
fn names_of_one_host_agree() {
    let cases = [
        ("host.id=h host.name=a", "host.id=h host.name=b", true),
        ("host.id=h host.name=a", "host.id=g host.name=a", false),
        ("host.id=h host.name=a", "host.name=A", true),
        (
            "host.id=h k8s.node.name=n",
            "host.name=x k8s.node.name=n",
            true,
        ),
        ("host.id=h", "host.name=h", false),
    ];
    for (one, other, expected) in cases {
        let (a, b) = (
            of(one).host().expect("a host"),
            of(other).host().expect("a host"),
        );
        assert_eq!(
            (a.is(&b), b.is(&a)),
            (expected, expected),
            "{one} | {other}"
        );
    }
}

#[test]
fn who_is_called_is_known_by_the_span() {
    let caller = of("service.name=a host.name=node-1");
    let cases = [
        (
            "db.system.name=postgresql server.address=DB-1. db.namespace=shop|public",
            "db:postgresql/db-1:5432/shop",
        ),
        (
            "db.system=mysql server.address=db server.port=3307 db.name=x",
            "db:mysql/db:3307/x",
        ),
        ("db.system=sqlite", "db:sqlite/-/-"),
        (
            "db.system.name=redis server.address=localhost",
            "db:redis/node-1:6379/-",
        ),
        (
            "db.system.name=postgresql server.address=/run/postgresql",
            "db:postgresql/node-1:5432/-",
        ),
        (
            "messaging.system=kafka messaging.destination.name=orders server.address=K",
            "queue:kafka/k/orders",
        ),
        (
            "messaging.system=kafka messaging.destination.name=o1 messaging.destination.template=o{}",
            "queue:kafka/-/o%7B%7D",
        ),
        ("peer.service=stripe server.address=x", "external:stripe"),
        (
            "server.address=api.example server.port=443",
            "external:api.example:443",
        ),
        (
            "url.full=https://u:p@API.example:8443/x?y",
            "external:api.example:8443",
        ),
        ("url.full=http://[::2]/x", "external:::2"),
        ("network.peer.address=10.0.0.1", "external:10.0.0.1"),
        ("http.route=/", "none"),
        ("url.full=nonsense", "none"),
    ];
    for (span, expected) in cases {
        check(Peer::of(pairs(span)).entity(&caller), expected);
    }
}

#[test]
fn text_that_is_no_id_is_told_why() {
    let cases = [
        ("", "KIND:KEY"),
        ("host", "KIND:KEY"),
        ("disk:x", "there are service, instance"),
        ("service:a/b", "1 or 3 parts"),
        ("pod:a/b", "1 or 3 parts"),
        ("container:a/b", "1 parts"),
        ("host:%2", "percent-encoded"),
        ("host:%+1", "percent-encoded"),
        ("host:%ff", "percent-encoded"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<EntityId>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = format!("host:{}", "a".repeat(ID_BYTES_MAX));
    assert!(long.parse::<EntityId>().is_err());
}

proptest! {
    #[test]
    fn an_id_reads_as_it_is_written(a in ".{0,20}", b in ".{0,20}", c in ".{0,20}") {
        for id in [
            EntityId::service(&a, &b, &c),
            EntityId::host(&a),
            EntityId::cloned_host(&a, &b),
            EntityId::named(EntityKind::Queue, &a),
            EntityId::new(EntityKind::Process, [&a, &b, &c]),
        ] {
            prop_assert_eq!(id.to_string().parse::<EntityId>(), Ok(id));
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let _any: Result<EntityId, _> = text.parse();
        let _any = Peer::of([("url.full", Cow::Borrowed(text.as_str()))]).external(&Identity::default());
    }
}
