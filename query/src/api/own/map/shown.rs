//! A map as JSON.

use serde::Serialize;
use service_map::graph::cluster::{Cluster, Drawn, DrawnEdge, Picture};
use service_map::graph::measure::quantile;
use service_map::layout::{Layout, NODE_H, NODE_W};
use telemetry::RecordTime;

use super::super::Frame;
use crate::map::range::Range;
use crate::read::time;

#[derive(Serialize)]
pub(super) struct Shown {
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    h: Option<i32>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    clusters: Vec<Group>,
    hidden: Hidden,
    #[serde(skip_serializing_if = "Option::is_none")]
    why_empty: Option<String>,
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct Node {
    id: String,
    kind: &'static str,
    label: String,
    cluster: Option<String>,
    /// Entities in it.
    n: usize,
    #[serde(flatten)]
    place: Option<Place>,
    /// Requests a second.
    rate: f64,
    error_ratio: Option<f64>,
    /// In s.
    p95: Option<f64>,
    p95_base: Option<f64>,
    state: &'static str,
    state_rule: Option<&'static str>,
    inferred: bool,
    badges: Vec<&'static str>,
}

#[derive(Serialize)]
struct Place {
    x: i32,
    y: i32,
    w: i32,
    h: i32,
}

#[derive(Serialize)]
struct Edge {
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<(i32, i32)>>,
    rate: f64,
    error_ratio: Option<f64>,
    client_p95: Option<f64>,
    server_p95: Option<f64>,
    r#async: bool,
    state: &'static str,
    state_rule: Option<&'static str>,
    first_seen: Option<String>,
}

#[derive(Serialize)]
struct Group {
    id: String,
    label: String,
    n: usize,
    worst: &'static str,
    folded: bool,
}

#[derive(Serialize)]
struct Hidden {
    filter: usize,
    clustered: usize,
}

impl Shown {
    pub(super) fn of(
        picture: &Picture,
        layout: Option<&Layout>,
        range: Range,
        why_empty: Option<String>,
        frame: Frame,
    ) -> Self {
        let range_s = range.seconds();
        let place = |at: usize| {
            let (x, y) = layout?.nodes.get(at).copied()?;
            Some(Place {
                x,
                y,
                w: NODE_W,
                h: NODE_H,
            })
        };
        let points = |at: usize| layout.map(|of| of.edges.get(at).cloned().unwrap_or_default());
        let nodes = picture.nodes.iter().enumerate();
        let edges = picture.edges.iter().enumerate();
        Self {
            from: time::rfc3339(RecordTime {
                unix_ms: range.from_ms,
            }),
            to: time::rfc3339(RecordTime {
                unix_ms: range.to_ms,
            }),
            w: layout.map(|of| of.w),
            h: layout.map(|of| of.h),
            nodes: nodes
                .map(|(at, drawn)| Node::of(drawn, place(at), range_s))
                .collect(),
            edges: edges
                .map(|(at, drawn)| Edge::of(picture, drawn, points(at), range))
                .collect(),
            clusters: picture.clusters.iter().map(Group::of).collect(),
            hidden: Hidden {
                filter: picture.n_filtered,
                clustered: picture.n_clustered,
            },
            why_empty,
            frame,
        }
    }
}

impl Node {
    fn of(drawn: &Drawn, place: Option<Place>, range_s: f64) -> Self {
        Self {
            id: drawn.id.clone(),
            kind: drawn.kind.word(),
            label: drawn.label.clone(),
            cluster: drawn.cluster.clone(),
            n: drawn.n,
            place,
            rate: drawn.now.calls / range_s,
            error_ratio: drawn.now.error_ratio(),
            p95: drawn.now.p95(),
            p95_base: drawn.base.p95(),
            state: drawn.verdict.state.word(),
            state_rule: drawn.verdict.rule,
            inferred: drawn.is_inferred,
            badges: [
                (drawn.is_deployed, "deploy"),
                // its numbers are of all of them
                (drawn.environments.len() > 1, "environments"),
            ]
            .into_iter()
            .filter_map(|(is_so, badge)| is_so.then_some(badge))
            .collect(),
        }
    }
}

impl Edge {
    fn of(
        picture: &Picture,
        drawn: &DrawnEdge,
        points: Option<Vec<(i32, i32)>>,
        range: Range,
    ) -> Self {
        let id = |at: usize| {
            picture
                .nodes
                .get(at)
                .map_or_else(String::new, |n| n.id.clone())
        };
        Self {
            from: id(drawn.from),
            to: id(drawn.to),
            points,
            rate: drawn.now.calls / range.seconds(),
            error_ratio: drawn.now.error_ratio(),
            client_p95: quantile(&drawn.now.client, 0.95),
            server_p95: quantile(&drawn.now.server, 0.95),
            r#async: drawn.is_async,
            state: drawn.verdict.state.word(),
            state_rule: drawn.verdict.rule,
            first_seen: drawn.first_seen_unix_ms.map(|unix_ms| {
                let unix_ms = unix_ms.min(range.to_ms);
                time::rfc3339(RecordTime { unix_ms })
            }),
        }
    }
}

impl Group {
    fn of(cluster: &Cluster) -> Self {
        Self {
            id: cluster.id.clone(),
            label: cluster.label.clone(),
            n: cluster.n,
            worst: cluster.worst.word(),
            folded: cluster.is_folded,
        }
    }
}
