//! `GET /federate`: the newest sample of every series that a selector means, as text that another Prometheus scrapes. What the text cannot say
//! (native histograms) is left out; their classic views can be asked for by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ::metrics::{Labels, Points, SelectOptions, SeriesData, Value};
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
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

pub(super) async fn federate(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let selectors = selectors(&parameters)?;
    let (tenant, marks) = (tenant_of(&extensions), marks(&query));
    let to = query.0.clock.wall().unix_ms;
    let lookback_ms = query.0.promql.config().lookback.as_millis();
    let from = to.saturating_sub(i64::try_from(lookback_ms).unwrap_or(i64::MAX));
    let options = SelectOptions {
        all_windows: true,
        ..SelectOptions::default()
    };
    let mut newest: BTreeMap<Labels, (i64, f64)> = BTreeMap::new();
    for matchers in selectors {
        let store = &query.0.series;
        let found = store.select(&tenant, &matchers, from, to, options).await?;
        let found = off_thread(move || {
            Ok(found
                .into_iter()
                .filter_map(|one| newest_of(one, from))
                .collect::<Vec<_>>())
        });
        newest.extend(found.await?);
    }
    let bytes_max = query.0.config.answer_bytes_max;
    let text = off_thread(move || written(&newest, bytes_max)).await?;
    let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text).into_response();
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

/// The newest number of a series after `from`; none if it ended or has no numbers.
fn newest_of(series: SeriesData, from: i64) -> Option<(Labels, (i64, f64))> {
    let (at, value) = match series.points {
        Points::Samples(samples) => {
            let float = samples.floats.last().copied()?;
            let is_newest = samples
                .histograms
                .last()
                .is_none_or(|(at, _)| *at < float.0);
            is_newest.then_some(float)?
        }
        Points::Windows(windows) => {
            let mut sum = 0.0;
            for window in &windows {
                match window.value {
                    Value::Float(value) => sum += value,
                    Value::Histogram(_) => return None,
                }
            }
            (windows.last()?.end_unix_ms, sum)
        }
    };
    (at > from && value.to_bits() != STALE_BITS).then_some((series.labels, (at, value)))
}

fn written(newest: &BTreeMap<Labels, (i64, f64)>, bytes_max: u64) -> Result<String, Refusal> {
    let mut rows: Vec<_> = newest.iter().collect();
    rows.sort_by_key(|(labels, _)| labels.name());
    let (mut text, mut before) = (String::new(), None);
    for (labels, (at, value)) in rows {
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
        text.push_str(&format!("}} {} {at}\n", number::Float(*value)));
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
    use ::metrics::{Samples, Window};

    use super::*;

    fn series(pairs: &[(&str, &str)], points: Points) -> SeriesData {
        SeriesData {
            labels: Labels::new(pairs.iter().copied()),
            points,
        }
    }

    fn floats(floats: &[(i64, f64)]) -> Points {
        Points::Samples(Samples {
            floats: floats.to_vec(),
            histograms: vec![],
        })
    }

    #[test]
    fn the_newest_sample_of_each_series_is_written() {
        let window = |start_unix_ms, end_unix_ms, value| Window {
            start_unix_ms,
            end_unix_ms,
            value: Value::Float(value),
        };
        let all = [
            series(
                &[("__name__", "up"), ("job", "a\"b\\\n")],
                floats(&[(1, 0.0), (2, 1.0)]),
            ),
            series(
                &[("__name__", "a.b"), ("instance", "i"), ("k8s.pod", "p")],
                floats(&[(5, f64::NAN)]),
            ),
            series(
                &[("__name__", "gone")],
                floats(&[(4, f64::from_bits(STALE_BITS))]),
            ),
            series(&[("__name__", "old")], floats(&[(0, 1.0)])),
            series(
                &[("__name__", "calls")],
                Points::Windows(vec![window(0, 1, 2.0), window(6, 7, 3.0)]),
            ),
        ];
        let newest = all
            .into_iter()
            .filter_map(|one| newest_of(one, 0))
            .collect();
        let expected = "# TYPE a_b untyped\na_b{instance=\"i\",k8s_pod=\"p\"} NaN 5\n\
                        # TYPE calls untyped\ncalls{instance=\"\"} 5 7\n\
                        # TYPE up untyped\nup{job=\"a\\\"b\\\\\\n\",instance=\"\"} 1 2\n";
        assert_eq!(written(&newest, 1_000).expect("text"), expected);
        assert_eq!(
            written(&newest, 10).expect_err("too long").kind,
            Kind::TooLarge
        );
    }
}
