//! What info series say: which containers, pods, processes and hosts there were, and on what each ran. In: series. Out: rows. Pure.

use std::borrow::Cow;

use ::metrics::{Points, SeriesData};
use telemetry::entity::{EntityId, Host, Identity};
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
    fn is_of_agent(&self) -> bool {
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

    /// A host as it calls itself: an agent says all its names.
    pub(super) fn known_host(&self, host: &Host) -> KnownHost {
        let hosts = self.hosts.iter().filter_map(|info| info.identity.host());
        let same: Vec<Host> = hosts.filter(|other| other.is(host)).collect();
        let by_name = same.iter().find(|other| other.name == host.name);
        let canonical = by_name.or(same.first()).unwrap_or(host).clone();
        let is_other = |other: &Host| other.name.is_some() && other.name != canonical.name;
        let is_cloned = canonical.id.is_some()
            && canonical.name.is_some()
            && self.shared_ids().contains(&canonical.key().to_owned())
            && same.iter().any(is_other);
        let entity = match (&canonical.id, &canonical.name) {
            (Some(id), Some(name)) if is_cloned => EntityId::cloned_host(id, name),
            _ => canonical.entity(),
        };
        KnownHost {
            entity,
            host: canonical,
            is_cloned,
        }
    }

    /// Ids that hosts of different names had at once: disks were cloned with their machine-id.
    pub(super) fn shared_ids(&self) -> Vec<String> {
        let mut shared = Vec::new();
        for (idx, one) in self.hosts.iter().enumerate() {
            let Some(Host {
                id: Some(id),
                name: Some(name),
                ..
            }) = one.identity.host()
            else {
                continue;
            };
            let differs = |other: &Info| {
                let host = other.identity.host().unwrap_or_default();
                let at_once = other.first_unix_ms <= one.last_unix_ms
                    && one.first_unix_ms <= other.last_unix_ms;
                at_once
                    && host.id.as_ref() == Some(&id)
                    && host.name.is_some_and(|other| other != name)
            };
            if self.hosts.iter().skip(idx + 1).any(differs) {
                shared.push(id);
            }
        }
        shared.sort_unstable();
        shared.dedup();
        shared
    }

    /// The host that an id means: by its id, its name, or both.
    pub(super) fn host_of_id(&self, entity: &EntityId) -> KnownHost {
        let hosts = self.hosts.iter().filter_map(|info| info.identity.host());
        let mut known = hosts.map(|host| self.known_host(&host));
        let named = |known: &KnownHost| {
            known.entity == *entity || known.host.name.as_deref() == Some(entity.part(0))
        };
        known.find(named).unwrap_or_else(|| KnownHost {
            entity: entity.clone(),
            host: Host {
                id: Some(entity.part(0).to_owned()),
                ..Default::default()
            },
            is_cloned: false,
        })
    }
}
