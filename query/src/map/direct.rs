//! Who calls whom as Jaeger draws it: pairs of services of a parent and its child, without databases, queues and what no span stands for.

use std::collections::BTreeMap;

use service_map::edge::REQUESTS;
use telemetry::Tenant;

use super::range::Range;
use super::source::series;
use super::tally::{total, windows};
use crate::Query;
use crate::refusal::Refusal;
use crate::trace::found::Marks;

/// Calls of one service to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) parent: String,
    pub(crate) child: String,
    pub(crate) n_calls: u64,
}

/// In order of both names; those of one service if it is named.
pub(crate) async fn dependencies(
    query: &Query,
    tenant: &Tenant,
    range: Range,
    service: Option<&str>,
    marks: &mut Marks,
) -> Result<Vec<Dependency>, Refusal> {
    let mut calls: BTreeMap<(String, String), f64> = BTreeMap::new();
    for slice in range.slices() {
        for one in series(query, tenant, REQUESTS, &[], slice, Some(marks)).await? {
            let label = |name: &str| one.labels.get(name);
            let (parent, child) = (label("client"), label("server"));
            let is_pair = matches!(label("connection_type"), "" | "messaging_system")
                && label("virtual_node").is_empty()
                && parent != child;
            let is_wanted = service.is_none_or(|name| name == parent || name == child);
            if !is_pair || !is_wanted {
                continue;
            }
            let n: f64 = windows(&one)
                .chunk_by(|a, b| slice.has(a.start_unix_ms) == slice.has(b.start_unix_ms))
                .filter(|chunk| chunk.iter().all(|window| slice.has(window.start_unix_ms)))
                .map(total)
                .sum();
            let known = calls.entry((parent.to_owned(), child.to_owned()));
            *known.or_default() += n;
        }
    }
    let counted = calls.into_iter().filter(|(_, n)| *n > 0.0);
    let dependency = |((parent, child), n): ((String, String), f64)| Dependency {
        parent,
        child,
        n_calls: n.round() as u64, // a float beyond the largest number becomes the largest
    };
    Ok(counted.map(dependency).collect())
}
