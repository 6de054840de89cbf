//! `GET /federate`: the newest sample of every series that a selector means, as text that another Prometheus scrapes. What the text cannot say
//! (native histograms) is left out; their classic views can be asked for by name.

use std::fmt::Write as _;

use ::metrics::Value;
use ::metrics::promql::Sample;
use axum::extract::State;
use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::form::Form;
use super::series::selectors;
use super::{marks, number};
use crate::Query;
use crate::api::{marked, tenant_of};
use crate::refusal::{Kind, Refusal};
use crate::work::off_thread;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn federate(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let selectors = selectors(&parameters)?;
    let (tenant, marks) = (tenant_of(&extensions), marks(&query));
    let at = query.0.clock.wall().unix_ms;
    let newest = query.0.promql.newest(&tenant, selectors, at).await?;
    let bytes_max = query.0.config.answer_bytes_max;
    let text = off_thread(move || written(newest, bytes_max)).await?;
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text).into_response();
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

fn written(mut newest: Vec<Sample>, bytes_max: u64) -> Result<String, Refusal> {
    newest.sort_by(|a, b| a.labels.name().cmp(b.labels.name())); // stable: in order of labels within a name
    let (mut text, mut before) = (String::new(), None);
    for sample in &newest {
        let Value::Float(value) = sample.value else {
            continue;
        };
        let labels = &sample.labels;
        let name = plain(labels.name(), true);
        if before.as_ref() != Some(&name) {
            text.push_str(&format!("# TYPE {name} untyped\n"));
        }
        text.push_str(&name);
        text.push('{');
        for (label, value) in labels.iter().filter(|(label, _)| *label != "__name__") {
            // Writing into a String cannot fail.
            let _written = write!(text, "{}=\"", plain(label, false));
            escape(value, &mut text);
            text.push_str("\",");
        }
        // Without its own, a series would be given the instance of this server.
        if labels.get("instance").is_empty() {
            text.push_str("instance=\"\",");
        }
        text.pop();
        text.push_str(&format!(
            "}} {} {}\n",
            number::Float(value),
            sample.at_unix_ms
        ));
        before = Some(name);
        if text.len() as u64 > bytes_max {
            let told = format!("the answer has over {bytes_max} bytes; ask for fewer series");
            return Err(Refusal::new(Kind::TooLarge, told));
        }
    }
    Ok(text)
}

/// A name as the text format lets it be: other characters become `_`.
fn plain(name: &str, with_colon: bool) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || (with_colon && c == ':');
    let mut plain: String = name
        .chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) {
        plain.insert(0, '_');
    }
    plain
}

fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::metrics::Labels;

    use super::*;

    #[test]
    fn the_newest_sample_of_each_series_is_written() {
        let sample = |pairs: &[(&str, &str)], at_unix_ms, value| Sample {
            labels: Labels::new(pairs.iter().copied()),
            at_unix_ms,
            value: Value::Float(value),
        };
        let newest = || {
            vec![
                sample(&[("__name__", "up"), ("job", "a\"b\\\n")], 2, 1.0),
                sample(
                    &[("__name__", "a.b"), ("instance", "i"), ("k8s.pod", "p")],
                    5,
                    f64::NAN,
                ),
                sample(&[("__name__", "calls")], 7, 5.0),
                Sample {
                    value: Value::Histogram(Arc::default()),
                    ..sample(&[("__name__", "native")], 7, 0.0)
                },
            ]
        };
        let expected = "# TYPE a_b untyped\na_b{instance=\"i\",k8s_pod=\"p\"} NaN 5\n\
                        # TYPE calls untyped\ncalls{instance=\"\"} 5 7\n\
                        # TYPE up untyped\nup{job=\"a\\\"b\\\\\\n\",instance=\"\"} 1 2\n";
        assert_eq!(written(newest(), 1_000).expect("text"), expected);
        let too_long = written(newest(), 10).expect_err("too long");
        assert_eq!(too_long.kind, Kind::TooLarge);
    }
}
