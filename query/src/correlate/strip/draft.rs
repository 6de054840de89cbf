//! Which lanes a strip has, before they are measured. In: what the resources of a trace are joined to. Out: drafts of lanes, in order. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use telemetry::entity::{EntityId, EntityKind};

use super::Shown;
use crate::correlate::constants::CRITICAL_MAX;
use crate::correlate::info::Infos;
use crate::correlate::join::{Joined, Method};
use crate::correlate::lane::{Lane, Measured, Subject, Under};
use crate::correlate::trace::Facts;

/// A lane before it is measured.
pub(super) struct Draft {
    pub(super) subject: Subject,
    method: Method,
    critical: Vec<Under>,
    /// Whether the path has more stretches on it.
    pub(super) is_cut: bool,
    /// Whose spans ran there.
    service: Option<String>,
    label: Option<String>,
    host: Option<EntityId>,
}

/// Lanes of what the resources are joined to, those with most of the critical path first; of the asked entities alone, if there are any.
pub(super) fn drafts(
    facts: &Facts,
    joined: &[(usize, Joined)],
    infos: &Infos,
    asked: &[EntityId],
) -> Vec<Draft> {
    let mut on_path: BTreeMap<usize, Vec<Under>> = BTreeMap::new();
    for (resource, under) in &facts.critical {
        on_path.entry(*resource).or_default().push(*under);
    }
    let mut drafts: BTreeMap<EntityId, Draft> = BTreeMap::new();
    for (resource, joined) in joined {
        let critical = on_path.get(resource).map_or(&[][..], Vec::as_slice);
        let identity = facts.resources.get(*resource).map(|r| &r.identity);
        let service = identity.map(|identity| identity.service_of_span().label().to_owned());
        let mut add = |subject: Subject, method: Method| {
            let draft = drafts
                .entry(subject.entity())
                .or_insert_with(|| Draft::of(subject, method, infos));
            draft.method = draft.method.min(method);
            draft.critical.extend_from_slice(critical);
            draft.service = draft.service.take().or_else(|| service.clone());
        };
        if let Some((id, method)) = &joined.container {
            add(Subject::Container(id.clone()), *method);
        }
        if let Some((known, method)) = &joined.host {
            add(Subject::Host(known.clone()), *method);
        }
    }
    if !asked.is_empty() {
        drafts.retain(|entity, _| asked.contains(entity));
        for entity in asked {
            if !drafts.contains_key(entity)
                && let Some(subject) = subject(entity, infos)
            {
                drafts.insert(entity.clone(), Draft::of(subject, Method::Asked, infos));
            }
        }
    }
    let mut drafts: Vec<(EntityId, Draft)> = drafts.into_iter().collect();
    drafts.sort_by_cached_key(|(entity, draft)| (Reverse(draft.on_path_ns()), entity.clone()));
    drafts
        .into_iter()
        .map(|(_, draft)| draft.in_order())
        .collect()
}

/// Whose lane that is, for an entity by itself.
fn subject(entity: &EntityId, infos: &Infos) -> Option<Subject> {
    match entity.kind() {
        EntityKind::Container => Some(Subject::Container(entity.part(0).to_owned())),
        EntityKind::Host => Some(Subject::Host(infos.host_of_id(entity))),
        _ => None,
    }
}

impl Draft {
    fn of(subject: Subject, method: Method, infos: &Infos) -> Self {
        let (label, host) = match &subject {
            Subject::Container(id) => {
                let host = infos.host_of_container(id).map(|known| known.entity);
                (infos.label_of_container(id), host)
            }
            Subject::Host(known) => (known.host.name.clone(), Some(known.entity.clone())),
        };
        Self {
            subject,
            method,
            critical: Vec::new(),
            is_cut: false,
            service: None,
            label,
            host,
        }
    }

    fn on_path_ns(&self) -> u64 {
        self.critical.iter().map(|under| under.length_ns()).sum()
    }

    /// The first stretches of the path, in order of time.
    fn in_order(mut self) -> Self {
        self.critical
            .sort_unstable_by_key(|under| under.from_unix_ns);
        self.is_cut = self.critical.len() > CRITICAL_MAX;
        self.critical.truncate(CRITICAL_MAX);
        self
    }

    pub(super) fn lane(self, signals: Vec<Measured>) -> Shown {
        let entity = self.subject.entity();
        let lane = Lane {
            label: self.label.unwrap_or_else(|| entity.label().to_owned()),
            entity,
            method: self.method,
            critical: self.critical,
            signals,
        };
        (lane, self.service, self.host)
    }
}
