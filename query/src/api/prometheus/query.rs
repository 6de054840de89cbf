//! Queries in PromQL. In: a text and the instants it is asked at. Out: scalars, vectors and matrices.

use std::time::{Duration, Instant};

use ::metrics::promql::{Answer as Found, PromqlError, QueryOptions, QueryRange, Value};
use axum::extract::State;
use axum::http::Extensions;
use axum::response::Response;

use super::envelope::{Answer, CUT};
use super::form::Form;
use super::series::limit;
use super::times::{duration_of, instant_of, invalid};
use super::{marks, value};
use crate::Query;
use crate::api::tenant_of;
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;
use crate::work::off_thread;

/// What both kinds of queries may say beside their text and times.
struct Asked {
    text: String,
    options: QueryOptions,
    /// Series of the answer at most; 0 is no limit.
    limit: usize,
    /// Whether the answer says what it cost.
    stats: bool,
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        let positive = |name| match duration_of(parameters, name)? {
            Some(ms) if ms <= 0 => Err(invalid(name, "a duration here is longer than nothing")),
            ms => Ok(ms.map(|ms| Duration::from_millis(ms.unsigned_abs()))),
        };
        Ok(Self {
            text: parameters.text("query").unwrap_or_default().to_owned(),
            options: QueryOptions {
                lookback: positive("lookback_delta")?,
                timeout: positive("timeout")?,
                samples_max: None,
            },
            limit: limit(parameters)?,
            stats: parameters.text("stats").is_some(),
        })
    }
}

/// `GET`, `POST /query`.
pub(super) async fn instant(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&parameters)?;
    let at = instant_of(&parameters, "time", query.0.clock.wall().unix_ms)?;
    let (marks, began) = (marks(&query), query.0.clock.monotonic());
    let (engine, tenant) = (&query.0.promql, tenant_of(&extensions));
    let found = engine.instant(&tenant, &asked.text, at, asked.options);
    let found = found.await.map_err(named)?;
    answer(&query, asked, found, began)
        .await?
        .sent(&query, &marks)
}

/// `GET`, `POST /query_range`.
pub(super) async fn range(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&parameters)?;
    let range = instants(&parameters)?;
    let (marks, began) = (marks(&query), query.0.clock.monotonic());
    let (engine, tenant) = (&query.0.promql, tenant_of(&extensions));
    let found = engine.range(&tenant, &asked.text, range, asked.options);
    let found = found.await.map_err(named)?;
    answer(&query, asked, found, began)
        .await?
        .sent(&query, &marks)
}

fn instants(parameters: &Parameters) -> Result<QueryRange, Refusal> {
    let required = |name| match parameters.text(name) {
        Some(_) => instant_of(parameters, name, 0),
        None => Err(invalid(name, "cannot parse \"\" to a valid timestamp")),
    };
    let (start, end) = (required("start")?, required("end")?);
    if end < start {
        return Err(invalid(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let step = duration_of(parameters, "step")?;
    let step = step.ok_or_else(|| invalid("step", "cannot parse \"\" to a valid duration"))?;
    if step <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(invalid("step", why));
    }
    Ok(QueryRange {
        start_unix_ms: start,
        end_unix_ms: end,
        step_ms: step,
    })
}

/// A text that is no query is the fault of its parameter.
pub(super) fn named(error: PromqlError) -> Refusal {
    match error {
        error @ PromqlError::Parse { .. } => invalid("query", &error.to_string()),
        error => error.into(),
    }
}

async fn answer(
    query: &Query,
    asked: Asked,
    mut found: Found,
    began: Instant,
) -> Result<Answer, Refusal> {
    let cut = cut(&mut found.value, asked.limit);
    let stats = asked.stats.then(|| value::Stats {
        total_s: query
            .0
            .clock
            .monotonic()
            .saturating_duration_since(began)
            .as_secs_f64(),
        n_samples: found.n_samples,
    });
    let bytes_max = query.0.config.answer_bytes_max;
    let data = off_thread(move || value::written(&found.value, stats, bytes_max)).await?;
    let mut answer = Answer::of_json(data);
    answer.warnings = found.warnings;
    answer.infos = found.infos;
    if cut {
        answer.warnings.push(CUT.to_owned());
    }
    Ok(answer)
}

/// Cuts series at `limit`, 0 being none.
fn cut(value: &mut Value, limit: usize) -> bool {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let n = match value {
        Value::Vector(samples) => {
            let n = samples.len();
            samples.truncate(limit);
            n
        }
        Value::Matrix(series) => {
            let n = series.len();
            series.truncate(limit);
            n
        }
        Value::Scalar { .. } | Value::String { .. } => 0,
    };
    n > limit
}
