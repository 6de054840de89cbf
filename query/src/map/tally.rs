//! What was counted in a range, by edge and by service: series added up.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use ::metrics::{Labels, Points, SeriesData, Value, Window};
use service_map::edge::{CLIENT_SECONDS, FAILED, REQUESTS, SERVER_SECONDS};
use service_map::graph::measure::Measure;
use telemetry::Tenant;
use telemetry::entity::Identity;
use telemetry::histogram::ExpHistogram;

use super::native;
use super::range::{Range, WINDOW_MS};
use super::source::all_series;
use crate::Query;
use crate::refusal::Refusal;
use crate::trace::found::Marks;
use crate::work::off_thread;

/// Requests that instances answered (entry spans).
pub(crate) const INSTANCE_SECONDS: &str = "tracewell_instance_duration_seconds";
/// What an instance is and runs on.
pub(crate) const INSTANCE_INFO: &str = "service_instance_info";
/// What says whose a service is, the first that is there (`team`, else `service.owner` of its resource).
const TEAM_LABELS: [&str; 2] = ["team", "service_owner"];
/// Bytes of one entry, about: names, and two histograms of a few buckets.
const ENTRY_BYTES: usize = 1_500;
/// The status of spans that failed.
pub(crate) const STATUS_ERROR: &str = "STATUS_CODE_ERROR";

/// Labels of an edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EdgeKey {
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) connection: String,
    pub(crate) virtual_node: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct EdgeTally {
    pub(crate) measure: Measure,
    pub(crate) first_seen_unix_ms: Option<i64>,
}

/// A service, in all its instances.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceTally {
    pub(crate) namespace: String,
    /// Who owns it, as its resources say.
    pub(crate) team: String,
    pub(crate) environments: BTreeSet<String>,
    pub(crate) versions: BTreeSet<String>,
    pub(crate) instances: BTreeSet<String>,
    /// Hosts with the instances on each.
    pub(crate) hosts: BTreeMap<String, BTreeSet<String>>,
    pub(crate) measure: Measure,
    pub(crate) last_seen_unix_ms: Option<i64>,
}

/// What was counted in a range.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) edges: BTreeMap<EdgeKey, EdgeTally>,
    pub(crate) services: BTreeMap<String, ServiceTally>,
}

impl Tally {
    /// Memory that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        (self.edges.len() + self.services.len() + 1) * ENTRY_BYTES
    }

    /// What was counted in all of them.
    pub(crate) fn sum(steps: Vec<Self>) -> Self {
        let mut sum = Self::default();
        for step in steps {
            for (key, edge) in step.edges {
                sum.edges.entry(key).or_default().add(&edge);
            }
            for (name, service) in step.services {
                sum.services.entry(name).or_default().add(service);
            }
        }
        sum
    }
}

impl EdgeTally {
    fn add(&mut self, other: &Self) {
        self.measure.add(&other.measure);
        self.first_seen_unix_ms = match (self.first_seen_unix_ms, other.first_seen_unix_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// What was counted in each step of a range; one step may be all of it. What is live belongs to it where `live` takes notes of what of that is missing.
pub(crate) async fn steps(
    query: &Query,
    tenant: &Tenant,
    range: Range,
    step_ms: i64,
    mut live: Option<&mut Marks>,
) -> Result<Vec<Tally>, Refusal> {
    let mut steps = Steps::new(range, step_ms);
    for slice in range.slices() {
        let found = all_series(query, tenant, &NAMES, &[], slice, live.as_deref_mut()).await?;
        steps.slice = slice;
        steps = off_thread(move || {
            for (name, series) in NAMES.iter().zip(&found) {
                steps.add(name, series);
            }
            Ok(steps)
        })
        .await?;
    }
    Ok(steps.tallies)
}

/// Every metric that a tally is made of.
const NAMES: [&str; 6] = [
    REQUESTS,
    FAILED,
    CLIENT_SECONDS,
    SERVER_SECONDS,
    INSTANCE_SECONDS,
    INSTANCE_INFO,
];

/// Windows of a series; none if it came as samples.
pub(crate) fn windows(series: &SeriesData) -> &[Window] {
    match &series.points {
        Points::Windows(windows) => windows,
        Points::Samples(_) => &[],
    }
}

/// When an info series was seen: ends of windows, ascending.
pub(crate) fn seen(series: &SeriesData, range: Range) -> impl Iterator<Item = i64> {
    let floats = match &series.points {
        Points::Samples(samples) => samples.floats.as_slice(),
        Points::Windows(_) => &[],
    };
    let is_stale = |value: f64| value.is_nan();
    floats
        .iter()
        .filter(move |(at, value)| !is_stale(*value) && range.has(at.saturating_sub(WINDOW_MS)))
        .map(|(at, _)| *at)
}

/// How much windows count: numbers, or what histograms counted.
pub(crate) fn total(windows: &[Window]) -> f64 {
    let number = |window: &Window| match &window.value {
        Value::Float(number) => *number,
        Value::Histogram(histogram) => histogram.count,
    };
    windows.iter().map(number).sum()
}

/// Durations that windows have.
pub(crate) fn durations(windows: &[Window]) -> ExpHistogram {
    native::sum(windows.iter().filter_map(|window| match &window.value {
        Value::Histogram(histogram) => Some(&**histogram),
        Value::Float(_) => None,
    }))
}

/// Tallies of a range that is read slice by slice.
struct Steps {
    range: Range,
    /// What is read now: windows beyond it come with the next slice.
    slice: Range,
    step_ms: i64,
    tallies: Vec<Tally>,
}

impl Steps {
    fn new(range: Range, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let length_ms = range.to_ms.saturating_sub(range.from_ms).max(0);
        let n = usize::try_from(length_ms.saturating_add(step_ms - 1) / step_ms).unwrap_or(0);
        Self {
            range,
            slice: range,
            step_ms,
            tallies: vec![Tally::default(); n],
        }
    }

    /// The step that a window belongs to.
    fn step_of(&self, begin_unix_ms: i64) -> Option<usize> {
        if !self.slice.has(begin_unix_ms) {
            return None;
        }
        let after_ms = begin_unix_ms.checked_sub(self.range.from_ms)?;
        usize::try_from(after_ms.div_euclid(self.step_ms)).ok()
    }

    /// Windows one after the other that belong to the same step.
    fn chunks<'a>(&self, windows: &'a [Window]) -> Vec<(usize, &'a [Window])> {
        let step = |window: &Window| self.step_of(window.start_unix_ms);
        let chunks = windows.chunk_by(|a, b| step(a) == step(b));
        let with_step = |chunk: &'a [Window]| Some((step(chunk.first()?)?, chunk));
        chunks.filter_map(with_step).collect()
    }

    fn add(&mut self, name: &str, all: &[SeriesData]) {
        match name {
            REQUESTS => self.edges(all, |measure, windows| measure.calls += total(windows)),
            FAILED => self.edges(all, |measure, windows| measure.failed += total(windows)),
            CLIENT_SECONDS => self.edges(all, |measure, windows| {
                measure.client.merge(&durations(windows));
            }),
            SERVER_SECONDS => self.edges(all, |measure, windows| {
                measure.server.merge(&durations(windows));
            }),
            INSTANCE_SECONDS => self.services(all),
            _ => self.infos(all),
        }
    }

    fn edges(&mut self, all: &[SeriesData], add: impl Fn(&mut Measure, &[Window])) {
        for series in all {
            let label = |name: &str| series.labels.get(name).to_owned();
            let key = EdgeKey {
                client: label("client"),
                server: label("server"),
                connection: label("connection_type"),
                virtual_node: label("virtual_node"),
            };
            for (step, windows) in self.chunks(windows(series)) {
                let Some(tally) = self.tallies.get_mut(step) else {
                    continue;
                };
                let edge = tally.edges.entry(key.clone()).or_default();
                add(&mut edge.measure, windows);
                let first = windows.iter().map(|window| window.end_unix_ms).min();
                edge.first_seen_unix_ms = match (edge.first_seen_unix_ms, first) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }

    fn services(&mut self, all: &[SeriesData]) {
        for series in all {
            let name = series.labels.get("service_name");
            let is_failed = series.labels.get("status_code") == STATUS_ERROR;
            for (step, windows) in self.chunks(windows(series)) {
                let Some(tally) = self.tallies.get_mut(step) else {
                    continue;
                };
                let service = service_of(tally, name);
                let calls = total(windows);
                service.measure.calls += calls;
                service.measure.failed += if is_failed { calls } else { 0.0 };
                service.measure.server.merge(&durations(windows));
                let last = windows.iter().map(|window| window.end_unix_ms).max();
                service.last_seen_unix_ms = service.last_seen_unix_ms.max(last);
            }
        }
    }

    fn infos(&mut self, all: &[SeriesData]) {
        for series in all {
            let host = host_of(&series.labels);
            for at in seen(series, self.slice) {
                let step = self.step_of(at.saturating_sub(WINDOW_MS));
                if let Some(tally) = step.and_then(|step| self.tallies.get_mut(step)) {
                    let service = service_of(tally, series.labels.get("service_name"));
                    service.note(&series.labels, &host);
                    service.last_seen_unix_ms = service.last_seen_unix_ms.max(Some(at));
                }
            }
        }
    }
}

/// What people call the host that an info series names; nothing where it names a container.
fn host_of(labels: &Labels) -> String {
    let pairs = labels.iter();
    let identity = Identity::of(pairs.map(|(name, value)| (name, Cow::Borrowed(value))));
    identity.host().map_or_else(String::new, |host| {
        let key = host.key().to_owned();
        host.name.unwrap_or(key)
    })
}

fn service_of<'a>(tally: &'a mut Tally, name: &str) -> &'a mut ServiceTally {
    if !tally.services.contains_key(name) {
        tally
            .services
            .insert(name.to_owned(), ServiceTally::default());
    }
    tally.services.entry(name.to_owned()).or_default()
}

impl ServiceTally {
    fn add(&mut self, other: Self) {
        self.namespace = std::mem::take(&mut self.namespace).max(other.namespace);
        self.team = std::mem::take(&mut self.team).max(other.team);
        self.environments.extend(other.environments);
        self.versions.extend(other.versions);
        self.instances.extend(other.instances);
        for (host, instances) in other.hosts {
            self.hosts.entry(host).or_default().extend(instances);
        }
        self.measure.add(&other.measure);
        self.last_seen_unix_ms = self.last_seen_unix_ms.max(other.last_seen_unix_ms);
    }

    /// What an info series says, each thing once.
    fn note(&mut self, labels: &Labels, host: &str) {
        let insert = |set: &mut BTreeSet<String>, value: &str| {
            if !value.is_empty() && !set.contains(value) {
                set.insert(value.to_owned());
            }
        };
        insert(&mut self.environments, labels.get("deployment_environment"));
        insert(&mut self.versions, labels.get("service_version"));
        let instance = labels.get("service_instance_id");
        insert(&mut self.instances, instance);
        let namespace = labels.get("service_namespace");
        if !host.is_empty() {
            self.hosts
                .entry(host.to_owned())
                .or_default()
                .insert(instance.to_owned());
        }
        let team = TEAM_LABELS.iter().map(|label| labels.get(label));
        let team = team.into_iter().find(|team| !team.is_empty());
        for (known, said) in [
            (&mut self.namespace, namespace),
            (&mut self.team, team.unwrap_or_default()),
        ] {
            if known.as_str() < said {
                *known = said.to_owned();
            }
        }
    }
}
