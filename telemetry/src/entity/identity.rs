//! The identity keys of a resource, and the entities that they name. In: attributes by name, with dots or as labels. Out: ids by the precedence of
//! docs/correlation.md. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{EntityId, EntityKind};
use crate::semconv::{
    CONTAINER_ID, CONTAINER_NAME, DEPLOYMENT_ENVIRONMENT, DEPLOYMENT_ENVIRONMENT_NAME, HOST_ID,
    HOST_NAME, K8S_CLUSTER_NAME, K8S_CONTAINER_NAME, K8S_NAMESPACE_NAME, K8S_NODE_NAME,
    K8S_POD_NAME, K8S_POD_UID, PROCESS_CREATION_TIME, PROCESS_PID, PROCESS_VPID,
    SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, UNKNOWN_SERVICE,
};

/// Attributes that say who somebody is.
pub const KEYS: [&str; 19] = [
    CONTAINER_ID,
    CONTAINER_NAME,
    DEPLOYMENT_ENVIRONMENT,
    DEPLOYMENT_ENVIRONMENT_NAME,
    HOST_ID,
    HOST_NAME,
    K8S_CLUSTER_NAME,
    K8S_CONTAINER_NAME,
    K8S_NAMESPACE_NAME,
    K8S_NODE_NAME,
    K8S_POD_NAME,
    K8S_POD_UID,
    PROCESS_CREATION_TIME,
    PROCESS_PID,
    PROCESS_VPID,
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_NAMESPACE,
    SERVICE_VERSION,
];
/// Longest value that is taken, in bytes; a longer one is cut.
const VALUE_BYTES_MAX: usize = 512;

/// What a resource says of who it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Identity(BTreeMap<&'static str, String>);

/// The names of one host: any of them may be used by somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Host {
    pub id: Option<String>,
    pub name: Option<String>,
    /// Cluster (may be empty) and node.
    pub node: Option<(String, String)>,
}

impl Identity {
    /// From attributes (`service.name`) or labels (`service_name`). Of a key that comes twice the last value counts; others are passed over.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>) -> Self {
        let mut keys = BTreeMap::new();
        for (key, value) in pairs {
            if let Some(known) = known(key)
                && !value.trim().is_empty()
            {
                keys.insert(known, cut(value.trim()).to_owned());
            }
        }
        Self(keys)
    }

    /// The value of one of [`KEYS`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or("")
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn environment(&self) -> &str {
        self.get(DEPLOYMENT_ENVIRONMENT_NAME)
            .unwrap_or_else(|| self.text(DEPLOYMENT_ENVIRONMENT))
    }

    /// The service, if the resource is of one: an agent's is not.
    #[must_use]
    pub fn service(&self) -> Option<EntityId> {
        self.get(SERVICE_NAME).map(|name| self.service_named(name))
    }

    /// The service of a span, which always has one.
    #[must_use]
    pub fn service_of_span(&self) -> EntityId {
        self.service_named(self.get(SERVICE_NAME).unwrap_or(UNKNOWN_SERVICE))
    }

    fn service_named(&self, name: &str) -> EntityId {
        EntityId::service(self.environment(), self.text(SERVICE_NAMESPACE), name)
    }

    /// The instance of its service, by the first key that is there.
    #[must_use]
    pub fn instance(&self) -> Option<EntityId> {
        let pod_container = || {
            let (uid, name) = (self.get(K8S_POD_UID)?, self.get(K8S_CONTAINER_NAME)?);
            Some(format!("{uid}/{name}"))
        };
        let process = || {
            let host = self.any_host()?;
            Some(format!("{}/{}", host.key(), self.get(PROCESS_PID)?))
        };
        let owned = |key: &str| self.get(key).map(str::to_owned);
        let id = owned(SERVICE_INSTANCE_ID)
            .or_else(pod_container)
            .or_else(|| owned(CONTAINER_ID).map(|id| id.to_ascii_lowercase()))
            .or_else(process)
            .or_else(|| owned(HOST_NAME))?;
        let service = self.service_of_span();
        Some(EntityId::new(
            EntityKind::Instance,
            [service.part(0), service.part(1), service.part(2), &id],
        ))
    }

    /// The process, where its pid is that of the host: what an SDK says in a container is the pid of the container's own namespace.
    #[must_use]
    pub fn process(&self) -> Option<EntityId> {
        let pid = self.get(PROCESS_PID)?;
        let host = self.host()?;
        if self.is_contained() && self.get(PROCESS_VPID).is_none() {
            return None;
        }
        let created = self.text(PROCESS_CREATION_TIME);
        Some(EntityId::new(
            EntityKind::Process,
            [host.key(), pid, created],
        ))
    }

    #[must_use]
    pub fn container(&self) -> Option<EntityId> {
        self.full_container_id().map(|id| EntityId::container(&id))
    }

    /// Its id, unless it is only the beginning of one.
    #[must_use]
    pub fn full_container_id(&self) -> Option<String> {
        let id = self.get(CONTAINER_ID)?.to_ascii_lowercase();
        short_container_id(&id).is_none().then_some(id)
    }

    /// The beginning of a container's id: what docker shows, and calls the host inside.
    #[must_use]
    pub fn short_container_id(&self) -> Option<String> {
        let told = self.get(CONTAINER_ID).and_then(short_container_id);
        let as_host = || {
            let name = short_container_id(self.get(HOST_NAME)?)?;
            (name.len() == 12 && self.get(CONTAINER_ID).is_none()).then_some(name)
        };
        told.or_else(as_host)
    }

    #[must_use]
    pub fn pod(&self) -> Option<EntityId> {
        if let Some(uid) = self.get(K8S_POD_UID) {
            return Some(EntityId::new(EntityKind::Pod, [&uid.to_ascii_lowercase()]));
        }
        let (namespace, name) = (self.get(K8S_NAMESPACE_NAME)?, self.get(K8S_POD_NAME)?);
        let cluster = self.text(K8S_CLUSTER_NAME);
        Some(EntityId::new(EntityKind::Pod, [cluster, namespace, name]))
    }

    /// Whether it says that it is in a container or pod.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        [CONTAINER_ID, K8S_POD_UID, K8S_POD_NAME]
            .iter()
            .any(|key| self.get(key).is_some())
    }

    /// The host by names that can be trusted. A service in a container or pod takes the container's name for `host.name`, so there it is none; an agent,
    /// whose resources have no service, knows better.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        let is_trusted = !(self.is_contained() && self.get(SERVICE_NAME).is_some());
        let is_containers_name = self.get(SERVICE_NAME).is_some()
            && self
                .get(HOST_NAME)
                .is_some_and(|name| name.len() == 12 && short_container_id(name).is_some());
        let mut host = self.any_host()?;
        if !is_trusted || (is_containers_name && host.id.is_none()) {
            host.name = None;
        }
        (!host.key().is_empty()).then_some(host)
    }

    fn any_host(&self) -> Option<Host> {
        let owned = |key: &str| self.get(key).map(str::to_owned);
        let cluster = self.text(K8S_CLUSTER_NAME).to_owned();
        let host = Host {
            id: owned(HOST_ID),
            name: owned(HOST_NAME).map(|name| host_name(&name)),
            node: owned(K8S_NODE_NAME).map(|node| (cluster, node)),
        };
        (!host.key().is_empty()).then_some(host)
    }
}

impl Host {
    /// The name that counts: id, else name, else node.
    #[must_use]
    pub fn key(&self) -> &str {
        let node = || self.node.as_ref().map(|(_, node)| node.as_str());
        let named = self.id.as_deref().or(self.name.as_deref());
        named.or_else(node).unwrap_or("")
    }

    #[must_use]
    pub fn entity(&self) -> EntityId {
        match (&self.id, &self.name, &self.node) {
            (None, None, Some((cluster, node))) => EntityId::new(EntityKind::Host, [cluster, node]),
            _ => EntityId::host(self.key()),
        }
    }

    /// Whether two sets of names may be of one host: a name that both have is equal, and there is one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(one), Some(another)) => one == another,
            _ => {
                let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
                let same_node = self.node.is_some() && self.node == other.node;
                same(&self.name, &other.name) || same_node
            }
        }
    }
}

/// Lower-case, without the final dot.
pub(super) fn host_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// 12 to 63 hex digits, lower-case.
fn short_container_id(text: &str) -> Option<String> {
    let is_short = (12..64).contains(&text.len());
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_short && is_hex).then(|| text.to_ascii_lowercase())
}

/// The key that an attribute or label is.
fn known(name: &str) -> Option<&'static str> {
    let is = |key: &&&str| {
        let same = |(a, b): (u8, u8)| a == b || (a == b'.' && b == b'_');
        key.len() == name.len() && key.bytes().zip(name.bytes()).all(same)
    };
    KEYS.iter().find(is).copied()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
