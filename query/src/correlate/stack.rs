//! What runs on what, around one entity. In: its id and a range. Out: relations downwards to the hosts and upwards to the services, with the confidence of
//! each and the time for which it held.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use ::metrics::MetricsStore;
use telemetry::Tenant;
use telemetry::entity::EntityId;

use super::join::Method;
use super::lane::{Around, Measured, measure};
use super::load::Reader;
use crate::refusal::{Kind, Refusal};
use crate::work::off_thread;
use rows::Rows;

/// Relations of an answer at most.
const RELATIONS_MAX: usize = 1_000;

/// One entity above another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relation {
    pub(crate) upper: EntityId,
    pub(crate) lower: EntityId,
    pub(crate) method: Method,
    pub(crate) from_unix_ms: i64,
    pub(crate) to_unix_ms: i64,
}

/// An entity and everything that is above and below it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stack {
    pub(crate) entity: EntityId,
    /// What people call the entities of the relations, where they have a name.
    pub(crate) labels: BTreeMap<EntityId, String>,
    /// From the services down to the hosts.
    pub(crate) relations: Vec<Relation>,
    /// What it did, for containers and hosts.
    pub(crate) signals: Vec<Measured>,
    pub(crate) is_cut: bool,
}

impl Stack {
    /// An entity of which nothing is known but that it is there.
    pub(crate) fn of(entity: &EntityId) -> Self {
        Self {
            entity: entity.clone(),
            labels: BTreeMap::new(),
            relations: Vec::new(),
            signals: Vec::new(),
            is_cut: false,
        }
    }
}

/// Everything that is known of an entity in (from, to] unix ms; its signals too, if they are wanted.
pub(crate) async fn stack(
    store: &MetricsStore,
    tenant: &Tenant,
    entity: &EntityId,
    range: (i64, i64),
    with_signals: bool,
) -> Result<Stack, Refusal> {
    let mut reader = Reader::new(store, tenant);
    let rows = Rows::about(&mut reader, entity, range).await?;
    let entity = &rows.canonical(entity);
    let asked = entity.clone();
    let (rows, mut relations) = off_thread(move || {
        let relations = around(rows.relations(), &asked);
        Ok((rows, relations))
    })
    .await?;
    let is_known = !relations.is_empty() || rows.knows(entity);
    if !is_known {
        let text =
            format!("nothing is known of {entity} in this range; try another `from` and `to`");
        return Err(Refusal::new(Kind::NotFound, text));
    }
    let is_cut = relations.len() > RELATIONS_MAX;
    relations.truncate(RELATIONS_MAX);
    let signals = match rows.subject(entity) {
        Some(subject) if with_signals => {
            let of_range = Around::new(range.0, range.1, 0);
            measure(&mut reader, &subject, of_range).await?
        }
        _ => Vec::new(),
    };
    Ok(Stack {
        entity: entity.clone(),
        labels: rows.labels(&relations, entity),
        relations,
        signals,
        is_cut: is_cut || reader.is_cut,
    })
}

/// Those that lie above or below the entity, and not beside it.
fn around(all: Vec<Relation>, entity: &EntityId) -> Vec<Relation> {
    let reach = |next: fn(&Relation) -> (&EntityId, &EntityId)| {
        let mut reached = BTreeSet::from([entity.clone()]);
        // a chain has six levels, and one round goes down one at least
        for _ in 0..6 {
            let more = all
                .iter()
                .map(next)
                .filter(|(from, _)| reached.contains(from));
            let more: Vec<EntityId> = more.map(|(_, to)| to.clone()).collect();
            reached.extend(more);
        }
        reached
    };
    let below = reach(|one| (&one.upper, &one.lower));
    let above = reach(|one| (&one.lower, &one.upper));
    let mut relations: Vec<Relation> = all
        .into_iter()
        .filter(|one| below.contains(&one.upper) || above.contains(&one.lower))
        .collect();
    relations.sort_by_cached_key(|one| (one.upper.kind(), one.upper.clone(), one.lower.clone()));
    relations
}
