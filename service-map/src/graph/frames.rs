//! A range of time as a film: the same nodes and edges, with what they did in each step.

use std::collections::BTreeSet;

use super::Graph;
use super::measure::Measure;
use super::state::{Verdict, judge};
use crate::entity::Entity;

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

/// The whole film; nodes and edges of any frame, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Film {
    pub nodes: Vec<(Entity, Track)>,
    pub edges: Vec<(Entity, Entity, Track)>,
}

/// Puts graphs of consecutive steps of `step_s` together. States compare with the baseline that each graph has.
#[must_use]
pub fn film(frames: &[Graph], step_s: f64) -> Film {
    let nodes: BTreeSet<&Entity> = frames
        .iter()
        .flat_map(|frame| frame.nodes().map(|node| &node.entity))
        .collect();
    let edges: BTreeSet<(&Entity, &Entity)> = frames
        .iter()
        .flat_map(|frame| {
            frame
                .edges()
                .map(|(from, to, _)| (&from.entity, &to.entity))
        })
        .collect();
    let node_track = |entity: &Entity| {
        let found = |frame: &Graph| {
            let node = frame.node(frame.find(entity)?)?;
            Some((node.now.clone(), node.verdict.clone()))
        };
        track(frames.iter().map(found), step_s)
    };
    let edge_track = |(from, to): (&Entity, &Entity)| {
        let found = |frame: &Graph| {
            let at = frame
                .inner()
                .find_edge(frame.find(from)?, frame.find(to)?)?;
            let edge = frame.inner().edge_weight(at)?;
            Some((edge.now.clone(), judge(&edge.now, &edge.base)))
        };
        track(frames.iter().map(found), step_s)
    };
    Film {
        nodes: nodes
            .iter()
            .map(|entity| ((*entity).clone(), node_track(entity)))
            .collect(),
        edges: edges
            .iter()
            .map(|(from, to)| ((*from).clone(), (*to).clone(), edge_track((from, to))))
            .collect(),
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
    use crate::graph::rows::EdgeRow;

    #[test]
    fn what_is_absent_in_a_frame_is_a_gap() {
        let frame = |server: &str, calls: f64| {
            let row = EdgeRow {
                client: "a".to_owned(),
                server: server.to_owned(),
                now: Measure {
                    calls,
                    ..Measure::default()
                },
                ..EdgeRow::default()
            };
            Graph::build(&[row], &[])
        };
        let film = film(
            &[frame("b", 60.0), Graph::default(), frame("c", 30.0)],
            60.0,
        );
        let edges: Vec<_> = film
            .edges
            .iter()
            .map(|(_, to, track)| (&*to.name, track.rate.clone(), track.state.clone()))
            .collect();
        assert_eq!(
            edges,
            [
                ("b", vec![1.0, 0.0, 0.0], vec!["ok", "unknown", "unknown"]),
                ("c", vec![0.0, 0.0, 0.5], vec!["unknown", "unknown", "ok"]),
            ]
        );
        assert_eq!(film.nodes.len(), 3);
    }
}
