//! `tracewell trace ID`: one trace as a tree, or as the server's own JSON.

use serde::Deserialize;

use super::Output;
use super::print::{self, Safe};
use super::remote::{RemoteError, client, send};
use super::tree::{self, Traces};

/// What stands beside the spans in the answer of `/api/tracewell/v1/traces/{id}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facts {
    state: String,
    rule: Option<String>,
    adjusted_count: Option<f64>,
}

pub(super) async fn show(url: &str, id: &str, output: Output) -> Result<(), RemoteError> {
    let id = telemetry::TraceId::parse_padded(id.trim())
        .map_err(|error| RemoteError::BadInput(format!("{id:?} is no trace id: {error}")))?;
    let response = send(client().get(format!("{url}/api/tracewell/v1/traces/{id}"))).await?;
    let address = response.url().to_string();
    let unreadable = |what: String| RemoteError::BadAnswer {
        url: address.clone(),
        what,
    };
    let text = response
        .text()
        .await
        .map_err(|error| unreadable(error.to_string()))?;
    if output == Output::Json {
        print::line(text);
        return Ok(());
    }
    let traces: Traces =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let facts: Facts =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let lines = tree::lines(&traces);
    print::line(format_args!(
        "trace {id}  {} spans  {}",
        lines.len(),
        sampling(&facts)
    ));
    let _all = lines.iter().all(print::line);
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
