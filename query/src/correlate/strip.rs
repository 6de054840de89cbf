//! The infrastructure strip of a trace: a lane for each container and host under its critical path, or for those that are asked for.
//!
//! In: a found trace. Out: lanes, those with the longest part of the path first, and a sentence for each join that is missing or weak.

mod draft;

use std::collections::{BTreeMap, BTreeSet};

use ::metrics::MetricsStore;
use telemetry::entity::{EntityId, EntityKind, Identity};
use telemetry::semconv::{HOST_ID, HOST_NAME};
use telemetry::{RecordTime, Tenant};

use super::constants::{LANES_MAX, PAD_NS_MAX, PAD_NS_MIN, RELATION_HOLDS_MS, RESOURCES_MAX};
use super::info::Infos;
use super::join::{Joined, join};
use super::lane::{Around, Lane, measure};
use super::load::{self, NAME, Reader, equal};
use super::missing::{self, Missing};
use super::trace::{Facts, Resource};
use crate::refusal::Refusal;
use crate::trace::found::{Found, with_view};
use crate::work::off_thread;
use draft::drafts;

const NS_A_MS: u64 = 1_000_000;

/// What is wanted of a strip.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Shown before and after the trace; else its duration, and at least 50 s.
    pub(crate) pad_ns: Option<u64>,
    /// Lanes of these and no others; else of what is under the critical path.
    pub(crate) entities: Vec<EntityId>,
}

/// What runs below a trace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strip {
    pub(crate) start_unix_ns: u64,
    pub(crate) end_unix_ns: u64,
    pub(crate) pad_ns: u64,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) missing: Vec<Missing>,
    /// Whether a bound left something out.
    pub(crate) is_cut: bool,
}

impl Strip {
    /// Takes back what is told because nobody was heard: not all that was sent is read yet.
    pub(crate) fn blame_nobody(&mut self) {
        self.missing.retain(|one| !one.is_of_silence());
    }
}

/// The strip of a trace.
pub(crate) async fn strip(
    store: &MetricsStore,
    tenant: &Tenant,
    found: Found,
    asked: &Asked,
    now: RecordTime,
) -> Result<Strip, Refusal> {
    let facts = off_thread(move || with_view(&found, Facts::of)).await?;
    let facts = facts.ok_or_else(Refusal::trace_not_found)?;
    let duration_ns = facts.end_unix_ns.saturating_sub(facts.start_unix_ns);
    let pad_ns = asked
        .pad_ns
        .unwrap_or(duration_ns.max(PAD_NS_MIN))
        .min(PAD_NS_MAX);
    let around = Around::new(
        unix_ms(facts.start_unix_ns),
        unix_ms(facts.end_unix_ns.saturating_add(NS_A_MS - 1)),
        unix_ms(pad_ns),
    );
    let mut reader = Reader::new(store, tenant);
    let (resources, is_cut) = wanted(&facts, asked);
    reader.is_cut |= is_cut;
    let infos = infos(&mut reader, &facts, &resources, asked, around).await?;
    let asked: Vec<EntityId> = asked
        .entities
        .iter()
        .map(|entity| infos.canonical(entity))
        .collect();
    // Many resources by many rows: more than a moment.
    let (facts, infos, joined, drafts) = off_thread(move || {
        let of_resource = |idx| Some((idx, joined(facts.resources.get(idx)?, &infos)));
        let joined: Vec<_> = resources.into_iter().filter_map(of_resource).collect();
        let drafts = drafts(&facts, &joined, &infos, &asked);
        Ok((facts, infos, joined, drafts))
    })
    .await?;
    reader.is_cut |= drafts.len() > LANES_MAX;

    let mut missing = missing::of_joins(&facts, &joined, &infos);
    let mut lanes = Vec::new();
    for draft in drafts.into_iter().take(LANES_MAX) {
        reader.is_cut |= draft.is_cut;
        let signals = measure(&mut reader, &draft.subject, around).await?;
        lanes.push(draft.lane(signals));
    }
    missing.extend(missing::of_signals(
        &lanes,
        (unix_ms(facts.start_unix_ns), unix_ms(facts.end_unix_ns)),
        now,
    ));
    let is_hostless = !lanes
        .iter()
        .any(|(lane, ..)| lane.entity.kind() == EntityKind::Host && !lane.signals.is_empty());
    if is_hostless && has_nameless_hosts(&mut reader, around).await? {
        missing.insert(Missing::host_keys());
    }
    Ok(Strip {
        start_unix_ns: facts.start_unix_ns,
        end_unix_ns: facts.end_unix_ns,
        pad_ns,
        lanes: lanes.into_iter().map(|(lane, ..)| lane).collect(),
        missing: missing.into_iter().collect(),
        is_cut: reader.is_cut,
    })
}

fn unix_ms(ns: u64) -> i64 {
    i64::try_from(ns / NS_A_MS).unwrap_or(i64::MAX)
}

fn joined(resource: &Resource, infos: &Infos) -> Joined {
    let called_at: Vec<String> = resource.called_at.iter().cloned().collect();
    join(&resource.identity, &called_at, infos)
}

/// Indexes of the resources that lanes are looked for, and whether there are more: those with most of the critical path, or all where entities are named.
fn wanted(facts: &Facts, asked: &Asked) -> (Vec<usize>, bool) {
    let mut on_path: BTreeMap<usize, u64> = BTreeMap::new();
    if !asked.entities.is_empty() {
        on_path.extend((0..facts.resources.len()).map(|idx| (idx, 0)));
    }
    for (resource, under) in &facts.critical {
        *on_path.entry(*resource).or_default() += under.length_ns();
    }
    let mut wanted: Vec<(usize, u64)> = on_path.into_iter().collect();
    wanted.sort_by_key(|(idx, on_path)| (std::cmp::Reverse(*on_path), *idx));
    let is_cut = wanted.len() > RESOURCES_MAX;
    wanted.truncate(RESOURCES_MAX);
    (wanted.into_iter().map(|(idx, _)| idx).collect(), is_cut)
}

async fn infos(
    reader: &mut Reader<'_>,
    facts: &Facts,
    wanted: &[usize],
    asked: &Asked,
    around: Around,
) -> Result<Infos, Refusal> {
    let resources: Vec<&Resource> = wanted
        .iter()
        .filter_map(|idx| facts.resources.get(*idx))
        .collect();
    let named: Vec<Identity> = asked.entities.iter().filter_map(identity_of).collect();
    let identities: Vec<&Identity> = resources
        .iter()
        .map(|resource| &resource.identity)
        .chain(&named)
        .collect();
    let addresses: BTreeSet<&String> = resources.iter().flat_map(|r| &r.called_at).collect();
    let addresses: Vec<String> = addresses.into_iter().cloned().collect();
    let range = (
        around.grid.start_unix_ms.saturating_sub(RELATION_HOLDS_MS),
        around.grid.end_unix_ms(),
    );
    load::infos(reader, &identities, &addresses, range).await
}

/// What a resource of a named container would say.
fn identity_of(entity: &EntityId) -> Option<Identity> {
    let is_container = entity.kind() == EntityKind::Container;
    let pair = ("container.id", entity.part(0).into());
    is_container.then(|| Identity::of([pair]))
}

/// A lane with what its sentences need: the service, and the host.
pub(super) type Shown = (Lane, Option<String>, Option<EntityId>);

/// Whether somebody reports a host and does not say which.
async fn has_nameless_hosts(reader: &mut Reader<'_>, around: Around) -> Result<bool, Refusal> {
    let label = |key: &str| key.replace('.', "_");
    let matchers = [
        equal(NAME, "system_cpu_time_seconds_total"),
        equal(&label(HOST_ID), ""),
        equal(&label(HOST_NAME), ""),
    ];
    let (from, to) = (around.grid.start_unix_ms, around.grid.end_unix_ms());
    let found = reader.select(&matchers, from, to).await?;
    Ok(!found.is_empty())
}
