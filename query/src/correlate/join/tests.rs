use std::borrow::Cow;

use super::*;

const A: &str = "3f2504e04f8911d39a0c0305e82c3301aabbccddeeff00112233445566778899";
const B: &str = "99887766554433221100ffeeddccbbaa01330382e53050c0a93d1198f4e04052";

/// `key=value` with spaces between; `#A` and `#B` are ids of containers.
fn identity(text: &str) -> Identity {
    let text = text.replace("#A", A).replace("#B", B);
    let pairs = text
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    Identity::of(pairs.map(|(key, value)| (key, Cow::Borrowed(value))))
}

fn row(text: &str) -> Info {
    let (text, addresses) = text.split_once('@').unwrap_or((text, ""));
    Info {
        identity: identity(text),
        addresses: addresses.split_whitespace().map(str::to_owned).collect(),
        first_unix_ms: 0,
        last_unix_ms: 10,
    }
}

fn rows(texts: &[&str]) -> Vec<Info> {
    texts.iter().map(|text| row(text)).collect()
}

/// Two containers on two hosts, both told of by agents; the second in a pod.
fn world() -> Infos {
    Infos {
        containers: rows(&[
            "container.id=#A host.id=h1 host.name=node-1",
            "container.id=#B host.id=h2 host.name=node-2 k8s.pod.uid=u2 k8s.container.name=web k8s.namespace.name=shop",
            "container.id=#A service.name=cart service.instance.id=i-1 host.name=3f2504e04f89",
        ]),
        pods: rows(&["k8s.pod.uid=u2 k8s.pod.name=web-1 k8s.namespace.name=shop @10.0.0.2"]),
        processes: rows(&[
            "host.id=h1 process.pid=70 process.creation.time=t host.name=node-1",
            "host.id=h1 host.name=node-1 process.pid=71 process.vpid=1 container.id=#A",
        ]),
        ..Infos::default()
    }
    .with_hosts(rows(&[
        "host.id=h1 host.name=node-1 @10.1.0.1 10.1.0.9",
        "host.id=h2 host.name=node-2",
    ]))
}

/// Container, host and pod as `A h1`, with the ways to them.
#[track_caller]
fn check(resource: &str, called_at: &[&str], infos: &Infos, expected: &str) {
    let called_at: Vec<String> = called_at.iter().map(ToString::to_string).collect();
    let joined = join(&identity(resource), &called_at, infos);
    let container = joined.container.map_or_else(
        || "-".to_owned(),
        |(id, method)| {
            let name = if id == A {
                "A"
            } else if id == B {
                "B"
            } else {
                "?"
            };
            format!("{name}({})", method.word())
        },
    );
    let host = joined.host.map_or_else(
        || "-".to_owned(),
        |(host, method)| format!("{}({})", host.entity, method.word()),
    );
    assert_eq!(format!("{container} {host}"), expected, "{resource}");
}

#[test]
fn spans_find_their_container_and_host_by_the_surest_way() {
    let world = world();
    for (resource, expected) in [
        (
            "service.name=s container.id=#A",
            "A(container.id) host:h1(container.id)",
        ),
        (
            "service.name=s container.id=#A host.name=3f2504e04f89 host.id=h2",
            "A(container.id) host:h1(container.id)",
        ),
        (
            "service.name=s k8s.pod.uid=u2 k8s.container.name=web",
            "B(k8s.pod.uid+k8s.container.name) host:h2(k8s.pod.uid+k8s.container.name)",
        ),
        (
            "service.name=s host.name=node-1 process.pid=71",
            "A(host+process.pid) host:h1(host+process.pid)",
        ),
        (
            "service.name=s host.name=node-1 process.pid=70",
            "- host:h1(host)",
        ),
        ("service.name=s host.name=node-1", "- host:h1(host)"),
        ("service.name=s host.id=h9", "- host:h9(host)"),
        (
            "service.name=s k8s.pod.name=web-1 k8s.namespace.name=shop",
            "B(k8s.pod.name+k8s.namespace.name) host:h2(k8s.pod.name+k8s.namespace.name)",
        ),
        (
            "service.name=s k8s.pod.name=web-1 k8s.namespace.name=shop host.id=h1",
            "- host:h1(host)",
        ),
        (
            "service.name=s container.id=3F2504E04F89",
            "A(short container.id) host:h1(short container.id)",
        ),
        (
            "service.name=s host.name=3f2504e04f89",
            "A(short container.id) host:h1(short container.id)",
        ),
        (
            "service.name=s service.instance.id=i-1",
            "A(service.instance.id) host:h1(service.instance.id)",
        ),
        (
            "service.name=s k8s.namespace.name=shop",
            "B(only candidate) host:h2(only candidate)",
        ),
        ("service.name=s k8s.namespace.name=other", "- -"),
        ("service.name=s", "- -"),
    ] {
        check(resource, &[], &world, expected);
    }
    check(
        "service.name=s",
        &["10.0.0.2"],
        &world,
        "B(network.peer.address) host:h2(network.peer.address)",
    );
    check(
        "service.name=s",
        &["10.1.0.9"],
        &world,
        "- host:h1(network.peer.address)",
    );
}

#[test]
fn an_address_that_several_have_joins_to_none() {
    let mut world = world();
    world.pods.extend(rows(&[
        "k8s.pod.uid=u3 k8s.pod.name=web-2 k8s.namespace.name=shop @10.0.0.2",
    ]));
    let world = world.with_hosts(rows(&[
        "host.id=h1 host.name=node-1 @10.1.0.1",
        "host.id=h2 host.name=node-2 @10.1.0.1 10.1.0.2",
        "host.id=h2 host.name=node-2 @10.1.0.2",
    ]));
    check("service.name=s", &["10.0.0.2"], &world, "- -");
    check("service.name=s", &["10.1.0.1"], &world, "- -");
    let of_one = "- host:h2(network.peer.address)";
    check("service.name=s", &["10.1.0.2"], &world, of_one);
}

#[test]
fn the_only_host_is_a_candidate_and_no_sure_one() {
    let mut world = world();
    let first = world.hosts.drain(..1).collect();
    let world = world.with_hosts(first);
    check("service.name=s", &[], &world, "- host:h1(only candidate)");
    let joined = join(&identity("service.name=s"), &[], &world);
    assert!(joined.is_weak());
    assert!(!join(&identity("service.name=s host.id=h1"), &[], &world).is_weak());
    assert!(join(&identity("service.name=s"), &[], &Infos::default()).is_weak());
}

#[test]
fn a_process_in_a_container_is_known_by_the_pid_it_has_there() {
    let process = |resource: &str| {
        let joined = join(&identity(resource), &[], &world());
        joined.process.map(|id| id.to_string())
    };
    assert_eq!(
        process("service.name=s container.id=#A process.pid=1").as_deref(),
        Some("process:h1/71@-")
    );
    assert_eq!(
        process("service.name=s container.id=#A process.pid=2"),
        None
    );
    assert_eq!(
        process("service.name=s host.name=node-1 process.pid=70").as_deref(),
        Some("process:h1/70@t")
    );
}

#[test]
fn hosts_that_share_an_id_are_told_apart_by_name() {
    let world = world();
    let mut hosts = world.hosts.clone();
    hosts.push(row("host.id=h1 host.name=node-3"));
    let world = world.with_hosts(hosts.clone());
    assert_eq!(world.shared_ids(), ["h1"]);
    check(
        "service.name=s host.id=h1 host.name=node-3",
        &[],
        &world,
        "- host:h1/node-3(host)",
    );
    check(
        "service.name=s container.id=#A",
        &[],
        &world,
        "A(container.id) host:h1/node-1(container.id)",
    );
    // a service takes its container's name for its host's
    let mut hosts_and_service = hosts.clone();
    hosts_and_service.truncate(2);
    hosts_and_service.push(row("service.name=s host.id=h1 host.name=web-1"));
    let with_service = world.clone().with_hosts(hosts_and_service);
    assert!(with_service.shared_ids().is_empty());
    check(
        "service.name=s host.id=h1 host.name=web-1",
        &[],
        &with_service,
        "- host:h1(host)",
    );
    // one after the other is a new name, no clone
    for (idx, info) in hosts.iter_mut().enumerate() {
        info.first_unix_ms = 100 * idx as i64;
        info.last_unix_ms = info.first_unix_ms + 10;
    }
    assert!(world.with_hosts(hosts).shared_ids().is_empty());
}
