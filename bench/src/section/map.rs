//! The map: from rows of edges to places, at the size of a large system, fresh and with an edge in twenty changed.

use std::collections::BTreeSet;

use service_map::diff::diff;
use service_map::graph::Graph;
use service_map::graph::cluster::{Choice, Group, picture};
use service_map::graph::measure::Measure;
use service_map::graph::rows::EdgeRow;
use service_map::layout::{Sketch, Spots, lay_out};
use telemetry::Clock;
use telemetry::histogram::ExpHistogram;

use super::Settings;
use crate::cost::Samples;
use crate::rng::Rng;
use crate::table::Table;

/// Services and edges of the maps that are drawn: one that fits on a screen, one as large systems have, and a very large one.
const SIZES: [(u64, u64); 3] = [(300, 900), (1_238, 4_271), (5_000, 20_000)];
const RANGE_S: f64 = 300.0;

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut table = Table::new(
        "map: rows of edges with histograms to a drawn map, ms of wall time",
        &[
            "services / edges",
            "graph",
            "clusters",
            "drawn",
            "layout",
            "again",
            "diff",
        ],
    );
    for (n_services, n_edges) in SIZES {
        let (n_services, n_edges) = (settings.scaled(n_services), settings.scaled(n_edges));
        table.row(measure(n_services.max(2), n_edges, settings.rounds));
    }
    table.note("median / worst; one thread; clusters: until 300 nodes are left; drawn: nodes, edges; again: with an edge in twenty gone and the places of before");
    Ok(table.print()?)
}

fn measure(n_services: u64, n_edges: u64, rounds: usize) -> Vec<String> {
    let rows = rows(n_services, n_edges);
    let fewer: Vec<EdgeRow> = (0..)
        .zip(&rows)
        .filter(|(at, _)| at % 20 != 0)
        .map(|(_, row)| row.clone())
        .collect();
    let choice = choice();
    let graph = Graph::build(&rows, &[]);
    let fewer = Graph::build(&fewer, &[]);
    let drawn = picture(&graph, &choice);
    let sketch = Sketch::of(&drawn, RANGE_S);
    let mut changed = sketch.clone();
    let mut at = 0;
    changed.edges.retain(|_| {
        at += 1;
        at % 20 != 0
    });
    let spots = lay_out(&sketch, &Spots::new()).spots;
    vec![
        format!("{n_services} / {}", rows.len()),
        timed(rounds, || Graph::build(&rows, &[])),
        timed(rounds, || picture(&graph, &choice)),
        format!("{}, {}", drawn.nodes.len(), drawn.edges.len()),
        timed(rounds, || lay_out(&sketch, &Spots::new())),
        timed(rounds, || lay_out(&changed, &spots)),
        timed(rounds, || diff((&graph, RANGE_S), (&fewer, RANGE_S))),
    ]
}

/// Median and worst of the rounds, in ms.
fn timed<T>(rounds: usize, work: impl Fn() -> T) -> String {
    let clock = Clock::host();
    let mut ms = Samples::default();
    for _ in 0..rounds.max(1) {
        let begin = clock.monotonic();
        std::hint::black_box(work());
        let took = clock.monotonic().saturating_duration_since(begin);
        ms.push(took.as_secs_f64() * 1e3);
    }
    ms.told(1)
}

fn choice() -> Choice {
    Choice::everything(Group::Service, 300, RANGE_S)
}

/// Calls between services of teams of about forty, most of them within one; a few services are called by everyone, and a few edges run backward.
fn rows(n_services: u64, n_edges: u64) -> Vec<EdgeRow> {
    let mut rng = Rng::new(7);
    let mut known = BTreeSet::new();
    let mut rows = Vec::new();
    for _ in 0..n_edges {
        let a = rng.below(n_services);
        let b = if rng.percent(10) {
            rng.below(n_services.min(8))
        } else if rng.percent(85) {
            (a / 40 * 40 + rng.below(40)).min(n_services - 1)
        } else {
            rng.below(n_services)
        };
        let (from, to) = if rng.percent(95) {
            (a.min(b), a.max(b))
        } else {
            (a, b)
        };
        if from != to && known.insert((from, to)) {
            rows.push(row(&mut rng, from, to));
        }
    }
    rows
}

fn row(rng: &mut Rng, from: u64, to: u64) -> EdgeRow {
    let n_calls = 1 + rng.below(10_000) / (1 + rng.below(100));
    let mut durations = ExpHistogram::new();
    for _ in 0..20 {
        durations.observe_weighted(0.001 * (1 + rng.below(500)) as f64, n_calls as f64 / 20.0);
    }
    EdgeRow {
        client: format!("service-{from}"),
        server: format!("service-{to}"),
        now: Measure {
            calls: n_calls as f64,
            client: durations.clone(),
            server: durations,
            ..Measure::default()
        },
        ..EdgeRow::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_measured() {
        let cells = measure(100, 300, 1);
        assert_eq!(cells.len(), 7);
        assert!(cells[0].starts_with("100 / "));
    }
}
