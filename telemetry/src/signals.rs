//! The vocabulary of signals: what is asked of an entity, and under which names it may have come (docs/correlation.md). Data and nothing else.
//!
//! Stored names are never rewritten. A signal is an ordered list of sources, of which the first with data for the entity counts; units are converted and
//! counters are rates. Names are those of the time-series store: `container.cpu.time` is `container_cpu_time_seconds_total` there.

mod container;
mod disk;
mod host;
mod network;

use crate::entity::EntityKind;

/// What is asked of an entity of this kind, in the order in which it is shown.
pub fn of(kind: EntityKind) -> impl Iterator<Item = &'static Signal> + Clone {
    let parts: [&[Signal]; 3] = match kind {
        EntityKind::Container => [container::CONTAINER, &[], &[]],
        EntityKind::Host => [host::HOST, disk::DISKS, network::NETWORK],
        _ => [&[], &[], &[]],
    };
    parts.into_iter().flatten()
}

/// One signal of an entity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    /// `container.cpu`.
    pub name: &'static str,
    /// As UCUM has it; a ratio is `1`.
    pub unit: &'static str,
    pub bad: Bad,
    /// Least scale of what is usual: smaller differences mean nothing.
    pub floor: f64,
    /// Value beyond which it is bad whatever is usual.
    pub limit: Option<f64>,
    /// Where an entity has several of it: each value of this label is one.
    pub part: Option<Part>,
    /// In the order in which they are tried.
    pub sources: &'static [Source],
}

/// Which way a signal gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    High,
    Low,
    /// Neither way is bad by itself.
    No,
}

/// Parts of an entity, such as the disks of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// `disk`, as in `host:x#disk=sda`.
    pub word: &'static str,
    /// Names of the label, the first that a series has counts.
    pub labels: &'static [&'static str],
}

/// One way to come to a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    pub by: By,
    pub value: Expression,
    /// What the value is multiplied with to be in the signal's unit.
    pub factor: f64,
}

/// How a source's series name the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// By the attributes of the resource: `container_id`, `host_id`, `host_name`.
    Resource,
    /// By the path in `id` (cAdvisor).
    Cadvisor,
    /// By `instance`, whose host is told by `node_uname_info` (node_exporter).
    NodeExporter,
}

/// A value made of series. Series of one name are added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expression {
    /// What a counter grows by in a second.
    Rate(Pick),
    /// The value of a gauge.
    Value(Pick),
    /// One by the other; nothing where the other is 0.
    Ratio(&'static Expression, &'static Expression),
    /// 1 less it.
    Rest(&'static Expression),
}

/// Series of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    pub metric: &'static str,
    /// A condition on a label: its names, of which the first that a series has counts.
    pub only: Option<Only>,
}

/// A condition on a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Only {
    pub labels: &'static [&'static str],
    /// Whether one of `values` is wanted, or none of them.
    pub is: bool,
    pub values: &'static [&'static str],
}

/// `state` = `cpu.mode` = `mode`.
pub(crate) const MODE: &[&str] = &["cpu_mode", "state", "mode"];
/// `direction` = `disk.io.direction` = `network.io.direction`.
pub(crate) const DIRECTION: &[&str] = &["disk_io_direction", "network_io_direction", "direction"];

pub(crate) const fn all(metric: &'static str) -> Pick {
    Pick { metric, only: None }
}

pub(crate) const fn only(
    metric: &'static str,
    labels: &'static [&'static str],
    values: &'static [&'static str],
) -> Pick {
    let is = true;
    Pick {
        metric,
        only: Some(Only { labels, is, values }),
    }
}

pub(crate) const fn but(
    metric: &'static str,
    labels: &'static [&'static str],
    values: &'static [&'static str],
) -> Pick {
    let is = false;
    Pick {
        metric,
        only: Some(Only { labels, is, values }),
    }
}

pub(crate) const fn source(by: By, value: Expression) -> Source {
    scaled(by, value, 1.0)
}

pub(crate) const fn scaled(by: By, value: Expression, factor: f64) -> Source {
    Source { by, value, factor }
}

impl Expression {
    /// Every metric that it reads.
    pub fn metrics(&self, found: &mut Vec<&'static str>) {
        match self {
            Self::Rate(pick) | Self::Value(pick) => found.push(pick.metric),
            Self::Ratio(a, b) => {
                a.metrics(found);
                b.metrics(found);
            }
            Self::Rest(of) => of.metrics(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_signal_has_a_name_of_its_own_and_a_source() {
        let mut names = BTreeSet::new();
        for signal in of(EntityKind::Container).chain(of(EntityKind::Host)) {
            assert!(names.insert(signal.name), "{} twice", signal.name);
            assert!(!signal.sources.is_empty(), "{}", signal.name);
            assert!(signal.floor > 0.0, "{}", signal.name);
            for source in signal.sources {
                let mut metrics = Vec::new();
                source.value.metrics(&mut metrics);
                for metric in metrics {
                    let ours = ["container_", "system_", "k8s_", "node_"];
                    assert!(
                        ours.iter().any(|start| metric.starts_with(start)),
                        "{metric}"
                    );
                }
            }
        }
    }
}
