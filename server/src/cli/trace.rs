//! `tracewell trace ID`: one trace as a tree, or as data.

use serde::Deserialize;
use telemetry::TraceId;

use super::print::{self, Safe};
use super::remote::{Answer, Parameters, Remote, RemoteError, ask};
use super::tree::{self, Traces};

/// What stands beside the spans in the answer of `/api/tracewell/v1/traces/{id}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facts {
    state: String,
    rule: Option<String>,
    adjusted_count: Option<f64>,
}

pub(super) async fn show(remote: Remote, id: String) -> Result<(), RemoteError> {
    let id = TraceId::parse_padded(id.trim())
        .map_err(|error| RemoteError::BadUsage(format!("{id:?} is no trace id: {error}")))?;
    let path = format!("/api/tracewell/v1/traces/{id}");
    let answer = ask(remote.get(&path, Parameters::default())).await?;
    let csv = |answer: &Answer| Ok(tree::csv(&answer.read()?));
    remote.show(&answer, csv, |answer| print_tree(id, answer))
}

fn print_tree(id: TraceId, answer: &Answer) -> Result<(), RemoteError> {
    let traces: Traces = answer.read()?;
    let facts: Facts = answer.read()?;
    let lines = tree::lines(&traces);
    let spans = if lines.len() == 1 { "span" } else { "spans" };
    let head = format!("trace {id}  {} {spans}  {}", lines.len(), sampling(&facts));
    let _all = print::line(head) && lines.iter().all(print::line);
    Ok(())
}

/// What became of the trace and why, in words.
fn sampling(facts: &Facts) -> String {
    let mut words = if facts.state.is_empty() {
        "state unknown".to_owned()
    } else {
        facts.state.clone()
    };
    if let Some(rule) = &facts.rule {
        words.push_str(&format!(" by rule {}", Safe(rule)));
    }
    if let Some(count) = facts.adjusted_count.filter(|count| *count > 1.0) {
        words.push_str(&format!(", stands for {count:.1} traces"));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_is_told_in_words() {
        let facts = |state: &str, rule: Option<&str>, adjusted_count| Facts {
            state: state.to_owned(),
            rule: rule.map(str::to_owned),
            adjusted_count,
        };
        assert_eq!(
            sampling(&facts("kept", Some("rest"), Some(100.05))),
            "kept by rule rest, stands for 100.0 traces"
        );
        assert_eq!(
            sampling(&facts("kept", Some("errors"), Some(1.0))),
            "kept by rule errors"
        );
        assert_eq!(sampling(&facts("undecided", None, None)), "undecided");
    }
}
