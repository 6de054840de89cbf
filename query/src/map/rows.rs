//! Rows for the graph: what was counted in a range, with the hour before it as baseline.

use std::sync::Arc;

use service_map::graph::Graph;
use service_map::graph::rows::{EdgeRow, ServiceRow};
use telemetry::Tenant;

use super::range::Range;
use super::tally::{EdgeKey, EdgeTally, ServiceTally, Tally, steps};
use crate::Query;
use crate::refusal::{Kind, Refusal};
use crate::trace::found::Marks;

/// Rows of one range.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) edges: Vec<EdgeRow>,
    pub(crate) services: Vec<ServiceRow>,
}

impl Rows {
    pub(crate) fn of(now: &Tally, base: &Tally) -> Self {
        let edge = |(key, tally): (&EdgeKey, &EdgeTally)| edge_row(key, tally, base);
        let service = |(name, tally): (&String, &ServiceTally)| service_row(name, tally, base);
        Self {
            edges: now.edges.iter().map(edge).collect(),
            services: now.services.iter().map(service).collect(),
        }
    }

    pub(crate) fn graph(&self) -> Graph {
        Graph::build(&self.edges, &self.services)
    }
}

/// Rows of a range with what is live, against the hour before it.
pub(crate) async fn rows(
    query: &Query,
    tenant: &Tenant,
    range: Range,
    marks: &mut Marks,
) -> Result<Rows, Refusal> {
    let now = tally(query, tenant, range, Some(marks)).await?;
    let base = baseline(query, tenant, range, marks).await?;
    Ok(Rows::of(&now, &base))
}

/// What was counted in a range.
pub(crate) async fn tally(
    query: &Query,
    tenant: &Tenant,
    range: Range,
    live: Option<&mut Marks>,
) -> Result<Tally, Refusal> {
    let length_ms = range.to_ms.saturating_sub(range.from_ms);
    let mut tallies = steps(query, tenant, range, length_ms, live).await?;
    Ok(tallies.pop().unwrap_or_default())
}

/// The hour before a range, from memory if it was read lately. If it has more points than may be read, it is empty, and that is noted.
pub(crate) async fn baseline(
    query: &Query,
    tenant: &Tenant,
    range: Range,
    marks: &mut Marks,
) -> Result<Arc<Tally>, Refusal> {
    let base = range.baseline();
    let cache = &query.0.maps.baselines;
    let read = async { tally(query, tenant, base, None).await.map(Arc::new) };
    match cache.try_get_with((tenant.clone(), base), read).await {
        Ok(tally) => Ok(tally),
        Err(refusal) if refusal.kind == Kind::TooLarge => {
            marks.limited(true);
            Ok(Arc::default())
        }
        Err(refusal) => Err((*refusal).clone()),
    }
}

fn edge_row(key: &EdgeKey, now: &EdgeTally, base: &Tally) -> EdgeRow {
    let base = base.edges.get(key);
    EdgeRow {
        client: key.client.clone(),
        server: key.server.clone(),
        connection: key.connection.clone(),
        virtual_node: key.virtual_node.clone(),
        now: now.measure.clone(),
        base: base.map(|base| base.measure.clone()).unwrap_or_default(),
        first_seen_unix_ms: base
            .and_then(|base| base.first_seen_unix_ms)
            .or(now.first_seen_unix_ms),
    }
}

fn service_row(name: &str, now: &ServiceTally, base: &Tally) -> ServiceRow {
    let base = base.services.get(name);
    let n_instances = |instances: &std::collections::BTreeSet<String>| {
        u32::try_from(instances.len()).unwrap_or(u32::MAX)
    };
    ServiceRow {
        name: name.to_owned(),
        namespace: now.namespace.clone(),
        team: now.team.clone(),
        environments: now.environments.clone(),
        versions: now.versions.clone(),
        versions_before: base.map(|base| base.versions.clone()).unwrap_or_default(),
        instances: now.instances.clone(),
        hosts: now
            .hosts
            .iter()
            .map(|(host, instances)| (host.clone(), n_instances(instances)))
            .collect(),
        now: now.measure.clone(),
        base: base.map(|base| base.measure.clone()).unwrap_or_default(),
        last_seen_unix_ms: now.last_seen_unix_ms,
    }
}
