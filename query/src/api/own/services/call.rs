//! Calls of one entity to another, as rows tell them.

use serde::Serialize;
use service_map::entity::Kind;
use service_map::graph::Edge;
use service_map::graph::measure::quantile;

use super::numbers::Numbers;
use crate::map::range::{Range, Until};

#[derive(Debug, Serialize)]
pub(in crate::api::own) struct Call {
    #[serde(flatten)]
    pub(in crate::api::own) numbers: Numbers,
    /// In s, as are those that follow.
    client_p95: Option<f64>,
    server_p95: Option<f64>,
    /// Mean time on the way: what clients see less what servers see. Only a service is seen from its own side.
    gap_s: Option<f64>,
    r#async: bool,
    pub(in crate::api::own) state: &'static str,
    state_rule: Option<&'static str>,
    first_seen: Option<String>,
}

impl Call {
    pub(in crate::api::own) fn of(
        callee: Kind,
        edge: &Edge,
        (range, until): (Range, Until),
    ) -> Self {
        let (client, server) = (&edge.now.client, &edge.now.server);
        let has_both = callee == Kind::Service && !client.is_empty() && !server.is_empty();
        Self {
            numbers: Numbers::of(&edge.now, range),
            client_p95: quantile(client, 0.95),
            server_p95: quantile(server, 0.95),
            gap_s: has_both.then(|| client.sum() / client.count() - server.sum() / server.count()),
            r#async: edge.is_async,
            state: edge.verdict.state.word(),
            state_rule: edge.verdict.rule,
            first_seen: edge.first_seen_unix_ms.map(|unix_ms| until.text(unix_ms)),
        }
    }
}
