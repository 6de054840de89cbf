//! The sentences for joins that are missing or weak: each says what to do. Pure.

use std::collections::BTreeSet;

use telemetry::RecordTime;
use telemetry::entity::{EntityId, EntityKind};
use telemetry::semconv::{HOST_NAME, SERVICE_NAME, SERVICE_VERSION};

use super::constants::RELATION_HOLDS_MS;
use super::info::Infos;
use super::join::Joined;
use super::lane::Measured;
use super::strip::Shown;
use super::trace::Facts;
use crate::read::time::rfc3339;

/// A thing that was not found, with its code of the message catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Missing {
    pub(crate) code: &'static str,
    pub(crate) entity: Option<String>,
    pub(crate) sentence: String,
}

impl Missing {
    fn of(code: &'static str, entity: Option<&EntityId>, sentence: String) -> Self {
        let entity = entity.map(ToString::to_string);
        Self {
            code,
            entity,
            sentence,
        }
    }

    /// Whether it is told because something was not heard, and not because of what was.
    pub(super) fn is_of_silence(&self) -> bool {
        matches!(self.code, "TW3102" | "TW3103" | "TW3104" | "TW3108")
    }

    /// Spans do not say whose they are.
    pub(super) fn service_name(what: &str) -> Self {
        let sentence =
            format!("spans of `{what}` carry no `service.name`: set `OTEL_SERVICE_NAME`");
        Self::of("TW3101", None, sentence)
    }

    /// Nothing, or nothing sure, says what a service runs on.
    pub(super) fn place(service: &EntityId) -> Self {
        let sentence = format!(
            "spans of `{}` carry neither `container.id` nor `k8s.pod.uid` nor a usable `host.name`: enable the host and container resource detectors, \
             or k8sattributes in the collector",
            service.label()
        );
        Self::of("TW3102", Some(service), sentence)
    }

    /// Host metrics come from nobody.
    pub(super) fn host_keys() -> Self {
        let sentence = "host metrics arrive without `host.name` and `host.id`: add resourcedetection with the `system` detector beside hostmetrics";
        Self::of("TW3103", None, sentence.to_owned())
    }

    /// It is known where a service runs, and nobody tells of it.
    pub(super) fn metrics(service: &str, at: &EntityId, host: Option<&EntityId>) -> Self {
        let kind = at.kind().word();
        let key = at.part(at.n_parts().saturating_sub(1));
        let there = host.map_or("its host".to_owned(), |host| format!("`{}`", host.label()));
        let sentence = format!(
            "`{service}` runs in {kind} `{key}`, but nobody reports metrics of it: run `tracewell agent` on {there}"
        );
        let sentence = sentence.replace("runs in host", "runs on host");
        Self::of("TW3104", Some(at), sentence)
    }

    /// Two hosts cannot be told apart by their id.
    pub(super) fn cloned(id: &str) -> Self {
        let sentence = format!("two hosts share `host.id` `{id}`: regenerate machine-id");
        Self::of("TW3105", None, sentence)
    }

    /// A signal was there before and is not any more.
    pub(super) fn ended(signal: &str, entity: &EntityId, at: &str) -> Self {
        let sentence = format!("`{signal}` of `{entity}` ended at `{at}`: not evaluated");
        Self::of("TW3108", Some(entity), sentence)
    }

    /// Versions cannot be compared.
    pub(super) fn version(service: &EntityId) -> Self {
        let sentence = format!(
            "no `service.version` on `{}`: deployments cannot be recognised",
            service.label()
        );
        Self::of("TW3109", Some(service), sentence)
    }
}

/// What the resources under the lanes do not say.
pub(super) fn of_joins(
    facts: &Facts,
    joined: &[(usize, Joined)],
    infos: &Infos,
) -> BTreeSet<Missing> {
    let mut missing = BTreeSet::new();
    for (resource, joined) in joined {
        let Some(resource) = facts.resources.get(*resource) else {
            continue;
        };
        let identity = &resource.identity;
        let service = identity.service_of_span();
        if identity.get(SERVICE_NAME).is_none() {
            let what = identity.get(HOST_NAME).unwrap_or(service.label());
            missing.insert(Missing::service_name(what));
        } else if identity.get(SERVICE_VERSION).is_none() {
            missing.insert(Missing::version(&service));
        }
        if joined.is_weak() {
            missing.insert(Missing::place(&service));
        }
    }
    let shared = infos.shared_ids();
    let of_trace = |id: &&String| {
        let host_of = |(_, joined): &(usize, Joined)| {
            joined
                .host
                .as_ref()
                .and_then(|(known, _)| known.host.id.clone())
        };
        joined.iter().any(|one| host_of(one).as_ref() == Some(*id))
    };
    missing.extend(shared.iter().filter(of_trace).map(|id| Missing::cloned(id)));
    missing
}

/// What nobody reports, or not any more. `trace` is its start and end in unix ms.
pub(super) fn of_signals(lanes: &[Shown], trace: (i64, i64), now: RecordTime) -> BTreeSet<Missing> {
    let mut missing = BTreeSet::new();
    for (lane, service, host) in lanes {
        // One agent tells of both: the container's sentence is enough.
        let is_told = |(other, _, on): &Shown| {
            let is_silent =
                other.signals.is_empty() && other.entity.kind() == EntityKind::Container;
            is_silent && on.as_ref() == Some(&lane.entity)
        };
        if lane.signals.is_empty() {
            if let Some(service) = service
                && !lanes.iter().any(is_told)
            {
                missing.insert(Missing::metrics(service, &lane.entity, host.as_ref()));
            }
            continue;
        }
        for measured in &lane.signals {
            if measured.ended_before(trace, now) {
                let at = RecordTime {
                    unix_ms: measured.newest_unix_ms,
                };
                let name = measured.signal.name;
                missing.insert(Missing::ended(name, &lane.entity, &rfc3339(at)));
            }
        }
    }
    missing
}

impl Measured {
    /// Whether it was over before the trace, and is not only late.
    fn ended_before(&self, (start, end): (i64, i64), now: RecordTime) -> bool {
        let is_over = self.newest_unix_ms < start
            && self.newest_unix_ms < now.unix_ms.saturating_sub(RELATION_HOLDS_MS);
        let at = |idx: usize| {
            let after = i64::try_from(idx)
                .unwrap_or(i64::MAX)
                .saturating_mul(self.step_ms);
            self.start_unix_ms.saturating_add(after)
        };
        let told = self.values.iter().enumerate().any(|(idx, value)| {
            value.is_finite() && at(idx) >= start && at(idx) <= end.saturating_add(self.step_ms)
        });
        is_over && !told
    }
}
