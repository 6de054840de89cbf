//! From what a span says of itself to what it ran on: the joins of docs/correlation.md, each with its confidence. In: an identity and info rows. Out: a
//! container, a host, or neither. Pure.

use telemetry::entity::{EntityId, Host, Identity};
use telemetry::semconv::{
    K8S_CONTAINER_NAME, K8S_NAMESPACE_NAME, K8S_POD_NAME, K8S_POD_UID, PROCESS_PID, PROCESS_VPID,
    SERVICE_INSTANCE_ID,
};

use super::constants::CONFIDENT;
use super::info::{Info, Infos, KnownHost};

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    ContainerId,
    PodContainer,
    HostPid,
    Host,
    PodName,
    ShortContainerId,
    PeerAddress,
    InstanceId,
    OnlyCandidate,
    /// It was named by the person who asks.
    Asked,
    /// Both stand on one resource.
    Resource,
}

impl Method {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ContainerId => "container.id",
            Self::PodContainer => "k8s.pod.uid+k8s.container.name",
            Self::HostPid => "host+process.pid",
            Self::Host => "host",
            Self::PodName => "k8s.pod.name+k8s.namespace.name",
            Self::ShortContainerId => "short container.id",
            Self::PeerAddress => "network.peer.address",
            Self::InstanceId => "service.instance.id",
            Self::OnlyCandidate => "only candidate",
            Self::Asked => "asked",
            Self::Resource => "resource",
        }
    }

    /// From 0 to 1.
    pub(crate) fn confidence(self) -> f64 {
        match self {
            Self::ContainerId | Self::PodContainer | Self::Asked | Self::Resource => 1.0,
            Self::HostPid | Self::Host => 0.9,
            Self::PodName | Self::ShortContainerId => 0.8,
            Self::PeerAddress | Self::InstanceId => 0.7,
            Self::OnlyCandidate => 0.5,
        }
    }
}

/// What something ran on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Joined {
    pub(super) process: Option<EntityId>,
    /// Its id, lower-case.
    pub(super) container: Option<(String, Method)>,
    pub(super) pod: Option<EntityId>,
    pub(super) host: Option<(KnownHost, Method)>,
}

impl Joined {
    /// Whether nothing was found, or nothing that can be relied on.
    pub(super) fn is_weak(&self) -> bool {
        let container = self.container.as_ref().map(|(_, method)| *method);
        let host = self.host.as_ref().map(|(_, method)| *method);
        let best = container.into_iter().chain(host);
        !best
            .into_iter()
            .any(|method| method.confidence() >= CONFIDENT)
    }
}

/// Finds the container by the first way that leads to one, and the host by the container or by its own name. `called_at` are addresses at which callers
/// reached it.
pub(super) fn join(identity: &Identity, called_at: &[String], infos: &Infos) -> Joined {
    let asked = Question {
        identity,
        called_at,
        infos,
    };
    let trusted = identity.host().map(|host| infos.known_host(&host));
    let container = asked.container(trusted.as_ref());
    let process = asked.process(container.as_ref().map(|(id, _)| id.as_str()));
    let by_container = container.as_ref().and_then(|(id, method)| {
        let host = infos.host_of_container(id)?;
        Some((host, *method))
    });
    let by_name = trusted.map(|host| (host, Method::Host));
    let host = by_container.or(by_name).or_else(|| asked.host_by_address());
    let pod_of = |(id, _): &(String, Method)| infos.pod_of_container(id);
    let mut joined = Joined {
        process,
        pod: identity
            .pod()
            .or_else(|| container.as_ref().and_then(pod_of)),
        container,
        host,
    };
    if joined.container.is_none() && joined.host.is_none() {
        asked.only_candidate(&mut joined);
    }
    joined
}

struct Question<'a> {
    identity: &'a Identity,
    called_at: &'a [String],
    infos: &'a Infos,
}

impl Question<'_> {
    /// What is found by less than an id must not contradict the host that is known.
    fn container(&self, trusted: Option<&KnownHost>) -> Option<(String, Method)> {
        let by_id = self
            .identity
            .full_container_id()
            .map(|id| (id, Method::ContainerId));
        let fits = |(id, _): &(String, Method)| {
            let other = self.infos.host_of_container(id);
            let pair = trusted.zip(other.as_ref());
            pair.is_none_or(|(trusted, other)| trusted.entity == other.entity)
        };
        by_id
            .or_else(|| self.by_pod_container())
            .or_else(|| self.by_pid())
            .or_else(|| self.by_pod_name().filter(fits))
            .or_else(|| self.by_short_id().filter(fits))
            .or_else(|| self.by_address().filter(fits))
            .or_else(|| self.by_instance().filter(fits))
    }

    fn only(&self, method: Method, meets: impl Fn(&Info) -> bool) -> Option<(String, Method)> {
        match self.infos.containers_where(meets).as_slice() {
            [id] => Some((id.clone(), method)),
            _ => None,
        }
    }

    fn by_pod_container(&self) -> Option<(String, Method)> {
        let uid = self.identity.get(K8S_POD_UID)?.to_ascii_lowercase();
        let name = self.identity.get(K8S_CONTAINER_NAME)?;
        self.only(Method::PodContainer, |info| {
            has(info, K8S_POD_UID, &uid) && has(info, K8S_CONTAINER_NAME, name)
        })
    }

    /// A service outside containers says the host's pid; the agent knows which container that is in.
    fn by_pid(&self) -> Option<(String, Method)> {
        let info = self.own_process()?;
        Some((info.identity.full_container_id()?, Method::HostPid))
    }

    fn own_process(&self) -> Option<&Info> {
        if self.identity.is_contained() {
            return None;
        }
        let (host, pid) = (self.identity.host()?, self.identity.get(PROCESS_PID)?);
        let is = |info: &&Info| {
            has(info, PROCESS_PID, pid) && info.identity.host().is_some_and(|at| at.is(&host))
        };
        // a pid may be given again: the one that was seen last
        let all = self.infos.processes.iter().filter(is);
        all.max_by_key(|info| info.last_unix_ms)
    }

    fn by_pod_name(&self) -> Option<(String, Method)> {
        let name = self.identity.get(K8S_POD_NAME)?;
        let namespace = self.identity.get(K8S_NAMESPACE_NAME)?;
        let is = |info: &&Info| {
            has(info, K8S_POD_NAME, name) && has(info, K8S_NAMESPACE_NAME, namespace)
        };
        let pod = self.infos.pods.iter().find(is);
        let uid = pod.and_then(|info| info.identity.get(K8S_POD_UID));
        let wanted = self.identity.get(K8S_CONTAINER_NAME);
        self.only(Method::PodName, |info| {
            let of_pod = uid.is_some_and(|uid| has(info, K8S_POD_UID, uid)) || is(&info);
            let told = info.identity.get(K8S_CONTAINER_NAME);
            let is_other = wanted
                .zip(told)
                .is_some_and(|(wanted, told)| wanted != told);
            of_pod && !is_other
        })
    }

    fn by_short_id(&self) -> Option<(String, Method)> {
        let start = self.identity.short_container_id()?;
        self.only(Method::ShortContainerId, |info| {
            let id = info.identity.full_container_id();
            id.is_some_and(|id| id.starts_with(&start))
        })
    }

    fn by_address(&self) -> Option<(String, Method)> {
        let pods = self.infos.pods.iter();
        let pods = pods.filter(|info| self.is_called_at(info));
        // pods in the network of their host share its address
        let uid = one(pods.map(|info| info.identity.get(K8S_POD_UID)))??;
        self.only(Method::PeerAddress, |info| has(info, K8S_POD_UID, uid))
    }

    fn is_called_at(&self, info: &Info) -> bool {
        let mut addresses = info.addresses.iter();
        addresses.any(|address| self.called_at.contains(address))
    }

    /// The host with such an address, if no other has one: private networks may repeat them.
    fn host_by_address(&self) -> Option<(KnownHost, Method)> {
        let hosts = self.infos.hosts.iter();
        let hosts = hosts.filter(|info| self.is_called_at(info));
        let hosts = hosts.filter_map(|info| info.identity.host());
        let host = one(hosts.map(|host| self.infos.known_host(&host)))?;
        Some((host, Method::PeerAddress))
    }

    fn by_instance(&self) -> Option<(String, Method)> {
        let id = self.identity.get(SERVICE_INSTANCE_ID)?;
        self.only(Method::InstanceId, |info| {
            has(info, SERVICE_INSTANCE_ID, id)
        })
    }

    /// The process itself: by the host's pid, or in a container by the pid of the container's own namespace.
    fn process(&self, container: Option<&str>) -> Option<EntityId> {
        let in_container = || {
            let (container, pid) = (container?, self.identity.get(PROCESS_PID)?);
            let is = |info: &&Info| {
                has(info, PROCESS_VPID, pid)
                    && info.identity.full_container_id().as_deref() == Some(container)
            };
            self.infos.processes.iter().find(is)
        };
        let seen = self.own_process().or_else(in_container);
        seen.and_then(|info| info.identity.process())
            .or_else(|| self.identity.process())
    }

    /// Where nothing is said, it can only be the one that there is.
    fn only_candidate(&self, joined: &mut Joined) {
        if let Some(namespace) = self.identity.get(K8S_NAMESPACE_NAME) {
            let in_namespace = |info: &Info| has(info, K8S_NAMESPACE_NAME, namespace);
            joined.container = self.only(Method::OnlyCandidate, in_namespace);
            let host = joined.container.as_ref();
            let host = host.and_then(|(id, _)| self.infos.host_of_container(id));
            joined.host = host.map(|host| (host, Method::OnlyCandidate));
            return;
        }
        let host = self.infos.only_host();
        joined.host = host.map(|host| (host, Method::OnlyCandidate));
    }
}

/// The only one, however often it comes.
fn one<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn has(info: &Info, key: &str, value: &str) -> bool {
    info.identity.get(key) == Some(value)
}

/// The matchers' view of a host: which of its names its series carry.
pub(super) fn host_labels(known: &KnownHost) -> Vec<(&'static str, &str)> {
    let Host { id, name, node } = &known.host;
    match (id, name, node) {
        (Some(id), Some(name), _) if known.is_cloned => vec![("host_id", id), ("host_name", name)],
        (Some(id), ..) => vec![("host_id", id)],
        (None, Some(name), _) => vec![("host_name", name)],
        (None, None, Some((cluster, node))) => {
            vec![("k8s_node_name", node), ("k8s_cluster_name", cluster)]
        }
        (None, None, None) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
