//! Every signal from every source that it may have: a line each of `signals.txt`. Series go through the log under the names that their senders give them and
//! come back as a lane. Lines of our agent are held against what it has to send.

use std::collections::{BTreeMap, BTreeSet};

use telemetry::entity::EntityKind;
use telemetry::signals::{self, By};

use super::reported::{Reported, trace};
use super::{AT_S, lane, signal, value_at};
use crate::served::{Served, kept};

/// A line: signal (and its part, after a space) | sender | value | series.
const LINES: &str = include_str!("signals.txt");

/// Who sends series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// Our agent.
    Agent,
    /// A receiver of the Collector.
    Otel,
    Cadvisor,
    Node,
}

/// A line of the table, with its place, by which its container or host is known.
struct Case {
    n: usize,
    kind: EntityKind,
    signal: &'static str,
    part: Option<&'static str>,
    sender: Sender,
    expected: f64,
    text: &'static str,
}

/// A series of a line.
#[derive(Debug, PartialEq)]
struct Series {
    name: &'static str,
    labels: Vec<(&'static str, &'static str)>,
    unit: &'static str,
    is_counter: bool,
    value: f64,
}

fn cases() -> impl Iterator<Item = Case> {
    let is_case = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = LINES.lines().filter(is_case).enumerate();
    lines.map(|(n, line)| Case::of(n, line))
}

/// Series of a text such as `a.b{c=d} By +2; e.f =1`.
fn series(text: &'static str) -> Vec<Series> {
    let one = |text: &'static str| {
        let (head, last) = text.trim().rsplit_once(' ').expect("a value");
        let (named, unit) = head.split_once(' ').unwrap_or((head, ""));
        let (name, labels) = named.split_once('{').unwrap_or((named, ""));
        let pairs = labels.trim_end_matches('}').split(',');
        Series {
            name,
            labels: pairs.filter_map(|pair| pair.split_once('=')).collect(),
            unit,
            is_counter: last.starts_with('+'),
            value: last
                .trim_start_matches(['+', '='])
                .parse()
                .expect("a number"),
        }
    };
    text.split(';').map(one).collect()
}

impl Case {
    fn of(n: usize, line: &'static str) -> Self {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [named, sender, expected, text] = fields[..] else {
            panic!("four fields in {line}");
        };
        let (signal, part) = named
            .split_once(' ')
            .map_or((named, None), |(signal, part)| (signal, Some(part)));
        Self {
            n,
            kind: if signal.starts_with("container.") {
                EntityKind::Container
            } else {
                EntityKind::Host
            },
            signal,
            part,
            sender: match sender {
                "agent" => Sender::Agent,
                "otel" => Sender::Otel,
                "cadvisor" => Sender::Cadvisor,
                "node" => Sender::Node,
                other => panic!("nobody is called {other}"),
            },
            expected: expected.parse().expect("a number"),
            text,
        }
    }

    fn container(&self) -> String {
        format!("{:064x}", self.n + 1)
    }

    fn node(&self) -> String {
        format!("node-{}", self.n)
    }

    fn entity(&self) -> String {
        match (self.kind, self.sender) {
            (EntityKind::Container, _) => format!("container:{}", self.container()),
            // node_exporter knows no id
            (_, Sender::Node) => format!("host:{}", self.node()),
            _ => format!("host:h{}", self.n),
        }
    }

    /// The attribute of the resource or of each point that says whose the series are; a resource may say its host besides.
    fn whose(&self) -> (&'static str, String) {
        match (self.sender, self.kind) {
            (Sender::Agent | Sender::Otel, EntityKind::Container) => {
                ("container.id", self.container())
            }
            (Sender::Agent | Sender::Otel, _) => ("host.id", format!("h{}", self.n)),
            (Sender::Cadvisor, _) => (
                "id",
                format!("/kubepods/burstable/pod-7/{}", self.container()),
            ),
            (Sender::Node, _) => ("instance", format!("10.0.0.{}:9100", self.n)),
        }
    }

    /// A minute before the trace and a little after it.
    fn report(&self, reported: &mut Reported) {
        for s in (AT_S - 60..=AT_S + 20).step_by(10) {
            for one in series(self.text) {
                let grown = 1e6 + one.value * (s + 60 - AT_S) as f64;
                let value = if one.is_counter { grown } else { one.value };
                self.tell(reported, &one, s, value);
            }
            if self.sender == Sender::Node {
                let (node, (_, instance)) = (self.node(), self.whose());
                let labels = [("nodename", &*node), ("instance", &*instance)];
                reported.gauge(&[], ("node_uname_info", "", &labels), s, 1.0);
            }
        }
    }

    fn tell(&self, reported: &mut Reported, one: &Series, at_s: u64, value: f64) {
        let (node, (key, id)) = (self.node(), self.whose());
        if self.by() == By::Resource {
            let resource = [("host.name", &*node), (key, &*id)];
            let named = (one.name, one.unit, &*one.labels);
            if one.is_counter {
                reported.counter(&resource, named, at_s, value);
            } else {
                reported.gauge(&resource, named, at_s, value);
            }
        } else {
            // what is scraped keeps its name, and has all in its labels
            let labels = [&*one.labels, &[(key, &*id)]].concat();
            reported.gauge(&[], (one.name, "", &labels), at_s, value);
        }
    }

    /// What a span says of itself that ran there.
    fn resource(&self) -> (&'static str, String) {
        match self.kind {
            EntityKind::Container => ("container.id", self.container()),
            _ => ("host.name", self.node()),
        }
    }

    fn by(&self) -> By {
        match self.sender {
            Sender::Agent | Sender::Otel => By::Resource,
            Sender::Cadvisor => By::Cadvisor,
            Sender::Node => By::NodeExporter,
        }
    }
}

/// Names of the metrics that a PromQL query reads.
fn metrics_of(query: &str) -> BTreeSet<String> {
    let name = |before: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        before
            .rsplit(|c| !is_part(c))
            .next()
            .unwrap_or("")
            .to_owned()
    };
    let mut parts = query.split('{').collect::<Vec<_>>();
    parts.pop();
    parts.into_iter().map(name).collect()
}

/// A signal, how its series are found, and the metrics that are read.
type Read = (&'static str, By, BTreeSet<String>);

#[tokio::test]
async fn every_source_of_every_signal_gives_its_lane_with_the_right_numbers() {
    let served = Served::start().await;
    let mut reported = Reported::default();
    cases().for_each(|case| case.report(&mut reported));
    reported.write(&served, cases().count()).await;
    let ran = |case: Case| {
        let id = case.n as u64 + 1;
        let (key, value) = case.resource();
        kept(id, trace(id, AT_S, &[("checkout", &[(key, &value)], 0, 1)]))
    };
    served.store(0, cases().map(ran).collect()).await;
    let mut read: BTreeSet<Read> = BTreeSet::new();
    for case in cases() {
        let path = format!("/api/tracewell/v1/traces/{:x}/infra?pad=10s", case.n + 1);
        let body = served.get(&path).await.json();
        let found = signal(lane(&body, &case.entity()), case.signal, case.part);
        let is_it = |value: f64| (value - case.expected).abs() <= case.expected * 1e-6;
        assert!(is_it(value_at(found, 0)), "{}: {found}", case.text);
        // the query beside it says the same
        let query = found["query"].as_str().expect("a query");
        let asked = [("query", query), ("time", &*AT_S.to_string())];
        let answer = served.get_with("/api/v1/query", &asked).await.json();
        let value = answer["data"]["result"][0]["value"][1].as_str();
        let value = value.and_then(|text| text.parse().ok());
        assert!(value.is_some_and(is_it), "{query}: {answer}");
        read.insert((case.signal, case.by(), metrics_of(query)));
    }
    assert_eq!(read, sources());
}

/// Every source there is.
fn sources() -> BTreeSet<Read> {
    let all = signals::of(EntityKind::Container).chain(signals::of(EntityKind::Host));
    let of_signal = |signal: &'static signals::Signal| {
        signal.sources.iter().map(|source| {
            let mut metrics = Vec::new();
            source.value.metrics(&mut metrics);
            let metrics = metrics.into_iter().map(str::to_owned).collect();
            (signal.name, source.by, metrics)
        })
    };
    all.flat_map(of_signal).collect()
}

/// The agent's own list: a line `NAME = Counter "system.cpu.time" "s";` each, and `const NAME: &str = "cpu.mode";` for keys of attributes.
const AGENT: &str = include_str!("../../../../agent/src/instrument.rs");

#[test]
fn every_signal_has_a_source_that_the_agent_sends() {
    let quoted = |line: &'static str| line.split('"').skip(1).step_by(2).collect::<Vec<_>>();
    let mut instruments: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    for line in AGENT.lines() {
        match quoted(line).as_slice() {
            [name, unit] if line.ends_with("\";") => {
                instruments.insert(name, (unit, line.contains(" = Counter ")));
            }
            [key] if line.contains(": &str = ") => {
                keys.insert(key);
            }
            _ => {}
        }
    }
    let mut sent: BTreeSet<&str> = BTreeSet::new();
    for case in cases().filter(|case| case.sender == Sender::Agent) {
        for one in series(case.text) {
            let has = instruments.get(one.name).copied();
            assert_eq!(has, Some((one.unit, one.is_counter)), "{one:?}");
            let known = one.labels.iter().all(|(key, _)| keys.contains(key));
            assert!(known, "{one:?}");
        }
        sent.insert(case.signal);
    }
    let asked: BTreeSet<&str> = sources().into_iter().map(|(signal, ..)| signal).collect();
    assert_eq!(sent, asked);
}
