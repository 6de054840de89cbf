//! What info series say around an entity: instances of services, containers, processes, pods and hosts. In: an id and a range. Out: relations.

use std::collections::BTreeMap;

use ::metrics::Matcher;
use telemetry::entity::{EntityId, EntityKind, Identity};

use super::Relation;
use crate::correlate::constants::VALUES_MAX;
use crate::correlate::info::{Info, Infos, KnownHost};
use crate::correlate::join::{Method, host_labels, join};
use crate::correlate::lane::Subject;
use crate::correlate::load::{self, NAME, Reader, begins, equal, one_of};
use crate::refusal::Refusal;

/// The name of the info series that spans make.
const INSTANCE_INFO: &str = "service_instance_info";

/// What info series say around an entity.
pub(super) struct Rows {
    /// Instances of services.
    instances: Vec<Info>,
    infos: Infos,
    /// Who is meant where only the name of a service is asked for: the one that has it, or the name, where those of several environments do; they are one
    /// then.
    meant: Option<EntityId>,
    /// The host that is asked for, where services alone tell of it.
    told: Option<KnownHost>,
}

impl Rows {
    pub(super) async fn about(
        reader: &mut Reader<'_>,
        entity: &EntityId,
        range: (i64, i64),
    ) -> Result<Self, Refusal> {
        let mut rows = Self {
            instances: Vec::new(),
            infos: load::infos(reader, &[], &[], range).await?,
            meant: None,
            told: None,
        };
        if entity.kind() == EntityKind::Host && !rows.infos.has_host(entity) {
            rows.told = told_by_services(reader, entity, range).await?;
        }
        for (name, matchers) in rows.selectors(entity)? {
            let matchers: Vec<Matcher> =
                std::iter::once(equal(NAME, name)).chain(matchers).collect();
            let series = reader.select(&matchers, range.0, range.1).await?;
            let found = series.iter().filter_map(Info::of);
            match name {
                INSTANCE_INFO => rows.instances.extend(found),
                "container_info" => rows.infos.containers.extend(found),
                "pod_info" => rows.infos.pods.extend(found),
                _ => rows.infos.processes.extend(found),
            }
        }
        if is_name(entity) {
            rows.meant = Some(match rows.services().as_slice() {
                [service] => service.clone(),
                _ => entity.clone(),
            });
        }
        rows.add_instances_of_containers(reader, range).await?;
        rows.add_places(reader, range).await?;
        Ok(rows)
    }

    /// Where rows about the entity stand.
    fn selectors(&self, entity: &EntityId) -> Result<Vec<(&'static str, Vec<Matcher>)>, Refusal> {
        let part = |idx: usize| entity.part(idx);
        Ok(match entity.kind() {
            EntityKind::Service if is_name(entity) => {
                vec![(INSTANCE_INFO, vec![equal("service_name", part(0))])]
            }
            EntityKind::Service | EntityKind::Instance => {
                let matchers = vec![
                    equal("deployment_environment", part(0)),
                    equal("service_namespace", part(1)),
                    equal("service_name", part(2)),
                ];
                vec![(INSTANCE_INFO, matchers)]
            }
            EntityKind::Container => ["container_info", "process_info", INSTANCE_INFO]
                .map(|name| Ok((name, vec![begins("container_id", part(0))?])))
                .into_iter()
                .collect::<Result<_, Refusal>>()?,
            EntityKind::Process => vec![("process_info", vec![equal("process_pid", part(1))])],
            EntityKind::Pod if entity.n_parts() == 1 => {
                ["pod_info", "container_info", INSTANCE_INFO]
                    .map(|name| (name, vec![equal("k8s_pod_uid", part(0))]))
                    .into()
            }
            EntityKind::Pod => {
                let matchers = || {
                    vec![
                        equal("k8s_namespace_name", part(1)),
                        equal("k8s_pod_name", part(2)),
                    ]
                };
                ["pod_info", "container_info", INSTANCE_INFO]
                    .map(|name| (name, matchers()))
                    .into()
            }
            EntityKind::Host => {
                let known = self.told.clone();
                let known = known.unwrap_or_else(|| self.infos.host_of_id(entity));
                let labels = host_labels(&known);
                let matchers = || {
                    labels
                        .iter()
                        .map(|(name, value)| equal(name, value))
                        .collect()
                };
                ["container_info", "process_info", "pod_info", INSTANCE_INFO]
                    .map(|name| (name, matchers()))
                    .into()
            }
            EntityKind::Database | EntityKind::Queue | EntityKind::External | EntityKind::User => {
                Vec::new() // no probe tells yet on what they run
            }
        })
    }

    /// Services in the containers that were found.
    async fn add_instances_of_containers(
        &mut self,
        reader: &mut Reader<'_>,
        range: (i64, i64),
    ) -> Result<(), Refusal> {
        let ids = self.infos.containers_where(|_| true);
        if ids.is_empty() {
            return Ok(());
        }
        let patterns: Vec<String> = ids
            .iter()
            .take(VALUES_MAX)
            .map(|id| regex::escape(id))
            .collect();
        reader.is_cut |= ids.len() > patterns.len();
        let matchers = [
            equal(NAME, INSTANCE_INFO),
            one_of("container_id", &patterns)?,
        ];
        let series = reader.select(&matchers, range.0, range.1).await?;
        self.instances.extend(series.iter().filter_map(Info::of));
        self.instances.sort_by(|a, b| a.identity.cmp(&b.identity));
        self.instances.dedup_by(|a, b| a.identity == b.identity);
        Ok(())
    }

    /// What the instances run on.
    async fn add_places(
        &mut self,
        reader: &mut Reader<'_>,
        range: (i64, i64),
    ) -> Result<(), Refusal> {
        let wanted: Vec<&Identity> = self.instances.iter().map(|info| &info.identity).collect();
        let more = load::infos(reader, &wanted, &[], range).await?;
        for (rows, more) in [
            (&mut self.infos.containers, more.containers),
            (&mut self.infos.pods, more.pods),
            (&mut self.infos.processes, more.processes),
        ] {
            rows.extend(more);
            rows.sort_by(|a, b| a.identity.cmp(&b.identity));
            rows.dedup_by(|a, b| a.identity == b.identity);
        }
        Ok(())
    }

    /// Every relation that the rows tell, each once, from above to below.
    pub(super) fn relations(&self) -> Vec<Relation> {
        let mut all: BTreeMap<(EntityId, EntityId), Relation> = BTreeMap::new();
        for info in &self.instances {
            let joined = join(&info.identity, &[], &self.infos);
            let service = info.identity.service_of_span();
            let shared = self.meant.as_ref().filter(|meant| is_name(meant));
            let shared = shared.filter(|name| name.part(0) == service.part(2));
            let service = Some((shared.cloned().unwrap_or(service), Method::Resource));
            let instance = info.identity.instance().map(|id| (id, Method::Resource));
            let container = joined.container.as_ref();
            let container = container.map(|(id, method)| (EntityId::container(id), *method));
            let sure = container
                .as_ref()
                .map_or(Method::HostPid, |(_, method)| *method);
            let host = joined.host.map(|(known, method)| (known.entity, method));
            let chain = [
                service,
                instance,
                joined.process.map(|id| (id, sure)),
                container,
                joined.pod.map(|id| (id, sure)),
                host,
            ];
            link(&mut all, chain, info);
        }
        for info in self
            .infos
            .containers
            .iter()
            .chain(&self.infos.processes)
            .chain(&self.infos.pods)
        {
            let identity = &info.identity;
            let host = identity
                .host()
                .map(|host| self.infos.known_host(&host).entity);
            let chain = [
                identity.process(),
                identity.container(),
                identity.pod(),
                host,
            ];
            link(
                &mut all,
                chain.map(|id| id.map(|id| (id, Method::Resource))),
                info,
            );
        }
        all.into_values().collect()
    }

    /// The id by which the entity is known here.
    pub(super) fn canonical(&self, entity: &EntityId) -> EntityId {
        let told = self.told.as_ref().map(|known| &known.entity);
        let known = self.meant.as_ref().or(told).cloned();
        known.unwrap_or_else(|| self.infos.canonical(entity))
    }

    /// Services of the instances, each once.
    fn services(&self) -> Vec<EntityId> {
        let all = self.instances.iter();
        let mut all: Vec<EntityId> = all.map(|info| info.identity.service_of_span()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(super) fn knows(&self, entity: &EntityId) -> bool {
        let hosts = self
            .infos
            .hosts
            .iter()
            .filter_map(|info| info.identity.host());
        let mut hosts = hosts.map(|host| self.infos.known_host(&host).entity);
        let mut containers = self.infos.containers.iter();
        hosts.any(|host| host == *entity)
            || containers.any(|info| info.identity.container().as_ref() == Some(entity))
    }

    pub(super) fn subject(&self, entity: &EntityId) -> Option<Subject> {
        match entity.kind() {
            EntityKind::Container => Some(Subject::Container(entity.part(0).to_owned())),
            EntityKind::Host => Some(Subject::Host(self.infos.host_of_id(entity))),
            _ => None,
        }
    }

    pub(super) fn labels(
        &self,
        relations: &[Relation],
        entity: &EntityId,
    ) -> BTreeMap<EntityId, String> {
        let both = relations.iter().flat_map(|one| [&one.upper, &one.lower]);
        let label = |id: &EntityId| {
            let known = match id.kind() {
                EntityKind::Container => self.infos.label_of_container(id.part(0)),
                EntityKind::Host => self.infos.host_of_id(id).host.name,
                _ => None,
            };
            (id.clone(), known.unwrap_or_else(|| id.label().to_owned()))
        };
        both.chain([entity]).map(label).collect()
    }
}

/// A host by the name that services on it say, if no agent knows it.
async fn told_by_services(
    reader: &mut Reader<'_>,
    entity: &EntityId,
    range: (i64, i64),
) -> Result<Option<KnownHost>, Refusal> {
    for label in ["host_name", "k8s_node_name"] {
        let matchers = [equal(NAME, INSTANCE_INFO), equal(label, entity.part(0))];
        let series = reader.select(&matchers, range.0, range.1).await?;
        let told = series.iter().filter_map(Info::of);
        if let Some(host) = told.filter_map(|info| info.identity.host()).next() {
            return Ok(Some(KnownHost {
                entity: host.entity(),
                host,
                is_cloned: false,
            }));
        }
    }
    Ok(None)
}

/// Whether an id is the name of services in whatever environment, as the map knows them.
fn is_name(entity: &EntityId) -> bool {
    entity.kind() == EntityKind::Service && entity.n_parts() == 1
}

/// Neighbours in a chain from above to below are related.
fn link<const N: usize>(
    all: &mut BTreeMap<(EntityId, EntityId), Relation>,
    chain: [Option<(EntityId, Method)>; N],
    info: &Info,
) {
    let there: Vec<(EntityId, Method)> = chain.into_iter().flatten().collect();
    for (upper, lower) in there.iter().zip(there.iter().skip(1)) {
        let relation = Relation {
            upper: upper.0.clone(),
            lower: lower.0.clone(),
            method: lower.1,
            from_unix_ms: info.first_unix_ms,
            to_unix_ms: info.holds_to(),
        };
        let key = (relation.upper.clone(), relation.lower.clone());
        let known = all.entry(key).or_insert_with(|| relation.clone());
        known.method = known.method.min(relation.method);
        known.from_unix_ms = known.from_unix_ms.min(relation.from_unix_ms);
        known.to_unix_ms = known.to_unix_ms.max(relation.to_unix_ms);
    }
}
