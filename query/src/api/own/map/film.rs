//! `/map/frames`: a range of time step by step, for the scrubber under the map.

use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use serde::Serialize;
use service_map::graph::cluster::{Picture, Plan};
use service_map::graph::frames::{FRAMES_MAX, Film, Track, film};
use telemetry::RecordTime;

use super::super::Frame;
use super::asked::{Asked, queries};
use super::{marks_to, versioned, written};
use crate::Query;
use crate::api::tenant_of;
use crate::map::range::{Range, WINDOW_MS};
use crate::map::rows::{Rows, baseline};
use crate::map::tally::{Tally, steps};
use crate::read::parameters::Parameters;
use crate::read::time;
use crate::refusal::Refusal;
use crate::work::off_thread;

/// Step of a film that names none.
const STEP_MS: i64 = 60_000;

#[derive(Serialize)]
struct Shown {
    /// When each begins.
    frames: Vec<String>,
    /// Seconds from one to the next.
    step: f64,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct Node {
    id: String,
    #[serde(flatten)]
    track: Numbers,
}

#[derive(Serialize)]
struct Edge {
    from: String,
    to: String,
    #[serde(flatten)]
    track: Numbers,
}

#[derive(Serialize)]
struct Numbers {
    rate: Vec<f64>,
    error_ratio: Vec<Option<f64>>,
    p95: Vec<Option<f64>>,
    state: Vec<&'static str>,
}

pub(super) async fn frames(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let range = Range::of_list(&parameters, time::unix_ns(query.0.clock.wall()))?;
    let asked = Asked::read_with(&parameters, &query.0.map, range)?;
    let step_ms = step(&parameters, range)?;
    let tenant = tenant_of(&extensions);
    let mut marks = marks_to(&query, range);
    let tallies = steps(&query, &tenant, range, step_ms, Some(&mut marks)).await?;
    let base = baseline(&query, &tenant, range, &mut marks).await?;
    let known = query.0.maps.communities(&tenant, range.scale());
    let (film, n_frames, is_limited) = off_thread(move || {
        let graphs: Vec<_> = tallies
            .iter()
            .map(|one| Rows::of(one, &base).graph())
            .collect();
        let all = graphs.iter().map(|graph| graph.n_refused()).sum::<u64>();
        let whole = Rows::of(&Tally::sum(tallies), &base).graph();
        let plan = Plan::of(&whole, &asked.choice(), known);
        let pictures: Vec<Picture> = graphs.iter().map(|graph| plan.draw(graph)).collect();
        let film = film(&pictures, step_ms as f64 / 1_000.0);
        Ok((film, pictures.len(), all + whole.n_refused() > 0))
    })
    .await?;
    marks.limited(is_limited);
    let frame = Frame {
        queries: queries(range),
        ..Frame::shared(&marks)
    };
    let body =
        off_thread(move || written(&Shown::of(film, range, step_ms, n_frames, frame))).await?;
    Ok(versioned(&query, &marks, body, &headers))
}

fn step(parameters: &Parameters, range: Range) -> Result<i64, Refusal> {
    let ns = parameters.duration_ns("step")?;
    let step_ms = ns.map_or(STEP_MS, |ns| {
        i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
    });
    if step_ms < WINDOW_MS {
        return Err(Refusal::invalid(
            "'step' is at least 10s: calls are counted in windows of that length",
        ));
    }
    let length_ms = range.to_ms.saturating_sub(range.from_ms);
    let n = length_ms.saturating_add(step_ms.saturating_sub(1)) / step_ms;
    if usize::try_from(n).unwrap_or(usize::MAX) > FRAMES_MAX {
        return Err(Refusal::invalid(format!(
            "{n} frames, at most {FRAMES_MAX} are made: use a longer step or a shorter range"
        )));
    }
    Ok(step_ms)
}

impl Shown {
    fn of(film: Film, range: Range, step_ms: i64, n_frames: usize, frame: Frame) -> Self {
        let begins = (0..n_frames as i64).map(|n| {
            let unix_ms = range.from_ms.saturating_add(n.saturating_mul(step_ms));
            time::rfc3339(RecordTime { unix_ms })
        });
        let node = |(id, track): (String, Track)| Node {
            id,
            track: Numbers::of(track),
        };
        let edge = |((from, to), track): ((String, String), Track)| Edge {
            from,
            to,
            track: Numbers::of(track),
        };
        Self {
            frames: begins.collect(),
            step: step_ms as f64 / 1_000.0,
            nodes: film.nodes.into_iter().map(node).collect(),
            edges: film.edges.into_iter().map(edge).collect(),
            frame,
        }
    }
}

impl Numbers {
    fn of(track: Track) -> Self {
        Self {
            rate: track.rate,
            error_ratio: track.error_ratio,
            p95: track.p95,
            state: track.state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_bounded_on_both_sides() {
        let range = Range {
            from_ms: 0,
            to_ms: 3_600_000,
        };
        let of = |query: &str| step(&Parameters::of_query(Some(query)).expect("short"), range);
        assert_eq!(of(""), Ok(60_000));
        assert_eq!(of("step=15s"), Ok(15_000));
        for (query, why) in [("step=9s", "at least 10s"), ("step=10s", "360 frames")] {
            let told = of(query).expect_err(query).to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
