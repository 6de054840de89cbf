//! `tracewell map`: who calls whom, as a table or as data.

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::Output;
use super::columns::{Columns, percent, rate, seconds};
use super::csv::{Csv, items};
use super::print::{self, Safe, complain};
use super::remote::{Answer, Parameters, Remote, RemoteError, ask};

pub(super) const EXAMPLES: &str = "Examples:
  tracewell map                                 the last 5 minutes
  tracewell map --only problems
  tracewell map --focus checkout --hops 2       what is near a service
  tracewell map --at 2026-11-25T14:02:00Z       as it was
  tracewell map --group namespace -o json | jq .clusters";

/// What of the map.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// An instant: the 5 minutes before it. now-1h, RFC 3339, or ms since 1970
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"])]
    at: Option<String>,
    /// Begin of a range
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End of the range
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// A service, or an id as the map has it; may be repeated
    #[arg(long, value_name = "ID")]
    focus: Vec<String>,
    /// Calls that what is near may be away, 1 to 3
    #[arg(long, value_name = "N")]
    hops: Option<u32>,
    /// Only this
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// A part of names, in any case
    #[arg(long = "match", value_name = "TEXT")]
    matching: Option<String>,
    /// Only what runs in this environment
    #[arg(long)]
    env: Option<String>,
    /// What is put together
    #[arg(long, value_enum)]
    group: Option<Group>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Problems,
    Changed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    Service,
    Namespace,
    Team,
    Community,
    Host,
    None,
}

#[derive(Debug, Deserialize)]
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    hidden: Hidden,
    why_empty: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Edge {
    from: String,
    to: String,
    rate: f64,
    error_ratio: Option<f64>,
    client_p95: Option<f64>,
    server_p95: Option<f64>,
    r#async: bool,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Hidden {
    filter: usize,
    clustered: usize,
}

/// Fields of a call that are columns of CSV.
const CSV: [&str; 8] = [
    "from",
    "to",
    "async",
    "state",
    "rate",
    "error_ratio",
    "client_p95",
    "server_p95",
];

impl Which {
    /// Only who draws the map needs to know where things stand on it.
    fn parameters(&self, output: Output) -> Parameters {
        let is_drawn = matches!(output, Output::Json | Output::Yaml);
        Parameters::default()
            .with("at", self.at.as_ref())
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .each("focus", &self.focus)
            .with("hops", self.hops)
            .choice("only", self.only)
            .with("q", self.matching.as_ref())
            .with("env", self.env.as_ref())
            .choice("group", self.group)
            .with("layout", (!is_drawn).then_some(false))
    }
}

pub(super) async fn show(remote: Remote, which: Which) -> Result<(), RemoteError> {
    let parameters = which.parameters(remote.output);
    let answer = ask(remote.get("/api/tracewell/v1/map", parameters)).await?;
    remote.show(&answer, csv, print_table)
}

fn csv(answer: &Answer) -> Result<Csv, RemoteError> {
    Ok(Csv::of_items(&CSV, items(&answer.read()?, "edges")))
}

fn print_table(answer: &Answer) -> Result<(), RemoteError> {
    let graph: Graph = answer.read()?;
    if let Some(why) = &graph.why_empty {
        complain(Safe(why));
        return Ok(());
    }
    if !graph.edges.is_empty() {
        let _all = table(&graph).lines().iter().all(print::line);
    }
    for told in beside(&graph) {
        complain(told);
    }
    Ok(())
}

/// A line for each call, the busiest of a caller first.
fn table(graph: &Graph) -> Columns {
    let mut edges: Vec<&Edge> = graph.edges.iter().collect();
    edges.sort_by(|a, b| {
        let callers = a.from.cmp(&b.from);
        callers
            .then(b.rate.total_cmp(&a.rate))
            .then_with(|| a.to.cmp(&b.to))
    });
    let mut columns = Columns::new(&[
        "FROM",
        "",
        "TO",
        "STATE",
        "RATE/S",
        "ERRORS",
        "CLIENT P95",
        "SERVER P95",
    ]);
    for edge in edges {
        let arrow = if edge.r#async { "⇢" } else { "→" };
        columns.row(vec![
            Safe(&edge.from).to_string(),
            arrow.to_owned(),
            Safe(&edge.to).to_string(),
            Safe(&edge.state).to_string(),
            rate(edge.rate),
            percent(edge.error_ratio),
            seconds(edge.client_p95),
            seconds(edge.server_p95),
        ]);
    }
    columns
}

/// What the table does not show: who calls nobody, and what is hidden.
fn beside(graph: &Graph) -> Vec<String> {
    let has_calls = |id: &str| graph.edges.iter().any(|e| e.from == id || e.to == id);
    let alone: Vec<&str> = graph
        .nodes
        .iter()
        .map(|node| node.id.as_str())
        .filter(|id| !has_calls(id))
        .collect();
    let mut told = Vec::new();
    if !alone.is_empty() {
        told.push(format!("without calls: {}", Safe(&alone.join(", "))));
    }
    if graph.hidden.filter > 0 {
        told.push(format!("{} are hidden by the filter", graph.hidden.filter));
    }
    if graph.hidden.clustered > 0 {
        told.push(format!(
            "{} are inside clusters; --group none shows the most important ones by themselves",
            graph.hidden.clustered
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        serde_json::from_str(
            r#"{"nodes":[{"id":"service:a"},{"id":"service:b"},{"id":"service:z"}],
                "edges":[{"from":"service:a","to":"service:b","rate":2.0,"error_ratio":0.0,"client_p95":0.02,"server_p95":null,"async":false,"state":"ok"},
                         {"from":"service:a","to":"queue:q","rate":3.0,"error_ratio":null,"client_p95":null,"server_p95":null,"async":true,"state":"ok"}],
                "hidden":{"filter":2,"clustered":0}}"#,
        )
        .expect("valid")
    }

    #[test]
    fn calls_are_a_table_the_busiest_first() {
        assert_eq!(
            table(&graph()).lines(),
            [
                "FROM          TO         STATE  RATE/S  ERRORS  CLIENT P95  SERVER P95",
                "service:a  ⇢  queue:q    ok       3.00       –           –           –",
                "service:a  →  service:b  ok       2.00     0 %     20.0 ms           –",
            ]
        );
    }

    #[test]
    fn what_the_table_lacks_is_told() {
        assert_eq!(
            beside(&graph()),
            ["without calls: service:z", "2 are hidden by the filter"]
        );
    }
}
