//! What a resource gives to all its series: `job`, `instance`, and the attributes that say where it is; and the info series that say the rest.

use std::borrow::Cow;

use telemetry::semconv::{
    CONTAINER_ID, HOST_ID, IDENTITY, K8S_POD_UID, PROCESS_PID, SERVICE_INSTANCE_ID, SERVICE_NAME,
    SERVICE_NAMESPACE,
};

use super::name;
use crate::fold::Fold;
use crate::labels::NAME;
use crate::series::SeriesId;

/// Info series of entities: (name, an attribute that says that the resource is one).
const ENTITIES: [(&str, &str); 4] = [
    ("container_info", CONTAINER_ID),
    ("pod_info", K8S_POD_UID),
    ("process_info", PROCESS_PID),
    ("host_info", HOST_ID),
];

/// What an info series says: that it is there.
pub(crate) const INFO_VALUE: f64 = 1.0;

/// The labels of a resource, by what they are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceLabels {
    /// Sorted by name, no value empty.
    promoted: Vec<(String, String)>,
    /// `job` and `instance`, where they can be told.
    target: Vec<(String, String)>,
    /// Every attribute.
    all: Vec<(String, String)>,
    /// Info series that it has.
    infos: Vec<&'static str>,
}

impl ResourceLabels {
    /// From attributes, values as text.
    #[must_use]
    pub fn new(attributes: &[(Cow<'_, str>, Cow<'_, str>)]) -> Self {
        let value = |key: &str| {
            let found = attributes.iter().rev().find(|(at, _)| at == key);
            found.map_or("", |(_, value)| value.as_ref())
        };
        let (namespace, service) = (value(SERVICE_NAMESPACE), value(SERVICE_NAME));
        let job = if namespace.is_empty() || service.is_empty() {
            service.to_owned()
        } else {
            format!("{namespace}/{service}")
        };
        let instance = value(SERVICE_INSTANCE_ID).to_owned();
        let target = [("instance", instance), ("job", job)];
        let target = target.into_iter().filter(|(_, value)| !value.is_empty());
        let target: Vec<(String, String)> = target
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let pair = |(key, value): &(Cow<'_, str>, Cow<'_, str>)| {
            (name::label(key).into_owned(), value.clone().into_owned())
        };
        let promoted = attributes
            .iter()
            .filter(|(key, _)| IDENTITY.contains(&key.as_ref()));
        // the name of a container is no host's
        let in_container = !value(CONTAINER_ID).is_empty() || !value(K8S_POD_UID).is_empty();
        let is = |(name, key): &&(&str, &str)| {
            let is_host = *name == "host_info";
            !value(key).is_empty() && (!is_host || !in_container)
        };
        Self {
            promoted: sorted(promoted.map(pair).chain(target.iter().cloned())),
            all: sorted(attributes.iter().map(pair)),
            infos: ENTITIES.iter().filter(is).map(|(name, _)| *name).collect(),
            target,
        }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.promoted.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Says that the resource was there: `target_info` if it is a target, and the info series of what else it is.
    /// Returns the series, if all were taken.
    pub fn fold_infos(&self, unix_ms: i64, fold: &mut Fold<'_>) -> Option<Vec<SeriesId>> {
        let has_more = |name: &str| {
            let own = ["service_name", "service_namespace", "service_instance_id"];
            !own.contains(&name)
        };
        let more: Vec<&(String, String)> =
            self.all.iter().filter(|(name, _)| has_more(name)).collect();
        let mut taken = Vec::new();
        if !self.target.is_empty() && !more.is_empty() {
            let pairs = more.into_iter().chain(&self.target);
            taken.push(info("target_info", pairs, unix_ms, fold));
        }
        for name in &self.infos {
            taken.push(info(name, self.all.iter(), unix_ms, fold));
        }
        taken.into_iter().collect()
    }
}

fn info<'a>(
    name: &str,
    pairs: impl Iterator<Item = &'a (String, String)>,
    unix_ms: i64,
    fold: &mut Fold<'_>,
) -> Option<SeriesId> {
    let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut labels: Vec<(&str, &str)> = pairs
        .filter(|(at, value)| *at != NAME && !value.is_empty())
        .chain([(NAME, name)])
        .collect();
    labels.sort_unstable();
    labels.dedup_by(|later, kept| later.0 == kept.0);
    fold.float(&labels, unix_ms, INFO_VALUE)
}

/// Sorted by name; of names that come twice the last value counts, empty ones are left out.
fn sorted(pairs: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = pairs.collect();
    all.sort_by(|a, b| a.0.cmp(&b.0)); // stable
    all.reverse();
    all.dedup_by(|earlier, kept| earlier.0 == kept.0);
    all.reverse();
    all.retain(|(_, value)| !value.is_empty());
    all
}
