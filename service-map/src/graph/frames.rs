//! A range of time as a film: the same nodes and edges, with what they did in each step.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Drawn, DrawnEdge, Picture};
use super::measure::Measure;
use super::state::Verdict;

/// Frames at most.
pub const FRAMES_MAX: usize = 240;

/// One thing through all frames, each list as long as there are frames.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    pub rate: Vec<f64>,
    pub error_ratio: Vec<Option<f64>>,
    pub p95: Vec<Option<f64>>,
    pub state: Vec<&'static str>,
}

/// The whole film: nodes and edges of any frame by their ids, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Film {
    pub nodes: BTreeMap<String, Track>,
    pub edges: BTreeMap<(String, String), Track>,
}

/// Puts pictures of consecutive steps of `step_s` together.
#[must_use]
pub fn film(frames: &[Picture], step_s: f64) -> Film {
    let frames: Vec<Frame<'_>> = frames.iter().map(Frame::of).collect();
    let nodes: BTreeSet<&str> = frames
        .iter()
        .flat_map(|f| f.nodes.keys().copied())
        .collect();
    let edges: BTreeSet<Ends<'_>> = frames
        .iter()
        .flat_map(|f| f.edges.keys().copied())
        .collect();
    let node_track = |id: &str| {
        let found = |frame: &Frame<'_>| {
            let node = frame.nodes.get(id)?;
            Some((node.now.clone(), node.verdict.clone()))
        };
        track(frames.iter().map(found), step_s)
    };
    let edge_track = |ends: Ends<'_>| {
        let found = |frame: &Frame<'_>| {
            let edge = frame.edges.get(&ends)?;
            Some((edge.now.clone(), edge.verdict.clone()))
        };
        track(frames.iter().map(found), step_s)
    };
    Film {
        nodes: nodes
            .iter()
            .map(|id| ((*id).to_owned(), node_track(id)))
            .collect(),
        edges: edges
            .iter()
            .map(|ends| ((ends.0.to_owned(), ends.1.to_owned()), edge_track(*ends)))
            .collect(),
    }
}

type Ends<'a> = (&'a str, &'a str);

struct Frame<'a> {
    nodes: BTreeMap<&'a str, &'a Drawn>,
    edges: BTreeMap<Ends<'a>, &'a DrawnEdge>,
}

impl<'a> Frame<'a> {
    fn of(picture: &'a Picture) -> Self {
        let id = |at: usize| picture.nodes.get(at).map_or("", |node| &node.id);
        Self {
            nodes: picture.nodes.iter().map(|n| (n.id.as_str(), n)).collect(),
            edges: picture
                .edges
                .iter()
                .map(|edge| ((id(edge.from), id(edge.to)), edge))
                .collect(),
        }
    }
}

fn track(frames: impl Iterator<Item = Option<(Measure, Verdict)>>, step_s: f64) -> Track {
    let mut track = Track::default();
    for frame in frames {
        let (measure, verdict) = frame.unwrap_or_default();
        track.rate.push(measure.calls / step_s.max(1.0));
        track.error_ratio.push(measure.error_ratio());
        track.p95.push(measure.p95());
        track.state.push(verdict.state.word());
    }
    track
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::graph::cluster::{Choice, Communities, Group, Plan};
    use crate::graph::rows::EdgeRow;

    #[test]
    fn what_is_absent_in_a_frame_is_a_gap() {
        let row = |server: &str, calls: f64| EdgeRow {
            client: "a".to_owned(),
            server: server.to_owned(),
            now: Measure {
                calls,
                ..Measure::default()
            },
            ..EdgeRow::default()
        };
        let whole = Graph::build(&[row("b", 60.0), row("c", 30.0)], &[]);
        let choice = Choice::everything(Group::Service, 300, 180.0);
        let plan = Plan::of(&whole, &choice, Communities::default());
        let frame = |rows: &[EdgeRow]| plan.draw(&Graph::build(rows, &[]));
        let film = film(
            &[
                frame(&[row("b", 60.0)]),
                frame(&[]),
                frame(&[row("c", 30.0)]),
            ],
            60.0,
        );
        let edges: Vec<_> = film
            .edges
            .iter()
            .map(|((_, to), track)| (&**to, track.rate.clone(), track.state.clone()))
            .collect();
        assert_eq!(
            edges,
            [
                (
                    "service:b",
                    vec![1.0, 0.0, 0.0],
                    vec!["ok", "unknown", "unknown"]
                ),
                (
                    "service:c",
                    vec![0.0, 0.0, 0.5],
                    vec!["unknown", "unknown", "ok"]
                ),
            ]
        );
        assert_eq!(film.nodes.len(), 3);
    }
}
