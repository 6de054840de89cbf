//! The whole agent against a collector: settings, the way of a reading, a collector that is away.

use std::collections::BTreeMap;

use super::*;
use crate::push::fake_collector::FakeCollector;
use crate::sheet::lines_of;

#[test]
fn mistakes_in_the_configuration_are_told_before_anything_starts() {
    let with = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        Agent::new(config, Clock::host()).map(|_| ())
    };
    assert_eq!(with(|_| ()), Ok(()));
    for (change, expected) in [
        (
            (|c| c.endpoint = "https://a:1".to_owned()) as fn(&mut Config),
            "only http",
        ),
        (|c| c.interval = Duration::from_millis(999), "999 ms"),
        (|c| c.interval = Duration::from_secs(3_601), "1s to 1h"),
        (|c| c.probes.clear(), "probes is empty"),
        (|c| c.timeout = Duration::ZERO, "longer than 0"),
        (
            |c| {
                c.attributes = (0..65).map(|n| (n.to_string(), String::new())).collect();
            },
            "65 entries",
        ),
        (
            |c| c.attributes = BTreeMap::from([(" ".to_owned(), String::new())]),
            "without a key",
        ),
    ] {
        let told = with(change).expect_err(expected).to_string();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_reading_of_this_machine_reaches_the_collector() {
    let fake = &FakeCollector::default();
    let stop = &CancellationToken::new();
    let received = fake
        .during(|uri| async move {
            let attributes = [
                ("deployment.environment.name", "test"),
                ("k8s.node.name", "n1"),
                ("cloud.region", "eu-1"),
            ];
            let config = Config {
                endpoint: uri.to_string(),
                attributes: attributes.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
                ..Config::default()
            };
            let agent = Agent::new(config, Clock::host()).expect("valid");
            let scenario = async {
                let received = fake.received(1).await;
                stop.cancel();
                received
            };
            let (ended, received) = tokio::join!(agent.run(stop.clone()), scenario);
            ended.expect("stopped");
            received
        })
        .await;
    let resources = &received[0].resource_metrics;
    let lines: Vec<String> = resources.iter().flat_map(lines_of).collect();
    for begin in [
        "system.cpu.time{",
        "system.memory.usage{",
        "process.cpu.time{",
        "tracewell.agent.points.sent{} 0",
        "tracewell.agent.probe.interval{tracewell.agent.probe=host} 10",
    ] {
        assert!(lines.iter().any(|l| l.starts_with(begin)), "{begin}");
    }
    for metrics in resources {
        let resource = format!("{:?}", metrics.resource);
        for key in [
            "os.type",
            "host.arch",
            "host.name",
            "service.instance.id",
            "deployment.environment.name",
            "k8s.node.name",
            "cloud.region",
        ] {
            assert!(resource.contains(key), "{key} in {resource}");
        }
    }
}
