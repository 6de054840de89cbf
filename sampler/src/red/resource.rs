//! The resources of an epoch: each is read once, and each span finds its own by bytes.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use telemetry::wire::{ResourceView, SpanView};
use telemetry::{Tenant, semconv};

use super::quota::{Quota, SeriesMax};

/// Longest value of a label, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// Attributes of a resource that say what an instance runs on and who owns it: they are the labels of its info series, with dots as underscores.
const INFO_KEYS: &[&str] = &[
    semconv::CONTAINER_ID,
    semconv::CONTAINER_NAME,
    semconv::HOST_ID,
    semconv::HOST_NAME,
    semconv::K8S_CLUSTER_NAME,
    semconv::K8S_CONTAINER_NAME,
    semconv::K8S_NAMESPACE_NAME,
    semconv::K8S_NODE_NAME,
    semconv::K8S_POD_NAME,
    semconv::K8S_POD_UID,
    semconv::PROCESS_CREATION_TIME,
    semconv::PROCESS_PID,
    semconv::PROCESS_VPID,
    semconv::SERVICE_INSTANCE_ID,
    semconv::SERVICE_OWNER,
    semconv::TEAM,
];

/// A service in one version and environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Service {
    pub(super) tenant: Tenant,
    name: String,
    namespace: String,
    environment: String,
    version: String,
}

/// A resource and the windows in which it was seen.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) tenant: Tenant,
    bytes: Box<[u8]>,
    service: u32,
    service_name: String,
    /// Identity keys that it has, as labels.
    info: Vec<(String, String)>,
    instance_id: String,
    pub(super) seen: BTreeSet<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Resources {
    all: Vec<Resource>,
    /// Each with the number of its series.
    services: Vec<(Service, u32)>,
    /// Series of each tenant.
    series: Quota,
    index: HashTable<u32>,
    service_index: HashTable<u32>,
    hasher: RandomState,
    /// Where the resource of the last span lies in the record, and what was found.
    last: Option<(u32, Found)>,
}

/// A span's resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) resource: u32,
    pub(super) service: u32,
    /// Whether the span before it was of another resource, or of another record.
    pub(super) is_first: bool,
}

impl Resources {
    pub(super) fn begin_record(&mut self) {
        self.last = None;
    }

    /// Finds the resource of a span of the record that began last.
    pub(super) fn find_or_add(&mut self, tenant: &Tenant, span: &SpanView<'_>) -> Found {
        let start = span.place().resource_spans_start;
        if let Some((last, found)) = self.last
            && last == start
        {
            return found;
        }
        let resource = self.look_up(tenant, &span.resource());
        let service = self.get(resource).service;
        let found = |is_first| Found {
            resource,
            service,
            is_first,
        };
        self.last = Some((start, found(false)));
        found(true)
    }

    fn look_up(&mut self, tenant: &Tenant, resource: &ResourceView<'_>) -> u32 {
        let bytes = resource.bytes().unwrap_or_default();
        let hash = self.hasher.hash_one((tenant, bytes));
        let all = &self.all;
        let is = |&number: &u32| {
            all.get(number as usize)
                .is_some_and(|known| *known.bytes == *bytes && known.tenant == *tenant)
        };
        if let Some(number) = self.index.find(hash, is) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).expect("an epoch has fewer than 2^32 resources");
        let read = self.read(tenant, resource, bytes);
        self.all.push(read);
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of = |&number: &u32| {
            all.get(number as usize)
                .map_or(0, |known| hasher.hash_one((&known.tenant, &*known.bytes)))
        };
        self.index.insert_unique(hash, number, hash_of);
        number
    }

    fn read(&mut self, tenant: &Tenant, resource: &ResourceView<'_>, bytes: &[u8]) -> Resource {
        let text = |key: &str| {
            let found = resource.attributes().find(|(name, _)| *name == key);
            found.map_or_else(String::new, |(_, value)| cut(&value.text()).to_owned())
        };
        let or = |first: String, second: &str| {
            if first.is_empty() {
                text(second)
            } else {
                first
            }
        };
        let name = service_name(resource).to_owned();
        let service = Service {
            tenant: tenant.clone(),
            name: name.clone(),
            namespace: text(semconv::SERVICE_NAMESPACE),
            environment: or(
                text(semconv::DEPLOYMENT_ENVIRONMENT_NAME),
                semconv::DEPLOYMENT_ENVIRONMENT,
            ),
            version: text(semconv::SERVICE_VERSION),
        };
        let info = INFO_KEYS
            .iter()
            .map(|key| (key.replace('.', "_"), text(key)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Resource {
            tenant: tenant.clone(),
            bytes: bytes.into(),
            service: self.service_number(service),
            service_name: name,
            info,
            instance_id: text(semconv::SERVICE_INSTANCE_ID),
            seen: BTreeSet::new(),
        }
    }

    fn service_number(&mut self, service: Service) -> u32 {
        let hash = self.hasher.hash_one(&service);
        let services = &self.services;
        let is = |&number: &u32| {
            services
                .get(number as usize)
                .is_some_and(|(known, _)| *known == service)
        };
        if let Some(number) = self.service_index.find(hash, is) {
            return *number;
        }
        let number =
            u32::try_from(self.services.len()).expect("an epoch has fewer than 2^32 services");
        self.services.push((service, 0));
        let (services, hasher) = (&self.services, &self.hasher);
        let hash_of = |&number: &u32| {
            services
                .get(number as usize)
                .map_or(0, |(known, _)| hasher.hash_one(known))
        };
        self.service_index.insert_unique(hash, number, hash_of);
        number
    }

    /// Counts a series of a service that has not been there yet; false if the service or its tenant has too many.
    pub(super) fn new_series(&mut self, service: u32, max: SeriesMax) -> bool {
        let (service, n_series) = self
            .services
            .get_mut(service as usize)
            .expect("numbers come from service_number");
        let fits = *n_series < max.of_service && self.series.take(&service.tenant, max.of_tenant);
        *n_series += u32::from(fits);
        fits
    }

    /// A new window of it is counted in `n_windows`.
    pub(super) fn seen(&mut self, resource: u32, window_unix_ms: i64, n_windows: &mut u64) {
        let resource = self
            .all
            .get_mut(resource as usize)
            .expect("numbers come from look_up");
        if resource.seen.last() != Some(&window_unix_ms) {
            *n_windows += u64::from(resource.seen.insert(window_unix_ms));
        }
    }

    pub(super) fn all(&self) -> &[Resource] {
        &self.all
    }

    pub(super) fn get(&self, resource: u32) -> &Resource {
        self.all
            .get(resource as usize)
            .expect("numbers come from look_up")
    }

    pub(super) fn service(&self, service: u32) -> &Service {
        let (service, _) = self
            .services
            .get(service as usize)
            .expect("numbers come from service_number");
        service
    }
}

impl Service {
    /// Those that are not empty.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        labels([
            ("deployment_environment", &self.environment),
            ("service_name", &self.name),
            ("service_namespace", &self.namespace),
            ("service_version", &self.version),
        ])
    }
}

impl Resource {
    pub(super) fn instance_labels(&self) -> Vec<(String, String)> {
        labels([
            ("service_instance_id", &self.instance_id),
            ("service_name", &self.service_name),
        ])
    }

    /// What it runs on, in order of labels.
    pub(super) fn info_labels(&self, service: &Service) -> Vec<(String, String)> {
        let mut all = service.labels();
        all.extend(self.info.iter().cloned());
        all.sort_unstable();
        all
    }

    pub(super) fn service_of(&self) -> u32 {
        self.service
    }
}

fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a String)>) -> Vec<(String, String)> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

/// A service's name as a label.
pub(super) fn service_name<'a>(resource: &ResourceView<'a>) -> &'a str {
    cut(resource.service_name().unwrap_or(semconv::UNKNOWN_SERVICE))
}

/// Its bytes.
pub(super) fn service_name_bytes<'a>(resource: &ResourceView<'a>) -> &'a [u8] {
    let short = resource.service_name_bytes();
    let short = short.filter(|name| name.len() <= VALUE_BYTES_MAX);
    short.unwrap_or_else(|| service_name(resource).as_bytes())
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
