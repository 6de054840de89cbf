//! `tracewell map`: who calls whom, as a table or as the server's own JSON.

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::Output;
use super::columns::{Columns, percent, rate, seconds};
use super::print::{self, Safe, complain};
use super::remote::{RemoteError, client, send};

pub(super) const EXAMPLES: &str = "Examples:
  tracewell map                                 the last 5 minutes
  tracewell map --only problems
  tracewell map --focus checkout --hops 2       what is near a service
  tracewell map --at 2026-11-25T14:02:00Z       as it was
  tracewell map --group namespace --json | jq .clusters";

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
    /// What is put together
    #[arg(long, value_enum)]
    group: Option<Group>,
    /// The same as -o json
    #[arg(long)]
    json: bool,
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
    Community,
    Host,
    None,
}

#[derive(Debug, Deserialize)]
struct Answer {
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

impl Which {
    fn parameters(&self, with_layout: bool) -> Vec<(&'static str, String)> {
        let only = self.only.map(|only| match only {
            Only::Problems => "problems",
            Only::Changed => "changed",
        });
        let group = self.group.map(|group| match group {
            Group::Service => "service",
            Group::Namespace => "namespace",
            Group::Community => "community",
            Group::Host => "host",
            Group::None => "none",
        });
        let focus = self.focus.iter().map(|id| ("focus", Some(id.clone())));
        [
            ("at", self.at.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("hops", self.hops.map(|hops| hops.to_string())),
            ("only", only.map(str::to_owned)),
            ("q", self.matching.clone()),
            ("group", group.map(str::to_owned)),
            ("layout", (!with_layout).then(|| "false".to_owned())),
        ]
        .into_iter()
        .chain(focus)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

pub(super) async fn show(url: &str, which: &Which, output: Output) -> Result<(), RemoteError> {
    let is_json = which.json || output == Output::Json;
    let request = client().get(format!("{url}/api/tracewell/v1/map"));
    let response = send(request.query(&which.parameters(is_json))).await?;
    let address = response.url().to_string();
    let unreadable = |what: String| RemoteError::BadAnswer {
        url: address.clone(),
        what,
    };
    let text = response
        .text()
        .await
        .map_err(|error| unreadable(error.to_string()))?;
    if is_json {
        print::line(text);
        return Ok(());
    }
    let answer: Answer =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    if let Some(why) = &answer.why_empty {
        complain(Safe(why));
        return Ok(());
    }
    let _all = table(&answer).lines().iter().all(print::line);
    for told in beside(&answer) {
        complain(told);
    }
    Ok(())
}

/// A line for each call, the busiest of a caller first.
fn table(answer: &Answer) -> Columns {
    let mut edges: Vec<&Edge> = answer.edges.iter().collect();
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
fn beside(answer: &Answer) -> Vec<String> {
    let has_calls = |id: &str| answer.edges.iter().any(|e| e.from == id || e.to == id);
    let alone: Vec<&str> = answer
        .nodes
        .iter()
        .map(|node| node.id.as_str())
        .filter(|id| !has_calls(id))
        .collect();
    let mut told = Vec::new();
    if !alone.is_empty() {
        told.push(format!("without calls: {}", Safe(&alone.join(", "))));
    }
    if answer.hidden.filter > 0 {
        told.push(format!("{} are hidden by the filter", answer.hidden.filter));
    }
    if answer.hidden.clustered > 0 {
        told.push(format!(
            "{} are inside clusters; --group none shows the most important ones by themselves",
            answer.hidden.clustered
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
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
            table(&answer()).lines(),
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
            beside(&answer()),
            ["without calls: service:z", "2 are hidden by the filter"]
        );
    }
}
