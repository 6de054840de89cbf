//! Reads of the time-series store: info series that could be about some resources, and series by their labels. In: identities and a range. Out: rows, and
//! whether a bound left some out.

use std::collections::BTreeSet;

use ::metrics::{MatchOp, Matcher, MetricsStore, SelectError, SelectOptions, SeriesData};
use regex::Regex;
use telemetry::Tenant;
use telemetry::entity::Identity;
use telemetry::semconv::{
    K8S_NAMESPACE_NAME, K8S_POD_NAME, K8S_POD_UID, PROCESS_PID, SERVICE_INSTANCE_ID,
};

use super::constants::{SAMPLES_MAX, VALUES_MAX};
use super::info::{Info, Infos};
use crate::refusal::{Kind, Refusal};

pub(super) const NAME: &str = "__name__";

/// The store as one answer reads it: a tenant's, in one range, with a bound on what is read in all.
pub(super) struct Reader<'a> {
    store: &'a MetricsStore,
    tenant: &'a Tenant,
    left: u64,
    /// Whether something was left out for a bound.
    pub(super) is_cut: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(store: &'a MetricsStore, tenant: &'a Tenant) -> Self {
        Self {
            store,
            tenant,
            left: SAMPLES_MAX,
            is_cut: false,
        }
    }

    /// Series with their points in (from, to]. None is read beyond the bound; then the answer is cut.
    pub(super) async fn select(
        &mut self,
        matchers: &[Matcher],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<SeriesData>, Refusal> {
        let options = SelectOptions {
            samples_max: self.left,
            ..SelectOptions::default()
        };
        let read = self
            .store
            .select(self.tenant, matchers, from_unix_ms, to_unix_ms, options)
            .await;
        match read {
            Ok(series) => {
                let n: usize = series.iter().map(n_points).sum();
                self.left = self.left.saturating_sub(n as u64);
                Ok(series)
            }
            Err(SelectError::TooManySamples { .. }) => {
                self.is_cut = true;
                Ok(Vec::new())
            }
            Err(error) => {
                tracing::error!(code = "TW3008", "the metrics store cannot be read: {error}");
                let text = format!("the metrics store cannot be read: {error}");
                Err(Refusal::new(Kind::Internal, text))
            }
        }
    }

    async fn infos(
        &mut self,
        name: &str,
        matchers: Vec<Matcher>,
        (from, to): (i64, i64),
    ) -> Result<Vec<Info>, Refusal> {
        let matchers: Vec<Matcher> = std::iter::once(equal(NAME, name)).chain(matchers).collect();
        let series = self.select(&matchers, from, to).await?;
        Ok(series.iter().filter_map(Info::of).collect())
    }

    /// Adds the rows of `name` whose `label` is one of `values`.
    async fn add(
        &mut self,
        rows: &mut Vec<Info>,
        (name, label): (&str, &str),
        values: BTreeSet<String>,
        range: (i64, i64),
    ) -> Result<(), Refusal> {
        if values.is_empty() {
            return Ok(());
        }
        if values.len() > VALUES_MAX {
            self.is_cut = true;
        }
        let patterns: Vec<String> = values.into_iter().take(VALUES_MAX).collect();
        let found = self.infos(name, vec![one_of(label, &patterns)?], range);
        rows.extend(found.await?);
        Ok(())
    }
}

fn n_points(series: &SeriesData) -> usize {
    match &series.points {
        ::metrics::Points::Samples(samples) => samples.floats.len() + samples.histograms.len(),
        ::metrics::Points::Windows(windows) => windows.len(),
    }
}

/// Everything that could be about one of `wanted`, called at `addresses`, in (from, to].
pub(super) async fn infos(
    reader: &mut Reader<'_>,
    wanted: &[&Identity],
    addresses: &[String],
    range: (i64, i64),
) -> Result<Infos, Refusal> {
    let hosts = reader.infos("host_info", Vec::new(), range).await?;
    let mut infos = Infos::default().with_hosts(hosts);
    let of = |key: &str| -> BTreeSet<String> {
        let values = wanted.iter().filter_map(|identity| identity.get(key));
        values.map(regex::escape).collect()
    };
    let pods = &mut infos.pods;
    let ips: BTreeSet<String> = addresses.iter().map(|ip| regex::escape(ip)).collect();
    for (label, values) in [
        ("k8s_pod_name", of(K8S_POD_NAME)),
        ("k8s_pod_uid", of(K8S_POD_UID)),
        ("k8s_pod_ip", ips),
    ] {
        reader.add(pods, ("pod_info", label), values, range).await?;
    }
    let mut uids = of(K8S_POD_UID);
    let found = pods
        .iter()
        .filter_map(|info| info.identity.get(K8S_POD_UID));
    uids.extend(found.map(regex::escape));

    let processes = &mut infos.processes;
    let pids = of(PROCESS_PID);
    let ids = container_ids(wanted);
    for (label, values) in [("process_pid", pids), ("container_id", ids.clone())] {
        reader
            .add(processes, ("process_info", label), values, range)
            .await?;
    }
    let mut ids = ids;
    let of_processes = processes.iter();
    ids.extend(of_processes.filter_map(|info| info.identity.full_container_id()));
    let containers = &mut infos.containers;
    for (label, values) in [
        ("container_id", ids),
        ("k8s_pod_uid", uids),
        ("service_instance_id", of(SERVICE_INSTANCE_ID)),
        ("k8s_namespace_name", unknown_namespaces(wanted)),
    ] {
        reader
            .add(containers, ("container_info", label), values, range)
            .await?;
    }
    // Rows by another key than the id do not say what the agent says of the same container.
    let seen = containers
        .iter()
        .filter_map(|info| info.identity.full_container_id());
    let seen: BTreeSet<String> = seen.map(|id| regex::escape(&id)).collect();
    reader
        .add(containers, ("container_info", "container_id"), seen, range)
        .await?;
    containers.sort_by(|a, b| a.identity.cmp(&b.identity));
    containers.dedup();
    Ok(infos)
}

/// Patterns of the ids, and of what begins with the short ones.
fn container_ids(wanted: &[&Identity]) -> BTreeSet<String> {
    let full = wanted
        .iter()
        .filter_map(|identity| identity.full_container_id());
    let full = full.map(|id| regex::escape(&id));
    let short = wanted
        .iter()
        .filter_map(|identity| identity.short_container_id());
    full.chain(short.map(|id| format!("{id}.*"))).collect()
}

/// Namespaces of those who say nothing else.
fn unknown_namespaces(wanted: &[&Identity]) -> BTreeSet<String> {
    let alone = wanted
        .iter()
        .filter(|identity| !identity.is_contained() && identity.host().is_none());
    let namespaces = alone.filter_map(|identity| identity.get(K8S_NAMESPACE_NAME));
    namespaces.map(regex::escape).collect()
}

pub(super) fn equal(name: &str, value: &str) -> Matcher {
    Matcher {
        name: name.to_owned(),
        op: MatchOp::Equal,
        value: value.to_owned(),
    }
}

/// A label that begins so.
pub(super) fn begins(name: &str, start: &str) -> Result<Matcher, Refusal> {
    matching(name, format!("{}.*", regex::escape(start)))
}

/// A label that matches one of the patterns as a whole.
pub(super) fn one_of(name: &str, patterns: &[String]) -> Result<Matcher, Refusal> {
    matching(name, patterns.join("|"))
}

/// A label that matches a pattern as a whole.
pub(super) fn matching(name: &str, pattern: String) -> Result<Matcher, Refusal> {
    let anchored = Regex::new(&format!("^(?s:{pattern})$"));
    let regex = anchored.map_err(|error| {
        let text = format!("a selector could not be made: {error}");
        Refusal::new(Kind::Internal, text)
    })?;
    Ok(Matcher {
        name: name.to_owned(),
        op: MatchOp::Regex(regex),
        value: pattern,
    })
}
