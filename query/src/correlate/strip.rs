//! The infrastructure strip of a trace: a lane for each container and host under its critical path, or for those that are asked for.
//!
//! In: a found trace. Out: lanes, those with the longest part of the path first, and a sentence for each join that is missing or weak.

use std::collections::BTreeSet;

use ::metrics::MetricsStore;
use telemetry::entity::{EntityId, EntityKind, Identity};
use telemetry::semconv::{HOST_ID, HOST_NAME};
use telemetry::{RecordTime, Tenant};

use super::constants::{LANES_MAX, PAD_NS_MAX, PAD_NS_MIN, RELATION_HOLDS_MS};
use super::info::Infos;
use super::join::{Joined, Method, join};
use super::lane::{Around, Lane, Measured, Subject, Under, measure};
use super::load::{self, NAME, Reader, equal};
use super::missing::{self, Missing};
use super::trace::{Facts, Resource};
use crate::refusal::Refusal;
use crate::trace::found::{Found, with_view};
use crate::work::off_thread;

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

/// A lane before it is measured.
struct Draft {
    subject: Subject,
    method: Method,
    critical: Vec<Under>,
    /// Whose spans ran there.
    service: Option<String>,
    label: Option<String>,
    host: Option<EntityId>,
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
    let resources = wanted(&facts, asked);
    let infos = infos(&mut reader, &facts, &resources, asked, around).await?;
    let asked: Vec<EntityId> = asked
        .entities
        .iter()
        .map(|entity| infos.canonical(entity))
        .collect();
    // Many resources by many rows: more than a moment.
    let (facts, infos, joined) = off_thread(move || {
        let of_resource = |idx| Some((idx, joined(facts.resources.get(idx)?, &infos)));
        let joined: Vec<_> = resources.into_iter().filter_map(of_resource).collect();
        Ok((facts, infos, joined))
    })
    .await?;
    let mut drafts = drafts(&facts, &joined, &infos, &asked);
    let is_cut = drafts.len() > LANES_MAX;
    drafts.truncate(LANES_MAX);

    let mut missing = missing::of_joins(&facts, &joined, &infos);
    let mut lanes = Vec::new();
    for draft in drafts {
        let signals = measure(&mut reader, &draft.subject, around).await?;
        let lane = draft.lane(signals, &infos);
        lanes.push(lane);
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
        is_cut: is_cut || reader.is_cut,
    })
}

fn unix_ms(ns: u64) -> i64 {
    i64::try_from(ns / NS_A_MS).unwrap_or(i64::MAX)
}

fn joined(resource: &Resource, infos: &Infos) -> Joined {
    let called_at: Vec<String> = resource.called_at.iter().cloned().collect();
    join(&resource.identity, &called_at, infos)
}

/// Indexes of the resources that lanes are looked for: those under the critical path, or all where entities are named.
fn wanted(facts: &Facts, asked: &Asked) -> BTreeSet<usize> {
    if asked.entities.is_empty() {
        facts
            .critical
            .iter()
            .map(|(resource, _)| *resource)
            .collect()
    } else {
        (0..facts.resources.len()).collect()
    }
}

async fn infos(
    reader: &mut Reader<'_>,
    facts: &Facts,
    wanted: &BTreeSet<usize>,
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

/// The lanes to be measured, those with most of the critical path first.
fn drafts(
    facts: &Facts,
    joined: &[(usize, Joined)],
    infos: &Infos,
    asked: &[EntityId],
) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (resource, joined) in joined {
        let on_it = facts.critical.iter().filter(|(of, _)| of == resource);
        let critical: Vec<Under> = on_it.map(|(_, under)| *under).collect();
        let identity = facts.resources.get(*resource).map(|r| &r.identity);
        let service = identity.map(|identity| identity.service_of_span().label().to_owned());
        let host = joined.host.as_ref().map(|(known, _)| known.entity.clone());
        let container = joined.container.as_ref().map(|(id, method)| Draft {
            subject: Subject::Container(id.clone()),
            method: *method,
            critical: critical.clone(),
            service: service.clone(),
            label: infos.label_of_container(id),
            host: host.clone(),
        });
        let on_host = joined.host.as_ref().map(|(known, method)| Draft {
            subject: Subject::Host(known.clone()),
            method: *method,
            critical: critical.clone(),
            service: service.clone(),
            label: known.host.name.clone(),
            host: host.clone(),
        });
        for draft in container.into_iter().chain(on_host) {
            add(&mut drafts, draft);
        }
    }
    if !asked.is_empty() {
        drafts.retain(|draft| asked.contains(&draft.subject.entity()));
        for entity in asked {
            if !drafts.iter().any(|draft| draft.subject.entity() == *entity) {
                drafts.extend(named(entity, infos));
            }
        }
    }
    drafts.sort_by_cached_key(|draft| {
        let on_path: u64 = draft
            .critical
            .iter()
            .map(|under| under.to_unix_ns - under.from_unix_ns)
            .sum();
        (std::cmp::Reverse(on_path), draft.subject.entity())
    });
    drafts
}

/// A lane for an entity by itself.
fn named(entity: &EntityId, infos: &Infos) -> Option<Draft> {
    let subject = match entity.kind() {
        EntityKind::Container => Subject::Container(entity.part(0).to_owned()),
        EntityKind::Host => Subject::Host(infos.host_of_id(entity)),
        _ => return None,
    };
    Some(Draft {
        label: match &subject {
            Subject::Container(id) => infos.label_of_container(id),
            Subject::Host(known) => known.host.name.clone(),
        },
        subject,
        method: Method::Asked,
        critical: Vec::new(),
        service: None,
        host: None,
    })
}

fn add(drafts: &mut Vec<Draft>, draft: Draft) {
    let known = drafts
        .iter_mut()
        .find(|known| known.subject.entity() == draft.subject.entity());
    match known {
        Some(known) => {
            known.critical.extend(draft.critical);
            known
                .critical
                .sort_unstable_by_key(|under| under.from_unix_ns);
            known.method = known.method.min(draft.method);
        }
        None => drafts.push(draft),
    }
}

/// A lane with what its sentences need: the service, and the host.
pub(super) type Shown = (Lane, Option<String>, Option<EntityId>);

impl Draft {
    fn lane(self, signals: Vec<Measured>, infos: &Infos) -> Shown {
        let entity = self.subject.entity();
        let host = self.host.or_else(|| match &self.subject {
            Subject::Container(id) => infos.host_of_container(id).map(|known| known.entity),
            Subject::Host(known) => Some(known.entity.clone()),
        });
        let lane = Lane {
            label: self.label.unwrap_or_else(|| entity.label().to_owned()),
            entity,
            method: self.method,
            critical: self.critical,
            signals,
        };
        (lane, self.service, host)
    }
}

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
