//! Traces that stand for points: exemplars of every series that a query selects.

use std::collections::BTreeMap;

use ::metrics::promql::ast::{Expr, ExprKind};
use ::metrics::row::Exemplar;
use ::metrics::{Labels, Matcher};
use axum::extract::State;
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::{Answer, CUT};
use super::form::Form;
use super::marks;
use super::number;
use super::query::named;
use super::series::object;
use super::times::{EARLIEST_MS, LATEST_MS, instant_of};
use crate::Query;
use crate::api::tenant_of;
use crate::refusal::{Kind, Refusal};
use crate::work::off_thread;

/// Selectors of one query whose exemplars are read, at most.
const SELECTORS_MAX: usize = 64;
/// Exemplars of one answer at most: the newest of each series are kept.
const EXEMPLARS_MAX: usize = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfSeries {
    series_labels: Value,
    exemplars: Vec<One>,
}

#[derive(Serialize)]
struct One {
    labels: BTreeMap<String, String>,
    value: String,
    timestamp: Box<RawValue>,
}

/// `GET`, `POST /query_exemplars`.
pub(super) async fn exemplars(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let start = instant_of(&parameters, "start", EARLIEST_MS)?;
    let end = instant_of(&parameters, "end", LATEST_MS)?;
    if end < start {
        return Err(Refusal::invalid(
            "end timestamp must not be before start timestamp",
        ));
    }
    let text = parameters.text("query").unwrap_or_default();
    let features = query.0.promql.config().features;
    let expr = ::metrics::promql::parse(text, features).map_err(named)?;
    let mut selectors = Vec::new();
    collect(&expr, &mut selectors);
    if selectors.len() > SELECTORS_MAX {
        let n = selectors.len();
        return Err(Refusal::invalid(format!(
            "the query selects series {n} times, exemplars are read for at most {SELECTORS_MAX}"
        )));
    }
    let (tenant, marks) = (tenant_of(&extensions), marks(&query));
    let mut found: BTreeMap<Labels, Vec<Exemplar<()>>> = BTreeMap::new();
    for matchers in selectors {
        let store = &query.0.series;
        let of_selector = store.exemplars(&tenant, &matchers, start.saturating_sub(1), end);
        found.extend(
            of_selector
                .await?
                .into_iter()
                .map(|one| (one.labels, one.exemplars)),
        );
    }
    off_thread(move || written(found))
        .await?
        .sent(&query, &marks)
}

/// The conditions of every selector. The tree is no deeper than its parser lets it be.
fn collect(expr: &Expr, all: &mut Vec<Vec<Matcher>>) {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Text(_) => {}
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => {
            all.push(selector.matchers.clone());
        }
        ExprKind::Subquery(subquery) => collect(&subquery.expr, all),
        ExprKind::Paren(expr) | ExprKind::Unary { expr, .. } => collect(expr, all),
        ExprKind::Binary(binary) => {
            collect(&binary.lhs, all);
            collect(&binary.rhs, all);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(|expr| collect(expr, all));
            collect(&aggregate.expr, all);
        }
        ExprKind::Call(call) => call.args.iter().for_each(|expr| collect(expr, all)),
    }
}

fn written(found: BTreeMap<Labels, Vec<Exemplar<()>>>) -> Result<Answer, Refusal> {
    let n_found: usize = found.values().map(Vec::len).sum();
    let of_each_max = match n_found > EXEMPLARS_MAX {
        true => (EXEMPLARS_MAX / found.len().max(1)).max(1),
        false => usize::MAX,
    };
    let mut all = Vec::new();
    for (labels, exemplars) in found.into_iter().take(EXEMPLARS_MAX) {
        let n_older = exemplars.len().saturating_sub(of_each_max);
        let kept: Result<_, Refusal> = exemplars.into_iter().skip(n_older).map(one).collect();
        all.push(OfSeries {
            series_labels: object(&labels),
            exemplars: kept?,
        });
    }
    let mut answer = Answer::of(&all)?;
    if n_found > EXEMPLARS_MAX {
        answer.warnings.push(CUT.to_owned());
    }
    Ok(answer)
}

fn one(exemplar: Exemplar<()>) -> Result<One, Refusal> {
    let timestamp = RawValue::from_string(number::Seconds(exemplar.unix_ms).to_string());
    Ok(One {
        labels: exemplar.labels.into_iter().collect(),
        value: number::Float(exemplar.value).to_string(),
        timestamp: timestamp.map_err(|error| Refusal::new(Kind::Internal, error.to_string()))?,
    })
}
