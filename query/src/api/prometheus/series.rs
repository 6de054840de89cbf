//! What series there are: their labels, names of labels, and values of one. In: selectors and a range. Out: sorted lists.

use std::collections::BTreeSet;

use ::metrics::promql::parse_matchers;
use ::metrics::{Labels, Matcher};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Extensions;
use axum::response::Response;
use serde_json::{Map, Value};

use super::envelope::{Answer, CUT};
use super::form::Form;
use super::label_name;
use super::marks;
use super::out::Out;
use super::times::{EARLIEST_MS, LATEST_MS, instant_of, invalid};
use crate::Query;
use crate::api::tenant_of;
use crate::read::parameters::{Parameters, shortened};
use crate::refusal::Refusal;
use crate::work::off_thread;

/// Selectors of one request at most.
const SELECTORS_MAX: usize = 64;

/// What `series`, `labels` and `values` are asked for.
struct Asked {
    /// A series is meant if one of them fits; none of them means all.
    selectors: Vec<Vec<Matcher>>,
    /// (from, to] in unix ms.
    from_ms: i64,
    to_ms: i64,
    /// Lines of the answer at most; 0 is no limit.
    limit: usize,
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self, Refusal> {
        let start = instant_of(parameters, "start", EARLIEST_MS)?;
        let end = instant_of(parameters, "end", LATEST_MS)?;
        if end < start {
            return Err(Refusal::invalid(
                "end timestamp must not be before start time",
            ));
        }
        Ok(Self {
            selectors: selectors(parameters)?,
            from_ms: start.saturating_sub(1),
            to_ms: end,
            limit: limit(parameters)?,
        })
    }

    /// The selectors, or the one that means everything.
    fn or_all(&self) -> Vec<Vec<Matcher>> {
        if self.selectors.is_empty() {
            vec![vec![]]
        } else {
            self.selectors.clone()
        }
    }
}

/// `limit`: 0 and no word are none.
pub(super) fn limit(parameters: &Parameters) -> Result<usize, Refusal> {
    let read = |text: &str| {
        text.parse()
            .map_err(|_| invalid("limit", "limit must be non-negative"))
    };
    parameters.text("limit").map_or(Ok(0), read)
}

pub(super) fn selectors(parameters: &Parameters) -> Result<Vec<Vec<Matcher>>, Refusal> {
    let mut all = Vec::new();
    for text in parameters.all("match[]") {
        if all.len() == SELECTORS_MAX {
            return Err(Refusal::invalid(format!(
                "more than {SELECTORS_MAX} match[] parameters"
            )));
        }
        let read = parse_matchers(text);
        all.push(read.map_err(|error| invalid("match[]", &error.to_string()))?);
    }
    Ok(all)
}

/// `GET`, `POST /series`.
pub(super) async fn series(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&parameters)?;
    if asked.selectors.is_empty() {
        return Err(Refusal::invalid("no match[] parameter provided"));
    }
    let (tenant, marks) = (tenant_of(&extensions), marks(&query));
    let mut found: BTreeSet<Labels> = BTreeSet::new();
    for matchers in &asked.selectors {
        let store = &query.0.series;
        found.extend(
            store
                .series(&tenant, matchers, asked.from_ms, asked.to_ms)
                .await?,
        );
    }
    let bytes_max = query.0.config.answer_bytes_max;
    let answer = off_thread(move || written(&found, asked.limit, bytes_max));
    answer.await?.sent(&query, &marks)
}

fn written(found: &BTreeSet<Labels>, limit: usize, bytes_max: u64) -> Result<Answer, Refusal> {
    let n_written = if limit == 0 { usize::MAX } else { limit };
    let mut out = Out::new(bytes_max);
    out.list(found.iter().take(n_written), |out, labels| {
        out.labels(labels);
        Ok(())
    })?;
    let mut answer = Answer::of_json(out.done()?);
    if found.len() > n_written {
        answer.warnings.push(CUT.to_owned());
    }
    Ok(answer)
}

/// Labels as a JSON object.
pub(super) fn object(labels: &Labels) -> Value {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), Value::from(value));
    Value::Object(labels.iter().map(pair).collect::<Map<_, _>>())
}

/// `GET`, `POST /labels`.
pub(super) async fn labels(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&parameters)?;
    let (tenant, marks) = (tenant_of(&extensions), marks(&query));
    let mut found: BTreeSet<String> = BTreeSet::new();
    for matchers in asked.or_all() {
        let store = &query.0.series;
        found.extend(
            store
                .label_names(&tenant, &matchers, asked.from_ms, asked.to_ms)
                .await?,
        );
    }
    Answer::of_list(found.into_iter().collect(), asked.limit)?.sent(&query, &marks)
}

/// `GET /label/{name}/values`.
pub(super) async fn values(
    State(query): State<Query>,
    name: Result<Path<String>, PathRejection>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let text = name.map_or_else(|_| String::new(), |Path(name)| name);
    let name = label_name::read(&text)
        .ok_or_else(|| Refusal::invalid(format!("invalid label name: {:?}", shortened(&text))))?;
    let asked = Asked::read(&parameters)?;
    let (tenant, marks) = (tenant_of(&extensions), marks(&query));
    let mut found: BTreeSet<String> = BTreeSet::new();
    for matchers in asked.or_all() {
        let store = &query.0.series;
        let values = store.label_values(&tenant, &name, &matchers, asked.from_ms, asked.to_ms);
        found.extend(values.await?);
    }
    Answer::of_list(found.into_iter().collect(), asked.limit)?.sent(&query, &marks)
}
