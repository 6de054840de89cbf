//! What info series say: which containers, pods, processes and hosts there were, and on what each ran. In: series. Out: rows. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::metrics::{Points, SeriesData};
use telemetry::entity::{EntityId, EntityKind, Host, Identity};
use telemetry::semconv::{CONTAINER_NAME, K8S_CONTAINER_NAME, K8S_POD_NAME, SERVICE_NAME};

use super::constants::RELATION_HOLDS_MS;

/// What one info series says, and when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Info {
    pub(super) identity: Identity,
    /// Addresses of the pod or host.
    pub(super) addresses: Vec<String>,
    pub(super) first_unix_ms: i64,
    pub(super) last_unix_ms: i64,
}

/// All that is known in a range.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Infos {
    pub(super) containers: Vec<Info>,
    pub(super) pods: Vec<Info>,
    pub(super) processes: Vec<Info>,
    pub(super) hosts: Vec<Info>,
    /// The hosts of `hosts`, and the ids that several of them share.
    pub(super) known: Vec<Host>,
    pub(super) shared: Vec<String>,
}

/// A host with the id that everybody gives it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownHost {
    pub(super) entity: EntityId,
    pub(super) host: Host,
    /// Whether others have its id: its name then tells it apart.
    pub(super) is_cloned: bool,
}

impl Info {
    /// None if the series has no point.
    pub(super) fn of(series: &SeriesData) -> Option<Self> {
        let (first_unix_ms, last_unix_ms) = match &series.points {
            Points::Samples(samples) => {
                let at = |point: Option<&(i64, f64)>| point.map(|(at, _)| *at);
                (at(samples.floats.first())?, at(samples.floats.last())?)
            }
            Points::Windows(windows) => {
                let (first, last) = (windows.first()?, windows.last()?);
                (first.start_unix_ms, last.end_unix_ms)
            }
        };
        let labels = series.labels.iter();
        let identity = Identity::of(labels.map(|(name, value)| (name, Cow::Borrowed(value))));
        let listed = ["k8s_pod_ip", "host_ip"].map(|label| series.labels.get(label));
        Some(Self {
            identity,
            addresses: listed.iter().flat_map(|text| addresses(text)).collect(),
            first_unix_ms,
            last_unix_ms,
        })
    }

    /// Until when what it says holds.
    pub(super) fn holds_to(&self) -> i64 {
        self.last_unix_ms.saturating_add(RELATION_HOLDS_MS)
    }

    /// Whether an agent says it, and not the service itself, which does not know its host.
    pub(super) fn is_of_agent(&self) -> bool {
        self.identity.get(SERVICE_NAME).is_none()
    }
}

/// One address, or a JSON list of them.
fn addresses(text: &str) -> Vec<String> {
    if text.starts_with('[') {
        serde_json::from_str(text).unwrap_or_default()
    } else if text.is_empty() {
        Vec::new()
    } else {
        vec![text.to_owned()]
    }
}

impl Infos {
    /// Rows of a container; those that an agent says come first.
    pub(super) fn of_container(&self, id: &str) -> Vec<&Info> {
        let is = |info: &&Info| info.identity.full_container_id().as_deref() == Some(id);
        let mut rows: Vec<&Info> = self.containers.iter().filter(is).collect();
        rows.sort_by_key(|info| (!info.is_of_agent(), -info.last_unix_ms));
        rows
    }

    /// Ids of the containers that meet a condition, each once.
    pub(super) fn containers_where(&self, meets: impl Fn(&Info) -> bool) -> Vec<String> {
        let rows = self.containers.iter().filter(|info| meets(info));
        let mut ids: Vec<String> = rows
            .filter_map(|info| info.identity.full_container_id())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The id by which an entity is known here: a host may be named by any of its names, a container by the beginning of its id.
    pub(super) fn canonical(&self, entity: &EntityId) -> EntityId {
        match entity.kind() {
            EntityKind::Host => self.host_of_id(entity).entity,
            EntityKind::Container => {
                let begins = |info: &Info| {
                    let id = info.identity.full_container_id();
                    id.is_some_and(|id| id.starts_with(entity.part(0)))
                };
                match self.containers_where(begins).as_slice() {
                    [id] => EntityId::container(id),
                    _ => entity.clone(),
                }
            }
            _ => entity.clone(),
        }
    }

    pub(super) fn host_of_container(&self, id: &str) -> Option<KnownHost> {
        let rows = self.of_container(id);
        let host = rows.iter().find_map(|info| info.identity.host())?;
        Some(self.known_host(&host))
    }

    pub(super) fn pod_of_container(&self, id: &str) -> Option<EntityId> {
        self.of_container(id)
            .iter()
            .find_map(|info| info.identity.pod())
    }

    /// What a person calls the container.
    pub(super) fn label_of_container(&self, id: &str) -> Option<String> {
        let named = |info: &&Info| {
            let name = info
                .identity
                .get(CONTAINER_NAME)
                .or(info.identity.get(K8S_CONTAINER_NAME))?;
            Some(match info.identity.get(K8S_POD_NAME) {
                Some(pod) => format!("{pod}/{name}"),
                None => name.to_owned(),
            })
        };
        self.of_container(id).iter().find_map(named)
    }

    /// With what its hosts say put in order; whatever asks for a host comes after this.
    pub(super) fn with_hosts(mut self, mut hosts: Vec<Info>) -> Self {
        hosts.sort_by_key(|info| !info.is_of_agent()); // stable: agents know best
        self.known = hosts
            .iter()
            .filter_map(|info| info.identity.host())
            .collect();
        self.shared = shared_ids(&hosts);
        self.hosts = hosts;
        self
    }

    /// A host as it calls itself: an agent says all its names.
    pub(super) fn known_host(&self, host: &Host) -> KnownHost {
        let same: Vec<&Host> = self.known.iter().filter(|other| other.is(host)).collect();
        let is_shared = |host: &&Host| {
            let id = host.id.as_ref();
            id.is_some_and(|id| self.shared.contains(id))
        };
        // The first is an agent's, if there is one; of clones it is the one by that name.
        let by_name = same.iter().find(|other| other.name == host.name);
        let is_cloned = same.first().is_some_and(is_shared);
        let found = by_name.filter(|_| is_cloned).or(same.first());
        let canonical = (*found.unwrap_or(&host)).clone();
        match (&canonical.id, &canonical.name) {
            (Some(id), Some(name)) if is_cloned => KnownHost {
                entity: EntityId::cloned_host(id, name),
                host: canonical,
                is_cloned,
            },
            _ => KnownHost {
                entity: canonical.entity(),
                host: canonical,
                is_cloned: false,
            },
        }
    }

    /// The host of all agents, if there is only one.
    pub(super) fn only_host(&self) -> Option<KnownHost> {
        let mut agents = self.hosts.iter().filter(|info| info.is_of_agent());
        let first = agents.next()?.identity.host()?;
        let is_first = |info: &Info| info.identity.host().is_none_or(|host| host.is(&first));
        let only = self.known_host(&first);
        (agents.all(is_first) && !only.is_cloned).then_some(only)
    }

    /// Ids that several hosts share.
    pub(super) fn shared_ids(&self) -> &[String] {
        &self.shared
    }

    /// Hosts that an id may mean: by its id, its name, or both.
    fn hosts_of_id(&self, entity: &EntityId) -> impl Iterator<Item = &Host> {
        self.known.iter().filter(move |host| {
            let is = |name: &Option<String>| name.as_deref() == Some(entity.part(0));
            is(&host.id) || is(&host.name) || host.entity() == *entity
        })
    }

    pub(super) fn has_host(&self, entity: &EntityId) -> bool {
        self.hosts_of_id(entity).next().is_some()
    }

    /// The host that an id means.
    pub(super) fn host_of_id(&self, entity: &EntityId) -> KnownHost {
        let key = entity.part(0);
        let known = self.hosts_of_id(entity);
        let known: Vec<KnownHost> = known.map(|host| self.known_host(host)).collect();
        let exact = known.iter().find(|known| known.entity == *entity);
        let found = exact.or(known.first()).cloned();
        found.unwrap_or_else(|| KnownHost {
            entity: entity.clone(),
            host: Host {
                id: Some(key.to_owned()),
                ..Default::default()
            },
            is_cloned: false,
        })
    }
}

/// Ids that agents of different names had at once: disks were cloned with their machine-id. A service does not count: in a container it takes the container's
/// name for its host's.
fn shared_ids(hosts: &[Info]) -> Vec<String> {
    let mut by_id: BTreeMap<String, BTreeMap<String, (i64, i64)>> = BTreeMap::new();
    for info in hosts.iter().filter(|info| info.is_of_agent()) {
        if let Some(Host {
            id: Some(id),
            name: Some(name),
            ..
        }) = info.identity.host()
        {
            let seen = (info.first_unix_ms, info.last_unix_ms);
            let names = by_id.entry(id).or_default();
            let (first, last) = names.entry(name).or_insert(seen);
            *first = seen.0.min(*first);
            *last = seen.1.max(*last);
        }
    }
    let is_shared = |names: &BTreeMap<String, (i64, i64)>| {
        let mut seen: Vec<(i64, i64)> = names.values().copied().collect();
        seen.sort_unstable();
        let later = seen.iter().skip(1);
        seen.iter()
            .zip(later)
            .any(|((_, last), (next, _))| next <= last)
    };
    let shared = by_id.into_iter().filter(|(_, names)| is_shared(names));
    shared.map(|(id, _)| id).collect()
}
