//! `tracewell import FILE…`: sends files to the server, which keeps what they hold with its own times.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Output;
use super::csv::Csv;
use super::print::{self, complain};
use super::remote::{Remote, RemoteError, ask};

pub(super) const EXAMPLES: &str = "Examples:
  tracewell import traces.json
  tracewell import *.json.gz
  tracewell import metrics.pb -o csv";

/// Largest file, in bytes: what a server takes in one request.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Columns of CSV.
const CSV: [&str; 6] = [
    "file",
    "accepted_spans",
    "rejected_spans",
    "accepted_points",
    "rejected_points",
    "message",
];

/// Stops at the first file that is not taken: those before it are kept, and taken once if they are sent again soon.
pub(super) async fn send_all(remote: Remote, files: Vec<PathBuf>) -> Result<(), RemoteError> {
    for (index, file) in files.iter().enumerate() {
        let request = remote.post("/api/tracewell/v1/import").body(read(file)?);
        let answer = ask(request).await.map_err(|error| error.of_file(file))?;
        let mut taken: Value = answer.read()?;
        taken["file"] = json!(file.display().to_string());
        if remote.output != Output::Table {
            let place = format!("{}/{}", index + 1, files.len());
            complain(format_args!("{place} {}", sentence(&taken)));
        }
        let is_read = match remote.output {
            Output::Table => print::line(sentence(&taken)),
            Output::Json => print::line(taken),
            Output::Yaml => print::line("---") && print::yaml(&taken),
            Output::Csv => {
                let csv = Csv::of_items(&CSV, [&taken]);
                if index == 0 {
                    csv.print()
                } else {
                    csv.print_rows()
                }
            }
        };
        if !is_read {
            break;
        }
    }
    Ok(())
}

/// What became of a file, for a person.
fn sentence(taken: &Value) -> String {
    let count = |key: &str| taken[key].as_u64().unwrap_or(0);
    let mut parts = Vec::new();
    for (what, accepted, rejected) in [
        ("spans", "accepted_spans", "rejected_spans"),
        ("points", "accepted_points", "rejected_points"),
    ] {
        if count(accepted) + count(rejected) > 0 {
            parts.push(format!(
                "{} {what} accepted, {} rejected",
                count(accepted),
                count(rejected)
            ));
        }
    }
    if parts.is_empty() {
        parts.push("nothing in it".to_owned());
    }
    let mut sentence = format!(
        "{}: {}",
        print::Safe(taken["file"].as_str().unwrap_or("")),
        parts.join("; ")
    );
    if let Some(why) = taken["message"].as_str().filter(|why| !why.is_empty()) {
        sentence.push_str(&format!(": {}", print::Safe(why)));
    }
    sentence
}

fn read(file: &Path) -> Result<Vec<u8>, RemoteError> {
    let told = |what: String| RemoteError::BadInput(format!("{}: {what}", file.display()));
    let size_bytes = std::fs::metadata(file)
        .map_err(|error| told(error.to_string()))?
        .len();
    if size_bytes > FILE_BYTES_MAX {
        return Err(told(format!(
            "{size_bytes} bytes, over the limit of {FILE_BYTES_MAX}; compress it, or cut it into smaller ones"
        )));
    }
    std::fs::read(file).map_err(|error| told(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_file_is_a_sentence() {
        for (taken, told) in [
            (
                json!({"file": "a", "accepted_spans": 3, "rejected_spans": 0}),
                "a: 3 spans accepted, 0 rejected",
            ),
            (
                json!({"file": "a", "accepted_points": 1, "rejected_points": 2, "message": "why"}),
                "a: 1 points accepted, 2 rejected: why",
            ),
            (
                json!({"file": "a", "accepted_spans": 0}),
                "a: nothing in it",
            ),
        ] {
            assert_eq!(sentence(&taken), told);
        }
    }
}
