//! What a file holds, told apart by its content. In: unpacked bytes. Out: the requests in it, each OTLP of one kind, in the order of the file.

use std::collections::BTreeMap;

use axum::body::Bytes;
use collector::{Format, Holds, ImportError};
use serde::de::IgnoredAny;

use super::{jaeger, protobuf, refusal};

/// Documents of JSON that one file has at most.
const DOCUMENTS_MAX: usize = 100_000;

/// One request of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub(super) holds: Holds,
    pub(super) format: Format,
    pub(super) body: Bytes,
}

/// What is in a file: OTLP protobuf, or documents of JSON one after the other, as exporters to files write them a line each.
pub(super) fn parts(content: &Bytes) -> Result<Vec<Part>, ImportError> {
    let without_mark = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = content.slice_ref(without_mark.trim_ascii());
    // An OTLP protobuf body begins with the key of its first field, 0x0a, or is empty.
    if text.first() != Some(&b'{') {
        let (holds, format) = (protobuf::holds(content), Format::Protobuf);
        let body = content.clone();
        return Ok(vec![Part {
            holds,
            format,
            body,
        }]);
    }
    let mut parts = Vec::new();
    let mut documents = serde_json::Deserializer::from_slice(&text).into_iter();
    for n in 0..DOCUMENTS_MAX {
        let begin = documents.byte_offset();
        let Some(keys) = documents.next() else {
            return Ok(parts);
        };
        let end = documents.byte_offset();
        match keys {
            Ok(keys) => document(&keys, text.slice(begin..end), &mut parts)
                .map_err(|error| numbered(n, error))?,
            Err(error) => return Err(numbered(n, refusal(400, error.to_string()))),
        }
    }
    let problem = format!("more than {DOCUMENTS_MAX} documents; cut the file into smaller ones");
    Err(refusal(413, problem))
}

/// The names at the top of a document, which tell formats apart.
type Keys = BTreeMap<String, IgnoredAny>;

fn document(keys: &Keys, body: Bytes, parts: &mut Vec<Part>) -> Result<(), ImportError> {
    let format = Format::Json;
    if keys.contains_key("data") {
        let otlp = jaeger::to_otlp_json(&body).map_err(|error| refusal(400, error.to_string()))?;
        let (holds, body) = (Holds::Traces, Bytes::from(otlp.to_string()));
        parts.push(Part {
            holds,
            format,
            body,
        });
        return Ok(());
    }
    let before = parts.len();
    for (key, holds) in [
        ("resourceSpans", Holds::Traces),
        ("resourceMetrics", Holds::Metrics),
    ] {
        if keys.contains_key(key) {
            let body = body.clone();
            parts.push(Part {
                holds,
                format,
                body,
            });
        }
    }
    match keys.first_key_value() {
        Some((name, _)) if parts.len() == before => Err(refusal(400, unknown(name))),
        _ => Ok(()),
    }
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    format!(
        "{name:?} is not read: a file has resourceSpans or resourceMetrics (OTLP) or data (Jaeger)"
    )
}

/// The same about a document that is not the first: what came before it is not taken either.
fn numbered(n: usize, error: ImportError) -> ImportError {
    match n {
        0 => error,
        _ => refusal(
            error.http_status,
            format!("document {}: {}", n + 1, error.message),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(content: &[u8]) -> Result<Vec<(Holds, Format, String)>, String> {
        let parts = parts(&Bytes::copy_from_slice(content)).map_err(|error| error.message)?;
        let told = |part: Part| {
            let body = String::from_utf8_lossy(&part.body).trim().to_owned();
            (part.holds, part.format, body)
        };
        Ok(parts.into_iter().map(told).collect())
    }

    #[track_caller]
    fn check(content: &[u8], expected: &[(Holds, Format, &str)]) {
        let found = parts_of(content).expect("readable");
        let found: Vec<_> = found.iter().map(|(h, f, b)| (*h, *f, b.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn files_are_told_apart_by_their_content() {
        use Format::{Json, Protobuf};
        use Holds::{Metrics, Traces};
        let (spans, metrics) = (r#"{"resourceSpans":[]}"#, r#"{"resourceMetrics":[{}]}"#);
        check(
            b"\x0a\x02\x0a\x00",
            &[(Traces, Protobuf, "\n\u{2}\n\u{0}".trim())],
        );
        check(b"", &[(Traces, Protobuf, "")]);
        check(b"{}", &[]);
        check(b" {\"resourceSpans\":[]}\n", &[(Traces, Json, spans)]);
        check(metrics.as_bytes(), &[(Metrics, Json, metrics)]);
        check("\u{feff}{\"data\":[]}".as_bytes(), &[(Traces, Json, spans)]);
        let lines = format!("{spans}\n{metrics}\r\n\n{spans}");
        check(
            lines.as_bytes(),
            &[
                (Traces, Json, spans),
                (Metrics, Json, metrics),
                (Traces, Json, spans),
            ],
        );
        let both = r#"{"resourceSpans":[],"resourceMetrics":[]}"#;
        check(
            both.as_bytes(),
            &[(Traces, Json, both), (Metrics, Json, both)],
        );
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_reason() {
        for (content, told) in [
            (r#"{"data":[{"spans":[{}]}]}"#, "traceID"),
            (r#"{"resourceLogs":[]}"#, "\"resourceLogs\" is not read"),
            (
                "{\"resourceSpans\":[]}\n{\"x\":1}",
                "document 2: \"x\" is not read",
            ),
            ("{\"resourceSpans\":[]} 7", "document 2: "),
            ("{\"resourceSpans\":", "EOF"),
        ] {
            let error = parts_of(content.as_bytes()).expect_err(content);
            assert!(error.contains(told), "{content}: {error}");
        }
    }
}
